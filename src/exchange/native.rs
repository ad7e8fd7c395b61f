//! Calls to the application: one record, a list, a collection.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tokio::time::Instant;

use crate::convert::context::Context;
use crate::convert::failure::{self, Meaning, Own};
use crate::convert::references::{self, References, Wanted};
use crate::convert::{key, record, request};
use crate::exchange::course::{Came, Course, Kind, PATIENCE};
use crate::exchange::error::{ExchangeError, Mismatch};
use crate::exchange::known_names::KnownNames;
use crate::exchange::recent::Fate;
use crate::exchange::tenant::Tenant;
use crate::exchange::version::Record;
use crate::exchange::witness::Witness;
use crate::mapping::model::{Outcome, Request, ResourceMapping};
use crate::mapping::scope::Ambient;
use crate::native::message::{Method, NativeRequest, NativeResponse, Payload};
use crate::scim::deviation::Deviations;
use crate::sidecar::entry::{Entry, EntryState, Retired, RetiredCount};

/// One SCIM request on its way through the engine.
pub struct Exchange<'t> {
    /// Whose request it is.
    pub tenant: &'t Tenant,
    /// Time, identifiers, request id.
    pub ambient: Ambient,
    /// The SCIM base as the client sees it.
    pub base: String,
    /// Its time, and how far it has come.
    pub course: Course,
    /// References that are no keys, as far as they have been looked up.
    pub(crate) names: KnownNames,
    /// How many of each type have left, as far as they have been counted.
    pub(in crate::exchange) retired: Mutex<BTreeMap<String, RetiredCount>>,
    /// What the audit trail will know of it.
    pub(crate) witness: Witness,
    deviations: Mutex<Deviations>,
}

/// What a call is about, which decides what a 404 means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// One resource: 404 means that it does not exist.
    Resource,
    /// A list or a creation: 404 means that the mapping names a place the application lacks.
    Endpoint,
}

impl<'t> Exchange<'t> {
    /// Begins an exchange that has the usual time.
    pub fn new(tenant: &'t Tenant, request_id: String, base: String) -> Self {
        let course = Course::new(Instant::now() + PATIENCE, Came::Alone);
        Self::taking(tenant, request_id, base, course)
    }

    /// Begins an exchange that takes this course.
    pub fn taking(tenant: &'t Tenant, request_id: String, base: String, course: Course) -> Self {
        let ambient = Ambient { ids: tenant.ids.clone(), now: tenant.clock.now(), request_id };
        let deviations = Mutex::default();
        let names = KnownNames::default();
        let (witness, retired) = (Witness::default(), Mutex::default());
        Self { tenant, ambient, base, course, names, retired, witness, deviations }
    }

    /// Runs what reads a part of the request, and keeps what it notes, also when it fails.
    pub fn noting<T>(&self, read: impl FnOnce(&mut Deviations) -> T) -> T {
        read(&mut self.deviations.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What has been noted until now.
    pub fn deviations(&self) -> Deviations {
        self.noting(|noted| noted.clone())
    }

    /// The surroundings of a conversion.
    pub fn context<'a>(
        &'a self,
        resource: &'a ResourceMapping,
        references: &'a References,
    ) -> Context<'a> {
        Context {
            mapping: &self.tenant.mapping,
            resource,
            ambient: &self.ambient,
            config: &self.tenant.config,
            references,
        }
    }

    /// Makes a call of a request, which may judge its answers in its own way.
    pub async fn ask(
        &self,
        request: &Request,
        native: NativeRequest,
        about: About,
    ) -> Result<NativeResponse, ExchangeError> {
        self.asked(request, native, about, Kind::Read).await
    }

    /// Makes a call of a request that reads. Nobody has looked yet at what the answer holds: that
    /// is for [`understood`] to say where it matters.
    pub async fn ask_for_text(
        &self,
        request: &Request,
        native: NativeRequest,
        about: About,
    ) -> Result<NativeResponse, ExchangeError> {
        self.judged(native, Own::of(request), about, Kind::Read).await
    }

    /// Makes a call of a request that changes the application, and notes what came of it.
    pub async fn write(
        &self,
        request: &Request,
        native: NativeRequest,
        about: About,
    ) -> Result<NativeResponse, ExchangeError> {
        let written = self.asked(request, native, about, Kind::Write).await;
        match &written {
            Ok(_) => self.course.done(),
            Err(ExchangeError::Upstream(error)) => self.course.failed(error),
            Err(_) => {}
        }
        written
    }

    async fn asked(
        &self,
        request: &Request,
        native: NativeRequest,
        about: About,
        kind: Kind,
    ) -> Result<NativeResponse, ExchangeError> {
        let response = self.judged(native, Own::of(request), about, kind).await?;
        understood(request, &response)?;
        Ok(response)
    }

