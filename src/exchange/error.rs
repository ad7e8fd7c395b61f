//! Everything that can end an exchange early.

use crate::audit::journal::NotRecorded;
use crate::auth::scope::Scope;
use crate::convert::error::ConvertError;
use crate::convert::failure::Failure;
use crate::exchange::cursor::CursorError;
use crate::exchange::upstream::UpstreamError;
use crate::guard::rule::{Kind, Limit};
use crate::mapping::requests::Request;
use crate::scim::bulk::error::{BulkError, OperationError};
use crate::scim::filter::error::FilterError;
use crate::scim::patch::error::PatchError;
use crate::scim::query::QueryError;
use crate::scim::validate::ValidationError;
use crate::sidecar::port::StoreError;

/// The sum of the failures of an exchange; `render.rs` gives each its face.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// No resource of this type has this id.
    #[error("there is no {resource} with this id")]
    NotFound {
        /// The resource type.
        resource: String,
    },
    /// Nothing is served at this path.
    #[error("there is no SCIM endpoint at this path")]
    NoEndpoint,
    /// The endpoint does not know the method.
    #[error("this endpoint does not support the method")]
    MethodNotAllowed {
        /// The methods it knows.
        allow: &'static str,
    },
    /// The operation is not offered.
    #[error("{operation} is not supported here")]
    NotSupported {
        /// The operation, for people.
        operation: String,
    },
    /// The caller's token does not reach this far.
    #[error("the bearer token lacks the scope \"{scope}\", which this request needs")]
    OutOfScope {
        /// What is missing.
        scope: Scope,
    },
    /// Discovery endpoints do not filter (RFC 7644 section 4).
    #[error("this endpoint cannot be filtered")]
    FilterForbidden,
    /// The body is not JSON.
    #[error("the request body is not valid JSON")]
    Syntax(#[source] serde_json::Error),
    /// The body is not a resource of this type.
    #[error(transparent)]
    Validation(#[from] ValidationError),
    /// The filter cannot be understood.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The query parameters cannot be understood.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The query by cursor cannot be answered.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// The PATCH cannot be applied.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// The body is no bulk request, or one that is too large.
    #[error(transparent)]
    Bulk(#[from] BulkError),
    /// An operation of a bulk request cannot be carried out.
    #[error(transparent)]
    BulkOperation(#[from] OperationError),
    /// A value cannot be converted.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// Answering would mean reading more records than the mapping allows.
    #[error("more than {limit} records would have to be read; ask with a narrower filter")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// A value that must be unique is taken by a resource that the bridge itself keeps.
    #[error("another {resource} has the same {attribute}")]
    Taken {
        /// The resource type.
        resource: String,
        /// The attribute.
        attribute: String,
    },
    /// A look-up that the request needs picked nothing.
    #[error("the application has nothing to look up as {name}, which this request needs")]
    NothingPicked {
        /// The look-up's name in the mapping.
        name: String,
    },
    /// The resource's id would lead elsewhere if it stood in a URL.
    #[error(
        "the application's id of this {resource} cannot stand in a URL, so nobody could find it"
    )]
    Unaddressable {
        /// The resource type.
        resource: String,
    },
    /// The resource is not in the version that the request speaks of.
    #[error("the resource is not in the version that the request names")]
    PreconditionFailed,
    /// What the request needs is being changed by another request.
    #[error("a resource that this request needs is being changed; try again")]
    Busy,
    /// The application refused.
    #[error("the application refused the request")]
    Native(Failure),
    /// The application's answer is not what the mapping describes.
    #[error("the application's answer is not what the mapping describes")]
    Unexpected(#[source] Mismatch),
    /// The application gave no answer to work with.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The bridge's own store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot be written down that a write begins.
    #[error(transparent)]
    NotRecorded(#[from] NotRecorded),
    /// Too much has been deactivated or deleted.
    #[error(transparent)]
    GuardTripped(GuardTripped),
    /// Nobody may touch it through SCIM.
    #[error(
        "this {resource} is protected by the bridge's configuration, so it can be changed in the \
         application only"
    )]
    Protected {
        /// The resource type.
        resource: String,
    },
}

impl ExchangeError {
    /// What kind of failure it is, in one word that stays the same.
    pub fn keyword(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not-found",
            Self::NoEndpoint => "no-endpoint",
            Self::MethodNotAllowed { .. } => "method",
            Self::NotSupported { .. } => "not-supported",
            Self::FilterForbidden => "filter-forbidden",
            Self::OutOfScope { .. } => "scope",
            Self::Syntax(_) => "syntax",
            Self::Validation(_) => "validation",
            Self::Filter(_) => "filter",
            Self::Query(_) => "query",
            Self::Cursor(_) => "cursor",
            Self::Patch(_) => "patch",
            Self::Bulk(_) => "bulk",
            Self::BulkOperation(_) => "bulk-operation",
            Self::Convert(_) => "conversion",
            Self::TooMany { .. } => "too-many",
            Self::Taken { .. } => "taken",
            Self::NothingPicked { .. } => "look-up",
            Self::Unaddressable { .. } => "unaddressable",
            Self::PreconditionFailed => "precondition",
            Self::Busy => "busy",
            Self::Native(_) => "application-refused",
            Self::Unexpected(_) => "application-unexpected",
            Self::Upstream(_) => "application-unreachable",
            Self::Store(_) => "store",
            Self::NotRecorded(_) => "audit",
            Self::GuardTripped(_) => "guard",
            Self::Protected { .. } => "protected",
        }
    }
}

/// A guard that holds back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the limit of {limit} {} is exceeded, so the bridge makes no further ones until somebody has \
     looked into it and released them: scimbridge guard release --tenant {tenant}",
    kind.keyword()
)]
pub struct GuardTripped {
    /// The tenant's name.
    pub tenant: String,
    /// What was too many.
    pub kind: Kind,
    /// How many are allowed.
    pub limit: Limit,
}

/// What was asked and what the answer lacks; a template, so no value is in it.
#[derive(Debug, thiserror::Error)]
#[error("{asked} was answered without {lacks}")]
pub struct Mismatch {
    asked: String,
    lacks: String,
}

impl Mismatch {
    /// An answer to a request of the mapping that lacks something.
    pub fn of(request: &Request, lacks: impl Into<String>) -> ExchangeError {
        let asked = format!("{} {}", request.method.name(), request.path);
        ExchangeError::Unexpected(Self { asked, lacks: lacks.into() })
    }

    /// An answer without the record.
    pub fn record(request: &Request) -> ExchangeError {
        let place = request.record.as_ref().or(request.wrap.as_ref());
        let place = place.map_or_else(|| "$".to_owned(), ToString::to_string);
        Self::of(request, format!("a record with an id at {place}"))
    }

    /// An answer without the list.
    pub fn records(request: &Request) -> ExchangeError {
        let place = request.record.as_ref().unwrap_or(&request.records);
        Self::of(request, format!("records at {place}"))
    }

    /// Something that has gone missing between two calls.
    pub fn between(asked: &str, lacks: &str) -> ExchangeError {
        ExchangeError::Unexpected(Self { asked: asked.to_owned(), lacks: lacks.to_owned() })
    }
}
