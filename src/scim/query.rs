//! The parameters of a query (RFC 7644 sections 3.4.2 and 3.4.3, RFC 9865), from a URL or from
//! the body of `POST …/.search`. Deliberately absent: bounds on `count`, which are the server's.

use std::borrow::Cow;

use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::scim::attr::AttrPath;
use crate::scim::deviation::{Deviation, Deviations};
use crate::scim::error::ScimType;
use crate::scim::filter::ast::Filter;
use crate::scim::filter::error::FilterError;
use crate::scim::projection::{self, Projection};
use crate::scim::urn;
use crate::scim::value::Dialect;

/// What a client asks of a list of resources.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Which resources; `None` means all.
    pub filter: Option<Filter>,
    /// Which attributes of them.
    pub projection: Projection,
    /// The first result, from 1; a smaller number was taken as 1.
    pub start_index: u64,
    /// How many results at most; `None` leaves it to the server, and a negative number was taken
    /// as 0.
    pub count: Option<u64>,
    /// What to sort by.
    pub sort_by: Option<AttrPath>,
    /// In which direction.
    pub sort_order: SortOrder,
    /// The cursor of RFC 9865; empty when the client asks for the first page by cursor.
    pub cursor: Option<String>,
}

/// `sortOrder`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SortOrder {
    /// From small to large.
    #[default]
    Ascending,
    /// From large to small.
    Descending,
}

/// Why a query is refused. Values are never repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The filter is malformed.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// A parameter has not the form it needs.
    #[error("`{parameter}` must be {expected}")]
    Malformed {
        /// The parameter.
        parameter: &'static str,
        /// What would have been right, with its article.
        expected: &'static str,
    },
    /// A page of a query by cursor has at least one result (RFC 9865 section 2).
    #[error("`count` must be a whole number from 1 where a cursor is used")]
    Count,
    /// The body is not a search request.
    #[error("the body is not a search request: {0}")]
    NotASearch(&'static str),
}

impl QueryError {
    /// The keyword of RFC 7644 table 9 or RFC 9865 table 3. The status is 400 in every case.
    pub fn scim_type(&self) -> ScimType {
        match self {
            Self::Filter(_) | Self::Malformed { parameter: FILTER, .. } => ScimType::InvalidFilter,
            Self::Malformed { .. } => ScimType::InvalidValue,
            Self::Count => ScimType::InvalidCount,
            Self::NotASearch(_) => ScimType::InvalidSyntax,
        }
    }
}

impl Default for Query {
    fn default() -> Self {
        Self {
            filter: None,
            projection: Projection::default(),
            start_index: 1,
            count: None,
            sort_by: None,
            sort_order: SortOrder::default(),
            cursor: None,
        }
    }
}

const FILTER: &str = "filter";
const ATTRIBUTES: &str = "attributes";
const EXCLUDED: &str = "excludedAttributes";
const START_INDEX: &str = "startIndex";
const COUNT: &str = "count";
const SORT_BY: &str = "sortBy";
const SORT_ORDER: &str = "sortOrder";
const CURSOR: &str = "cursor";

const NAMES: &str = "a list of attribute names";
const TEXT: &str = "a string";
const NUMBER: &str = "a whole number";

impl Query {
    /// Reads the query part of a URL, without the question mark. Unknown parameters are passed
    /// over. The lenient dialect notes what only it understands: names in other letters, and
    /// empty parameters, which it takes as not sent, but for `cursor`.
    ///
    /// # Errors
    /// When a parameter that is known has no meaning.
    pub fn parse(
        raw_query: &str,
        dialect: Dialect,
        noted: &mut Deviations,
    ) -> Result<Self, QueryError> {
        let pairs: Vec<_> = form_urlencoded::parse(raw_query.as_bytes()).collect();
        let mut text = |name: &'static str| find(&pairs, name, dialect, noted);
        let cursor = text(CURSOR)?;
        let has_cursor = cursor.is_some();
        Parts {
            filter: text(FILTER)?,
            projection: Projection {
                attributes: listed(ATTRIBUTES, text(ATTRIBUTES)?)?,
                excluded: listed(EXCLUDED, text(EXCLUDED)?)?,
            },
            start_index: text(START_INDEX)?.map(|text| integer(START_INDEX, text)).transpose()?,
            count: count(text(COUNT)?.map(|text| integer(COUNT, text)).transpose(), has_cursor)?,
            sort_by: text(SORT_BY)?,
            sort_order: text(SORT_ORDER)?,
            cursor,
        }
        .understand(dialect, noted)
    }

