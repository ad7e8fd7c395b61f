//! Repeats an attempt that is worth it and does no harm.
//!
//! A failure to connect has sent nothing and is repeated for every method, and so is 429, with
//! which the application says that it has done nothing; everything else only for methods that may
//! arrive twice (RFC 9110 section 9.2.2), for requests with an idempotency key, and where the
//! mapping says so. Whatever does not fit into the time that is left is not begun: the last answer
//! goes back instead.
//!
//! Before each attempt `breaker.rs` says whether the application is called at all, and `gate.rs`
//! when. What an answer says about budgets holds for all calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::clock::Clock;
use crate::exchange::traffic::{CallOutcome, Traffic};
use crate::exchange::upstream::UpstreamError;
use crate::id::IdSource;
use crate::mapping::access::RetryMethods;
use crate::mapping::model::{Api, Retry};
use crate::native::message::{NativeRequest, NativeResponse};
use crate::upstream::breaker::{Breaker, Sign, Ticket};
use crate::upstream::failure::Failure;
use crate::upstream::gate::Gate;
use crate::upstream::link::Base;
use crate::upstream::setup::UpstreamSetupError;
use crate::upstream::sign_in::credential::Credential;
use crate::upstream::time::Time;
use crate::upstream::transport::Transport;
use crate::upstream::{allowance, retry};

/// The status with which an application asks for fewer requests (RFC 6585 section 4).
const TOO_MANY: u16 = 429;

/// An attempt that had less time than this part of the usual says nothing when it got no answer.
const FAIR: u32 = 2;

/// The transport, with patience.
pub(crate) struct Sender {
    /// Makes the attempts.
    pub(crate) transport: Transport,
    api: Limits,
    gate: Gate,
    breaker: Breaker,
    traffic: Arc<Traffic>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    /// Whether there was an answer yet, so that a connection may have been kept from it.
    answered: AtomicBool,
}

/// What the mapping says of repetitions and of when to leave the application alone.
#[derive(Debug, Clone)]
struct Limits {
    retry: Retry,
    breaker: crate::mapping::access::Breaker,
    timeout: Duration,
}

/// Whether a request may arrive twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Twice {
    /// It does no harm.
    Harmless,
    /// Nobody knows what it would do.
    Unknown,
}

impl Twice {
    /// What the method promises, the request's key or the mapping.
    fn of(request: &NativeRequest, methods: RetryMethods) -> Self {
        let promised = request.method.is_idempotent() || request.repeatable;
        match methods {
            RetryMethods::All => Self::Harmless,
            RetryMethods::Idempotent if promised => Self::Harmless,
            RetryMethods::Idempotent => Self::Unknown,
        }
    }
}

/// What follows an attempt.
enum Next {
    End,
    Repeat,
    Pause(Duration),
}

/// An attempt that was made, and what the breaker has to be told of it.
struct Attempt<'s> {
    outcome: Result<NativeResponse, Failure>,
    ticket: Ticket<'s>,
    sign: Sign,
}

impl Sender {
    /// A transport that repeats, waits and gives up as `api` says.
    pub(crate) fn new(
        transport: Transport,
        api: &Api,
        traffic: Arc<Traffic>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        let gate = Gate::new(api.concurrency, api.rate, Arc::clone(&traffic));
        let api =
            Limits { retry: api.retry.clone(), breaker: api.breaker.clone(), timeout: api.timeout };
        Self::over(transport, api, gate, traffic, clock, ids)
    }

    /// Whether the request may arrive twice.
    pub(crate) fn twice(&self, request: &NativeRequest) -> Twice {
        Twice::of(request, self.api.retry.methods)
    }

    /// The same patience with another place, whose calls go one by one.
    pub(crate) fn beside(&self, base: Base) -> Result<Self, UpstreamSetupError> {
        let transport = self.transport.beside(base)?;
        // Its figures are not those of the application.
        let traffic = Arc::new(Traffic::default());
        let gate = Gate::new(1, None, Arc::clone(&traffic));
        let (clock, ids) = (Arc::clone(&self.clock), Arc::clone(&self.ids));
        Ok(Self::over(transport, self.api.clone(), gate, traffic, clock, ids))
    }

    fn over(
        transport: Transport,
        api: Limits,
        gate: Gate,
        traffic: Arc<Traffic>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        let breaker = Breaker::new(api.breaker.clone(), Arc::clone(&traffic));
        let answered = AtomicBool::new(false);
        Self { transport, api, gate, breaker, traffic, clock, ids, answered }
    }

