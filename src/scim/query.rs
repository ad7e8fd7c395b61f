//! The parameters of a query (RFC 7644 sections 3.4.2 and 3.4.3, RFC 9865), from a URL or from
//! the body of `POST …/.search`. Deliberately absent: bounds on `count`, which are the server's.

use std::borrow::Cow;

use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::scim::attr::AttrPath;
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
    /// The body is not a search request.
    #[error("the body is not a search request: {0}")]
    NotASearch(&'static str),
}

impl QueryError {
    /// The keyword of RFC 7644 table 9. The status is 400 in every case.
    pub fn scim_type(&self) -> ScimType {
        match self {
            Self::Filter(_) | Self::Malformed { parameter: FILTER, .. } => ScimType::InvalidFilter,
            Self::Malformed { .. } => ScimType::InvalidValue,
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
    /// over, and so are empty ones, but for `cursor`.
    ///
    /// # Errors
    /// When a parameter that is known has no meaning.
    pub fn parse(raw_query: &str, dialect: Dialect) -> Result<Self, QueryError> {
        let pairs: Vec<_> = form_urlencoded::parse(raw_query.as_bytes()).collect();
        let text = |name: &'static str| find(&pairs, name);
        Parts {
            filter: text(FILTER)?,
            projection: Projection {
                attributes: listed(ATTRIBUTES, text(ATTRIBUTES)?)?,
                excluded: listed(EXCLUDED, text(EXCLUDED)?)?,
            },
            start_index: text(START_INDEX)?.map(|text| integer(START_INDEX, text)).transpose()?,
            count: text(COUNT)?.map(|text| integer(COUNT, text)).transpose()?,
            sort_by: text(SORT_BY)?,
            sort_order: text(SORT_ORDER)?,
            cursor: pairs
                .iter()
                .any(|(key, _)| key == CURSOR)
                .then_some(text(CURSOR)?.unwrap_or_default()),
        }
        .understand(dialect)
    }

    /// Reads the body of `POST …/.search`. The lenient dialect takes numbers and lists as text,
    /// too, and does without `schemas`.
    ///
    /// # Errors
    /// When the body is no search request, or a member of it has no meaning.
    pub fn from_search_request(body: &Value, dialect: Dialect) -> Result<Self, QueryError> {
        let members = body.as_object().ok_or(QueryError::NotASearch("it is not an object"))?;
        let body = Body { members, dialect };
        body.check_schemas()?;
        Parts {
            filter: body.text(FILTER)?,
            projection: Projection {
                attributes: body.names(ATTRIBUTES)?,
                excluded: body.names(EXCLUDED)?,
            },
            start_index: body.integer(START_INDEX)?,
            count: body.integer(COUNT)?,
            sort_by: body.text(SORT_BY)?,
            sort_order: body.text(SORT_ORDER)?,
            cursor: body.member(CURSOR).is_some().then_some(body.text(CURSOR)?.unwrap_or_default()),
        }
        .understand(dialect)
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
    fn understand(self, dialect: Dialect) -> Result<Query, QueryError> {
        let filter = self.filter.map(|text| Filter::parse(text, dialect)).transpose()?;
        let sort_by = self.sort_by.map(|name| name.trim().parse()).transpose();
        Ok(Query {
            filter,
            projection: self.projection,
            start_index: self.start_index.map_or(1, |index| at_least(1, index)),
            count: self.count.map(|count| at_least(0, count)),
            sort_by: sort_by.map_err(|_| malformed(SORT_BY, "an attribute's name"))?,
            sort_order: sort_order(self.sort_order, dialect)?,
            cursor: self.cursor.map(str::to_owned),
        })
    }
}

/// A parameter by its name, or else by its name in other letters; `None` when it is blank.
fn find<'q>(
    pairs: &'q [(Cow<'_, str>, Cow<'_, str>)],
    name: &'static str,
) -> Result<Option<&'q str>, QueryError> {
    let exact = pairs.iter().find(|(key, _)| key == name);
    let found = exact.or_else(|| pairs.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)));
    let Some((_, value)) = found else { return Ok(None) };
    // The decoder puts this character where bytes are not UTF-8. Nobody searches for it.
    if value.contains(char::REPLACEMENT_CHARACTER) {
        return Err(malformed(name, "text in UTF-8"));
    }
    Ok(Some(value.as_ref()).filter(|value| !value.trim().is_empty()))
}

