//! Requests, look-ups and paging as written.

use std::time::Duration;

use crate::mapping::diagnostic::Diagnostics;
use crate::mapping::file::reader::{At, Entries, OneOrMany, Read, Text};
use crate::mapping::file::scalar::{ExprText, LocText, PathText, Tpl};
use crate::mapping::file::shape::Shape;
use crate::mapping::file::table::{object, shape, words};
use crate::mapping::model::{Encoding, Returns, SendMode};
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
        may id: LocText,
        may returns: Returns,
        or accept: Vec<At<u64>>,
        may pages: Pages,
        may timeout: Duration,
        may idempotency: Text,
    }
    later { with: Entries<WithLookup>, hydrate: bool, }
}

shape! {
    /// A GET made before a request.
    WithLookup "lookup" {
        need get: Tpl,
        or query: Entries<Tpl>,
        may pick: PathText,
        may required: bool,
    }
}

object! {
    /// A GET that picks one value.
    Lookup "lookup" {
        need get: Tpl,
        or query: Entries<Tpl>,
        may pick: PathText,
    }
    checked { required: bool, }
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
}
