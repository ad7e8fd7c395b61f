//! What comes in too large or too deep is refused, and costs the process next to nothing.
#![cfg(test)]

use serde_json::json;

use crate::end_to_end::application::{Application, json as reply};
use crate::end_to_end::bridge::{Bridge, PEOPLE, call, check_error, filter, token};
use crate::http::{Connection, send};

/// What an identity provider would never send.
const FLOOD: usize = 60 * 1000 * 1000;

async fn record() -> Application {
    Application::start(|_| reply(200, &json!({ "id": 7, "login": "ada" }))).await
}

#[cfg(target_os = "linux")]
mod memory {
    //! The real process, whose memory is its own.

    use crate::end_to_end::binary::{Binary, Installation};
    use crate::end_to_end::floods::{FLOOD, call, check_error, record, token};
    use crate::http::Connection;

    /// What four bodies may have of it before they are refused, and as much again three times for
    /// the allocator's blocks. The bodies themselves would be fourteen times this.
    const MOST: u64 = 16 * 1024 * 1024;

    /// Sends a head and then `chunk` again and again, for as long as the bridge takes it.
    async fn flood(binary: &Binary, framing: &str, chunk: &[u8]) {
        let mut connection = Connection::open(binary.address).await;
        let head = format!(
            "POST /scim/v2/Users HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/scim+json\r\n{framing}\r\n\r\n",
            binary.address,
            token("main")
        );
        connection.write(head.as_bytes()).await;
        for _ in 0..FLOOD / 60_000 {
            if connection.try_write(chunk).await.is_err() {
                break;
            }
        }
        let answer = connection.answer("POST").await.expect("an answer");
        check_error(&answer, 413, framing);
        assert_eq!(answer.header("connection"), Some("close"), "{framing}");
    }

    #[tokio::test]
    async fn a_body_of_60_megabytes_is_refused_and_not_kept() {
        let application = record().await;
        let installation = Installation::new(&application.origin);
        let binary = installation.serve().await;
        let ask = async || call(binary.address, &token("main"), "GET", "/Users/7", None).await;
        assert_eq!(ask().await.status, 200);
        let calls = application.take().len();
        let before = binary.memory("VmRSS");

        let plain = vec![b'['; 60_000];
        let chunk = [format!("{:x}\r\n", plain.len()).as_bytes(), &plain, b"\r\n"].concat();
        let length = format!("Content-Length: {FLOOD}");
        tokio::join!(
            flood(&binary, &length, &plain),
            flood(&binary, "Transfer-Encoding: chunked", &chunk),
            flood(&binary, &length, &plain),
            flood(&binary, "Transfer-Encoding: chunked", &chunk),
        );

        assert_eq!((calls, application.calls().len()), (1, 0));
        assert_eq!(ask().await.status, 200);
        let grown = binary.memory("VmRSS").saturating_sub(before);
        let most = binary.memory("VmHWM").saturating_sub(before);
        assert!(grown < MOST && most < MOST, "{grown} bytes more, {most} in between");
    }
}

#[tokio::test]
async fn json_that_is_too_deep_is_bad_syntax() {
    let application = record().await;
    let bridge = Bridge::start(PEOPLE, &application.origin).await;
    let deep = "[".repeat(10_000);
    let bearer = format!("Bearer {}", token("main"));
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    for (method, target, body) in [
        ("POST", "/Users", deep.clone()),
        ("POST", "/Users", format!(r#"{{"userName":"ada","emails":{deep}"#)),
        ("POST", "/Users", r#"{"userName":"ada","x":"#.to_owned() + &r#"{"x":"#.repeat(10_000)),
        ("POST", "/Users/.search", deep.clone()),
        ("PUT", "/Users/7", deep.clone()),
        ("PATCH", "/Users/7", deep.clone()),
        ("PATCH", "/Groups/7", format!(r#"{{"Operations":{deep}{}}}"#, "]".repeat(10_000))),
    ] {
        let answer = send(bridge.address, method, target, &headers, body.as_bytes()).await;
        check_error(&answer, 400, target);
        assert_eq!(answer.json()["scimType"], json!("invalidSyntax"), "{method} {target}");
    }
    assert_eq!(application.calls().len(), 0);
    bridge.stop().await;
}

#[tokio::test]
async fn a_filter_that_is_too_deep_is_a_bad_filter() {
    let application = record().await;
    let bridge = Bridge::start(PEOPLE, &application.origin).await;
    let (open, close) = ("(".repeat(5000), ")".repeat(5000));
    for text in [
        format!("{open}title pr{close}"),
        open.clone(),
        format!("{} title pr", "not (".repeat(1500)),
    ] {
        let answer = bridge.get(&format!("/Users?{}", filter(&text))).await;
        check_error(&answer, 400, &text);
        assert_eq!(answer.json()["scimType"], json!("invalidFilter"), "{text}");
    }
    assert_eq!(application.calls().len(), 0);
    bridge.stop().await;
}

#[tokio::test]
async fn a_flood_of_headers_is_refused() {
    let application = record().await;
    let bridge = Bridge::start(PEOPLE, &application.origin).await;
    let bearer = format!("Bearer {}", token("main"));
    let authorization = ("Authorization", bearer.as_str());
    let (line, block) = ("a".repeat(500), "a".repeat(40_000));
    for (what, extra) in [
        ("many", vec![("X-Many", "1"); 200]),
        ("many and long", vec![("X-Long", line.as_str()); 90]),
        ("one and huge", vec![("X-Huge", block.as_str())]),
    ] {
        let headers = [vec![authorization], extra].concat();
        let answer = send(bridge.address, "GET", "/Users/7", &headers, b"").await;
        check_error(&answer, 431, what);
    }
    let target = format!("/Users?filter={block}");
    check_error(&bridge.get(&target).await, 414, "a target of 40 KB");
    assert_eq!(application.calls().len(), 0);
    bridge.stop().await;
}

/// The server below answers these itself, with nothing in the body: it refuses, which is enough.
#[tokio::test]
async fn a_head_without_measure_never_reaches_anybody() {
    let application = record().await;
    let bridge = Bridge::start(PEOPLE, &application.origin).await;
    let mut connection = Connection::open(bridge.address).await;
    let bearer = format!("Authorization: Bearer {}\r\n", token("main"));
    connection.write(format!("GET /Users/7 HTTP/1.1\r\nHost: x\r\n{bearer}").as_bytes()).await;
    for _ in 0..100_000 {
        if connection.try_write(b"X-Flood: aaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n").await.is_err() {
            break;
        }
    }
    connection.write(b"\r\n").await;
    let status = connection.answer("GET").await.map(|answer| answer.status);
    assert!(status.is_none_or(|status| (400..500).contains(&status)), "{status:?}");
    assert_eq!(application.calls().len(), 0);
    assert_eq!(bridge.get("/Users/7").await.status, 200);
    bridge.stop().await;
}
