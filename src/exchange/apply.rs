//! The machine that makes a change true: what PUT, PATCH and the later steps of POST share.
//!
//! Every call is built before the first write is sent, so that a value which cannot be converted
//! fails while nothing has happened. Order: main record, switching, collections, side-car.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::convert::change::{self, Step, Switch};
use crate::convert::context::Context;
use crate::convert::document::{self, Difference, Purpose};
use crate::convert::error::ConvertError;
use crate::convert::members::{self, Delta, MemberCall};
use crate::convert::memo::Before;
use crate::convert::references::{
    References, Wanted, ids_in, keys_in, keys_in_elements, names_in, names_in_calls,
};
use crate::convert::{key, pattern, place, places, record, request};
use crate::exchange::error::ExchangeError;
use crate::exchange::native::{About, Exchange};
use crate::exchange::recent::Fate;
use crate::exchange::recorded::Redirected;
use crate::exchange::state::{self, Located, State};
use crate::exchange::version::{self, Record};
use crate::exchange::{kept, names, send, unique};
use crate::mapping::model::{
    Activate, Carries, Collection, CollectionSource, Deactivate, Delete, IdSourceRule, Request,
    ResourceMapping, Row,
};
use crate::native::message::NativeResponse;
use crate::scim::resource::Resource;
use crate::sidecar::entry::{Entry, EntryState};

/// What is to be made true.
#[derive(Debug, Clone)]
pub struct Goal {
    /// The resource as it is wanted.
    pub wanted: Resource,
    /// Rows and collections that may be written with the record.
    pub allowed: Carries,
    /// Changes of collections that are made by calls of their own, by index.
    pub deltas: BTreeMap<usize, Delta>,
}

/// The record after a change.
#[derive(Debug)]
pub struct Outcome {
    /// The record, as the application last told it; `None` when it must be read again.
    pub record: Option<Record>,
    /// Whether the application may not have taken every element of a collection.
    pub doubts: bool,
}

impl Exchange<'_> {
    /// Makes a change true. `located` follows a record whose key changes.
    pub async fn apply(
        &self,
        resource: &ResourceMapping,
        located: &mut Located,
        before: &State,
        goal: &Goal,
    ) -> Result<Outcome, ExchangeError> {
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
        let (goal, redirected) = self.without_left(resource, goal).await?;
        let references = self.references_for(resource, before, &goal).await?;
        let mut change = Change {
            exchange: self,
            resource,
            references: &references,
            goal: &goal,
            before,
            record: Record { native: before.native.clone(), told: before.told.clone() },
            stale: false,
            sent: false,
            doubts: false,
        };
        let plan = change.plan(located)?;
        change.check_key(located).await?;
        let key = located.key.clone();
        let carried = change.carry_out(located, plan).await;
        change.note(&key, located);
        carried?;
        self.write_redirected(resource, &located.key, &redirected).await?;
        self.keep_attributes(resource, located, before, &goal.wanted).await?;
        let record = (!change.stale).then_some(change.record);
        Ok(Outcome { record, doubts: change.doubts })
    }

    /// Makes changes of collections alone, without anybody having read the resource.
    pub async fn apply_members(
        &self,
        resource: &ResourceMapping,
        located: &Located,
        deltas: BTreeMap<usize, Delta>,
    ) -> Result<(), ExchangeError> {
        check_added(resource, &deltas)?;
        let unread = State::unread();
        let goal = Goal { wanted: Resource::default(), allowed: Carries::default(), deltas };
        let (goal, redirected) = self.without_left(resource, &goal).await?;
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
            send::all(self, resource, &located.key, collection, calls).await?;
        }
        self.remember(resource, &located.key, Fate::There(None));
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
        names_in(mapping, resource, &before.view, &goal.wanted, &mut ids);
        for (index, delta) in &goal.deltas {
            let Some(collection) = resource.collections.get(*index) else { continue };
            let removed = delta.remove.iter().map(|(element, _)| element);
            let changed = delta.change.iter().map(|(element, _)| element);
            let called = delta.add.iter().chain(changed).chain(removed.clone());
            names_in_calls(mapping, collection, called, &mut ids);
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

/// Everything a change will send, built beforehand.
struct Plan<'m> {
    updates: Vec<Step<'m>>,
    switch: SwitchPlan<'m>,
    members: Vec<(&'m Collection, Vec<MemberCall<'m>>)>,
}

