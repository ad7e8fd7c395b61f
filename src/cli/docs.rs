//! `scimbridge docs`.

use std::process::ExitCode;
use std::sync::Arc;

use crate::cli::arguments::Docs;
use crate::cli::files;
use crate::cli::output;
use crate::dialogue::page;

pub(crate) async fn run(options: &Docs) -> ExitCode {
    match files::mapping(&options.file) {
        Ok(mapping) => {
            output::line(page::markdown(&Arc::new(mapping)).await.trim_end());
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::failure(&error);
            ExitCode::from(2)
        }
    }
}
