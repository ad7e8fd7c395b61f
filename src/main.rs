//! The `scimbridge` program; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    scimbridge::cli::run()
}
