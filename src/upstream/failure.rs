//! Why one attempt gave no answer, by what it may have done at the application.

use std::error::Error;

use crate::exchange::traffic::CallOutcome;
use crate::exchange::upstream::UpstreamError;
use crate::upstream::breaker::{LeftAlone, Sign};
use crate::upstream::gate::Full;

/// What is behind a failure, for the log.
pub(crate) type Cause = Box<dyn Error + Send + Sync>;

/// A failed attempt.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing reached the application.
    Unsent(UpstreamError),
    /// The application says that it has not begun with the request.
    Declined(UpstreamError),
    /// The request may have arrived; not a byte of an answer came.
    Unanswered(UpstreamError),
    /// The answer broke off.
    CutOff(UpstreamError),
    /// Trying again would end the same way.
    Hopeless(UpstreamError),
}

impl Failure {
    /// What the engine gets to see.
    pub(crate) fn into_error(self) -> UpstreamError {
        match self {
            Self::Unsent(error)
            | Self::Declined(error)
            | Self::Unanswered(error)
            | Self::CutOff(error)
            | Self::Hopeless(error) => error,
        }
    }

    /// How the attempt ended, for the figures.
    pub(crate) fn outcome(&self) -> CallOutcome {
        match self.error() {
            UpstreamError::Unreachable(_) | UpstreamError::Unresolved(_) => {
                CallOutcome::Unreachable
            }
            UpstreamError::Interrupted(_) => CallOutcome::Interrupted,
            UpstreamError::TimedOut => CallOutcome::TimedOut,
            UpstreamError::Throttled { .. } | UpstreamError::Crowded | UpstreamError::Late => {
                CallOutcome::TurnedAway
            }
            UpstreamError::LeftAlone { .. } => CallOutcome::LeftAlone,
            UpstreamError::TooLarge
            | UpstreamError::OffOrigin
            | UpstreamError::SignIn(_)
            | UpstreamError::Unsendable(_) => CallOutcome::Unusable,
        }
    }

    /// What the attempt says about the application.
    pub(crate) fn sign(&self) -> Sign {
        match self.outcome() {
            CallOutcome::Unreachable | CallOutcome::Interrupted | CallOutcome::TimedOut => {
                Sign::Silent
            }
            CallOutcome::TurnedAway | CallOutcome::LeftAlone => Sign::None,
            // An answer too large is an answer.
            CallOutcome::Unusable
            | CallOutcome::Success
            | CallOutcome::Refused
            | CallOutcome::Limited
            | CallOutcome::Failed => match self.error() {
                UpstreamError::TooLarge => Sign::Alive,
                _ => Sign::None,
            },
        }
    }

    /// The same, to be looked at.
    pub(crate) fn error(&self) -> &UpstreamError {
        match self {
            Self::Unsent(error)
            | Self::Declined(error)
            | Self::Unanswered(error)
            | Self::CutOff(error)
            | Self::Hopeless(error) => error,
        }
    }

    /// No connection could be made.
    pub(crate) fn unreached(cause: Cause) -> Self {
        Self::Unsent(if is_unresolved(&*cause) {
            UpstreamError::Unresolved(Some(cause))
        } else {
            UpstreamError::Unreachable(Some(cause))
        })
    }

    /// The request could not be built; `reason` shows no value of it.
    pub(crate) fn unsendable(reason: &'static str) -> Self {
        Self::Hopeless(UpstreamError::Unsendable(Some(reason.into())))
    }
}

/// Whether the host has no address. The connector says so in words alone.
fn is_unresolved(error: &(dyn Error + 'static)) -> bool {
    let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.any(|cause| cause.to_string().starts_with("dns error"))
}

impl From<Full> for Failure {
    fn from(full: Full) -> Self {
        Self::Hopeless(match full {
            Full::Budget(retry_after) => UpstreamError::Throttled { retry_after },
            Full::Crowded => UpstreamError::Crowded,
        })
    }
}

impl From<LeftAlone> for Failure {
    fn from(LeftAlone(retry_after): LeftAlone) -> Self {
        Self::Hopeless(UpstreamError::LeftAlone { retry_after })
    }
}
