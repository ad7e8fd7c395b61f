//! The one place that writes to the terminal.

use std::error::Error;
use std::io::Write as _;

/// Prints a line. A reader that has gone away (`| head`) is no reason to fail.
pub(crate) fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{text}"));
}

/// Prints a line for people beside the output proper.
pub(crate) fn note(text: &str) {
    let mut out = std::io::stderr().lock();
    drop(writeln!(out, "{text}"));
}

/// Prints why a command could not be carried out, with its causes.
pub(crate) fn failure(error: &dyn Error) {
    let mut text = format!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str("\n  because ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    note(&text);
}
