//! The circuit breaker: an application that does not answer is left alone for a while, so that
//! nobody waits for it in vain and it can get up again.
//!
//! It opens when several attempts in a row had no answer, or when half of many had none or one of
//! the statuses that mean "broken". While it is open nothing is sent. Then one call goes to see:
//! with an answer the breaker closes, without one it opens again for twice as long.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::exchange::traffic::{BreakerState, Traffic};
use crate::mapping::access;

/// Failures are counted in stretches of this length.
const WINDOW: Duration = Duration::from_secs(30);

/// Fewer attempts than this in one stretch say nothing about their share of failures.
const ENOUGH: u32 = 20;

/// How long others are sent away while one call sees whether the application is back.
const PROBING: Duration = Duration::from_secs(1);

/// A circuit breaker.
pub(crate) struct Breaker {
    settings: access::Breaker,
    state: Mutex<State>,
    traffic: Arc<Traffic>,
}

/// The application is left alone for so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeftAlone(pub(crate) Duration);

/// What an attempt says about the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It is there.
    Alive,
    /// It answers that it is broken.
    Broken,
    /// It does not answer.
    Silent,
    /// Nothing: the attempt never went out, or was cut short by ourselves.
    None,
}

enum Phase {
    Closed,
    Open(Instant),
    Probing,
}

struct State {
    phase: Phase,
    /// Attempts in a row that had no answer.
    silent: u32,
    /// Openings in a row.
    openings: u32,
    window: Option<Instant>,
    attempts: u32,
    failures: u32,
    /// Attempts that began before the last change say nothing about what is now.
    generation: u64,
}

/// An attempt that is allowed; it says in the end what came of it.
pub(crate) struct Ticket<'b> {
    breaker: &'b Breaker,
    generation: u64,
    is_open: bool,
}

impl Breaker {
    /// A closed one.
    pub(crate) fn new(settings: access::Breaker, traffic: Arc<Traffic>) -> Self {
        let state = State {
            phase: Phase::Closed,
            silent: 0,
            openings: 0,
            window: None,
            attempts: 0,
            failures: 0,
            generation: 0,
        };
        Self { settings, state: Mutex::new(state), traffic }
    }

    /// Whether there is any sense in waiting for a turn.
    pub(crate) fn check(&self) -> Result<(), LeftAlone> {
        self.state().check()
    }

    /// Lets an attempt begin.
    pub(crate) fn admit(&self) -> Result<Ticket<'_>, LeftAlone> {
        let mut state = self.state();
        state.check()?;
        if matches!(state.phase, Phase::Open(_)) {
            state.phase = Phase::Probing;
            state.generation += 1;
            self.traffic.note_breaker(BreakerState::Probing);
        }
        Ok(Ticket { breaker: self, generation: state.generation, is_open: true })
    }

    /// Whether a status means that the application is broken.
    pub(crate) fn is_broken(&self, status: u16) -> bool {
        self.settings.on.contains(&status)
    }

    fn settle(&self, generation: u64, sign: Sign) {
        let mut state = self.state();
        if state.generation != generation {
            return;
        }
        let now = Instant::now();
        if matches!(state.phase, Phase::Probing) {
            match sign {
                Sign::Alive => {
                    state.close();
                    self.traffic.note_breaker(BreakerState::Closed);
                    tracing::info!("the application answers again");
                }
                Sign::Broken | Sign::Silent => self.open(&mut state, now),
                // Nobody has seen anything; the next one looks.
                Sign::None => state.phase = Phase::Open(now),
            }
            return;
        }
        state.count(sign, now);
        let in_a_row = self.settings.failures > 0 && state.silent >= self.settings.failures;
        let by_share = self.settings.failures > 0
            && state.attempts >= ENOUGH
            && state.failures.saturating_mul(2) >= state.attempts;
        if in_a_row || by_share {
            self.open(&mut state, now);
        }
    }

    fn open(&self, state: &mut State, now: Instant) {
        let (first, longest) = self.settings.pause;
        let doubled = 2_u32.checked_pow(state.openings).and_then(|times| first.checked_mul(times));
        let pause = doubled.unwrap_or(longest).min(longest);
        state.phase = Phase::Open(now + pause);
        state.openings = state.openings.saturating_add(1);
        state.generation += 1;
        self.traffic.note_breaker(BreakerState::Open);
        let seconds = pause.as_secs_f32();
        tracing::warn!(seconds, "the application does not answer and is left alone for a while");
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn check(&self) -> Result<(), LeftAlone> {
        match self.phase {
            Phase::Closed => Ok(()),
            Phase::Open(until) => {
                let wait = until.saturating_duration_since(Instant::now());
                if wait.is_zero() { Ok(()) } else { Err(LeftAlone(wait)) }
            }
            Phase::Probing => Err(LeftAlone(PROBING)),
        }
    }

    fn count(&mut self, sign: Sign, now: Instant) {
        if self.window.is_none_or(|begun| now.saturating_duration_since(begun) > WINDOW) {
            (self.window, self.attempts, self.failures) = (Some(now), 0, 0);
        }
        let (silent, failures) = match sign {
            Sign::None => return,
            Sign::Alive => (0, 0),
            // It does answer: only the share of such answers counts.
            Sign::Broken => (0, 1),
            Sign::Silent => (self.silent.saturating_add(1), 1),
        };
        self.silent = silent;
        self.failures = self.failures.saturating_add(failures);
        self.attempts = self.attempts.saturating_add(1);
    }

    fn close(&mut self) {
        self.phase = Phase::Closed;
        (self.silent, self.openings) = (0, 0);
        (self.window, self.attempts, self.failures) = (None, 0, 0);
        self.generation += 1;
    }
}

