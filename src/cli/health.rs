//! `scimbridge health`: a health check that needs no other program in the container.

use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::cli::arguments::Health;
use crate::cli::output;

/// Longest wait for the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the bridge is not known to be well.
#[derive(Debug, thiserror::Error)]
enum HealthError {
    #[error("\"{0}\" is not an http URL with a host")]
    Url(String),
    #[error("no answer")]
    NoAnswer(#[source] std::io::Error),
    #[error("no answer in time")]
    TimedOut,
    #[error("the bridge is not well: {0}")]
    NotWell(String),
}

pub(crate) async fn run(options: &Health) -> ExitCode {
    let asked = tokio::time::timeout(PATIENCE, ask(&options.url)).await;
    match asked.unwrap_or(Err(HealthError::TimedOut)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::failure(&error);
            ExitCode::from(1)
        }
    }
}

async fn ask(url: &str) -> Result<(), HealthError> {
    let bad = || HealthError::Url(url.to_owned());
    let parsed = url::Url::parse(url).map_err(|_| bad())?;
    let host = parsed.host_str().filter(|_| parsed.scheme() == "http").ok_or_else(bad)?;
    let port = parsed.port_or_known_default().ok_or_else(bad)?;
    let mut stream = TcpStream::connect((host, port)).await.map_err(HealthError::NoAnswer)?;
    let request = format!("GET {} HTTP/1.0\r\nHost: {host}\r\n\r\n", parsed.path());
    stream.write_all(request.as_bytes()).await.map_err(HealthError::NoAnswer)?;
    let mut answer = Vec::new();
    // The answer is a few hundred bytes; more than this is not the bridge.
    stream.take(16 * 1024).read_to_end(&mut answer).await.map_err(HealthError::NoAnswer)?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) == Some("200") {
        return Ok(());
    }
    Err(HealthError::NotWell(answer.lines().last().unwrap_or_default().to_owned()))
}
