//! What lets records through that match a query, counts them and keeps those of the page.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::convert::key;
use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::exchange::state::{self, Located};
use crate::mapping::model::{Deactivate, IdSourceRule, ResourceMapping};
use crate::scim::attr::AttrPath;
use crate::scim::filter::ast::Filter;
use crate::scim::filter::eval::CompiledFilter;
use crate::scim::resource::Resource;
use crate::sidecar::entry::{Entry, EntryState};

/// A resource that matches.
pub struct Hit {
    /// Where it is.
    pub located: Located,
    /// Its native record.
    pub native: Value,
    /// Its view.
    pub view: Resource,
    /// Collections behind requests of their own that the view has.
    pub external: BTreeSet<usize>,
}

/// Which of the matches are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first, counted from 1.
    pub start: u64,
    /// How many at most.
    pub count: u64,
}

/// Whether records with a tombstone are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tombstones {
    /// They are not there, as far as SCIM clients know.
    Respected,
    /// They are looked for: their names may be taken.
    Ignored,
}

impl Window {
    /// Every match.
    pub const ALL: Self = Self { start: 1, count: u64::MAX };

    /// Whether the match behind this many others is wanted.
    fn has(self, before: u64) -> bool {
        let index = before.saturating_add(1);
        index >= self.start && (index - self.start) < self.count
    }
}

/// Lets records through that match, counts them, keeps those of the window.
pub struct Sieve<'a> {
    /// The exchange.
    pub exchange: &'a Exchange<'a>,
    /// The type of the resources.
    pub resource: &'a ResourceMapping,
    /// Which matches are kept.
    pub window: Window,
    /// Matches so far.
    pub matched: u64,
    /// Those kept.
    pub page: Vec<Hit>,
    /// Collections behind requests of their own that every view needs.
    pub always: Vec<usize>,
    filter: Option<CompiledFilter>,
    /// Collections behind requests of their own that the filter speaks of.
    external: Vec<usize>,
    seen: BTreeSet<String>,
    tombstones: Tombstones,
}

impl<'a> Sieve<'a> {
    /// A sieve that lets everything through.
    pub fn new(
        exchange: &'a Exchange<'a>,
        resource: &'a ResourceMapping,
        window: Window,
        tombstones: Tombstones,
    ) -> Self {
        Self {
            exchange,
            resource,
            window,
            matched: 0,
            page: Vec::new(),
            always: Vec::new(),
            filter: None,
            external: Vec::new(),
            seen: BTreeSet::new(),
            tombstones,
        }
    }

    /// Lets only those through that this filter matches; `None` lets everything through.
    pub fn sift(&mut self, filter: Option<&Filter>) -> Result<(), ExchangeError> {
        let Some(filter) = filter else {
            (self.filter, self.external) = (None, Vec::new());
            return Ok(());
        };
        let resource_type = &self.resource.resource_type;
        self.filter =
            Some(CompiledFilter::new(filter, resource_type, self.exchange.tenant.dialect)?);
        let mut paths = Vec::new();
        collect_paths(filter, &mut paths);
        self.external = mentioned(self.resource, &paths);
        Ok(())
    }

    /// Begins again: what was seen may be seen once more.
    pub fn forget(&mut self) {
        self.seen.clear();
        self.page.clear();
        self.matched = 0;
    }

    /// Whether the window has all that it can hold.
    pub fn is_full(&self) -> bool {
        self.page.len() as u64 >= self.window.count
    }

    /// Takes the records of a page of the list.
    pub async fn take(&mut self, records: Vec<Value>) -> Result<(), ExchangeError> {
        let located = self.locate_all(&records).await?;
        for (native, located) in records.into_iter().zip(located) {
            if let Some(located) = located {
                self.offer(located, native).await?;
            }
        }
        Ok(())
    }

    /// Takes records until the window is full; says how many that took.
    pub async fn take_until_full(&mut self, records: Vec<Value>) -> Result<usize, ExchangeError> {
        let located = self.locate_all(&records).await?;
        let mut taken = 0;
        for (native, located) in records.into_iter().zip(located) {
            if self.is_full() {
                break;
            }
            taken += 1;
            if let Some(located) = located {
                self.offer(located, native).await?;
            }
        }
        Ok(taken)
    }

    /// Takes one resource.
    pub async fn offer(&mut self, located: Located, native: Value) -> Result<(), ExchangeError> {
        // A list that changes while it is read may show a record twice.
        if !self.seen.insert(located.id.clone()) {
            return Ok(());
        }
        if self.filter.is_none() && !self.window.has(self.matched) {
            self.matched += 1;
            return Ok(());
        }
        let external: BTreeSet<usize> = self.external.iter().chain(&self.always).copied().collect();
        let indexes: Vec<usize> = external.iter().copied().collect();
        let state = self.exchange.state(self.resource, &located, native, &indexes).await?;
        if self.filter.as_ref().is_some_and(|filter| !filter.matches(&state.view)) {
            return Ok(());
        }
        if self.window.has(self.matched) {
            self.page.push(Hit { located, native: state.native, view: state.view, external });
        }
        self.matched += 1;
        Ok(())
    }

    /// Takes resources that live in the side-car alone.
    pub async fn take_switched_off(&mut self) -> Result<(), ExchangeError> {
        for (located, native) in switched_off(self.exchange, self.resource).await? {
            self.offer(located, native).await?;
        }
        Ok(())
    }

    /// Which resource each record is; `None` for records that SCIM clients have deleted.
    async fn locate_all(&self, records: &[Value]) -> Result<Vec<Option<Located>>, ExchangeError> {
        let (exchange, resource) = (self.exchange, self.resource);
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
                    if self.tombstones == Tombstones::Respected =>
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
}

/// Resources that live in the side-car alone, with their last records, in the order of their ids.
pub async fn switched_off(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
) -> Result<Vec<(Located, Value)>, ExchangeError> {
    if !matches!(resource.deactivate, Deactivate::Delete) {
        return Ok(Vec::new());
    }
    let off = exchange.retired(resource).await?.iter().filter_map(|entry| {
        let EntryState::Off(native) = &entry.state else { return None };
        let (id, key) = (entry.id.clone(), entry.key.clone());
        Some((Located { id, key, entry: Some(entry.clone()) }, native.clone()))
    });
    Ok(off.collect())
}

/// Collections behind requests of their own whose attribute one of the paths names.
pub fn mentioned(resource: &ResourceMapping, paths: &[&AttrPath]) -> Vec<usize> {
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