fn listed(name: &'static str, text: Option<&str>) -> Result<Vec<AttrPath>, QueryError> {
    let entries = text.unwrap_or_default().split(',');
    projection::names(entries).map_err(|_| malformed(name, NAMES))
}

fn integer(name: &'static str, text: &str) -> Result<i64, QueryError> {
    text.trim().parse().map_err(|_| malformed(name, NUMBER))
}

fn at_least(least: u64, number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0).max(least)
}

fn sort_order(text: Option<&str>, dialect: Dialect) -> Result<SortOrder, QueryError> {
    let Some(text) = text else { return Ok(SortOrder::default()) };
    match text.trim().to_ascii_lowercase().as_str() {
        "ascending" => Ok(SortOrder::Ascending),
        "descending" => Ok(SortOrder::Descending),
        _ if dialect == Dialect::Lenient => Ok(SortOrder::default()),
        _ => Err(malformed(SORT_ORDER, "`ascending` or `descending`")),
    }
}

fn malformed(parameter: &'static str, expected: &'static str) -> QueryError {
    QueryError::Malformed { parameter, expected }
}

struct Body<'b> {
    members: &'b Map<String, Value>,
    dialect: Dialect,
}

impl<'b> Body<'b> {
    fn check_schemas(&self) -> Result<(), QueryError> {
        let listed = self.member("schemas").and_then(Value::as_array).into_iter().flatten();
        let mut urns = listed.filter_map(Value::as_str);
        if self.lenient() || urns.any(|urn| urn.eq_ignore_ascii_case(urn::SEARCH_REQUEST)) {
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

    fn integer(&self, name: &'static str) -> Result<Option<i64>, QueryError> {
        match self.member(name) {
            None => Ok(None),
            Some(Value::String(text)) if self.lenient() => integer(name, text).map(Some),
            Some(value) => value.as_i64().map(Some).ok_or_else(|| malformed(name, NUMBER)),
        }
    }

    fn names(&self, name: &'static str) -> Result<Vec<AttrPath>, QueryError> {
        match self.member(name) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) if self.lenient() => listed(name, Some(text)),
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
    use crate::scim::error::ScimType;
    use crate::scim::query::{Query, QueryError, SortOrder};
    use crate::scim::urn;
    use crate::scim::value::Dialect;
    use serde_json::{Value, json};

    fn parse(raw: &str) -> Query {
        Query::parse(raw, Dialect::Lenient).unwrap_or_else(|error| panic!("{raw}: {error}"))
    }

    fn filter(raw: &str, printed: &str) {
        assert_eq!(parse(raw).filter.unwrap().to_string(), printed, "{raw}");
    }

    fn refused(raw: &str, dialect: Dialect, scim_type: ScimType) {
        assert_eq!(Query::parse(raw, dialect).unwrap_err().scim_type(), scim_type, "{raw}");
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
        Query::from_search_request(body, dialect)
    }

    #[test]
    fn a_search_request_says_the_same_as_a_url() {
        let body = json!({
            "schemas": [urn::SEARCH_REQUEST],
            "attributes": ["userName"],
            "excludedAttributes": ["members"],
            "filter": "userName eq \"a\"",
            "sortBy": "userName",
            "sortOrder": "descending",
            "startIndex": 0,
            "count": 10,
            "cursor": "",
        });
        let url = "attributes=userName&excludedAttributes=members&filter=userName+eq+%22a%22\
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
}
