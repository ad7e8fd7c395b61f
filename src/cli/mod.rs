//! The command line: what people type, what they read, and how the process ends.
//!
//! Exit codes: 0 done, 1 the command found faults, 2 it could not be carried out.

mod admin;
mod arguments;
mod audit;
mod check;
mod completions;
mod demo;
mod docs;
mod files;
mod guard;
mod health;
mod index;
mod logging;
mod man;
mod output;
mod schema;
mod serve;
mod status;
mod token;
mod try_;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::arguments::{Arguments, Command};

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::failure(&error);
            return ExitCode::from(2);
        }
    };
    runtime.block_on(async {
        match arguments.command {
            Command::Serve(options) => serve::run(&options).await,
            Command::Check(options) => check::run(&options).await,
            Command::Try(options) => try_::run(&options).await,
            Command::Docs(options) => docs::run(&options).await,
            Command::Schema(options) => schema::run(&options),
            Command::Token(command) => token::run(command).await,
            Command::Audit(command) => audit::run(command).await,
            Command::Guard(command) => guard::run(command).await,
            Command::Index(command) => index::run(command).await,
            Command::Demo(options) => demo::run(options).await,
            Command::Health(options) => health::run(&options).await,
            Command::Completions(options) => completions::run(&options),
            Command::Man(options) => man::run(&options),
            Command::Status(options) => status::run(&options).await,
            Command::Reload(options) => status::reload(&options).await,
        }
    })
}
