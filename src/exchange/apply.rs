//! The machine that makes a change true: what PUT, PATCH and the later steps of POST share.
//!
//! Every call is built before the first write is sent, so that a value which cannot be converted
//! fails while nothing has happened. Order: main record, switching, collections, side-car.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use crate::convert::delta::Delta;
use crate::convert::error::ConvertError;
use crate::convert::members;
use crate::convert::references::{
    References, Wanted, ids_in, keys_in, keys_in_elements, names_in, names_in_calls,
};
use crate::convert::{key, pattern, place};
use crate::exchange::error::ExchangeError;
use crate::exchange::goal::{Goal, Outcome};
use crate::exchange::native::Exchange;
use crate::exchange::recent::Fate;
use crate::exchange::recorded::Redirected;
use crate::exchange::sequence::Change;
use crate::exchange::state::{Located, State};
use crate::exchange::{course, names, send, unique};
use crate::mapping::model::{Carries, ResourceMapping};
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
        let (view, wanted) = (&before.view, &goal.wanted);
        self.check_change(resource, &located.id, view, wanted, &goal.deltas).await?;
        self.carry_out(resource, located, before, goal).await
    }

    /// The same without asking whether it may happen.
    pub(in crate::exchange) async fn carry_out(
        &self,
        resource: &ResourceMapping,
        located: &mut Located,
        before: &State,
        goal: &Goal,
    ) -> Result<Outcome, ExchangeError> {
        self.witness.changes(resource, &before.view, &goal.wanted, &goal.deltas);
        pattern::check(resource, &before.view, &goal.wanted)?;
        check_added(resource, &goal.deltas)?;
        names::check(self, resource, &before.view, &goal.wanted).await?;
        let _values = unique::hold(self, resource, &before.view, &goal.wanted).await?;
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
        if !goal.deltas.is_empty() {
            let deltas = &mut goal.to_mut().deltas;
            Box::pin(self.find_removed(resource, &located.key, before, deltas)).await?;
        }
        let references = self.references_for(resource, before, &goal).await?;
        let mut change = Change::new(self, resource, &references, &goal, before);
        self.link_ahead(resource, &before.view, &goal.wanted, &located.key).await?;
        change.make(located).await?;
        self.link_written(resource, &located.key, &goal.wanted).await?;
        self.write_redirected(resource, &located.key, &redirected).await?;
        self.keep_attributes(resource, located, before, &goal.wanted).await?;
        Ok(change.outcome())
    }

    /// Makes changes of collections alone, without anybody having read the resource.
    pub async fn apply_members(
        &self,
        resource: &ResourceMapping,
        located: &Located,
        deltas: BTreeMap<usize, Delta>,
    ) -> Result<(), ExchangeError> {
        let nothing = Resource::default();
        self.check_change(resource, &located.id, &nothing, &nothing, &deltas).await?;
        self.witness.changes(resource, &nothing, &nothing, &deltas);
        check_added(resource, &deltas)?;
        let unread = State::unread();
        let goal = Goal::new(Resource::default(), Carries::default(), deltas);
        let (mut goal, redirected) = self.without_left(resource, &goal).await?;
        let deltas = &mut goal.to_mut().deltas;
        Box::pin(self.find_removed(resource, &located.key, &unread, deltas)).await?;
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
        if course::only_removes(goal.deltas.values()) {
            self.course.deprovisions();
        }
        self.course.plan(built.iter().map(|(_, calls)| calls.len()).sum());
        for (collection, calls) in built {
            send::all(self, resource, &located.key, collection, calls, &scope).await?;
        }
        self.remember(resource, &located.key, || Fate::There(None));
        self.write_redirected(resource, &located.key, &redirected).await
    }

    /// The goal without members who have left the application, and their memberships.
    async fn without_left<'g>(
        &self,
        resource: &ResourceMapping,
        goal: &'g Goal,
    ) -> Result<(Cow<'g, Goal>, Vec<Redirected>), ExchangeError> {
        let mut goal = Cow::Borrowed(goal);
        let mut redirected = Vec::new();
        if goal.deltas.is_empty() {
            return Ok((goal, redirected));
        }
        for (index, delta) in &mut goal.to_mut().deltas {
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
        names_in(mapping, resource, &before.view, &goal.wanted, &mut ids);
        for (index, delta) in &goal.deltas {
            let Some(collection) = resource.collections.get(*index) else { continue };
            let removed = delta.remove.iter().map(|(element, _)| element);
            let changed = delta.change.iter().map(|(element, _)| element);
            let whole = delta.whole.iter().flat_map(|whole| &whole.wanted);
            let called = delta.add.iter().chain(changed).chain(removed);
            let called = called.chain(whole.map(|(element, _)| element));
            names_in_calls(mapping, collection, called.clone(), &mut ids);
            let elements: Vec<Value> = called.clone().cloned().collect();
            let mut probe = Resource::default();
            place::write(
                &collection.place,
                &mut probe,
                Value::Array(elements),
                &serde_json::Map::new(),
            );
            ids_in(mapping, resource, &probe, &mut ids);
        }
        Ok(self.resolve(keys, ids).await?.without_left())
    }
}

/// Refuses new elements whose texts do not match.
fn check_added(
    resource: &ResourceMapping,
    deltas: &BTreeMap<usize, Delta>,
) -> Result<(), ConvertError> {
    for (index, delta) in deltas {
        if let Some(collection) = resource.collections.get(*index) {
            pattern::check_elements(collection, &delta.add)?;
        }
    }
    Ok(())
}
