//! `scimbridge completions`.

use std::process::ExitCode;

use clap::CommandFactory as _;

use crate::cli::arguments::{Arguments, Completions};
use crate::cli::output;

pub(crate) fn run(options: &Completions) -> ExitCode {
    let mut command = Arguments::command();
    let name = command.get_name().to_owned();
    let mut text = Vec::new();
    clap_complete::generate(options.shell, &mut command, name, &mut text);
    output::line(String::from_utf8_lossy(&text).trim_end());
    ExitCode::SUCCESS
}
