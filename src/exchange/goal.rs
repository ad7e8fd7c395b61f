//! What a change is to achieve, and what came of it.

use std::collections::BTreeMap;

use crate::convert::delta::Delta;
use crate::exchange::version::{Conditions, Record};
use crate::mapping::model::Carries;
use crate::scim::resource::Resource;

/// What is to be made true.
#[derive(Debug, Clone)]
pub struct Goal {
    /// The resource as it is wanted.
    pub wanted: Resource,
    /// Rows and collections that may be written with the record.
    pub allowed: Carries,
    /// Changes of collections that are made by calls of their own, by index.
    pub deltas: BTreeMap<usize, Delta>,
    /// Which requests write the record.
    pub way: Way,
    /// What follows when the application says that the record is not in the version it was read
    /// in.
    pub conflict: Conflict,
}

/// Which requests write a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The update routes.
    Update,
    /// The one that replaces it, where there is one.
    Replace,
}

/// What follows a conflict of versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// The record is read again, and the change is made once more.
    Retried,
    /// The client is told: it named the version itself.
    Told,
}

impl Conflict {
    /// What follows for a request with these conditions.
    pub fn under(conditions: &Conditions) -> Self {
        if conditions.are_none() { Self::Retried } else { Self::Told }
    }
}

impl Goal {
    /// A goal that may write everything, by the update routes.
    pub fn new(wanted: Resource, allowed: Carries, deltas: BTreeMap<usize, Delta>) -> Self {
        Self { wanted, allowed, deltas, way: Way::Update, conflict: Conflict::Retried }
    }
}

/// The record after a change.
#[derive(Debug)]
pub struct Outcome {
    /// The record, as the application last told it; `None` when it must be read again.
    pub record: Option<Record>,
    /// Whether the application may not have taken every element of a collection.
    pub doubts: bool,
}
