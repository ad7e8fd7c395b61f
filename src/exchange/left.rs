//! Resources that have left the application (`deactivate: delete`): they change in the side-car
//! alone until they are switched on again, which makes their record and its memberships anew.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error;

use serde_json::Value;

use crate::convert::change::{self, Switch};
use crate::convert::delta::Delta;
use crate::convert::document::{self, Difference, Purpose};
use crate::convert::elements::native_elements;
use crate::convert::failure::Meaning;
use crate::convert::members::{self, MemberCall};
use crate::convert::memo::Before;
use crate::convert::references::References;
use crate::convert::{key, request};
use crate::exchange::error::ExchangeError;
use crate::exchange::goal::{Goal, Outcome};
use crate::exchange::native::Exchange;
use crate::exchange::send::{self, Effect, Sent};
use crate::exchange::state::{Located, State};
use crate::exchange::version::Record;
use crate::exchange::{kept, make, names};
use crate::mapping::model;
use crate::mapping::model::{Collection, ResourceMapping};
use crate::scim::resource::Resource;
use crate::sidecar::entry::{Entry, EntryState};

impl Exchange<'_> {
    /// The record of a resource that had left, if somebody made it again natively. It lives from
    /// then on: the application's word is newer than ours.
    pub async fn came_back(
        &self,
        resource: &ResourceMapping,
        located: &mut Located,
    ) -> Result<Option<Record>, ExchangeError> {
        let Some(Entry { state: EntryState::Off(_), .. }) = &located.entry else {
            return Ok(None);
        };
        let record = match self.record(resource, &located.key).await {
            Err(ExchangeError::NotFound { .. }) => return Ok(None),
            other => other?,
        };
        let _held = self.tenant.locks.hold_kept(&resource.name, &located.id).await?;
        let entry = located.entry.take().unwrap_or_default();
        let entry = Entry { state: EntryState::Live, ..entry };
        self.save(resource, &entry).await?;
        located.entry = Some(entry);
        Ok(Some(record))
    }

    /// Keeps the last record of a resource that is about to leave, before the application forgets
    /// it: whatever ends the bridge in between, nothing is lost. Until the record is gone the
    /// resource counts as one that came back.
    pub(crate) async fn leaves(
        &self,
        resource: &ResourceMapping,
        located: &Located,
        native: &Value,
    ) -> Result<(), ExchangeError> {
        self.save_state(resource, located, EntryState::Off(native.clone())).await
    }

    /// A resource stays after all where the application has refused to let it go. Where nobody
    /// knows, its record tells as soon as somebody looks at it.
    pub(crate) async fn may_stay(
        &self,
        resource: &ResourceMapping,
        located: &Located,
        error: &ExchangeError,
    ) {
        let is_refused = matches!(
            error,
            ExchangeError::Native(failure) if matches!(
                failure.meaning,
                Meaning::Outcome(_) | Meaning::Credentials
            )
        );
        if is_refused && let Err(error) = self.save_state(resource, located, EntryState::Live).await
        {
            tracing::warn!(error = &error as &dyn Error, "a resource stays, unknown to the store");
        }
    }

    async fn save_state(
        &self,
        resource: &ResourceMapping,
        located: &Located,
        state: EntryState,
    ) -> Result<(), ExchangeError> {
        let Located { id, key, entry } = located.clone();
        let attributes = entry.map(|entry| entry.attributes).unwrap_or_default();
        self.save_held(resource, &Entry { id, key, attributes, state }).await
    }

    /// A resource that has left the application changes in the side-car, or comes back.
    pub(crate) async fn apply_off(
        &self,
        resource: &ResourceMapping,
        located: &mut Located,
        before: &State,
        goal: &Goal,
    ) -> Result<Outcome, ExchangeError> {
        let references = self.references_for(resource, before, goal).await?;
        let context = self.context(resource, &references);
        // No call is made while this is held: others write into what is kept of many resources.
        let held = self.tenant.locks.hold_kept(&resource.name, &located.id).await?;
        let kept = self.kept(resource, &located.id).await?;
        let difference = Difference {
            native: &kept,
            before: &before.view,
            wanted: &goal.wanted,
            purpose: Purpose::Update,
        };
        let native = document::put(&context, &difference, &change::everything(resource))?;
        let is_on = change::switch(resource, &difference) == Some(Switch::On);
        // An attempt to come back that failed half-way has left the record's new key behind.
        let old_key = key::of_record(&resource.id, &kept)?;
        let new_key = key::of_record(&resource.id, &native)?;
        let new_key = if new_key == old_key { located.key.clone() } else { new_key };
        if new_key != located.key {
            names::check_key(self, resource, &located.id, &new_key, |_| true).await?;
        }
        located.key.clone_from(&new_key);
        if is_on {
            drop(held);
            let record = self.create_again(resource, located, &goal.wanted).await?;
            return Ok(Outcome { record, doubts: false });
        }
        let attributes = located.entry.as_ref().map(|entry| &entry.attributes);
        let attributes =
            kept::attributes(&context, Before { native: &kept, attributes }, &goal.wanted);
        let state = EntryState::Off(native.clone());
        let entry = Entry { id: located.id.clone(), key: new_key, attributes, state };
        self.save(resource, &entry).await?;
        located.entry = Some(entry);
        Ok(Outcome { record: Some(native.into()), doubts: false })
    }

    /// The last record of somebody who has left, as it is kept by now.
    async fn kept(&self, resource: &ResourceMapping, id: &str) -> Result<Value, ExchangeError> {
        let (partition, ids) = (self.tenant.partition(), [id.to_owned()]);
        let entry = self.tenant.sidecar.by_ids(&partition, &resource.name, &ids).await?.pop();
        match entry {
            Some(Entry { state: EntryState::Off(native), .. }) => Ok(native),
            _ => Err(ExchangeError::Busy),
        }
    }

    /// Switching on by creation: the record is made again, then its memberships. The resource
    /// counts as switched off until all of it is back, so that a failure half-way is mended by
    /// the same request again.
    async fn create_again(
        &self,
        resource: &ResourceMapping,
        located: &mut Located,
        wanted: &Resource,
    ) -> Result<Option<Record>, ExchangeError> {
        let mut wanted = wanted.clone();
        make::fill_defaults(self, resource, &mut wanted)?;
        let (made, record) = match make::make(self, resource, &wanted, Some(located)).await {
            Ok(made) => (made.located, made.record),
            // It is there: an earlier attempt came half-way, or somebody made it natively.
            Err(error) if is_taken(&error) => {
                let record = self.record(resource, &located.key).await.map_err(|_| error)?;
                (located.clone(), record)
            }
            Err(error) => return Err(error),
        };
        let mut restored = Value::Null;
        let mut is_stale = false;
        loop {
            let last = self.kept(resource, &made.id).await?;
            is_stale |= self.restore(resource, &made, &last, &restored).await?;
            let _held = self.tenant.locks.hold_kept(&resource.name, &made.id).await?;
            restored = last;
            // A group may have been joined while memberships were restored.
            if self.kept(resource, &made.id).await? != restored {
                continue;
            }
            let none = References::default();
            let before = Before { native: &Value::Null, attributes: None };
            let attributes = kept::attributes(&self.context(resource, &none), before, &wanted);
            let (id, key) = (made.id.clone(), made.key.clone());
            let entry = Entry { id, key, attributes, state: EntryState::Live };
            self.save(resource, &entry).await?;
            *located = Located { entry: Some(entry), ..made };
            return Ok((!is_stale).then_some(record));
        }
    }

    /// Puts a resource into the groups of its last record. Those of `done` have had it already.
    async fn restore(
        &self,
        resource: &ResourceMapping,
        located: &Located,
        last: &Value,
        done: &Value,
    ) -> Result<bool, ExchangeError> {
        if last == done {
            return Ok(false);
        }
        let memberships = self.memberships(resource, located, last).await?;
        let is_any = !memberships.is_empty();
        for membership in memberships {
            // The group is gone; there is nothing to come back to.
            if self.write_membership(membership, Effect::Adds).await? == Sent::Unknown {
                tracing::info!(resource = resource.name, "a recorded group is gone");
            }
        }
        Ok(is_any)
    }

    /// The calls that put a resource back into the groups that its last record names.
    async fn memberships<'m>(
        &'m self,
        resource: &ResourceMapping,
        located: &Located,
        last: &Value,
    ) -> Result<Vec<Membership<'m>>, ExchangeError> {
        let mut calls = Vec::new();
        for list in &resource.collections {
            let groups = native_elements(list, last);
            let groups: Vec<Value> = groups.into_iter().map(Cow::into_owned).collect();
            let of = Of { resource, located, native: last };
            calls.extend(self.membership_calls(of, list, &groups, Way::In).await?);
        }
        Ok(calls)
    }

    async fn write_membership(
        &self,
        membership: Membership<'_>,
        effect: Effect,
    ) -> Result<Sent, ExchangeError> {
        let Membership { group, native, target, members, call } = membership;
        let none = References::default();
        let scope = self.context(target, &none).scope();
        let scope = scope.with("id", &group).with("native", &native);
        send::one(self, members, call, effect, &scope).await
    }

    /// Takes a resource out of every group it is in: one that SCIM clients deleted and create
    /// again must not come back with what it was allowed before.
    pub(crate) async fn leave_groups(
        &self,
        resource: &ResourceMapping,
        located: &Located,
        native: &Value,
    ) -> Result<(), ExchangeError> {
        for list in &resource.collections {
            if self.counterpart(resource, list).is_none() {
                continue;
            }
            let groups = self.present(resource, &located.key, native, list).await?;
            let of = Of { resource, located, native };
            for membership in self.membership_calls(of, list, &groups, Way::Out).await? {
                self.write_membership(membership, Effect::Removes).await?;
            }
        }
        Ok(())
    }

    /// The resource type that a list of memberships names, and its collection that has us.
    fn counterpart(
        &self,
        resource: &ResourceMapping,
        list: &Collection,
    ) -> Option<(&ResourceMapping, usize)> {
        let target = self.tenant.mapping.resource(list.reference.as_ref()?)?;
        let holds_us = |collection: &Collection| {
            collection.reference.as_ref() == Some(&resource.name) && collection.add.is_some()
        };
        Some((target, target.collections.iter().position(holds_us)?))
    }

    /// The calls that bring a resource into the groups of a list of its own, or out of them.
    async fn membership_calls<'m>(
        &'m self,
        of: Of<'_>,
        list: &Collection,
        groups: &[Value],
        way: Way,
    ) -> Result<Vec<Membership<'m>>, ExchangeError> {
        let Of { resource, located, native } = of;
        let mut memberships = Vec::new();
        let row = list.items.iter().find(|item| item.sub == "value");
        let (Some((target, index)), Some(row)) = (self.counterpart(resource, list), row) else {
            return Ok(memberships);
        };
        let Some(members) = target.collections.get(index) else { return Ok(memberships) };
        let mut references = References::default();
        references.insert(&resource.name, &located.id, &located.key);
        let by = members.items.iter().filter_map(|item| item.by.as_ref()).chain(&members.by);
        for (by, name) in by.filter_map(|by| Some((by, by.read(native)?))) {
            references.insert_name(&resource.name, by, &located.key, name);
        }
        let context = self.context(target, &references);
        let us = serde_json::json!({ "value": located.id });
        let delta = match way {
            Way::In => Delta { add: vec![us], ..Delta::default() },
            Way::Out => Delta { remove: vec![(us, Value::Null)], ..Delta::default() },
        };
        let requests = members.add.iter().chain(&members.remove);
        let sees_group = requests.into_iter().any(request::sees_record);
        for key in groups.iter().filter_map(|native| key::text(row.path.read(native)?)) {
            let mut deltas = BTreeMap::from([(index, delta.clone())]);
            self.find_removed(target, &key, &State::unread(), &mut deltas).await?;
            let native =
                if sees_group { self.record(target, &key).await?.native } else { Value::Null };
            let group = key::typed(&target.id, &key);
            let scope = context.scope().with("id", &group).with("native", &native);
            for delta in deltas.values() {
                for call in members::calls(&context, members, delta, &scope)? {
                    let (group, native) = (group.clone(), native.clone());
                    memberships.push(Membership { group, native, target, members, call });
                }
            }
        }
        Ok(memberships)
    }
}

/// A call that brings a resource into a group, or out of it.
struct Membership<'m> {
    group: Value,
    /// The group's record, where the call shows it.
    native: Value,
    target: &'m ResourceMapping,
    members: &'m Collection,
    call: MemberCall<'m>,
}

/// Whose memberships they are.
#[derive(Clone, Copy)]
struct Of<'a> {
    resource: &'a ResourceMapping,
    located: &'a Located,
    native: &'a Value,
}

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

fn is_taken(error: &ExchangeError) -> bool {
    let taken = Meaning::Outcome(model::Outcome::Uniqueness);
    matches!(error, ExchangeError::Native(failure) if failure.meaning == taken)
}