    /// Makes a call that looks something up; failures in `accept` count as done.
    pub async fn call(
        &self,
        native: NativeRequest,
        accept: &[u16],
        about: About,
    ) -> Result<NativeResponse, ExchangeError> {
        let method = native.method;
        let own = Own { accept, ..Own::default() };
        let response = self.judged(native, own, about, Kind::Read).await?;
        if is_misunderstood(method, &response) {
            return Err(Mismatch::between("a request", "JSON"));
        }
        Ok(response)
    }

    /// Makes a call; nobody has looked yet at what a success holds.
    async fn judged(
        &self,
        mut native: NativeRequest,
        own: Own<'_>,
        about: About,
        kind: Kind,
    ) -> Result<NativeResponse, ExchangeError> {
        native.patience = Some(self.course.left()?);
        native.urgency = self.course.urgency(kind);
        let call = self.witness.before(&native).await?;
        let answer = self.tenant.upstream.call(native).await;
        self.witness.after(call, &answer);
        let response = answer?;
        failure::judge(&self.tenant.mapping.errors, &self.ambient, &response, own).map_err(
            |mut failure| {
                if about == About::Endpoint
                    && failure.meaning == Meaning::Outcome(Outcome::NotFound)
                {
                    failure.meaning = Meaning::Broken;
                    failure.detail = None;
                }
                ExchangeError::Native(failure)
            },
        )?;
        Ok(response)
    }

    /// The record of a key, if it exists for SCIM.
    pub async fn record(
        &self,
        resource: &ResourceMapping,
        native_key: &str,
    ) -> Result<Record, ExchangeError> {
        let record = self.any_record(resource, native_key).await?;
        if self.is_visible(resource, &record.native)? {
            return Ok(record);
        }
        Err(ExchangeError::NotFound { resource: resource.name.clone() })
    }

    /// The record of a key, whether SCIM sees it or not.
    pub async fn any_record(
        &self,
        resource: &ResourceMapping,
        native_key: &str,
    ) -> Result<Record, ExchangeError> {
        let Some(get) = &resource.get else {
            return self.pick(resource, native_key).await.map(Record::from);
        };
        let response = self.answer_about(resource, get, native_key).await?;
        self.record_in(resource, get, native_key, &response).await
    }

    /// The answer to the request for one record. Nobody has looked yet at what it holds.
    pub async fn answer_about(
        &self,
        resource: &ResourceMapping,
        get: &Request,
        native_key: &str,
    ) -> Result<NativeResponse, ExchangeError> {
        let not_found = || ExchangeError::NotFound { resource: resource.name.clone() };
        let id = key::typed(&resource.id, native_key);
        let none = References::default();
        let scope = self.context(resource, &none).scope().with("id", &id);
        let picks = match self.picks(get, &scope).await {
            Err(ExchangeError::NothingPicked { .. }) => return Err(not_found()),
            other => other?,
        };
        let scope = picks.over(scope);
        // A key that has no place in the path is the key of nothing.
        let native = request::build(get, &scope, None).map_err(|_| not_found())?;
        match self.judged(native, Own::of(get), About::Resource, Kind::Read).await {
            Err(ExchangeError::Native(failure))
                if failure.meaning == Meaning::Outcome(Outcome::NotFound) =>
            {
                Err(not_found())
            }
            other => other,
        }
    }

    /// The record in an answer to the request for one.
    pub async fn record_in(
        &self,
        resource: &ResourceMapping,
        get: &Request,
        native_key: &str,
        response: &NativeResponse,
    ) -> Result<Record, ExchangeError> {
        let not_found = || ExchangeError::NotFound { resource: resource.name.clone() };
        understood(get, response)?;
        let body = response.json().ok_or_else(|| Mismatch::of(get, "JSON"))?;
        if record::is_nobody(get, body) {
            return Err(not_found());
        }
        let native = record::record(resource, get, response);
        let native = native.ok_or_else(|| Mismatch::record(get))?;
        // An application may have other names for its records (`me`); SCIM ids are not among them.
        if key::of_record(&resource.id, &native)? != native_key {
            return Err(not_found());
        }
        let native = self.with_parts(resource, get, native_key, native).await?;
        Ok(Record::answered(resource, get, native, response))
    }