    /// Reads the body of `POST …/.search`. The lenient dialect takes numbers and lists as text,
    /// too, and does without `schemas`; both are noted.
    ///
    /// # Errors
    /// When the body is no search request, or a member of it has no meaning.
    pub fn from_search_request(
        body: &Value,
        dialect: Dialect,
        noted: &mut Deviations,
    ) -> Result<Self, QueryError> {
        let members = body.as_object().ok_or(QueryError::NotASearch("it is not an object"))?;
        let mut body = Body { members, dialect, noted };
        body.check_schemas()?;
        let has_cursor = body.member(CURSOR).is_some();
        Parts {
            filter: body.text(FILTER)?,
            projection: Projection {
                attributes: body.names(ATTRIBUTES)?,
                excluded: body.names(EXCLUDED)?,
            },
            start_index: body.integer(START_INDEX)?,
            count: count(body.integer(COUNT), has_cursor)?,
            sort_by: body.text(SORT_BY)?,
            sort_order: body.text(SORT_ORDER)?,
            cursor: has_cursor.then_some(body.text(CURSOR)?.unwrap_or_default()),
        }
        .understand(dialect, noted)
    }
}

/// The parameters by name, before they mean anything.
struct Parts<'q> {
    filter: Option<&'q str>,
    projection: Projection,
    start_index: Option<i64>,
    count: Option<i64>,
    sort_by: Option<&'q str>,
    sort_order: Option<&'q str>,
    cursor: Option<&'q str>,
}

impl Parts<'_> {
    fn understand(self, dialect: Dialect, noted: &mut Deviations) -> Result<Query, QueryError> {
        check_projection(&self.projection, dialect, noted)?;
        let filter = self.filter.map(|text| Filter::parse_noting(text, dialect, noted));
        let filter = filter.transpose()?;
        let sort_by = self.sort_by.map(|name| name.trim().parse()).transpose();
        Ok(Query {
            filter,
            projection: self.projection,
            start_index: self.start_index.map_or(1, |index| at_least(1, index)),
            count: self.count.map(|count| at_least(0, count)),
            sort_by: sort_by.map_err(|_| malformed(SORT_BY, "an attribute's name"))?,
            sort_order: sort_order(self.sort_order, dialect, noted)?,
            cursor: self.cursor.map(str::to_owned),
        })
    }
}

/// RFC 7644 section 3.9 lets a client send one of the two lists.
fn check_projection(
    projection: &Projection,
    dialect: Dialect,
    noted: &mut Deviations,
) -> Result<(), QueryError> {
    if projection.attributes.is_empty() || projection.excluded.is_empty() {
        return Ok(());
    }
    if dialect == Dialect::Strict {
        return Err(malformed(EXCLUDED, "absent where `attributes` is given"));
    }
    noted.note(Deviation::AttributesAndExcluded);
    Ok(())
}

