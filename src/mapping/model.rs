//! A mapping file as understood: every name resolved, every path, template and expression
//! compiled, so that nothing is parsed again while requests are served.
//!
//! [`Mapping`] has one constructor, `Mapping::load` in `mapping/load.rs`; whoever holds one holds
//! a file without errors. Rows and collections are addressed by their index in
//! [`ResourceMapping::rows`] and [`ResourceMapping::collections`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;
use serde_json::{Map, Value};

use crate::mapping::access::{OAuth2, Rate, RetryMethods, TimeUnit, Tls};
pub use crate::mapping::answers::{ErrorRule, Errors, Locator, Outcome, StatusMatch};
use crate::mapping::expression::Expression;
use crate::mapping::formulas::Formulas;
pub use crate::mapping::requests::{
    BodyFormat, Carries, Encoding, Lookup, Missing, PageStyle, Pages, ParameterPlace, Request,
    RequestBody, Returns, SendMode, Total,
};
use crate::mapping::template::{BodyTemplate, Template};
pub use crate::mapping::transcript::{Attempt, Call, Example, Given, Test};
use crate::mapping::transform::kind::Transform;
use crate::native::message::Method;
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

/// How to reach and sign in to the application.
#[derive(Debug)]
pub struct Api {
    /// Where everything begins, without trailing slash.
    pub base_url: Template,
    /// How to sign in.
    pub sign_in: SignIn,
    /// Headers of every request.
    pub headers: Vec<(String, Template)>,
    /// Query parameters of every request.
    pub query: Vec<(String, Template)>,
    /// Time for a whole call.
    pub timeout: Duration,
    /// Time to connect.
    pub connect_timeout: Duration,
    /// Most calls in flight.
    pub concurrency: usize,
    /// Most calls that begin in a stretch of time.
    pub rate: Option<Rate>,
    /// What is repeated, and when.
    pub retry: Retry,
    /// Certificates; `None`: those of the system.
    pub tls: Option<Tls>,
    /// The proxy that every call goes through.
    pub proxy: Option<Template>,
    /// Largest answer, in bytes.
    pub max_response: u64,
    /// How long lists and look-ups may lack what was written.
    pub eventual: Duration,
}

/// Sign-in styles.
#[derive(Debug)]
pub enum SignIn {
    /// None.
    None,
    /// `Authorization: Bearer …`.
    Bearer(Template),
    /// `Authorization: Basic …`.
    Basic {
        /// User name.
        username: Template,
        /// Password.
        password: Template,
    },
    /// A key in a header.
    Header {
        /// Header name.
        name: String,
        /// Header value.
        value: Template,
    },
    /// A key in a query parameter.
    Query {
        /// Parameter name.
        name: String,
        /// Parameter value.
        value: Template,
    },
    /// A token of an OAuth 2.0 token endpoint.
    OAuth2(Box<OAuth2>),
    /// A login call whose answer has a token.
    Session(Box<Session>),
}

/// A login call.
#[derive(Debug)]
pub struct Session {
    /// Its method.
    pub method: Method,
    /// Its path below `base_url`.
    pub path: Template,
    /// Its headers.
    pub headers: Vec<(String, Template)>,
    /// Its body.
    pub body: Option<BodyTemplate>,
    /// How the body is encoded.
    pub encoding: Encoding,
    /// Where the token is in the answer.
    pub token: Locator,
    /// Where its end is: seconds from now, an epoch or an RFC 3339 instant.
    pub expires: Option<Locator>,
    /// How long it lives when the answer does not say.
    pub lifetime: Duration,
    /// Where the token goes; the template sees `token`.
    pub send: TokenPlace,
    /// Statuses after which the bridge signs in again, once, and repeats the call.
    pub renew_on: Vec<u16>,
    /// True on an answer after which it does the same; sees what error rules see.
    pub renew_when: Option<Expression>,
    /// Where `message` is, for `renew_when`.
    pub messages: Vec<NativePath>,
}

/// Where a session's token is sent.
#[derive(Debug)]
pub enum TokenPlace {
    /// In a header.
    Header(String, Template),
    /// In a query parameter.
    Query(String, Template),
    /// In a cookie.
    Cookie(String, Template),
    /// In the body, as a member of members.
    Body(Vec<String>, Template),
}

