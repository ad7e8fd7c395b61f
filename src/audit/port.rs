//! The port: what any store of events can do.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::audit::event::{Event, Operation};
use crate::sidecar::port::StoreError;

/// A store of events. Every method may be called concurrently.
///
/// An *instance* is one run of a bridge. What it has begun belongs to it until it ends it, or
/// until somebody else finds that the instance is gone.
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// Keeps what begins and what has ended, durably and in one step: all of it or nothing. What
    /// ends is begun no longer, whether it had been or not.
    async fn record(
        &self,
        instance: &str,
        begun: &[Begun],
        ended: &[Ended],
    ) -> Result<(), StoreError>;

    /// The events that a search is for, in its order.
    async fn search(&self, search: &Search) -> Result<Vec<Recorded>, StoreError>;

    /// Forgets events from before an instant, the ones kept longest first and at most as many;
    /// says how many.
    async fn prune(&self, before: Timestamp, most: usize) -> Result<usize, StoreError>;

    /// Shows that an instance lives, and gives all others that are known or have begun something.
    async fn beat(&self, instance: &Instance) -> Result<Vec<Instance>, StoreError>;

    /// Ends what an instance has begun, as interrupted, and forgets the instance; says how much
    /// it was. Two callers end it once.
    async fn recover(&self, instance: &str) -> Result<usize, StoreError>;
}

/// An operation whose native writes may be sent from now on.
#[derive(Debug, Clone, PartialEq)]
pub struct Begun {
    /// Unique within the instance.
    pub sequence: i64,
    /// The event as it will be if nobody ever ends it.
    pub event: Event,
}

/// An operation that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// Under which number it had begun, if it had.
    pub sequence: Option<i64>,
    /// The event.
    pub event: Event,
}

/// An event and its place in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Grows with every event that is over.
    pub number: i64,
    /// The event.
    pub event: Event,
}

/// One run of a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Unique.
    pub id: String,
    /// Grows while it lives.
    pub beats: i64,
    /// What the operating system knows the process by, where that can be told; else empty.
    pub process: String,
}

/// Which events are looked for. An empty search is for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Only of this tenant.
    pub tenant: Option<String>,
    /// Only begun at this instant or later.
    pub since: Option<Timestamp>,
    /// Only begun before this instant.
    pub until: Option<Timestamp>,
    /// Only of this operation.
    pub operation: Option<Operation>,
    /// Only of this resource type.
    pub resource: Option<String>,
    /// Only of this resource.
    pub resource_id: Option<String>,
    /// Only of this token label.
    pub token: Option<String>,
    /// Only of this request, or of a bulk request's operations.
    pub request_id: Option<String>,
    /// Only those that ended so.
    pub ending: Ending,
    /// Only behind this place, in the search's order.
    pub beyond: Option<i64>,
    /// Which come first.
    pub order: Order,
    /// Most events.
    pub most: usize,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            tenant: None,
            since: None,
            until: None,
            operation: None,
            resource: None,
            resource_id: None,
            token: None,
            request_id: None,
            ending: Ending::Any,
            beyond: None,
            order: Order::OldestFirst,
            most: 1000,
        }
    }
}

/// How the events that are looked for have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// However.
    Any,
    /// With an error, or not at all.
    Failed,
    /// Not at all.
    Interrupted,
}

/// Which events come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Those that ended first.
    OldestFirst,
    /// Those that ended last.
    NewestFirst,
}
