//! A server on the loopback interface that answers by a script.
#![cfg(test)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use scimbridge::mapping::model::Api;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::upstream::client::api;

/// A request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Counts from 0.
    pub(crate) connection: usize,
    /// `GET /path?query`.
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let found = self.headers.iter().filter(|(have, _)| have == name);
        found.map(|(_, value)| value.as_str()).collect()
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// These bytes; the connection stays open.
    Keep(String),
    /// These bytes, then the end of the connection.
    Close(String),
    /// These bytes after a while.
    Late(Duration, String),
    /// Nothing, and the connection stays open.
    Silence,
}

pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Keep(format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\n\r\n{body}"))
}

pub(crate) fn ok(body: &str) -> Reply {
    answer(200, "Content-Type: application/json\r\n", body)
}

pub(crate) fn status(status: u16) -> Reply {
    answer(status, "", "")
}

/// A connection that ends without a byte.
pub(crate) fn dropped() -> Reply {
    Reply::Close(String::new())
}

pub(crate) struct Server {
    pub(crate) origin: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

pub(crate) type Script = Arc<dyn Fn(&Seen, usize) -> Reply + Send + Sync>;

impl Server {
    /// Answers by the request and its number, from 0.
    pub(crate) async fn start(
        script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (script, log): (Script, _) = (Arc::new(script), Arc::clone(&seen));
        tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, connection, Arc::clone(&script), Arc::clone(&log)));
            }
        });
        Self { origin, seen }
    }

    /// Answers in turn; whatever comes later gets 500.
    pub(crate) async fn playing(replies: Vec<Reply>) -> Self {
        let late = || answer(500, "", "not in the script");
        Self::start(move |_, number| replies.get(number).cloned().unwrap_or_else(late)).await
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }

    pub(crate) fn api(&self) -> Api {
        api(&format!("{}/api", self.origin))
    }
}

pub(crate) async fn serve(
    mut stream: TcpStream,
    connection: usize,
    script: Script,
    log: Arc<Mutex<Vec<Seen>>>,
) {
    while let Some(seen) = receive(&mut stream, connection).await {
        let reply = {
            let mut log = log.lock().unwrap();
            log.push(seen.clone());
            script(&seen, log.len() - 1)
        };
        let bytes = match reply {
            Reply::Keep(bytes) => bytes,
            Reply::Late(pause, bytes) => {
                sleep(pause).await;
                bytes
            }
            Reply::Close(bytes) => {
                stream.write_all(bytes.as_bytes()).await.unwrap();
                return;
            }
            Reply::Silence => continue,
        };
        if stream.write_all(bytes.as_bytes()).await.is_err() {
            return;
        }
    }
}

pub(crate) async fn receive(stream: &mut TcpStream, connection: usize) -> Option<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let line = lines.next()?.strip_suffix(" HTTP/1.1")?.to_owned();
    let field = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    let headers: Vec<_> = lines.map(field).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some(Seen { connection, line, headers, body: String::from_utf8(body).unwrap() })
}
