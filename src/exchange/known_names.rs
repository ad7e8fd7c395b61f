//! What an exchange has found out about references that are no keys, so that each is looked up
//! once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::convert::references::Name;

/// Everything that has been looked up.
#[derive(Debug, Default)]
pub struct KnownNames(Mutex<Known>);

/// The same, to be read and written.
#[derive(Debug, Default)]
pub struct Known {
    /// The key of the record that has a name; `None` when there is no such record.
    pub keys: BTreeMap<Name, Option<String>>,
    /// The name that the record of a key has; here the value is the key.
    pub names: BTreeMap<Name, Option<Value>>,
    /// Resource types and places of which every name is known.
    pub scanned: BTreeSet<(String, String)>,
}

impl KnownNames {
    /// For a moment; never across a call.
    pub fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
