//! Tokens of an OAuth 2.0 token endpoint.
#![cfg(test)]

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use scimbridge::exchange::upstream::{Upstream, UpstreamError};
use scimbridge::mapping::access::{Assertion, ClientAuth, Grant, JwtAlgorithm, OAuth2};
use scimbridge::mapping::model::{Api, SignIn};
use scimbridge::upstream::client::HttpUpstream;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::upstream::client::{
    HandClock, SECRET, api, build, build_with, call, chain, get, post, template, upstream,
};
use crate::upstream::server::{Reply, Seen, Server, answer, dropped, ok, status};

/// `client_credentials` with name and secret in the form.
fn oauth2(server: &Server) -> OAuth2 {
    OAuth2 {
        token_url: template(&format!("{}/oauth/token", server.origin)),
        grant: Grant::ClientCredentials,
        client: ClientAuth::Body(Some(template("{config.secret}"))),
        client_id: Some(template("bridge")),
        scope: None,
        audience: None,
        params: vec![],
        assertion: None,
        leeway: Duration::from_mins(1),
    }
}

fn signing(server: &Server, oauth2: OAuth2) -> Api {
    let mut api = server.api();
    api.sign_in = SignIn::OAuth2(Box::new(oauth2));
    api
}

fn fields(seen: &Seen) -> Vec<(String, String)> {
    form_urlencoded::parse(seen.body.as_bytes()).into_owned().collect()
}

fn field(seen: &Seen, name: &str) -> String {
    let found = fields(seen).into_iter().filter(|(have, _)| have == name);
    let values: Vec<String> = found.map(|(_, value)| value).collect();
    assert_eq!(values.len(), 1, "{name}");
    values.concat()
}

/// An answer for which others have to wait.
fn slow(body: &str) -> Reply {
    let length = body.len();
    let text = format!("HTTP/1.1 200 X\r\nContent-Length: {length}\r\n\r\n{body}");
    Reply::Late(Duration::from_millis(20), text)
}

const FETCH: &str = "POST /oauth/token";

