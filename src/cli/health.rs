//! `scimbridge health`: a health check that needs no other program in the container.

use std::process::ExitCode;

use crate::cli::arguments::Health;
use crate::cli::{admin, output};

/// The bridge says so itself.
#[derive(Debug, thiserror::Error)]
#[error("the bridge is not well: {0}")]
struct NotWell(String);

pub(crate) async fn run(options: &Health) -> ExitCode {
    match admin::get(&options.url).await {
        Ok(answer) if answer.status == 200 => return ExitCode::SUCCESS,
        Ok(answer) => output::failure(&NotWell(answer.body)),
        Err(error) => output::failure(&error),
    }
    ExitCode::from(1)
}
