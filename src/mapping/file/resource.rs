//! Resources, rows and filters as written.

use serde_json::Value;

use crate::mapping::diagnostic::{Diagnostics, not_supported};
use crate::mapping::file::reader::{At, Entries, OneOrMany, Read, Text, mismatch, word};
use crate::mapping::file::request::{Request, Steps};
use crate::mapping::file::scalar::{ExprText, LocText, PathText, Tpl};
use crate::mapping::file::script::Example;
use crate::mapping::file::shape::Shape;
use crate::mapping::file::table::{object, words};
use crate::mapping::model::{
    Batch, Fetch, FilterCase, IdSourceRule, IdType, Mode, OnClear, ReplaceMode,
};
use crate::mapping::yaml::{Node, NodeValue};
use crate::scim::schema::{AttributeType, Returned, Uniqueness};

object! {
    /// One resource type.
    Resource "resource" {
        need id: Id,
        need attributes: At<Entries<RowEntry>>,
        may endpoint: Text,
        may schema: Text,
        may doc: String,
        may list: Request,
        may get: Request,
        or create: Steps,
        or update: Steps,
        may replace: Replace,
        may delete: DeleteEntry,
        may activate: ActivateEntry,
        may deactivate: DeactivateEntry,
        may filters: At<Entries<FilterEntry>>,
        may filter_defaults: Filter,
        may filter_language: FilterLanguage,
        may scan_limit: u64,
        may version: VersionEntry,
        may sort: Sort,
        or unmapped: Vec<PathText>,
        or examples: Vec<Example>,
    }
    later {
        unique: Vec<String>,
        adopt: String,
    }
}

object! {
    /// How a record is identified.
    IdObject "id" {
        need path: PathText,
        may r#type: IdType,
        may r#as: IdSourceRule,
        may pattern: Text,
        /// A pattern whose first group, or whole match, is the key in the native text.
        may extract: Text,
        /// Transforms of what is there, of which the key is what remains.
        may via: OneOrMany<At<Value>>,
    }
}

/// How a record is identified: a path, or an object.
#[derive(Debug, Clone)]
pub(crate) struct Id(pub(crate) IdObject);

object! {
    /// One line of `attributes`.
    Row "row" {
        may path: OneOrMany<PathText>,
        may write: PathText,
        may via: OneOrMany<At<Value>>,
        may mode: Mode,
        or required: bool,
        may default: Tpl,
        may on_clear: OnClear,
        may empty: Vec<Value>,
        or alias: bool,
        may r#match: Matching,
        may emit: Value,
        may r#ref: Text,
        or sidecar: bool,
        may value: At<Value>,
        or lossy: bool,
        or memo: bool,
        may r#type: At<AttributeType>,
        may multi: At<bool>,
        may returned: Returned,
        may unique: Uniqueness,
        may case_exact: bool,
        may doc: String,
        may items: PathText,
        may list: Request,
        may item: Entries<RowEntry>,
        may key: Vec<Text>,
        may add: Request,
        may change: Request,
        may remove: Request,
        may batch: Batch,
        may fetch: Fetch,
        /// With `ref`: the native value is this member of that resource's record, not its key.
        /// On a collection with calls: what `member` and `members` are in them.
        may by: PathText,
        /// An expression over `native` that makes the SCIM value. Alone it makes the row
        /// read-only.
        may to_scim: ExprText,
        /// An expression over `scim`, `old` and `native` that makes the native value. Null clears.
        may to_native: ExprText,
        /// A pattern that a text must match to be written.
        may pattern: Text,
    }
    later { set: Request, }
}

/// A row: an object, a path, or the word `sidecar`.
#[derive(Debug, Clone)]
pub(crate) struct RowEntry(pub(crate) Box<Row>);

/// Whether `x[type eq …]` also takes an untyped element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Matching {
    /// The primary or only untyped one.
    Lenient,
    /// No.
    Strict,
}

/// What PUT does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Replace(pub(crate) ReplaceMode);

/// What DELETE does.
#[derive(Debug, Clone)]
pub(crate) enum DeleteEntry {
    /// Requests.
    Steps(Steps),
    /// The word.
    Deactivate,
}

