//! Requests of a mapping, as understood: what is sent, and how lists go on.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::mapping::answers::{ErrorRule, Locator};
use crate::mapping::body_template::BodyTemplate;
use crate::mapping::expression::Expression;
use crate::mapping::template::Template;
use crate::native::message::Method;
use crate::native::path::NativePath;

/// A request of the mapping.
#[derive(Debug)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Path below `base_url`; each hole one percent-encoded segment.
    pub path: Template,
    /// Query parameters; one whose value is null is dropped.
    pub query: Vec<(String, Template)>,
    /// Headers.
    pub headers: Vec<(String, Template)>,
    /// Body.
    pub body: RequestBody,
    /// How the body is encoded.
    pub encoding: Encoding,
    /// Envelope, in the body and in the answer: a path of names.
    pub wrap: Option<NativePath>,
    /// Constants merged into the body.
    pub set: Vec<(String, BodyTemplate)>,
    /// What of the resource this request carries.
    pub carries: Carries,
    /// The request is skipped unless this is true.
    pub when: Option<Expression>,
    /// Which members of the record are sent.
    pub send: SendMode,
    /// Whether rows make a record of the body or a description of what changes.
    pub format: BodyFormat,
    /// Only this part of the record is sent.
    pub subtree: Option<NativePath>,
    /// Left out of a full body.
    pub drop: Vec<NativePath>,
    /// The resource in the answer; `None`: the envelope member, or the whole body.
    pub record: Option<NativePath>,
    /// The resources in a list answer.
    pub records: NativePath,
    /// What it means when they are not there.
    pub missing: Missing,
    /// The list gives keys or stubs: each record is read by itself.
    pub hydrate: bool,
    /// Look-ups whose picks become members of each record; they see `id` and `native`.
    pub embed: Vec<(String, Lookup)>,
    /// Where the new record's key is when a create answers without the record.
    pub id: Option<Locator>,
    /// What the answer holds; `None` means that it is looked at.
    pub returns: Option<Returns>,
    /// Look-ups that are made first; templates see what they picked under these names.
    pub with: Vec<(String, Lookup)>,
    /// Failure statuses that mean done.
    pub accept: Vec<u16>,
    /// True on a 2xx answer to this request that is a failure in disguise; beside the file's own.
    pub failed: Option<Expression>,
    /// Rules for this request; before the file's own.
    pub errors: Vec<ErrorRule>,
    /// How a list goes on.
    pub pages: Option<Pages>,
    /// Time for the whole call.
    pub timeout: Option<Duration>,
    /// The header with a key that is the same each time the call is repeated.
    pub idempotency: Option<String>,
    /// Line in the file.
    pub line: usize,
}

/// Where a request's body comes from.
#[derive(Debug)]
pub enum RequestBody {
    /// From the rows the request carries (nothing, for GET, HEAD and DELETE).
    FromRows,
    /// There is none.
    None,
    /// From this tree.
    Tree(BodyTemplate),
    /// From this tree, in which `record` is what the rows the request carries would have made.
    Frame(BodyTemplate),
}

/// What a body made from rows is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFormat {
    /// Members of the record, as `send` says.
    Record,
    /// A JSON Merge Patch (RFC 7396).
    MergePatch,
    /// A JSON Patch (RFC 6902).
    JsonPatch,
}

/// Which rows and collections a create or update request takes care of.
#[derive(Debug, Clone, Default)]
pub struct Carries {
    /// Rows that its body is built from.
    pub rows: BTreeSet<usize>,
    /// Collections written with the record in its body.
    pub collections: BTreeSet<usize>,
    /// Rows that its path, query or body tree mentions as `scim.…`: carried, but not built into
    /// a body from rows.
    pub mentioned: BTreeSet<usize>,
}

/// Which members of the record are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendMode {
    /// Members that change.
    Changed,
    /// All mapped members.
    Mapped,
    /// The current record with the changes.
    Full,
    /// Each changed member by a request of its own, which sees `field` and `value`.
    Each,
}

/// What an answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returns {
    /// The record.
    Record,
    /// Its key.
    Id,
    /// Neither.
    None,
}

/// How a list goes on.
#[derive(Debug)]
pub struct Pages {
    /// How the next page is asked for.
    pub style: PageStyle,
    /// Where its parameters go.
    pub place: ParameterPlace,
    /// The page-size parameter.
    pub size: Option<String>,
    /// Largest page size.
    pub max: usize,
    /// Where the total is.
    pub total: Option<Total>,
    /// True when there is no further page; sees `body`, `count`, `page`.
    pub until: Option<Expression>,
}

/// Where parameters of a list request go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterPlace {
    /// Into the query.
    Query,
    /// Into the body: a name is a member, dots lead into objects.
    Body,
}

/// What an answer without the member that should hold the records means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// It is not the answer that the mapping describes.
    Error,
    /// There are no records.
    Empty,
}

/// How the next page is asked for.
#[derive(Debug)]
pub enum PageStyle {
    /// The `Link` header of this relation.
    LinkHeader(String),
    /// A URL in the body.
    LinkBody(NativePath),
    /// A URL in a header of its own, or a part of a text in the body.
    LinkPlace(Locator),
    /// A cursor in this parameter, read from the answer.
    Cursor(String, Locator),
    /// A cursor in this parameter, read from the last record.
    Marker(String, NativePath),
    /// A page number in this parameter; the first page's number.
    Page(String, u64),
    /// An offset in this parameter; the first record's offset.
    Offset(String, u64),
}

/// Where a list's total is.
#[derive(Debug)]
pub enum Total {
    /// In the answer.
    Here(Locator),
    /// Behind a GET of its own.
    Lookup(Box<Lookup>),
}

/// A request that is made for one value of its answer.
#[derive(Debug)]
pub struct Lookup {
    /// Method.
    pub method: Method,
    /// Path.
    pub path: Template,
    /// Query parameters.
    pub query: Vec<(String, Template)>,
    /// Headers.
    pub headers: Vec<(String, Template)>,
    /// Body.
    pub body: Option<BodyTemplate>,
    /// How the body is encoded.
    pub encoding: Encoding,
    /// What is picked.
    pub pick: Locator,
    /// Whether what needs it fails when there is nothing to pick; otherwise it is null.
    pub required: bool,
}

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `application/json`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
}

impl Request {
    /// The paths that its templates and look-ups mention, such as `scim.userName`.
    pub fn mentions(&self) -> BTreeSet<String> {
        let templates = self.query.iter().chain(&self.headers).map(|(_, template)| template);
        let mut mentions: BTreeSet<String> = templates.flat_map(Template::mentions).collect();
        mentions.extend(self.path.mentions());
        mentions.extend(self.set.iter().flat_map(|(_, template)| template.mentions()));
        if let RequestBody::Tree(tree) | RequestBody::Frame(tree) = &self.body {
            mentions.extend(tree.mentions());
        }
        mentions.extend(self.when.iter().flat_map(Expression::mentions).cloned());
        mentions.extend(self.with.iter().flat_map(|(_, lookup)| lookup.mentions()));
        mentions
    }
}

impl Lookup {
    /// The paths that its templates mention, such as `scim.userName`.
    pub fn mentions(&self) -> BTreeSet<String> {
        let templates = self.query.iter().chain(&self.headers).map(|(_, template)| template);
        let mut mentions: BTreeSet<String> = templates.flat_map(Template::mentions).collect();
        mentions.extend(self.path.mentions());
        mentions.extend(self.body.iter().flat_map(BodyTemplate::mentions));
        mentions
    }
}

impl Carries {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.collections.is_empty() && self.mentioned.is_empty()
    }
}
