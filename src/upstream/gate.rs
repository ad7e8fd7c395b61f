//! Who may go: at most so many calls at a time, at most so many begun in a stretch of time, and
//! no more than the application itself says it will take.
//!
//! Calls that have to wait stand in one line. A call that is less urgent lets those go first that
//! come within a while after it, and nobody after that, so that no one waits for ever. A call
//! whose turn would come after its time is turned away at once, and told when to come again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::exchange::traffic::Traffic;
use crate::mapping::access::Rate;
use crate::native::message::Urgency;
use crate::upstream::allowance::Told;

/// Most calls in the line.
const MOST_WAITING: usize = 1000;

/// For no longer than this is nothing sent because the application once said so: it may have
/// erred, and the next answer says it again.
const LONGEST_HOLD: Duration = Duration::from_mins(5);

/// How long after a call others may come that go before it.
fn gives_way(urgency: Urgency) -> Duration {
    match urgency {
        Urgency::Ahead => Duration::ZERO,
        Urgency::Usual => Duration::from_secs(1),
        Urgency::Behind => Duration::from_secs(5),
    }
}

/// The way to the application.
pub(crate) struct Gate {
    most: usize,
    rate: Option<Rate>,
    state: Mutex<State>,
    traffic: Arc<Traffic>,
}

/// The call has no turn in its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// The budget is spent: there is a turn after this long.
    Budget(Duration),
    /// Too many calls are under way.
    Crowded,
}

#[derive(Default)]
struct State {
    in_flight: usize,
    /// When the last calls began, in order; never more than the rate's `most`.
    begun: VecDeque<Instant>,
    /// How many calls the application will still take, and until when that holds.
    allowance: Option<(u64, Instant)>,
    /// Nothing begins before.
    held_until: Option<Instant>,
    /// Who waits, the next one first.
    line: BTreeMap<Place, Arc<Notify>>,
    /// Tells apart who came at the same time.
    arrivals: u64,
}

/// A place in the line: from when on nobody goes before, and who came first.
type Place = (Instant, u64);

/// When the next call may begin.
#[derive(Debug, PartialEq, Eq)]
enum Opening {
    /// Now, or then.
    At(Instant),
    /// When a call under way ends.
    WhenFree,
}

/// A turn; it lasts until this is dropped.
pub(crate) struct Permit<'g>(&'g Gate);

/// A call in the line; dropping it leaves the line.
struct Waiting<'g> {
    gate: &'g Gate,
    place: Place,
    called: Arc<Notify>,
}

impl Gate {
    /// A gate for so many calls at a time.
    pub(crate) fn new(concurrency: usize, rate: Option<Rate>, traffic: Arc<Traffic>) -> Self {
        let state = State::default();
        traffic.note_queue(0, 0, state.left(rate, Instant::now()));
        Self { most: concurrency.max(1), rate, state: Mutex::new(state), traffic }
    }

