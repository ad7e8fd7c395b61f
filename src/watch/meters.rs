//! The counters of one tenant. Whoever serves a request holds them ready: adding looks nothing up
//! and waits for nobody.

use std::sync::OnceLock;
use std::time::Duration;

use crate::watch::meter::{CALLS, Counter, Histogram, Level, Reading, SECONDS};
use crate::watch::operation::{Operation, Outcome};

/// HTTP methods of native calls, as labels.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// Everything counted for one tenant by those who serve it.
#[derive(Debug, Default)]
pub struct Meters {
    /// Requests being answered.
    pub in_flight: Level,
    /// Requests without a token that opens the tenant.
    pub refused_callers: Counter,
    /// Repeated native calls.
    pub retries: Counter,
    requests: [[Lazy; Outcome::ALL.len()]; Operation::ALL.len()],
    calls: [Lazy; Operation::ALL.len()],
    native: [[Lazy; Outcome::ALL.len()]; METHODS.len()],
    passed: [Lazy; Outcome::ALL.len()],
}

/// A histogram that takes no room before it is needed.
#[derive(Debug, Default)]
struct Lazy(OnceLock<Histogram>);

impl Meters {
    /// Counts an answered request and the native calls that it caused.
    pub fn answered(&self, operation: Operation, outcome: Outcome, time: Duration, calls: u32) {
        let lane = self.requests.get(operation.index());
        if let Some(Lazy(lazy)) = lane.and_then(|lane| lane.get(outcome.index())) {
            lazy.get_or_init(|| Histogram::new(&SECONDS)).observe(time);
        }
        if let Some(Lazy(lazy)) = self.calls.get(operation.index()) {
            lazy.get_or_init(|| Histogram::new(&CALLS)).add(u64::from(calls));
        }
    }

    /// Counts one attempt of a native call; other methods than the mapping language's are not
    /// counted.
    pub fn called(&self, method: &str, outcome: Outcome, time: Duration) {
        let place = METHODS.iter().position(|known| *known == method);
        let lane = place.and_then(|place| self.native.get(place));
        if let Some(Lazy(lazy)) = lane.and_then(|lane| lane.get(outcome.index())) {
            lazy.get_or_init(|| Histogram::new(&SECONDS)).observe(time);
        }
    }

    /// Counts a request that was not SCIM and went through to the application.
    pub fn passed(&self, outcome: Outcome, time: Duration) {
        if let Some(Lazy(lazy)) = self.passed.get(outcome.index()) {
            lazy.get_or_init(|| Histogram::new(&SECONDS)).observe(time);
        }
    }

    /// How long requests took, by operation and outcome; those that occurred.
    pub fn requests(&self) -> impl Iterator<Item = (&'static str, &'static str, Reading)> {
        Operation::ALL.iter().zip(&self.requests).flat_map(|(operation, lane)| {
            let known = Outcome::ALL.iter().zip(lane).filter_map(|(outcome, lazy)| {
                Some((operation.keyword(), outcome.keyword(), lazy.0.get()?.read()))
            });
            known.collect::<Vec<_>>()
        })
    }

    /// How many native calls requests caused, by operation; those that occurred.
    pub fn calls(&self) -> impl Iterator<Item = (&'static str, Reading)> {
        let all = Operation::ALL.iter().zip(&self.calls);
        all.filter_map(|(operation, lazy)| Some((operation.keyword(), lazy.0.get()?.read())))
    }

    /// How long requests took that went through, by outcome; those that occurred.
    pub fn passings(&self) -> impl Iterator<Item = (&'static str, Reading)> {
        let all = Outcome::ALL.iter().zip(&self.passed);
        all.filter_map(|(outcome, lazy)| Some((outcome.keyword(), lazy.0.get()?.read())))
    }

    /// How long native calls took, by method and outcome; those that occurred.
    pub fn native(&self) -> impl Iterator<Item = (&'static str, &'static str, Reading)> {
        METHODS.iter().zip(&self.native).flat_map(|(method, lane)| {
            let known = Outcome::ALL.iter().zip(lane).filter_map(|(outcome, lazy)| {
                Some((*method, outcome.keyword(), lazy.0.get()?.read()))
            });
            known.collect::<Vec<_>>()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::watch::meters::Meters;
    use crate::watch::operation::{Operation, Outcome};

    #[test]
    fn each_combination_has_its_own() {
        let meters = Meters::default();
        meters.answered(Operation::Patch, Outcome::Success, Duration::from_millis(3), 2);
        meters.answered(Operation::Patch, Outcome::Throttled, Duration::from_millis(3), 0);
        meters.called("GET", Outcome::Success, Duration::from_millis(1));
        meters.called("BREW", Outcome::Success, Duration::from_millis(1));
        let requests: Vec<_> =
            meters.requests().map(|(one, two, it)| (one, two, it.count)).collect();
        assert_eq!(requests, [("patch", "success", 1), ("patch", "throttled", 1)]);
        let calls: Vec<_> = meters.calls().map(|(one, it)| (one, it.count, it.sum)).collect();
        assert_eq!(calls, [("patch", 2, 2.0)]);
        let native: Vec<_> = meters.native().map(|(one, two, it)| (one, two, it.count)).collect();
        assert_eq!(native, [("GET", "success", 1)]);
    }
}
