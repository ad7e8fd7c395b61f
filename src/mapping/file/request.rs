//! Requests, look-ups and paging as written.

use std::time::Duration;

use crate::mapping::diagnostic::Diagnostics;
use crate::mapping::file::api::ErrorRule;
use crate::mapping::file::reader::{At, Entries, OneOrMany, Read, Text, word};
use crate::mapping::file::scalar::{ExprText, LocText, PathText, Tpl};
use crate::mapping::file::shape::Shape;
use crate::mapping::file::table::{object, words};
use crate::mapping::model::{Encoding, Missing, ParameterPlace, Returns, SendMode};
use crate::mapping::yaml::{Node, NodeValue};

object! {
    /// A request.
    Request "request" @at {
        /// Path below `base_url`, without a query. Exactly one verb is given.
        may get: Tpl,
        /// The same, with POST.
        may post: Tpl,
        /// The same, with PUT.
        may put: Tpl,
        /// The same, with PATCH.
        may patch: Tpl,
        /// The same, with DELETE.
        may delete: Tpl,
        /// The same, with HEAD.
        may head: Tpl,
        /// Query parameters; one that is null is left out.
        or query: Entries<Tpl>,
        /// Headers; one that is null is left out.
        or headers: Entries<Tpl>,
        /// A tree of templates, or `none`. GET, HEAD, `delete`, `activate` and `deactivate` have
        /// none by default.
        may body: Node = "from the rows",
        /// How the body is written. In a form, `{a: {b: 1}}` is `a[b]=1`, and a list repeats its
        /// name. `merge-patch` and `json-patch`: a description of what changes, by RFC 7396 or RFC
        /// 6902.
        may encode: Encode = "the api's encode",
        /// Envelope of the record, in the body and in the answer: a name, or names joined by dots.
        may wrap: Text = "no envelope",
        /// Constants merged into the body.
        or set: Entries<Node>,
        /// SCIM places that this request carries. `emails` means every row of `emails`.
        may only: Vec<Text> = "all that no other request names",
        /// A condition; else the request is left out.
        may when: ExprText = "true",
        /// Members of the record: those that change, all that rows write, or the whole record as it
        /// will be. `each`: a request for each member that changes, which sees `field` and `value`.
        may send: SendMode = "full for replace and for a PUT in update, else changed",
        /// This part of the record alone.
        may subtree: PathText = "$",
        /// Left out of a full body.
        may drop: Vec<PathText> = "the id",
        /// Where the record is in the answer.
        may record: PathText = "the envelope, or the body",
        /// Where a list's records are in the answer.
        may records: PathText = "$[*]",
        /// `empty`: an answer without the member that holds the records has none.
        may missing: Missing = "error",
        /// The list gives ids or stubs: each record is read by itself.
        or hydrate: bool = "false",
        /// Further requests for each record; what they pick becomes a member of it, by this name.
        or embed: Entries<Lookup>,
        /// Where the new key is when a create answers without the record, such as
        /// `header:Location#[^/]+$`.
        may id: LocText = "in the record",
        /// What the answer holds. Without a record the bridge reads it once more.
        may returns: Returns = "looked at",
        /// Failures that mean "done", such as 404 for removing what is gone.
        or accept: Vec<At<u64>>,
        /// True for a 2xx answer to this request that is a failure in disguise; beside the file's.
        may failed: ExprText,
        /// What failures of this request mean; before the file's rules.
        or errors: Vec<ErrorRule>,
        /// Look-ups that are made first; what they pick are variables of these names.
        or with: Entries<Lookup>,
        /// How the list goes on.
        may pages: PagesEntry = "one page",
        /// For the whole call.
        may timeout: Duration = "the api's timeout",
        /// A header that carries a key which stays the same across repetitions.
        may idempotency: Text,
    }
}

