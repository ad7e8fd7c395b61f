//! The calls of one change, in their order: main record, switching, collections.
//!
//! Every call is built before the first write is sent; one that shows the record is built anew
//! when the record has changed meanwhile.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::convert::change::{self, Draft, Step, Switch, Variables};
use crate::convert::context::Context;
use crate::convert::document::{self, Difference, Purpose};
use crate::convert::failure::Meaning;
use crate::convert::members::{self, MemberCall};
use crate::convert::memo::Before;
use crate::convert::references::References;
use crate::convert::{key, place, places, record, request};
use crate::exchange::error::ExchangeError;
use crate::exchange::goal::{Conflict, Goal, Outcome, Way};
use crate::exchange::native::{About, Exchange};
use crate::exchange::recent::Fate;
use crate::exchange::state::{self, Located, State};
use crate::exchange::version::{self, Record};
use crate::exchange::{course, kept, names, send};
use crate::mapping::model;
use crate::mapping::model::{
    Activate, Carries, Collection, CollectionSource, Deactivate, Delete, IdSourceRule, Request,
    ResourceMapping, Row,
};
use crate::mapping::scope::Scope;
use crate::native::message::NativeResponse;
use crate::scim::resource::Resource;
use crate::sidecar::entry::{Entry, EntryState};

/// Everything a change will send, built beforehand.
struct Plan<'m> {
    updates: Vec<Step<'m>>,
    switch: SwitchPlan<'m>,
    members: Vec<Members<'m>>,
}

impl Plan<'_> {
    fn writes(&self) -> usize {
        let switch = match &self.switch {
            SwitchPlan::None => 0,
            SwitchPlan::Steps(steps) | SwitchPlan::Leave(steps) => steps.len(),
        };
        let members: usize = self.members.iter().map(|(_, calls)| calls.len()).sum();
        self.updates.len() + switch + members
    }
}

/// A collection and its calls.
type Members<'m> = (&'m Collection, Vec<MemberCall<'m>>);

