//! What is repeated, and what is not.
#![cfg(test)]

use std::time::Duration;

use scimbridge::exchange::upstream::{Upstream, UpstreamError};
use scimbridge::mapping::model::Locator;
use scimbridge::native::message::{Method, Payload};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::upstream::client::{api, body, call, get, post, request, upstream};
use crate::upstream::server::{Reply, Server, answer, dropped, ok, receive, status};

#[tokio::test]
async fn what_may_arrive_twice_is_repeated() {
    for method in [Method::Get, Method::Head, Method::Put, Method::Delete] {
        let server = Server::playing(vec![status(503), dropped(), status(204)]).await;
        assert_eq!(call(&server.api(), request(method, "/users")).await.unwrap().status, 204);
        assert_eq!(server.lines().len(), 3);
    }
    let cut = Reply::Close("HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n{".to_owned());
    let server = Server::playing(vec![cut, ok("{}")]).await;
    assert_eq!(call(&server.api(), get("/users")).await.unwrap().body, Payload::Json(json!({})));
}

#[tokio::test]
async fn what_may_not_is_sent_once() {
    for method in [Method::Post, Method::Patch] {
        let server = Server::playing(vec![status(503)]).await;
        assert_eq!(call(&server.api(), request(method, "/users")).await.unwrap().status, 503);
        assert_eq!(server.lines().len(), 1);
        let cut = Reply::Close("HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n{".to_owned());
        for reply in [dropped(), cut] {
            let server = Server::playing(vec![reply]).await;
            let outcome = call(&server.api(), request(method, "/users")).await;
            assert!(matches!(outcome, Err(UpstreamError::Interrupted(_))), "{outcome:?}");
            assert_eq!(server.lines().len(), 1);
        }
    }
}

#[tokio::test]
async fn attempts_come_to_an_end() {
    let server = Server::start(|_, _| status(502)).await;
    assert_eq!(call(&server.api(), get("/users")).await.unwrap().status, 502);
    assert_eq!(server.lines().len(), 3);
    let server = Server::start(|_, _| status(500)).await;
    assert_eq!(call(&server.api(), get("/users")).await.unwrap().status, 500);
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn an_unreachable_application() {
    // Nobody listens on a port that was free a moment ago; a late listener answers every method.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut api = api(&format!("http://{address}"));
    let outcome = call(&api, get("/users")).await;
    assert!(matches!(outcome, Err(UpstreamError::Unreachable(Some(_)))), "{outcome:?}");
    api.retry.backoff = (Duration::from_secs(2), Duration::from_secs(2));
    let upstream = upstream(&api);
    let late = async {
        sleep(Duration::from_millis(20)).await;
        let (mut stream, _) = TcpListener::bind(address).await.unwrap().accept().await.unwrap();
        receive(&mut stream, 0).await.unwrap();
        stream.write_all(b"HTTP/1.1 201 X\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    };
    let (outcome, ()) = tokio::join!(upstream.call(request(Method::Post, "/users")), late);
    assert_eq!(outcome.unwrap().status, 201);
}

#[tokio::test]
async fn a_kept_connection_may_be_stale() {
    let server = Server::playing(vec![ok("1"), dropped(), ok("2"), dropped()]).await;
    let mut api = server.api();
    api.retry.attempts = 1;
    let upstream = upstream(&api);
    upstream.call(get("/1")).await.unwrap();
    assert_eq!(upstream.call(get("/2")).await.unwrap().body, Payload::Json(json!(2)));
    let outcome = upstream.call(post("/3", json!({}))).await;
    assert!(matches!(outcome, Err(UpstreamError::Interrupted(_))), "{outcome:?}");
    let connections: Vec<_> = server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 0, 1, 1]);
}

#[tokio::test]
async fn the_application_says_how_long_to_wait() {
    for (after, waits) in [("0", true), ("Sat, 21 Nov 2026 18:38:06 GMT", true), ("30", false)] {
        let headers = format!("Retry-After: {after}\r\n");
        let server = Server::playing(vec![answer(429, &headers, ""), ok("{}")]).await;
        let mut api = server.api();
        // Without the header the pause would not fit into the time either.
        api.retry.backoff = (Duration::from_mins(1), Duration::from_mins(1));
        let answer = call(&api, get("/users")).await.unwrap();
        assert_eq!(answer.status, if waits { 200 } else { 429 }, "{after}");
        assert_eq!(server.lines().len(), if waits { 2 } else { 1 });
    }
    let server = Server::playing(vec![
        answer(503, "X-Reset: until 0.05\r\n", ""),
        answer(503, "", r#"{"reset":1795286286}"#),
        status(204),
    ])
    .await;
    let mut api = server.api();
    api.retry.after =
        Locator::Header("x-reset".to_owned(), Some(regex::Regex::new("until (.*)").unwrap()));
    let begun = tokio::time::Instant::now();
    assert_eq!(call(&api, get("/users")).await.unwrap().status, 204);
    assert!(begun.elapsed() >= Duration::from_millis(50));
    let server =
        Server::playing(vec![answer(503, "", r#"{"reset":1795286287}"#), status(204)]).await;
    let mut api = server.api();
    api.retry.after = body("$.reset");
    api.timeout = Duration::from_millis(500);
    assert_eq!(call(&api, get("/users")).await.unwrap().status, 503);
}
