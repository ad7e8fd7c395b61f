//! What goes on between the bridge and one application, as figures that operators can read.
//!
//! Whoever calls the application writes them, whoever shows metrics or readiness reads them.
//! Nothing of what is said is in them: counts and states alone.

use std::array;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// How an attempt to call the application ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome {
    /// An answer below 400.
    Success,
    /// An answer of 4xx other than 429.
    Refused,
    /// 429.
    Limited,
    /// An answer of 5xx.
    Failed,
    /// No connection could be made, or the host has no address.
    Unreachable,
    /// The connection broke.
    Interrupted,
    /// No answer in time.
    TimedOut,
    /// Not sent, because its turn would not have come in time.
    TurnedAway,
    /// Not sent, because the application is left alone for a while.
    LeftAlone,
    /// Anything else: an answer too large, a request that cannot be built.
    Unusable,
}

impl CallOutcome {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Success,
        Self::Refused,
        Self::Limited,
        Self::Failed,
        Self::Unreachable,
        Self::Interrupted,
        Self::TimedOut,
        Self::TurnedAway,
        Self::LeftAlone,
        Self::Unusable,
    ];

    /// Its name in metrics.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Refused => "refused",
            Self::Limited => "limited",
            Self::Failed => "failed",
            Self::Unreachable => "unreachable",
            Self::Interrupted => "interrupted",
            Self::TimedOut => "timed_out",
            Self::TurnedAway => "turned_away",
            Self::LeftAlone => "left_alone",
            Self::Unusable => "unusable",
        }
    }
}

/// Whether the application is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// It is.
    Closed,
    /// It has failed too often and is left alone for a while.
    Open,
    /// One call is on its way to see whether it is back.
    Probing,
}

impl BreakerState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::Probing];

    /// Its name in metrics and in readiness.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::Probing => "probing",
        }
    }
}

/// The figures of one tenant's application. Counters only grow.
#[derive(Debug)]
pub struct Traffic {
    outcomes: [AtomicU64; CallOutcome::ALL.len()],
    repeated: AtomicU64,
    shared: AtomicU64,
    breaker: AtomicU8,
    became: [AtomicU64; BreakerState::ALL.len()],
    in_flight: AtomicUsize,
    waiting: AtomicUsize,
    waits: AtomicU64,
    waited_micros: AtomicU64,
    /// Negative where nothing is limited.
    left: AtomicI64,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            outcomes: array::from_fn(|_| AtomicU64::new(0)),
            repeated: AtomicU64::new(0),
            shared: AtomicU64::new(0),
            breaker: AtomicU8::new(BreakerState::Closed as u8),
            became: array::from_fn(|_| AtomicU64::new(0)),
            in_flight: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            waits: AtomicU64::new(0),
            waited_micros: AtomicU64::new(0),
            left: AtomicI64::new(-1),
        }
    }
}

impl Traffic {
    /// Attempts that ended so.
    pub fn ended(&self, outcome: CallOutcome) -> u64 {
        self.outcomes.get(outcome as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Attempts that were repetitions of others.
    pub fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }

    /// Reads that were answered by the call of another one.
    pub fn shared(&self) -> u64 {
        self.shared.load(Ordering::Relaxed)
    }

    /// Whether the application is called.
    pub fn breaker(&self) -> BreakerState {
        let state = self.breaker.load(Ordering::Relaxed);
        let mut states = BreakerState::ALL.into_iter();
        states.find(|one| *one as u8 == state).unwrap_or(BreakerState::Closed)
    }

    /// How often the breaker came into a state.
    pub fn became(&self, state: BreakerState) -> u64 {
        self.became.get(state as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Calls under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Calls that wait for their turn.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How many calls have waited for their turn until now, and how long together.
    pub fn waits(&self) -> (u64, Duration) {
        let micros = self.waited_micros.load(Ordering::Relaxed);
        (self.waits.load(Ordering::Relaxed), Duration::from_micros(micros))
    }

    /// Calls that may begin at once, by the mapping's `rate` and by what the application says;
    /// `None` where neither limits them.
    pub fn budget_left(&self) -> Option<u64> {
        u64::try_from(self.left.load(Ordering::Relaxed)).ok()
    }

    /// Notes the end of an attempt.
    pub fn note(&self, outcome: CallOutcome) {
        if let Some(count) = self.outcomes.get(outcome as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes a repetition.
    pub fn note_repeated(&self) {
        self.repeated.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes a read that was answered by the call of another one.
    pub fn note_shared(&self) {
        self.shared.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes another state of the breaker.
    pub fn note_breaker(&self, state: BreakerState) {
        self.breaker.store(state as u8, Ordering::Relaxed);
        if let Some(count) = self.became.get(state as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes how full the way to the application is.
    pub fn note_queue(&self, in_flight: usize, waiting: usize, left: Option<u64>) {
        self.in_flight.store(in_flight, Ordering::Relaxed);
        self.waiting.store(waiting, Ordering::Relaxed);
        let left = left.map_or(-1, |left| i64::try_from(left).unwrap_or(i64::MAX));
        self.left.store(left, Ordering::Relaxed);
    }

    /// Notes the end of a wait.
    pub fn note_wait(&self, waited: Duration) {
        self.waits.fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        self.waited_micros.fetch_add(micros, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::exchange::traffic::{BreakerState, CallOutcome, Traffic};

    #[test]
    fn every_outcome_and_state_has_a_place_of_its_own() {
        let traffic = Traffic::default();
        for (times, outcome) in CallOutcome::ALL.into_iter().enumerate() {
            (0..times).for_each(|_| traffic.note(outcome));
        }
        let counts = CallOutcome::ALL.map(|outcome| traffic.ended(outcome));
        assert_eq!(counts, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(traffic.breaker(), BreakerState::Closed);
        for state in BreakerState::ALL {
            traffic.note_breaker(state);
            assert_eq!((traffic.breaker(), traffic.became(state)), (state, 1));
        }
    }

    #[test]
    fn queues_and_budgets() {
        let traffic = Traffic::default();
        assert_eq!(traffic.budget_left(), None);
        traffic.note_queue(3, 2, Some(0));
        assert_eq!((traffic.in_flight(), traffic.waiting()), (3, 2));
        assert_eq!(traffic.budget_left(), Some(0));
        traffic.note_queue(0, 0, None);
        assert_eq!(traffic.budget_left(), None);
        traffic.note_wait(Duration::from_millis(3));
        traffic.note_wait(Duration::from_millis(4));
        assert_eq!(traffic.waits(), (2, Duration::from_millis(7)));
    }
}
