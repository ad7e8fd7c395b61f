//! Who may go: at most so many calls at a time, and at most so many begun in a stretch of time.
//!
//! Calls go in the order in which they came. One whose turn would come after its time is turned
//! away at once, and told when to come again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

use crate::mapping::access::Rate;

/// The way to the application.
pub(crate) struct Gate {
    permits: Semaphore,
    limit: Option<Limit>,
}

/// The call would have to wait beyond its time: come again after this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full(pub(crate) Duration);

impl Gate {
    /// A gate for so many calls at a time.
    pub(crate) fn new(concurrency: usize, rate: Option<Rate>) -> Self {
        let permits = Semaphore::new(concurrency.clamp(1, Semaphore::MAX_PERMITS));
        Self { permits, limit: rate.map(Limit::new) }
    }

    /// Waits for a turn, which lasts as long as the permit is kept.
    pub(crate) async fn pass(
        &self,
        deadline: Instant,
    ) -> Result<Option<SemaphorePermit<'_>>, Full> {
        let waiting = self.limit.as_ref().map(|limit| limit.queue(deadline)).transpose()?;
        // Nobody closes the semaphore.
        let permit = self.permits.acquire().await.ok();
        if let Some(waiting) = waiting {
            sleep_until(waiting.book(deadline)?).await;
        }
        Ok(permit)
    }
}

/// A limit of calls begun.
struct Limit {
    rate: Rate,
    /// When the last calls began or will begin, in order; never more than `rate.most`.
    begun: Mutex<VecDeque<Instant>>,
    /// Calls that have no time yet.
    waiting: AtomicUsize,
}

/// A call that has no time yet.
struct Waiting<'l>(&'l Limit);

impl Limit {
    fn new(rate: Rate) -> Self {
        Self { rate, begun: Mutex::default(), waiting: AtomicUsize::new(0) }
    }

    fn queue(&self, deadline: Instant) -> Result<Waiting<'_>, Full> {
        let ahead = self.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting(self);
        let now = Instant::now();
        in_time(self.turn(&self.begun(), ahead, now), now, deadline).map(|_| waiting)
    }

    /// When a call may begin that has so many ahead of it.
    fn turn(&self, begun: &VecDeque<Instant>, ahead: usize, now: Instant) -> Instant {
        let place = begun.len().saturating_add(ahead);
        let rounds = place.checked_div(self.rate.most).unwrap_or(0);
        let Some(further) = rounds.checked_sub(1) else {
            return now;
        };
        let first = place.checked_rem(self.rate.most).and_then(|place| begun.get(place));
        let first = first.map_or(now, |first| *first + self.rate.per).max(now);
        let further = self.rate.per.saturating_mul(u32::try_from(further).unwrap_or(u32::MAX));
        first.checked_add(further).unwrap_or(first)
    }

    fn begun(&self) -> MutexGuard<'_, VecDeque<Instant>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting<'_> {
    /// When this call may begin.
    fn book(self, deadline: Instant) -> Result<Instant, Full> {
        let mut begun = self.0.begun();
        let now = Instant::now();
        let turn = in_time(self.0.turn(&begun, 0, now), now, deadline)?;
        begun.push_back(turn);
        if begun.len() > self.0.rate.most {
            begun.pop_front();
        }
        Ok(turn)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

fn in_time(turn: Instant, now: Instant, deadline: Instant) -> Result<Instant, Full> {
    if turn < deadline { Ok(turn) } else { Err(Full(turn.saturating_duration_since(now))) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio::time::Instant;

    use crate::mapping::access::Rate;
    use crate::upstream::gate::{Gate, Limit};

    const HOUR: Duration = Duration::from_hours(1);

    fn rate(most: usize) -> Rate {
        Rate { most, per: HOUR }
    }

    #[tokio::test]
    async fn so_many_begin_and_no_more() {
        let gate = Gate::new(8, Some(rate(3)));
        let soon = Instant::now() + Duration::from_mins(1);
        for _ in 0..3 {
            assert!(gate.pass(soon).await.is_ok());
        }
        for _ in 0..3 {
            let full = gate.pass(soon).await.unwrap_err();
            assert!(full.0 > Duration::from_mins(59) && full.0 <= HOUR, "{full:?}");
        }
        assert!(Gate::new(1, None).pass(soon).await.is_ok());
    }

    #[tokio::test]
    async fn those_who_wait_are_counted() {
        let limit = Limit::new(rate(2));
        let now = Instant::now();
        let late = now + 10 * HOUR;
        let waiting: Vec<_> =
            (0..5).map(|_| limit.queue(late).unwrap_or_else(|_| unreachable!())).collect();
        assert!(limit.turn(&limit.begun(), 5, now) >= now + HOUR);
        assert!(limit.queue(now + HOUR / 2).is_err(), "two go now and two in an hour");
        let turns: Vec<_> = waiting.into_iter().map(|one| one.book(late).unwrap()).collect();
        assert!(turns[1] < now + HOUR && turns[2] >= now + HOUR && turns[4] >= now + 2 * HOUR);
        assert_eq!(limit.waiting.load(std::sync::atomic::Ordering::Relaxed), 0);
        assert_eq!(limit.begun().len(), 2);
    }

    proptest! {
        #[test]
        fn no_stretch_of_time_has_more(most in 1_usize..5, pauses in prop::collection::vec(0_u64..90, 0..40)) {
            let limit = Limit::new(Rate { most, per: Duration::from_mins(1) });
            let mut now = Instant::now();
            let mut turns: Vec<Instant> = Vec::new();
            for pause in pauses {
                now += Duration::from_secs(pause);
                let turn = limit.turn(&limit.begun(), 0, now);
                prop_assert!(turn >= now && turns.last().is_none_or(|last| *last <= turn));
                let mut begun = limit.begun();
                begun.push_back(turn);
                if begun.len() > most {
                    begun.pop_front();
                }
                turns.push(turn);
            }
            for window in turns.windows(most + 1) {
                prop_assert!(window[most] - window[0] >= Duration::from_mins(1));
            }
        }
    }
}
