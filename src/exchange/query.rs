//! Queries of one resource type (RFC 7644 section 3.4.2).
//!
//! The filter is pushed down as far as the mapping goes, and everything that comes back is
//! filtered again on the SCIM view. Totals are exact, or the answer is `tooMany`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::convert::failure::Meaning;
use crate::convert::filter::{self, Calls};
use crate::convert::page::At;
use crate::convert::references::{Wanted, ids_in};
use crate::convert::{key, record};
use crate::exchange::error::ExchangeError;
use crate::exchange::native::{self, About, Exchange, Walk};
use crate::exchange::represent;
use crate::exchange::response::ScimResponse;
use crate::exchange::state::{self, Located};
use crate::mapping::model::{
    Deactivate, IdSourceRule, Outcome, PageStyle, Pages, Request, ResourceMapping,
};
use crate::scim::attr::AttrPath;
use crate::scim::filter::ast::Filter;
use crate::scim::filter::eval::CompiledFilter;
use crate::scim::list::list_response;
use crate::scim::query::Query;
use crate::scim::resource::Resource;
use crate::sidecar::entry::{Entry, EntryState};

/// Answers a query.
pub async fn answer(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    query: &Query,
) -> Result<ScimResponse, ExchangeError> {
    let found = search(exchange, resource, query, Tombstones::Respected).await?;
    let mut needed = represent::needed(resource, &query.projection);
    // Members are not read for a client that found its groups by member, unless it names them.
    let is_named = !query.projection.attributes.is_empty();
    needed.retain(|index| is_named || !found.answered.contains(index));
    let mut resources = Vec::with_capacity(found.page.len());
    for hit in found.page {
        let missing: Vec<usize> =
            needed.iter().copied().filter(|index| !hit.external.contains(index)).collect();
        let view = if missing.is_empty() {
            hit.view
        } else {
            exchange.state(resource, &hit.located, hit.native, &needed).await?.view
        };
        resources.push(represent::body(exchange, resource, &view, &query.projection, &[]));
    }
    Ok(ScimResponse::json(200, list_response(resources, found.total, query.start_index)))
}

/// What a search found.
pub struct Found {
    /// Resources that match, all of them.
    pub total: u64,
    /// Those of the page asked for.
    pub page: Vec<Hit>,
    answered: BTreeSet<usize>,
}

/// A resource that matches.
pub struct Hit {
    /// Where it is.
    pub located: Located,
    /// Its native record.
    pub native: Value,
    /// Its view.
    pub view: Resource,
    external: BTreeSet<usize>,
}

/// Finds the resources of a query's page.
pub async fn search(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    query: &Query,
    tombstones: Tombstones,
) -> Result<Found, ExchangeError> {
    let count = query.count.unwrap_or(exchange.tenant.max_results);
    let mut sieve = Sieve {
        exchange,
        resource,
        filter: None,
        external: Vec::new(),
        start: query.start_index,
        count: count.min(exchange.tenant.max_results),
        matched: 0,
        seen: BTreeSet::new(),
        page: Vec::new(),
        tombstones,
    };
    let answered = match &query.filter {
        None => {
            unfiltered(&mut sieve).await?;
            BTreeSet::new()
        }
        Some(filter) => filtered(&mut sieve, filter).await?,
    };
    Ok(Found { total: sieve.matched, page: sieve.page, answered })
}

/// Whether records with a tombstone are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tombstones {
    /// They are not there, as far as SCIM clients know.
    Respected,
    /// They are looked for: their names may be taken.
    Ignored,
}

/// Lets records through that match, counts them, keeps those of the page.
struct Sieve<'a> {
    exchange: &'a Exchange<'a>,
    resource: &'a ResourceMapping,
    filter: Option<CompiledFilter>,
    /// Collections behind requests of their own that the filter speaks of.
    external: Vec<usize>,
    start: u64,
    count: u64,
    matched: u64,
    seen: BTreeSet<String>,
    page: Vec<Hit>,
    tombstones: Tombstones,
}

