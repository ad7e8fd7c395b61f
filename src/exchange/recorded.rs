//! Memberships of resources that have left the application (`deactivate: delete`).
//!
//! They cannot be members there, so what happens to their memberships meanwhile is written into
//! the record that is kept of them, from which switching on again restores them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::Value;

use crate::convert::delta::Delta;
use crate::convert::elements::native_elements;
use crate::convert::key;
use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::mapping::model::{Collection, CollectionSource, Deactivate, ResourceMapping};
use crate::sidecar::entry::{Entry, EntryState, Retired};

/// A membership of somebody who has left.
#[derive(Debug, Clone)]
pub struct Redirected {
    /// The member's resource type.
    target: String,
    /// The member's id.
    id: String,
    /// Whether the group is joined or left.
    joins: bool,
}

impl Exchange<'_> {
    /// Takes the members who have left out of a delta. Nothing is saved yet.
    pub async fn redirect(
        &self,
        list: &Collection,
        delta: &mut Delta,
    ) -> Result<Vec<Redirected>, ExchangeError> {
        let mapping = &self.tenant.mapping;
        let Some(target) = list.reference.as_ref().and_then(|name| mapping.resource(name)) else {
            return Ok(Vec::new());
        };
        if !matches!(target.deactivate, Deactivate::Delete) {
            return Ok(Vec::new());
        }
        let removed = delta.remove.iter().map(|(element, _)| element);
        let whole = delta.whole.iter().flat_map(|whole| &whole.wanted).map(|(element, _)| element);
        let named: BTreeSet<&str> =
            delta.add.iter().chain(removed).chain(whole).filter_map(id_in).collect();
        let ids: Vec<String> = named.into_iter().map(str::to_owned).collect();
        let left = self.retired_among(target, Retired::Off, &ids).await?;
        let left: BTreeSet<String> = left.into_iter().map(|entry| entry.id).collect();
        if left.is_empty() {
            return Ok(Vec::new());
        }
        let joined = take(&mut delta.add, &left, |element| element);
        let quit = take(&mut delta.remove, &left, |(element, _)| element);
        if let Some(whole) = &mut delta.whole {
            take(&mut whole.wanted, &left, |(element, _)| element);
        }
        let redirected = left.into_iter().filter_map(|id| {
            let (joins, leaves) = (joined.contains(&id), quit.contains(&id));
            let target = target.name.clone();
            (joins || leaves).then_some(Redirected { target, id, joins })
        });
        Ok(redirected.collect())
    }

    /// Writes the memberships that [`Self::redirect`] took out into the records that are kept.
    pub async fn write_redirected(
        &self,
        resource: &ResourceMapping,
        group: &str,
        redirected: &[Redirected],
    ) -> Result<(), ExchangeError> {
        let partition = self.tenant.partition();
        for Redirected { target, id, joins } in redirected {
            let Some(mapping) = self.tenant.mapping.resource(target) else { continue };
            let _held = self.tenant.locks.hold_kept(target, id).await?;
            let ids = [id.clone()];
            let entry = self.tenant.sidecar.by_ids(&partition, target, &ids).await?.pop();
            let Some(Entry { state: EntryState::Off(mut native), id, key, attributes }) = entry
            else {
                // Somebody switched it on in the meantime: the membership belongs there now.
                return Err(ExchangeError::Busy);
            };
            let is_ours = |list: &&Collection| {
                let in_record = matches!(list.source, CollectionSource::Items(_));
                in_record && list.reference.as_ref() == Some(&resource.name)
            };
            let mut lists = mapping.collections.iter().filter(is_ours).peekable();
            if lists.peek().is_none() {
                tracing::warn!(
                    resource = target,
                    "a membership of somebody switched off has no place in the kept record"
                );
            }
            for memberships in lists {
                write(resource, memberships, &mut native, group, *joins);
            }
            let entry = Entry { state: EntryState::Off(native), id, key, attributes };
            self.save(mapping, &entry).await?;
        }
        Ok(())
    }
}

/// The id that an element of a collection names.
fn id_in(element: &Value) -> Option<&str> {
    element.get("value").and_then(Value::as_str)
}

/// Removes the elements of these ids; says of which ids there was any.
fn take<T>(
    elements: &mut Vec<T>,
    ids: &BTreeSet<String>,
    element_in: impl Fn(&T) -> &Value,
) -> BTreeSet<String> {
    let mut taken = BTreeSet::new();
    elements.retain(|element| match id_in(element_in(element)).and_then(|id| ids.get(id)) {
        Some(id) => {
            taken.insert(id.clone());
            false
        }
        None => true,
    });
    taken
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
    let is_other = |element: &Cow<'_, Value>| {
        row.path.read(element).and_then(key::text).is_none_or(|key| key != group)
    };
    let present = native_elements(memberships, native);
    let mut list: Vec<Value> = present.into_iter().filter(is_other).map(Cow::into_owned).collect();
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
