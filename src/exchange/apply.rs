//! The machine that makes a change true: what PUT, PATCH and the later steps of POST share.
//!
//! Every call is built before the first write is sent, so that a value which cannot be converted
//! fails while nothing has happened. Order: main record, switching, collections, side-car.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::convert::members::{self, Delta};
use crate::convert::references::{References, Wanted, ids_in, keys_in, keys_in_elements};
use crate::convert::{key, place};
use crate::exchange::error::ExchangeError;
use crate::exchange::goal::{Goal, Outcome};
use crate::exchange::native::Exchange;
use crate::exchange::recorded::Redirected;
use crate::exchange::sequence::Change;
use crate::exchange::state::{self, Located, State};
use crate::exchange::{names, send};
use crate::mapping::model::{Carries, ResourceMapping, Source};
use crate::scim::resource::Resource;
use crate::sidecar::entry::{Entry, EntryState};

impl Exchange<'_> {
    /// Makes a change true. `located` follows a record whose key changes.
    pub async fn apply(
        &self,
        resource: &ResourceMapping,
        located: &mut Located,
        before: &State,
        goal: &Goal,
    ) -> Result<Outcome, ExchangeError> {
        names::check(self, resource, &before.view, &goal.wanted).await?;
        if matches!(&located.entry, Some(Entry { state: EntryState::Off(_), .. })) {
            return self.apply_off(resource, located, before, goal).await;
        }
        self.apply_live(resource, located, before, goal).await
    }

    /// The same for a resource whose record is in the application.
    pub async fn apply_live(
        &self,
        resource: &ResourceMapping,
        located: &mut Located,
        before: &State,
        goal: &Goal,
    ) -> Result<Outcome, ExchangeError> {
        let (mut goal, redirected) = self.without_left(resource, goal).await?;
        Box::pin(self.find_removed(resource, &located.key, before, &mut goal.deltas)).await?;
        let references = self.references_for(resource, before, &goal).await?;
        let mut change = Change::new(self, resource, &references, &goal, before);
        change.make(located).await?;
        self.write_redirected(resource, &located.key, &redirected).await?;
        self.keep_attributes(resource, located, &goal.wanted).await?;
        Ok(change.outcome())
    }

    /// Makes changes of collections alone, without anybody having read the resource.
    pub async fn apply_members(
        &self,
        resource: &ResourceMapping,
        located: &Located,
        deltas: BTreeMap<usize, Delta>,
    ) -> Result<(), ExchangeError> {
        let unread = State::unread();
        let goal = Goal::new(Resource::default(), Carries::default(), deltas);
        let (mut goal, redirected) = self.without_left(resource, &goal).await?;
        Box::pin(self.find_removed(resource, &located.key, &unread, &mut goal.deltas)).await?;
        let references = self.references_for(resource, &unread, &goal).await?;
        let context = self.context(resource, &references);
        let id = key::typed(&resource.id, &located.key);
        let scope = context.scope().with("id", &id);
        let mut built = Vec::new();
        for (index, delta) in &goal.deltas {
            if let Some(collection) = resource.collections.get(*index) {
                built.push((collection, members::calls(&context, collection, delta, &scope)?));
            }
        }
        for (collection, calls) in built {
            send::all(self, resource, &located.key, collection, calls, &scope).await?;
        }
        self.write_redirected(resource, &located.key, &redirected).await
    }

    /// The goal without members who have left the application, and their memberships.
    async fn without_left(
        &self,
        resource: &ResourceMapping,
        goal: &Goal,
    ) -> Result<(Goal, Vec<Redirected>), ExchangeError> {
        let mut goal = goal.clone();
        let mut redirected = Vec::new();
        for (index, delta) in &mut goal.deltas {
            if let Some(collection) = resource.collections.get(*index) {
                redirected.extend(self.redirect(collection, delta).await?);
            }
        }
        Ok((goal, redirected))
    }

    /// What the conversions of a change need to know about other resources.
    pub(crate) async fn references_for(
        &self,
        resource: &ResourceMapping,
        before: &State,
        goal: &Goal,
    ) -> Result<References, ExchangeError> {
        let mapping = &self.tenant.mapping;
        let (mut keys, mut ids) = (Wanted::new(), Wanted::new());
        keys_in(mapping, resource, &before.native, &mut keys);
        for (index, elements) in &before.external {
            if let Some(collection) = resource.collections.get(*index) {
                keys_in_elements(mapping, collection, elements, &mut keys);
            }
        }
        ids_in(mapping, resource, &goal.wanted, &mut ids);
        for (index, delta) in &goal.deltas {
            let Some(collection) = resource.collections.get(*index) else { continue };
            let removed = delta.remove.iter().map(|(element, _)| element);
            let elements: Vec<Value> = delta.add.iter().chain(removed).cloned().collect();
            let mut probe = Resource::default();
            place::write(
                &collection.place,
                &mut probe,
                Value::Array(elements),
                &serde_json::Map::new(),
            );
            ids_in(mapping, resource, &probe, &mut ids);
        }
        let mut references = self.resolve(keys, ids).await?;
        for target in &mapping.resources {
            for entry in self.retired(target).await? {
                // An application that has deleted somebody cannot be told of them.
                if matches!(entry.state, EntryState::Off(_)) {
                    references.hide(&target.name, &entry.id);
                }
            }
        }
        Ok(references)
    }

    /// Writes the side-car attributes of a resource, when they differ from what is kept.
    pub(crate) async fn keep_attributes(
        &self,
        resource: &ResourceMapping,
        located: &mut Located,
        wanted: &Resource,
    ) -> Result<(), ExchangeError> {
        // Of somebody who is on the way back, everything is written in the end.
        let is_off = matches!(&located.entry, Some(Entry { state: EntryState::Off(_), .. }));
        if !state::has_sidecar_rows(resource) || is_off {
            return Ok(());
        }
        let attributes = sidecar_attributes(resource, wanted);
        let entry = located.entry.clone().unwrap_or_else(|| Entry {
            id: located.id.clone(),
            key: located.key.clone(),
            ..Entry::default()
        });
        let is_kept = located.entry.is_some() || attributes.is_empty();
        if is_kept && entry.attributes == attributes && entry.key == located.key {
            return Ok(());
        }
        let entry = Entry { attributes, key: located.key.clone(), ..entry };
        self.tenant.sidecar.save(&self.tenant.partition(), &resource.name, &entry).await?;
        located.entry = Some(entry);
        Ok(())
    }
}

/// The attributes of a resource that the side-car keeps.
pub fn sidecar_attributes(
    resource: &ResourceMapping,
    scim: &Resource,
) -> serde_json::Map<String, Value> {
    let mut kept = Resource::default();
    for row in resource.rows.iter().filter(|row| matches!(row.source, Source::Sidecar)) {
        if let Some(value) = place::read(&row.place, row.lenient_match, scim) {
            place::write(&row.place, &mut kept, value, &row.emit);
        }
    }
    kept.0
}
