//! Rates, idempotency keys, proxies, and sessions that end without a status.
#![cfg(test)]

use std::time::Duration;

use scimbridge::exchange::upstream::{Upstream, UpstreamError};
use scimbridge::mapping::access::{Rate, RetryMethods, TimeUnit};
use scimbridge::mapping::expression::Expression;
use scimbridge::mapping::model::{Session, SignIn, TokenPlace};
use scimbridge::native::message::{Body, Method, NativeRequest};
use scimbridge::native::path::NativePath;
use serde_json::{Value, json};

use crate::upstream::client::{
    HandClock, SECRET, api, body, build, call, chain, get, post, request, session, template,
    upstream,
};
use crate::upstream::server::{Server, answer, ok, status};

#[tokio::test]
async fn no_more_calls_than_the_rate_allows() {
    let server = Server::start(|_, _| ok("{}")).await;
    let mut api = server.api();
    api.rate = Some(Rate { most: 3, per: Duration::from_hours(1) });
    let upstream = upstream(&api);
    let calls = (0..5).map(|id| upstream.call(get(&format!("/users/{id}"))));
    let outcomes = futures_util::future::join_all(calls).await;
    let mut turned_away = 0;
    for outcome in outcomes {
        match outcome {
            Ok(answer) => assert_eq!(answer.status, 200),
            Err(UpstreamError::Throttled { retry_after }) => {
                assert!(retry_after > Duration::from_mins(59), "{retry_after:?}");
                turned_away += 1;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!((turned_away, server.lines().len()), (2, 3));
}

#[tokio::test]
async fn a_call_waits_for_its_turn_and_repetitions_count() {
    let server = Server::playing(vec![status(503), ok("{}"), ok("{}")]).await;
    let mut api = server.api();
    api.rate = Some(Rate { most: 2, per: Duration::from_millis(100) });
    let upstream = upstream(&api);
    let begun = tokio::time::Instant::now();
    upstream.call(get("/1")).await.unwrap();
    upstream.call(get("/2")).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(100));
    assert_eq!(server.lines().len(), 3);
}

#[tokio::test]
async fn a_key_makes_a_post_repeatable() {
    let keyed = NativeRequest {
        headers: vec![("Idempotency-Key".to_owned(), "k1".to_owned())],
        repeatable: true,
        ..post("/users", json!({}))
    };
    let server = Server::playing(vec![status(503), status(201)]).await;
    assert_eq!(call(&server.api(), keyed).await.unwrap().status, 201);
    let keys: Vec<_> =
        server.seen().iter().map(|seen| seen.all("idempotency-key").concat()).collect();
    assert_eq!(keys, ["k1", "k1"]);
    let server = Server::playing(vec![status(503), status(204)]).await;
    let mut api = server.api();
    api.retry.methods = RetryMethods::All;
    assert_eq!(call(&api, request(Method::Patch, "/users/1")).await.unwrap().status, 204);
}

#[tokio::test]
async fn milliseconds_to_wait() {
    for (wait, waits) in [(20, true), (20_000, false)] {
        let told = answer(429, "", &format!(r#"{{"retry_after_ms":{wait}}}"#));
        let server = Server::playing(vec![told, ok("{}")]).await;
        let mut api = server.api();
        api.retry.after = body("$.retry_after_ms");
        api.retry.after_unit = TimeUnit::Milliseconds;
        let expected = if waits { 200 } else { 429 };
        assert_eq!(call(&api, get("/users")).await.unwrap().status, expected);
    }
}

fn rpc() -> Session {
    Session {
        send: TokenPlace::Body(vec!["auth".to_owned()], template("{token}")),
        token: body("$.result"),
        renew_on: vec![],
        renew_when: Some(
            Expression::compile("status == 200 and message == 'Session terminated'").unwrap(),
        ),
        messages: vec![NativePath::parse("$.error.data").unwrap()],
        ..session()
    }
}

#[tokio::test]
async fn a_session_of_json_rpc() {
    let over = r#"{"error":{"data":"Session terminated"}}"#;
    let server = Server::playing(vec![
        ok(r#"{"result":"t1"}"#),
        ok(r#"{"result":[]}"#),
        ok(over),
        ok(r#"{"result":"t2"}"#),
        ok(r#"{"result":[1]}"#),
        ok(r#"{"error":{"data":"another"}}"#),
    ])
    .await;
    let mut api = server.api();
    api.sign_in = SignIn::Session(Box::new(rpc()));
    let upstream = upstream(&api);
    let frame = || post("/rpc", json!({ "method": "user.get", "params": {} }));
    assert_eq!(upstream.call(frame()).await.unwrap().json(), Some(&json!({ "result": [] })));
    assert_eq!(upstream.call(frame()).await.unwrap().json(), Some(&json!({ "result": [1] })));
    let other = upstream.call(frame()).await.unwrap();
    assert_eq!(other.json(), Some(&json!({ "error": { "data": "another" } })));
    let seen = server.seen();
    let sent = |number: usize| serde_json::from_str::<Value>(&seen[number].body).unwrap();
    for (number, token) in [(1, "t1"), (2, "t1"), (4, "t2"), (5, "t2")] {
        let expected = json!({ "method": "user.get", "params": {}, "auth": token });
        assert_eq!(sent(number), expected);
    }
    assert_eq!(sent(0), json!({ "password": SECRET }));
    let nowhere = upstream.call(NativeRequest { body: Body::Json(json!([])), ..frame() }).await;
    assert!(matches!(nowhere, Err(UpstreamError::Unsendable(_))), "{nowhere:?}");
}

#[tokio::test]
async fn a_login_refused_with_status_200_is_not_hammered() {
    let server = Server::start(|_, _| ok(r#"{"error":{"data":"wrong password"}}"#)).await;
    let mut api = server.api();
    api.sign_in = SignIn::Session(Box::new(rpc()));
    let upstream = upstream(&api);
    for _ in 0..3 {
        let outcome = upstream.call(get("/users")).await;
        assert!(matches!(outcome, Err(UpstreamError::SignIn(_))), "{outcome:?}");
    }
    assert_eq!(server.lines(), ["POST /api/login"]);
}

#[tokio::test]
async fn calls_go_through_the_proxy() {
    let proxy = Server::playing(vec![ok(r#"{"by":"proxy"}"#)]).await;
    let mut api = api("http://app.example/api");
    let address = proxy.origin.replace("http://", "http://svc:{config.secret}@");
    api.proxy = Some(template(&address));
    let upstream = upstream(&api);
    let answer = upstream.call(get("/users")).await.unwrap();
    assert_eq!(answer.json(), Some(&json!({ "by": "proxy" })));
    let seen = proxy.seen();
    assert_eq!(seen[0].line, "GET http://app.example/api/users");
    assert_eq!(seen[0].all("proxy-authorization"), ["Basic c3ZjOnMzY3JldC1QYTU1"]);
    assert!(!format!("{upstream:?}").contains(SECRET));
}

#[tokio::test]
async fn a_proxy_that_is_none() {
    for text in ["socks5://proxy:{config.secret}@h", "proxy:{config.secret}", "http://"] {
        let mut api = api("http://app.example/api");
        api.proxy = Some(template(text));
        let error = build(&api, HandClock::new()).unwrap_err();
        let told = "api.proxy cannot be used: it is not a URL with http or https";
        assert_eq!(error.to_string(), told);
        assert!(!chain(&error).contains(SECRET));
    }
    let mut api = api("http://app.example/api");
    api.proxy = Some(template("http://svc:{config.secret}@127.0.0.1:1"));
    let error = call(&api, get("/users")).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Unreachable(_)), "{error:?}");
    assert!(!chain(&error).contains(SECRET), "{}", chain(&error));
}
