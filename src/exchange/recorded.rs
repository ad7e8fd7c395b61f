//! Memberships of resources that have left the application (`deactivate: delete`).
//!
//! They cannot be members there, so what happens to their memberships meanwhile is written into
//! the record that is kept of them, from which switching on again restores them.

use serde_json::Value;

use crate::convert::members::Delta;
use crate::convert::{collection, key};
use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::mapping::model::{Collection, CollectionSource, Deactivate, ResourceMapping};
use crate::sidecar::entry::{Entry, EntryState};

/// Entries whose records have changed, with their resource type.
pub type Changed = Vec<(String, Entry)>;

impl Exchange<'_> {
    /// Takes the members who have left out of a delta; what it says of them goes into their
    /// records. Nothing is saved yet.
    pub async fn redirect(
        &self,
        resource: &ResourceMapping,
        group: &str,
        list: &Collection,
        delta: &mut Delta,
    ) -> Result<Changed, ExchangeError> {
        let mapping = &self.tenant.mapping;
        let Some(target) = list.reference.as_ref().and_then(|name| mapping.resource(name)) else {
            return Ok(Vec::new());
        };
        if !matches!(target.deactivate, Deactivate::Delete) {
            return Ok(Vec::new());
        }
        let mut changed = Vec::new();
        for entry in self.retired(target).await? {
            let EntryState::Off(native) = &entry.state else { continue };
            let is_it =
                |element: &Value| element.get("value").and_then(Value::as_str) == Some(&entry.id);
            let joins = take(&mut delta.add, is_it);
            let leaves = take(&mut delta.remove, |(element, _)| is_it(element));
            if !joins && !leaves {
                continue;
            }
            let mut native = native.clone();
            for memberships in &target.collections {
                if memberships.reference.as_ref() == Some(&resource.name) {
                    write(resource, memberships, &mut native, group, joins);
                }
            }
            let entry = Entry { state: EntryState::Off(native), ..entry.clone() };
            changed.push((target.name.clone(), entry));
        }
        Ok(changed)
    }

    /// Saves what [`Self::redirect`] changed.
    pub async fn save_redirected(&self, changed: &Changed) -> Result<(), ExchangeError> {
        let partition = self.tenant.partition();
        for (resource, entry) in changed {
            self.tenant.sidecar.save(&partition, resource, entry).await?;
        }
        Ok(())
    }
}

/// Removes what fits; says whether there was any.
fn take<T>(elements: &mut Vec<T>, fits: impl Fn(&T) -> bool) -> bool {
    let before = elements.len();
    elements.retain(|element| !fits(element));
    elements.len() < before
}

/// Writes a group into the memberships of a record, or out of them.
fn write(
    resource: &ResourceMapping,
    memberships: &Collection,
    native: &mut Value,
    group: &str,
    joins: bool,
) {
    let CollectionSource::Items(path) = &memberships.source else { return };
    let row = memberships.items.iter().find(|item| item.sub == "value");
    let (Some(array), Some(row)) = (path.array(), row) else { return };
    let is_other = |element: &&Value| {
        row.path.read(element).and_then(key::text).is_none_or(|key| key != group)
    };
    let present = collection::native_elements(memberships, native);
    let mut list: Vec<Value> = present.into_iter().filter(is_other).cloned().collect();
    if joins {
        let mut element = Value::Null;
        // The row was read from records of this very shape, so it can be written in one.
        if row.path.write(&mut element, key::typed(&resource.id, group)).is_ok() {
            list.push(element);
        }
    }
    if array.write(native, Value::Array(list)).is_err() {
        tracing::warn!("a membership could not be written into a kept record");
    }
}