impl Sieve<'_> {
    /// Lets only those through that this filter matches.
    fn sift(&mut self, filter: &Filter) -> Result<(), ExchangeError> {
        let resource_type = &self.resource.resource_type;
        self.filter =
            Some(CompiledFilter::new(filter, resource_type, self.exchange.tenant.dialect)?);
        self.external = mentioned(self.resource, filter);
        Ok(())
    }

    async fn take(&mut self, records: Vec<Value>) -> Result<(), ExchangeError> {
        let located = locate_all(self.exchange, self.resource, &records, self.tombstones).await?;
        for (native, located) in records.into_iter().zip(located) {
            if let Some(located) = located {
                self.offer(located, native).await?;
            }
        }
        Ok(())
    }

    async fn offer(&mut self, located: Located, native: Value) -> Result<(), ExchangeError> {
        // A list that changes while it is read may show a record twice.
        if !self.seen.insert(located.id.clone()) {
            return Ok(());
        }
        let in_page = |matched: u64| {
            let index = matched + 1;
            index >= self.start && (index - self.start) < self.count
        };
        if self.filter.is_none() && !in_page(self.matched) {
            self.matched += 1;
            return Ok(());
        }
        let external = self.external.clone();
        let state = self.exchange.state(self.resource, &located, native, &external).await?;
        if self.filter.as_ref().is_some_and(|filter| !filter.matches(&state.view)) {
            return Ok(());
        }
        if in_page(self.matched) {
            let external = external.into_iter().collect();
            self.page.push(Hit { located, native: state.native, view: state.view, external });
        }
        self.matched += 1;
        Ok(())
    }

    /// Resources that live in the side-car alone.
    async fn take_switched_off(&mut self) -> Result<(), ExchangeError> {
        if !matches!(self.resource.deactivate, Deactivate::Delete) {
            return Ok(());
        }
        for entry in self.exchange.retired(self.resource).await?.to_vec() {
            if let EntryState::Off(native) = &entry.state {
                let native = native.clone();
                let located =
                    Located { id: entry.id.clone(), key: entry.key.clone(), entry: Some(entry) };
                self.offer(located, native).await?;
            }
        }
        Ok(())
    }
}

/// Which resource each record is; `None` for records that SCIM clients have deleted.
async fn locate_all(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    records: &[Value],
    tombstones: Tombstones,
) -> Result<Vec<Option<Located>>, ExchangeError> {
    let keys: Result<Vec<String>, _> =
        records.iter().map(|native| key::of_record(&resource.id, native)).collect();
    let keys = keys?;
    if !state::uses_sidecar(resource) {
        let plain = |key: String| Some(Located { id: key.clone(), key, entry: None });
        return Ok(keys.into_iter().map(plain).collect());
    }
    let partition = exchange.tenant.partition();
    let sidecar = &exchange.tenant.sidecar;
    let entries = sidecar.by_keys(&partition, &resource.name, &keys).await?;
    let mut located = Vec::with_capacity(keys.len());
    for key in keys {
        let mut entry = entries.iter().find(|entry| entry.key == key).cloned();
        if entry.is_none() && resource.id.source == IdSourceRule::Issued {
            let proposed = exchange.ambient.ids.uuid();
            entry = Some(sidecar.claim(&partition, &resource.name, &key, &proposed).await?);
        }
        located.push(match entry {
            Some(Entry { state: EntryState::Deleted, .. })
                if tombstones == Tombstones::Respected =>
            {
                None
            }
            // It came back natively: the application's word is newer than ours.
            Some(entry) => {
                let entry = Entry { state: EntryState::Live, ..entry };
                Some(Located { id: entry.id.clone(), key, entry: Some(entry) })
            }
            None => Some(Located { id: key.clone(), key, entry: None }),
        });
    }
    Ok(located)
}

/// Collections behind requests of their own whose attribute a filter speaks of.
fn mentioned(resource: &ResourceMapping, filter: &Filter) -> Vec<usize> {
    let mut paths = Vec::new();
    collect_paths(filter, &mut paths);
    let is_meant = |index: &usize| {
        resource.collections.get(*index).is_some_and(|collection| {
            paths.iter().any(|path| path.attr.eq_ignore_ascii_case(&collection.place.attribute))
        })
    };
    state::external(resource).filter(is_meant).collect()
}

fn collect_paths<'f>(filter: &'f Filter, paths: &mut Vec<&'f AttrPath>) {
    match filter {
        Filter::Compare(path, ..) | Filter::Present(path) | Filter::ValuePath(path, _) => {
            paths.push(path);
        }
        Filter::And(terms) | Filter::Or(terms) => {
            for term in terms {
                collect_paths(term, paths);
            }
        }
        Filter::Not(inner) => collect_paths(inner, paths),
    }
}

