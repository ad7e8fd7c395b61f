//! A mapping file as understood: every name resolved, every path, template and expression
//! compiled, so that nothing is parsed again while requests are served.
//!
//! [`Mapping`] has one constructor, `Mapping::load` in `mapping/load.rs`; whoever holds one holds
//! a file without errors. Rows and collections are addressed by their index in
//! [`ResourceMapping::rows`] and [`ResourceMapping::collections`].

use std::collections::BTreeMap;
use std::sync::Arc;

use regex::Regex;
use serde_json::Value;

pub use crate::mapping::access::{Api, Retry, Session, SignIn, TokenPlace};
pub use crate::mapping::answers::{ErrorRule, Errors, Locator, Outcome, StatusMatch};
use crate::mapping::body_template::BodyTemplate;
use crate::mapping::expression::Expression;
pub use crate::mapping::requests::{
    BodyFormat, Carries, Encoding, Lookup, Missing, PageStyle, Pages, ParameterPlace, Request,
    RequestBody, Returns, SendMode, Total,
};
pub use crate::mapping::row::{
    Batch, Batches, Collection, CollectionSource, EntryValues, Fetch, ItemRow, Mode, OnClear,
    Place, Row, Source,
};
use crate::mapping::template::Template;
pub use crate::mapping::transcript::{Attempt, Call, Example, Given, Test};
use crate::mapping::transform::kind::Transform;
use crate::native::path::NativePath;
use crate::scim::attr::AttrPath;
use crate::scim::filter::ast::CompareOp;
use crate::scim::schema::ResourceType;

/// One application, completely described.
#[derive(Debug)]
pub struct Mapping {
    /// Short name; the side-car partition, and the name in logs.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// What an installation supplies.
    pub config: Vec<ConfigVar>,
    /// How to reach the application.
    pub api: Api,
    /// How its failures are read.
    pub errors: Errors,
    /// Prefixes of extensions and their URNs, `enterprise` among them.
    pub namespaces: BTreeMap<String, String>,
    /// The resource types, in file order.
    pub resources: Vec<ResourceMapping>,
    /// The exchanges in writing at the end of the file.
    pub tests: Vec<Test>,
}

/// A value that the installation supplies.
#[derive(Debug, Clone)]
pub struct ConfigVar {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ConfigType,
    /// Used when it is not supplied.
    pub default: Option<Value>,
    /// Whether start-up fails without it.
    pub required: bool,
    /// Whether it is redacted everywhere.
    pub secret: bool,
    /// Allowed values; empty means any.
    pub allowed: Vec<Value>,
    /// One line for people.
    pub doc: Option<String>,
}

/// Types of configuration values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigType {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// An absolute `http` or `https` URL.
    Url,
    /// `10s`, `250ms`, `5m`, `1h`.
    Duration,
}

/// One resource type of the application.
#[derive(Debug)]
pub struct ResourceMapping {
    /// `User`, `Group` or a name of its own.
    pub name: String,
    /// Its SCIM side: only mapped attributes, with the characteristics the rows give them.
    pub resource_type: ResourceType,
    /// How a record is identified.
    pub id: IdRule,
    /// Single values, in file order.
    pub rows: Vec<Row>,
    /// Multi-valued attributes with elements of their own, in file order.
    pub collections: Vec<Collection>,
    /// Lists records.
    pub list: Option<Request>,
    /// Reads one record.
    pub get: Option<Request>,
    /// Creates a record; later requests run in order after the first.
    pub create: Vec<Request>,
    /// Changes a record; those with `only` come first, in file order.
    pub update: Vec<Request>,
    /// What PUT does with absent attributes.
    pub replace: ReplaceMode,
    /// The request that PUT uses in the place of `update`; PATCH too, where there is no `update`.
    pub replace_with: Option<Request>,
    /// What DELETE does.
    pub delete: Delete,
    /// How a record is switched on.
    pub activate: Activate,
    /// How a record is switched off.
    pub deactivate: Deactivate,
    /// What can be pushed down.
    pub filters: Vec<FilterRule>,
    /// For one-parameter query languages.
    pub filter_language: Option<FilterLanguage>,
    /// Most records read to answer a filter that is not pushed down; 0 forbids scanning.
    pub scan_limit: usize,
    /// Which records exist for SCIM; sees `native`. `None`: all.
    pub visible: Option<Expression>,
    /// Attributes that are looked up before they are written, because nobody else keeps them
    /// unique.
    pub unique: Vec<AttrPath>,
    /// A record that no SCIM client has seen and that has the new resource's value here is taken
    /// over when it is in the way of a creation.
    pub adopt: Option<AttrPath>,
    /// Where versions come from; `None`: a hash of the SCIM view.
    pub version: Option<VersionRule>,
    /// What the application can sort its list by.
    pub sort: Option<SortRule>,
    /// Native places that are left out on purpose.
    pub unmapped: Vec<NativePath>,
    /// Native/SCIM pairs, checked both ways.
    pub examples: Vec<Example>,
    /// Line in the file.
    pub line: usize,
    /// Column in the file.
    pub column: usize,
}

/// How a record is identified.
#[derive(Debug)]
pub struct IdRule {
    /// Where the native key is.
    pub path: NativePath,
    /// What keys look like.
    pub kind: IdType,
    /// Whether the SCIM id is the native key or a UUID kept in the side-car.
    pub source: IdSourceRule,
    /// What a native key must match.
    pub pattern: Option<Regex>,
    /// Picks the key out of the native text: its first group, or the whole match.
    pub extract: Option<Regex>,
    /// Transforms whose result is the key.
    pub via: Vec<Arc<dyn Transform>>,
}

