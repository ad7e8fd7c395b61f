//! The port: what any store of counts can do.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::guard::rule::Kind;
use crate::sidecar::port::StoreError;

/// A store of counts, shared by all processes of an installation. Every method may be called
/// concurrently.
#[async_trait]
pub trait GuardStore: Send + Sync {
    /// Counts a resource that is about to be deactivated or deleted, unless it has been counted
    /// since `use_.since` already. Once more than `most` would be counted the guard trips, and
    /// admits nothing new until it is released.
    async fn count(&self, use_: &Use<'_>) -> Result<Verdict, StoreError>;

    /// The guards that have tripped, by tenant and kind.
    async fn tripped(&self) -> Result<Vec<Trip>, StoreError>;

    /// Releases a guard and begins to count anew; says whether it had tripped.
    async fn release(&self, tenant: &str, kind: Kind) -> Result<bool, StoreError>;
}

/// Something that is about to happen.
#[derive(Debug, Clone, Copy)]
pub struct Use<'a> {
    /// The tenant's name.
    pub tenant: &'a str,
    /// What it is.
    pub kind: Kind,
    /// The resource type.
    pub resource: &'a str,
    /// The SCIM id.
    pub id: &'a str,
    /// Now.
    pub at: Timestamp,
    /// Since when it counts.
    pub since: Timestamp,
    /// Most different resources since then.
    pub most: u32,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may happen.
    Admitted,
    /// This one was too many.
    Trips,
    /// It had been too many before.
    Tripped,
}

/// A guard that has tripped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trip {
    /// The tenant's name.
    pub tenant: String,
    /// What was too many.
    pub kind: Kind,
    /// When.
    pub at: Timestamp,
}
