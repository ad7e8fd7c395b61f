//! A side-car that tells what was written to it.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::sidecar::entry::{Entry, Partition, RetiredCount, RetiredPage};
use crate::sidecar::port::{Sidecar, StoreError};

/// One change of the side-car.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    /// An id was issued for a native key.
    Issued {
        /// The resource type.
        resource: String,
        /// The native key.
        key: String,
        /// The id.
        id: String,
    },
    /// An entry was written.
    Kept {
        /// The resource type.
        resource: String,
        /// What it says now.
        entry: Entry,
    },
    /// An entry was forgotten.
    Forgotten {
        /// The resource type.
        resource: String,
        /// The id.
        id: String,
    },
}

/// A side-car in front of another one.
pub struct NotedSidecar {
    inner: Arc<dyn Sidecar>,
    notes: Mutex<Vec<Note>>,
}

impl NotedSidecar {
    /// Notes what is written to `inner`.
    pub fn new(inner: Arc<dyn Sidecar>) -> Self {
        Self { inner, notes: Mutex::default() }
    }

    /// What was written until now.
    pub fn notes(&self) -> Vec<Note> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, note: Note) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(note);
    }
}

#[async_trait]
impl Sidecar for NotedSidecar {
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
        let known = self.inner.by_keys(partition, resource, &[key.to_owned()]).await?;
        let entry = self.inner.claim(partition, resource, key, proposed_id).await?;
        if known.is_empty() {
            let (resource, key) = (resource.to_owned(), key.to_owned());
            self.note(Note::Issued { resource, key, id: entry.id.clone() });
        }
        Ok(entry)
    }

    async fn save(
        &self,
        partition: &Partition,
        resource: &str,
        entry: &Entry,
    ) -> Result<(), StoreError> {
        self.inner.save(partition, resource, entry).await?;
        self.note(Note::Kept { resource: resource.to_owned(), entry: entry.clone() });
        Ok(())
    }

    async fn remove(
        &self,
        partition: &Partition,
        resource: &str,
        id: &str,
    ) -> Result<(), StoreError> {
        let known = self.inner.by_ids(partition, resource, &[id.to_owned()]).await?;
        self.inner.remove(partition, resource, id).await?;
        if !known.is_empty() {
            self.note(Note::Forgotten { resource: resource.to_owned(), id: id.to_owned() });
        }
        Ok(())
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
        self.inner.count_retired(partition, resource).await
    }
}
