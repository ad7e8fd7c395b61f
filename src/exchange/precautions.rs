//! What stands between a client and the application beside the mapping: the audit trail, guards
//! and protected accounts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::audit::journal::Journal;
use crate::guard::port::{GuardStore, Verdict};
use crate::guard::rule::{Kind, Rule};
use crate::mapping::model::{Mapping, ResourceMapping};
use crate::scim::filter::ast::Filter;
use crate::scim::filter::eval::CompiledFilter;
use crate::scim::value::Dialect;

/// How long the ids of protected resources are believed. Whoever becomes protected in the
/// application meanwhile may still be put into groups and taken out of them.
const FRESH: SignedDuration = SignedDuration::from_secs(30);

/// The precautions of a tenant; the default takes none.
pub struct Precautions {
    /// The audit trail.
    pub journal: Journal,
    /// How much may be deactivated and deleted.
    pub guard: Option<Guard>,
    /// Whom no client may touch.
    pub protected: Protected,
}

impl Default for Precautions {
    fn default() -> Self {
        Self { journal: Journal::off(), guard: None, protected: Protected::default() }
    }
}

/// How much may be deactivated and deleted, and where it is counted.
pub struct Guard {
    /// The limits.
    pub rule: Rule,
    /// The counts.
    pub store: Arc<dyn GuardStore>,
    /// What came of it.
    pub counters: GuardCounters,
}

/// How often guards of a tenant have held back in this process, by kind as in [`Kind::ALL`].
#[derive(Debug, Default)]
pub struct GuardCounters {
    trips: [AtomicU64; Kind::ALL.len()],
    refusals: [AtomicU64; Kind::ALL.len()],
}

impl GuardCounters {
    /// How often a guard of each kind has tripped here.
    pub fn trips(&self) -> impl Iterator<Item = (Kind, u64)> {
        read(&self.trips)
    }

    /// How many requests were held back here, those with which a guard tripped among them.
    pub fn refusals(&self) -> impl Iterator<Item = (Kind, u64)> {
        read(&self.refusals)
    }

    pub(in crate::exchange) fn note(&self, kind: Kind, verdict: Verdict) {
        let add = |counters: &[AtomicU64]| {
            let mut both = Kind::ALL.iter().zip(counters);
            if let Some((_, counter)) = both.find(|(known, _)| **known == kind) {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        };
        match verdict {
            Verdict::Admitted => {}
            Verdict::Trips => {
                add(&self.trips);
                add(&self.refusals);
            }
            Verdict::Tripped => add(&self.refusals),
        }
    }
}

fn read(counters: &[AtomicU64]) -> impl Iterator<Item = (Kind, u64)> {
    let counts = counters.iter().map(|counter| counter.load(Ordering::Relaxed));
    Kind::ALL.into_iter().zip(counts)
}

/// Filters for resources that no client may touch, by resource type.
#[derive(Default)]
pub struct Protected {
    filters: BTreeMap<String, Filter>,
    known: Mutex<BTreeMap<String, Known>>,
}

/// The ids that a filter has been found to match.
struct Known {
    until: Timestamp,
    found: Found,
}

/// What is known of the protected resources of a type.
#[derive(Clone)]
pub(in crate::exchange) enum Found {
    /// Their ids.
    Ids(Arc<BTreeSet<String>>),
    /// The application cannot be asked for them.
    Nowhere,
}

impl Protected {
    /// Makes filters ready that an operator has written: for each endpoint (`users`) or resource
    /// type, the filters of which one must match.
    ///
    /// # Errors
    /// Every fault there is, each with its place.
    pub fn new(
        mapping: &Mapping,
        dialect: Dialect,
        written: &BTreeMap<String, Vec<String>>,
    ) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let mut all: BTreeMap<String, Vec<Filter>> = BTreeMap::new();
        for (name, texts) in written {
            let Some(resource) = meant(mapping, name) else {
                let known: Vec<String> = mapping.resources.iter().map(endpoint).collect();
                faults.push(format!("{name}: the mapping has only {}", known.join(", ")));
                continue;
            };
            for (at, text) in texts.iter().enumerate() {
                let parsed = Filter::parse(text, dialect).and_then(|filter| {
                    CompiledFilter::new(&filter, &resource.resource_type, dialect)?;
                    Ok(filter)
                });
                match parsed {
                    Ok(filter) => all.entry(resource.name.clone()).or_default().push(filter),
                    Err(error) => faults.push(format!("{name}[{at}]: {error}")),
                }
            }
        }
        let any = |mut filters: Vec<Filter>| match (filters.pop(), filters.is_empty()) {
            (Some(single), true) => Some(single),
            (Some(last), false) => Some(Filter::Or(filters.into_iter().chain([last]).collect())),
            (None, _) => None,
        };
        let filters = all.into_iter().filter_map(|(name, all)| Some((name, any(all)?)));
        let protected = Self { filters: filters.collect(), known: Mutex::default() };
        if faults.is_empty() { Ok(protected) } else { Err(faults) }
    }

    /// Whether nobody is protected.
    pub fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// What the protected resources of a type match.
    pub(in crate::exchange) fn filter(&self, resource: &str) -> Option<&Filter> {
        self.filters.get(resource)
    }

    /// What was found a moment ago.
    pub(in crate::exchange) fn known(&self, resource: &str, now: Timestamp) -> Option<Found> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get(resource).filter(|known| now < known.until)?;
        Some(known.found.clone())
    }

    /// Notes what was found.
    pub(in crate::exchange) fn learn(&self, resource: &str, found: Found, now: Timestamp) {
        let until = now.checked_add(FRESH).unwrap_or(now);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(resource.to_owned(), Known { until, found });
    }
}

fn meant<'m>(mapping: &'m Mapping, name: &str) -> Option<&'m ResourceMapping> {
    mapping.resources.iter().find(|resource| {
        name.eq_ignore_ascii_case(&endpoint(resource)) || name.eq_ignore_ascii_case(&resource.name)
    })
}

fn endpoint(resource: &ResourceMapping) -> String {
    resource.resource_type.endpoint.trim_start_matches('/').to_ascii_lowercase()
}
