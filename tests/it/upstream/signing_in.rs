//! Signing in, and staying signed in.
#![cfg(test)]

use std::sync::Arc;
use std::time::Duration;

use scimbridge::exchange::upstream::{Upstream, UpstreamError};
use scimbridge::mapping::model::{Encoding, Locator, Session, SignIn, TokenPlace};
use scimbridge::native::message::Method;
use serde_json::json;

use crate::upstream::client::{
    HandClock, SECRET, body, build, call, chain, get, post, session, template, upstream,
};
use crate::upstream::server::{Reply, Seen, Server, answer, dropped, ok, status};

#[tokio::test]
async fn fixed_credentials() {
    let basic =
        |password| SignIn::Basic { username: template("svc"), password: template(password) };
    let key = |value| SignIn::Header { name: "X-Key".to_owned(), value: template(value) };
    for (sign_in, name, expected) in [
        (SignIn::Bearer(template("{config.secret}")), "authorization", "Bearer s3cret-Pa55"),
        (basic("{config.secret}"), "authorization", "Basic c3ZjOnMzY3JldC1QYTU1"),
        (basic(""), "authorization", "Basic c3ZjOg=="),
        (key("Token {config.secret}"), "x-key", "Token s3cret-Pa55"),
    ] {
        let server = Server::playing(vec![ok("{}")]).await;
        let mut api = server.api();
        api.sign_in = sign_in;
        api.headers = vec![("AUTHORIZATION".to_owned(), template(""))];
        call(&api, get("/users")).await.unwrap();
        assert_eq!(server.seen()[0].all(name), [expected]);
    }
}

