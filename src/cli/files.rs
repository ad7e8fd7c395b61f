//! Files that people name on the command line.

use std::path::{Path, PathBuf};

use crate::mapping::diagnostic::Diagnostic;
use crate::mapping::model::Mapping;

/// A file is not what it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// It cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It has faults, a line each.
    #[error("{0}")]
    Faulty(String),
}

/// The text of a file.
pub(crate) fn text(path: &Path) -> Result<String, FileError> {
    let unreadable = |source| FileError::Unreadable { path: path.to_owned(), source };
    std::fs::read_to_string(path).map_err(unreadable)
}

/// What a file says, read by `read`.
pub(crate) fn load<T>(
    path: &Path,
    read: impl FnOnce(&str) -> Result<T, Vec<Diagnostic>>,
) -> Result<T, FileError> {
    read(&text(path)?).map_err(|faults| faulty(&path.display().to_string(), &faults))
}

/// Faults of something that is called `name`.
pub(crate) fn faulty(name: &str, faults: &[Diagnostic]) -> FileError {
    let lines: Vec<String> = faults.iter().map(|fault| fault.render(name)).collect();
    FileError::Faulty(format!("{name} has faults\n{}", lines.join("\n")))
}

/// A mapping file.
pub(crate) fn mapping(path: &Path) -> Result<Mapping, FileError> {
    load(path, Mapping::load).map(|(mapping, _)| mapping)
}
