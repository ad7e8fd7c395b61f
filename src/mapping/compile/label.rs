//! What a row is called.

use crate::mapping::diagnostic::Position;

/// How a row is called in the file, and where its faults are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    /// The key, as written.
    pub(crate) text: String,
    /// The place.
    pub(crate) at: Position,
}