#[tokio::test]
async fn one_login_for_many_calls() {
    let login = r#"{"token":"t1"}"#.to_owned();
    let server = Server::start(move |seen, _| match seen.line.as_str() {
        "POST /api/login" => ok(&login),
        _ => ok("{}"),
    })
    .await;
    let mut api = server.api();
    api.concurrency = 2;
    let mut session = session();
    session.headers = vec![("X-Login".to_owned(), template("yes"))];
    api.sign_in = SignIn::Session(Box::new(session));
    let upstream = upstream(&api);
    let calls = (0..8).map(|id| upstream.call(get(&format!("/users/{id}"))));
    for outcome in futures_util::future::join_all(calls).await {
        assert_eq!(outcome.unwrap().status, 200);
    }
    let seen = server.seen();
    assert_eq!(seen.len(), 9);
    assert_eq!(seen[0].line, "POST /api/login");
    assert_eq!(seen[0].body, r#"{"password":"s3cret-Pa55"}"#);
    assert_eq!(seen[0].all("x-login"), ["yes"]);
    assert_eq!(seen[0].all("authorization"), [""; 0]);
    assert!(seen[1..].iter().all(|seen| seen.all("authorization") == ["Bearer t1"]));
}

#[tokio::test]
async fn tokens_go_where_the_mapping_says() {
    let cookie =
        Locator::Header("set-cookie".to_owned(), Some(regex::Regex::new("^sid=([^;]+)").unwrap()));
    let cookies = "Set-Cookie: lang=de\r\nSet-Cookie: sid=abc=; HttpOnly\r\n";
    let server =
        Server::playing(vec![answer(204, cookies, ""), ok("{}"), ok(r#"{"id":7}"#), ok("{}")]);
    let server = server.await;
    let mut api = server.api();
    api.headers = vec![("Cookie".to_owned(), template("lang=de"))];
    let place = TokenPlace::Cookie("sid".to_owned(), template("{token}"));
    let form = Session { token: cookie, send: place, encoding: Encoding::Form, ..session() };
    api.sign_in = SignIn::Session(Box::new(form));
    call(&api, get("/users")).await.unwrap();
    let place = TokenPlace::Query("sid".to_owned(), template("{token}-{config.colon}"));
    let query =
        Session { method: Method::Get, body: None, send: place, token: body("$.id"), ..session() };
    api.sign_in = SignIn::Session(Box::new(query));
    call(&api, get("/users")).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen[0].body, "password=s3cret-Pa55");
    assert_eq!(seen[1].all("cookie"), ["lang=de; sid=abc="]);
    assert_eq!(seen[2].line, "GET /api/login");
    assert_eq!(seen[3].line, "GET /api/users?sid=7-a%3Ab");
}

/// Whether a token is renewed within so many seconds, and not a second earlier.
async fn renewed_after(login: &str, seconds: u64) {
    let login = login.to_owned();
    let server = Server::start(move |seen, _| match seen.line.as_str() {
        "POST /api/login" => ok(&login),
        _ => ok("{}"),
    })
    .await;
    let mut api = server.api();
    let expires = Some(body("$.end"));
    api.sign_in = SignIn::Session(Box::new(Session { expires, ..session() }));
    let clock = HandClock::new();
    let upstream = build(&api, Arc::clone(&clock)).unwrap();
    upstream.call(get("/users")).await.unwrap();
    clock.forward(seconds - 1);
    upstream.call(get("/users")).await.unwrap();
    assert_eq!(server.lines().len(), 3);
    clock.forward(1);
    upstream.call(get("/users")).await.unwrap();
    assert_eq!(server.lines()[3..], ["POST /api/login", "GET /api/users"]);
}

#[tokio::test]
async fn tokens_are_renewed_before_their_end() {
    renewed_after(r#"{"token":"t","end":100}"#, 90).await;
    renewed_after(r#"{"token":"t","end":"3600"}"#, 3540).await;
    renewed_after(r#"{"token":"t","end":1795286386}"#, 90).await;
    renewed_after(r#"{"token":"t","end":"2026-11-21T18:39:46.000000Z"}"#, 90).await;
    // Nothing usable: the mapping's 30 minutes.
    renewed_after(r#"{"token":"t"}"#, 1740).await;
    renewed_after(r#"{"token":"t","end":"2001-01-01T00:00:00Z"}"#, 1740).await;
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let server = Server::playing(vec![
        ok(r#"{"token":"t1"}"#),
        status(401),
        ok(r#"{"token":"t2"}"#),
        status(201),
        status(401),
        ok(r#"{"token":"t3"}"#),
        answer(401, "", "still no"),
    ])
    .await;
    let mut api = server.api();
    api.sign_in = SignIn::Session(Box::new(session()));
    let upstream = upstream(&api);
    let create = post("/users", json!({ "name": "ada" }));
    assert_eq!(upstream.call(create.clone()).await.unwrap().status, 201);
    let seen = server.seen();
    assert_eq!(seen[1].all("authorization"), ["Bearer t1"]);
    assert_eq!(seen[3].all("authorization"), ["Bearer t2"]);
    assert_eq!(seen[1].body, seen[3].body);
    let refused = upstream.call(create).await.unwrap();
    assert_eq!((refused.status, server.lines().len()), (401, 7));
}

#[tokio::test]
async fn calls_refused_together_share_a_renewal() {
    let server = Server::start(|seen, number| match seen.line.as_str() {
        "POST /api/login" if number == 0 => ok(r#"{"token":"t1"}"#),
        "POST /api/login" => ok(r#"{"token":"t2"}"#),
        _ if seen.all("authorization") == ["Bearer t1"] => Reply::Late(
            Duration::from_millis(50),
            "HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n".into(),
        ),
        _ => ok("{}"),
    })
    .await;
    let mut api = server.api();
    api.sign_in = SignIn::Session(Box::new(session()));
    let upstream = upstream(&api);
    let calls = (0..4).map(|id| upstream.call(get(&format!("/users/{id}"))));
    for outcome in futures_util::future::join_all(calls).await {
        assert_eq!(outcome.unwrap().status, 200);
    }
    let logins = server.lines().iter().filter(|line| *line == "POST /api/login").count();
    assert_eq!((logins, server.lines().len()), (2, 10));
}

#[tokio::test]
async fn failed_logins() {
    for reply in [
        answer(403, "", &format!("no such password: {SECRET}")),
        ok(r#"{"token":""}"#),
        ok("{}"),
        ok(r#"{"token":"a\nb"}"#),
        status(302),
    ] {
        let server = Server::start(move |_, _| reply.clone()).await;
        let mut api = server.api();
        api.sign_in = SignIn::Session(Box::new(session()));
        let error = call(&api, get("/users")).await.unwrap_err();
        assert!(matches!(error, UpstreamError::SignIn(Some(_))), "{error:?}");
        assert!(!chain(&error).contains(SECRET), "{}", chain(&error));
        assert_eq!(server.lines(), ["POST /api/login"]);
    }
}

#[tokio::test]
async fn a_refused_login_is_not_hammered() {
    let login = |_: &Seen, number| if number == 0 { status(401) } else { ok(r#"{"token":"t"}"#) };
    let server = Server::start(login).await;
    let mut api = server.api();
    api.sign_in = SignIn::Session(Box::new(session()));
    let clock = HandClock::new();
    let upstream = build(&api, Arc::clone(&clock)).unwrap();
    for _ in 0..3 {
        let outcome = upstream.call(get("/users")).await;
        assert!(matches!(outcome, Err(UpstreamError::SignIn(_))), "{outcome:?}");
    }
    assert_eq!(server.lines().len(), 1);
    clock.forward(5);
    assert_eq!(upstream.call(get("/users")).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_login_without_answer_is_repeated_for_every_method() {
    let server =
        Server::playing(vec![dropped(), status(503), ok(r#"{"token":"t"}"#), status(201)]).await;
    let mut api = server.api();
    api.sign_in = SignIn::Session(Box::new(session()));
    assert_eq!(call(&api, post("/users", json!({}))).await.unwrap().status, 201);
}
