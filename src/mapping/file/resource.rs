//! Resources, rows and filters as written.

use serde_json::Value;

use crate::mapping::file::reader::{At, Entries, OneOrMany, Text};
use crate::mapping::file::request::{Request, Steps};
use crate::mapping::file::scalar::{ExprText, LocText, PathText, Tpl};
use crate::mapping::file::script::Example;
use crate::mapping::file::step::Step;
use crate::mapping::file::table::{object, words};
use crate::mapping::model::{
    Batch, Batches, Encoding, Fetch, FilterCase, IdSourceRule, IdType, Missing, Mode, OnClear,
    ParameterPlace, ReplaceMode,
};
use crate::mapping::yaml::Node;
use crate::scim::schema::{AttributeType, Returned, Uniqueness};

object! {
    /// One resource type.
    Resource "resource" {
        /// How a record is identified.
        need id: Id,
        /// SCIM places and where they are natively, both directions in one line each. `a + b` is
        /// one row of two places.
        need attributes: At<Entries<RowEntry>>,
        /// Where it is served.
        may endpoint: Text = "/Users, /Groups, else the name with an s",
        /// URN of its schema. A resource that is neither `User` nor `Group` needs one.
        may schema: Text = "the core schema of users and groups",
        /// A description for people.
        may doc: String,
        /// Lists records. Without it, filters answer only what they can look up.
        may list: Request = "nothing is listed",
        /// Reads one record.
        may get: Request = "list, and pick",
        /// Creates a record. Further requests run in order, and see the new `id`.
        or create: Steps = "answered with 501",
        /// Changes a record. Requests with `only` run first, the one without carries the rest.
        or update: Steps = "answered with 501",
        /// What PUT does to attributes that it does not name: clear them, or leave them. Or a
        /// request that takes the place of `update`.
        may replace: Replace = "strict",
        /// What DELETE does. `deactivate` switches the record off and hides the resource.
        may delete: DeleteEntry = "answered with 501",
        /// How a record is switched on. `create` makes it again, after `deactivate: delete`.
        may activate: ActivateEntry = "with update",
        /// How a record is switched off. `delete` deletes it, and the resource stays readable.
        may deactivate: DeactivateEntry = "with update",
        /// What the application can answer: `<SCIM place> <operator>` and how it is asked.
        may filters: At<Entries<FilterEntry>>,
        /// What holds for every entry of `filters` that does not say otherwise.
        may filter_defaults: Filter,
        /// For a query language in one parameter.
        may filter_language: FilterLanguage,
        /// Most records read for a filter that the application cannot answer; beyond it the answer
        /// is `tooMany`. 0 forbids scanning.
        may scan_limit: u64 = "2000",
        /// A condition; records for which it is false do not exist for SCIM. Sees `native`.
        may r#where: ExprText = "true",
        /// SCIM places that are looked up before they are written, where the application does not
        /// keep them unique.
        may unique: Vec<Text>,
        /// A record that is in the way of a creation, has the new value at this SCIM place and is
        /// known to no client is taken over.
        may adopt: Text = "never",
        /// Where versions come from.
        may version: VersionEntry = "a hash of what SCIM shows",
        /// What the application can sort its list by.
        may sort: Sort = "the bridge sorts",
        /// Native members left out on purpose.
        or unmapped: Vec<PathText>,
        /// Pairs of record and resource, which `scimbridge check` tries both ways.
        or examples: Vec<Example>,
    }
}

object! {
    /// How a record is identified.
    IdObject "id" {
        /// Where the key is in a record.
        need path: PathText,
        /// What keys look like; an id of another shape is a 404 without a call.
        may r#type: IdType = "string",
        /// `issued`: clients see a UUID that the bridge keeps, for keys that can change or are no
        /// good in a URL.
        may r#as: IdSourceRule = "native",
        /// What a key must match; another one is a 404 without a call.
        may pattern: Text,
        /// A pattern whose first group, or whole match, is the key in the native text.
        may extract: Text,
        /// Transforms of what is there, of which the key is what remains.
        may via: OneOrMany<At<Step>>,
    }
}

/// How a record is identified: a path, or an object.
#[derive(Debug, Clone)]
pub(crate) struct Id(pub(crate) IdObject);

