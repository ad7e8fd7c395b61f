//! The command line of the legacy application: where to listen, where to keep the data, which key.

use std::process::ExitCode;

use legacy_app::{Options, start};
use tokio::net::TcpListener;

const USAGE: &str = "usage: legacy-app [--listen 127.0.0.1:9090] [--database FILE] [--key KEY]
The key can also be given as LEGACY_APP_KEY. Without --database the data are kept in memory.";

#[tokio::main]
#[expect(clippy::print_stderr, reason = "this is the command line")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("legacy-app: {problem}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "this is the command line")]
async fn run() -> Result<(), String> {
    let (listen, options) = read_arguments(std::env::args().skip(1))?;
    let listener = TcpListener::bind(&listen)
        .await
        .map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    let running = start(listener, options).await.map_err(|error| explain(&error))?;
    println!("listening on http://{}", running.address());
    let interrupted = tokio::signal::ctrl_c().await;
    running.stop().await;
    interrupted.map_err(|error| explain(&error))
}

fn read_arguments(
    mut arguments: impl Iterator<Item = String>,
) -> Result<(String, Options), String> {
    let mut listen = "127.0.0.1:9090".to_owned();
    let mut database = "sqlite::memory:".to_owned();
    let mut key = key_from_environment();
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| USAGE.to_owned());
        match name.as_str() {
            "--listen" => listen = value()?,
            "--database" => database = value()?,
            "--key" => key = Some(value()?),
            _ => return Err(USAGE.to_owned()),
        }
    }
    let api_key = key.filter(|key| !key.is_empty()).ok_or(USAGE)?;
    Ok((listen, Options { database, api_key }))
}

#[expect(clippy::disallowed_methods, reason = "this small program has no configuration module")]
fn key_from_environment() -> Option<String> {
    std::env::var("LEGACY_APP_KEY").ok()
}

/// The error with its causes, on one line.
fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