async fn filtered(
    sieve: &mut Sieve<'_>,
    filter: &Filter,
) -> Result<BTreeSet<usize>, ExchangeError> {
    let (exchange, resource) = (sieve.exchange, sieve.resource);
    // The whole filter is compiled even where a part would do: it is refused as a whole.
    sieve.sift(filter)?;
    let mut ids = Wanted::new();
    reference_ids(exchange, resource, filter, &mut ids);
    let references = exchange.resolve(Wanted::new(), ids).await?;
    let context = exchange.context(resource, &references);
    let plan = filter::plan(&context, filter)?;
    if let Some(residual) = plan.residual.as_ref().filter(|_| !plan.answered.is_empty()) {
        sieve.sift(residual)?;
    } else if !plan.answered.is_empty() {
        (sieve.filter, sieve.external) = (None, Vec::new());
    }
    match plan.calls {
        Calls::Nothing => return Ok(plan.answered),
        Calls::ById(id) => {
            by_id(sieve, &id).await?;
            return Ok(plan.answered);
        }
        Calls::LookUp(request, call) => look_up(sieve, request, call).await?,
        Calls::List(parameters) if parameters.is_empty() => scan(sieve, Vec::new(), true).await?,
        Calls::List(parameters) => scan(sieve, parameters, false).await?,
    }
    if plan.may_miss && sieve.matched == 0 {
        sieve.seen.clear();
        sieve.sift(filter)?;
        scan(sieve, Vec::new(), true).await?;
    }
    sieve.sift(filter)?;
    sieve.take_switched_off().await?;
    Ok(plan.answered)
}

/// The ids that a filter compares references with.
fn reference_ids(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    filter: &Filter,
    ids: &mut Wanted,
) {
    match filter {
        Filter::Compare(path, _, Value::String(id)) => {
            // A resource with nothing but this value under this name finds out whose id it is.
            let Some(found) = resource.resource_type.resolve(path) else { return };
            let mut probe = Resource::default();
            let extension = found.extension.map(|schema| schema.id.as_str());
            let value = serde_json::json!({ "value": id });
            let value =
                if found.attribute.multi_valued { Value::Array(vec![value]) } else { value };
            probe.section_mut(extension).insert(found.attribute.name.clone(), value);
            ids_in(&exchange.tenant.mapping, resource, &probe, ids);
        }
        Filter::Compare(..) | Filter::Present(_) => {}
        Filter::And(terms) | Filter::Or(terms) => {
            for term in terms {
                reference_ids(exchange, resource, term, ids);
            }
        }
        Filter::Not(inner) => reference_ids(exchange, resource, inner, ids),
        Filter::ValuePath(path, inner) => {
            if let Filter::Compare(sub, operator, value) = &**inner {
                let path = AttrPath { sub: Some(sub.attr.clone()), ..path.clone() };
                let flat = Filter::Compare(path, *operator, value.clone());
                reference_ids(exchange, resource, &flat, ids);
            }
        }
    }
}

