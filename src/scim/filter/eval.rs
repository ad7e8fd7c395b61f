//! Whether a resource, or one element of a multi-valued attribute, matches a filter
//! (RFC 7644 section 3.4.2.2).
//!
//! Where the RFC is silent: an attribute that is absent, or that the resource type does not have,
//! differs from every value (`ne` holds, everything else does not); `eq null` means absent; an
//! empty string is not present (`pr`); an element of a multi-valued attribute without `primary`
//! is not primary (RFC 7643 section 2.4), while other absent Booleans are neither true nor false.
//! A complex attribute without a sub-attribute compares by its `value`.

use std::slice;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::scim::attr::AttrPath;
use crate::scim::deviation::Deviations;
use crate::scim::filter::ast::{CompareOp, Filter};
use crate::scim::filter::comparison::{Comparison, literal_deviation};
use crate::scim::filter::error::FilterError;
use crate::scim::resource::Resource;
use crate::scim::schema::{Attribute, AttributeType, ResourceType, Schema};
use crate::scim::value::Dialect;

/// A filter whose names have been looked up and whose literals have been read, once.
#[derive(Debug, Clone, PartialEq)]
pub struct CompiledFilter(Node);

#[derive(Debug, Clone, PartialEq)]
enum Node {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    /// A value that is not unassigned.
    Present(Place),
    Compare {
        place: Place,
        comparison: Comparison,
        /// What an element without the sub-attribute has.
        default: Option<Value>,
    },
    /// One element for which the inner node holds.
    Element(Place, Box<Self>),
}

/// Where values stand in the object that a filter looks at.
#[derive(Debug, Clone, PartialEq)]
enum Place {
    /// The resource type has no such attribute.
    Nowhere,
    /// The element itself, which is no object.
    Itself,
    /// A member of the object.
    Member {
        /// URN of the extension it stands under.
        section: Option<String>,
        attribute: String,
        sub: Option<String>,
    },
}

impl CompiledFilter {
    /// Makes a filter ready for resources of this type.
    ///
    /// # Errors
    /// When it asks for an order that the attribute's type does not have.
    pub fn new(
        filter: &Filter,
        resource_type: &ResourceType,
        dialect: Dialect,
    ) -> Result<Self, FilterError> {
        Compiler { scope: Scope::Resource(resource_type), dialect }.node(filter).map(Self)
    }

    /// Makes the filter of a value path ready for elements of this attribute.
    ///
    /// # Errors
    /// When it asks for an order that the sub-attribute's type does not have.
    pub fn for_elements(
        filter: &Filter,
        attribute: &Attribute,
        dialect: Dialect,
    ) -> Result<Self, FilterError> {
        Compiler { scope: Scope::Element(attribute), dialect }.node(filter).map(Self)
    }

    /// Whether the resource matches.
    pub fn matches(&self, resource: &Resource) -> bool {
        self.0.holds(Subject::Resource(&resource.0))
    }

    /// Whether the element matches; for filters made by [`CompiledFilter::for_elements`].
    pub fn matches_element(&self, element: &Value) -> bool {
        self.0.holds(Subject::Element(element))
    }
}

/// Notes the literals of a filter that only the lenient dialect reads as values of their
/// attributes.
pub fn note_literals(filter: &Filter, resource_type: &ResourceType, noted: &mut Deviations) {
    Scope::Resource(resource_type).note_literals(filter, noted);
}

/// The same for the filter of a value path, whose names are those of this attribute's elements.
pub fn note_element_literals(filter: &Filter, attribute: &Attribute, noted: &mut Deviations) {
    Scope::Element(attribute).note_literals(filter, noted);
}

impl Place {
    fn member(section: Option<&Schema>, attribute: &Attribute, sub: Option<&Attribute>) -> Self {
        Self::Member {
            section: section.map(|schema| schema.id.clone()),
            attribute: attribute.name.clone(),
            sub: sub.map(|sub| sub.name.clone()),
        }
    }
}

/// What names are looked up in.
#[derive(Clone, Copy)]
enum Scope<'t> {
    Resource(&'t ResourceType),
    Element(&'t Attribute),
}

/// A place, and the attribute whose values are there.
struct Found<'t> {
    place: Place,
    attribute: &'t Attribute,
    default: Option<Value>,
}

struct Compiler<'t> {
    scope: Scope<'t>,
    dialect: Dialect,
}

