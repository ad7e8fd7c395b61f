//! Before something happens that cannot easily be undone: guards and protected resources.
//!
//! Members are judged by the ids of protected resources, which are looked for once in a while:
//! nobody reads every member of a group to change one. Whoever seems to be protected is looked at
//! again before a client is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::Value;

use crate::convert::delta::Delta;
use crate::exchange::error::{ExchangeError, GuardTripped};
use crate::exchange::hit::{Views, Window};
use crate::exchange::native::Exchange;
use crate::exchange::precautions::Found;
use crate::exchange::search::{self, Asked};
use crate::exchange::state;
use crate::guard::port::{Use, Verdict};
use crate::guard::rule::Kind;
use crate::mapping::model::{Collection, ResourceMapping};
use crate::scim::attr::AttrPath;
use crate::scim::filter::ast::{CompareOp, Filter};
use crate::scim::resource::Resource;

/// Most members of one request that are looked at one by one, where the application cannot be
/// asked who is protected.
const MOST: usize = 100;

impl Exchange<'_> {
    /// Whether a change of a resource may happen.
    pub(in crate::exchange) async fn check_change(
        &self,
        resource: &ResourceMapping,
        id: &str,
        before: &Resource,
        wanted: &Resource,
        deltas: &BTreeMap<usize, Delta>,
    ) -> Result<(), ExchangeError> {
        self.check_touched(resource, id).await?;
        self.check_members(resource, before, wanted, deltas).await?;
        let is_active = |view: &Resource| view.0.get("active") != Some(&Value::Bool(false));
        if is_active(before) && !is_active(wanted) {
            self.count(resource, id, Kind::Deactivation).await?;
        }
        Ok(())
    }

    /// Whether a resource may be deleted.
    pub(in crate::exchange) async fn check_deletion(
        &self,
        resource: &ResourceMapping,
        id: &str,
    ) -> Result<(), ExchangeError> {
        self.check_touched(resource, id).await?;
        for index in 0..resource.collections.len() {
            self.check_emptied(resource, id, index).await?;
        }
        self.count(resource, id, Kind::Deletion).await
    }

    /// Refuses to touch what is protected.
    async fn check_touched(
        &self,
        resource: &ResourceMapping,
        id: &str,
    ) -> Result<(), ExchangeError> {
        let protected = &self.tenant.precautions.protected;
        if protected.filter(&resource.name).is_some() && self.is_protected(resource, id).await? {
            return Err(ExchangeError::Protected { resource: resource.name.clone() });
        }
        Ok(())
    }

    /// Refuses to put somebody protected into a collection, or to take them out.
    pub(in crate::exchange) async fn check_members(
        &self,
        resource: &ResourceMapping,
        before: &Resource,
        wanted: &Resource,
        deltas: &BTreeMap<usize, Delta>,
    ) -> Result<(), ExchangeError> {
        if self.tenant.precautions.protected.is_empty() {
            return Ok(());
        }
        for (index, collection) in resource.collections.iter().enumerate() {
            let Some(target) = self.protected_target(collection) else { continue };
            let (before, wanted) = (ids(collection, before), ids(collection, wanted));
            let mut touched: BTreeSet<String> =
                before.symmetric_difference(&wanted).map(|id| (*id).to_owned()).collect();
            if let Some(delta) = deltas.get(&index) {
                let pairs = delta.change.iter().chain(&delta.remove).map(|(element, _)| element);
                let elements = pairs.chain(&delta.add);
                touched.extend(elements.filter_map(id_of).map(str::to_owned));
            }
            self.check_each(target, &touched).await?;
        }
        Ok(())
    }

    /// The type that a collection refers to, if somebody of it is protected.
    fn protected_target(&self, collection: &Collection) -> Option<&ResourceMapping> {
        let target = collection.reference.as_ref()?;
        let mut resources = self.tenant.mapping.resources.iter();
        let target = resources.find(|resource| resource.name == *target)?;
        self.tenant.precautions.protected.filter(&target.name).map(|_| target)
    }

    async fn check_each(
        &self,
        target: &ResourceMapping,
        touched: &BTreeSet<String>,
    ) -> Result<(), ExchangeError> {
        if touched.is_empty() {
            return Ok(());
        }
        let suspects: Vec<&String> = match self.protected_ids(target).await? {
            Found::Ids(ids) => touched.iter().filter(|id| ids.contains(*id)).collect(),
            Found::Nowhere if touched.len() > MOST => {
                return Err(ExchangeError::TooMany { limit: MOST });
            }
            Found::Nowhere => touched.iter().collect(),
        };
        for id in suspects {
            if self.is_protected(target, id).await? {
                return Err(ExchangeError::Protected { resource: target.name.clone() });
            }
        }
        Ok(())
    }

    /// Refuses to delete what somebody protected is a member of.
    async fn check_emptied(
        &self,
        resource: &ResourceMapping,
        id: &str,
        index: usize,
    ) -> Result<(), ExchangeError> {
        let Some(collection) = resource.collections.get(index) else { return Ok(()) };
        let Some(target) = self.protected_target(collection) else { return Ok(()) };
        if matches!(self.protected_ids(target).await?, Found::Ids(ids) if ids.is_empty()) {
            return Ok(());
        }
        let own = compare(AttrPath { urn: None, attr: "id".to_owned(), sub: None }, id);
        let external = state::external(resource).filter(|it| *it == index).collect();
        let window = Window { start: 1, count: 1 };
        let asked = Asked { external, views: Views::Made, ..Asked::new(Some(&own), window) };
        let found = Box::pin(search::search(self, resource, asked)).await?;
        let views = found.page.iter().filter_map(|hit| hit.view.as_ref());
        let members = views.flat_map(|view| ids(collection, view)).map(str::to_owned).collect();
        self.check_each(target, &members).await
    }

    /// The ids of a type's protected resources, as far as the application can be asked.
    async fn protected_ids(&self, resource: &ResourceMapping) -> Result<Found, ExchangeError> {
        let protected = &self.tenant.precautions.protected;
        let Some(filter) = protected.filter(&resource.name) else {
            return Ok(Found::Ids(Arc::default()));
        };
        let now = self.tenant.clock.now();
        if let Some(known) = protected.known(&resource.name, now) {
            return Ok(known);
        }
        let window = Window { start: 1, count: self.tenant.max_results };
        let asked = Asked::new(Some(filter), window);
        let found = match Box::pin(search::search(self, resource, asked)).await {
            Ok(found) if found.total > found.page.len() as u64 => Found::Nowhere,
            Ok(found) => {
                let ids = found.page.into_iter().map(|hit| hit.located.id);
                Found::Ids(Arc::new(ids.collect()))
            }
            Err(ExchangeError::NotSupported { .. } | ExchangeError::TooMany { .. }) => {
                Found::Nowhere
            }
            Err(error) => return Err(error),
        };
        protected.learn(&resource.name, found.clone(), now);
        Ok(found)
    }

    async fn is_protected(
        &self,
        resource: &ResourceMapping,
        id: &str,
    ) -> Result<bool, ExchangeError> {
        match self.tenant.precautions.protected.filter(&resource.name) {
            Some(filter) => self.matches(resource, id, filter.clone()).await,
            None => Ok(false),
        }
    }

    /// Whether a resource matches a filter, as it is now.
    async fn matches(
        &self,
        resource: &ResourceMapping,
        id: &str,
        filter: Filter,
    ) -> Result<bool, ExchangeError> {
        let own = AttrPath { urn: None, attr: "id".to_owned(), sub: None };
        let mut terms = vec![compare(own, id)];
        match filter {
            Filter::And(more) => terms.extend(more),
            other => terms.push(other),
        }
        let filter = Filter::And(terms);
        let asked = Asked::new(Some(&filter), Window { start: 1, count: 1 });
        let found = Box::pin(search::search(self, resource, asked)).await?;
        Ok(found.total > 0)
    }

    /// Counts what is about to happen, and refuses it when there has been too much of it.
    async fn count(
        &self,
        resource: &ResourceMapping,
        id: &str,
        kind: Kind,
    ) -> Result<(), ExchangeError> {
        let Some(guard) = &self.tenant.precautions.guard else { return Ok(()) };
        let Some(limit) = guard.rule.limit(kind) else { return Ok(()) };
        let at = self.tenant.clock.now();
        let window = SignedDuration::try_from(limit.window).unwrap_or(SignedDuration::MAX);
        let since = at.checked_sub(window).unwrap_or(jiff::Timestamp::MIN);
        let (tenant, resource) = (self.tenant.name.as_str(), resource.name.as_str());
        let most = limit.most;
        let own = Use { tenant, kind, resource, id, at, since, most };
        let verdict = guard.store.count(&own).await?;
        guard.counters.note(kind, verdict);
        let is_first = match verdict {
            Verdict::Admitted => return Ok(()),
            Verdict::Trips => true,
            Verdict::Tripped => false,
        };
        if is_first {
            let (kind, limit) = (kind.keyword(), limit.to_string());
            let request_id = self.ambient.request_id.as_str();
            tracing::error!(
                tenant,
                kind,
                limit,
                request_id,
                "a guard has tripped and holds back until: scimbridge guard release"
            );
        }
        let tenant = tenant.to_owned();
        Err(ExchangeError::GuardTripped(GuardTripped { tenant, kind, limit }))
    }
}

fn compare(path: AttrPath, value: &str) -> Filter {
    Filter::Compare(path, CompareOp::Eq, Value::from(value))
}

fn ids<'v>(collection: &Collection, view: &'v Resource) -> BTreeSet<&'v str> {
    let extension = collection.place.extension.as_deref();
    let elements = view.get(extension, &collection.place.attribute).and_then(Value::as_array);
    elements.into_iter().flatten().filter_map(id_of).collect()
}

fn id_of(element: &Value) -> Option<&str> {
    element.get("value").and_then(Value::as_str)
}