/// How a record is switched on.
#[derive(Debug, Clone)]
pub(crate) enum ActivateEntry {
    /// Requests.
    Steps(Steps),
    /// The word.
    Create,
}

/// How a record is switched off.
#[derive(Debug, Clone)]
pub(crate) enum DeactivateEntry {
    /// Requests.
    Steps(Steps),
    /// The word.
    Delete,
}

object! {
    /// How a filter term is answered natively.
    Filter "filter" @at {
        may query: FilterQuery,
        may get: Tpl,
        may post: Tpl,
        may body: Node,
        may records: PathText,
        may record: PathText,
        may term: Tpl,
        may exact: bool,
        may case: FilterCase,
        may r#unsafe: Text,
    }
}

/// One entry of `filters`: an object, or the name of a parameter.
#[derive(Debug, Clone)]
pub(crate) struct FilterEntry(pub(crate) Filter);

/// The parameters of a pushed-down term.
#[derive(Debug, Clone)]
pub(crate) enum FilterQuery {
    /// One parameter that takes the native value.
    Name(Text),
    /// Parameters with templates.
    Parameters(Entries<Tpl>),
}

object! {
    /// A one-parameter query language.
    FilterLanguage "filter language" @at {
        need param: String,
        may and: Tpl,
        may or: Tpl,
        may not: Tpl,
    }
}

object! {
    /// What the application can sort by.
    Sort "sort" @at {
        need by: Entries<String>,
        need query: FilterQuery,
    }
}

object! {
    /// Where versions come from.
    Version "version" {
        need from: LocText,
        may send: Text,
    }
}

/// Where versions come from: a place, or an object.
#[derive(Debug, Clone)]
pub(crate) struct VersionEntry(pub(crate) Version);

words! {
    IdType {
        "string" => IdType::String,
        "integer" => IdType::Integer,
        "uuid" => IdType::Uuid,
    }
    IdSourceRule { "native" => IdSourceRule::Native, "issued" => IdSourceRule::Issued }
    Mode {
        "both" => Mode::Both,
        "read" => Mode::Read,
        "write" => Mode::Write,
        "create" => Mode::Create,
    }
    OnClear {
        "null" => OnClear::Null,
        "omit" => OnClear::Omit,
        "empty" => OnClear::Empty,
        "remove" => OnClear::Remove,
        "reject" => OnClear::Reject,
    }
    Matching { "lenient" => Matching::Lenient, "strict" => Matching::Strict }
    Fetch { "always" => Fetch::Always, "request" => Fetch::Request }
    FilterCase {
        "exact" => FilterCase::Exact,
        "insensitive" => FilterCase::Insensitive,
        "sensitive" => FilterCase::Sensitive,
    }
    AttributeType {
        "string" => AttributeType::String,
        "boolean" => AttributeType::Boolean,
        "integer" => AttributeType::Integer,
        "decimal" => AttributeType::Decimal,
        "dateTime" => AttributeType::DateTime,
        "binary" => AttributeType::Binary,
        "reference" => AttributeType::Reference,
        "complex" => AttributeType::Complex,
    }
    Returned {
        "always" => Returned::Always,
        "default" => Returned::Default,
        "request" => Returned::Request,
        "never" => Returned::Never,
    }
    Uniqueness {
        "none" => Uniqueness::None,
        "server" => Uniqueness::Server,
        "global" => Uniqueness::Global,
    }
}

impl Read for Id {
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
        if matches!(node.value, NodeValue::Map(_)) {
            return Read::read(node, name, faults).map(Self);
        }
        let path = PathText::read(node, name, faults)?;
        Some(Self(IdObject {
            path,
            r#type: None,
            r#as: None,
            pattern: None,
            extract: None,
            via: None,
        }))
    }

    fn shape() -> Shape {
        Shape::Either(vec![PathText::shape(), IdObject::shape()])
    }
}

