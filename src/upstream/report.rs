//! What is told of an attempt when it is over: a log line and the watchers' counters.
//!
//! Paths and queries name people, so a call is known by the path that the mapping writes.

use std::time::Duration;

use crate::exchange::upstream::UpstreamError;
use crate::native::message::NativeResponse;
use crate::upstream::failure::Failure;
use crate::watch::operation::Outcome;
use crate::watch::watched::NativeCall;

/// From here on an answer is slow enough to be told at the usual level: a request of an identity
/// provider needs several of them.
const SLOW: Duration = Duration::from_secs(5);

/// Tells of one attempt.
pub(crate) fn finished(call: NativeCall, outcome: &Result<NativeResponse, Failure>) {
    let time = call.elapsed();
    let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let (method, path, attempt) = (call.method(), call.path(), call.attempt());
    match outcome {
        Ok(answer) => {
            let status = answer.status;
            if time >= SLOW {
                tracing::warn!(method, path, status, milliseconds, attempt, "slow native call");
            } else if status >= 500 || status == 429 {
                tracing::warn!(method, path, status, milliseconds, attempt, "native call failed");
            } else {
                tracing::debug!(method, path, status, milliseconds, attempt, "native call");
            }
            call.answered(status);
        }
        Err(failure) => {
            let outcome = meaning(failure);
            let why = outcome.keyword();
            tracing::warn!(method, path, why, milliseconds, attempt, "native call without answer");
            call.failed(outcome);
        }
    }
}

fn meaning(failure: &Failure) -> Outcome {
    match failure.error() {
        UpstreamError::Unreachable(_) | UpstreamError::Unresolved(_) => Outcome::Unreachable,
        UpstreamError::Interrupted(_) => Outcome::Interrupted,
        UpstreamError::TimedOut => Outcome::TimedOut,
        UpstreamError::Throttled { .. }
        | UpstreamError::Crowded
        | UpstreamError::LeftAlone { .. }
        | UpstreamError::Late => Outcome::Throttled,
        UpstreamError::TooLarge
        | UpstreamError::OffOrigin
        | UpstreamError::SignIn(_)
        | UpstreamError::Unsendable(_) => Outcome::Unusable,
    }
}
