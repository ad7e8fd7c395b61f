//! Entries in memory, for tests, dialogues and dry runs: nothing outlives the process. It is held
//! to the same contract as the databases; durability is deliberately absent.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::sidecar::entry::{Entry, Partition, Retired, RetiredCount, RetiredPage};
use crate::sidecar::port::{Sidecar, StoreError};

/// The entries of every partition and resource type.
#[derive(Debug, Default)]
pub struct MemorySidecar {
    shelves: Mutex<BTreeMap<(Partition, String), Shelf>>,
}

/// The entries of one type.
#[derive(Debug, Default)]
struct Shelf {
    /// By SCIM id.
    entries: BTreeMap<String, Entry>,
    /// SCIM ids by native key.
    ids: BTreeMap<String, String>,
}

impl Shelf {
    fn of_key(&self, key: &str) -> Option<&Entry> {
        self.entries.get(self.ids.get(key)?)
    }

    fn put(&mut self, entry: &Entry) {
        self.take(&entry.id);
        if let Some(other) = self.ids.get(&entry.key).cloned() {
            self.take(&other);
        }
        self.ids.insert(entry.key.clone(), entry.id.clone());
        self.entries.insert(entry.id.clone(), entry.clone());
    }

    fn take(&mut self, id: &str) {
        if let Some(entry) = self.entries.remove(id) {
            self.ids.remove(&entry.key);
        }
    }
}

impl MemorySidecar {
    fn on<T>(
        &self,
        partition: &Partition,
        resource: &str,
        look: impl FnOnce(&mut Shelf) -> T,
    ) -> T {
        let place = (partition.clone(), resource.to_owned());
        look(self.locked().entry(place).or_default())
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<(Partition, String), Shelf>> {
        // No change below can stop half-way, so what a panicking caller left behind is whole.
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Sidecar for MemorySidecar {
    async fn by_ids(
        &self,
        partition: &Partition,
        resource: &str,
        ids: &[String],
    ) -> Result<Vec<Entry>, StoreError> {
        let wanted: BTreeSet<&String> = ids.iter().collect();
        Ok(self.on(partition, resource, |shelf| {
            wanted.into_iter().filter_map(|id| shelf.entries.get(id).cloned()).collect()
        }))
    }

    async fn by_keys(
        &self,
        partition: &Partition,
        resource: &str,
        keys: &[String],
    ) -> Result<Vec<Entry>, StoreError> {
        let wanted: BTreeSet<&String> = keys.iter().collect();
        Ok(self.on(partition, resource, |shelf| {
            wanted.into_iter().filter_map(|key| shelf.of_key(key).cloned()).collect()
        }))
    }

    async fn claim(
        &self,
        partition: &Partition,
        resource: &str,
        key: &str,
        proposed_id: &str,
    ) -> Result<Entry, StoreError> {
        self.on(partition, resource, |shelf| {
            if let Some(entry) = shelf.of_key(key) {
                return Ok(entry.clone());
            }
            if shelf.entries.contains_key(proposed_id) {
                return Err(StoreError::Corrupt(Box::new(IdTaken)));
            }
            let entry =
                Entry { id: proposed_id.to_owned(), key: key.to_owned(), ..Entry::default() };
            shelf.put(&entry);
            Ok(entry)
        })
    }

    async fn save(
        &self,
        partition: &Partition,
        resource: &str,
        entry: &Entry,
    ) -> Result<(), StoreError> {
        self.on(partition, resource, |shelf| shelf.put(entry));
        Ok(())
    }

    async fn remove(
        &self,
        partition: &Partition,
        resource: &str,
        id: &str,
    ) -> Result<(), StoreError> {
        self.on(partition, resource, |shelf| shelf.take(id));
        Ok(())
    }

    async fn page(
        &self,
        partition: &Partition,
        resource: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        Ok(self.on(partition, resource, |shelf| {
            let behind = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
            let behind = shelf.entries.range::<str, _>(behind).map(|(_, entry)| entry);
            behind.take(limit as usize).cloned().collect()
        }))
    }

    async fn retired(
        &self,
        partition: &Partition,
        resource: &str,
        page: RetiredPage<'_>,
    ) -> Result<Vec<Entry>, StoreError> {
        let RetiredPage { way, after, skip, limit } = page;
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        Ok(self.on(partition, resource, |shelf| {
            let behind = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
            let behind = shelf.entries.range::<str, _>(behind).map(|(_, entry)| entry);
            let left = behind.filter(|entry| way.is(&entry.state));
            left.skip(skip).take(limit as usize).cloned().collect()
        }))
    }

    async fn count_retired(
        &self,
        partition: &Partition,
        resource: &str,
    ) -> Result<RetiredCount, StoreError> {
        Ok(self.on(partition, resource, |shelf| {
            let count =
                |way: Retired| shelf.entries.values().filter(|it| way.is(&it.state)).count() as u64;
            RetiredCount { off: count(Retired::Off), deleted: count(Retired::Deleted) }
        }))
    }
}

/// A proposed id belongs to the entry of another native key.
#[derive(Debug, thiserror::Error)]
#[error("the proposed id belongs to another native key")]
struct IdTaken;
