//! A tenant: a SCIM base path, its mapping and its application.

use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::clock::Clock;
use crate::convert::apart;
use crate::convert::plan::Plan;
use crate::exchange::counters::DeviationCounters;
use crate::exchange::cursor::Seal;
use crate::exchange::index::{self, Index, Indexed};
use crate::exchange::locks::Locks;
use crate::exchange::precautions::Precautions;
use crate::exchange::recent::Recent;
use crate::exchange::upstream::Upstream;
use crate::id::IdSource;
use crate::mapping::model::{Collection, Mapping, ResourceMapping};
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
    /// Which collections are compared and told without trees.
    pub rosters: Rosters,
}

impl Tenant {
    /// Whose side-car entries these are.
    pub fn partition(&self) -> Partition {
        Partition { tenant: self.name.clone(), mapping: self.mapping.name.clone() }
    }

    /// The attributes of this type that only the side-car has values of.
    pub fn kept(&self, resource: &ResourceMapping) -> &[Indexed] {
        let kept = self.kept.of(&self.mapping, resource, index::kept);
        kept.map_or(&[], Vec::as_slice)
    }

    /// The collections of this type whose members nothing else looks at, with their indexes.
    pub fn rosters<'r>(
        &self,
        resource: &'r ResourceMapping,
    ) -> impl Iterator<Item = (usize, &'r Collection)> {
        let indexed = self.index.attributes.get(&resource.name);
        let is_roster = |collection: &Collection| {
            let mut indexed = indexed.into_iter().flatten();
            apart::is_roster(resource, collection) && !indexed.any(|it| it.is_in(&collection.place))
        };
        let find = |resource: &ResourceMapping| {
            let lists = resource.collections.iter().enumerate();
            lists.filter(|(_, list)| is_roster(list)).map(|(index, _)| index).collect()
        };
        let found = self.rosters.of(&self.mapping, resource, find).map_or(&[][..], Vec::as_slice);
        found.iter().filter_map(|index| Some((*index, resource.collections.get(*index)?)))
    }

    /// How this resource's records are read without trees; `None` when they cannot be.
    pub fn plan(&self, resource: &ResourceMapping) -> Option<&Plan> {
        let plan = |resource: &ResourceMapping| Plan::new(&self.mapping, resource);
        self.plans.of(&self.mapping, resource, plan)?.as_ref()
    }
}

/// Something of each type, found out for all of them when the first is asked for.
#[derive(Debug)]
pub struct PerType<T>(OnceLock<Vec<(String, T)>>);

/// The attributes that only the side-car has values of.
pub type KeptAttributes = PerType<Vec<Indexed>>;

/// Collections of members, by their indexes.
pub type Rosters = PerType<Vec<usize>>;

/// The plans of a mapping.
pub type Plans = PerType<Option<Plan>>;

impl<T> PerType<T> {
    fn of(
        &self,
        mapping: &Mapping,
        resource: &ResourceMapping,
        find_out: impl Fn(&ResourceMapping) -> T,
    ) -> Option<&T> {
        let Self(known) = self;
        let all = || mapping.resources.iter().map(|it| (it.name.clone(), find_out(it))).collect();
        let mut known = known.get_or_init(all).iter();
        known.find(|(name, _)| *name == resource.name).map(|(_, found)| found)
    }
}

impl<T> Default for PerType<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T> PerType<T> {
    /// Nothing of any type: everything is done in the general way.
    pub fn none() -> Self {
        Self(OnceLock::from(Vec::new()))
    }
}
