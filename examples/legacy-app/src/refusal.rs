//! Every way in which the API says no, and what that looks like on the wire.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// Why a request was not carried out.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The API key is missing or wrong.
    BadKey,
    /// Nothing is there; the text says what was looked for.
    NotFound(&'static str),
    /// The resource exists and does not do this.
    MethodNotAllowed,
    /// The body is not a JSON object.
    MalformedBody,
    /// The body is longer than the limit.
    BodyTooLarge,
    /// The body was understood and breaks these rules.
    Invalid(Vec<FieldFault>),
    /// The database failed.
    Broken(sqlx::Error),
}

/// One rule that one field breaks.
#[derive(Debug)]
pub(crate) struct FieldFault {
    field: String,
    code: &'static str,
    problem: &'static str,
}

impl FieldFault {
    pub(crate) fn blank(field: &str) -> Self {
        Self { field: field.to_owned(), code: "blank", problem: "can't be blank" }
    }

    pub(crate) fn taken(field: &str) -> Self {
        Self { field: field.to_owned(), code: "taken", problem: "has already been taken" }
    }

    pub(crate) fn unknown(field: &str) -> Self {
        Self { field: field.to_owned(), code: "unknown", problem: "does not exist" }
    }

    /// The value has the wrong type; `problem` says which one it must have.
    pub(crate) fn invalid(field: &str, problem: &'static str) -> Self {
        Self { field: field.to_owned(), code: "invalid", problem }
    }

    /// The same fault, seen from the record that holds the field in a list.
    pub(crate) fn within(self, list: &str) -> Self {
        Self { field: format!("{list}.{}", self.field), ..self }
    }

    fn render(&self) -> Value {
        let message = format!("{} {}", self.field, self.problem);
        json!({ "field": self.field, "code": self.code, "message": message })
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::Broken(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Self::BadKey => (StatusCode::UNAUTHORIZED, "bad api key"),
            Self::NotFound(what) => (StatusCode::NOT_FOUND, what),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method not allowed"),
            Self::MalformedBody => (StatusCode::BAD_REQUEST, "malformed body"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body too large"),
            Self::Invalid(faults) => {
                let errors: Vec<Value> = faults.iter().map(FieldFault::render).collect();
                let body = Json(json!({ "errors": errors }));
                return (StatusCode::UNPROCESSABLE_ENTITY, body).into_response();
            }
            Self::Broken(error) => {
                tracing::error!(%error, "the legacy application's database failed");
                (StatusCode::INTERNAL_SERVER_ERROR, "something went wrong")
            }
        };
        (status, Json(json!({ "error": error }))).into_response()
    }
}
