//! Why a bulk request, or one operation of it, is refused (RFC 7644 sections 3.7.1 to 3.7.4).
//! Texts never repeat what the client sent.

/// Why a whole request is refused before any of its operations is looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BulkError {
    /// The body is not a `BulkRequest` message.
    #[error("the body is not a bulk request: {0}")]
    NotABulk(&'static str),
    /// `failOnErrors` is no number of errors.
    #[error("`failOnErrors` must be a whole number of at least 1")]
    FailOnErrors,
    /// The limit must be told (RFC 7644 section 3.7.4).
    #[error("the number of operations exceeds maxOperations ({most})")]
    TooManyOperations {
        /// The bound.
        most: usize,
    },
    /// The limit must be told (RFC 7644 section 3.7.4).
    #[error("the size of the bulk request exceeds maxPayloadSize ({most})")]
    TooLarge {
        /// The bound, in bytes.
        most: usize,
    },
}

/// Why one operation is refused; the others go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperationError {
    /// It is no JSON object.
    #[error("the operation is not an object")]
    NotAnObject,
    /// A member that its method requires is not there.
    #[error("`{member}` is missing")]
    Missing {
        /// The member.
        member: &'static str,
    },
    /// A member that must be a string is something else, or empty.
    #[error("`{member}` must be a string that is not empty")]
    NotText {
        /// The member.
        member: &'static str,
    },
    /// `method` is none of a bulk request's.
    #[error("`method` must be POST, PUT, PATCH or DELETE")]
    Method,
    /// `path` can lead to nothing.
    #[error("`path` is not a path below the SCIM base")]
    Path,
    /// A bulk request or a search inside a bulk request.
    #[error("a bulk operation can be neither a bulk request nor a search")]
    Nested,
    /// Nobody could tell which of the resources a reference means.
    #[error("several operations create a resource under this bulkId")]
    Duplicate,
    /// A reference to a bulkId that no POST of the request has.
    #[error("no operation creates a resource under a bulkId that is referred to")]
    UnknownReference,
    /// A reference to a resource whose POST has failed.
    #[error("a resource that the operation refers to has not been created")]
    Unresolved,
    /// Two resources need each other, and one could not be made without the other.
    #[error("the circular references of the resource could not be resolved")]
    Circular,
    /// The request as a whole has taken too long; this operation was not begun.
    #[error("there was no time left for this operation; send it again, with fewer others")]
    Late,
}
