//! The one place that gives a failure its status, its `scimType` and its text.
//!
//! No match here has a wildcard arm over our own enums: a new failure does not build until its
//! face is chosen.

use crate::convert::error::ConvertError;
use crate::convert::failure::{Failure, Meaning};
use crate::exchange::course::Progress;
use crate::exchange::cursor::CursorError;
use crate::exchange::error::ExchangeError;
use crate::exchange::response::ScimResponse;
use crate::exchange::upstream::UpstreamError;
use crate::mapping::model::Outcome;
use crate::scim::bulk::error::{BulkError, OperationError};
use crate::scim::error::{ScimType, error_body};
use crate::scim::validate::ValidationError;
use crate::sidecar::port::StoreError;

/// Seconds after which a client may try again when nobody says otherwise.
const RETRY_AFTER: u64 = 5;

/// The same where somebody has to look into something first.
const RETRY_AFTER_RELEASE: u64 = 900;

/// A failure as a SCIM error answer (RFC 7644 section 3.12).
pub fn error(error: &ExchangeError) -> ScimResponse {
    error_after(error, Progress::default())
}

/// The same after a part of the request's writes was carried out, which the answer tells.
pub fn error_after(error: &ExchangeError, progress: Progress) -> ScimResponse {
    let (status, scim_type) = face(error);
    let detail = match error {
        ExchangeError::Native(Failure { detail: Some(detail), .. }) => detail.clone(),
        ExchangeError::Native(failure) => native_detail(failure.meaning).to_owned(),
        other => other.to_string(),
    };
    // What may be different the next time.
    let again = matches!(status, 412 | 429 | 500..);
    let detail = match progress.told(again) {
        Some(told) => format!("{detail}; {told}"),
        None => detail,
    };
    let mut response = ScimResponse::json(status, error_body(status, scim_type, &detail));
    if let ExchangeError::MethodNotAllowed { allow } = error {
        response = response.with_header("Allow", *allow);
    }
    if let Some(seconds) = retry_after(error, status) {
        response = response.with_header("Retry-After", seconds.to_string());
    }
    response
}

/// When there is sense in trying again, in whole seconds; `None` where waiting helps nobody.
fn retry_after(error: &ExchangeError, status: u16) -> Option<u64> {
    let seconds = match error {
        ExchangeError::Native(failure) => failure.retry_after,
        ExchangeError::Upstream(
            UpstreamError::Throttled { retry_after } | UpstreamError::LeftAlone { retry_after },
        ) => Some(retry_after.as_secs().saturating_add(1)),
        ExchangeError::Upstream(
            UpstreamError::Unreachable(_)
            | UpstreamError::Unresolved(_)
            | UpstreamError::Interrupted(_),
        ) => Some(RETRY_AFTER),
        ExchangeError::GuardTripped(_) => Some(RETRY_AFTER_RELEASE),
        _ => None,
    };
    match status {
        429 | 503 | 504 => Some(seconds.unwrap_or(RETRY_AFTER)),
        502 => seconds,
        _ => None,
    }
}

fn face(error: &ExchangeError) -> (u16, Option<ScimType>) {
    match error {
        ExchangeError::NotFound { .. } | ExchangeError::NoEndpoint => (404, None),
        ExchangeError::MethodNotAllowed { .. } => (405, None),
        ExchangeError::NotSupported { .. } => (501, None),
        ExchangeError::FilterForbidden
        | ExchangeError::OutOfScope { .. }
        | ExchangeError::Protected { .. } => (403, None),
        ExchangeError::Syntax(_) => (400, Some(ScimType::InvalidSyntax)),
        ExchangeError::Validation(error) => validation(error),
        ExchangeError::Filter(_) => (400, Some(ScimType::InvalidFilter)),
        ExchangeError::Query(error) => (400, Some(error.scim_type())),
        ExchangeError::Cursor(error) => (400, Some(cursor(*error))),
        ExchangeError::Patch(error) => (400, Some(error.scim_type())),
        ExchangeError::Bulk(error) => bulk(error),
        ExchangeError::BulkOperation(error) => bulk_operation(error),
        ExchangeError::Convert(error) => convert(error),
        ExchangeError::TooMany { .. } => (400, Some(ScimType::TooMany)),
        ExchangeError::Taken { .. } => (409, Some(ScimType::Uniqueness)),
        ExchangeError::NothingPicked { .. } | ExchangeError::Unaddressable { .. } => {
            (400, Some(ScimType::InvalidValue))
        }
        ExchangeError::PreconditionFailed => (412, None),
        ExchangeError::Native(failure) => native(failure.meaning),
        ExchangeError::Unexpected(_) => (502, None),
        ExchangeError::Upstream(error) => upstream(error),
        ExchangeError::Busy
        | ExchangeError::NotRecorded(_)
        | ExchangeError::Store(StoreError::Unavailable(_)) => (503, None),
        ExchangeError::GuardTripped(_) => (429, None),
        ExchangeError::Store(StoreError::Corrupt(_)) => (500, None),
    }
}

