//! Reading request bodies: a JSON object, or a refusal in the API's own form.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde_json::{Map, Value};

use crate::refusal::Refusal;

/// The members of a request body. The content type is not looked at, as clients were never asked
/// to send one.
pub(crate) struct Body(pub(crate) Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let bytes = match Bytes::from_request(request, state).await {
            Ok(bytes) => bytes,
            Err(rejection) => {
                let too_large = rejection.status() == StatusCode::PAYLOAD_TOO_LARGE;
                return Err(if too_large { Refusal::BodyTooLarge } else { Refusal::MalformedBody });
            }
        };
        serde_json::from_slice(&bytes).map(Self).map_err(|_| Refusal::MalformedBody)
    }
}
