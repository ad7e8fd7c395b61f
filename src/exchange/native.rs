//! Calls to the application: one record, a list, a collection.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::time::Instant;

use crate::convert::context::Context;
use crate::convert::failure::{self, Meaning, Own};
use crate::convert::lookup::Picks;
use crate::convert::page::{self, At, Seen};
use crate::convert::parameters::Parameters;
use crate::convert::references::{self, References, Wanted};
use crate::convert::{key, lookup, record, request};
use crate::exchange::course::{Came, Course, Kind, PATIENCE};
use crate::exchange::error::{ExchangeError, Mismatch};
use crate::exchange::known_names::KnownNames;
use crate::exchange::recent::Fate;
use crate::exchange::tenant::Tenant;
use crate::exchange::version::Record;
use crate::exchange::witness::Witness;
use crate::mapping::expression::{Ambient, Scope};
use crate::mapping::model::{
    Collection, CollectionSource, Outcome, PageStyle, Pages, Request, ResourceMapping, Total,
};
use crate::native::message::{Method, NativeRequest, NativeResponse, Payload};
use crate::scim::deviation::Deviations;
use crate::sidecar::entry::{Entry, EntryState, Retired, RetiredCount};

/// Most pages of one list; a list that never ends is the application's fault.
const MAX_PAGES: usize = 10_000;