/// What is repeated, and when.
#[derive(Debug, Clone)]
pub struct Retry {
    /// Attempts in all, the first included.
    pub attempts: u32,
    /// Statuses that are worth repeating; connection failures always are.
    pub on: Vec<u16>,
    /// First and longest pause.
    pub backoff: (Duration, Duration),
    /// Where the answer says how long to wait.
    pub after: Locator,
    /// What a number there counts.
    pub after_unit: TimeUnit,
    /// Methods that may arrive twice.
    pub methods: RetryMethods,
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

/// One line of `attributes`: a SCIM value and where it is natively.
#[expect(clippy::struct_excessive_bools, reason = "each is a field of the language")]
#[derive(Debug)]
pub struct Row {
    /// The SCIM side.
    pub place: Place,
    /// Further places: then the row's SCIM value is an array with one entry for each place, null
    /// where one is unassigned.
    pub also: Vec<Place>,
    /// The native side.
    pub source: Source,
    /// Transforms from native to SCIM.
    pub via: Vec<Arc<dyn Transform>>,
    /// Expressions in the place of transforms.
    pub formulas: Formulas,
    /// What a text must match to be written.
    pub pattern: Option<Regex>,
    /// Directions.
    pub mode: Mode,
    /// Whether a resource must have it.
    pub required: bool,
    /// Used on create when the client sends nothing; sees `scim`.
    pub default: Option<Template>,
    /// What clearing does.
    pub on_clear: OnClear,
    /// Native values that mean unassigned.
    pub empty: Vec<Value>,
    /// Another row owns the native value; this one yields when both change.
    pub alias: bool,
    /// For `x[type eq …]`: whether the primary or only untyped element is accepted too. True for
    /// one type of an attribute only, the first in the file.
    pub lenient_match: bool,
    /// Constant sub-attributes added on reading.
    pub emit: Map<String, Value>,
    /// The resource type that the value identifies.
    pub reference: Option<String>,
    /// The member of that resource's record that the native value is; `None`: its key.
    pub by: Option<NativePath>,
    /// Whether the side-car remembers the SCIM value for as long as the native value is the one
    /// it produced.
    pub memo: bool,
    /// "I know that this does not round-trip."
    pub lossy: bool,
    /// How the file calls it.
    pub label: String,
    /// Line in the file.
    pub line: usize,
    /// Column in the file.
    pub column: usize,
}

/// A SCIM path of a row: `attr`, `attr.sub`, `attr[type eq "work"].sub`, each perhaps in an
/// extension. All names canonical.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// URN of the extension; `None` for the core schema.
    pub extension: Option<String>,
    /// Attribute.
    pub attribute: String,
    /// `==` terms that pick one element of a multi-valued attribute.
    pub selector: Vec<(String, Value)>,
    /// Sub-attribute.
    pub sub: Option<String>,
    /// Whether the attribute is multi-valued.
    pub multi_valued: bool,
}

/// The native side of a row.
#[derive(Debug)]
pub enum Source {
    /// In the record.
    Path {
        /// Where it is read.
        read: NativePath,
        /// Where it is written; `None` when the row is never written natively.
        write: Option<NativePath>,
    },
    /// In several places of the record; the native value is an array of what is there.
    Paths {
        /// Where it is read.
        read: Vec<NativePath>,
        /// Where it is written, in the same order; empty when the row is never written natively.
        write: Vec<NativePath>,
    },
    /// Made by an expression out of the whole record; read only.
    Computed,
    /// In the side-car.
    Sidecar,
    /// Always this value; read only.
    Constant(Value),
}

/// Directions of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Read and written.
    Both,
    /// Read only.
    Read,
    /// Written, never returned.
    Write,
    /// Written on create, then immutable.
    Create,
}

/// What clearing an attribute does natively.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnClear {
    /// Writes null.
    Null,
    /// Nothing.
    Omit,
    /// Writes an empty string.
    Empty,
    /// Removes the member or element.
    Remove,
    /// Refuses.
    Reject,
    /// Writes the row's default.
    Default,
}

