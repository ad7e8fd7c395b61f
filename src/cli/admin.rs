//! Asking the operators' port of a running bridge, with nothing but a socket.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longest wait for the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Most bytes of an answer. More than this is not the bridge.
const MOST: u64 = 16 * 1024 * 1024;

/// There is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    #[error("\"{0}\" is not an http URL with a host")]
    Url(String),
    #[error("no answer from {0}: is the bridge running, and is this its listen.admin?")]
    NoAnswer(String, #[source] std::io::Error),
    #[error("no answer from {0} in time")]
    TimedOut(String),
    #[error("{0} does not answer as the bridge does")]
    Foreign(String),
}

/// One answer.
pub(crate) struct Answer {
    /// The status of HTTP.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: String,
}

/// Asks for a URL.
pub(crate) async fn get(url: &str) -> Result<Answer, AdminError> {
    let asked = tokio::time::timeout(PATIENCE, ask(url)).await;
    asked.unwrap_or_else(|_| Err(AdminError::TimedOut(url.to_owned())))
}

async fn ask(url: &str) -> Result<Answer, AdminError> {
    let bad = || AdminError::Url(url.to_owned());
    let parsed = url::Url::parse(url).map_err(|_| bad())?;
    let host = parsed.host_str().filter(|_| parsed.scheme() == "http").ok_or_else(bad)?;
    let port = parsed.port_or_known_default().ok_or_else(bad)?;
    let failed = |error| AdminError::NoAnswer(url.to_owned(), error);
    // Brackets are how URLs write IPv6 addresses.
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let mut stream = TcpStream::connect((name, port)).await.map_err(failed)?;
    let request = format!("GET {} HTTP/1.0\r\nHost: {host}\r\n\r\n", parsed.path());
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut answer = Vec::new();
    stream.take(MOST).read_to_end(&mut answer).await.map_err(failed)?;
    let answer = String::from_utf8_lossy(&answer);
    let foreign = || AdminError::Foreign(url.to_owned());
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(foreign)?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(foreign)?;
    Ok(Answer { status, body: body.to_owned() })
}
