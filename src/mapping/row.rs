//! Rows and collections as understood: one SCIM value, or one list of elements, and where it is
//! natively.

use std::sync::Arc;

use regex::Regex;
use serde_json::{Map, Value};

use crate::mapping::formulas::Formulas;
use crate::mapping::requests::Request;
use crate::mapping::template::Template;
use crate::mapping::transform::kind::Transform;
use crate::native::path::NativePath;

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

impl Row {
    /// Its SCIM places; mostly one.
    pub fn places(&self) -> impl Iterator<Item = &Place> + Clone {
        std::iter::once(&self.place).chain(&self.also)
    }

    /// Whether its SCIM value is an array with one entry for each place.
    pub fn is_several(&self) -> bool {
        !self.also.is_empty()
    }

    /// Where it is written in the record; empty when it is not.
    pub fn targets(&self) -> &[NativePath] {
        match &self.source {
            Source::Path { write: Some(write), .. } => std::slice::from_ref(write),
            Source::Paths { write, .. } => write,
            Source::Path { write: None, .. }
            | Source::Computed
            | Source::Sidecar
            | Source::Constant(_) => &[],
        }
    }

    /// Where it is read in the record; empty when it is made otherwise.
    pub fn sources(&self) -> &[NativePath] {
        match &self.source {
            Source::Path { read, .. } => std::slice::from_ref(read),
            Source::Paths { read, .. } => read,
            Source::Computed | Source::Sidecar | Source::Constant(_) => &[],
        }
    }

    /// Whether it is written in the record.
    pub fn is_written(&self) -> bool {
        !self.targets().is_empty()
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
