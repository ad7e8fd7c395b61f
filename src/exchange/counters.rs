//! How often a tenant's clients have left the letter of the RFCs, since the process began.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::scim::deviation::{Deviation, Deviations};

/// Counters by kind. They only grow.
#[derive(Debug)]
pub struct DeviationCounters(BTreeMap<Deviation, AtomicU64>);

impl Default for DeviationCounters {
    fn default() -> Self {
        Self(Deviation::ALL.iter().map(|kind| (*kind, AtomicU64::new(0))).collect())
    }
}

impl DeviationCounters {
    /// Adds what one request had.
    pub fn add(&self, noted: &Deviations) {
        for (kind, count) in noted.iter() {
            if let Some(counter) = self.0.get(&kind) {
                counter.fetch_add(u64::from(count), Ordering::Relaxed);
            }
        }
    }

    /// Every kind with its count, in the order of their declaration; most are 0.
    pub fn counts(&self) -> impl Iterator<Item = (Deviation, u64)> {
        self.0.iter().map(|(kind, counter)| (*kind, counter.load(Ordering::Relaxed)))
    }
}
