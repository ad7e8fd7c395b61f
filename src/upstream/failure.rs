//! Why one attempt gave no answer, by what it may have done at the application.

use crate::exchange::upstream::UpstreamError;
use crate::upstream::gate::Full;

/// A failed attempt.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing reached the application.
    Unsent(UpstreamError),
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
            | Self::Unanswered(error)
            | Self::CutOff(error)
            | Self::Hopeless(error) => error,
        }
    }

    /// The same, to be looked at.
    pub(crate) fn error(&self) -> &UpstreamError {
        match self {
            Self::Unsent(error)
            | Self::Unanswered(error)
            | Self::CutOff(error)
            | Self::Hopeless(error) => error,
        }
    }

    /// The call has no turn in its time.
    pub(crate) fn throttled(Full(retry_after): Full) -> Self {
        Self::Hopeless(UpstreamError::Throttled { retry_after })
    }

    /// The request could not be built; `reason` shows no value of it.
    pub(crate) fn unsendable(reason: &'static str) -> Self {
        Self::Hopeless(UpstreamError::Unsendable(Some(reason.into())))
    }
}
