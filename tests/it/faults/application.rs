//! An application over TCP with one user and one group, which does what a fault says.
#![cfg(test)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use crate::faults::fault::{Fault, Reply, Scope, answer};

/// A label longer than DNS allows: the resolver refuses it without asking anybody.
const NO_SUCH_HOST: &str = "no-such-host-because-a-label-of-a-name-may-have-63-characters-at-most-";

/// The application; it ends when it is dropped.
pub(crate) struct Application {
    pub(crate) origin: String,
    state: Arc<State>,
    serving: Option<JoinHandle<()>>,
    _nobody: Option<TcpSocket>,
}

struct State {
    fault: Fault,
    scope: Scope,
    user: Mutex<Map<String, Value>>,
    /// Calls that the fault has hit.
    hits: AtomicUsize,
    /// Calls that it has not.
    others: AtomicUsize,
    logins: AtomicUsize,
}

impl Application {
    pub(crate) async fn start(fault: Fault, scope: Scope) -> Self {
        let user = json!({ "id": "7", "login": "ada", "title": "Ms lovelace", "disabled": false });
        let state = Arc::new(State {
            fault,
            scope,
            user: Mutex::new(user.as_object().cloned().unwrap()),
            hits: AtomicUsize::new(0),
            others: AtomicUsize::new(0),
            logins: AtomicUsize::new(0),
        });
        let nowhere = |origin: String, nobody: Option<TcpSocket>| Self {
            origin,
            state: Arc::clone(&state),
            serving: None,
            _nobody: nobody,
        };
        match fault {
            Fault::NoSuchHost => return nowhere(format!("http://{NO_SUCH_HOST}.test"), None),
            Fault::Refused => {
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
                return nowhere(format!("http://{}", socket.local_addr().unwrap()), Some(socket));
            }
            _ => {}
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::clone(&state);
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { origin, state, serving: Some(serving), _nobody: None }
    }

    /// Calls that the fault has hit, and how many there were besides, logins left out.
    pub(crate) fn calls(&self) -> (usize, usize) {
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        (count(&self.state.hits), count(&self.state.others))
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    if state.fault == Fault::ResetBefore && state.scope == Scope::Everything {
        state.hits.fetch_add(1, Ordering::Relaxed);
        reset(&stream);
        return;
    }
    while let Some((method, target, body)) = receive(&mut stream, &state).await {
        if target == "/api/login" {
            let first = state.logins.fetch_add(1, Ordering::Relaxed) == 0;
            let works = first || state.fault == Fault::SessionExpired;
            let status = if works { 200 } else { 403 };
            let token = answer(status, "", "application/json", r#"{"token":"session-token"}"#);
            stream.write_all(&token).await.ok();
            continue;
        }
        let is_hit = state.scope == Scope::Everything || method != "GET";
        let reply = if is_hit {
            state.fault.reply(state.hits.fetch_add(1, Ordering::Relaxed))
        } else {
            state.others.fetch_add(1, Ordering::Relaxed);
            Reply::Fine
        };
        let sent = match reply {
            Reply::Fine => stream.write_all(&state.fine(&method, &target, &body)).await,
            Reply::Bytes(bytes) => stream.write_all(&bytes).await,
            Reply::Cut(bytes) => {
                stream.write_all(&bytes).await.ok();
                return;
            }
            Reply::Reset => {
                reset(&stream);
                return;
            }
            Reply::Silence => Ok(()),
            Reply::Drip(bytes) => drip(&mut stream, &bytes).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn drip(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    for byte in bytes {
        stream.write_all(&[*byte]).await?;
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// The end of the connection is a reset when this is dropped.
fn reset(stream: &TcpStream) {
    stream.set_zero_linger().unwrap();
}

impl State {
    fn fine(&self, method: &str, target: &str, body: &str) -> Vec<u8> {
        let mut user = self.user.lock().unwrap();
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        let (status, body) = match (method, path) {
            ("GET", "/api/people") => (200, json!([*user])),
            ("GET", "/api/people/7") => (200, json!(*user)),
            ("PATCH", "/api/people/7") => {
                let sent: Map<String, Value> = serde_json::from_str(body).unwrap();
                user.extend(sent);
                (200, json!(*user))
            }
            ("POST", "/api/people") => {
                let mut made: Map<String, Value> = serde_json::from_str(body).unwrap();
                made.insert("id".to_owned(), json!("8"));
                (201, json!(made))
            }
            ("GET", "/api/groups/9") => (200, json!({ "id": "9", "title": "Owls" })),
            ("DELETE" | "POST", _) => (204, Value::Null),
            _ => (404, json!({})),
        };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        answer(status, "", "application/json", &body)
    }
}

async fn receive(stream: &mut TcpStream, state: &State) -> Option<(String, String, String)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
        // The rest of a write stays unread.
        if state.fault == Fault::ResetBefore && head.len() == 4 && head != b"GET " {
            state.hits.fetch_add(1, Ordering::Relaxed);
            reset(stream);
            return None;
        }
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, length)| length.trim().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((method, target, String::from_utf8(body).unwrap()))
}
