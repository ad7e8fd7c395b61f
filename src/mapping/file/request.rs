//! Requests, look-ups and paging as written.

use std::time::Duration;

use crate::mapping::diagnostic::Diagnostics;
use crate::mapping::file::reader::{At, Entries, OneOrMany, Read, Text};
use crate::mapping::file::scalar::{ExprText, LocText, PathText, Tpl};
use crate::mapping::file::shape::Shape;
use crate::mapping::file::table::{object, words};
use crate::mapping::model::{Encoding, Missing, ParameterPlace, Returns, SendMode};
use crate::mapping::yaml::{Node, NodeValue};

object! {
    /// A request.
    Request "request" @at {
        may get: Tpl,
        may post: Tpl,
        may put: Tpl,
        may patch: Tpl,
        may delete: Tpl,
        may head: Tpl,
        or query: Entries<Tpl>,
        or headers: Entries<Tpl>,
        may body: Node,
        may encode: Encoding,
        may wrap: String,
        or set: Entries<Node>,
        may only: Vec<Text>,
        may when: ExprText,
        may send: SendMode,
        may subtree: PathText,
        may drop: Vec<PathText>,
        may record: PathText,
        may records: PathText,
        may missing: Missing,
        or hydrate: bool,
        or embed: Entries<Lookup>,
        may id: LocText,
        may returns: Returns,
        or with: Entries<Lookup>,
        or accept: Vec<At<u64>>,
        may pages: Pages,
        may timeout: Duration,
        may idempotency: Text,
    }
}

object! {
    /// A request that is made for one value of its answer.
    Lookup "lookup" @at {
        may get: Tpl,
        may post: Tpl,
        may put: Tpl,
        may head: Tpl,
        or query: Entries<Tpl>,
        or headers: Entries<Tpl>,
        may body: Node,
        may encode: Encoding,
        may pick: LocText,
        may required: bool,
    }
}

object! {
    /// How a list goes on.
    Pages "pages" @at {
        may link: Text,
        may cursor: Text,
        may next: LocText,
        may last: PathText,
        may page: Text,
        may offset: Text,
        may r#in: At<ParameterPlace>,
        may first: u64,
        may size: String,
        may max: At<u64>,
        may total: Total,
        may until: ExprText,
    }
}

/// Where a list's total is.
#[derive(Debug, Clone)]
pub(crate) enum Total {
    /// In the answer.
    Here(LocText),
    /// Behind a GET of its own.
    Lookup(Box<Lookup>),
}

/// Requests that run in order.
pub(crate) type Steps = OneOrMany<Request>;

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
    }, later ["each"]
    Returns {
        "record" => Returns::Record,
        "id" => Returns::Id,
        "none" => Returns::None,
    }
    Missing { "error" => Missing::Error, "empty" => Missing::Empty }
    ParameterPlace { "query" => ParameterPlace::Query, "body" => ParameterPlace::Body }
}