object! {
    /// A request that is made for one value of its answer.
    Lookup "lookup" @at {
        /// Path below `base_url`, without a query. Exactly one verb is given.
        may get: Tpl,
        /// The same, with POST.
        may post: Tpl,
        /// The same, with PUT.
        may put: Tpl,
        /// The same, with HEAD.
        may head: Tpl,
        /// Query parameters; one that is null is left out.
        or query: Entries<Tpl>,
        /// Headers; one that is null is left out.
        or headers: Entries<Tpl>,
        /// A tree of templates.
        may body: Node = "no body",
        /// How the body is written.
        may encode: Encoding = "the api's encode",
        /// What is taken from the answer.
        may pick: LocText = "$",
        /// Whether it is a failure when nothing is there; otherwise it is null.
        may required: bool = "true",
    }
}

object! {
    /// How a list goes on.
    Pages "pages" @at {
        /// The `Link` header's relation, such as `next`, or the place of the next page's URL. One
        /// of `link`, `cursor`, `page`, `offset` is given.
        may link: Text,
        /// The parameter that takes a cursor, with `next` or `last`.
        may cursor: Text,
        /// Where the next cursor is; null ends the list.
        may next: LocText,
        /// The cursor is this member of the last record.
        may last: PathText,
        /// The parameter that takes a page number.
        may page: Text,
        /// The parameter that takes an offset.
        may offset: Text,
        /// Where the parameters go: into the query, or into the JSON body, where dots lead into
        /// objects.
        may r#in: At<ParameterPlace> = "query",
        /// Number of the first page, or offset of the first record.
        may first: u64 = "1 for page, 0 for offset",
        /// The parameter for the page size.
        may size: String,
        /// The largest page.
        may max: At<u64> = "100",
        /// Where the number of records is.
        may total: Total = "unknown until the end",
        /// True on the last page; sees `body`, `count`, `page`.
        may until: ExprText = "an empty page, or one that is not full",
    }
}

/// How a request's body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encode {
    /// JSON.
    Json,
    /// Form fields.
    Form,
    /// What changes, as a JSON Merge Patch.
    MergePatch,
    /// What changes, as a JSON Patch.
    JsonPatch,
}

/// Where a list's total is.
#[derive(Debug, Clone)]
pub(crate) enum Total {
    /// In the answer.
    Here(LocText),
    /// Behind a GET of its own.
    Lookup(Box<Lookup>),
}

/// How a list goes on; `None` when the file says that it does not.
#[derive(Debug, Clone)]
pub(crate) struct PagesEntry(pub(crate) Option<Box<Pages>>);

/// Requests that run in order.
pub(crate) type Steps = OneOrMany<Request>;

impl Read for PagesEntry {
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
        match node.value {
            NodeValue::String(_) => word(node, name, [("none", Self(None))], &[], faults),
            _ => Read::read(node, name, faults).map(|pages| Self(Some(pages))),
        }
    }

    fn shape() -> Shape {
        Shape::Either(vec![Shape::Words(vec!["none"]), Pages::shape()])
    }
}

impl PagesEntry {
    /// How it goes on, if it does.
    pub(crate) fn of(request: &Request) -> Option<&Pages> {
        request.pages.as_ref()?.0.as_deref()
    }
}

impl Read for Total {
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
        match node.value {
            NodeValue::Map(_) => Read::read(node, name, faults).map(Self::Lookup),
            _ => Read::read(node, name, faults).map(Self::Here),
        }
    }

    fn shape() -> Shape {
        Shape::Either(vec![LocText::shape(), Lookup::shape()])
    }
}

words! {
    SendMode {
        "changed" => SendMode::Changed,
        "mapped" => SendMode::Mapped,
        "full" => SendMode::Full,
        "each" => SendMode::Each,
    }
    Encode {
        "json" => Encode::Json,
        "form" => Encode::Form,
        "merge-patch" => Encode::MergePatch,
        "json-patch" => Encode::JsonPatch,
    }
    Returns {
        "record" => Returns::Record,
        "id" => Returns::Id,
        "none" => Returns::None,
    }
    Missing { "error" => Missing::Error, "empty" => Missing::Empty }
    ParameterPlace { "query" => ParameterPlace::Query, "body" => ParameterPlace::Body }
}