    /// Waits for a turn until `latest`.
    pub(crate) async fn pass(&self, urgency: Urgency, latest: Instant) -> Result<Permit<'_>, Full> {
        let arrived = Instant::now();
        let waiting = {
            let mut state = self.state();
            if state.line.is_empty() && state.opening(self, arrived) == Opening::At(arrived) {
                return Ok(self.begin(&mut state, arrived));
            }
            self.queue(&mut state, urgency, arrived, latest)?
        };
        let turn = waiting.turn(latest).await;
        self.traffic.note_wait(arrived.elapsed());
        turn
    }

    /// What an answer tells of the application's own budget, which is one for all calls.
    pub(crate) fn heed(&self, told: Told) {
        let now = Instant::now();
        let until = now + told.reset.min(LONGEST_HOLD);
        let mut state = self.state();
        // Calls that are under way may not be counted in it yet. Whoever reports is one of them.
        let others = u64::try_from(state.in_flight.saturating_sub(1)).unwrap_or(u64::MAX);
        state.allowance = Some((told.left.saturating_sub(others), until));
        self.note(&state, now);
        state.wake();
    }

    /// Nothing more begins for so long.
    pub(crate) fn hold(&self, pause: Duration) {
        let now = Instant::now();
        let mut state = self.state();
        state.held_until = state.held_until.max(Some(now + pause.min(LONGEST_HOLD)));
        self.note(&state, now);
    }

    fn queue(
        &self,
        state: &mut State,
        urgency: Urgency,
        now: Instant,
        latest: Instant,
    ) -> Result<Waiting<'_>, Full> {
        if state.line.len() >= MOST_WAITING {
            return Err(Full::Crowded);
        }
        let place = (now + gives_way(urgency), state.arrivals);
        let ahead = state.line.range(..place).count();
        let turn = state.turn(self.rate, ahead, now);
        if turn >= latest {
            return Err(Full::Budget(turn.saturating_duration_since(now)));
        }
        state.arrivals += 1;
        let called = Arc::new(Notify::new());
        state.line.insert(place, Arc::clone(&called));
        self.note(state, now);
        Ok(Waiting { gate: self, place, called })
    }

    fn begin(&self, state: &mut State, now: Instant) -> Permit<'_> {
        state.in_flight += 1;
        if let Some(rate) = self.rate {
            state.begun.push_back(now);
            if state.begun.len() > rate.most {
                state.begun.pop_front();
            }
        }
        if let Some((left, _)) = &mut state.allowance {
            *left = left.saturating_sub(1);
        }
        self.note(state, now);
        Permit(self)
    }

    fn note(&self, state: &State, now: Instant) {
        self.traffic.note_queue(state.in_flight, state.line.len(), state.left(self.rate, now));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Has the first in the line look whether it may go.
    fn wake(&self) {
        if let Some((_, called)) = self.line.first_key_value() {
            called.notify_one();
        }
    }

    fn opening(&self, gate: &Gate, now: Instant) -> Opening {
        if self.in_flight >= gate.most {
            Opening::WhenFree
        } else {
            Opening::At(self.turn(gate.rate, 0, now))
        }
    }

    /// When a call may begin, as far as budgets go, that has so many ahead of it.
    fn turn(&self, rate: Option<Rate>, ahead: usize, now: Instant) -> Instant {
        let mut turn = now.max(self.held_until.unwrap_or(now));
        if let Some((left, until)) = self.allowance
            && u64::try_from(ahead).is_ok_and(|ahead| ahead >= left)
        {
            turn = turn.max(until);
        }
        rate.map_or(turn, |rate| turn.max(self.rated(rate, ahead, now)))
    }

    fn rated(&self, rate: Rate, ahead: usize, now: Instant) -> Instant {
        let place = self.begun.len().saturating_add(ahead);
        let rounds = place.checked_div(rate.most).unwrap_or(0);
        let Some(further) = rounds.checked_sub(1) else {
            return now;
        };
        let first = place.checked_rem(rate.most).and_then(|place| self.begun.get(place));
        let first = first.map_or(now, |first| *first + rate.per).max(now);
        let further = rate.per.saturating_mul(u32::try_from(further).unwrap_or(u32::MAX));
        first.checked_add(further).unwrap_or(first)
    }

    /// How many calls could begin now, were it not for those under way.
    fn left(&self, rate: Option<Rate>, now: Instant) -> Option<u64> {
        if self.held_until.is_some_and(|until| until > now) {
            return Some(0);
        }
        let by_rate = rate.map(|rate| {
            // In the order in which they began.
            let old = self.begun.partition_point(|begun| *begun + rate.per <= now);
            let recent = self.begun.len() - old;
            u64::try_from(rate.most.saturating_sub(recent)).unwrap_or(u64::MAX)
        });
        let told = self.allowance.filter(|(_, until)| *until > now).map(|(left, _)| left);
        by_rate.into_iter().chain(told).min()
    }
}