/// A parameter by its name. The lenient dialect also finds it by its name in other letters, and
/// overlooks it when it is blank.
fn find<'q>(
    pairs: &'q [(Cow<'_, str>, Cow<'_, str>)],
    name: &'static str,
    dialect: Dialect,
    noted: &mut Deviations,
) -> Result<Option<&'q str>, QueryError> {
    let exact = pairs.iter().find(|(key, _)| key == name);
    let is_it = |(key, _): &&(Cow<'_, str>, Cow<'_, str>)| key.eq_ignore_ascii_case(name);
    let lenient = dialect == Dialect::Lenient;
    let found = exact.or_else(|| pairs.iter().find(is_it).filter(|_| lenient));
    let Some((_, value)) = found else { return Ok(None) };
    if exact.is_none() {
        noted.note(Deviation::ParameterCase);
    }
    // The decoder puts this character where bytes are not UTF-8. Nobody searches for it.
    if value.contains(char::REPLACEMENT_CHARACTER) {
        return Err(malformed(name, "text in UTF-8"));
    }
    if !value.trim().is_empty() || name == CURSOR {
        return Ok(Some(value));
    }
    if !lenient {
        return Err(malformed(name, "left out or not empty"));
    }
    noted.note(Deviation::EmptyParameter);
    Ok(None)
}

fn listed(name: &'static str, text: Option<&str>) -> Result<Vec<AttrPath>, QueryError> {
    let entries = text.unwrap_or_default().split(',');
    projection::names(entries).map_err(|_| malformed(name, NAMES))
}

fn integer(name: &'static str, text: &str) -> Result<i64, QueryError> {
    text.trim().parse().map_err(|_| malformed(name, NUMBER))
}

/// A number of results. Where a cursor is used, anything but one from 1 has a keyword of its own.
fn count(
    read: Result<Option<i64>, QueryError>,
    has_cursor: bool,
) -> Result<Option<i64>, QueryError> {
    match read {
        Ok(Some(..1)) | Err(_) if has_cursor => Err(QueryError::Count),
        other => other,
    }
}

fn at_least(least: u64, number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0).max(least)
}

fn sort_order(
    text: Option<&str>,
    dialect: Dialect,
    noted: &mut Deviations,
) -> Result<SortOrder, QueryError> {
    let Some(text) = text else { return Ok(SortOrder::default()) };
    match text.trim().to_ascii_lowercase().as_str() {
        "ascending" => Ok(SortOrder::Ascending),
        "descending" => Ok(SortOrder::Descending),
        _ if dialect == Dialect::Strict => {
            Err(malformed(SORT_ORDER, "`ascending` or `descending`"))
        }
        _ => {
            noted.note(Deviation::UnknownSortOrder);
            Ok(SortOrder::default())
        }
    }
}

fn malformed(parameter: &'static str, expected: &'static str) -> QueryError {
    QueryError::Malformed { parameter, expected }
}

struct Body<'b, 'd> {
    members: &'b Map<String, Value>,
    dialect: Dialect,
    noted: &'d mut Deviations,
}

impl<'b> Body<'b, '_> {
    fn check_schemas(&mut self) -> Result<(), QueryError> {
        let listed = self.member("schemas").and_then(Value::as_array).into_iter().flatten();
        let mut urns = listed.filter_map(Value::as_str);
        if urns.any(|urn| urn.eq_ignore_ascii_case(urn::SEARCH_REQUEST)) {
            return Ok(());
        }
        if self.lenient() {
            self.noted.note(Deviation::MissingSchemas);
            return Ok(());
        }
        Err(QueryError::NotASearch("`schemas` does not contain the SearchRequest URN"))
    }

    /// A member that is not null, by its name or else by its name in other letters.
    fn member(&self, name: &str) -> Option<&'b Value> {
        let mut others = self.members.iter();
        let found = self.members.get(name).or_else(|| {
            others.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
        });
        found.filter(|value| !value.is_null())
    }

    fn text(&self, name: &'static str) -> Result<Option<&'b str>, QueryError> {
        let Some(value) = self.member(name) else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| malformed(name, TEXT))?;
        Ok(Some(text).filter(|text| !text.trim().is_empty()))
    }

    fn integer(&mut self, name: &'static str) -> Result<Option<i64>, QueryError> {
        match self.member(name) {
            None => Ok(None),
            Some(Value::String(text)) if self.lenient() => {
                self.noted.note(Deviation::TextParameter);
                integer(name, text).map(Some)
            }
            Some(value) => value.as_i64().map(Some).ok_or_else(|| malformed(name, NUMBER)),
        }
    }

    fn names(&mut self, name: &'static str) -> Result<Vec<AttrPath>, QueryError> {
        match self.member(name) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) if self.lenient() => {
                self.noted.note(Deviation::TextParameter);
                listed(name, Some(text))
            }
            Some(value) => {
                let list = value.as_array().ok_or_else(|| malformed(name, NAMES))?;
                let entries: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
                let entries = entries.ok_or_else(|| malformed(name, NAMES))?;
                projection::names(entries.into_iter()).map_err(|_| malformed(name, NAMES))
            }
        }
    }

    fn lenient(&self) -> bool {
        self.dialect == Dialect::Lenient
    }
}

