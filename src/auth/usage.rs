//! When a token was last used: noted on every call without a lock, and kept by the store at most
//! once an hour.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

use crate::auth::token::LAST_USE_INTERVAL;

/// Calls within this time of the last one that was noted are not noted: the cache line of a busy
/// token stays shared between the threads.
const GRAIN_SECONDS: i64 = 60;

const NEVER: i64 = i64::MIN;

/// The last use of one token, seconds since 1970.
#[derive(Debug)]
pub struct LastUse {
    seen: AtomicI64,
    kept: AtomicI64,
}

impl LastUse {
    /// As the store has it.
    pub fn new(kept: Option<Timestamp>) -> Self {
        let kept = kept.map_or(NEVER, Timestamp::as_second);
        Self { seen: AtomicI64::new(kept), kept: AtomicI64::new(kept) }
    }

    /// The token was used.
    pub fn note(&self, now: Timestamp) {
        let now = now.as_second();
        if now.saturating_sub(self.seen.load(Ordering::Relaxed)) >= GRAIN_SECONDS {
            self.seen.fetch_max(now, Ordering::Relaxed);
        }
    }

    /// What the store has by now, perhaps written by another process.
    pub fn learn(&self, kept: Option<Timestamp>) {
        let Some(kept) = kept.map(Timestamp::as_second) else { return };
        self.kept.fetch_max(kept, Ordering::Relaxed);
        self.seen.fetch_max(kept, Ordering::Relaxed);
    }

    /// The last use, as far as it is known here.
    pub fn latest(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.seen.load(Ordering::Relaxed)).ok()
    }

    /// The last use, if it is time for the store to learn it.
    pub fn due(&self) -> Option<Timestamp> {
        let seen = self.seen.load(Ordering::Relaxed);
        let since = seen.saturating_sub(self.kept.load(Ordering::Relaxed));
        (since >= LAST_USE_INTERVAL.as_secs()).then(|| self.latest()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::auth::usage::LastUse;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_first_use_is_due_at_once_and_the_next_after_an_hour() {
        let used = LastUse::new(None);
        assert_eq!((used.latest(), used.due()), (None, None));
        used.note(at(1000));
        assert_eq!(used.due(), Some(at(1000)));
        used.learn(Some(at(1000)));
        used.note(at(1000 + 3599));
        assert_eq!(used.due(), None);
        used.note(at(1000 + 3599 + 60));
        assert_eq!(used.due(), Some(at(4659)));
    }

    #[test]
    fn what_another_process_has_noted_counts() {
        let used = LastUse::new(Some(at(1000)));
        used.note(at(5000));
        used.learn(Some(at(4900)));
        assert_eq!((used.latest(), used.due()), (Some(at(5000)), None));
    }

    #[test]
    fn uses_within_a_minute_are_one() {
        let used = LastUse::new(None);
        used.note(at(1000));
        used.note(at(1059));
        assert_eq!(used.latest(), Some(at(1000)));
        used.note(at(1060));
        assert_eq!(used.latest(), Some(at(1060)));
    }
}