/// Page size where the mapping names no parameter for it.
const UNSIZED_PAGE: usize = 100;

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
        match self.call_judging(native, Own::of(request), about, kind).await {
            Err(ExchangeError::Unexpected(_)) => Err(Mismatch::of(request, "JSON")),
            other => other,
        }
    }

    /// Makes a call that looks something up; failures in `accept` count as done.
    pub async fn call(
        &self,
        native: NativeRequest,
        accept: &[u16],
        about: About,
    ) -> Result<NativeResponse, ExchangeError> {
        self.call_judging(native, Own { accept, ..Own::default() }, about, Kind::Read).await
    }

    async fn call_judging(
        &self,
        native: NativeRequest,
        own: Own<'_>,
        about: About,
        kind: Kind,
    ) -> Result<NativeResponse, ExchangeError> {
        let method = native.method;
        let response = self.judged(native, own, about, kind).await?;
        understood(method, &response)?;
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
        understood(get.method, response).map_err(|_| Mismatch::of(get, "JSON"))?;
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
        Ok(Record::answered(resource, native, response))
    }

    /// Without a request for one record: the list, and the one of this key.
    async fn pick(
        &self,
        resource: &ResourceMapping,
        native_key: &str,
    ) -> Result<Value, ExchangeError> {
        let not_found = || ExchangeError::NotFound { resource: resource.name.clone() };
        let list = resource.list.as_ref().ok_or_else(not_found)?;
        let mut walk = Walk::new(list, Parameters::default(), list.pages.as_ref());
        while let Some(records) = walk.next(self, resource).await? {
            let is_it = |native: &Value| {
                key::of_record(&resource.id, native).is_ok_and(|key| key == native_key)
            };
            if let Some(found) = records.into_iter().find(is_it) {
                return self.with_parts(resource, list, native_key, found).await;
            }
            if walk.read > resource.scan_limit as u64 {
                return Err(ExchangeError::TooMany { limit: resource.scan_limit });
            }
        }
        Err(not_found())
    }

    /// The native elements of a collection behind a request of its own.
    pub async fn elements(
        &self,
        resource: &ResourceMapping,
        collection: &Collection,
        native_key: &str,
        native: &Value,
    ) -> Result<Vec<Value>, ExchangeError> {
        let CollectionSource::List(list) = &collection.source else { return Ok(Vec::new()) };
        let id = key::typed(&resource.id, native_key);
        let mut walk = Walk::new(list, Parameters::default(), list.pages.as_ref());
        walk.about = About::Resource;
        walk.variables = vec![("id", id), ("native", native.clone())];
        let mut elements = Vec::new();
        while let Some(mut records) = walk.next(self, resource).await? {
            elements.append(&mut records);
        }
        Ok(elements)
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
    pub fn remember(&self, resource: &ResourceMapping, native_key: &str, fate: Fate) {
        let eventual = self.tenant.mapping.api.eventual;
        let now = self.tenant.clock.now();
        if let (false, Ok(until)) = (eventual.is_zero(), now.checked_add(eventual)) {
            self.tenant.recent.note(&resource.name, native_key, fate, now, until);
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

/// Refuses a log-in page or a proxy's greeting with status 200, which is no success.
fn understood(method: Method, response: &NativeResponse) -> Result<(), ExchangeError> {
    let is_page = || {
        response.header("content-type").is_some_and(|kind| {
            kind.starts_with("text/html")
                || kind.split(';').next().is_some_and(|kind| kind.trim().ends_with("json"))
        })
    };
    if response.is_success()
        && (method.is_safe() || is_page())
        && matches!(*response.body, Payload::Text(_))
    {
        return Err(Mismatch::between("a request", "JSON"));
    }
    Ok(())
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

/// A walk through a list, one page a step.
pub struct Walk<'m> {
    request: &'m Request,
    pages: Option<&'m Pages>,
    parameters: Parameters,
    /// Where the next page begins; `None` after the last one.
    pub at: Option<At>,
    /// Page size asked for.
    pub size: usize,
    /// Records read so far, counted from the beginning of the list.
    pub read: u64,
    /// The list's total, as far as the answers told it.
    pub total: Option<u64>,
    /// What a 404 means.
    pub about: About,
    /// Further variables of the request's templates.
    pub variables: Vec<(&'static str, Value)>,
    /// Path of the last request: links in its answer are relative to it.
    pub asked: String,
    /// Parameters that sort the list; they stand in for its own of the same names.
    pub order: Vec<(String, String)>,
    picks: Option<Picks>,
    steps: usize,
}

impl<'m> Walk<'m> {
    /// A walk from the beginning of a list, with further query parameters.
    pub fn new(request: &'m Request, parameters: Parameters, pages: Option<&'m Pages>) -> Self {
        Self {
            request,
            pages,
            parameters,
            at: Some(At::Start),
            size: pages.map_or(UNSIZED_PAGE, |pages| pages.max),
            read: 0,
            total: None,
            about: About::Endpoint,
            variables: Vec::new(),
            asked: String::new(),
            order: Vec::new(),
            picks: None,
            steps: 0,
        }
    }

    /// A walk that goes on behind a link in the answer to the path `asked`.
    pub fn from_link(request: &'m Request, pages: &'m Pages, at: At, asked: String) -> Self {
        Self { at: Some(at), asked, ..Self::new(request, Parameters::default(), Some(pages)) }
    }

    /// The next page's records; `None` after the last page.
    pub async fn next(
        &mut self,
        exchange: &Exchange<'_>,
        resource: &ResourceMapping,
    ) -> Result<Option<Vec<Value>>, ExchangeError> {
        let Some(at) = self.at.take() else { return Ok(None) };
        self.steps += 1;
        if self.steps > MAX_PAGES {
            return Err(ExchangeError::TooMany { limit: MAX_PAGES });
        }
        if self.picks.is_none() {
            let none = References::default();
            let scope = self.scope(exchange.context(resource, &none).scope());
            self.picks = Some(exchange.picks(self.request, &scope).await?);
        }
        let native = self.build(exchange, resource, &at)?;
        self.asked.clone_from(&native.path);
        let response = exchange.ask(self.request, native, self.about).await?;
        let records = record::records(self.request, &response);
        let records = records.ok_or_else(|| Mismatch::records(self.request))?;
        self.read += records.len() as u64;
        if let Some(pages) = self.pages {
            self.total = page::total(pages, &response).or(self.total);
            let mut seen = Seen {
                response: &response,
                records: &records,
                read: self.read,
                size: self.size,
                total: self.total,
            };
            let mut next = page::next(pages, &at, &seen, &exchange.ambient);
            if next.is_none() && page::may_be_cut(pages, &seen) && self.parameters.is_empty() {
                self.total = looked_up_total(exchange, resource, pages).await?;
                seen.total = self.total;
                next = page::next(pages, &at, &seen, &exchange.ambient);
            }
            // The same page again would be for ever.
            self.at = next.filter(|next| *next != at);
        }
        Ok(Some(records))
    }

    fn scope<'a>(&'a self, scope: Scope<'a>) -> Scope<'a> {
        self.variables.iter().fold(scope, |scope, (name, value)| scope.with(name, value))
    }

    fn build(
        &self,
        exchange: &Exchange<'_>,
        resource: &ResourceMapping,
        at: &At,
    ) -> Result<NativeRequest, ExchangeError> {
        let none = References::default();
        let mut scope = self.scope(exchange.context(resource, &none).scope());
        if let Some(picks) = &self.picks {
            scope = picks.over(scope);
        }
        if let At::Link(link) = at {
            let link = exchange.tenant.upstream.follow(&self.asked, link)?;
            let headers = request::pairs(&self.request.headers, &scope)?;
            let template = Some(Arc::clone(self.request.path.source()));
            let next = request::get(link.path, link.query);
            return Ok(NativeRequest { template, headers, ..next });
        }
        let mut parameters = self
            .pages
            .map_or_else(Parameters::default, |pages| page::parameters(pages, at, self.size));
        parameters.join(self.parameters.clone());
        let mut native = request::build_list(self.request, &scope, parameters.body)?;
        // What a term or a page asks for stands in for what the list asks for otherwise.
        native.query.retain(|(name, _)| !parameters.query.iter().any(|(have, _)| have == name));
        native.query.extend(parameters.query);
        native.query.retain(|(name, _)| !self.order.iter().any(|(have, _)| have == name));
        native.query.extend(self.order.iter().cloned());
        Ok(native)
    }
}

/// The total of a list that has a request of its own for it.
pub async fn looked_up_total(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    pages: &Pages,
) -> Result<Option<u64>, ExchangeError> {
    let Some(Total::Lookup(lookup)) = &pages.total else { return Ok(None) };
    let none = References::default();
    let scope = exchange.context(resource, &none).scope();
    let native = lookup::build(lookup, &scope)?;
    let response = exchange.call(native, &[], About::Endpoint).await?;
    let total = lookup::pick(lookup, &response);
    let total = total.as_ref().and_then(page::as_count);
    total.map(Some).ok_or_else(|| Mismatch::between("the look-up of the total", "a number"))
}

/// Whether a list can be entered in its middle.
pub fn can_seek(pages: &Pages) -> bool {
    let can = match pages.style {
        PageStyle::Offset(..) => true,
        // Which record a page begins with is known only when the bridge says how long pages are.
        PageStyle::Page(..) => pages.size.is_some(),
        PageStyle::LinkHeader(_)
        | PageStyle::LinkBody(_)
        | PageStyle::LinkPlace(_)
        | PageStyle::Cursor(..)
        | PageStyle::Marker(..) => false,
    };
    can && pages.until.is_none()
}
