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
    /// How a resource begins: `{"schemas":[` and the core schema.
    pub(crate) head: String,
    /// How its `meta` begins: with the resource type.
    pub(crate) meta: String,
    /// The resource type's endpoint.
    pub(crate) endpoint: String,
    /// Rows, in the mapping's order.
    pub(crate) rows: Vec<PlannedRow>,
    /// Lists in the record, in the mapping's order.
    pub(crate) lists: Vec<PlannedList>,
    /// Attributes.
    pub(crate) groups: Vec<Group>,
    /// Extensions.
    pub(crate) sections: Vec<Section>,
    /// The same, in the resource type's order.
    pub(crate) ranked: Vec<usize>,
    /// What a version is made of, in the order of the canonical form.
    pub(crate) canonical: Vec<Top>,
    /// Where a record names other resources, about which something may have to be known.
    pub(crate) references: Vec<(Vec<String>, usize)>,
    /// The types of those resources.
    pub(crate) targets: Vec<String>,
}

/// A row that is returned.
#[derive(Debug)]
pub(crate) struct PlannedRow {
    /// Its index in the resource's mapping.
    pub(crate) row: usize,
    pub(crate) group: usize,
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
    /// Names of the sub-attributes as [`leading`] has them, in the order of the items.
    pub(crate) subs: Vec<String>,
    /// `subs` by their names.
    pub(crate) sorted: Vec<usize>,
    pub(crate) reading: ListReading,
}

#[derive(Debug)]
pub(crate) enum ListReading {
    /// Element by element where they stand.
    Streamed { slot: usize, list: usize, items: Vec<PlannedItem> },
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
    /// Its name as [`leading`] has it.
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
    /// Sub-attributes; `points` is about the row whose value is a reference.
    Complex { members: Members, points: Option<Points> },
    /// Elements that are picked by constants. They come into being with the first of their rows:
    /// `order` has all rows with their elements.
    Elements { picks: Vec<Pick>, order: Vec<(usize, usize)> },
    /// A list; `points` is about the item whose value is a reference.
    List { list: usize, points: Option<Points> },
}

/// A `$ref` beside a reference.
#[derive(Debug)]
pub(crate) struct Points {
    /// The endpoint to which it leads.
    pub(crate) endpoint: String,
    /// The row, or the item, with the reference.
    pub(crate) from: usize,
}

/// An element that is picked by constants.
#[derive(Debug)]
pub(crate) struct Pick {
    pub(crate) selector: Vec<(String, Value)>,
    pub(crate) members: Members,
}

/// The members of an object that rows write.
#[derive(Debug, Default)]
pub(crate) struct Members {
    /// In the order of the rows.
    pub(crate) written: Vec<Member>,
    /// The same by their names.
    pub(crate) sorted: Vec<usize>,
}

/// A member that is there when its row has a value.
#[derive(Debug)]
pub(crate) struct Member {
    /// Its name as [`leading`] has it.
    pub(crate) name: String,
    pub(crate) row: usize,
    /// What stands beside the row's value; `None` is the value itself.
    pub(crate) beside: Option<Beside>,
}

/// A constant beside a value.
#[derive(Debug)]
pub(crate) struct Beside {
    pub(crate) json: String,
    /// Rows that have a constant of this name too, and come first.
    pub(crate) unless: Vec<usize>,
}

impl Members {
    /// Adds what a row writes; `None` when it writes what another does, so that more than their
    /// order would matter.
    pub(crate) fn add(
        &mut self,
        row: usize,
        sub: &str,
        beside: &[(&String, &Value)],
    ) -> Option<()> {
        let name = leading(sub);
        self.written.iter().all(|it| it.name != name).then_some(())?;
        self.written.push(Member { name, row, beside: None });
        for (name, value) in beside {
            let name = leading(name);
            let same: Vec<&Member> = self.written.iter().filter(|it| it.name == name).collect();
            same.iter().all(|it| it.beside.is_some()).then_some(())?;
            let unless = same.iter().map(|it| it.row).collect();
            let beside = Some(Beside { json: value.to_string(), unless });
            self.written.push(Member { name, row, beside });
        }
        self.sorted = (0..self.written.len()).collect();
        self.sorted.sort_by_key(|member| self.written.get(*member).map(|it| it.name.as_str()));
        Some(())
    }

    /// The rows, in their order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = usize> {
        self.written.iter().filter(|it| it.beside.is_none()).map(|it| it.row)
    }

    /// Members by their names.
    pub(crate) fn by_name(&self) -> impl Iterator<Item = &Member> {
        self.sorted.iter().filter_map(|member| self.written.get(*member))
    }
}

/// An extension.
#[derive(Debug)]
pub(crate) struct Section {
    /// Its URN as [`leading`] has it.
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

/// The name of a member as it stands behind other members: with a comma, quotes and a colon.
pub(crate) fn leading(name: &str) -> String {
    format!(",{}:", Value::from(name))
}
