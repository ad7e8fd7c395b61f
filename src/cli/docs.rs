//! `scimbridge docs`.

use std::process::ExitCode;

use crate::cli::arguments::Docs;
use crate::cli::files;
use crate::cli::output;
use crate::dialogue::page;

pub(crate) fn run(options: &Docs) -> ExitCode {
    match files::mapping(&options.file) {
        Ok(mapping) => {
            output::line(page::markdown(&mapping).trim_end());
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::failure(&error);
            ExitCode::from(2)
        }
    }
}
