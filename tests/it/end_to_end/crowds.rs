//! More connections than there is room for, and clients that misuse the few they have: memory
//! stays bounded, and others are served.
#![cfg(test)]
#![cfg(target_os = "linux")]

use serde_json::json;
use tokio::net::TcpStream;

use crate::end_to_end::application::{Application, json as reply};
use crate::end_to_end::binary::{Binary, Installation};
use crate::end_to_end::bridge::{call, token};
use crate::http::Connection;
use crate::postgres::tell;

/// How many connections come; more where the variable of the environment says so.
const CROWD: usize = 400;
const CROWD_VARIABLE: &str = "SCIMBRIDGE_TEST_CONNECTIONS";

pub(crate) const MEGABYTE: u64 = 1024 * 1024;

/// The preface of HTTP/2 and an empty SETTINGS frame.
pub(crate) const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

pub(crate) async fn start(limits: &str) -> (Application, Installation, Binary) {
    let application = Application::start(|_| reply(200, &json!({ "id": 7, "login": "ada" }))).await;
    let installation = Installation::new(&application.origin);
    installation.edit(|text| format!("{text}[limits]\n{limits}"));
    let binary = installation.serve().await;
    check_served(&binary).await;
    (application, installation, binary)
}

pub(crate) async fn check_served(binary: &Binary) {
    let answer = call(binary.address, &token("main"), "GET", "/Users/7", None).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[expect(clippy::disallowed_methods, reason = "how large the crowd is, nothing about the bridge")]
fn crowd() -> usize {
    std::env::var(CROWD_VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or(CROWD)
}

/// A frame of HTTP/2.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The header fields of a request, in HPACK without any compression of its own.
pub(crate) fn fields() -> Vec<u8> {
    // GET, http, `/`, and the authority `a`.
    vec![0x82, 0x86, 0x84, 0x41, 0x01, b'a']
}

#[tokio::test]
async fn the_longest_idle_connection_makes_room() {
    let crowd = crowd();
    let room = crowd / 4;
    let limits = format!("connections = {room}\nconnections_per_address = {room}\n");
    let (_application, _installation, binary) = start(&limits).await;
    let before = binary.memory("VmRSS");
    let mut idle = Vec::with_capacity(crowd);
    for number in 0..crowd {
        let mut connection = Connection::open(binary.address).await;
        // Some say nothing, some begin a request, and some have had one.
        if number % 3 == 1 {
            connection.write(b"GET /Users HTTP/1.1\r\nHost: a\r\nX-Slow: ").await;
        }
        idle.push(connection);
        if number % 100 == 0 {
            check_served(&binary).await;
        }
    }
    check_served(&binary).await;
    let grown = binary.memory("VmHWM").saturating_sub(before);
    let most = 8 * MEGABYTE + u64::try_from(room).unwrap() * 32 * 1024;
    assert!(grown < most, "{crowd} connections, {room} at once: {grown} bytes");
    // The first ones are gone, the last ones are not.
    assert!(idle[0].is_closed().await);
    let last = idle.last_mut().unwrap();
    last.write(b"GET /Users/7 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(last.answer("GET").await.is_some());
}

#[tokio::test]
async fn idle_connections_that_have_room_cost_little_and_hinder_nobody() {
    let crowd = crowd();
    let room = crowd + 64;
    let limits = format!(
        "connections = {room}\nconnections_per_address = {room}\n\
         head_seconds = 300\nidle_seconds = 300\n"
    );
    let (_application, _installation, binary) = start(&limits).await;
    let before = binary.memory("VmRSS");
    let mut idle = Vec::with_capacity(crowd);
    for _ in 0..crowd {
        idle.push(Connection::open(binary.address).await);
    }
    for _ in 0..20 {
        check_served(&binary).await;
    }
    let grown = binary.memory("VmHWM").saturating_sub(before);
    tell(&format!("{crowd} idle connections at once: {grown} bytes more at most"));
    let most = 8 * MEGABYTE + u64::try_from(crowd).unwrap() * 32 * 1024;
    assert!(grown < most, "{crowd} connections: {grown} bytes");
    // All of them are still there, the first one too.
    for connection in idle.iter_mut().step_by(crowd.div_ceil(50)) {
        connection.write(b"GET /Users/7 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(connection.answer("GET").await.is_some());
    }
}

#[tokio::test]
async fn a_head_without_end_costs_no_memory() {
    let (_application, _installation, binary) = start("").await;
    let before = binary.memory("VmRSS");
    let mut connection = Connection::open(binary.address).await;
    connection.write(b"GET /Users/7 HTTP/1.1\r\nHost: a\r\n").await;
    let line = format!("X-Flood: {}\r\n", "x".repeat(10_000));
    for _ in 0..10_000 {
        if connection.try_write(line.as_bytes()).await.is_err() {
            break;
        }
    }
    check_served(&binary).await;

    // The same in HTTP/2: a head that is continued again and again.
    let mut stream = TcpStream::connect(binary.address).await.unwrap();
    let mut begin = HTTP2.to_vec();
    begin.extend(frame(1, 0, 1, &fields()));
    write(&mut stream, &begin).await;
    // A field without a name in the table: `x`, and a value of 16 000 bytes.
    let field = [&[0, 1, b'x', 0x7f, 0x81, 0x7c], "y".repeat(16_000).as_bytes()].concat();
    let more = frame(9, 0, 1, &field);
    for _ in 0..6_000 {
        if !write(&mut stream, &more).await {
            break;
        }
    }
    check_served(&binary).await;
    let grown = binary.memory("VmHWM").saturating_sub(before);
    assert!(grown < 16 * MEGABYTE, "{grown} bytes");
}

#[tokio::test]
async fn streams_that_are_reset_at_once_cost_no_memory() {
    let (_application, _installation, binary) = start("").await;
    let before = binary.memory("VmRSS");
    let mut stream = TcpStream::connect(binary.address).await.unwrap();
    write(&mut stream, HTTP2).await;
    for number in 0..50_000_u32 {
        let id = number * 2 + 1;
        let mut both = frame(1, 5, id, &fields());
        both.extend(frame(3, 0, id, &8_u32.to_be_bytes()));
        if !write(&mut stream, &both).await {
            break;
        }
    }
    check_served(&binary).await;
    let grown = binary.memory("VmHWM").saturating_sub(before);
    assert!(grown < 16 * MEGABYTE, "{grown} bytes");
}

#[tokio::test]
async fn requests_without_waiting_for_answers_cost_no_memory() {
    let (_application, _installation, binary) = start("").await;
    let before = binary.memory("VmRSS");
    let mut stream = TcpStream::connect(binary.address).await.unwrap();
    let many = "GET /Users/7 HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1000);
    for _ in 0..1000 {
        // Nobody reads the answers; in the end nothing more is taken.
        let writing = write(&mut stream, many.as_bytes());
        let taken = tokio::time::timeout(std::time::Duration::from_millis(300), writing).await;
        if taken != Ok(true) {
            break;
        }
    }
    check_served(&binary).await;
    let grown = binary.memory("VmHWM").saturating_sub(before);
    assert!(grown < 16 * MEGABYTE, "{grown} bytes");
}

pub(crate) async fn write(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    tokio::io::AsyncWriteExt::write_all(stream, bytes).await.is_ok()
}