#[cfg(test)]
mod tests {
    use crate::scim::deviation::{Deviation, Deviations};
    use crate::scim::error::ScimType;
    use crate::scim::query::{Query, QueryError, SortOrder};
    use crate::scim::urn;
    use crate::scim::value::Dialect;
    use serde_json::{Value, json};

    fn parse(raw: &str) -> Query {
        Query::parse(raw, Dialect::Lenient, &mut Deviations::default())
            .unwrap_or_else(|error| panic!("{raw}: {error}"))
    }

    fn filter(raw: &str, printed: &str) {
        assert_eq!(parse(raw).filter.unwrap().to_string(), printed, "{raw}");
    }

    fn refused(raw: &str, dialect: Dialect, scim_type: ScimType) {
        assert_eq!(
            Query::parse(raw, dialect, &mut Deviations::default()).unwrap_err().scim_type(),
            scim_type,
            "{raw}"
        );
    }

    #[test]
    fn nothing_said_is_the_default() {
        for raw in ["", "&", "filter=", "filter=+&count=", "aadOptscim062020&x=1", "startIndex="] {
            assert_eq!(parse(raw), Query::default(), "{raw}");
        }
    }

    #[test]
    fn filters_are_decoded() {
        filter("filter=userName+eq+%22a%40b%22", r#"userName eq "a@b""#);
        filter("filter=userName%20eq%20%22a%2Bb%22&", r#"userName eq "a+b""#);
        filter("Filter=userName eq \"x\"", r#"userName eq "x""#);
        filter("FILTER=title+pr&filter=userName+pr", "userName pr");
        filter("filter=userName+eq+alice", r#"userName eq "alice""#);
    }

    #[test]
    fn numbers_are_brought_into_range() {
        let window = |raw| (parse(raw).start_index, parse(raw).count);
        assert_eq!(window("startIndex=0&count=-5"), (1, Some(0)));
        assert_eq!(window("startIndex=-3"), (1, None));
        assert_eq!(window("startindex=21&COUNT=10"), (21, Some(10)));
        assert_eq!(window("startIndex=9223372036854775807"), (9_223_372_036_854_775_807, None));
    }

    #[test]
    fn lists_order_and_cursor() {
        let query = parse("attributes=userName,name.givenName&excludedAttributes=members");
        assert_eq!(query.projection.attributes.len(), 2);
        assert_eq!(query.projection.excluded.len(), 1);
        let query = parse("sortBy=name.familyName&sortOrder=Descending");
        assert_eq!(query.sort_by.unwrap().to_string(), "name.familyName");
        assert_eq!(query.sort_order, SortOrder::Descending);
        assert_eq!(parse("sortOrder=sideways").sort_order, SortOrder::Ascending);
        assert_eq!(parse("cursor").cursor.as_deref(), Some(""));
        assert_eq!(parse("cursor=abc").cursor.as_deref(), Some("abc"));
    }

    #[test]
    fn what_has_no_meaning_is_refused() {
        for dialect in [Dialect::Lenient, Dialect::Strict] {
            refused("filter=userName+zz+1", dialect, ScimType::InvalidFilter);
            refused("filter=userName+eq+%22%FF%22", dialect, ScimType::InvalidFilter);
            refused("count=ten", dialect, ScimType::InvalidValue);
            refused("startIndex=1.5", dialect, ScimType::InvalidValue);
            refused("count=9999999999999999999999", dialect, ScimType::InvalidValue);
            refused("sortBy=a+b", dialect, ScimType::InvalidValue);
            refused("attributes=a%00", dialect, ScimType::InvalidValue);
        }
        refused("sortOrder=sideways", Dialect::Strict, ScimType::InvalidValue);
    }

    fn search(body: &Value, dialect: Dialect) -> Result<Query, QueryError> {
        Query::from_search_request(body, dialect, &mut Deviations::default())
    }

    #[test]
    fn a_search_request_says_the_same_as_a_url() {
        let body = json!({
            "schemas": [urn::SEARCH_REQUEST],
            "attributes": ["userName"],
            "filter": "userName eq \"a\"",
            "sortBy": "userName",
            "sortOrder": "descending",
            "startIndex": 0,
            "count": 10,
            "cursor": "",
        });
        let url = "attributes=userName&filter=userName+eq+%22a%22\
                   &sortBy=userName&sortOrder=descending&startIndex=0&count=10&cursor=";
        assert_eq!(search(&body, Dialect::Strict), Ok(parse(url)));
    }

    #[test]
    fn a_lenient_search_request_may_write_lists_and_numbers_as_text() {
        let body = json!({ "Attributes": "userName,title", "count": "5", "filter": null });
        let query = search(&body, Dialect::Lenient).unwrap();
        assert_eq!((query.projection.attributes.len(), query.count), (2, Some(5)));
        let error = search(&body, Dialect::Strict).unwrap_err();
        assert_eq!(error.scim_type(), ScimType::InvalidSyntax);
    }

    #[test]
    fn a_search_request_of_wrong_types_is_refused() {
        for body in [json!({ "count": 1.5 }), json!({ "attributes": [1] }), json!({ "sortBy": 1 })]
        {
            let error = search(&body, Dialect::Lenient).unwrap_err();
            assert_eq!(error.scim_type(), ScimType::InvalidValue);
        }
        let error = search(&json!([]), Dialect::Lenient).unwrap_err();
        assert_eq!(error.scim_type(), ScimType::InvalidSyntax);
        let error = search(&json!({ "filter": 5 }), Dialect::Lenient).unwrap_err();
        assert_eq!(error.scim_type(), ScimType::InvalidFilter);
    }

    #[test]
    fn what_is_forgiven_is_noted_and_refused_or_passed_over_by_the_strict_dialect() {
        for (raw, kind, strict) in [
            ("FILTER=title+pr", Deviation::ParameterCase, true),
            ("count=", Deviation::EmptyParameter, false),
            ("filter=", Deviation::EmptyParameter, false),
            ("sortOrder=sideways", Deviation::UnknownSortOrder, false),
            ("filter=userName+eq+ada", Deviation::UnquotedLiteral, false),
            ("filter=title++pr", Deviation::FilterBlanks, false),
            ("attributes=title&excludedAttributes=id", Deviation::AttributesAndExcluded, false),
        ] {
            let mut noted = Deviations::default();
            assert!(Query::parse(raw, Dialect::Lenient, &mut noted).is_ok(), "{raw}");
            assert_eq!(noted.iter().collect::<Vec<_>>(), [(kind, 1)], "{raw}");
            let mut noted = Deviations::default();
            let read = Query::parse(raw, Dialect::Strict, &mut noted);
            assert_eq!((read.is_ok(), noted.is_empty()), (strict, true), "{raw}");
        }
    }
}
