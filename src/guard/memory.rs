//! Counts in memory, for tests: nothing outlives the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::guard::port::{GuardStore, Trip, Use, Verdict};
use crate::guard::rule::Kind;
use crate::sidecar::port::StoreError;

/// The counts of every tenant.
#[derive(Debug, Default)]
pub struct MemoryGuards {
    counts: Mutex<BTreeMap<(String, Kind), Count>>,
}

#[derive(Debug, Default)]
struct Count {
    used: BTreeMap<(String, String), Timestamp>,
    tripped: Option<Timestamp>,
}

impl MemoryGuards {
    fn locked(&self) -> MutexGuard<'_, BTreeMap<(String, Kind), Count>> {
        // No change below can stop half-way, so what a panicking caller left behind is whole.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl GuardStore for MemoryGuards {
    async fn count(&self, use_: &Use<'_>) -> Result<Verdict, StoreError> {
        let mut counts = self.locked();
        let count = counts.entry((use_.tenant.to_owned(), use_.kind)).or_default();
        count.used.retain(|_, at| *at >= use_.since);
        let subject = (use_.resource.to_owned(), use_.id.to_owned());
        if count.used.contains_key(&subject) {
            return Ok(Verdict::Admitted);
        }
        if count.tripped.is_some() {
            return Ok(Verdict::Tripped);
        }
        if count.used.len() >= use_.most as usize {
            count.tripped = Some(use_.at);
            return Ok(Verdict::Trips);
        }
        count.used.insert(subject, use_.at);
        Ok(Verdict::Admitted)
    }

    async fn tripped(&self) -> Result<Vec<Trip>, StoreError> {
        let counts = self.locked();
        let trips = counts.iter().filter_map(|((tenant, kind), count)| {
            Some(Trip { tenant: tenant.clone(), kind: *kind, at: count.tripped? })
        });
        Ok(trips.collect())
    }

    async fn release(&self, tenant: &str, kind: Kind) -> Result<bool, StoreError> {
        let count = self.locked().remove(&(tenant.to_owned(), kind));
        Ok(count.is_some_and(|count| count.tripped.is_some()))
    }
}
