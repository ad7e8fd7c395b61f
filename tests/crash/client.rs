//! A SCIM client that minds neither broken connections nor missing answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// Who calls.
pub(crate) struct Client {
    address: SocketAddr,
    token: String,
    /// Writing requests under way.
    writes: Arc<AtomicU64>,
}

/// A writing request, until it is answered or let fall.
struct Write(Arc<AtomicU64>);

impl Drop for Write {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Client {
    pub(crate) fn new(address: SocketAddr, token: String) -> Self {
        Self { address, token, writes: Arc::default() }
    }

    /// Writing requests that have no answer yet.
    pub(crate) fn writes_under_way(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// Sends a request on a connection of its own; `None` when there was no whole answer.
    pub(crate) async fn ask(
        &self,
        method: &str,
        target: &str,
        body: Option<&Value>,
    ) -> Option<Answer> {
        let _write = (method != "GET").then(|| {
            self.writes.fetch_add(1, Ordering::Relaxed);
            Write(self.writes.clone())
        });
        let asking = self.attempt(method, target, body);
        timeout(Duration::from_mins(1), asking).await.ok()?
    }

    async fn attempt(&self, method: &str, target: &str, body: Option<&Value>) -> Option<Answer> {
        let mut stream = TcpStream::connect(self.address).await.ok()?;
        let body = body.map(ToString::to_string).unwrap_or_default();
        let mut head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
             Connection: close\r\n",
            self.address, self.token,
        );
        if !body.is_empty() {
            head.push_str("Content-Type: application/scim+json\r\n");
            head.push_str("Content-Length: ");
            head.push_str(&body.len().to_string());
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        stream.write_all(format!("{head}{body}").as_bytes()).await.ok()?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        if length.is_some_and(|length: usize| length != body.len()) {
            return None;
        }
        let body = if body.is_empty() { Value::Null } else { serde_json::from_str(body).ok()? };
        Some(Answer { status, body })
    }
}
