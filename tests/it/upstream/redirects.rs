//! Redirects and links stay below `base_url`.
#![cfg(test)]

use scimbridge::exchange::upstream::{Upstream, UpstreamError};
use scimbridge::mapping::model::SignIn;
use scimbridge::native::message::{Method, NativeRequest};
use serde_json::json;

use crate::upstream::client::{call, get, pairs, post, request, template, upstream};
use crate::upstream::server::{Server, answer, ok};

#[tokio::test]
async fn redirects_stay_below() {
    let server = Server::playing(vec![
        answer(307, "Location: users2?p=1\r\n", ""),
        answer(301, "Location: /api/users3\r\n", ""),
        ok("{}"),
        answer(302, "Location: /login\r\n", "please log in"),
        answer(303, "Location: /api/users/1\r\n", ""),
    ])
    .await;
    let mut api = server.api();
    api.sign_in = SignIn::Bearer(template("{config.secret}"));
    let upstream = upstream(&api);
    let mut first = get("/users");
    first.query = pairs(&[("q", "a")]);
    assert_eq!(upstream.call(first).await.unwrap().status, 200);
    assert_eq!(upstream.call(get("/users")).await.unwrap().status, 302);
    assert_eq!(upstream.call(post("/users", json!({}))).await.unwrap().status, 303);
    let lines = ["GET /api/users?q=a", "GET /api/users2?p=1", "GET /api/users3"];
    assert_eq!(server.lines()[..3], lines);
    assert_eq!(server.lines().len(), 5);
    assert!(server.seen().iter().all(|seen| seen.all("authorization").len() == 1));
}

#[tokio::test]
async fn redirects_never_leave_the_origin() {
    let other = Server::playing(vec![]).await;
    for location in [other.origin.as_str(), "//evil.example/api", "https://127.0.0.1/api/users"] {
        for method in [Method::Get, Method::Post] {
            let headers = format!("Location: {location}\r\n");
            let server = Server::playing(vec![answer(302, &headers, "")]).await;
            let outcome = call(&server.api(), request(method, "/users")).await;
            assert!(matches!(outcome, Err(UpstreamError::OffOrigin)), "{location}: {outcome:?}");
        }
    }
    assert_eq!(other.lines(), [""; 0]);
}

#[tokio::test]
async fn redirects_do_not_go_round_for_ever() {
    let server = Server::start(|_, _| answer(302, "Location: /api/users\r\n", "")).await;
    assert_eq!(call(&server.api(), get("/users")).await.unwrap().status, 302);
    assert_eq!(server.lines().len(), 4);
}

#[tokio::test]
async fn links_are_followed_below() {
    let server = Server::playing(vec![ok("{}")]).await;
    let mut api = server.api();
    api.sign_in = SignIn::Query { name: "key".to_owned(), value: template("{config.secret}") };
    api.query = vec![("v".to_owned(), template("2"))];
    let upstream = upstream(&api);
    let link = format!("{}/api/users?v=2&key=old&after=a%26b", server.origin);
    let link = upstream.follow("/users", &link).unwrap();
    let next = NativeRequest { query: link.query, ..get(&link.path) };
    upstream.call(next).await.unwrap();
    assert_eq!(server.lines(), ["GET /api/users?v=2&after=a%26b&key=s3cret-Pa55"]);
    for away in ["https://evil.example/api/users", "/other/users", "/api/../users"] {
        assert!(matches!(upstream.follow("/users", away), Err(UpstreamError::OffOrigin)), "{away}");
    }
}
