//! Repeats an attempt that is worth it and does no harm.
//!
//! A failure to connect has sent nothing and is repeated for every method; everything else only
//! for methods that may arrive twice (RFC 9110 section 9.2.2), for requests with an idempotency
//! key, and where the mapping says so. Whatever does not fit into the time
//! that is left is not begun: the last answer goes back instead.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::clock::Clock;
use crate::exchange::upstream::UpstreamError;
use crate::id::IdSource;
use crate::mapping::access::RetryMethods;
use crate::mapping::model::Retry;
use crate::native::message::{NativeRequest, NativeResponse};
use crate::upstream::failure::Failure;
use crate::upstream::link::Base;
use crate::upstream::retry;
use crate::upstream::setup::UpstreamSetupError;
use crate::upstream::sign_in::credential::Credential;
use crate::upstream::transport::Transport;

/// The transport, with patience.
pub(crate) struct Sender {
    /// Makes the attempts.
    pub(crate) transport: Transport,
    retry: Retry,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    /// Whether there was an answer yet, so that a connection may have been kept from it.
    answered: AtomicBool,
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

impl Sender {
    /// A transport that repeats by these rules.
    pub(crate) fn new(
        transport: Transport,
        retry: Retry,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        Self { transport, retry, clock, ids, answered: AtomicBool::new(false) }
    }

    /// Whether the request may arrive twice.
    pub(crate) fn twice(&self, request: &NativeRequest) -> Twice {
        Twice::of(request, self.retry.methods)
    }

    /// The same patience with another place.
    pub(crate) fn beside(&self, base: Base) -> Result<Self, UpstreamSetupError> {
        let transport = self.transport.beside(base)?;
        let (clock, ids) = (Arc::clone(&self.clock), Arc::clone(&self.ids));
        Ok(Self::new(transport, self.retry.clone(), clock, ids))
    }

    /// Sends a request until there is an answer to keep, or no sense in going on.
    pub(crate) async fn send(
        &self,
        request: &NativeRequest,
        credential: &Credential,
        twice: Twice,
        deadline: Instant,
    ) -> Result<NativeResponse, UpstreamError> {
        let mut attempt = 1;
        let mut kept_connection = self.answered.load(Ordering::Relaxed);
        loop {
            let outcome = self.transport.send(request, credential, attempt, deadline).await;
            match self.next(&outcome, twice, attempt, kept_connection) {
                Next::Repeat => kept_connection = false,
                Next::Pause(pause)
                    if pause < deadline.saturating_duration_since(Instant::now()) =>
                {
                    sleep(pause).await;
                    attempt += 1;
                }
                Next::Pause(_) | Next::End => {
                    if outcome.is_ok() {
                        self.answered.store(true, Ordering::Relaxed);
                    }
                    return outcome.map_err(Failure::into_error);
                }
            }
        }
    }

    fn next(
        &self,
        outcome: &Result<NativeResponse, Failure>,
        twice: Twice,
        attempt: u32,
        kept_connection: bool,
    ) -> Next {
        let repeatable = match outcome {
            Err(Failure::Hopeless(_)) => false,
            Err(Failure::Unsent(_)) => true,
            // The application closed a kept connection just when the request arrived. That is
            // nobody's fault and does not count as an attempt.
            Err(Failure::Unanswered(_)) if kept_connection && twice == Twice::Harmless => {
                return Next::Repeat;
            }
            Err(Failure::Unanswered(_) | Failure::CutOff(_)) => twice == Twice::Harmless,
            Ok(answer) => twice == Twice::Harmless && self.retry.on.contains(&answer.status),
        };
        if !repeatable || attempt >= self.retry.attempts {
            return Next::End;
        }
        let asked_for = match outcome {
            Ok(answer) => retry::asked_for(&self.retry, answer, self.clock.now()),
            Err(_) => None,
        };
        let backoff = || retry::backoff(&self.retry, attempt, self.ids.as_ref());
        Next::Pause(asked_for.unwrap_or_else(backoff))
    }
}
