//! Resources that have left: switched off by deletion, or deleted by SCIM clients alone.
//!
//! There may be very many of them, so nobody reads them all: they are counted, or asked for by
//! id, or walked through a page at a time.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use crate::convert::references;
use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::exchange::state::Located;
use crate::mapping::model::{Deactivate, ResourceMapping};
use crate::sidecar::entry::{Entry, Retired, RetiredCount, RetiredPage};

/// Entries that are read at once.
const PAGE: u32 = 500;

impl Exchange<'_> {
    /// How many resources of this type have left; counted once an exchange.
    pub async fn retired(&self, resource: &ResourceMapping) -> Result<RetiredCount, ExchangeError> {
        if !references::may_leave(resource) {
            return Ok(RetiredCount::default());
        }
        let counted = || self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        let known = counted().get(&resource.name).copied();
        if let Some(count) = known {
            return Ok(count);
        }
        let partition = self.tenant.partition();
        let count = self.tenant.sidecar.count_retired(&partition, &resource.name).await?;
        Ok(*counted().entry(resource.name.clone()).or_insert(count))
    }

    /// Those of some ids that have left in this way, ordered by id. It costs as much as there are
    /// ids, or resources that have left, whichever are fewer.
    pub async fn retired_among(
        &self,
        resource: &ResourceMapping,
        way: Retired,
        ids: &[String],
    ) -> Result<Vec<Entry>, ExchangeError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let all = self.retired(resource).await?.of(way);
        if all == 0 {
            return Ok(Vec::new());
        }
        let mut found: Vec<Entry> = Vec::new();
        if ids.len() as u64 > all {
            let wanted: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
            let mut walk = RetiredWalk::new(way);
            while let Some(page) = walk.next(self, resource).await? {
                found.extend(page.into_iter().filter(|entry| wanted.contains(&*entry.id)));
            }
        } else {
            let partition = self.tenant.partition();
            found = self.tenant.sidecar.by_ids(&partition, &resource.name, ids).await?;
            found.retain(|entry| way.is(&entry.state));
            found.sort_by(|one, other| one.id.cmp(&other.id));
        }
        Ok(found)
    }

    /// Resources that were switched off by deletion, in the order of their ids, without the first
    /// `skip` of them.
    pub async fn switched_off(
        &self,
        resource: &ResourceMapping,
        skip: u64,
        limit: u32,
    ) -> Result<Vec<Entry>, ExchangeError> {
        if !has_switched_off(resource) {
            return Ok(Vec::new());
        }
        let page = RetiredPage { way: Retired::Off, after: None, skip, limit: limit.min(PAGE) };
        let partition = self.tenant.partition();
        Ok(self.tenant.sidecar.retired(&partition, &resource.name, page).await?)
    }
}

/// Whether resources of this type may live in the side-car alone.
pub fn has_switched_off(resource: &ResourceMapping) -> bool {
    matches!(resource.deactivate, Deactivate::Delete)
}

/// Where the resource of an entry is.
pub fn located(entry: &Entry) -> Located {
    Located { id: entry.id.clone(), key: entry.key.clone(), entry: Some(entry.clone()) }
}

/// A walk through those that have left, one page a step.
pub struct RetiredWalk {
    way: Retired,
    after: Option<String>,
    is_done: bool,
}

impl RetiredWalk {
    /// A walk from the first id on.
    pub fn new(way: Retired) -> Self {
        Self { way, after: None, is_done: false }
    }

    /// Whether a page has been read.
    pub fn has_begun(&self) -> bool {
        self.is_done || self.after.is_some()
    }

    /// The next page; `None` after the last one.
    pub async fn next(
        &mut self,
        exchange: &Exchange<'_>,
        resource: &ResourceMapping,
    ) -> Result<Option<Vec<Entry>>, ExchangeError> {
        if self.is_done {
            return Ok(None);
        }
        let after = self.after.as_deref();
        let page = RetiredPage { way: self.way, after, skip: 0, limit: PAGE };
        let partition = exchange.tenant.partition();
        let entries = exchange.tenant.sidecar.retired(&partition, &resource.name, page).await?;
        self.is_done = entries.len() < PAGE as usize;
        self.after = entries.last().map(|entry| entry.id.clone());
        Ok(Some(entries))
    }
}