    /// Looks up what conversions need to know about other resources. Keys that nobody has seen
    /// yet are issued an id.
    pub async fn resolve(
        &self,
        mut keys: Wanted,
        mut ids: Wanted,
    ) -> Result<References, ExchangeError> {
        let mapping = &self.tenant.mapping;
        let mut references = References::default();
        for (name, key) in self.keys_of(&keys.names).await? {
            if let Some(by) = references::path_of(mapping, &name) {
                references.insert_name(&name.resource, by, &key, &Value::from(name.value));
            }
            if references::is_issued(mapping, &name.resource) {
                keys.issued.insert((name.resource, key));
            }
        }
        let issued = ids.names.iter().filter(|it| references::is_issued(mapping, &it.resource));
        ids.issued.extend(issued.map(|it| (it.resource.clone(), it.value.clone())));
        self.resolve_issued(keys, &ids, &mut references).await?;
        self.name_ids(&ids.names, &mut references).await?;
        Ok(references)
    }

    async fn resolve_issued(
        &self,
        keys: Wanted,
        ids: &Wanted,
        references: &mut References,
    ) -> Result<(), ExchangeError> {
        let partition = self.tenant.partition();
        let sidecar = &self.tenant.sidecar;
        for (resource, keys) in by_resource(&keys.issued) {
            let known = sidecar.by_keys(&partition, &resource, &keys).await?;
            let have: BTreeSet<&str> = known.iter().map(|entry| entry.key.as_str()).collect();
            for key in keys.iter().filter(|key| !have.contains(key.as_str())) {
                let entry =
                    sidecar.claim(&partition, &resource, key, &self.ambient.ids.uuid()).await?;
                references.insert(&resource, &entry.id, &entry.key);
            }
            for entry in &known {
                references.insert(&resource, &entry.id, &entry.key);
                note_state(references, &resource, entry);
            }
        }
        for (resource, ids) in by_resource(&ids.issued) {
            for entry in sidecar.by_ids(&partition, &resource, &ids).await? {
                references.insert(&resource, &entry.id, &entry.key);
                note_state(references, &resource, &entry);
            }
        }
        let plain = by_resource(keys.plain.union(&ids.plain));
        for (resource, ids) in plain {
            let Some(target) = self.tenant.mapping.resource(&resource) else { continue };
            for way in [Retired::Deleted, Retired::Off] {
                for entry in self.retired_among(target, way, &ids).await? {
                    note_state(references, &resource, &entry);
                }
            }
        }
        Ok(())
    }

    /// What conversions of these records need to know.
    pub async fn resolve_records(
        &self,
        resource: &ResourceMapping,
        records: &[&Value],
    ) -> Result<References, ExchangeError> {
        let mut keys = Wanted::new();
        for native in records {
            references::keys_in(&self.tenant.mapping, resource, native, &mut keys);
        }
        self.resolve(keys, Wanted::new()).await
    }

    /// Remembers what became of a record, where lists follow writes only after a while.
    pub fn remember(
        &self,
        resource: &ResourceMapping,
        native_key: &str,
        fate: impl FnOnce() -> Fate,
    ) {
        let eventual = self.tenant.mapping.api.eventual;
        if eventual.is_zero() {
            return;
        }
        let now = self.tenant.clock.now();
        if let Ok(until) = now.checked_add(eventual) {
            self.tenant.recent.note(&resource.name, native_key, fate(), now, until);
        }
    }

    /// What was written a moment ago, by native key.
    pub fn recent(&self, resource: &ResourceMapping) -> BTreeMap<String, Fate> {
        self.tenant.recent.of(&resource.name, self.tenant.clock.now())
    }
}

/// Notes of a resource that it has left.
fn note_state(references: &mut References, resource: &str, entry: &Entry) {
    match entry.state {
        EntryState::Live => {}
        EntryState::Off(_) => references.note_left(resource, &entry.id),
        EntryState::Deleted => references.hide(resource, &entry.id),
    }
}

/// Refuses an answer to a request that is not what an application says.
pub fn understood(request: &Request, response: &NativeResponse) -> Result<(), ExchangeError> {
    if is_misunderstood(request.method, response) {
        return Err(Mismatch::of(request, "JSON"));
    }
    Ok(())
}

/// Whether it is a log-in page or a proxy's greeting with status 200, which is no success.
fn is_misunderstood(method: Method, response: &NativeResponse) -> bool {
    let is_page = || {
        response.header("content-type").is_some_and(|kind| {
            kind.starts_with("text/html")
                || kind.split(';').next().is_some_and(|kind| kind.trim().ends_with("json"))
        })
    };
    response.is_success()
        && (method.is_safe() || is_page())
        && matches!(*response.body, Payload::Text(_))
}

fn by_resource<'w>(
    wanted: impl IntoIterator<Item = &'w (String, String)>,
) -> Vec<(String, Vec<String>)> {
    let mut grouped: Vec<(String, Vec<String>)> = Vec::new();
    for (resource, value) in wanted {
        match grouped.last_mut() {
            Some((last, values)) if last == resource => values.push(value.clone()),
            _ => grouped.push((resource.clone(), vec![value.clone()])),
        }
    }
    grouped
}
