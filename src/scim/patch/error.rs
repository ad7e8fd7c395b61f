//! Why a PATCH is refused (RFC 7644 section 3.5.2, table 9). Texts name operations by number and
//! attributes by canonical name; they never repeat what the client sent.

use crate::scim::error::ScimType;
use crate::scim::filter::error::FilterError;
use crate::scim::value::ValueError;

/// Why a PATCH is refused. Operation numbers count from 1.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// The body is not a `PatchOp` message.
    #[error("the body is not a PATCH request: {0}")]
    NotAPatch(&'static str),
    /// More operations than the bridge takes.
    #[error("a PATCH request may have at most {most} operations")]
    TooManyOperations {
        /// The bound.
        most: usize,
    },
    /// `op` is missing or none of add, remove, replace.
    #[error("operation {number}: `op` must be add, remove or replace")]
    UnknownOperation {
        /// Which operation.
        number: usize,
    },
    /// `path` cannot be parsed.
    #[error("operation {number}: the path is malformed")]
    InvalidPath {
        /// Which operation.
        number: usize,
        /// What is wrong with its filter, if that is where the fault lies.
        #[source]
        source: Option<FilterError>,
    },
    /// The filter of a path cannot be evaluated.
    #[error("the filter of the path {path} cannot be evaluated")]
    InvalidFilter {
        /// The target.
        path: String,
        /// Why not.
        #[source]
        source: FilterError,
    },
    /// The resource type lacks the attribute; only the strict dialect refuses that.
    #[error("operation {number}: the resource type has no such attribute")]
    UnknownAttribute {
        /// Which operation.
        number: usize,
    },
    /// `remove` without `path`.
    #[error("operation {number}: `remove` needs a path")]
    MissingPath {
        /// Which operation.
        number: usize,
    },
    /// `add` or `replace` without `value`.
    #[error("operation {number}: `value` is missing")]
    MissingValue {
        /// Which operation.
        number: usize,
    },
    /// Without `path` the value must be an object of attributes.
    #[error("operation {number}: without a path, `value` must be an object of attributes")]
    NotAnObject {
        /// Which operation.
        number: usize,
    },
    /// A value does not fit its attribute.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The attribute is the service provider's alone.
    #[error("{path} is read-only")]
    ReadOnly {
        /// The target.
        path: String,
    },
    /// The attribute has a value already, and may be written once.
    #[error("{path} is immutable and has a value already")]
    Immutable {
        /// The target.
        path: String,
    },
    /// A required attribute would be left without a value.
    #[error("{path} is required and cannot be removed")]
    Required {
        /// The target.
        path: String,
    },
    /// The path selects nothing.
    #[error("the path {path} selects nothing")]
    NoTarget {
        /// The target.
        path: String,
    },
}

impl PatchError {
    /// The keyword of RFC 7644 table 9. The status is 400 in every case.
    pub fn scim_type(&self) -> ScimType {
        match self {
            Self::NotAPatch(_) | Self::TooManyOperations { .. } | Self::UnknownOperation { .. } => {
                ScimType::InvalidSyntax
            }
            Self::InvalidPath { .. }
            | Self::InvalidFilter { .. }
            | Self::UnknownAttribute { .. } => ScimType::InvalidPath,
            Self::MissingPath { .. } | Self::NoTarget { .. } => ScimType::NoTarget,
            Self::MissingValue { .. } | Self::NotAnObject { .. } | Self::Value(_) => {
                ScimType::InvalidValue
            }
            Self::ReadOnly { .. } | Self::Immutable { .. } | Self::Required { .. } => {
                ScimType::Mutability
            }
        }
    }
}
