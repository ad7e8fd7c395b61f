//! Why a conversion cannot be made.

use crate::mapping::expression::ExpressionError;
use crate::mapping::template::TemplateError;
use crate::mapping::transform::kind::TransformError;

/// A value or a template that cannot be converted. No variant holds a value.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The application cannot hold the value.
    #[error("the application cannot hold this value of {path}")]
    Value {
        /// SCIM path.
        path: String,
        /// What the transform said.
        #[source]
        source: TransformError,
    },
    /// The value does not match the row's pattern.
    #[error("the value of {path} is not written as the application takes it")]
    Pattern {
        /// SCIM path.
        path: String,
    },
    /// The expression that makes the native value fails.
    #[error("the application's form of {path} cannot be made from this value")]
    Computed {
        /// SCIM path.
        path: String,
        /// What the expression said.
        #[source]
        source: ExpressionError,
    },
    /// The value is of a form that the native place cannot take.
    #[error("the value of {path} does not fit the application's record")]
    Unwritable {
        /// SCIM path.
        path: String,
    },
    /// It may be set on create only, or no request carries it.
    #[error("{path} cannot be changed in the application")]
    Immutable {
        /// SCIM path.
        path: String,
    },
    /// The mapping says that it may not be cleared.
    #[error("{path} cannot be cleared in the application")]
    NotClearable {
        /// SCIM path.
        path: String,
    },
    /// It names a resource that does not exist.
    #[error("{path} names a resource that does not exist")]
    UnknownReference {
        /// SCIM path.
        path: String,
    },
    /// A record of the application has no key where the mapping expects it.
    #[error("a record of the application has no id where the mapping expects it")]
    NoKey,
    /// The mapping's condition for records to exist cannot be read.
    #[error("the mapping's condition on records cannot be read for one of the application's")]
    Condition,
    /// A template of the mapping cannot be filled.
    #[error("a request of the mapping cannot be built from these values")]
    Template(#[from] TemplateError),
}
