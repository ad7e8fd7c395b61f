//! An application over TCP that answers by a script and keeps what it was sent.
#![cfg(test)]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// A request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// Path and query, byte for byte.
    pub(crate) target: String,
    /// In the order received, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Call {
    /// The only header of that name, given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} stands there twice: {self:?}");
        value
    }

    /// `GET /path?query`.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

/// What a request gets.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A whole answer; the connection stays open.
    Whole(Whole),
    /// These bytes, then the end of the connection.
    Cut(String),
    /// These bytes and no more, and the connection stays open.
    Begun(String),
    /// Nothing, and the connection stays open.
    Silence,
    /// The answer once the gate is open.
    Held(Arc<Gate>, Whole),
}

#[derive(Debug, Clone)]
pub(crate) struct Whole {
    status: u16,
    headers: String,
    body: String,
}

impl Whole {
    fn bytes(&self) -> Vec<u8> {
        let Self { status, headers, body } = self;
        let length = body.len();
        let head = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\n\r\n");
        format!("{head}{body}").into_bytes()
    }
}

pub(crate) fn whole(status: u16, headers: &[(&str, &str)], body: &str) -> Whole {
    let lines: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    Whole { status, headers: lines.concat(), body: body.to_owned() }
}

/// An answer in JSON.
pub(crate) fn json(status: u16, body: &Value) -> Reply {
    Reply::Whole(whole(status, &[("Content-Type", "application/json")], &body.to_string()))
}

/// An answer for people.
pub(crate) fn html(status: u16, body: &str) -> Reply {
    Reply::Whole(whole(status, &[("Content-Type", "text/html; charset=utf-8")], body))
}

/// Holds an answer back until the test lets it go.
#[derive(Debug)]
pub(crate) struct Gate {
    reached: Semaphore,
    open: Semaphore,
    used: AtomicBool,
}

impl Default for Gate {
    fn default() -> Self {
        Self { reached: Semaphore::new(0), open: Semaphore::new(0), used: AtomicBool::new(false) }
    }
}

impl Gate {
    /// Returns when a request stands before the gate.
    pub(crate) async fn reached(&self) {
        self.reached.acquire().await.unwrap().forget();
    }

    /// Lets one request through.
    pub(crate) fn open(&self) {
        self.open.add_permits(1);
    }

    /// Whether a request has gone through.
    pub(crate) fn is_used(&self) -> bool {
        self.used.load(Ordering::SeqCst)
    }

    async fn pass(&self) {
        self.reached.add_permits(1);
        self.open.acquire().await.unwrap().forget();
        self.used.store(true, Ordering::SeqCst);
    }
}

type Script = Arc<dyn Fn(&Call) -> Reply + Send + Sync>;

/// The application; it ends when it is dropped.
pub(crate) struct Application {
    /// `http://host:port`.
    pub(crate) origin: String,
    calls: Arc<Mutex<Vec<Call>>>,
    serving: JoinHandle<()>,
}

impl Application {
    pub(crate) async fn start(script: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (script, log): (Script, _) = (Arc::new(script), Arc::clone(&calls));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&log)));
            }
        });
        Self { origin, calls, serving }
    }

    /// Every request so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Every request since the last time this was asked.
    pub(crate) fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(mut stream: TcpStream, script: Script, log: Arc<Mutex<Vec<Call>>>) {
    while let Some(call) = receive(&mut stream).await {
        let reply = script(&call);
        log.lock().unwrap().push(call);
        let bytes = match reply {
            Reply::Whole(whole) => whole.bytes(),
            Reply::Held(gate, whole) => {
                gate.pass().await;
                whole.bytes()
            }
            Reply::Begun(bytes) => bytes.into_bytes(),
            Reply::Silence => continue,
            Reply::Cut(bytes) => {
                stream.write_all(bytes.as_bytes()).await.ok();
                return;
            }
        };
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn receive(stream: &mut TcpStream) -> Option<Call> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let line = lines.next()?.strip_suffix(" HTTP/1.1")?;
    let (method, target) = line.split_once(' ')?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, length)| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let (method, target) = (method.to_owned(), target.to_owned());
    Some(Call { method, target, headers, body: String::from_utf8(body).unwrap() })
}

/// An address that refuses every connection, and that nobody else can take while this lives.
pub(crate) struct Nobody {
    _socket: TcpSocket,
    address: SocketAddr,
}

impl Nobody {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = socket.local_addr().unwrap();
        Self { _socket: socket, address }
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }
}
