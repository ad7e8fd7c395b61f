//! A resource's mapping, compiled for reading records without building trees.
//!
//! The general reading (`to_scim.rs`) makes a tree of the record and a tree of the resource; that
//! is the larger part of what a plain GET costs. A [`Plan`] knows beforehand which members of a
//! record are wanted and where each of them goes, so that most of them can be copied as they
//! stand. It knows no rule of its own: whatever is more than copying is done by `lens.rs` and
//! `collection.rs`, on the small part of the record that it is about. A mapping that needs more
//! (expressions over the whole record, side-car attributes, memos, issued references) has no
//! plan, a record that is odd is no matter for it, and then the general reading does the work.
//! Plans are made by `planning.rs`; rendering is `stream.rs`'s business.

use serde_json::Value;

use crate::convert::slots::Wants;

/// How to read one resource type's records.
#[derive(Debug)]
pub struct Plan {
    /// The members of a record that are read.
    pub(crate) wants: Wants,
    /// Where the key is.
    pub(crate) id: usize,
    /// Whether the key is the value there, as it stands.
    pub(crate) has_plain_id: bool,
    /// Rows, in the mapping's order.
    pub(crate) rows: Vec<PlannedRow>,
    /// Lists in the record, in the mapping's order.
    pub(crate) lists: Vec<PlannedList>,
    /// Attributes.
    pub(crate) groups: Vec<Group>,
    /// Extensions.
    pub(crate) sections: Vec<Section>,
    /// What a version is made of, in the order of the canonical form.
    pub(crate) canonical: Vec<Top>,
    /// Where a record names other resources, about which something may have to be known.
    pub(crate) references: Vec<(Vec<String>, usize)>,
}

/// A row that is returned.
#[derive(Debug)]
pub(crate) struct PlannedRow {
    /// Its index in the resource's mapping.
    pub(crate) row: usize,
    pub(crate) group: usize,
    /// The sub-attribute's name, quoted.
    pub(crate) sub: Option<String>,
    /// Constants that stand beside the value: names, quoted, and JSON.
    pub(crate) beside: Vec<(String, String)>,
    pub(crate) reader: Reader,
}

/// How a value is found in what was read of a record.
#[derive(Debug)]
pub(crate) enum Reader {
    /// Always this JSON.
    Constant(String),
    /// What stands there, unless it is null, or an empty text that means the same.
    Copy { slot: usize, blank: Blank },
    /// What the row makes of the value there.
    Through(usize),
    /// What the row makes of a record that has nothing but these members.
    Parts(Vec<(Vec<String>, usize)>),
}

/// What an empty text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blank {
    /// A value.
    Value,
    /// Nothing.
    Nothing,
}

/// A list of elements in the record.
#[derive(Debug)]
pub(crate) struct PlannedList {
    /// Its index in the resource's mapping.
    pub(crate) list: usize,
    pub(crate) group: usize,
    /// Names of the sub-attributes, quoted, in the order of the items.
    pub(crate) subs: Vec<String>,
    /// `subs` by their names.
    pub(crate) sorted: Vec<usize>,
    pub(crate) reading: ListReading,
}

#[derive(Debug)]
pub(crate) enum ListReading {
    /// Element by element where they stand.
    Streamed { slot: usize, wants: Wants, items: Vec<PlannedItem> },
    /// As the general reading does it, in a record that has nothing but this member.
    Parts(Vec<(Vec<String>, usize)>),
}

/// One sub-attribute of an element.
#[derive(Debug)]
pub(crate) enum PlannedItem {
    /// Always this JSON.
    Constant(String),
    /// What stands there; `None`: the element itself.
    Copy { slot: Option<usize>, blank: Blank },
    /// What the row makes of it.
    Through(Option<usize>),
}

/// An attribute.
#[derive(Debug)]
pub(crate) struct Group {
    /// Its name, quoted.
    pub(crate) name: String,
    /// Its name.
    pub(crate) attribute: String,
    pub(crate) section: Option<usize>,
    pub(crate) shape: Shape,
    /// Whether it is returned unless somebody excludes it.
    pub(crate) is_default: bool,
}

#[derive(Debug)]
pub(crate) enum Shape {
    /// Nothing yet.
    Nothing,
    /// One value, of this row.
    Single(usize),
    /// Sub-attributes, each of a row. `points` is the endpoint to which a `$ref` leads.
    Complex { rows: Vec<usize>, points: Option<String> },
    /// Elements that are picked by constants, each with its rows.
    Elements(Vec<Pick>),
    /// A list. `points` as above.
    List { list: usize, points: Option<String> },
}

/// An element that is picked by constants.
#[derive(Debug)]
pub(crate) struct Pick {
    pub(crate) selector: Vec<(String, Value)>,
    pub(crate) rows: Vec<usize>,
}

/// An extension.
#[derive(Debug)]
pub(crate) struct Section {
    /// Its URN, quoted.
    pub(crate) name: String,
    pub(crate) urn: String,
    /// Its place among the resource type's extensions.
    pub(crate) rank: usize,
    /// Its attributes in the order of the canonical form.
    pub(crate) canonical: Vec<usize>,
}

/// A member of the canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Top {
    Id,
    Group(usize),
    Section(usize),
}

/// A text as JSON.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