impl Ticket<'_> {
    /// Says what came of the attempt.
    pub(crate) fn settle(mut self, sign: Sign) {
        self.is_open = false;
        self.breaker.settle(self.generation, sign);
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if self.is_open {
            self.breaker.settle(self.generation, Sign::None);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use crate::exchange::traffic::{BreakerState, Traffic};
    use crate::mapping::access;
    use crate::upstream::breaker::{Breaker, ENOUGH, LeftAlone, Sign};

    fn breaker(failures: u32, pause: Duration) -> Breaker {
        let settings = access::Breaker { failures, pause: (pause, pause * 3), on: vec![503] };
        Breaker::new(settings, Arc::new(Traffic::default()))
    }

    fn see(breaker: &Breaker, signs: impl IntoIterator<Item = Sign>) {
        for sign in signs {
            breaker.admit().unwrap_or_else(|_| unreachable!()).settle(sign);
        }
    }

    const HOUR: Duration = Duration::from_hours(1);

    fn pause(breaker: &Breaker) -> Option<Duration> {
        breaker.check().err().map(|LeftAlone(pause)| pause)
    }

    #[test]
    fn silence_in_a_row_opens_it() {
        let breaker = breaker(3, HOUR);
        see(&breaker, [Sign::Silent, Sign::Silent, Sign::Alive, Sign::Silent, Sign::Silent]);
        see(&breaker, [Sign::None, Sign::None]);
        assert_eq!(pause(&breaker), None);
        see(&breaker, [Sign::Silent]);
        assert!(pause(&breaker).is_some_and(|pause| pause > Duration::from_mins(59)));
        assert!(breaker.admit().is_err());
        assert_eq!(breaker.traffic.breaker(), BreakerState::Open);
    }

    #[test]
    fn broken_answers_open_it_by_their_share() {
        let few = breaker(3, HOUR);
        see(&few, (1..ENOUGH).map(|_| Sign::Broken));
        assert_eq!(pause(&few), None);
        see(&few, [Sign::Broken]);
        assert!(pause(&few).is_some());
        let seldom = breaker(3, HOUR);
        see(&seldom, (0..100).map(|n| if n % 3 == 0 { Sign::Broken } else { Sign::Alive }));
        assert_eq!(pause(&seldom), None);
        assert!(seldom.is_broken(503) && !seldom.is_broken(500));
        let never = breaker(0, HOUR);
        see(&never, (0..100).map(|_| Sign::Silent));
        assert_eq!(pause(&never), None);
    }

    #[test]
    fn one_call_goes_to_see() {
        let breaker = breaker(1, Duration::ZERO);
        see(&breaker, [Sign::Silent]);
        let probe = breaker.admit().unwrap_or_else(|_| unreachable!());
        assert!(breaker.check().is_err() && breaker.admit().is_err());
        assert_eq!(breaker.traffic.breaker(), BreakerState::Probing);
        // One that is given up leaves the place to the next one.
        drop(probe);
        see(&breaker, [Sign::Broken, Sign::Alive]);
        assert_eq!(breaker.traffic.breaker(), BreakerState::Closed);
        assert_eq!(BreakerState::ALL.map(|state| breaker.traffic.became(state)), [1, 2, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_and_late_answers_say_nothing() {
        let breaker = breaker(1, HOUR);
        let late = breaker.admit().unwrap_or_else(|_| unreachable!());
        for hours in [1, 2, 3, 3] {
            see(&breaker, [Sign::Silent]);
            assert_eq!(pause(&breaker), Some(HOUR * hours));
            tokio::time::advance(HOUR * hours).await;
            assert_eq!(pause(&breaker), None);
        }
        late.settle(Sign::Alive);
        assert_eq!(breaker.traffic.became(BreakerState::Closed), 0);
    }
}
