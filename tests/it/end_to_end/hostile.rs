//! Clients that take their time, and bodies and heads that are small on the wire and large when
//! they are unfolded: memory stays bounded, and others are served meanwhile.
#![cfg(test)]
#![cfg(target_os = "linux")]

use std::time::Duration;

use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::end_to_end::application::{Application, json as reply};
use crate::end_to_end::binary::{Binary, Installation};
use crate::end_to_end::bridge::{PEOPLE, token};
use crate::end_to_end::crowds::{HTTP2, MEGABYTE, check_served, fields, frame, start, write};
use crate::http::{Answer, Connection, send};

/// How many slow clients there are of each kind.
const SLOW: usize = 40;

/// Between two bytes of a slow client: less than any deadline, so that each of them would do if a
/// byte were enough to begin it anew.
const BEAT: Duration = Duration::from_millis(250);

/// What the deadlines below add up to, and time for a slow machine.
const OVER: Duration = Duration::from_secs(30);

/// A byte at a time until the bridge has had enough.
async fn drip(binary: &Binary, start: String, byte: &[u8]) -> Option<Answer> {
    let mut connection = Connection::open(binary.address).await;
    connection.write(start.as_bytes()).await;
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < OVER, "a slow client is borne for ever");
        if let Ok(answer) = timeout(BEAT, connection.answer("POST")).await {
            return answer;
        }
        connection.write(byte).await;
    }
}

#[tokio::test]
async fn a_byte_now_and_then_keeps_neither_a_connection_nor_anybody_else() {
    let limits = "head_seconds = 2\nidle_seconds = 1\nbody_seconds = 2\n";
    let (_application, _installation, binary) = start(limits).await;
    let before = binary.memory("VmRSS");
    let head = format!(
        "POST /Users HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/scim+json\r\n",
        token("main")
    );
    let heads = (0..SLOW).map(|_| drip(&binary, format!("{head}X-Slow: "), b"x"));
    let framed = format!("{head}Content-Length: 100000\r\n\r\n{{");
    let bodies = (0..SLOW).map(|_| drip(&binary, framed.clone(), b" "));
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
    let chunks = (0..SLOW).map(|_| drip(&binary, chunked.clone(), b"1\r\n{\r\n"));
    let slow = async {
        tokio::join!(
            futures_util::future::join_all(heads),
            futures_util::future::join_all(bodies),
            futures_util::future::join_all(chunks),
        )
    };
    let others = async {
        // While they are at it, nobody else waits.
        let mut longest = Duration::ZERO;
        for _ in 0..20 {
            let begun = Instant::now();
            check_served(&binary).await;
            longest = longest.max(begun.elapsed());
            sleep(Duration::from_millis(100)).await;
        }
        longest
    };
    let ((heads, bodies, chunks), longest) = tokio::join!(slow, others);
    // To a head that is not there nothing can be answered.
    assert!(heads.iter().all(Option::is_none), "{heads:?}");
    for answer in bodies.iter().chain(&chunks) {
        assert_eq!(answer.as_ref().map(|it| it.status), Some(408), "{answer:?}");
    }
    assert!(longest < OVER, "{longest:?}");
    let grown = binary.memory("VmHWM").saturating_sub(before);
    println!("{} slow clients: {grown} bytes more, others wait {longest:?} at most", 3 * SLOW);
    assert!(grown < 16 * MEGABYTE, "{grown} bytes");
}

#[tokio::test]
async fn clients_that_leave_early_do_not_fill_the_log() {
    let (_application, _installation, binary) = start("").await;
    for _ in 0..50 {
        let mut connection = Connection::open(binary.address).await;
        connection.write(b"GET /Users/7 HTTP/1.1\r\nHost: a\r\nX-Left: 1").await;
    }
    sleep(BEAT * 4).await;
    check_served(&binary).await;
    let loud = |line: &&String| line.contains("\"ERROR\"") || line.contains("pingora");
    let loud: Vec<String> = binary.log().iter().filter(loud).cloned().collect();
    assert!(loud.is_empty(), "{} lines: {:?}", loud.len(), loud.first());
}

