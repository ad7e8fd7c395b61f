//! A token, and why there is none.

use jiff::Timestamp;

use crate::exchange::upstream::UpstreamError;
use crate::upstream::sign_in::credential::Credential;

/// A token in the form in which it is sent.
pub(crate) struct Token {
    /// What requests are signed with.
    pub(crate) credential: Credential,
    /// From here on another one is fetched.
    pub(crate) renew_at: Timestamp,
}

/// Why there is no token. Shows nothing of what was answered but its status and, of OAuth 2.0, the
/// code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignInError {
    /// Nobody answered.
    #[error("the login call had no answer")]
    NoAnswer(#[source] UpstreamError),
    /// The answer is no.
    #[error("the login was answered with status {0}")]
    Refused(u16),
    /// The token endpoint says no.
    #[error("the token endpoint answered with status {status} and error {code}")]
    Denied {
        /// HTTP status.
        status: u16,
        /// One of the codes of RFC 6749 section 5.2.
        code: &'static str,
    },
    /// A success without a token.
    #[error("the answer to the login has no token where the mapping looks for it")]
    NoToken,
    /// The token is of a type that takes more than sending it.
    #[error("the token endpoint gave a token that is no bearer token")]
    NotBearer,
    /// The token would leave its place.
    #[error("the token cannot be sent where the mapping puts it")]
    NotSendable,
    /// The call could not be made up, or not be signed.
    #[error("the login call could not be built")]
    NotBuilt,
    /// The last one was refused a moment ago.
    #[error("the last login was refused, and the next one waits a few seconds")]
    Cooling,
}

impl SignInError {
    /// Whether doing it again and again could do harm.
    pub(crate) fn may_lock_an_account(&self) -> bool {
        match self {
            // Too many requests, or too slow a one, say nothing about the password.
            Self::Refused(status) | Self::Denied { status, .. } => {
                (200..500).contains(status) && !matches!(status, 408 | 429)
            }
            // Applications that speak JSON-RPC refuse a password with status 200.
            Self::NoToken => true,
            Self::NoAnswer(_)
            | Self::NotBearer
            | Self::NotSendable
            | Self::NotBuilt
            | Self::Cooling => false,
        }
    }
}

impl From<SignInError> for UpstreamError {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::NoAnswer(error) => error,
            error @ (SignInError::Refused(_)
            | SignInError::Denied { .. }
            | SignInError::NoToken
            | SignInError::NotBearer
            | SignInError::NotSendable
            | SignInError::NotBuilt
            | SignInError::Cooling) => Self::SignIn(Some(Box::new(error))),
        }
    }
}