impl<'t> Compiler<'t> {
    fn node(&self, filter: &Filter) -> Result<Node, FilterError> {
        Ok(match filter {
            Filter::And(terms) => Node::And(self.nodes(terms)?),
            Filter::Or(terms) => Node::Or(self.nodes(terms)?),
            Filter::Not(inner) => Node::Not(Box::new(self.node(inner)?)),
            Filter::Compare(path, CompareOp::Eq, Value::Null) => {
                Node::Not(Box::new(Node::Present(self.place(path))))
            }
            Filter::Present(path) | Filter::Compare(path, CompareOp::Ne, Value::Null) => {
                Node::Present(self.place(path))
            }
            Filter::Compare(path, op, literal) => self.comparison(path, *op, literal)?,
            Filter::ValuePath(path, inner) => self.elements(path, inner)?,
        })
    }

    fn nodes(&self, filters: &[Filter]) -> Result<Vec<Node>, FilterError> {
        filters.iter().map(|filter| self.node(filter)).collect()
    }

    fn place(&self, path: &AttrPath) -> Place {
        self.find(path).map_or(Place::Nowhere, |found| found.place)
    }

    fn comparison(
        &self,
        path: &AttrPath,
        op: CompareOp,
        literal: &Value,
    ) -> Result<Node, FilterError> {
        let Some(found) = self.find(path).and_then(comparable) else {
            let absent = Node::Present(Place::Nowhere);
            return Ok(if op == CompareOp::Ne { Node::Not(Box::new(absent)) } else { absent });
        };
        let comparison = Comparison::new(path, op, literal, found.attribute, self.dialect)?;
        Ok(Node::Compare { place: found.place, comparison, default: found.default })
    }

    fn elements(&self, path: &AttrPath, inner: &Filter) -> Result<Node, FilterError> {
        let Some(found) = self.find(path) else { return Ok(Node::Present(Place::Nowhere)) };
        let scope = Scope::Element(found.attribute);
        let inner = Compiler { scope, dialect: self.dialect }.node(inner)?;
        Ok(Node::Element(found.place, Box::new(inner)))
    }

    fn find(&self, path: &AttrPath) -> Option<Found<'t>> {
        self.scope.find(path)
    }
}

impl<'t> Scope<'t> {
    fn find(self, path: &AttrPath) -> Option<Found<'t>> {
        match self {
            Self::Resource(resource_type) => find_in_resource(path, resource_type),
            Self::Element(attribute) => find_in_element(path, attribute),
        }
    }

    fn note_literals(self, filter: &Filter, noted: &mut Deviations) {
        match filter {
            Filter::And(terms) | Filter::Or(terms) => {
                for term in terms {
                    self.note_literals(term, noted);
                }
            }
            Filter::Not(inner) => self.note_literals(inner, noted),
            Filter::Compare(path, op, literal) => {
                let found = self.find(path).and_then(comparable);
                let deviation =
                    found.and_then(|found| literal_deviation(*op, literal, found.attribute));
                if let Some(deviation) = deviation {
                    noted.note(deviation);
                }
            }
            Filter::Present(_) => {}
            Filter::ValuePath(path, inner) => {
                if let Some(found) = self.find(path) {
                    Self::Element(found.attribute).note_literals(inner, noted);
                }
            }
        }
    }
}

/// The one attribute of every resource that no schema lists (RFC 7643 section 3.1).
static SCHEMAS: LazyLock<Attribute> = LazyLock::new(|| Attribute {
    multi_valued: true,
    ..Attribute::new("schemas", AttributeType::Reference)
});

fn find_in_resource<'t>(path: &AttrPath, resource_type: &'t ResourceType) -> Option<Found<'t>> {
    if path.urn.is_none() && path.sub.is_none() && path.attr.eq_ignore_ascii_case("schemas") {
        let place = Place::member(None, &SCHEMAS, None);
        return Some(Found { place, attribute: &SCHEMAS, default: None });
    }
    let resolved = resource_type.resolve(path)?;
    let attribute = resolved.attribute;
    let place = Place::member(resolved.extension, attribute, resolved.sub);
    let default = resolved.sub.and_then(|sub| default_of(attribute, sub));
    Some(Found { place, attribute: resolved.sub.unwrap_or(attribute), default })
}

fn find_in_element<'t>(path: &AttrPath, attribute: &'t Attribute) -> Option<Found<'t>> {
    if path.urn.is_some() || path.sub.is_some() {
        return None;
    }
    if attribute.kind != AttributeType::Complex {
        let itself = path.attr.eq_ignore_ascii_case("value");
        return itself.then_some(Found { place: Place::Itself, attribute, default: None });
    }
    let sub = attribute.sub_attribute(&path.attr)?;
    let place = Place::member(None, sub, None);
    Some(Found { place, attribute: sub, default: default_of(attribute, sub) })
}

