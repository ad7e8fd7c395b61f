//! A tenant: a SCIM base path, its mapping and its application.

use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::clock::Clock;
use crate::convert::plan::Plan;
use crate::exchange::counters::DeviationCounters;
use crate::exchange::cursor::Seal;
use crate::exchange::index::{self, Index, Indexed};
use crate::exchange::locks::Locks;
use crate::exchange::precautions::Precautions;
use crate::exchange::recent::Recent;
use crate::exchange::upstream::Upstream;
use crate::id::IdSource;
use crate::mapping::model::{Mapping, ResourceMapping};
use crate::scim::value::Dialect;
use crate::sidecar::entry::Partition;
use crate::sidecar::links::Links;
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
    /// Where values are found.
    pub links: Arc<dyn Links>,
    /// What of its application is indexed there.
    pub index: Arc<Index>,
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
    /// How records are read without trees, where they can be.
    pub plans: Plans,
    /// What only the side-car has values of.
    pub kept: KeptAttributes,
}

impl Tenant {
    /// Whose side-car entries these are.
    pub fn partition(&self) -> Partition {
        Partition { tenant: self.name.clone(), mapping: self.mapping.name.clone() }
    }

    /// The attributes of this type that only the side-car has values of.
    pub fn kept(&self, resource: &ResourceMapping) -> &[Indexed] {
        let KeptAttributes(kept) = &self.kept;
        let kept = kept.get_or_init(|| {
            let all = self.mapping.resources.iter();
            all.map(|it| (it.name.clone(), index::kept(it))).collect()
        });
        kept.iter().find(|(name, _)| *name == resource.name).map_or(&[], |(_, it)| it.as_slice())
    }

    /// How this resource's records are read without trees; `None` when they cannot be.
    pub fn plan(&self, resource: &ResourceMapping) -> Option<&Plan> {
        let Plans(plans) = &self.plans;
        let plans = plans.get_or_init(|| {
            let all = self.mapping.resources.iter();
            all.map(|it| (it.name.clone(), Plan::new(&self.mapping, it))).collect()
        });
        let (_, plan) = plans.iter().find(|(name, _)| *name == resource.name)?;
        plan.as_ref()
    }
}

/// The attributes of each type that only the side-car has values of, found out when they are first
/// asked for.
#[derive(Debug, Default)]
pub struct KeptAttributes(OnceLock<Vec<(String, Vec<Indexed>)>>);

/// The plans of a mapping, made when the first is asked for.
#[derive(Debug, Default)]
pub struct Plans(OnceLock<Vec<(String, Option<Plan>)>>);

impl Plans {
    /// No plans: every record is read in the general way.
    pub fn none() -> Self {
        Self(OnceLock::from(Vec::new()))
    }
}
