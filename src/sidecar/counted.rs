//! A side-car that remembers for a second how many resources have left.
//!
//! Nearly every request asks that, and nearly always the answer is that it is nobody. What this
//! process writes counts at once; what its command line writes, after a second, like its tokens.
//! Not for a store that several bridges write to.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;
use crate::sidecar::entry::{Entry, Partition, RetiredCount, RetiredPage};
use crate::sidecar::port::{Sidecar, StoreError};

/// How long a count is remembered.
const LASTING: SignedDuration = SignedDuration::from_secs(1);

/// Another side-car, with its counts remembered.
pub struct Counted {
    inner: Arc<dyn Sidecar>,
    clock: Arc<dyn Clock>,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    /// How often something was written: a count that was begun before does not count.
    writes: u64,
    known: Vec<Known>,
}

struct Known {
    partition: Partition,
    resource: String,
    count: RetiredCount,
    until: Timestamp,
}

impl Counted {
    /// Remembers what `inner` counts.
    pub fn new(inner: Arc<dyn Sidecar>, clock: Arc<dyn Clock>) -> Self {
        Self { inner, clock, counts: Mutex::default() }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Counts) -> T) -> T {
        look(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Something is written: what was counted before or is being counted now may be wrong.
    fn forget(&self) {
        self.with(|counts| {
            counts.writes = counts.writes.wrapping_add(1);
            counts.known.clear();
        });
    }
}

#[async_trait]
impl Sidecar for Counted {
    async fn by_ids(
        &self,
        partition: &Partition,
        resource: &str,
        ids: &[String],
    ) -> Result<Vec<Entry>, StoreError> {
        self.inner.by_ids(partition, resource, ids).await
    }

    async fn by_keys(
        &self,
        partition: &Partition,
        resource: &str,
        keys: &[String],
    ) -> Result<Vec<Entry>, StoreError> {
        self.inner.by_keys(partition, resource, keys).await
    }

    async fn claim(
        &self,
        partition: &Partition,
        resource: &str,
        key: &str,
        proposed_id: &str,
    ) -> Result<Entry, StoreError> {
        self.inner.claim(partition, resource, key, proposed_id).await
    }

    async fn save(
        &self,
        partition: &Partition,
        resource: &str,
        entry: &Entry,
    ) -> Result<(), StoreError> {
        self.forget();
        let saved = self.inner.save(partition, resource, entry).await;
        self.forget();
        saved
    }

    async fn remove(
        &self,
        partition: &Partition,
        resource: &str,
        id: &str,
    ) -> Result<(), StoreError> {
        self.forget();
        let removed = self.inner.remove(partition, resource, id).await;
        self.forget();
        removed
    }

    async fn page(
        &self,
        partition: &Partition,
        resource: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        self.inner.page(partition, resource, after, limit).await
    }

    async fn retired(
        &self,
        partition: &Partition,
        resource: &str,
        page: RetiredPage<'_>,
    ) -> Result<Vec<Entry>, StoreError> {
        self.inner.retired(partition, resource, page).await
    }

    async fn count_retired(
        &self,
        partition: &Partition,
        resource: &str,
    ) -> Result<RetiredCount, StoreError> {
        let now = self.clock.now();
        let is_it = |it: &Known| it.resource == resource && it.partition == *partition;
        let (writes, known) = self.with(|counts| {
            let known = counts.known.iter().find(|it| is_it(it) && now < it.until);
            (counts.writes, known.map(|it| it.count))
        });
        if let Some(count) = known {
            return Ok(count);
        }
        let count = self.inner.count_retired(partition, resource).await?;
        let until = now.checked_add(LASTING).unwrap_or(now);
        self.with(|counts| {
            if counts.writes == writes {
                counts.known.retain(|it| !is_it(it));
                let (partition, resource) = (partition.clone(), resource.to_owned());
                counts.known.push(Known { partition, resource, count, until });
            }
        });
        Ok(count)
    }
}
