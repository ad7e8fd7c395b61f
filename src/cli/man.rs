//! `scimbridge man`: the help texts as manual pages.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::{Command, CommandFactory as _};
use clap_mangen::Man as Page;

use crate::cli::arguments::{Arguments, Man};
use crate::cli::output;

pub(crate) fn run(options: &Man) -> ExitCode {
    let command = Arguments::command();
    let written = match &options.folder {
        Some(folder) => write(command, folder),
        None => print(command),
    };
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::failure(&error);
            ExitCode::from(2)
        }
    }
}

fn print(command: Command) -> io::Result<()> {
    let mut text = Vec::new();
    Page::new(command).render(&mut text)?;
    output::line(String::from_utf8_lossy(&text).trim_end());
    Ok(())
}

/// One page for the program and one for each command below it.
fn write(command: Command, folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(command, folder)
}
