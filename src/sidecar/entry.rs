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