    /// The figures of the attempts.
    pub(crate) fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    /// Sends a request until there is an answer to keep, or no sense in going on.
    pub(crate) async fn send(
        &self,
        request: &NativeRequest,
        credential: &Credential,
        twice: Twice,
        time: &mut Time,
    ) -> Result<NativeResponse, UpstreamError> {
        let mut attempt = 1;
        let mut kept_connection = self.answered.load(Ordering::Relaxed);
        let mut last = None;
        loop {
            let made = match self.attempt(request, credential, attempt, time).await {
                Ok(made) => made,
                Err(refused) => {
                    self.traffic.note(refused.outcome());
                    // What the application said is told rather than that it was not asked again.
                    return last.unwrap_or(Err(refused)).map_err(Failure::into_error);
                }
            };
            let next = self.next(&made.outcome, twice, attempt, kept_connection);
            if made.outcome.is_ok() {
                self.answered.store(true, Ordering::Relaxed);
            }
            let Attempt { outcome, ticket, sign } = made;
            match next {
                Next::Repeat => {
                    kept_connection = false;
                    self.traffic.note_repeated();
                }
                Next::Pause(pause) if pause < time.left() => {
                    ticket.settle(sign);
                    last = Some(outcome);
                    self.traffic.note_repeated();
                    sleep(pause).await;
                    attempt += 1;
                }
                Next::Pause(_) | Next::End => {
                    ticket.settle(sign);
                    return outcome.map_err(Failure::into_error);
                }
            }
        }
    }

    /// Makes an attempt when its turn has come; a call that waits holds no permit. Fails when
    /// nothing was to be sent.
    async fn attempt(
        &self,
        request: &NativeRequest,
        credential: &Credential,
        attempt: u32,
        time: &mut Time,
    ) -> Result<Attempt<'_>, Failure> {
        self.breaker.check()?;
        let asked = Instant::now();
        let permit = self.gate.pass(request.urgency, time.latest()).await?;
        time.waited(asked.elapsed());
        let ticket = self.breaker.admit()?;
        let had = time.left();
        let sending = self.transport.send(request, credential, attempt);
        let outcome = match timeout_at(time.until(), sending).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::Hopeless(UpstreamError::TimedOut)),
        };
        drop(permit);
        let mut sign = self.heed(&outcome, attempt);
        let is_unfair = had < self.api.timeout / FAIR;
        if is_unfair
            && matches!(&outcome, Err(failure) if failure.outcome() == CallOutcome::TimedOut)
        {
            sign = Sign::None;
        }
        Ok(Attempt { outcome, ticket, sign })
    }

    /// Takes in what an attempt says about all others.
    fn heed(&self, outcome: &Result<NativeResponse, Failure>, attempt: u32) -> Sign {
        let answer = match outcome {
            Ok(answer) => answer,
            Err(failure) => {
                self.traffic.note(failure.outcome());
                return failure.sign();
            }
        };
        self.traffic.note(match answer.status {
            0..400 => CallOutcome::Success,
            TOO_MANY => CallOutcome::Limited,
            400..500 => CallOutcome::Refused,
            500.. => CallOutcome::Failed,
        });
        let now = self.clock.now();
        if let Some(told) = allowance::told(answer, now) {
            self.gate.heed(told);
        }
        if matches!(answer.status, TOO_MANY | 503) {
            let asked_for = retry::asked_for(&self.api.retry, answer, now);
            let unsaid = (answer.status == TOO_MANY).then(|| self.backoff(attempt));
            if let Some(pause) = asked_for.or(unsaid) {
                self.gate.hold(pause);
            }
        }
        if self.breaker.is_broken(answer.status) { Sign::Broken } else { Sign::Alive }
    }

    fn backoff(&self, attempt: u32) -> Duration {
        retry::backoff(&self.api.retry, attempt, self.ids.as_ref())
    }

    fn next(
        &self,
        outcome: &Result<NativeResponse, Failure>,
        twice: Twice,
        attempt: u32,
        kept_connection: bool,
    ) -> Next {
        let retry = &self.api.retry;
        let repeatable = match outcome {
            Err(Failure::Hopeless(_)) => false,
            // Mostly it closes a kept connection, as below.
            Err(Failure::Declined(_)) if kept_connection => return Next::Repeat,
            Err(Failure::Unsent(_) | Failure::Declined(_)) => true,
            // The application closed a kept connection just when the request arrived. That is
            // nobody's fault and does not count as an attempt.
            Err(Failure::Unanswered(_)) if kept_connection && twice == Twice::Harmless => {
                return Next::Repeat;
            }
            Err(Failure::Unanswered(_) | Failure::CutOff(_)) => twice == Twice::Harmless,
            Ok(answer) => {
                let undone = twice == Twice::Harmless || answer.status == TOO_MANY;
                undone && retry.on.contains(&answer.status)
            }
        };
        if !repeatable || attempt >= retry.attempts {
            return Next::End;
        }
        let asked_for = match outcome {
            Ok(answer) => retry::asked_for(retry, answer, self.clock.now()),
            Err(_) => None,
        };
        Next::Pause(asked_for.unwrap_or_else(|| self.backoff(attempt)))
    }
}
