//! Resources that have left the application (`deactivate: delete`): they change in the side-car
//! alone until they are switched on again, which makes their record and its memberships anew.

use serde_json::Value;

use crate::convert::change::{self, Switch};
use crate::convert::document::{self, Difference, Purpose};
use crate::convert::members::{self, Delta, MemberCall};
use crate::convert::references::{References, Wanted, ids_in};
use crate::convert::{collection, key, record};
use crate::exchange::apply::{Goal, Outcome, sidecar_attributes};
use crate::exchange::error::ExchangeError;
use crate::exchange::native::{About, Exchange};
use crate::exchange::state::{Located, State};
use crate::mapping::model::{Collection, ResourceMapping};
use crate::scim::resource::Resource;
use crate::sidecar::entry::{Entry, EntryState};

impl Exchange<'_> {
    /// A resource that has left the application changes in the side-car, or comes back.
    pub(crate) async fn apply_off(
        &self,
        resource: &ResourceMapping,
        located: &mut Located,
        before: &State,
        goal: &Goal,
        references: &References,
    ) -> Result<Outcome, ExchangeError> {
        let context = self.context(resource, references);
        let difference = Difference {
            native: &before.native,
            before: &before.view,
            wanted: &goal.wanted,
            purpose: Purpose::Update,
        };
        let native = document::put(&context, &difference, &change::everything(resource))?;
        let new_key = key::of_record(&resource.id, &native)?;
        if change::switch(resource, &difference) == Some(Switch::On) {
            located.key = new_key;
            let created = self.create_again(resource, located, &native, goal).await?;
            self.keep_attributes(resource, located, &goal.wanted).await?;
            return Ok(Outcome { native: created });
        }
        let partition = self.tenant.partition();
        located.key.clone_from(&new_key);
        let attributes = sidecar_attributes(resource, &goal.wanted);
        let entry = Entry {
            id: located.id.clone(),
            key: new_key,
            attributes,
            state: EntryState::Off(native.clone()),
        };
        self.tenant.sidecar.save(&partition, &resource.name, &entry).await?;
        located.entry = Some(entry);
        Ok(Outcome { native: Some(native) })
    }

    /// Switching on by creation: the record is made again, then its memberships.
    async fn create_again(
        &self,
        resource: &ResourceMapping,
        located: &mut Located,
        last: &Value,
        goal: &Goal,
    ) -> Result<Option<Value>, ExchangeError> {
        let (mut keys, mut ids) = (Wanted::new(), Wanted::new());
        crate::convert::references::keys_in(&self.tenant.mapping, resource, last, &mut keys);
        ids_in(&self.tenant.mapping, resource, &goal.wanted, &mut ids);
        let references = self.resolve(keys, ids).await?;
        let context = self.context(resource, &references);
        let nothing = Resource::default();
        let difference = Difference {
            native: &Value::Null,
            before: &nothing,
            wanted: &goal.wanted,
            purpose: Purpose::Create,
        };
        let mut steps = Vec::new();
        for (index, request) in resource.create.iter().enumerate() {
            let own_key = (index > 0).then_some(located.key.as_str());
            steps.extend(change::create_step(&context, request, own_key, &difference)?);
        }
        let memberships = self.memberships(resource, located, last)?;
        let mut native = None;
        for step in steps {
            let response = self.call(step.native, &step.request.accept, About::Endpoint).await?;
            native = record::record(resource, step.request, &response).or(native);
        }
        if let Some(native) = &native {
            located.key = key::of_record(&resource.id, native)?;
        }
        let entry = located.entry.take().unwrap_or_default();
        let entry = Entry { key: located.key.clone(), state: EntryState::Live, ..entry };
        self.tenant.sidecar.save(&self.tenant.partition(), &resource.name, &entry).await?;
        located.entry = Some(entry);
        let is_stale = !memberships.is_empty();
        for call in memberships {
            self.call(call.native, &call.request.accept, About::Resource).await?;
        }
        Ok(native.filter(|_| !is_stale))
    }

    /// The calls that put a resource back into the groups that its last record names.
    fn memberships<'m>(
        &'m self,
        resource: &ResourceMapping,
        located: &Located,
        last: &Value,
    ) -> Result<Vec<MemberCall<'m>>, ExchangeError> {
        let mut calls = Vec::new();
        for list in &resource.collections {
            let Some(target) =
                list.reference.as_ref().and_then(|name| self.tenant.mapping.resource(name))
            else {
                continue;
            };
            let holds_us = |collection: &&Collection| {
                collection.reference.as_ref() == Some(&resource.name) && collection.add.is_some()
            };
            let Some(members) = target.collections.iter().find(holds_us) else { continue };
            let row = list.items.iter().find(|item| item.sub == "value");
            for native in collection::native_elements(list, last) {
                let group = row.and_then(|row| row.path.read(native)).and_then(key::text);
                let Some(group) = group else { continue };
                let mut references = References::default();
                references.insert(&resource.name, &located.id, &located.key);
                let context = self.context(target, &references);
                let id = key::typed(&target.id, &group);
                let scope = context.scope().with("id", &id);
                let us = serde_json::json!({ "value": located.id });
                let delta = Delta { add: vec![us], ..Delta::default() };
                calls.extend(members::calls(&context, members, &delta, &scope)?);
            }
        }
        Ok(calls)
    }
}