#[tokio::test]
async fn one_token_for_many_calls() {
    let server = Server::start(|seen, _| match seen.line.as_str() {
        FETCH => slow(r#"{"access_token":"t1","token_type":"bearer"}"#),
        _ => ok("{}"),
    })
    .await;
    let mut oauth2 = oauth2(&server);
    oauth2.scope = Some(template("users:read users:write"));
    oauth2.audience = Some(template("https://app.example"));
    oauth2.params = vec![("resource".to_owned(), template("a&b=c"))];
    let upstream = upstream(&signing(&server, oauth2));
    let calls = (0..20).map(|id| upstream.call(get(&format!("/users/{id}"))));
    for outcome in futures_util::future::join_all(calls).await {
        assert_eq!(outcome.unwrap().status, 200);
    }
    let seen = server.seen();
    assert_eq!(seen.len(), 21);
    assert_eq!(seen[0].line, FETCH);
    assert_eq!(seen[0].all("content-type"), ["application/x-www-form-urlencoded"]);
    assert_eq!(seen[0].all("accept"), ["application/json"]);
    assert_eq!(seen[0].all("authorization"), [""; 0]);
    let expected = [
        ("grant_type", "client_credentials"),
        ("client_id", "bridge"),
        ("client_secret", SECRET),
        ("scope", "users:read users:write"),
        ("audience", "https://app.example"),
        ("resource", "a&b=c"),
    ];
    assert_eq!(fields(&seen[0]), expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    assert!(seen[1..].iter().all(|seen| seen.all("authorization") == ["Bearer t1"]));
}

#[tokio::test]
async fn the_token_endpoint_gets_nothing_of_the_application() {
    let identity = Server::playing(vec![ok(r#"{"access_token":"t1"}"#)]).await;
    let application = Server::playing(vec![ok("{}")]).await;
    let mut api = signing(&application, oauth2(&identity));
    api.headers = vec![("X-Key".to_owned(), template("{config.secret}"))];
    api.query = vec![("v".to_owned(), template("2"))];
    call(&api, get("/users")).await.unwrap();
    assert_eq!(identity.lines(), [FETCH]);
    assert_eq!(identity.seen()[0].all("x-key"), [""; 0]);
    assert_eq!(application.lines(), ["GET /api/users?v=2"]);
}

#[tokio::test]
async fn name_and_secret_in_a_header_are_form_encoded() {
    let server = Server::playing(vec![ok(r#"{"access_token":"t1"}"#), ok("{}")]).await;
    let mut oauth2 = oauth2(&server);
    oauth2.client_id = Some(template("a:b%ü"));
    oauth2.client = ClientAuth::Basic(Some(template("p q:%+")));
    call(&signing(&server, oauth2), get("/users")).await.unwrap();
    let seen = server.seen();
    let header = seen[0].all("authorization").concat();
    let pair = STANDARD.decode(header.strip_prefix("Basic ").unwrap()).unwrap();
    assert_eq!(String::from_utf8(pair).unwrap(), "a%3Ab%25%C3%BC:p+q%3A%25%2B");
    assert_eq!(fields(&seen[0]), [("grant_type".to_owned(), "client_credentials".to_owned())]);
}

#[tokio::test]
async fn a_name_and_a_password() {
    let server = Server::playing(vec![ok(r#"{"access_token":"t1"}"#), ok("{}")]).await;
    let mut oauth2 = oauth2(&server);
    let (username, password) = (template("svc"), template("{config.secret}"));
    oauth2.grant = Grant::Password { username, password };
    oauth2.client = ClientAuth::Body(None);
    oauth2.client_id = None;
    call(&signing(&server, oauth2), get("/users")).await.unwrap();
    assert_eq!(server.seen()[0].body, "grant_type=password&username=svc&password=s3cret-Pa55");
}

#[tokio::test]
async fn a_refresh_token_that_is_replaced() {
    let server = Server::playing(vec![
        ok(r#"{"access_token":"t1","refresh_token":"r2","expires_in":3600}"#),
        ok("{}"),
        ok(r#"{"access_token":"t2","expires_in":"3600"}"#),
        ok("{}"),
        ok(r#"{"access_token":"t3","refresh_token":"r3"}"#),
        ok("{}"),
    ])
    .await;
    let mut oauth2 = oauth2(&server);
    oauth2.grant = Grant::RefreshToken(template("r1"));
    let clock = HandClock::new();
    let upstream = build(&signing(&server, oauth2), Arc::clone(&clock)).unwrap();
    for _ in 0..3 {
        upstream.call(get("/users")).await.unwrap();
        clock.forward(3600);
    }
    let seen = server.seen();
    let sent = [0, 2, 4].map(|number| field(&seen[number], "refresh_token"));
    assert_eq!(sent, ["r1", "r2", "r2"]);
    let used = [1, 3, 5].map(|number| seen[number].all("authorization").concat());
    assert_eq!(used, ["Bearer t1", "Bearer t2", "Bearer t3"]);
}

/// Whether a token is renewed after so many seconds, and not a second earlier.
async fn renewed_after(expires: &str, leeway: u64, seconds: u64) {
    let token = format!(r#"{{"access_token":"t"{expires}}}"#);
    let server = Server::start(move |seen, _| match seen.line.as_str() {
        FETCH => ok(&token),
        _ => ok("{}"),
    })
    .await;
    let mut oauth2 = oauth2(&server);
    oauth2.leeway = Duration::from_secs(leeway);
    let clock = HandClock::new();
    let upstream = build(&signing(&server, oauth2), Arc::clone(&clock)).unwrap();
    upstream.call(get("/users")).await.unwrap();
    clock.forward(seconds - 1);
    upstream.call(get("/users")).await.unwrap();
    assert_eq!(server.lines().len(), 3);
    clock.forward(1);
    upstream.call(get("/users")).await.unwrap();
    assert_eq!(server.lines()[3..], [FETCH, "GET /api/users"]);
}

#[tokio::test]
async fn tokens_are_renewed_before_their_end() {
    renewed_after(r#","expires_in":3600"#, 60, 3540).await;
    renewed_after(r#","expires_in":"3600""#, 600, 3000).await;
    // Shorter than the leeway: half of it.
    renewed_after(r#","expires_in":50"#, 60, 25).await;
    // Not told: 30 minutes.
    renewed_after("", 60, 1740).await;
    renewed_after(r#","expires_in":null"#, 60, 1740).await;
    renewed_after(r#","expires_in":-5"#, 60, 1740).await;
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let server = Server::playing(vec![
        ok(r#"{"access_token":"t1"}"#),
        status(401),
        ok(r#"{"access_token":"t2"}"#),
        status(201),
        status(403),
        status(401),
        ok(r#"{"access_token":"t3"}"#),
        status(401),
    ])
    .await;
    let upstream = upstream(&signing(&server, oauth2(&server)));
    let create = post("/users", json!({ "name": "ada" }));
    assert_eq!(upstream.call(create.clone()).await.unwrap().status, 201);
    let seen = server.seen();
    assert_eq!(seen[1].all("authorization"), ["Bearer t1"]);
    assert_eq!(seen[3].all("authorization"), ["Bearer t2"]);
    assert_eq!(seen[1].body, seen[3].body);
    assert_eq!(upstream.call(create.clone()).await.unwrap().status, 403);
    assert_eq!(upstream.call(create).await.unwrap().status, 401);
    assert_eq!(server.lines().len(), 8);
}

fn claims(assertion: &str, public: &[u8]) -> Value {
    let (content, signature) = assertion.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public);
    key.verify(content.as_bytes(), &signature).unwrap();
    let claims = content.split_once('.').unwrap().1;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

fn with_key(api: &Api, pair: &KeyPair) -> HttpUpstream {
    let config = json!({ "secret": SECRET, "key": pair.serialize_pem() });
    build_with(api, &config, HandClock::new()).unwrap()
}

fn assertion() -> Assertion {
    Assertion {
        key: template("{config.key}"),
        algorithm: JwtAlgorithm::Es256,
        issuer: None,
        subject: Some(template("ada@example.com")),
        audience: None,
        lifetime: Duration::from_mins(5),
        claims: vec![("scope".to_owned(), template("users"))],
        headers: vec![],
    }
}

#[tokio::test]
async fn signed_grants_and_signed_clients() {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    for (grant, client) in [
        (Grant::JwtBearer, ClientAuth::Body(None)),
        (Grant::ClientCredentials, ClientAuth::PrivateKeyJwt),
        (Grant::JwtBearer, ClientAuth::PrivateKeyJwt),
    ] {
        let server = Server::playing(vec![ok(r#"{"access_token":"t1"}"#), ok("{}")]).await;
        let (is_grant, is_client) =
            (matches!(grant, Grant::JwtBearer), matches!(client, ClientAuth::PrivateKeyJwt));
        let oauth2 = OAuth2 { grant, client, assertion: Some(assertion()), ..oauth2(&server) };
        let upstream = with_key(&signing(&server, oauth2), &pair);
        upstream.call(get("/users")).await.unwrap();
        let fetch = &server.seen()[0];
        assert_eq!(field(fetch, "client_id"), "bridge");
        let mut expected = json!({
            "scope": "users",
            "iss": "bridge",
            "sub": "ada@example.com",
            "aud": format!("{}/oauth/token", server.origin),
            "iat": 1_795_286_286,
            "exp": 1_795_286_586,
            "jti": "",
        });
        if is_grant {
            let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
            assert_eq!(field(fetch, "grant_type"), grant);
            assert_eq!(claims(&field(fetch, "assertion"), pair.public_key_raw()), expected);
        }
        if is_client {
            let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            assert_eq!(field(fetch, "client_assertion_type"), kind);
            expected["sub"] = json!("bridge");
            let signed = field(fetch, "client_assertion");
            assert_eq!(claims(&signed, pair.public_key_raw()), expected);
        }
        assert!(!fields(fetch).iter().any(|(name, _)| name == "client_secret"));
    }
}

#[tokio::test]
async fn refusals_tell_a_code_and_nothing_else() {
    let told = |status: u16, error: &str| {
        let body = format!(r#"{{"error":"{error}","error_description":"{SECRET} is wrong"}}"#);
        answer(status, "", &body)
    };
    for (reply, expected) in [
        (told(400, "invalid_grant"), "status 400 and error invalid_grant"),
        (told(401, "invalid_client"), "status 401 and error invalid_client"),
        (told(200, "invalid_request"), "status 200 and error invalid_request"),
        (told(400, SECRET), "status 400 and error of its own"),
        (answer(302, "Location: /elsewhere\r\n", ""), "status 302"),
        (answer(404, "", SECRET), "status 404"),
        (ok(r#"{"access_token":""}"#), "no token"),
        (ok(SECRET), "no token"),
        (ok(r#"{"access_token":"a","token_type":"DPoP"}"#), "no bearer token"),
        (ok(r#"{"access_token":"a\nb"}"#), "cannot be sent"),
    ] {
        let server = Server::start(move |_, _| reply.clone()).await;
        let error = call(&signing(&server, oauth2(&server)), get("/users")).await.unwrap_err();
        assert!(matches!(error, UpstreamError::SignIn(Some(_))), "{error:?}");
        let shown = chain(&error);
        assert!(shown.contains(expected), "{expected}: {shown}");
        assert!(!shown.contains(SECRET), "{shown}");
        assert_eq!(server.lines(), [FETCH]);
    }
}

#[tokio::test]
async fn a_refusal_is_not_repeated_at_once() {
    let server = Server::start(|_, number| match number {
        0 => answer(400, "", r#"{"error":"invalid_grant"}"#),
        1 => ok(r#"{"access_token":"t"}"#),
        _ => ok("{}"),
    })
    .await;
    let clock = HandClock::new();
    let upstream = build(&signing(&server, oauth2(&server)), Arc::clone(&clock)).unwrap();
    for _ in 0..3 {
        let outcome = upstream.call(get("/users")).await;
        assert!(matches!(outcome, Err(UpstreamError::SignIn(_))), "{outcome:?}");
    }
    assert_eq!(server.lines().len(), 1);
    clock.forward(5);
    assert_eq!(upstream.call(get("/users")).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_fetch_without_answer_is_repeated() {
    let server =
        Server::playing(vec![dropped(), status(503), ok(r#"{"access_token":"t"}"#), status(201)])
            .await;
    let api = signing(&server, oauth2(&server));
    assert_eq!(call(&api, post("/users", json!({}))).await.unwrap().status, 201);
}

#[tokio::test]
async fn a_client_needs_a_name() {
    let server = Server::playing(vec![]).await;
    for client in [ClientAuth::Body(None), ClientAuth::Basic(None), ClientAuth::PrivateKeyJwt] {
        let client_id = Some(template("{config.none}"));
        let oauth2 = OAuth2 { client, client_id, ..oauth2(&server) };
        let error = build(&signing(&server, oauth2), HandClock::new()).unwrap_err();
        assert_eq!(error.to_string(), "api.auth.oauth2.client_id is empty");
    }
}

#[track_caller]
fn unusable(base_url: &str, token_url: &str, expected: Option<&str>) {
    let mut api = api(base_url);
    api.sign_in = SignIn::OAuth2(Box::new(OAuth2 {
        token_url: template(token_url),
        grant: Grant::ClientCredentials,
        client: ClientAuth::Body(None),
        client_id: Some(template("bridge")),
        scope: None,
        audience: None,
        params: vec![],
        assertion: None,
        leeway: Duration::ZERO,
    }));
    let outcome = build(&api, HandClock::new()).map(|_| ()).map_err(|error| error.to_string());
    let told = expected.map(|told| format!("api.auth.oauth2.token_url cannot be used: {told}"));
    assert_eq!(outcome.err(), told, "{token_url}");
}

#[tokio::test]
async fn token_endpoints_are_reached_safely() {
    let app = "https://app.example";
    unusable(app, "https://id.example/token?a=b", None);
    unusable(app, "http://127.0.0.1:8080/token", None);
    unusable(app, "http://[::1]/token", None);
    unusable(app, "http://localhost/token", None);
    unusable("http://app.example", "http://id.example/token", None);
    unusable(app, "http://id.example/token", Some("it must be https"));
    unusable(app, "ftp://id.example/token", Some("it must be https"));
    unusable(app, "/token", Some("it is not an absolute URL"));
    let reason = "it must not contain credentials or a fragment";
    unusable(app, "https://a:{config.secret}@id.example/token", Some(reason));
    unusable(app, "https://id.example/token#x", Some(reason));
}
