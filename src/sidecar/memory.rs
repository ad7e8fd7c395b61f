//! Entries in memory, for tests, dialogues and dry runs: nothing outlives the process. It is held
//! to the same contract as the databases; speed and durability are deliberately absent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::sidecar::entry::{Entry, EntryState, Partition};
use crate::sidecar::port::{Sidecar, StoreError};

/// The entries of every partition and resource type, by SCIM id.
#[derive(Debug, Default)]
pub struct MemorySidecar {
    shelves: Mutex<BTreeMap<(Partition, String), Shelf>>,
}

type Shelf = BTreeMap<String, Entry>;

impl MemorySidecar {
    fn read(&self, partition: &Partition, resource: &str) -> Shelf {
        let place = (partition.clone(), resource.to_owned());
        self.locked().get(&place).cloned().unwrap_or_default()
    }

    fn write<T>(
        &self,
        partition: &Partition,
        resource: &str,
        change: impl FnOnce(&mut Shelf) -> T,
    ) -> T {
        let place = (partition.clone(), resource.to_owned());
        change(self.locked().entry(place).or_default())
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
        let mut shelf = self.read(partition, resource);
        Ok(wanted.into_iter().filter_map(|id| shelf.remove(id)).collect())
    }

    async fn by_keys(
        &self,
        partition: &Partition,
        resource: &str,
        keys: &[String],
    ) -> Result<Vec<Entry>, StoreError> {
        let wanted: BTreeSet<&String> = keys.iter().collect();
        let shelf = self.read(partition, resource);
        Ok(shelf.into_values().filter(|entry| wanted.contains(&entry.key)).collect())
    }

    async fn claim(
        &self,
        partition: &Partition,
        resource: &str,
        key: &str,
        proposed_id: &str,
    ) -> Result<Entry, StoreError> {
        self.write(partition, resource, |shelf| {
            if let Some(entry) = shelf.values().find(|entry| entry.key == key) {
                return Ok(entry.clone());
            }
            if shelf.contains_key(proposed_id) {
                return Err(StoreError::Corrupt(Box::new(IdTaken)));
            }
            let entry =
                Entry { id: proposed_id.to_owned(), key: key.to_owned(), ..Entry::default() };
            shelf.insert(entry.id.clone(), entry.clone());
            Ok(entry)
        })
    }

    async fn save(
        &self,
        partition: &Partition,
        resource: &str,
        entry: &Entry,
    ) -> Result<(), StoreError> {
        self.write(partition, resource, |shelf| {
            shelf.retain(|_, other| other.key != entry.key);
            shelf.insert(entry.id.clone(), entry.clone());
        });
        Ok(())
    }

    async fn remove(
        &self,
        partition: &Partition,
        resource: &str,
        id: &str,
    ) -> Result<(), StoreError> {
        self.write(partition, resource, |shelf| shelf.remove(id));
        Ok(())
    }

    async fn retired(
        &self,
        partition: &Partition,
        resource: &str,
    ) -> Result<Vec<Entry>, StoreError> {
        let shelf = self.read(partition, resource);
        Ok(shelf.into_values().filter(|entry| entry.state != EntryState::Live).collect())
    }
}

/// A proposed id belongs to the entry of another native key.
#[derive(Debug, thiserror::Error)]
#[error("the proposed id belongs to another native key")]
struct IdTaken;
