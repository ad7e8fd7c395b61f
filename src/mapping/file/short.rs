//! The short forms of resources, rows and filters: a text, a word or a list where the long form is
//! an object.

use crate::mapping::diagnostic::Diagnostics;
use crate::mapping::file::reader::{Entries, Read, Text, mismatch, word};
use crate::mapping::file::request::{Request, Steps};
use crate::mapping::file::resource::{
    ActivateEntry, BatchEntry, BatchObject, DeactivateEntry, DeleteEntry, Filter, FilterEntry,
    FilterQuery, Id, IdObject, Replace, Row, RowEntry, Version, VersionEntry,
};
use crate::mapping::file::scalar::{LocText, PathText, Tpl};
use crate::mapping::file::shape::Shape;
use crate::mapping::model::{Batch, Batches, ReplaceMode};
use crate::mapping::yaml::{Node, NodeValue};

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
        let key = crate::mapping::yaml::Key { name: field.to_owned(), at: node.at, quoted: false };
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
            return Read::read(node, name, faults).map(Self::With);
        }
        let table = [("strict", ReplaceMode::Strict), ("soft", ReplaceMode::Soft)];
        word(node, name, table, &[], faults).map(Self::Mode)
    }

    fn shape() -> Shape {
        Shape::Either(vec![Shape::Words(vec!["strict", "soft"]), Request::shape()])
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
            encode: None,
            records: None,
            record: None,
            missing: None,
            hydrate: None,
            id: None,
            term: None,
            any: false,
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

impl BatchEntry {
    /// What is asked for each kind of call.
    pub(crate) fn batches(self) -> Batches {
        match self {
            Self::Both(both) => Batches { add: both, remove: both },
            Self::Each(each) => each,
        }
    }
}

impl Read for BatchEntry {
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
        let NodeValue::Map(_) = node.value else {
            return Read::read(node, name, faults).map(Self::Both);
        };
        let BatchObject { add, remove } = Read::read(node, name, faults)?;
        let one = Batch::Of(1);
        Some(Self::Each(Batches { add: add.unwrap_or(one), remove: remove.unwrap_or(one) }))
    }

    fn shape() -> Shape {
        Shape::Either(vec![Shape::NUMBER, Shape::Words(vec!["all"]), BatchObject::shape()])
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
