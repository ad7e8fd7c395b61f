//! A proxy before the application that breaks some of the calls.
#![cfg(test)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

pub(crate) struct Proxy {
    pub(crate) origin: String,
    pub(crate) calls: Arc<AtomicU64>,
    pub(crate) faults: Arc<AtomicU64>,
    serving: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A source of numbers that are as good as random: `SplitMix64`.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % most
    }
}

impl Proxy {
    pub(crate) async fn start(application: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (calls, faults) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let counters = (Arc::clone(&calls), Arc::clone(&faults));
        let serving = tokio::spawn(async move {
            let mut seed = 1;
            while let Ok((stream, _)) = listener.accept().await {
                seed += 1;
                let counters = (Arc::clone(&counters.0), Arc::clone(&counters.1));
                tokio::spawn(serve(stream, application, Random(seed), counters));
            }
        });
        Self { origin, calls, faults, serving }
    }
}

async fn serve(
    client: TcpStream,
    application: SocketAddr,
    mut random: Random,
    (calls, faults): (Arc<AtomicU64>, Arc<AtomicU64>),
) -> Option<()> {
    let mut client = BufReader::new(client);
    let mut behind = BufReader::new(TcpStream::connect(application).await.ok()?);
    loop {
        let request = message(&mut client, &[]).await?;
        calls.fetch_add(1, Ordering::Relaxed);
        let kind = random.below(100);
        if kind >= 12 {
            behind.write_all(&request).await.ok()?;
            let answer = message(&mut behind, &request).await?;
            client.write_all(&answer).await.ok()?;
            continue;
        }
        faults.fetch_add(1, Ordering::Relaxed);
        match kind {
            // Nothing has happened, and nobody says so.
            0 => return None,
            1 => {
                client.get_ref().set_zero_linger().ok()?;
                return None;
            }
            // It has happened, and nobody says so.
            2 | 3 => {
                behind.write_all(&request).await.ok()?;
                message(&mut behind, &request).await?;
                return None;
            }
            // It has happened, and half of an answer says so.
            4 => {
                behind.write_all(&request).await.ok()?;
                let answer = message(&mut behind, &request).await?;
                client.write_all(answer.get(..answer.len() / 2)?).await.ok()?;
                return None;
            }
            5 => {
                sleep(Duration::from_millis(150)).await;
                behind.write_all(&request).await.ok()?;
                let answer = message(&mut behind, &request).await?;
                client.write_all(&answer).await.ok()?;
            }
            6 => reply(&mut client, "500 X", "text/html", "<html>hunter2</html>").await?,
            7 => reply(&mut client, "502 X", "text/html", "<html>hunter2</html>").await?,
            8 => reply(&mut client, "503 X\r\nRetry-After: 0", "text/plain", "hunter2").await?,
            9 => reply(&mut client, "429 X\r\nRetry-After: 0", "application/json", "{}").await?,
            10 => reply(&mut client, "200 X", "text/html", "<html>log in</html>").await?,
            _ => reply(&mut client, "200 X", "application/json", r#"{"id": 7, "log"#).await?,
        }
    }
}

async fn reply(
    client: &mut BufReader<TcpStream>,
    status: &str,
    kind: &str,
    body: &str,
) -> Option<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}");
    client.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.ok()
}

/// A whole message; `request` is what it answers.
async fn message(stream: &mut BufReader<TcpStream>, request: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let mut lengths = head.lines().filter_map(|line| line.strip_prefix("content-length:"));
    let length = lengths.next().map_or(0, |length| length.trim().parse().unwrap());
    if !request.starts_with(b"HEAD") {
        let begin = bytes.len();
        bytes.resize(begin + length, 0);
        stream.read_exact(bytes.get_mut(begin..)?).await.ok()?;
    }
    Some(bytes)
}