impl Read for RowEntry {
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
        let short = match &node.value {
            NodeValue::Map(_) => return Read::read(node, name, faults).map(Self),
            NodeValue::String(text) if text == "sidecar" => ("sidecar", NodeValue::Bool(true)),
            NodeValue::String(text) if text.starts_with('$') => ("path", node.value.clone()),
            _ => return mismatch(node, name, "a path, sidecar or a row", faults),
        };
        // The short forms are read as the row they stand for, so there is one reader of rows.
        let (field, value) = short;
        let key = crate::mapping::yaml::Key { name: field.to_owned(), at: node.at };
        let members = vec![(key, Node { value, at: node.at })];
        Read::read(&Node { value: NodeValue::Map(members), at: node.at }, name, faults).map(Self)
    }

    fn shape() -> Shape {
        Shape::Either(vec![PathText::shape(), Shape::Words(vec!["sidecar"]), Row::shape()])
    }
}

impl Read for Replace {
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
        if matches!(node.value, NodeValue::Map(_)) {
            faults.push(not_supported(node.at, "a request under \"replace\""));
            faults.lose();
            Request::read(node, name, faults);
            return None;
        }
        let table = [("strict", ReplaceMode::Strict), ("soft", ReplaceMode::Soft)];
        word(node, name, table, &[], faults).map(Self)
    }

    fn shape() -> Shape {
        Shape::Words(vec!["strict", "soft"])
    }
}

impl Read for DeleteEntry {
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
        match node.value {
            NodeValue::String(_) => {
                word(node, name, [("deactivate", Self::Deactivate)], &[], faults)
            }
            _ => Steps::read(node, name, faults).map(Self::Steps),
        }
    }

    fn shape() -> Shape {
        steps_or("deactivate")
    }
}

impl Read for ActivateEntry {
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
        match node.value {
            NodeValue::String(_) => word(node, name, [("create", Self::Create)], &[], faults),
            _ => Steps::read(node, name, faults).map(Self::Steps),
        }
    }

    fn shape() -> Shape {
        steps_or("create")
    }
}

impl Read for DeactivateEntry {
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
        match node.value {
            NodeValue::String(_) => word(node, name, [("delete", Self::Delete)], &[], faults),
            _ => Steps::read(node, name, faults).map(Self::Steps),
        }
    }

    fn shape() -> Shape {
        steps_or("delete")
    }
}

/// Requests, or a word instead of them.
fn steps_or(word: &'static str) -> Shape {
    Shape::Either(vec![Shape::Words(vec![word]), Steps::shape()])
}

impl Read for FilterEntry {
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
        if matches!(node.value, NodeValue::Map(_)) {
            return Read::read(node, name, faults).map(Self);
        }
        let query = FilterQuery::Name(Read::read(node, name, faults)?);
        Some(Self(Filter {
            at: node.at,
            query: Some(query),
            get: None,
            post: None,
            body: None,
            records: None,
            record: None,
            term: None,
            exact: None,
            case: None,
            r#unsafe: None,
        }))
    }

    fn shape() -> Shape {
        Shape::Either(vec![Text::shape(), Filter::shape()])
    }
}

impl Read for FilterQuery {
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
        match node.value {
            NodeValue::Map(_) => Read::read(node, name, faults).map(Self::Parameters),
            _ => Read::read(node, name, faults).map(Self::Name),
        }
    }

    fn shape() -> Shape {
        Shape::Either(vec![Text::shape(), Entries::<Tpl>::shape()])
    }
}

impl Read for VersionEntry {
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
        match node.value {
            NodeValue::Map(_) => Version::read(node, name, faults).map(Self),
            _ => LocText::read(node, name, faults).map(|from| Self(Version { from, send: None })),
        }
    }

    fn shape() -> Shape {
        Shape::Either(vec![LocText::shape(), Version::shape()])
    }
}

impl Read for Batch {
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
        let number = match &node.value {
            NodeValue::String(text) if text == "all" => return Some(Self::All),
            NodeValue::Number(number) => number.as_u64(),
            _ => None,
        };
        match number.and_then(|number| usize::try_from(number).ok()) {
            Some(number) if number > 0 => Some(Self::Of(number)),
            _ => mismatch(node, name, "int of at least 1, or 'all'", faults),
        }
    }

    fn shape() -> Shape {
        Shape::Either(vec![Shape::NUMBER, Shape::Words(vec!["all"])])
    }
}