/// A multi-valued attribute whose elements have rows of their own.
#[derive(Debug)]
pub struct Collection {
    /// The SCIM attribute; no selector, no sub-attribute.
    pub place: Place,
    /// Where the elements are.
    pub source: CollectionSource,
    /// One row for each sub-attribute, relative to an element.
    pub items: Vec<ItemRow>,
    /// Sub-attributes that make two elements the same.
    pub key: Vec<String>,
    /// The resource type that `value` identifies.
    pub reference: Option<String>,
    /// What `member` and `members` are in its calls: this member of that resource's record. `None`:
    /// the native `value`.
    pub by: Option<NativePath>,
    /// Directions.
    pub mode: Mode,
    /// Adds `member`, `members` or `item`.
    pub add: Option<Request>,
    /// Changes one element.
    pub change: Option<Request>,
    /// Removes `member`, `members` or `item`.
    pub remove: Option<Request>,
    /// Whether `remove` names what only the native element tells, so that it must be read first.
    pub remove_reads: bool,
    /// Replaces all elements by `members` or `items`.
    pub set: Option<Request>,
    /// The place in the record is an object: each member is an element `{key, value}`.
    pub entries: Option<EntryValues>,
    /// Elements in a call of `add` and of `remove`.
    pub batch: Batches,
    /// When it is read.
    pub fetch: Fetch,
    /// How the file calls it.
    pub label: String,
    /// Line in the file.
    pub line: usize,
    /// Column in the file.
    pub column: usize,
}

/// The values of an object whose members are elements.
#[derive(Debug, Clone)]
pub struct EntryValues {
    /// What a new element's member is.
    pub on: Value,
    /// What the member of a removed element is; such a member is no element. `None`: it is taken
    /// away.
    pub off: Option<Value>,
}

/// Where a collection's elements are.
#[derive(Debug)]
pub enum CollectionSource {
    /// In the record; the path selects every element.
    Items(NativePath),
    /// Behind a request of its own.
    List(Box<Request>),
}

/// One sub-attribute of a collection's element.
#[derive(Debug)]
pub struct ItemRow {
    /// Canonical name of the sub-attribute.
    pub sub: String,
    /// Where it is in the element; `$` is the element itself.
    pub path: NativePath,
    /// Where it is written; `None` when it is only read.
    pub write: Option<NativePath>,
    /// Transforms from native to SCIM.
    pub via: Vec<Arc<dyn Transform>>,
    /// Expressions in the place of transforms; they see the element.
    pub formulas: Formulas,
    /// What a text must match to be written.
    pub pattern: Option<Regex>,
    /// Always this value; read only.
    pub constant: Option<Value>,
    /// The resource type that the value identifies.
    pub reference: Option<String>,
    /// The member of that resource's record that the native value is; `None`: its key.
    pub by: Option<NativePath>,
    /// Native values that mean unassigned.
    pub empty: Vec<Value>,
    /// "I know that this does not round-trip."
    pub lossy: bool,
    /// Line in the file.
    pub line: usize,
    /// Column in the file.
    pub column: usize,
}

/// How many elements one call takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// At most this many; at least 1.
    Of(usize),
    /// Every one.
    All,
}

/// How many elements one call of each kind takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batches {
    /// A call of `add`.
    pub add: Batch,
    /// A call of `remove`.
    pub remove: Batch,
}

/// When a collection is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetch {
    /// Whenever the attribute would be returned.
    Always,
    /// Only when the client names it.
    Request,
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

impl Collection {
    /// Whether elements are written by calls of their own.
    pub fn has_calls(&self) -> bool {
        self.add.is_some() || self.remove.is_some() || self.set.is_some()
    }

    /// The array, or object, of the record that the elements are in.
    pub fn holder(&self) -> Option<NativePath> {
        match &self.source {
            CollectionSource::Items(path) if self.entries.is_some() => Some(path.clone()),
            CollectionSource::Items(path) => path.array(),
            CollectionSource::List(_) => None,
        }
    }
}

impl Mapping {
    /// The mapping of a resource type, by name.
    pub fn resource(&self, name: &str) -> Option<&ResourceMapping> {
        self.resources.iter().find(|resource| resource.name == name)
    }
}
