//! What is sent, and how answers are read.
#![cfg(test)]

use std::time::Duration;

use scimbridge::exchange::upstream::{Upstream, UpstreamError};
use scimbridge::native::message::{Body, Method, NativeRequest, Payload};
use serde_json::json;

use crate::upstream::client::{call, get, pairs, request, template, upstream};
use crate::upstream::server::{Reply, Server, answer, ok, status};

#[tokio::test]
async fn a_request_is_what_the_mapping_says() {
    let server = Server::playing(vec![ok("{}"), ok("{}"), ok("{}")]).await;
    let mut api = server.api();
    api.headers = vec![
        ("X-App".to_owned(), template("one")),
        ("accept".to_owned(), template("application/vnd.app+json")),
        ("X-None".to_owned(), template("{config.none}")),
    ];
    api.query = vec![("v".to_owned(), template("2")), ("all".to_owned(), template("no"))];
    let upstream = upstream(&api);
    let mut plain = get("/users/a%2Fb%20c");
    plain.query = pairs(&[("all", "yes & more"), ("tag", "ü"), ("tag", "b")]);
    plain.headers = pairs(&[("x-APP", "two")]);
    upstream.call(plain).await.unwrap();
    let mut patch = request(Method::Patch, "/users/1");
    patch.headers = pairs(&[("Content-Type", "application/merge-patch+json")]);
    patch.body = Body::Json(json!({ "name": "Ünal" }));
    upstream.call(patch).await.unwrap();
    upstream.call(request(Method::Post, "/users/1/enable")).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen[0].line, "GET /api/users/a%2Fb%20c?v=2&all=yes+%26+more&tag=%C3%BC&tag=b");
    assert_eq!(seen[0].all("x-app"), ["two"]);
    assert_eq!(seen[0].all("accept"), ["application/vnd.app+json"]);
    assert_eq!(seen[0].all("user-agent"), [concat!("scimbridge/", env!("CARGO_PKG_VERSION"))]);
    assert_eq!(seen[0].all("content-type"), [""; 0]);
    assert_eq!(seen[0].all("x-none"), [""; 0]);
    assert_eq!(seen[1].all("content-type"), ["application/merge-patch+json"]);
    assert_eq!(seen[1].body, r#"{"name":"Ünal"}"#);
    assert_eq!(seen[2].line, "POST /api/users/1/enable?v=2&all=no");
    assert_eq!(seen[2].all("content-length"), ["0"]);
}

#[tokio::test]
async fn bodies_of_delete_and_form() {
    let server = Server::playing(vec![status(204), ok("{}")]).await;
    let upstream = upstream(&server.api());
    let mut delete = request(Method::Delete, "/groups/9/users");
    delete.body = Body::Json(json!({ "users": ["ada"] }));
    assert_eq!(upstream.call(delete).await.unwrap().body, Payload::Empty);
    let mut form = request(Method::Post, "/users");
    form.body = Body::Form(pairs(&[("a b", "ü&="), ("c", "")]));
    upstream.call(form).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen[0].line, "DELETE /api/groups/9/users");
    assert_eq!(seen[0].body, r#"{"users":["ada"]}"#);
    assert_eq!(seen[0].all("accept"), ["application/json"]);
    assert_eq!(seen[0].all("content-type"), ["application/json"]);
    assert_eq!(seen[1].body, "a+b=%C3%BC%26%3D&c=");
    assert_eq!(seen[1].all("content-type"), ["application/x-www-form-urlencoded"]);
}