/// `primary` is false where it is not given (RFC 7643 section 2.4).
fn default_of(attribute: &Attribute, sub: &Attribute) -> Option<Value> {
    let primary = sub.name == "primary" && sub.kind == AttributeType::Boolean;
    (primary && attribute.multi_valued).then_some(Value::Bool(false))
}

/// What a comparison with this attribute looks at: `emails co "x"` and `manager eq "x"` mean the
/// sub-attribute `value`.
fn comparable(found: Found<'_>) -> Option<Found<'_>> {
    if found.attribute.kind != AttributeType::Complex {
        return Some(found);
    }
    let value = found.attribute.sub_attribute("value")?;
    let Place::Member { section, attribute, sub: None } = found.place else { return None };
    let place = Place::Member { section, attribute, sub: Some(value.name.clone()) };
    Some(Found { place, attribute: value, default: None })
}

/// What a filter looks at.
#[derive(Clone, Copy)]
enum Subject<'v> {
    Resource(&'v Map<String, Value>),
    Element(&'v Value),
}

impl<'v> Subject<'v> {
    /// The values at a place, each element of a multi-valued attribute by itself; `default`
    /// stands in where an element lacks the sub-attribute.
    fn values(
        self,
        place: &'v Place,
        default: Option<&'v Value>,
    ) -> impl Iterator<Item = &'v Value> {
        let (found, sub) = match (place, self) {
            (Place::Itself, Self::Element(element)) => (Some(element), None),
            (Place::Nowhere, _) | (Place::Itself, Self::Resource(_)) => (None, None),
            (Place::Member { section, attribute, sub }, subject) => {
                let found = subject.member(section.as_deref(), attribute);
                let default = default.filter(|_| sub.is_none());
                (found.or(default), sub.as_deref())
            }
        };
        let found = found.map(elements).unwrap_or_default();
        let leaves = found.iter().filter_map(move |element| match sub {
            Some(sub) => element.get(sub).or(default),
            None => Some(element),
        });
        leaves.flat_map(elements).filter(|value| !value.is_null())
    }

    fn member(self, section: Option<&str>, attribute: &str) -> Option<&'v Value> {
        match (self, section) {
            (Self::Resource(members), None) => members.get(attribute),
            (Self::Resource(members), Some(urn)) => members.get(urn)?.get(attribute),
            (Self::Element(element), _) => element.get(attribute),
        }
    }
}

impl Node {
    fn holds(&self, subject: Subject<'_>) -> bool {
        match self {
            Self::And(terms) => terms.iter().all(|term| term.holds(subject)),
            Self::Or(terms) => terms.iter().any(|term| term.holds(subject)),
            Self::Not(inner) => !inner.holds(subject),
            Self::Present(place) => subject.values(place, None).any(is_present),
            Self::Compare { place, comparison, default } => {
                let mut values = subject.values(place, default.as_ref()).peekable();
                let absent = values.peek().is_none();
                values.any(|value| comparison.holds(value)) || absent && comparison.is_negative()
            }
            Self::Element(place, inner) => {
                subject.values(place, None).any(|element| inner.holds(Subject::Element(element)))
            }
        }
    }
}

fn elements(value: &Value) -> &[Value] {
    value.as_array().map_or_else(|| slice::from_ref(value), Vec::as_slice)
}

