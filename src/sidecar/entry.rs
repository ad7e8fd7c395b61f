//! One resource's entry.

use serde_json::{Map, Value};

/// Whose entries: nothing is shared between tenants or mappings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Partition {
    /// The tenant's name.
    pub tenant: String,
    /// The mapping's name.
    pub mapping: String,
}

/// What is kept of one resource.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Entry {
    /// SCIM id.
    pub id: String,
    /// Native key; unique among a type's living and retired entries of one partition.
    pub key: String,
    /// Side-car attributes, shaped like a SCIM resource (extensions under their URNs).
    pub attributes: Map<String, Value>,
    /// What the resource is to SCIM clients.
    pub state: EntryState,
}

/// Whether the resource lives.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum EntryState {
    /// It lives in the application.
    #[default]
    Live,
    /// `deactivate: delete`: it has left the application and stays readable as inactive. The
    /// value is its last native record.
    Off(Value),
    /// `delete: deactivate`: SCIM clients have deleted it, the native record lives on.
    Deleted,
}

/// A way of having left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retired {
    /// [`EntryState::Off`].
    Off,
    /// [`EntryState::Deleted`].
    Deleted,
}

impl Retired {
    /// Whether an entry has left in this way.
    pub fn is(self, state: &EntryState) -> bool {
        match state {
            EntryState::Live => false,
            EntryState::Off(_) => self == Self::Off,
            EntryState::Deleted => self == Self::Deleted,
        }
    }
}

/// How many resources of one type have left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetiredCount {
    /// Those that are off.
    pub off: u64,
    /// Those that are deleted.
    pub deleted: u64,
}

impl RetiredCount {
    /// Whether nobody has left.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }

    /// How many have left in one way.
    pub fn of(self, way: Retired) -> u64 {
        match way {
            Retired::Off => self.off,
            Retired::Deleted => self.deleted,
        }
    }
}

/// Which of the entries that have left are read.
#[derive(Debug, Clone, Copy)]
pub struct RetiredPage<'a> {
    /// Which way they have left.
    pub way: Retired,
    /// Those with greater ids than this one.
    pub after: Option<&'a str>,
    /// How many of those are passed over.
    pub skip: u64,
    /// How many are read at most.
    pub limit: u32,
}