enum SwitchPlan<'m> {
    None,
    Steps(Vec<Step<'m>>),
    /// Delete natively and keep the resource.
    Leave(Vec<Step<'m>>),
}

/// A change on its way.
pub struct Change<'a> {
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

    /// A change that nothing has been sent of.
    pub fn new(
        exchange: &'a Exchange<'a>,
        resource: &'a ResourceMapping,
        references: &'a References,
        goal: &'a Goal,
        before: &'a State,
    ) -> Self {
        let (native, told) = (before.native.clone(), before.told.clone());
        let record = Record { native, told, text: None };
        let (stale, sent, doubts) = (false, false, false);
        Self { exchange, resource, references, goal, before, record, stale, sent, doubts }
    }

    /// Sends everything. `located` follows a record whose key changes.
    pub async fn make(&mut self, located: &mut Located) -> Result<(), ExchangeError> {
        let plan = self.plan(located).await?;
        let removes = plan.updates.is_empty() && course::only_removes(self.goal.deltas.values());
        if removes || self.goes_off() {
            self.exchange.course.deprovisions();
        }
        self.exchange.course.plan(plan.writes());
        self.check_key(located).await?;
        let planned = located.key.clone();
        let carried = self.carry_out(located, &planned, plan).await;
        self.note(&planned, located);
        carried
    }

    async fn carry_out(
        &mut self,
        located: &mut Located,
        planned: &str,
        plan: Plan<'a>,
    ) -> Result<(), ExchangeError> {
        self.update(located, plan.updates).await?;
        self.switch(located, plan.switch).await?;
        self.collections(located, planned, plan.members).await
    }

    /// Remembers what became of the record, also when only a part of the change was made.
    fn note(&self, key: &str, located: &Located) {
        if !self.sent {
            return;
        }
        if located.key != key {
            self.exchange.remember(self.resource, key, || Fate::Gone);
        }
        let has_left = matches!(&located.entry, Some(Entry { state: EntryState::Off(_), .. }));
        self.exchange.remember(self.resource, &located.key, || {
            let native = (!self.stale).then(|| self.record.native.clone());
            if has_left { Fate::Gone } else { Fate::There(native) }
        });
    }

    /// What came of it.
    pub fn outcome(self) -> Outcome {
        Outcome { record: (!self.stale).then_some(self.record), doubts: self.doubts }
    }

    fn goes_off(&self) -> bool {
        let active = |scim: &Resource| scim.0.get("active").and_then(Value::as_bool);
        active(&self.goal.wanted) == Some(false) && active(&self.before.view) != Some(false)
    }

    async fn plan(&self, located: &Located) -> Result<Plan<'a>, ExchangeError> {
        let context = self.context();
        let difference = self.difference();
        change::check_carried(self.resource, &difference)?;
        let variables = Variables::new(&context, Some(&located.key), &difference);
        let scope = variables.scope(&context);
        let mut updates = Vec::new();
        for request in self.routes() {
            let allowed = self.allowed(request, &difference);
            let draft = change::update_draft(&context, request, &difference, &allowed)?;
            if let Some(draft) = draft {
                updates.extend(self.exchange.steps(draft, &scope).await?);
            }
        }
        let switch = match change::switch(self.resource, &difference) {
            None => SwitchPlan::None,
            Some(Switch::Off) => match (&self.resource.deactivate, &self.resource.delete) {
                (Deactivate::Requests(requests), _) => {
                    SwitchPlan::Steps(self.plain(requests, &scope).await?)
                }
                (Deactivate::Delete, Delete::Requests(requests)) => {
                    SwitchPlan::Leave(self.plain(requests, &scope).await?)
                }
                (Deactivate::Delete | Deactivate::ViaUpdate, _) => SwitchPlan::None,
            },
            Some(Switch::On) => match &self.resource.activate {
                Activate::Requests(requests) => {
                    SwitchPlan::Steps(self.plain(requests, &scope).await?)
                }
                Activate::Create | Activate::ViaUpdate => SwitchPlan::None,
            },
        };
        let members = self.member_calls(&scope)?;
        Ok(Plan { updates, switch, members })
    }

    /// The requests that may write the record, in order.
    fn routes(&self) -> Vec<&'a Request> {
        let update = &self.resource.update;
        let replaces = self.goal.way == Way::Replace || update.is_empty();
        let replace = self.resource.replace_with.as_ref().filter(|_| replaces);
        replace.into_iter().chain(update).collect()
    }

    /// What a route may carry: what replaces the record has left nothing of its own to the others.
    fn allowed(&self, request: &Request, difference: &Difference<'_>) -> Carries {
        let mut allowed = change::without_switch(self.resource, difference, &self.goal.allowed);
        let replace = self.resource.replace_with.as_ref();
        let replace = replace.filter(|_| self.goal.way == Way::Replace);
        if let Some(replace) = replace.filter(|replace| !std::ptr::eq(*replace, request)) {
            let Carries { rows, collections, mentioned } = &replace.carries;
            allowed.rows.retain(|index| !rows.contains(index) && !mentioned.contains(index));
            allowed.collections.retain(|index| !collections.contains(index));
        }
        allowed
    }

    /// The calls of requests that carry nothing.
    async fn plain(
        &self,
        requests: &'a [Request],
        scope: &Scope<'_>,
    ) -> Result<Vec<Step<'a>>, ExchangeError> {
        let mut steps = Vec::new();
        for request in requests {
            steps.extend(self.exchange.steps(Draft::plain(request), scope).await?);
        }
        Ok(steps)
    }

    fn member_calls(&self, scope: &Scope<'_>) -> Result<Vec<Members<'a>>, ExchangeError> {
        let context = self.context();
        let mut calls = Vec::new();
        for (index, delta) in &self.goal.deltas {
            let Some(collection) = self.resource.collections.get(*index) else { continue };
            calls.push((collection, members::calls(&context, collection, delta, scope)?));
        }
        Ok(calls)
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
                let Some(fresh) = self.rebuild(located, request, step.field.as_deref()).await?
                else {
                    continue;
                };
                step = fresh;
            }
            let Some(response) = self.send_route(located, step).await? else { continue };
            match record::record(self.resource, request, &response) {
                Some(native) => {
                    let now = key::of_record(&self.resource.id, &native)?;
                    self.learn(request, native, &response);
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

    /// Sends a route; once more when somebody else was faster. `None` when by then there is
    /// nothing left to send.
    async fn send_route(
        &mut self,
        located: &Located,
        step: Step<'a>,
    ) -> Result<Option<NativeResponse>, ExchangeError> {
        let (request, field) = (step.request, step.field.clone());
        match self.send(step).await {
            Err(error) if self.is_conflict(&error) => {
                self.stale = true;
                self.refresh(located).await?;
                match self.rebuild(located, request, field.as_deref()).await? {
                    Some(fresh) => self.send(fresh).await.map(Some),
                    None => Ok(None),
                }
            }
            other => other.map(Some),
        }
    }

    /// Whether a write has failed because the record was not in the version that was read, and
    /// may be made again.
    fn is_conflict(&self, error: &ExchangeError) -> bool {
        let conflict = Meaning::Outcome(model::Outcome::PreconditionFailed);
        let is_it = matches!(error, ExchangeError::Native(failure) if failure.meaning == conflict);
        is_it && version::is_sent(self.resource) && self.goal.conflict == Conflict::Retried
    }

    async fn send(&mut self, mut step: Step<'a>) -> Result<NativeResponse, ExchangeError> {
        version::guard(self.resource, &self.record, &mut step.native);
        self.sent = true;
        self.exchange.write(step.request, step.native, About::Resource).await
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
    fn learn(&mut self, request: &Request, native: Value, response: &NativeResponse) {
        let told = Record::complete(self.resource, request, native, response);
        self.stale = told.is_err();
        self.record = told.unwrap_or_else(Record::from);
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
        if keys.rows.is_empty() {
            return Ok(key::of_record(&self.resource.id, &self.before.native)?);
        }
        let after = document::put(&self.context(), &difference, &keys)?;
        Ok(key::of_record(&self.resource.id, &after)?)
    }

    /// Refuses a new key that could not stand in a URL, or belongs to somebody who has left the
    /// application.
    async fn check_key(&self, located: &Located) -> Result<(), ExchangeError> {
        if self.before.native.is_null() {
            return Ok(());
        }
        let expected = self.expected_key()?;
        if expected == located.key {
            return Ok(());
        }
        names::check_address(self.resource, &expected)?;
        if !state::uses_sidecar(self.resource) {
            return Ok(());
        }
        let has_left = |state: &EntryState| matches!(state, EntryState::Off(_));
        names::check_key(self.exchange, self.resource, &located.id, &expected, has_left).await
    }

    /// A step over the record as it is now: what the request changes is changed, and what the
    /// application changed itself meanwhile stays.
    async fn rebuild(
        &self,
        located: &Located,
        request: &'a Request,
        field: Option<&str>,
    ) -> Result<Option<Step<'a>>, ExchangeError> {
        let native = &self.record.native;
        let view = self.exchange.view(self.resource, located, native, &BTreeMap::new()).await?;
        let wanted = self.overlaid(&view);
        let difference =
            Difference { native, before: &view, wanted: &wanted, purpose: Purpose::Update };
        let allowed = self.allowed(request, &difference);
        let context = self.context();
        let draft = change::update_draft(&context, request, &difference, &allowed)?;
        let Some(draft) = draft else { return Ok(None) };
        let variables = Variables::new(&context, Some(&located.key), &difference);
        let steps = self.exchange.steps(draft, &variables.scope(&context)).await?;
        Ok(steps.into_iter().find(|step| step.field.as_deref() == field))
    }

    /// A view with everything that the request changes.
    fn overlaid(&self, view: &Resource) -> Resource {
        let difference = self.difference();
        let mut wanted = view.clone();
        for row in self.resource.rows.iter().filter(|row| difference.touches_row(row)) {
            match places::read(row, &self.goal.wanted) {
                Some(value) => places::write(row, &mut wanted, value.into_owned()),
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
            self.exchange.save_surely(self.resource, entry).await?;
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
                let Some(fresh) = self.rebuild_plain(located, request).await? else { continue };
                step = fresh;
            }
            if leaves {
                self.exchange.leaves(self.resource, located, &self.record.native).await?;
            }
            let response = match self.send_switch(located, step).await {
                Ok(Some(response)) => response,
                Ok(None) => continue,
                Err(error) if leaves => {
                    self.exchange.may_stay(self.resource, located, &error).await;
                    return Err(error);
                }
                Err(error) => return Err(error),
            };
            if leaves {
                continue;
            }
            match record::record(self.resource, request, &response) {
                Some(native) => self.learn(request, native, &response),
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
            self.exchange.save_surely(self.resource, &entry).await?;
            located.entry = Some(entry);
        }
        Ok(())
    }

    /// Sends a switching step, once more if the record has changed meanwhile; `None` when nothing
    /// is left to be sent then.
    async fn send_switch(
        &mut self,
        located: &Located,
        step: Step<'a>,
    ) -> Result<Option<NativeResponse>, ExchangeError> {
        let request = step.request;
        match self.send(step).await {
            Err(error) if self.is_conflict(&error) => {
                self.stale = true;
                self.refresh(located).await?;
                let Some(fresh) = self.rebuild_plain(located, request).await? else {
                    return Ok(None);
                };
                self.send(fresh).await.map(Some)
            }
            other => other.map(Some),
        }
    }

    /// The step of a request that carries nothing, over the record as it is now.
    async fn rebuild_plain(
        &self,
        located: &Located,
        request: &'a Request,
    ) -> Result<Option<Step<'a>>, ExchangeError> {
        let context = self.context();
        let difference = Difference { native: &self.record.native, ..self.difference() };
        let variables = Variables::new(&context, Some(&located.key), &difference);
        let steps = self.plain(std::slice::from_ref(request), &variables.scope(&context)).await?;
        Ok(steps.into_iter().next())
    }

    /// Sends the calls of collections. Those that show the record, or its key, show it as it is
    /// by now.
    async fn collections(
        &mut self,
        located: &Located,
        planned: &str,
        mut members: Vec<Members<'a>>,
    ) -> Result<(), ExchangeError> {
        if members.is_empty() {
            return Ok(());
        }
        let mut calls = members.iter().flat_map(|(_, calls)| calls);
        if self.sent && calls.any(|call| request::sees_record(call.request)) {
            self.refresh(located).await?;
        }
        let context = self.context();
        let variables = Variables::new(&context, Some(&located.key), &self.difference());
        let variables = variables.seeing(&self.record.native);
        let scope = variables.scope(&context);
        let is_other = located.key != planned || self.record.native != self.before.native;
        if self.sent && is_other {
            members = self.member_calls(&scope)?;
        }
        for (collection, calls) in members {
            let is_in_record = matches!(collection.source, CollectionSource::Items(_));
            // An application with versions of its own may count memberships among what changes.
            let is_told = is_in_record || self.resource.version.is_some();
            self.stale |= is_told && !calls.is_empty();
            self.sent |= !calls.is_empty();
            let key = &located.key;
            let sent = send::all(self.exchange, self.resource, key, collection, calls, &scope);
            self.doubts |= sent.await?;
        }
        Ok(())
    }
}

/// Whether a row writes the value that is the record's key.
fn is_key(resource: &ResourceMapping, row: &Row) -> bool {
    row.targets().iter().any(|path| path.overlaps(&resource.id.path))
}