async fn by_id(sieve: &mut Sieve<'_>, id: &str) -> Result<(), ExchangeError> {
    let found = async {
        let located = sieve.exchange.locate(sieve.resource, id).await?;
        let native = sieve.exchange.native(sieve.resource, &located).await?;
        Ok((located, native))
    };
    match found.await {
        Ok((located, native)) => sieve.offer(located, native).await,
        Err(ExchangeError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Another request than the list: one record, or a short list, perhaps with further pages.
async fn look_up(
    sieve: &mut Sieve<'_>,
    request: &Request,
    call: crate::native::message::NativeRequest,
) -> Result<(), ExchangeError> {
    let (exchange, resource) = (sieve.exchange, sieve.resource);
    let asked = call.path.clone();
    let response = match exchange.call(call, &request.accept, About::Resource).await {
        Err(ExchangeError::Native(failure))
            if failure.meaning == Meaning::Outcome(Outcome::NotFound) =>
        {
            return Ok(());
        }
        other => other?,
    };
    let body = response.json().ok_or(ExchangeError::Unexpected)?;
    let records = match &request.record {
        Some(path) => path.read(body).cloned().into_iter().collect(),
        None => record::records(request, body).ok_or(ExchangeError::Unexpected)?,
    };
    let read = records.len() as u64;
    sieve.take(records).await?;
    // The answer may be the first page of several.
    let pages = request.pages.as_ref().or_else(|| linked(resource.list.as_ref()?.pages.as_ref()?));
    let Some(pages) = pages else { return Ok(()) };
    let seen =
        crate::convert::page::Seen { response: &response, records: &[], read, size: pages.max };
    let next = crate::convert::page::next(pages, &At::Start, &seen, &exchange.ambient);
    let Some(at @ At::Link(_)) = next else { return Ok(()) };
    let mut walk = Walk::from_link(request, pages, at, asked);
    while let Some(records) = walk.next(exchange, resource).await? {
        sieve.take(records).await?;
        check_limit(resource, walk.read, true)?;
    }
    Ok(())
}

fn linked(pages: &Pages) -> Option<&Pages> {
    matches!(pages.style, PageStyle::LinkHeader(_) | PageStyle::LinkBody(_)).then_some(pages)
}

/// Reads the list with these parameters to its end.
async fn scan(
    sieve: &mut Sieve<'_>,
    parameters: Vec<(String, String)>,
    is_unfiltered: bool,
) -> Result<(), ExchangeError> {
    let (exchange, resource) = (sieve.exchange, sieve.resource);
    if is_unfiltered && resource.scan_limit == 0 {
        return Err(ExchangeError::TooMany { limit: 0 });
    }
    let Some(list) = &resource.list else {
        let operation = format!("this filter on {}", resource.name);
        return Err(ExchangeError::NotSupported { operation });
    };
    let mut walk = Walk::new(list, parameters, list.pages.as_ref());
    while let Some(records) = walk.next(exchange, resource).await? {
        sieve.take(records).await?;
        check_limit(resource, walk.read.max(walk.total.unwrap_or(0)), !is_unfiltered)?;
    }
    Ok(())
}

/// Records that a narrowed list may have although scanning is forbidden.
const NARROWED_LIMIT: usize = 2000;

fn check_limit(
    resource: &ResourceMapping,
    read: u64,
    is_narrowed: bool,
) -> Result<(), ExchangeError> {
    let limit = match resource.scan_limit {
        0 if is_narrowed => NARROWED_LIMIT,
        limit => limit,
    };
    if read > limit as u64 { Err(ExchangeError::TooMany { limit }) } else { Ok(()) }
}

/// A plain list: entered where the page begins when the application can do that and every one of
/// its records is a resource; else counted from the start.
async fn unfiltered(sieve: &mut Sieve<'_>) -> Result<(), ExchangeError> {
    let (exchange, resource) = (sieve.exchange, sieve.resource);
    let Some(list) = &resource.list else {
        let operation = format!("listing {}", resource.name);
        return Err(ExchangeError::NotSupported { operation });
    };
    let is_whole = exchange.retired(resource).await?.is_empty();
    let seekable =
        list.pages.as_ref().filter(|pages| native::can_seek(pages) && pages.total.is_some());
    if let (true, Some(pages)) = (is_whole, seekable) {
        return seek(sieve, list, pages).await;
    }
    let mut walk = Walk::new(list, Vec::new(), list.pages.as_ref());
    let end = sieve.start.saturating_sub(1).saturating_add(sieve.count);
    walk.size = usize::try_from(end).unwrap_or(usize::MAX).clamp(1, walk.size);
    while let Some(records) = walk.next(exchange, resource).await? {
        sieve.take(records).await?;
        // With a total, what lies behind the page need not be read.
        if let Some(total) = walk.total.filter(|_| is_whole && sieve.matched >= end) {
            sieve.matched = total;
            return Ok(());
        }
    }
    sieve.take_switched_off().await
}

async fn seek(sieve: &mut Sieve<'_>, list: &Request, pages: &Pages) -> Result<(), ExchangeError> {
    let (exchange, resource) = (sieve.exchange, sieve.resource);
    let skip = sieve.start - 1;
    let wanted = usize::try_from(sieve.count).unwrap_or(usize::MAX).clamp(1, pages.max.max(1));
    let mut walk = Walk::new(list, Vec::new(), Some(pages));
    if pages.size.is_some() {
        walk.size = wanted;
    }
    let size = walk.size as u64;
    let (at, before) = match &pages.style {
        PageStyle::Offset(_, first) => (At::Offset(first + skip), skip),
        PageStyle::Page(_, first) => (At::Page(first + skip / size), skip / size * size),
        PageStyle::LinkHeader(_)
        | PageStyle::LinkBody(_)
        | PageStyle::Cursor(..)
        | PageStyle::Marker(..) => (At::Start, 0),
    };
    walk.at = Some(at);
    walk.read = before;
    let mut unneeded = skip - before;
    // The sieve counts from the first record it is given.
    sieve.matched = before;
    let mut total = native::looked_up_total(exchange, resource, pages).await?;
    while let Some(mut records) = walk.next(exchange, resource).await? {
        total = walk.total.or(total);
        let drop = usize::try_from(unneeded).unwrap_or(usize::MAX).min(records.len());
        records.drain(..drop);
        unneeded -= drop as u64;
        sieve.matched += drop as u64;
        sieve.take(records).await?;
        if sieve.page.len() as u64 >= sieve.count {
            break;
        }
    }
    sieve.matched = total.ok_or(ExchangeError::Unexpected)?;
    Ok(())
}
