//! What the transport refuses by itself, told as a SCIM error (RFC 7644 section 3.12).
//!
//! Failures of the engine have their own renderer; nothing here knows of resources.

use crate::exchange::response::ScimResponse;
use crate::scim::error::error_body;

/// A request that is refused before, or instead of, the engine's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The request target is too long.
    #[error("the request URI is longer than allowed")]
    TargetTooLong,
    /// The header section is too large.
    #[error("the request header fields are larger than allowed")]
    HeadTooLarge,
    /// No or no plausible authority; it would stand in `Location`.
    #[error("the Host header is missing or malformed")]
    BadHost,
    /// No tenant, or an id that cannot exist.
    #[error("there is no such resource")]
    NotFound,
    /// A method of HTTP that SCIM does not use.
    #[error("the method is not allowed here")]
    MethodNotAllowed,
    /// A method that HTTP does not define.
    #[error("the method is not implemented")]
    MethodUnknown,
    /// The body is no JSON by its own account.
    #[error("the body must be application/scim+json or application/json")]
    MediaType,
    /// The body is compressed.
    #[error("the body must not have a content coding")]
    ContentCoding,
    /// The body is larger than allowed.
    #[error("the request body is larger than allowed")]
    BodyTooLarge,
    /// The body did not arrive in time.
    #[error("the request body did not arrive in time")]
    BodyTimedOut,
    /// The body ended early or is badly framed.
    #[error("the request body is incomplete")]
    BodyBroken,
    /// The engine was not done in time.
    #[error("the request could not be answered in time")]
    AnswerTimedOut,
    /// Something broke that should not.
    #[error("an internal error occurred")]
    Internal,
}

impl Refusal {
    /// The answer.
    pub(crate) fn response(self) -> ScimResponse {
        let status = self.status();
        let response = ScimResponse::json(status, error_body(status, None, &self.to_string()));
        if self == Self::MethodNotAllowed {
            return response.with_header("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE");
        }
        response
    }

    fn status(self) -> u16 {
        match self {
            Self::BadHost | Self::BodyBroken => 400,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::BodyTimedOut => 408,
            Self::BodyTooLarge => 413,
            Self::TargetTooLong => 414,
            Self::MediaType | Self::ContentCoding => 415,
            Self::HeadTooLarge => 431,
            Self::Internal => 500,
            Self::MethodUnknown => 501,
            Self::AnswerTimedOut => 504,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::gateway::refusal::Refusal;

    #[test]
    fn a_refusal_is_a_scim_error() {
        let expected = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": "413",
            "detail": "the request body is larger than allowed",
        });
        let response = Refusal::BodyTooLarge.response();
        assert_eq!((response.status, response.body), (413, Some(expected.into())));
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        let response = Refusal::MethodNotAllowed.response();
        assert_eq!(response.headers.first().map(|(name, _)| *name), Some("Allow"));
    }
}