fn is_present(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.is_empty(),
        Value::Object(members) => members.values().any(is_present),
        Value::Array(elements) => elements.iter().any(is_present),
        Value::Null => false,
        Value::Bool(_) | Value::Number(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::scim::builtin::{core_user, user_type};
    use crate::scim::filter::ast::Filter;
    use crate::scim::filter::error::FilterError;
    use crate::scim::filter::eval::CompiledFilter;
    use crate::scim::filter::parse::MAX_FILTER_DEPTH;
    use crate::scim::resource::Resource;
    use crate::scim::value::Dialect;

    fn compile(text: &str, dialect: Dialect) -> Result<CompiledFilter, FilterError> {
        let filter = Filter::parse(text, dialect)?;
        CompiledFilter::new(&filter, &user_type(), dialect)
    }

    #[track_caller]
    fn check(dialect: Dialect, text: &str, expected: bool) {
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "id": "7",
            "externalId": "42",
            "userName": "Ada",
            "title": "",
            "active": true,
            "meta": { "lastModified": "2011-05-13T04:42:34Z" },
            "emails": [
                { "value": "ada@x.example", "type": "work", "primary": true },
                { "value": "ada@y.example" },
            ],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
                "manager": { "value": "M-1" },
            },
        });
        let Value::Object(user) = user else { unreachable!() };
        let filter = compile(text, dialect).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(filter.matches(&Resource(user)), expected, "{text}");
    }

    #[test]
    fn where_the_rfc_is_silent() {
        for (text, expected) in [
            (r#"nickName ne "x""#, true),
            (r#"nickName eq "x""#, false),
            (r#"not (nickName eq "x")"#, true),
            (r#"noSuch ne "x""#, true),
            (r#"noSuch eq "x" or noSuch pr or noSuch[a pr]"#, false),
            ("nickName eq null and userName ne null", true),
            ("title pr", false),
            ("emails.primary eq false", true),
            ("emails[not (primary eq true)]", true),
            ("emails[primary eq false and type pr]", false),
            (r#"emails.type ne "work""#, false),
            (r#"emails[type ne "work"]"#, true),
            (r#"emails.value ne "ada@x.example""#, true),
            (r#"emails co "Y.example""#, true),
            (r#"manager eq "m-1""#, true),
            (r#"name eq "x""#, false),
            (r#"name ne "x""#, true),
            (r#"schemas eq "urn:ietf:params:scim:schemas:core:2.0:user""#, true),
            (r#"urn:ietf:params:scim:schemas:core:2.0:Group:userName eq "Ada""#, false),
            (r#"meta.lastModified sw "2011-05""#, true),
            (r#"emails[emails.value eq "ada@x.example"]"#, false),
        ] {
            check(Dialect::Strict, text, expected);
            check(Dialect::Lenient, text, expected);
        }
    }

    #[test]
    fn a_literal_of_the_wrong_type_is_converted_in_the_lenient_dialect_only() {
        for (text, expected) in [
            (r#"active eq "True""#, true),
            (r#"emails[primary eq "TRUE"].value eq "ada@x.example""#, true),
            ("id eq 7", true),
            (r#"meta.lastModified ge "2011-05-13""#, true),
            (r#"active ne "yes""#, true),
            (r#"active eq "yes""#, false),
        ] {
            check(Dialect::Lenient, text, expected);
        }
        check(Dialect::Strict, r#"active eq "true""#, false);
        check(Dialect::Strict, "id eq 7", false);
    }

    #[test]
    fn an_order_that_a_type_does_not_have_is_refused() {
        for text in ["active gt true", r#"x509Certificates[value lt "QUJD"]"#] {
            let refused = compile(text, Dialect::Lenient);
            assert!(matches!(refused, Err(FilterError::NoOrder { .. })), "{text}");
        }
        let refused = compile(r#"meta.created gt "yesterday""#, Dialect::Lenient);
        assert!(matches!(refused, Err(FilterError::NotAnInstant { .. })));
    }

    #[test]
    fn the_deepest_filter_can_be_evaluated() {
        let nots = MAX_FILTER_DEPTH;
        let text = format!("{}id pr{}", "not (".repeat(nots), ")".repeat(nots));
        check(Dialect::Strict, &text, nots.is_multiple_of(2));
    }

    #[test]
    fn elements_match_by_their_sub_attributes() {
        let user = core_user();
        let emails = user.attribute("emails").unwrap();
        let check = |text: &str, element: Value, expected: bool| {
            let filter = Filter::parse(text, Dialect::Lenient).unwrap();
            let filter = CompiledFilter::for_elements(&filter, emails, Dialect::Lenient).unwrap();
            assert_eq!(filter.matches_element(&element), expected, "{text}");
        };
        check(r#"TYPE eq "Work""#, json!({ "type": "work" }), true);
        check(r#"primary eq "False""#, json!({ "type": "work" }), true);
        check(r#"noSuch eq "x""#, json!({ "type": "work" }), false);
    }

    #[test]
    fn elements_that_are_no_objects_are_their_own_value() {
        let mut tags = core_user().attribute("title").unwrap().clone();
        tags.multi_valued = true;
        let filter = Filter::parse(r#"value eq "RED""#, Dialect::Strict).unwrap();
        let filter = CompiledFilter::for_elements(&filter, &tags, Dialect::Strict).unwrap();
        assert!(filter.matches_element(&json!("red")));
        assert!(!filter.matches_element(&json!("blue")));
    }
}