fn cursor(error: CursorError) -> ScimType {
    match error {
        CursorError::Invalid => ScimType::InvalidCursor,
        CursorError::Expired => ScimType::ExpiredCursor,
    }
}

fn validation(error: &ValidationError) -> (u16, Option<ScimType>) {
    let scim_type = match error {
        ValidationError::NotAnObject
        | ValidationError::Schemas
        | ValidationError::SchemaNotDeclared { .. }
        | ValidationError::UnknownSchema { .. }
        | ValidationError::UnknownAttribute { .. }
        | ValidationError::Repeated { .. }
        | ValidationError::ExtensionNotAnObject { .. } => ScimType::InvalidSyntax,
        ValidationError::Value(_) | ValidationError::Required { .. } => ScimType::InvalidValue,
        ValidationError::Immutable { .. } => ScimType::Mutability,
    };
    (400, Some(scim_type))
}

fn bulk(error: &BulkError) -> (u16, Option<ScimType>) {
    match error {
        BulkError::NotABulk(_) => (400, Some(ScimType::InvalidSyntax)),
        BulkError::FailOnErrors => (400, Some(ScimType::InvalidValue)),
        // RFC 7644 section 3.7.4 has no `scimType` for it.
        BulkError::TooManyOperations { .. } | BulkError::TooLarge { .. } => (413, None),
    }
}

fn bulk_operation(error: &OperationError) -> (u16, Option<ScimType>) {
    match error {
        OperationError::NotAnObject
        | OperationError::Missing { .. }
        | OperationError::NotText { .. }
        | OperationError::Method
        | OperationError::Path
        | OperationError::Nested => (400, Some(ScimType::InvalidSyntax)),
        OperationError::Duplicate
        | OperationError::UnknownReference
        | OperationError::Unresolved => (400, Some(ScimType::InvalidValue)),
        // RFC 7644 section 3.7.1.
        OperationError::Circular => (409, None),
        OperationError::Late => (503, None),
    }
}

fn convert(error: &ConvertError) -> (u16, Option<ScimType>) {
    match error {
        ConvertError::Value { .. }
        | ConvertError::Unwritable { .. }
        | ConvertError::NotClearable { .. }
        | ConvertError::UnknownReference { .. }
        | ConvertError::Pattern { .. }
        | ConvertError::Computed { .. }
        | ConvertError::Template(_) => (400, Some(ScimType::InvalidValue)),
        ConvertError::Immutable { .. } => (400, Some(ScimType::Mutability)),
        ConvertError::NoKey | ConvertError::Condition => (502, None),
    }
}

fn native(meaning: Meaning) -> (u16, Option<ScimType>) {
    match meaning {
        Meaning::Credentials | Meaning::Broken => (502, None),
        Meaning::Outcome(outcome) => match outcome {
            Outcome::Uniqueness => (409, Some(ScimType::Uniqueness)),
            Outcome::InvalidValue => (400, Some(ScimType::InvalidValue)),
            Outcome::Mutability => (400, Some(ScimType::Mutability)),
            Outcome::NotFound => (404, None),
            Outcome::PreconditionFailed => (412, None),
            Outcome::Forbidden => (403, None),
            Outcome::TooMany => (429, None),
            Outcome::Unavailable => (503, None),
            // A success in disguise never becomes an error; if it does, the mapping is at fault.
            Outcome::Ok => (502, None),
        },
    }
}

fn native_detail(meaning: Meaning) -> &'static str {
    match meaning {
        Meaning::Credentials => "the application does not accept the bridge's own credentials",
        Meaning::Broken => "the application failed to answer the request",
        Meaning::Outcome(outcome) => match outcome {
            Outcome::Uniqueness => {
                "the application has another resource with the same unique value"
            }
            Outcome::InvalidValue => "the application does not accept one of the values",
            Outcome::Mutability => "the application does not allow this change",
            Outcome::NotFound => "the application has no such resource",
            Outcome::PreconditionFailed => "the resource has been changed in the meantime",
            Outcome::Forbidden => "the application does not allow this operation",
            Outcome::TooMany => "the application asks for fewer requests",
            Outcome::Unavailable => "the application is not available at the moment",
            Outcome::Ok => "the application failed to answer the request",
        },
    }
}

fn upstream(error: &UpstreamError) -> (u16, Option<ScimType>) {
    match error {
        UpstreamError::TimedOut => (504, None),
        UpstreamError::Throttled { .. } => (429, None),
        UpstreamError::Crowded | UpstreamError::LeftAlone { .. } | UpstreamError::Late => {
            (503, None)
        }
        UpstreamError::Unreachable(_)
        | UpstreamError::Unresolved(_)
        | UpstreamError::Interrupted(_)
        | UpstreamError::TooLarge
        | UpstreamError::OffOrigin
        | UpstreamError::SignIn(_)
        | UpstreamError::Unsendable(_) => (502, None),
    }
}