#[tokio::test]
async fn answers_are_read_as_they_are() {
    let chunked =
        "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n1\r\n]\r\n0\r\n\r\n";
    let server = Server::playing(vec![
        answer(404, "X-Count: 3\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n", r#"{"e":1}"#),
        answer(200, "Content-Type: application/json\r\n", r#"{"e":"#),
        Reply::Keep(chunked.to_owned()),
        Reply::Keep("HTTP/1.1 200 X\r\nContent-Length: 5000\r\n\r\n".to_owned()),
    ])
    .await;
    let upstream = upstream(&server.api());
    let missing = upstream.call(get("/1")).await.unwrap();
    assert_eq!((missing.status, missing.header("x-count")), (404, Some("3")));
    assert_eq!(missing.headers.iter().filter(|(name, _)| name == "set-cookie").count(), 2);
    assert_eq!(missing.body, Payload::Json(json!({ "e": 1 })));
    assert_eq!(upstream.call(get("/2")).await.unwrap().body, Payload::Text(r#"{"e":"#.to_owned()));
    assert_eq!(upstream.call(get("/3")).await.unwrap().body, Payload::Json(json!([1])));
    assert_eq!(upstream.call(request(Method::Head, "/4")).await.unwrap().body, Payload::Empty);
}

#[tokio::test]
async fn paths_and_headers_cannot_escape() {
    let server = Server::playing(vec![]).await;
    let upstream = upstream(&server.api());
    for path in
        ["/../admin", "/users/%2e%2e", "/a\\..\\b", "users", ".evil.example", "/a?b=c", "/a#b"]
    {
        let outcome = upstream.call(get(path)).await;
        assert!(matches!(outcome, Err(UpstreamError::Unsendable(_))), "{path}: {outcome:?}");
    }
    for (name, value) in [("X-Name", "a\r\nX-Other: b"), ("Content-Length", "3"), ("a b", "c")] {
        let mut smuggling = get("/users");
        smuggling.headers = pairs(&[(name, value)]);
        let outcome = upstream.call(smuggling).await;
        assert!(matches!(outcome, Err(UpstreamError::Unsendable(_))), "{name}: {outcome:?}");
    }
    assert_eq!(server.lines(), [""; 0]);
}

#[tokio::test]
async fn large_answers_are_refused() {
    let chunk = "x".repeat(600);
    let chunked = format!(
        "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n258\r\n{chunk}\r\n258\r\n{chunk}\r\n0\r\n\r\n"
    );
    let server = Server::playing(vec![
        ok(&"1".repeat(1001)),
        Reply::Keep(chunked),
        answer(200, "", &"x".repeat(1000)),
    ])
    .await;
    let upstream = upstream(&server.api());
    for _ in 0..2 {
        let outcome = upstream.call(get("/users")).await;
        assert!(matches!(outcome, Err(UpstreamError::TooLarge)), "{outcome:?}");
    }
    assert_eq!(upstream.call(get("/users")).await.unwrap().body, Payload::Text("x".repeat(1000)));
}

#[tokio::test]
async fn calls_end_in_time() {
    let slow = "HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n1";
    let server = Server::playing(vec![Reply::Silence, Reply::Keep(slow.to_owned())]).await;
    let mut api = server.api();
    api.timeout = Duration::from_millis(60);
    for _ in 0..2 {
        let outcome = call(&api, get("/users")).await;
        assert!(matches!(outcome, Err(UpstreamError::TimedOut)), "{outcome:?}");
    }
    let late = Duration::from_millis(150);
    let text = "HTTP/1.1 204 X\r\n\r\n".to_owned();
    let server = Server::start(move |_, _| Reply::Late(late, text.clone())).await;
    api.base_url = template(&server.origin);
    let patient = NativeRequest { timeout: Some(Duration::from_secs(5)), ..get("/users") };
    assert_eq!(call(&api, patient).await.unwrap().status, 204);
}

#[tokio::test]
async fn no_more_calls_in_flight_than_allowed() {
    let late = Reply::Late(Duration::from_millis(30), "HTTP/1.1 204 X\r\n\r\n".to_owned());
    let server = Server::start(move |_, _| late.clone()).await;
    let mut api = server.api();
    api.concurrency = 1;
    let upstream = upstream(&api);
    let begun = tokio::time::Instant::now();
    let calls = [upstream.call(get("/1")), upstream.call(get("/2")), upstream.call(get("/3"))];
    for outcome in futures_util::future::join_all(calls).await {
        assert_eq!(outcome.unwrap().status, 204);
    }
    assert!(begun.elapsed() >= Duration::from_millis(90));
    assert!(server.seen().iter().all(|seen| seen.connection == 0), "one connection is enough");
}