object! {
    /// One line of `attributes`.
    Row "row" {
        /// Where the native value is. Several places are one list of values, for `via: join`.
        may path: OneOrMany<PathText>,
        /// Where it is written, when that is somewhere else.
        may write: PathText = "the path",
        /// Transforms from native to SCIM, left to right; writing runs the inverses from right to
        /// left.
        may via: OneOrMany<At<Step>>,
        /// `read`: shown as readOnly. `write`: never returned. `create`: immutable afterwards.
        may mode: Mode = "both, or what the schema says",
        /// In addition to what the schema requires.
        or required: bool = "false",
        /// Used on create when the client sends nothing; sees `scim`.
        may default: Tpl,
        /// What clearing does: write null, nothing, write `""`, take the member away, refuse, write
        /// the default.
        may on_clear: OnClear = "null",
        /// Native values that mean "not assigned".
        may empty: Vec<Value> = "[null, \"\"]",
        /// Another row owns this native value. When both change, the one that stands first wins.
        or alias: bool = "false",
        /// `lenient`: `x[type eq "work"]` also takes the primary element without a type, or the
        /// only one.
        may r#match: Matching = "lenient",
        /// Constant sub-attributes added on reading, such as `{ primary: true }`.
        may emit: Value,
        /// The value is the key of a resource of this name: keys become SCIM ids and back.
        may r#ref: Text,
        /// The bridge keeps it, not the application.
        or sidecar: bool = "false",
        /// Always this; read only.
        may value: At<Value>,
        /// "I know that this does not come back as it was": silences W302 and E402.
        or lossy: bool = "false",
        /// The bridge remembers the SCIM value for as long as the native value is the one it
        /// became.
        or memo: bool = "false",
        /// For attributes of your own.
        may r#type: At<AttributeType> = "as the schema says",
        /// For attributes of your own: the native value is a list.
        may multi: At<bool> = "as the schema says",
        /// As RFC 7643, section 7.
        may returned: Returned = "as the schema says",
        /// As RFC 7643, section 7.
        may unique: Uniqueness = "as the schema says",
        /// As RFC 7643, section 7.
        may case_exact: bool = "as the schema says",
        /// A description for people.
        may doc: String,
        /// For a collection in the record: its elements.
        may items: PathText,
        /// For a collection behind a request of its own: the request.
        may list: Request,
        /// Rows of an element's sub-attributes; `$` is the element.
        may item: Entries<RowEntry>,
        /// Sub-attributes that make two elements the same.
        may key: Vec<Text> = "[value]",
        /// Adds elements; sees `member`, `members`, `item`.
        may add: Request = "written with the record",
        /// Changes an element.
        may change: Request = "remove, then add",
        /// Removes elements.
        may remove: Request = "written with the record",
        /// Replaces the whole collection in one call; sees `members`, `items`.
        may set: Request = "add and remove",
        /// The place in `items` is an object, and each of its members an element `{key, value}`.
        may entries: EntryValues,
        /// Elements in one call of `add` and of `remove`, where these name `members` or `items`.
        may batch: At<BatchEntry> = "1",
        /// `request`: the list is asked only when a client names the attribute.
        may fetch: Fetch = "always",
        /// With `ref`: the value is this member of the other record, not its key. On a collection:
        /// what its calls name a member by.
        may by: PathText = "its key",
        /// An expression that gives the SCIM value; sees `native`. Alone it makes the row read only.
        may to_scim: ExprText,
        /// An expression that gives the native value; sees `scim`, `old`, `native`.
        may to_native: ExprText,
        /// A regular expression that a SCIM text must match; anything else is refused before a call.
        may pattern: Text,
    }
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

object! {
    /// Values of an object whose members are elements.
    EntryValues "entries" {
        /// What a new element's member becomes.
        need on: Value,
        /// What the member of a removed element becomes; a member of this value is no element.
        may off: Value = "the member is taken away",
    }
}

object! {
    /// Elements in one call.
    BatchObject "batch" {
        /// Of `add`.
        may add: Batch = "1",
        /// Of `remove`.
        may remove: Batch = "1",
    }
}

/// Elements in one call: for both kinds of calls, or for each of them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum BatchEntry {
    /// One number for those calls that take several.
    Both(Batch),
    /// A number for each.
    Each(Batches),
}

/// What PUT does: one of the words, or a request.
#[derive(Debug, Clone)]
pub(crate) enum Replace {
    /// With `update`.
    Mode(ReplaceMode),
    /// With this request.
    With(Box<Request>),
}

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
        /// A parameter of the list request, or of `get` and `post`, that takes the value; or
        /// parameters with templates that see `value` and `scim_value`.
        may query: FilterQuery,
        /// Another request instead of the list; 404 means that nobody matches.
        may get: Tpl,
        /// The same, with POST.
        may post: Tpl,
        /// The body of `post`; alone, members that are merged into the list request's body.
        may body: Node,
        /// How the body is written.
        may encode: Encoding = "the api's encode",
        /// Where the records are in the answer.
        may records: PathText = "as the list",
        /// Where the only record is in the answer.
        may record: PathText,
        /// `empty`: an answer without the member that holds the records has none.
        may missing: Missing = "as the list",
        /// The answer gives ids or stubs: each record is read by itself.
        may hydrate: bool = "false",
        /// Where the key is in the answer, when that is all it has.
        may id: LocText,
        /// A term of `filter_language`; sees `value` and `scim_value`.
        may term: Tpl,
        /// The application looks at the values of all rows of the attribute, as
        /// `emails[type eq "work"].value` and `emails[type eq "home"].value`.
        or any: bool = "false",
        /// False: the application may return more than was asked for.
        may exact: bool = "true",
        /// How the application compares letters. `sensitive`: it may return less, so an empty
        /// answer is followed by a scan.
        may case: FilterCase = "as the schema says",
        /// A pattern of values that are never sent; `none` cancels a default.
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
        /// The parameter.
        need param: String,
        /// Where the parameter goes: into the query, or into the JSON body.
        may r#in: At<ParameterPlace> = "query",
        /// Two terms that must both hold.
        may and: Tpl = "({a} AND {b})",
        /// Two terms of which one must hold.
        may or: Tpl = "({a} OR {b})",
        /// The negation of `a`.
        may not: Tpl = "is not sent",
    }
}

object! {
    /// What the application can sort by.
    Sort "sort" @at {
        /// SCIM places and the application's words for them.
        need by: Entries<String>,
        /// The parameter (a descending order has a `-` before the word), or parameters with
        /// templates that see `value` and `descending`.
        need query: FilterQuery,
    }
}

object! {
    /// Where versions come from.
    Version "version" {
        /// Where the version is, in the record or its answer.
        need from: LocText,
        /// The header that makes a write conditional, such as `If-Match`.
        may send: Text = "no condition is sent",
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
        "default" => OnClear::Default,
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
