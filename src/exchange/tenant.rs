//! A tenant: a SCIM base path, its mapping and its application.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};

use crate::clock::Clock;
use crate::exchange::counters::DeviationCounters;
use crate::exchange::cursor::Seal;
use crate::exchange::precautions::Precautions;
use crate::exchange::recent::Recent;
use crate::exchange::upstream::Upstream;
use crate::id::IdSource;
use crate::mapping::model::Mapping;
use crate::scim::value::Dialect;
use crate::sidecar::entry::Partition;
use crate::sidecar::port::Sidecar;

/// Everything that serving one tenant's requests needs.
pub struct Tenant {
    /// Its name; the side-car partition and the name in logs.
    pub name: String,
    /// Its mapping.
    pub mapping: Arc<Mapping>,
    /// Configuration values that templates may see, as an object; secrets are not among them.
    pub config: Value,
    /// Its application.
    pub upstream: Arc<dyn Upstream>,
    /// What the bridge keeps for it.
    pub sidecar: Arc<dyn Sidecar>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Identifiers.
    pub ids: Arc<dyn IdSource>,
    /// How closely the letter of the RFCs is kept.
    pub dialect: Dialect,
    /// Where its clients left the letter of the RFCs.
    pub deviations: Arc<DeviationCounters>,
    /// Most resources in one answer; a larger `count` is lowered to it.
    pub max_results: u64,
    /// Seals cursors.
    pub seal: Arc<dyn Seal>,
    /// Held while a resource is read, changed and written. Whoever serves the tenant anew after a
    /// change of its configuration takes them over, since requests of before may still run.
    pub locks: Arc<Locks>,
    /// What was written a moment ago.
    pub recent: Arc<Recent>,
    /// What is written down, and what is held back.
    pub precautions: Precautions,
}

impl Tenant {
    /// Whose side-car entries these are.
    pub fn partition(&self) -> Partition {
        Partition { tenant: self.name.clone(), mapping: self.mapping.name.clone() }
    }
}

/// Locks by resource, striped: two resources may share one, one never has two.
///
/// What is kept of resources that have left has locks of its own: a change of a group holds the
/// group's lock while it writes into them, and both may fall on one stripe. So have members whose
/// own records are read and written to change a group.
pub struct Locks {
    resources: Stripes,
    members: Stripes,
    kept: Stripes,
    values: Stripes,
}

const STRIPES: usize = 64;

type Stripes = Box<[Mutex<()>; STRIPES]>;

impl Default for Locks {
    fn default() -> Self {
        let stripes = || Box::new(std::array::from_fn(|_| Mutex::new(())));
        Self { resources: stripes(), members: stripes(), kept: stripes(), values: stripes() }
    }
}

impl Locks {
    /// Waits until nobody else changes this resource.
    pub async fn hold(&self, resource: &str, id: &str) -> MutexGuard<'_, ()> {
        stripe(&self.resources, resource, id).lock().await
    }

    /// Waits until nobody else changes a membership of this member.
    pub async fn hold_member(&self, resource: &str, member: &str) -> MutexGuard<'_, ()> {
        stripe(&self.members, resource, member).lock().await
    }

    /// Waits until nobody else changes what is kept of this resource.
    pub async fn hold_kept(&self, resource: &str, id: &str) -> MutexGuard<'_, ()> {
        stripe(&self.kept, resource, id).lock().await
    }

    /// Waits until nobody else writes one of these values. Always in the same order, so that no
    /// two wait for each other.
    pub async fn hold_values(
        &self,
        resource: &str,
        values: impl Iterator<Item = String>,
    ) -> Vec<MutexGuard<'_, ()>> {
        let numbers: BTreeSet<usize> = values.map(|value| number(resource, &value)).collect();
        let mut held = Vec::with_capacity(numbers.len());
        for number in numbers {
            if let Some(stripe) = self.values.get(number) {
                held.push(stripe.lock().await);
            }
        }
        held
    }
}

fn stripe<'l>(stripes: &'l Stripes, resource: &str, id: &str) -> &'l Mutex<()> {
    let [first, ..] = stripes.as_ref();
    stripes.get(number(resource, id)).unwrap_or(first)
}

fn number(resource: &str, id: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    (resource, id).hash(&mut hasher);
    usize::try_from(hasher.finish() % STRIPES as u64).unwrap_or_default()
}