/// Where versions come from.
#[derive(Debug)]
pub struct VersionRule {
    /// Where the version is: in the record, or in a header of the answer to a request about one
    /// resource.
    pub from: Locator,
    /// The header, in lower case, that makes a native write conditional on it.
    pub send: Option<String>,
}

/// Types of native keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdType {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// A UUID.
    Uuid,
}

/// Where SCIM ids come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdSourceRule {
    /// The native key itself.
    Native,
    /// A UUID kept in the side-car.
    Issued,
}

/// What PUT does with absent attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplaceMode {
    /// They are cleared.
    Strict,
    /// They stay.
    Soft,
}

/// What DELETE does.
#[derive(Debug)]
pub enum Delete {
    /// 501.
    NotAllowed,
    /// These requests, in order.
    Requests(Vec<Request>),
    /// Switches the record off and leaves a tombstone in the side-car.
    Deactivate,
}

/// How a record is switched on.
#[derive(Debug)]
pub enum Activate {
    /// The `active` row is written like any other.
    ViaUpdate,
    /// These requests, in order.
    Requests(Vec<Request>),
    /// The record is created again and its memberships are restored.
    Create,
}

/// How a record is switched off.
#[derive(Debug)]
pub enum Deactivate {
    /// The `active` row is written like any other.
    ViaUpdate,
    /// These requests, in order.
    Requests(Vec<Request>),
    /// The native record is deleted; the SCIM resource lives on in the side-car.
    Delete,
}

/// One entry of `filters`.
#[derive(Debug)]
pub struct FilterRule {
    /// The attribute, canonical, with URN for an extension.
    pub path: AttrPath,
    /// The operator.
    pub operator: CompareOp,
    /// The terms of `x[type eq "work"]`, where the entry names one element.
    pub selector: Vec<(String, Value)>,
    /// The row whose transforms give the native form of a value.
    pub subject: FilterSubject,
    /// Which of the attribute's values the application looks at.
    pub reach: Reach,
    /// What is done.
    pub action: FilterAction,
    /// Whether the application never returns more than was asked for.
    pub exact: bool,
    /// How the application compares letters.
    pub case: FilterCase,
    /// Values that are never pushed down.
    pub unsafe_values: Option<Regex>,
}

/// Whose transforms apply to a filter's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterSubject {
    /// A row's.
    Row(usize),
    /// An element's: index of the collection, index of its item row.
    Item(usize, usize),
    /// The resource's own `id`.
    Id,
}

/// Which values of an attribute the application looks at when it is asked by an entry of `filters`.
/// Where others are mapped somewhere else, it finds fewer records than match.
#[derive(Debug, Clone, PartialEq)]
pub enum Reach {
    /// All of them. Further rows have some of these: a value must be written alike by all.
    All(Vec<FilterSubject>),
    /// Those of the element that these terms pick.
    Element(Vec<(String, Value)>),
    /// Some that nobody can tell from the others: the application is not asked.
    Unknown,
}

/// Whether two values of a selector pick the same element: `type` has no letter case.
pub fn is_same_text(one: &Value, other: &Value) -> bool {
    match (one.as_str(), other.as_str()) {
        (Some(one), Some(other)) => one.to_lowercase() == other.to_lowercase(),
        _ => one == other,
    }
}

/// How the application sorts a list.
#[derive(Debug)]
pub struct SortRule {
    /// Attributes, canonical, and what they are called natively.
    pub by: Vec<(AttrPath, String)>,
    /// Parameters of the list request; templates see `value` and `descending`.
    pub query: Vec<(String, Template)>,
}

/// How a filter term is answered natively.
#[derive(Debug)]
pub enum FilterAction {
    /// Parameters of the list request; templates see `value` and `scim_value`.
    Query(Vec<(String, Template)>),
    /// Members of the list request's body; templates see `value` and `scim_value`.
    Body(BodyTemplate),
    /// Another request instead of the list; 404 means no match.
    LookUp(Box<Request>),
    /// A term of the filter language.
    Term(Template),
}

/// How the application compares letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterCase {
    /// With case, and so does SCIM.
    Exact,
    /// Without case.
    Insensitive,
    /// With case although SCIM ignores it: may return less.
    Sensitive,
}

/// A one-parameter query language; `and` and `or` see `a` and `b`, `not` sees `a`.
#[derive(Debug)]
pub struct FilterLanguage {
    /// Parameter.
    pub param: String,
    /// Where it goes.
    pub place: ParameterPlace,
    /// Conjunction.
    pub and: Template,
    /// Disjunction.
    pub or: Template,
    /// Negation.
    pub not: Option<Template>,
}

impl ResourceMapping {
    /// The requests that change a record: `update`, and the one that replaces it.
    pub fn changing(&self) -> impl Iterator<Item = &Request> {
        self.update.iter().chain(&self.replace_with)
    }

    /// The parts of a record that come out of look-ups of their own.
    pub fn embedded(&self) -> &[(String, Lookup)] {
        match (&self.get, &self.list) {
            (Some(request), _) | (None, Some(request)) => &request.embed,
            (None, None) => &[],
        }
    }
}

impl Mapping {
    /// The mapping of a resource type, by name.
    pub fn resource(&self, name: &str) -> Option<&ResourceMapping> {
        self.resources.iter().find(|resource| resource.name == name)
    }
}
