//! The one place that writes to the terminal.

use std::error::Error;
use std::io::{IsTerminal as _, Write as _};

/// Prints a line. A reader that has gone away (`| head`) is no reason to fail.
pub(crate) fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{text}"));
}

/// Whether somebody sees what is printed beside the output proper.
pub(crate) fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// Prints in the place of what was printed so before.
pub(crate) fn over(text: &str) {
    let mut out = std::io::stderr().lock();
    drop(write!(out, "\r\x1b[K{text}").and_then(|()| out.flush()));
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