/// A bridge in front of a large application, and a client that hardly reads.
#[tokio::test]
async fn a_client_that_does_not_read_is_not_written_to_for_ever() {
    let long = "x".repeat(8 * 1024 * 1024);
    let application =
        Application::start(move |_| reply(200, &json!({ "id": 7, "login": "ada", "name": long })))
            .await;
    let installation = Installation::new(&application.origin);
    let mapping = PEOPLE.replace("max_response: 64KiB", "max_response: 16MiB");
    installation.configure(&mapping, "[limits]\nwrite_seconds = 1\n");
    let binary = installation.serve().await;
    let mut stream = TcpStream::connect(binary.address).await.unwrap();
    let ask = format!(
        "GET /Users/7 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n",
        token("main")
    );
    assert!(write(&mut stream, ask.as_bytes()).await);
    let begun = Instant::now();
    let is_given_up =
        || binary.log().iter().any(|line| line.contains("no answer could be written"));
    while !is_given_up() {
        assert!(
            begun.elapsed() < OVER,
            "it is written to for ever: {}",
            binary.log().iter().rev().take(4).cloned().collect::<Vec<_>>().join("\n")
        );
        sleep(BEAT).await;
    }
    drop(stream);
}

#[tokio::test]
async fn what_unfolds_is_not_unfolded() {
    let (application, _installation, binary) = start("").await;
    application.take();
    let before = binary.memory("VmRSS");
    let bearer = format!("Bearer {}", token("main"));
    let ask = async |coding: &str, body: &[u8]| {
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/scim+json"),
            ("Content-Encoding", coding),
        ];
        send(binary.address, "POST", "/Users", &headers, body).await.status
    };
    // Close to the limit of a body, each.
    let size = 1_000_000;
    let deep = "[".repeat(size).into_bytes();
    let objects = r#"{"a":"#.repeat(size / 5).into_bytes();
    let wide = format!("{{\"userName\":\"ada\",\"emails\":[{}{{}}]}}", "{},".repeat(size / 3));
    let names: Vec<String> = (0..size / 12).map(|number| format!("\"{number:07}\":0")).collect();
    let names = format!("{{{}}}", names.join(","));
    // Deflate: blocks that repeat one byte 258 times for two bits each.
    let packed = vec![0_u8; size];
    for round in 0..3 {
        let (gzip, deflate, deep, objects, wide, names) = tokio::join!(
            ask("gzip", &packed),
            ask("deflate", &packed),
            ask("identity", &deep),
            ask("identity", &objects),
            ask("identity", wide.as_bytes()),
            ask("identity", names.as_bytes()),
        );
        assert_eq!((gzip, deflate, deep, objects), (415, 415, 400, 400), "round {round}");
        assert!([200..300, 400..500].iter().any(|range| range.contains(&wide)), "{wide}");
        assert!([200..300, 400..500].iter().any(|range| range.contains(&names)), "{names}");
        check_served(&binary).await;
    }
    let grown = binary.memory("VmHWM").saturating_sub(before);
    println!("bodies that unfold: {grown} bytes more at most");
    assert!(grown < 128 * MEGABYTE, "{grown} bytes");
}

/// HPACK lets a client name 4 KB that it has sent once with a single byte, again and again.
#[tokio::test]
async fn a_head_that_unfolds_is_not_unfolded() {
    let (_application, _installation, binary) = start("").await;
    let before = binary.memory("VmRSS");
    for _ in 0..20 {
        let mut stream = TcpStream::connect(binary.address).await.unwrap();
        let mut block = fields();
        // Into the table: `x`, and a value of 3 000 bytes; then its index 15 000 times: 45 MB.
        block.extend([0x40, 1, b'x', 0x7f, 0xb9, 0x16]);
        block.extend("y".repeat(3_000).as_bytes());
        block.resize(16_000, 0xbe);
        let mut bytes = HTTP2.to_vec();
        bytes.extend(frame(1, 5, 1, &block));
        write(&mut stream, &bytes).await;
        check_served(&binary).await;
    }
    let grown = binary.memory("VmHWM").saturating_sub(before);
    println!("heads that unfold: {grown} bytes more at most");
    assert!(grown < 16 * MEGABYTE, "{grown} bytes");
}