impl<'g> Waiting<'g> {
    async fn turn(self, latest: Instant) -> Result<Permit<'g>, Full> {
        loop {
            let now = Instant::now();
            let look_again = {
                let mut state = self.gate.state();
                let opening = state.opening(self.gate, now);
                let is_first =
                    state.line.first_key_value().is_some_and(|(it, _)| *it == self.place);
                match opening {
                    Opening::At(turn) if is_first && turn <= now => {
                        state.line.remove(&self.place);
                        return Ok(self.gate.begin(&mut state, now));
                    }
                    Opening::At(turn) if now >= latest => {
                        return Err(match turn.saturating_duration_since(now) {
                            Duration::ZERO => Full::Crowded,
                            wait => Full::Budget(wait),
                        });
                    }
                    Opening::WhenFree if now >= latest => return Err(Full::Crowded),
                    Opening::At(turn) if is_first => turn.min(latest),
                    Opening::At(_) | Opening::WhenFree => latest,
                }
            };
            tokio::select! {
                () = self.called.notified() => {}
                () = sleep_until(look_again) => {}
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        state.line.remove(&self.place);
        self.gate.note(&state, Instant::now());
        // The next one may have a turn as well, or is the first only now.
        state.wake();
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.in_flight = state.in_flight.saturating_sub(1);
        self.0.note(&state, Instant::now());
        state.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::Mutex;
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio::time::Instant;

    use crate::exchange::traffic::Traffic;
    use crate::mapping::access::Rate;
    use crate::native::message::Urgency;
    use crate::upstream::allowance::Told;
    use crate::upstream::gate::{Full, Gate, State};

    const HOUR: Duration = Duration::from_hours(1);

    fn gate(most: usize, rate: Option<Rate>) -> Gate {
        Gate::new(most, rate, Arc::new(Traffic::default()))
    }

    fn in_a_minute() -> Instant {
        Instant::now() + Duration::from_mins(1)
    }

    async fn turned_away(gate: &Gate) -> Option<Duration> {
        match gate.pass(Urgency::Ahead, in_a_minute()).await {
            Err(Full::Budget(wait)) => Some(wait),
            Ok(_) | Err(Full::Crowded) => None,
        }
    }

    #[tokio::test]
    async fn so_many_begin_and_no_more() {
        let gate = gate(8, Some(Rate { most: 3, per: HOUR }));
        for left in [2, 1, 0] {
            assert!(gate.pass(Urgency::Ahead, in_a_minute()).await.is_ok());
            assert_eq!(gate.traffic.budget_left(), Some(left));
        }
        for _ in 0..3 {
            let wait = turned_away(&gate).await.unwrap();
            assert!(wait > Duration::from_mins(59) && wait <= HOUR, "{wait:?}");
        }
        assert_eq!((gate.traffic.in_flight(), gate.traffic.waiting()), (0, 0));
    }

    #[tokio::test]
    async fn the_application_has_a_budget_of_its_own() {
        let gate = gate(8, None);
        gate.heed(Told { left: 2, reset: HOUR });
        let first = gate.pass(Urgency::Ahead, in_a_minute()).await;
        let second = gate.pass(Urgency::Ahead, in_a_minute()).await;
        assert!(first.is_ok() && second.is_ok());
        let wait = turned_away(&gate).await.unwrap();
        assert!(wait > Duration::from_mins(4) && wait <= Duration::from_mins(5), "{wait:?}");
        // One of the two under way may be in this count, the other may not.
        gate.heed(Told { left: 2, reset: HOUR });
        assert!(gate.pass(Urgency::Ahead, in_a_minute()).await.is_ok());
        assert!(turned_away(&gate).await.is_some());
        drop((first, second));
        gate.heed(Told { left: 9, reset: HOUR });
        assert!(gate.pass(Urgency::Ahead, in_a_minute()).await.is_ok());
        gate.hold(HOUR);
        assert!(turned_away(&gate).await.is_some());
        assert_eq!(gate.traffic.budget_left(), Some(0));
    }

    #[tokio::test]
    async fn calls_under_way_leave_no_turn() {
        let gate = gate(1, None);
        let held = gate.pass(Urgency::Ahead, in_a_minute()).await;
        let soon = Instant::now() + Duration::from_millis(5);
        assert_eq!(gate.pass(Urgency::Ahead, soon).await.err(), Some(Full::Crowded));
        drop(held);
        assert!(gate.pass(Urgency::Ahead, soon).await.is_ok());
    }

    #[tokio::test]
    async fn urgent_calls_go_first() {
        let gate = gate(1, None);
        let held = gate.pass(Urgency::Usual, in_a_minute()).await;
        let order = Mutex::new(Vec::new());
        let one = |name: &'static str, urgency: Urgency| {
            let (gate, order) = (&gate, &order);
            async move {
                let _turn = gate.pass(urgency, in_a_minute()).await;
                order.lock().unwrap().push(name);
            }
        };
        let release = async {
            tokio::task::yield_now().await;
            assert_eq!(gate.traffic.waiting(), 5);
            drop(held);
        };
        tokio::join!(
            one("bulk", Urgency::Behind),
            one("update", Urgency::Usual),
            one("read", Urgency::Ahead),
            one("update 2", Urgency::Usual),
            one("deletion", Urgency::Ahead),
            release,
        );
        let expected = ["read", "deletion", "update", "update 2", "bulk"];
        assert_eq!(*order.lock().unwrap(), expected);
        assert_eq!(gate.traffic.waits().0, 5);
    }

    #[tokio::test]
    async fn whoever_gives_up_leaves_the_line() {
        let gate = gate(1, None);
        let held = gate.pass(Urgency::Ahead, in_a_minute()).await;
        let mut given_up = Box::pin(gate.pass(Urgency::Ahead, in_a_minute()));
        assert!(futures_util::poll!(&mut given_up).is_pending());
        let mut next = Box::pin(gate.pass(Urgency::Ahead, in_a_minute()));
        assert!(futures_util::poll!(&mut next).is_pending());
        drop(given_up);
        assert_eq!(gate.traffic.waiting(), 1);
        drop(held);
        assert!(next.await.is_ok());
    }

    proptest! {
        #[test]
        fn no_stretch_of_time_has_more(most in 1_usize..5, pauses in prop::collection::vec(0_u64..90, 0..40)) {
            let rate = Rate { most, per: Duration::from_mins(1) };
            let mut state = State::default();
            let mut now = Instant::now();
            let mut turns: Vec<Instant> = Vec::new();
            for pause in pauses {
                now += Duration::from_secs(pause);
                let turn = state.turn(Some(rate), 0, now);
                prop_assert!(turn >= now && turns.last().is_none_or(|last| *last <= turn));
                prop_assert!(state.turn(Some(rate), most, now) >= turn + rate.per || state.begun.len() < most);
                now = turn;
                state.begun.push_back(turn);
                if state.begun.len() > most {
                    state.begun.pop_front();
                }
                turns.push(turn);
            }
            for window in turns.windows(most + 1) {
                prop_assert!(window[most] - window[0] >= Duration::from_mins(1));
            }
        }
    }
}
