//! SCIM errors (RFC 7644 section 3.12).

use serde_json::{Value, json};

use crate::scim::urn;

/// `scimType` of RFC 7644 table 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScimType {
    /// The filter is malformed or cannot be answered.
    InvalidFilter,
    /// More results than the server is willing to process.
    TooMany,
    /// A value that must be unique is taken.
    Uniqueness,
    /// The attribute may not be changed that way.
    Mutability,
    /// The body is not what the operation expects.
    InvalidSyntax,
    /// A path of a PATCH operation is malformed.
    InvalidPath,
    /// A PATCH path selects nothing.
    NoTarget,
    /// A value is missing or does not fit.
    InvalidValue,
    /// The protocol version is not supported.
    InvalidVers,
    /// Private data in the URI.
    Sensitive,
    /// The cursor is not one of this query (RFC 9865).
    InvalidCursor,
    /// The cursor is too old (RFC 9865).
    ExpiredCursor,
    /// The number of results does not fit a query by cursor (RFC 9865).
    InvalidCount,
}

impl ScimType {
    /// The keyword on the wire.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::TooMany => "tooMany",
            Self::Uniqueness => "uniqueness",
            Self::Mutability => "mutability",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
            Self::InvalidVers => "invalidVers",
            Self::Sensitive => "sensitive",
            Self::InvalidCursor => "invalidCursor",
            Self::ExpiredCursor => "expiredCursor",
            Self::InvalidCount => "invalidCount",
        }
    }
}

/// The body of an error answer. `status` is a string on the wire.
pub fn error_body(status: u16, scim_type: Option<ScimType>, detail: &str) -> Value {
    let mut body = json!({ "schemas": [urn::ERROR], "status": status.to_string() });
    if let (Some(scim_type), Some(members)) = (scim_type, body.as_object_mut()) {
        members.insert("scimType".to_owned(), scim_type.keyword().into());
    }
    if let Some(members) = body.as_object_mut() {
        members.insert("detail".to_owned(), detail.into());
    }
    body
}
