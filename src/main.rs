//! The `scimbridge` program; everything is in the library.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A request makes and drops some hundred small things, on several threads.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    scimbridge::cli::run()
}
