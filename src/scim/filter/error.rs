//! Why a filter is refused; all of it is `invalidFilter` to the caller (RFC 7644 section 3.12).

use crate::scim::attr::AttrPath;

/// Why a filter is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// More than [`MAX_FILTER_LENGTH`](crate::scim::filter::parse::MAX_FILTER_LENGTH) bytes.
    #[error("the filter is longer than {limit} bytes")]
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// More than [`MAX_FILTER_DEPTH`](crate::scim::filter::parse::MAX_FILTER_DEPTH) open brackets.
    #[error("the filter nests deeper than {limit} brackets")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// The text does not follow the grammar.
    #[error("the filter is malformed at character {position}, where {expected} should stand")]
    Syntax {
        /// Counts characters from 1.
        position: usize,
        /// What the grammar has there, with its article.
        expected: &'static str,
    },
    /// `gt`, `ge`, `lt` or `le` on a Boolean or Binary attribute.
    #[error("values of `{path}` have no order")]
    NoOrder {
        /// The attribute.
        path: AttrPath,
    },
    /// `gt`, `ge`, `lt` or `le` on a dateTime attribute with something else.
    #[error("`{path}` can only be ordered by a dateTime such as 2011-05-13T04:42:34Z")]
    NotAnInstant {
        /// The attribute.
        path: AttrPath,
    },
}
