//! Locks by resource: what is read, changed and written is held meanwhile, in this process and,
//! where the store is shared by replicas, in all of them.
//!
//! In the process the locks are striped: two resources may share one, one never has two. Behind a
//! stripe comes the lock that replicas share, of the very resource; so at most one caller of a
//! stripe waits for other processes. All callers take both in the same order, so no two wait for
//! each other.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, MutexGuard};

use crate::exchange::error::ExchangeError;
use crate::sidecar::port::StoreError;

/// The port: locks that all processes with one store share.
#[async_trait]
pub trait SharedLocks: Send + Sync {
    /// Waits, not for ever, until nobody else in any process holds this lock. It is held until
    /// what is returned is dropped, or the process ends.
    async fn take(&self, lock: i64) -> Result<Box<dyn SharedHold>, LockError>;
}

/// A shared lock that is held.
pub trait SharedHold: Send + Sync {}

/// A lock is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it for too long.
    #[error("somebody else holds the lock for too long")]
    Busy,
    /// There is nobody to ask.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<LockError> for ExchangeError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Busy => Self::Busy,
            LockError::Store(error) => Self::Store(error),
        }
    }
}

/// The locks of one tenant.
///
/// What is kept of resources that have left has locks of its own: a change of a group holds the
/// group's lock while it writes into them, and both may fall on one stripe. So have members whose
/// own records are read and written to change a group.
pub struct Locks {
    resources: Stripes,
    members: Stripes,
    kept: Stripes,
    values: Stripes,
    shared: Option<Shared>,
}

struct Shared {
    tenant: String,
    locks: Arc<dyn SharedLocks>,
}

/// What is held until it is dropped.
pub struct Held<'l> {
    shared: Vec<Box<dyn SharedHold>>,
    stripes: Vec<MutexGuard<'l, ()>>,
}

const STRIPES: usize = 64;

type Stripes = Box<[Mutex<()>; STRIPES]>;

impl Default for Locks {
    /// Locks of this process alone.
    fn default() -> Self {
        let stripes = || Box::new(std::array::from_fn(|_| Mutex::new(())));
        let (resources, members) = (stripes(), stripes());
        Self { resources, members, kept: stripes(), values: stripes(), shared: None }
    }
}

impl Locks {
    /// Locks that hold in all processes which share these, too.
    pub fn shared(tenant: &str, locks: Arc<dyn SharedLocks>) -> Self {
        let shared = Some(Shared { tenant: tenant.to_owned(), locks });
        Self { shared, ..Self::default() }
    }

    /// Waits until nobody else changes this resource.
    pub async fn hold(&self, resource: &str, id: &str) -> Result<Held<'_>, LockError> {
        self.take(Kind::Resource, resource, [id.to_owned()]).await
    }

    /// Waits until nobody else changes a membership of this member.
    pub async fn hold_member(&self, resource: &str, member: &str) -> Result<Held<'_>, LockError> {
        self.take(Kind::Member, resource, [member.to_owned()]).await
    }

    /// Waits until nobody else changes what is kept of this resource.
    pub async fn hold_kept(&self, resource: &str, id: &str) -> Result<Held<'_>, LockError> {
        self.take(Kind::Kept, resource, [id.to_owned()]).await
    }

    /// Waits until nobody else writes one of these values.
    pub async fn hold_values(
        &self,
        resource: &str,
        values: impl IntoIterator<Item = String>,
    ) -> Result<Held<'_>, LockError> {
        self.take(Kind::Value, resource, values).await
    }

    async fn take(
        &self,
        kind: Kind,
        resource: &str,
        names: impl IntoIterator<Item = String>,
    ) -> Result<Held<'_>, LockError> {
        // By stripe, then by name: always in the same order, so that no two wait for each other.
        let names: BTreeSet<(usize, String)> =
            names.into_iter().map(|name| (number(resource, &name), name)).collect();
        let mut held = Held { shared: Vec::new(), stripes: Vec::new() };
        let mut last = None;
        for (number, name) in names {
            if last != Some(number)
                && let Some(stripe) = self.stripes(kind).get(number)
            {
                held.stripes.push(stripe.lock().await);
                last = Some(number);
            }
            if let Some(shared) = &self.shared {
                let lock = shared.lock(kind, resource, &name);
                held.shared.push(shared.locks.take(lock).await?);
            }
        }
        Ok(held)
    }

    fn stripes(&self, kind: Kind) -> &Stripes {
        match kind {
            Kind::Resource => &self.resources,
            Kind::Member => &self.members,
            Kind::Kept => &self.kept,
            Kind::Value => &self.values,
        }
    }
}

/// What a lock is about.
#[derive(Clone, Copy)]
enum Kind {
    Resource,
    Member,
    Kept,
    Value,
}

impl Shared {
    /// The lock's number, the same in every process and version. Two that fall together only wait
    /// for each other.
    fn lock(&self, kind: Kind, resource: &str, name: &str) -> i64 {
        let kind = match kind {
            Kind::Resource => "resource",
            Kind::Member => "member",
            Kind::Kept => "kept",
            Kind::Value => "value",
        };
        let mut hasher = Sha256::new();
        for part in [kind, &self.tenant, resource, name] {
            hasher.update(part.len().to_be_bytes());
            hasher.update(part);
        }
        let digest: [u8; 32] = hasher.finalize().into();
        digest.first_chunk().map_or(0, |front| i64::from_be_bytes(*front))
    }
}

fn number(resource: &str, name: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    (resource, name).hash(&mut hasher);
    usize::try_from(hasher.finish() % STRIPES as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use async_trait::async_trait;

    use crate::exchange::locks::{LockError, Locks, SharedHold, SharedLocks};

    /// Writes down which locks are asked for.
    #[derive(Default)]
    struct Listening(Mutex<Vec<i64>>);

    struct Nothing;

    impl SharedHold for Nothing {}

    #[async_trait]
    impl SharedLocks for Listening {
        async fn take(&self, lock: i64) -> Result<Box<dyn SharedHold>, LockError> {
            self.0.lock().unwrap().push(lock);
            Ok(Box::new(Nothing))
        }
    }

    async fn asked(tenant: &str, values: &[&str]) -> Vec<i64> {
        let listening = Arc::new(Listening::default());
        let locks = Locks::shared(tenant, listening.clone());
        let values = values.iter().map(|value| (*value).to_owned());
        drop(locks.hold_values("User", values).await.unwrap());
        let mut asked = listening.0.lock().unwrap();
        std::mem::take(&mut *asked)
    }

    #[tokio::test]
    async fn several_locks_are_taken_in_one_order_by_everybody() {
        let values: Vec<String> = (0..200).map(|number| format!("value {number}")).collect();
        let mut values: Vec<&str> = values.iter().map(String::as_str).collect();
        let one = asked("acme", &values).await;
        values.reverse();
        assert_eq!(asked("acme", &values).await, one);
        assert_eq!(one.len(), 200);
    }

    #[tokio::test]
    async fn kinds_tenants_and_types_have_locks_of_their_own() {
        let mut all = asked("acme", &["1"]).await;
        all.extend(asked("globex", &["1"]).await);
        let listening = Arc::new(Listening::default());
        let locks = Locks::shared("acme", listening.clone());
        drop(locks.hold("User", "1").await.unwrap());
        drop(locks.hold("Group", "1").await.unwrap());
        drop(locks.hold_member("User", "1").await.unwrap());
        drop(locks.hold_kept("User", "1").await.unwrap());
        all.extend(listening.0.lock().unwrap().iter());
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 6);
    }
}
