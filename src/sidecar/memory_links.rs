//! Links in memory, for tests, dialogues and dry runs.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::sidecar::entry::Partition;
use crate::sidecar::links::{Claim, Done, Link, Links, Shelf, Sweep};
use crate::sidecar::port::StoreError;

/// The links of every partition and resource type.
#[derive(Debug, Default)]
pub struct MemoryLinks {
    types: Mutex<BTreeMap<(Partition, String), Type>>,
}

#[derive(Debug, Default)]
struct Type {
    seen: BTreeMap<Link, Timestamp>,
    sweeps: BTreeMap<Shelf, Sweep>,
    holders: BTreeMap<Shelf, (String, Timestamp)>,
}

impl MemoryLinks {
    fn on<T>(&self, partition: &Partition, resource: &str, look: impl FnOnce(&mut Type) -> T) -> T {
        let place = (partition.clone(), resource.to_owned());
        look(self.locked().entry(place).or_default())
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<(Partition, String), Type>> {
        // No change below can stop half-way, so what a panicking caller left behind is whole.
        self.types.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Links for MemoryLinks {
    async fn link(
        &self,
        partition: &Partition,
        resource: &str,
        links: &[Link],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.on(partition, resource, |all| {
            all.seen.extend(links.iter().map(|link| (link.clone(), at)));
        });
        Ok(())
    }

    async fn unlink(
        &self,
        partition: &Partition,
        resource: &str,
        key: &str,
        keep: &[Link],
    ) -> Result<(), StoreError> {
        self.on(partition, resource, |all| {
            all.seen.retain(|link, _| link.key != key || keep.contains(link));
        });
        Ok(())
    }

    async fn forget(
        &self,
        partition: &Partition,
        resource: &str,
        link: &Link,
    ) -> Result<(), StoreError> {
        self.on(partition, resource, |all| all.seen.remove(link));
        Ok(())
    }

    async fn linked(
        &self,
        partition: &Partition,
        resource: &str,
        attribute: &str,
        value: &str,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        let is_it = |link: &&Link| link.attribute == attribute && link.value == value;
        let first =
            Link { attribute: attribute.to_owned(), value: value.to_owned(), key: String::new() };
        Ok(self.on(partition, resource, |all| {
            let found = all.seen.range(first..).map(|(link, _)| link).take_while(is_it);
            found.take(limit as usize).map(|link| link.key.clone()).collect()
        }))
    }

    async fn count(
        &self,
        partition: &Partition,
        resource: &str,
        attribute: &str,
    ) -> Result<u64, StoreError> {
        Ok(self.on(partition, resource, |all| {
            all.seen.keys().filter(|link| link.attribute == attribute).count() as u64
        }))
    }

    async fn sweep(
        &self,
        partition: &Partition,
        resource: &str,
        shelf: Shelf,
    ) -> Result<Option<Sweep>, StoreError> {
        Ok(self.on(partition, resource, |all| all.sweeps.get(&shelf).cloned()))
    }

    async fn begin_sweep(
        &self,
        partition: &Partition,
        resource: &str,
        shelf: Shelf,
        claim: &Claim<'_>,
    ) -> Result<bool, StoreError> {
        Ok(self.on(partition, resource, |all| {
            let is_held = |(holder, until): &(String, Timestamp)| {
                holder != claim.holder && *until > claim.now
            };
            if all.holders.get(&shelf).is_some_and(is_held) {
                return false;
            }
            all.holders.insert(shelf, (claim.holder.to_owned(), claim.until));
            true
        }))
    }

    async fn end_sweep(
        &self,
        partition: &Partition,
        resource: &str,
        shelf: Shelf,
        done: Option<&Done<'_>>,
    ) -> Result<(), StoreError> {
        self.on(partition, resource, |all| {
            all.holders.remove(&shelf);
            if let Some(Done { sweep, attributes, stale }) = done {
                all.seen
                    .retain(|link, seen| *seen >= *stale || !attributes.contains(&link.attribute));
                all.sweeps.insert(shelf, (*sweep).clone());
            }
        });
        Ok(())
    }
}
