//! The log, on standard error.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use crate::config::settings::{Log, LogFormat};
use crate::gateway::listener::log_directives;

/// Starts logging as configured. A level that cannot be understood is taken as `info`.
pub(crate) fn start(log: &Log) {
    let filter = EnvFilter::try_new(log_directives(&log.level));
    let filter = filter.unwrap_or_else(|_| EnvFilter::new(log_directives("info")));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // Colours are for terminals.
    let builder = builder.with_ansi(io::stderr().is_terminal());
    // A second start is a test's; the first one's log goes on.
    let started = match log.format {
        LogFormat::Pretty => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    drop(started);
}
