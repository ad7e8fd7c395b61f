//! The machine that makes a change true: what PUT, PATCH and the later steps of POST share.
//!
//! Every call is built before the first write is sent, so that a value which cannot be converted
//! fails while nothing has happened. Order: main record, switching, collections, side-car.

use std::collections::BTreeMap;

use futures_util::FutureExt as _;
use futures_util::future::{self, BoxFuture};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use crate::convert::change::{self, Step, Switch};
use crate::convert::document::{self, Difference, Purpose};
use crate::convert::members::{self, Delta, MemberCall};
use crate::convert::references::{References, Wanted, ids_in, keys_in_elements};
use crate::convert::{key, place, record, request};
use crate::exchange::error::ExchangeError;
use crate::exchange::native::{About, Exchange};
use crate::exchange::recorded::Changed;
use crate::exchange::state::{self, Located, State};
use crate::mapping::model::{
    Activate, Carries, Collection, CollectionSource, Deactivate, Delete, IdSourceRule, Request,
    ResourceMapping, Source,
};
use crate::scim::resource::Resource;
use crate::sidecar::entry::{Entry, EntryState};

/// Member calls in flight for one request.
const MEMBER_CALLS: usize = 4;

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
    pub native: Option<Value>,
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
        let (goal, redirected) = self.without_left(resource, &located.key, goal).await?;
        let goal = &goal;
        let references = self.references_for(resource, before, goal).await?;
        let is_off = matches!(&located.entry, Some(Entry { state: EntryState::Off(_), .. }));
        if is_off {
            return self.apply_off(resource, located, before, goal, &references).await;
        }
        let mut change = Change {
            exchange: self,
            resource,
            references: &references,
            goal,
            native: before.native.clone(),
            stale: false,
        };
        let plan = change.plan(located, before)?;
        change.update(located, before, plan.updates).await?;
        change.switch(located, &plan.switch).await?;
        change.collections(plan.members).await?;
        self.save_redirected(&redirected).await?;
        self.keep_attributes(resource, located, &goal.wanted).await?;
        let native = (!change.stale).then_some(change.native);
        Ok(Outcome { native })
    }

    /// Makes changes of collections alone, without anybody having read the resource.
    pub async fn apply_members(
        &self,
        resource: &ResourceMapping,
        located: &Located,
        deltas: BTreeMap<usize, Delta>,
    ) -> Result<(), ExchangeError> {
        let unread = State::unread();
        let goal = Goal { wanted: Resource::default(), allowed: Carries::default(), deltas };
        let (goal, redirected) = self.without_left(resource, &located.key, &goal).await?;
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
            send_all(self, collection, calls).await?;
        }
        self.save_redirected(&redirected).await
    }

    /// The goal without members who have left the application, and their changed records.
    async fn without_left(
        &self,
        resource: &ResourceMapping,
        group: &str,
        goal: &Goal,
    ) -> Result<(Goal, Changed), ExchangeError> {
        let mut goal = goal.clone();
        let mut changed = Changed::new();
        for (index, delta) in &mut goal.deltas {
            if let Some(collection) = resource.collections.get(*index) {
                changed.extend(self.redirect(resource, group, collection, delta).await?);
            }
        }
        Ok((goal, changed))
    }

    /// What the conversions of a change need to know about other resources.
    async fn references_for(
        &self,
        resource: &ResourceMapping,
        before: &State,
        goal: &Goal,
    ) -> Result<References, ExchangeError> {
        let mapping = &self.tenant.mapping;
        let (mut keys, mut ids) = (Wanted::new(), Wanted::new());
        crate::convert::references::keys_in(mapping, resource, &before.native, &mut keys);
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
        self.resolve(keys, ids).await
    }

    /// Writes the side-car attributes of a resource, when they differ from what is kept.
    pub(crate) async fn keep_attributes(
        &self,
        resource: &ResourceMapping,
        located: &mut Located,
        wanted: &Resource,
    ) -> Result<(), ExchangeError> {
        if !state::has_sidecar_rows(resource) {
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

/// Everything a change will send, built beforehand.
struct Plan<'m> {
    updates: Vec<(&'m Request, Step<'m>)>,
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
    /// The record as last known.
    native: Value,
    /// Whether the application's record may differ from `native`.
    stale: bool,
}

impl<'a> Change<'a> {
    fn plan(&self, located: &Located, before: &State) -> Result<Plan<'a>, ExchangeError> {
        let context = self.exchange.context(self.resource, self.references);
        let difference = Difference {
            native: &before.native,
            before: &before.view,
            wanted: &self.goal.wanted,
            purpose: Purpose::Update,
        };
        change::check_carried(self.resource, &difference)?;
        let mut updates = Vec::new();
        let allowed = change::without_switch(self.resource, &difference, &self.goal.allowed);
        for request in &self.resource.update {
            let step = change::update_step(&context, request, &located.key, &difference, &allowed)?;
            updates.extend(step.map(|step| (request, step)));
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

    /// Sends the update routes. A later one that sees the record gets the record as it is then.
    async fn update(
        &mut self,
        located: &mut Located,
        before: &State,
        steps: Vec<(&'a Request, Step<'a>)>,
    ) -> Result<(), ExchangeError> {
        if steps.is_empty() {
            return Ok(());
        }
        let expected = self.expected_key(before)?;
        for (request, mut step) in steps {
            if self.stale && request::needs_record(request) {
                self.native = self.exchange.record(self.resource, &located.key).await?;
                self.stale = false;
                let Some(fresh) = self.rebuild(located, request).await? else { continue };
                step = fresh;
            }
            let response =
                self.exchange.call(step.native, &request.accept, About::Resource).await?;
            match record::record(self.resource, request, &response) {
                Some(native) => {
                    self.native = native;
                    self.stale = false;
                    let now = key::of_record(&self.resource.id, &self.native)?;
                    self.follow(located, now).await?;
                }
                None => {
                    self.stale = true;
                    self.follow(located, expected.clone()).await?;
                }
            }
        }
        Ok(())
    }

    /// The key that the record has after the change: it may be one of the attributes.
    fn expected_key(&self, before: &State) -> Result<String, ExchangeError> {
        let context = self.exchange.context(self.resource, self.references);
        let difference = Difference {
            native: &before.native,
            before: &before.view,
            wanted: &self.goal.wanted,
            purpose: Purpose::Update,
        };
        let allowed = change::without_switch(self.resource, &difference, &self.goal.allowed);
        let after = document::put(&context, &difference, &allowed)?;
        Ok(key::of_record(&self.resource.id, &after)?)
    }

    async fn rebuild(
        &self,
        located: &Located,
        request: &'a Request,
    ) -> Result<Option<Step<'a>>, ExchangeError> {
        let view =
            self.exchange.view(self.resource, located, &self.native, &BTreeMap::new()).await?;
        let context = self.exchange.context(self.resource, self.references);
        let difference = Difference {
            native: &self.native,
            before: &view,
            wanted: &self.goal.wanted,
            purpose: Purpose::Update,
        };
        let allowed = change::without_switch(self.resource, &difference, &self.goal.allowed);
        Ok(change::update_step(&context, request, &located.key, &difference, &allowed)?)
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
        plan: &SwitchPlan<'a>,
    ) -> Result<(), ExchangeError> {
        let (steps, leaves) = match plan {
            SwitchPlan::None => return Ok(()),
            SwitchPlan::Steps(steps) => (steps, false),
            SwitchPlan::Leave(steps) => (steps, true),
        };
        if leaves && self.stale {
            self.native = self.exchange.record(self.resource, &located.key).await?;
            self.stale = false;
        }
        for step in steps {
            let call =
                self.exchange.call(step.native.clone(), &step.request.accept, About::Resource);
            let response = call.await?;
            if leaves {
                continue;
            }
            match record::record(self.resource, step.request, &response) {
                Some(native) => self.native = native,
                None => self.stale = true,
            }
        }
        if leaves {
            let entry = located.entry.take().unwrap_or_default();
            let state = EntryState::Off(self.native.clone());
            let entry = Entry { id: located.id.clone(), key: located.key.clone(), state, ..entry };
            let partition = self.exchange.tenant.partition();
            self.exchange.tenant.sidecar.save(&partition, &self.resource.name, &entry).await?;
            located.entry = Some(entry);
        }
        Ok(())
    }

    async fn collections(
        &mut self,
        members: Vec<(&'a Collection, Vec<MemberCall<'a>>)>,
    ) -> Result<(), ExchangeError> {
        for (collection, calls) in members {
            let is_in_record = matches!(collection.source, CollectionSource::Items(_));
            self.stale |= is_in_record && !calls.is_empty();
            send_all(self.exchange, collection, calls).await?;
        }
        Ok(())
    }
}

/// Sends member calls and stops at the first failure. Adds are through before changes begin, and
/// changes before removes. Elements of the record itself are written one after another: an
/// application that reads, changes and writes its record loses one of two calls at once.
pub async fn send_all(
    exchange: &Exchange<'_>,
    collection: &Collection,
    calls: Vec<MemberCall<'_>>,
) -> Result<(), ExchangeError> {
    let at_once = match collection.source {
        CollectionSource::Items(_) => 1,
        CollectionSource::List(_) => MEMBER_CALLS,
    };
    let mut calls = calls.into_iter().peekable();
    while let Some(first) = calls.next() {
        let request = first.request;
        let mut group = vec![first];
        while let Some(next) = calls.next_if(|next| std::ptr::eq(next.request, request)) {
            group.push(next);
        }
        // Boxed one by one: a closure that borrows across an await has no type that is `Send`
        // enough.
        let mut pending: Vec<BoxFuture<'_, _>> = Vec::with_capacity(group.len());
        for call in group {
            pending.push(exchange.call(call.native, &request.accept, About::Resource).boxed());
        }
        let sent = stream::iter(pending).buffered(at_once);
        sent.try_for_each(|_| future::ready(Ok(()))).await?;
    }
    Ok(())
}
