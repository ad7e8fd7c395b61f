//! The time of a call: what the call itself may take, and what is left of the SCIM request that it
//! is made for. Waiting for a turn is counted to the latter alone, so that a burst is absorbed and
//! not refused.

use std::time::Duration;

use tokio::time::Instant;

/// The time of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Time {
    until: Instant,
    latest: Instant,
}

impl Time {
    /// So much for the call, which is over by `latest` however long it has waited.
    pub(crate) fn new(call: Duration, latest: Instant) -> Self {
        Self { until: latest.min(Instant::now() + call), latest }
    }

    /// A call that must be over by then.
    pub(crate) fn by(until: Instant) -> Self {
        Self { until, latest: until }
    }

    /// When the call must be over.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    /// When its turn must have come.
    pub(crate) fn latest(&self) -> Instant {
        self.latest
    }

    /// What is left for the call.
    pub(crate) fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Leaves out the time for which the call has waited for its turn.
    pub(crate) fn waited(&mut self, waited: Duration) {
        self.until = (self.until + waited).min(self.latest);
    }
}