enum SwitchPlan<'m> {
    None,
    Steps(Vec<Step<'m>>),
    /// Delete natively and keep the resource.
    Leave(Vec<Step<'m>>),
}

struct Change<'a> {
    exchange: &'a Exchange<'a>,
    resource: &'a ResourceMapping,
    references: &'a References,
    goal: &'a Goal,
    before: &'a State,
    /// The record as last known.
    record: Record,
    /// Whether the application's record may differ from `record`.
    stale: bool,
    /// Whether anything has been sent.
    sent: bool,
    /// Whether the application may not have taken every element of a collection.
    doubts: bool,
}

impl<'a> Change<'a> {
    fn difference(&self) -> Difference<'a> {
        Difference {
            native: &self.before.native,
            before: &self.before.view,
            wanted: &self.goal.wanted,
            purpose: Purpose::Update,
        }
    }

    fn context(&self) -> Context<'a> {
        self.exchange.context(self.resource, self.references)
    }

    fn plan(&self, located: &Located) -> Result<Plan<'a>, ExchangeError> {
        let context = self.context();
        let difference = self.difference();
        change::check_carried(self.resource, &difference)?;
        let mut updates = Vec::new();
        let allowed = change::without_switch(self.resource, &difference, &self.goal.allowed);
        for request in &self.resource.update {
            let step = change::update_step(&context, request, &located.key, &difference, &allowed)?;
            updates.extend(step);
        }
        let steps = |requests: &'a [Request]| {
            change::plain_steps(&context, requests, &located.key, &difference)
        };
        let switch = match change::switch(self.resource, &difference) {
            None => SwitchPlan::None,
            Some(Switch::Off) => match (&self.resource.deactivate, &self.resource.delete) {
                (Deactivate::Requests(requests), _) => SwitchPlan::Steps(steps(requests)?),
                (Deactivate::Delete, Delete::Requests(requests)) => {
                    SwitchPlan::Leave(steps(requests)?)
                }
                (Deactivate::Delete | Deactivate::ViaUpdate, _) => SwitchPlan::None,
            },
            Some(Switch::On) => match &self.resource.activate {
                Activate::Requests(requests) => SwitchPlan::Steps(steps(requests)?),
                Activate::Create | Activate::ViaUpdate => SwitchPlan::None,
            },
        };
        let variables = change::Variables::new(&context, Some(&located.key), &difference);
        let scope = variables.scope(&context);
        let mut members = Vec::new();
        for (index, delta) in &self.goal.deltas {
            let Some(collection) = self.resource.collections.get(*index) else { continue };
            members.push((collection, members::calls(&context, collection, delta, &scope)?));
        }
        Ok(Plan { updates, switch, members })
    }

    async fn carry_out(
        &mut self,
        located: &mut Located,
        plan: Plan<'a>,
    ) -> Result<(), ExchangeError> {
        self.update(located, plan.updates).await?;
        self.switch(located, plan.switch).await?;
        self.collections(located, plan.members).await
    }

    /// Remembers what became of the record, also when only a part of the change was made.
    fn note(&self, key: &str, located: &Located) {
        if !self.sent {
            return;
        }
        if located.key != key {
            self.exchange.remember(self.resource, key, Fate::Gone);
        }
        let has_left = matches!(&located.entry, Some(Entry { state: EntryState::Off(_), .. }));
        let native = (!self.stale).then(|| self.record.native.clone());
        let fate = if has_left { Fate::Gone } else { Fate::There(native) };
        self.exchange.remember(self.resource, &located.key, fate);
    }

    /// Sends the update routes. A later one that sees the record gets the record as it is then.
    async fn update(
        &mut self,
        located: &mut Located,
        steps: Vec<Step<'a>>,
    ) -> Result<(), ExchangeError> {
        let planned = located.key.clone();
        for mut step in steps {
            let request = step.request;
            let has_moved = located.key != planned;
            let sees = request::needs_record(request) || version::is_sent(self.resource);
            if self.sent && (has_moved || sees) {
                self.refresh(located).await?;
                let Some(fresh) = self.rebuild(located, request).await? else { continue };
                step = fresh;
            }
            let response = self.send(step).await?;
            match record::record(self.resource, request, &response) {
                Some(native) => {
                    let now = key::of_record(&self.resource.id, &native)?;
                    self.learn(native, &response);
                    self.follow(located, now).await?;
                }
                None => {
                    self.stale = true;
                    if self.carries_key(request) {
                        let expected = self.expected_key()?;
                        self.follow(located, expected).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn send(&mut self, mut step: Step<'a>) -> Result<NativeResponse, ExchangeError> {
        version::guard(self.resource, &self.record, &mut step.native);
        self.sent = true;
        self.exchange.call(step.native, &step.request.accept, About::Resource).await
    }

    /// Reads the record again, if it may have changed.
    async fn refresh(&mut self, located: &Located) -> Result<(), ExchangeError> {
        if self.stale {
            self.record = self.exchange.record(self.resource, &located.key).await?;
            self.stale = false;
        }
        Ok(())
    }

    /// Takes the record that an answer holds. Without the version that should have come with it,
    /// it will be read again.
    fn learn(&mut self, native: Value, response: &NativeResponse) {
        let complete = Record::complete(self.resource, native.clone(), response);
        self.stale = complete.is_none();
        self.record = complete.unwrap_or_else(|| native.into());
    }

    /// Whether a request writes the value that is the record's key.
    fn carries_key(&self, request: &Request) -> bool {
        let carried = request.carries.rows.union(&request.carries.mentioned);
        let rows = carried.filter_map(|index| self.resource.rows.get(*index));
        rows.into_iter().any(|row| is_key(self.resource, row))
    }

    /// The key that the record has after the change: it may be one of the attributes.
    fn expected_key(&self) -> Result<String, ExchangeError> {
        let difference = self.difference();
        let mut keys = Carries::default();
        let rows = self.resource.rows.iter().enumerate();
        keys.rows.extend(rows.filter(|(_, row)| is_key(self.resource, row)).map(|(at, _)| at));
        let after = document::put(&self.context(), &difference, &keys)?;
        Ok(key::of_record(&self.resource.id, &after)?)
    }

    /// Refuses a new key that belongs to somebody who has left the application.
    async fn check_key(&self, located: &Located) -> Result<(), ExchangeError> {
        if !state::uses_sidecar(self.resource) || self.before.native.is_null() {
            return Ok(());
        }
        let expected = self.expected_key()?;
        if expected == located.key {
            return Ok(());
        }
        let has_left = |state: &EntryState| matches!(state, EntryState::Off(_));
        names::check_key(self.exchange, self.resource, &located.id, &expected, has_left).await
    }

    /// The step of a route over the record as it is now: what the request changes is changed, and
    /// what the application changed itself meanwhile stays.
    async fn rebuild(
        &self,
        located: &Located,
        request: &'a Request,
    ) -> Result<Option<Step<'a>>, ExchangeError> {
        let native = &self.record.native;
        let view = self.exchange.view(self.resource, located, native, &BTreeMap::new()).await?;
        let wanted = self.overlaid(&view);
        let difference =
            Difference { native, before: &view, wanted: &wanted, purpose: Purpose::Update };
        let allowed = change::without_switch(self.resource, &difference, &self.goal.allowed);
        let context = self.context();
        Ok(change::update_step(&context, request, &located.key, &difference, &allowed)?)
    }

    /// A view with everything that the request changes.
    fn overlaid(&self, view: &Resource) -> Resource {
        let difference = self.difference();
        let mut wanted = view.clone();
        for row in self.resource.rows.iter().filter(|row| difference.touches_row(row)) {
            match places::read(row, &self.goal.wanted) {
                Some(value) => places::write(row, &mut wanted, value),
                None => places::clear(row, &mut wanted),
            }
        }
        for list in &self.resource.collections {
            let extension = list.place.extension.as_deref();
            if difference.touches_collection(list) {
                let value = self.goal.wanted.get(extension, &list.place.attribute).cloned();
                let value = value.unwrap_or(Value::Null);
                place::write(&list.place, &mut wanted, value, &serde_json::Map::new());
            }
        }
        if let Some(active) = self.goal.wanted.0.get("active") {
            wanted.0.insert("active".to_owned(), active.clone());
        }
        wanted
    }

    /// The record's key has changed: an issued id stays, and leads to the new key from now on.
    async fn follow(&self, located: &mut Located, now: String) -> Result<(), ExchangeError> {
        if now == located.key {
            return Ok(());
        }
        let old = std::mem::replace(&mut located.key, now.clone());
        if self.resource.id.source == IdSourceRule::Native && located.id == old {
            located.id.clone_from(&now);
        }
        if let Some(entry) = &mut located.entry {
            entry.key = now;
            let partition = self.exchange.tenant.partition();
            self.exchange.tenant.sidecar.save(&partition, &self.resource.name, entry).await?;
        }
        Ok(())
    }

    async fn switch(
        &mut self,
        located: &mut Located,
        plan: SwitchPlan<'a>,
    ) -> Result<(), ExchangeError> {
        let (steps, leaves) = match plan {
            SwitchPlan::None => return Ok(()),
            SwitchPlan::Steps(steps) => (steps, false),
            SwitchPlan::Leave(steps) => (steps, true),
        };
        for mut step in steps {
            let request = step.request;
            let sees = request::needs_record(request) || version::is_sent(self.resource);
            if self.sent {
                if leaves || sees {
                    self.refresh(located).await?;
                }
                let native = &self.record.native;
                let difference = Difference { native, ..self.difference() };
                let one = std::slice::from_ref(request);
                let fresh = change::plain_steps(&self.context(), one, &located.key, &difference)?;
                let Some(fresh) = fresh.into_iter().next() else { continue };
                step = fresh;
            }
            let response = self.send(step).await?;
            if leaves {
                continue;
            }
            match record::record(self.resource, request, &response) {
                Some(native) => self.learn(native, &response),
                None => self.stale = true,
            }
        }
        if leaves {
            // What the same request changes of the attributes kept here holds from now on as well.
            let kept = located.entry.as_ref().map(|entry| &entry.attributes);
            let before = Before { native: &self.before.native, attributes: kept };
            let attributes = kept::attributes(&self.context(), before, &self.goal.wanted);
            let entry = Entry {
                id: located.id.clone(),
                key: located.key.clone(),
                attributes,
                state: EntryState::Off(self.record.native.clone()),
            };
            let partition = self.exchange.tenant.partition();
            let name = &self.resource.name;
            let _held = self.exchange.tenant.locks.hold_kept(name, &located.id).await;
            self.exchange.tenant.sidecar.save(&partition, name, &entry).await?;
            located.entry = Some(entry);
        }
        Ok(())
    }

    async fn collections(
        &mut self,
        located: &Located,
        members: Vec<(&'a Collection, Vec<MemberCall<'a>>)>,
    ) -> Result<(), ExchangeError> {
        for (collection, calls) in members {
            let is_in_record = matches!(collection.source, CollectionSource::Items(_));
            // An application with versions of its own may count memberships among what changes.
            let is_told = is_in_record || self.resource.version.is_some();
            self.stale |= is_told && !calls.is_empty();
            self.sent |= !calls.is_empty();
            let sent = send::all(self.exchange, self.resource, &located.key, collection, calls);
            self.doubts |= sent.await?;
        }
        Ok(())
    }
}

/// Whether a row writes the value that is the record's key.
fn is_key(resource: &ResourceMapping, row: &Row) -> bool {
    row.targets().iter().any(|path| path.overlaps(&resource.id.path))
}
