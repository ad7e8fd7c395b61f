//! The SCIM port over TCP, in front of an endpoint that only repeats what it was given.
#![cfg(test)]

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use scimbridge::exchange::endpoint::{Endpoint, Knock, Route, unauthorized};
use scimbridge::exchange::request::{Caller, ScimRequest};
use scimbridge::exchange::response::ScimResponse;
use scimbridge::gateway::limits::Limits;
use scimbridge::gateway::listener::{Gateway, Options, Running};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::http::{Answer, Connection, request, send};

const TOKEN: (&str, &str) = ("Authorization", "Bearer t");
const JSON: (&str, &str) = ("Content-Type", "application/scim+json");
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// Repeats the request, but for a few paths with a mind of their own.
#[derive(Default)]
struct Echo {
    calls: AtomicUsize,
    gate: Gate,
}

struct Gate {
    reached: Semaphore,
    open: Semaphore,
}

impl Default for Gate {
    fn default() -> Self {
        Self { reached: Semaphore::new(0), open: Semaphore::new(0) }
    }
}

#[async_trait]
impl Endpoint for Echo {
    fn route(&self, _host: &str, segments: &[String]) -> Option<Route> {
        match segments.first().map(String::as_str) {
            Some("acme") => Some(Route { depth: 1, ..Route::new(1, "acme") }),
            Some("public") => {
                let public_url = Some("https://scim.example.com/x".into());
                Some(Route { depth: 1, public_url, ..Route::new(2, "public") })
            }
            Some("nobody") => None,
            _ => Some(Route::new(0, "root")),
        }
    }

    fn authenticate(&self, _route: &Route, knock: &Knock<'_>) -> Result<Caller, ScimResponse> {
        match knock.authorization() {
            Some("Bearer t") => Ok(Caller { client: knock.peer, ..Caller::own("t") }),
            Some("Bearer panic") => panic!("asked for"),
            _ => Err(unauthorized("the bearer token is missing or wrong")),
        }
    }

    async fn answer(&self, route: &Route, request: ScimRequest) -> ScimResponse {
        self.calls.fetch_add(1, Ordering::SeqCst);
        match request.segments.first().map(String::as_str) {
            Some("Panic") => panic!("asked for"),
            Some("Forever") => std::future::pending().await,
            Some("Nothing") => ScimResponse::no_content(),
            Some("Unsendable") => ScimResponse::no_content().with_header("Location", "a\r\nb: c"),
            Some("Gate") => {
                self.gate.reached.add_permits(1);
                let _permit = self.gate.open.acquire().await.unwrap();
                ScimResponse::json(200, json!({ "open": true }))
            }
            _ => ScimResponse::json(
                200,
                json!({
                    "tenant": *route.name,
                    "caller": request.caller.principal.tenant(),
                    "client": request.caller.client.map(|client| client.to_string()),
                    "method": request.method.as_str(),
                    "segments": request.segments,
                    "query": request.query,
                    "bytes": request.body.len(),
                    "body": String::from_utf8_lossy(&request.body),
                    "base": request.base,
                }),
            ),
        }
    }
}

struct Fixture {
    gateway: Running,
    echo: Arc<Echo>,
}

impl Fixture {
    fn start(limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let echo = Arc::new(Echo::default());
        let options = Options { threads: 1, limits };
        let gateway = Gateway::start(listener, &options, Arc::clone(&echo)).unwrap();
        Self { gateway, echo }
    }

    fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    async fn get(&self, target: &str) -> Answer {
        send(self.address(), "GET", target, &[TOKEN], b"").await
    }

    fn calls(&self) -> usize {
        self.echo.calls.load(Ordering::SeqCst)
    }
}

fn plain() -> Fixture {
    Fixture::start(Limits::default())
}

fn check_error(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/scim+json"), "{answer:?}");
    let body = answer.json();
    assert_eq!(body["schemas"], json!([ERROR]));
    assert_eq!(body["status"], json!(status.to_string()));
    assert!(body["detail"].is_string(), "{body}");
}

#[tokio::test]
async fn every_form_of_the_base_reaches_the_engine() {
    let fixture = plain();
    let host = format!("http://{}", fixture.address());
    for (target, base, segments) in [
        ("/scim/v2/Users/1", "/scim/v2", json!(["Users", "1"])),
        ("/scim/Users/1", "/scim", json!(["Users", "1"])),
        ("/Users/1", "", json!(["Users", "1"])),
        ("//Users//1/", "", json!(["Users", "1"])),
        ("/SCIM/v2/Users/?", "/SCIM/v2", json!(["Users"])),
        ("/Users?&", "", json!(["Users"])),
        ("/acme/scim/v2/Users", "/acme/scim/v2", json!(["Users"])),
        ("/acme/Users/a%20b", "/acme", json!(["Users", "a b"])),
        ("/", "", json!([])),
    ] {
        let answer = fixture.get(target).await;
        assert_eq!(answer.status, 200, "{target}");
        let body = answer.json();
        assert_eq!(body["segments"], segments, "{target}");
        assert_eq!(body["base"], json!(format!("{host}{base}")), "{target}");
    }
}

#[tokio::test]
async fn an_absolute_target_is_read_like_a_path() {
    let fixture = plain();
    let target = format!("http://{}/scim/Users?a=b", fixture.address());
    let body = fixture.get(&target).await.json();
    assert_eq!((&body["segments"], &body["query"]), (&json!(["Users"]), &json!("a=b")));
}

#[tokio::test]
async fn a_public_url_stands_in_for_the_authority() {
    let fixture = plain();
    let body = fixture.get("/public/scim/v2/Users").await.json();
    assert_eq!(body["base"], json!("https://scim.example.com/x/public/scim/v2"));
}

#[tokio::test]
async fn the_address_of_the_peer_reaches_the_engine() {
    let fixture = plain();
    let body = fixture.get("/Users").await.json();
    assert_eq!((&body["caller"], &body["client"]), (&json!("t"), &json!("127.0.0.1")));
}

#[tokio::test]
async fn the_query_arrives_as_sent() {
    let fixture = plain();
    let body = fixture.get("/Users?filter=userName+eq+%22a%40b%22&_=17&foo&").await.json();
    assert_eq!(body["query"], json!("filter=userName+eq+%22a%40b%22&_=17&foo&"));
    let body = fixture.get("/Users?filter=emails[type+eq+%22work%22]").await.json();
    assert_eq!(body["query"], json!("filter=emails[type+eq+%22work%22]"));
}

/// RFC 3986 has none of these raw; hand-made clients send them all the same.
#[tokio::test]
async fn raw_quotes_in_the_request_line_are_taken_on_every_request_of_a_connection() {
    let fixture = plain();
    let mut connection = Connection::open(fixture.address()).await;
    for (raw, arrives) in [("\"ada\"", "%22ada%22"), ("{\"<é>\"}", "%7B%22%3C%C3%A9%3E%22%7D")] {
        let target = format!("/Users?filter=userName+eq+{raw}");
        let host = fixture.address();
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer t\r\nX-Odd: \"{{}}\"\r\n\r\n"
        );
        connection.write(head.as_bytes()).await;
        let body = connection.answer("GET").await.unwrap().json();
        assert_eq!(body["query"], json!(format!("filter=userName+eq+{arrives}")));
    }
}

#[tokio::test]
async fn a_body_keeps_its_quotes() {
    let fixture = plain();
    let sent = r#"{"userName":"GET \"/ HTTP/1.1"}"#;
    let mut connection = Connection::open(fixture.address()).await;
    for _ in 0..2 {
        let head = format!(
            "POST /Users?a=\" HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer t\r\nContent-Length: {}\r\n\r\n",
            fixture.address(),
            sent.len()
        );
        connection.write(head.as_bytes()).await;
        connection.write(sent.as_bytes()).await;
        let body = connection.answer("POST").await.unwrap().json();
        assert_eq!((&body["body"], &body["query"]), (&json!(sent), &json!("a=%22")));
    }
}

#[tokio::test]
async fn an_id_that_cannot_be_is_not_found_without_the_engine() {
    let fixture = plain();
    for id in ["%2e%2e", "..", "a%2Fb", "a%5Cb", "a%3Fb", "a%23b", "a%25", "%00", "%0d", "%ff"] {
        check_error(&fixture.get(&format!("/scim/v2/Users/{id}")).await, 404);
    }
    check_error(&fixture.get("/nobody/Users").await, 404);
    assert_eq!(fixture.calls(), 0);
}

#[tokio::test]
async fn a_wrong_token_is_told_before_the_body_is_sent() {
    let fixture = plain();
    let mut connection = Connection::open(fixture.address()).await;
    let head = format!(
        "POST /scim/v2/Users HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000\r\n\r\n",
        fixture.address()
    );
    connection.write(head.as_bytes()).await;
    let answer = connection.answer("POST").await.unwrap();
    check_error(&answer, 401);
    assert_eq!(answer.header("www-authenticate"), Some(r#"Bearer realm="scim""#));
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(fixture.calls(), 0);
}

#[tokio::test]
async fn a_declared_large_body_is_refused() {
    let fixture = plain();
    let body = vec![b' '; 60_000_000];
    let answer = send(fixture.address(), "POST", "/Users", &[TOKEN, JSON], &body).await;
    check_error(&answer, 413);
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(fixture.calls(), 0);
}

#[tokio::test]
async fn a_chunked_large_body_is_refused_where_it_passes_the_limit() {
    let fixture = plain();
    let mut connection = Connection::open(fixture.address()).await;
    connection.write(&chunked_head(fixture.address())).await;
    let chunk = [b"10000\r\n".as_slice(), &vec![b' '; 0x10000], b"\r\n"].concat();
    for _ in 0..900 {
        if connection.try_write(&chunk).await.is_err() {
            break;
        }
    }
    check_error(&connection.answer("POST").await.unwrap(), 413);
    assert_eq!(fixture.calls(), 0);
}

fn chunked_head(address: SocketAddr) -> Vec<u8> {
    let headers = [TOKEN, JSON, ("Transfer-Encoding", "chunked")];
    request(address, "POST", "/Users", &headers, b"")
}

#[tokio::test]
async fn a_body_up_to_the_limit_is_taken_in_both_framings() {
    let fixture = Fixture::start(Limits { body_bytes: 5, ..Limits::default() });
    let address = fixture.address();
    let answer = send(address, "POST", "/Users", &[TOKEN, JSON], b"12345").await;
    assert_eq!(answer.json()["bytes"], json!(5));
    let mut connection = Connection::open(address).await;
    connection.write(&chunked_head(address)).await;
    connection.write(b"2\r\n12\r\n3\r\n345\r\n0\r\n\r\n").await;
    assert_eq!(connection.answer("POST").await.unwrap().json()["bytes"], json!(5));
    check_error(&send(address, "POST", "/Users", &[TOKEN, JSON], b"123456").await, 413);
}

#[tokio::test]
async fn a_body_that_does_not_come_in_time_is_refused() {
    let limits = Limits { body_timeout: Duration::from_millis(100), ..Limits::default() };
    let fixture = Fixture::start(limits);
    let mut connection = Connection::open(fixture.address()).await;
    connection.write(&chunked_head(fixture.address())).await;
    connection.write(b"1\r\n{\r\n").await;
    check_error(&connection.answer("POST").await.unwrap(), 408);
    assert!(connection.is_closed().await);
}

#[tokio::test]
async fn a_broken_body_is_refused() {
    let fixture = plain();
    let mut connection = Connection::open(fixture.address()).await;
    connection.write(&chunked_head(fixture.address())).await;
    connection.write(b"what?\r\n\r\n").await;
    check_error(&connection.answer("POST").await.unwrap(), 400);
    // Nobody knows where another request would begin.
    assert!(connection.is_closed().await);
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let limits = Limits {
        head_timeout: Duration::from_millis(150),
        idle_timeout: Duration::ZERO,
        ..Limits::default()
    };
    let fixture = Fixture::start(limits);
    for start in ["G", "GET /Users HTTP/1.1\r\nHost: example.com\r\n"] {
        let mut connection = Connection::open(fixture.address()).await;
        connection.write(start.as_bytes()).await;
        for _ in 0..50 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            connection.write(b"a").await;
        }
        assert!(connection.is_closed().await, "{start}");
    }
}

#[tokio::test]
async fn the_deadline_of_the_head_does_not_bind_the_answer() {
    let limits = Limits {
        head_timeout: Duration::from_millis(50),
        idle_timeout: Duration::from_millis(50),
        ..Limits::default()
    };
    let fixture = Fixture::start(limits);
    let (address, echo) = (fixture.address(), Arc::clone(&fixture.echo));
    let asked =
        tokio::spawn(async move { send(address, "GET", "/Gate", &[TOKEN], b"").await.status });
    tokio::time::sleep(Duration::from_millis(300)).await;
    echo.gate.open.add_permits(1);
    assert_eq!(asked.await.unwrap(), 200);
}

#[tokio::test]
async fn large_heads_are_refused() {
    let fixture = plain();
    let long = "a".repeat(40_000);
    check_error(&fixture.get(&format!("/Users?filter={long}")).await, 414);
    let headers = [TOKEN, ("X-Long", &long)];
    check_error(&send(fixture.address(), "GET", "/Users", &headers, b"").await, 431);
    let headers = [&[TOKEN][..], &[("X-Many", "1"); 120]].concat();
    check_error(&send(fixture.address(), "GET", "/Users", &headers, b"").await, 431);
    assert_eq!(fixture.calls(), 0);
}

#[tokio::test]
async fn a_host_that_cannot_stand_in_a_location_is_refused() {
    let fixture = plain();
    for head in ["Host: a/b", "Host: ", "X-No: host"] {
        let mut connection = Connection::open(fixture.address()).await;
        let text = format!("GET /Users HTTP/1.1\r\n{head}\r\nAuthorization: Bearer t\r\n\r\n");
        connection.write(text.as_bytes()).await;
        check_error(&connection.answer("GET").await.unwrap(), 400);
    }
    assert_eq!(fixture.calls(), 0);
}

#[tokio::test]
async fn media_types_of_a_body_are_checked() {
    let fixture = plain();
    let address = fixture.address();
    for kind in ["application/json", "application/scim+json; charset=utf-8"] {
        let headers = [TOKEN, ("Content-Type", kind)];
        assert_eq!(send(address, "POST", "/Users", &headers, b"{}").await.status, 200, "{kind}");
    }
    assert_eq!(send(address, "POST", "/Users", &[TOKEN], b"{}").await.status, 200);
    let text = [TOKEN, ("Content-Type", "text/plain")];
    check_error(&send(address, "POST", "/Users", &text, b"{}").await, 415);
    assert_eq!(send(address, "GET", "/Users", &text, b"").await.status, 200);
    let gzip = [TOKEN, JSON, ("Content-Encoding", "gzip")];
    check_error(&send(address, "POST", "/Users", &gzip, b"{}").await, 415);
}

#[tokio::test]
async fn the_answer_has_the_type_that_was_asked_for() {
    let fixture = plain();
    for (accept, kind) in [
        ("application/json", "application/json"),
        ("application/scim+json, application/json", "application/scim+json"),
        ("*/*", "application/scim+json"),
    ] {
        let headers = [TOKEN, ("Accept", accept)];
        let answer = send(fixture.address(), "GET", "/Users", &headers, b"").await;
        assert_eq!(answer.header("content-type"), Some(kind), "{accept}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn methods_beyond_scim_are_refused() {
    let fixture = plain();
    let address = fixture.address();
    let options = send(address, "OPTIONS", "/Users", &[TOKEN], b"").await;
    check_error(&options, 405);
    assert_eq!(options.header("allow"), Some("GET, HEAD, POST, PUT, PATCH, DELETE"));
    check_error(&send(address, "TRACE", "/Users", &[TOKEN], b"").await, 405);
    check_error(&send(address, "BREW", "/Users", &[TOKEN], b"").await, 501);
    assert_eq!(fixture.calls(), 0);
}

#[tokio::test]
async fn head_is_get_without_its_body() {
    let fixture = plain();
    let get = fixture.get("/Users").await;
    let mut connection = Connection::open(fixture.address()).await;
    connection.write(&request(fixture.address(), "HEAD", "/Users", &[TOKEN], b"")).await;
    let head = connection.answer("HEAD").await.unwrap();
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), get.header("content-length"));
    connection.write(&request(fixture.address(), "GET", "/Users", &[TOKEN], b"")).await;
    assert_eq!(connection.answer("GET").await.unwrap().json()["method"], json!("GET"));
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let fixture = plain();
    let address = fixture.address();
    let mut connection = Connection::open(address).await;
    connection.write(&request(address, "DELETE", "/Nothing", &[TOKEN], b"")).await;
    let nothing = connection.answer("DELETE").await.unwrap();
    assert_eq!((nothing.status, nothing.header("content-length")), (204, None));
    connection.write(&request(address, "POST", "/Users", &[TOKEN, JSON], b"{}")).await;
    assert_eq!(connection.answer("POST").await.unwrap().json()["bytes"], json!(2));
    connection.write(&request(address, "GET", "/nobody", &[TOKEN], b"")).await;
    check_error(&connection.answer("GET").await.unwrap(), 404);
    connection.write(&request(address, "GET", "/Users", &[TOKEN], b"")).await;
    assert_eq!(connection.answer("GET").await.unwrap().status, 200);
}

#[tokio::test]
async fn a_client_that_waits_is_told_to_continue() {
    let fixture = plain();
    let address = fixture.address();
    let head = |token| {
        format!(
            "POST /Users HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
             Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
    };
    let mut connection = Connection::open(address).await;
    connection.write(head("t").as_bytes()).await;
    assert_eq!(connection.any_answer("POST").await.unwrap().status, 100);
    connection.write(b"{}").await;
    assert_eq!(connection.answer("POST").await.unwrap().json()["bytes"], json!(2));
    let mut refused = Connection::open(address).await;
    refused.write(head("wrong").as_bytes()).await;
    assert_eq!(refused.any_answer("POST").await.unwrap().status, 401);
    assert!(refused.is_closed().await);
}

#[tokio::test]
async fn a_panic_is_answered() {
    let fixture = plain();
    check_error(&fixture.get("/Panic").await, 500);
    let panic = ("Authorization", "Bearer panic");
    check_error(&send(fixture.address(), "GET", "/Users", &[panic], b"").await, 500);
    assert_eq!(fixture.get("/Users").await.status, 200);
}

#[tokio::test]
async fn an_answer_that_cannot_be_written_becomes_an_error() {
    let fixture = plain();
    check_error(&fixture.get("/Unsendable").await, 500);
}

#[tokio::test]
async fn an_engine_that_takes_too_long_is_answered_for() {
    let limits = Limits { answer_timeout: Duration::from_millis(50), ..Limits::default() };
    check_error(&Fixture::start(limits).get("/Forever").await, 504);
}

#[tokio::test]
async fn a_request_keeps_its_id_or_gets_one() {
    let fixture = plain();
    let headers = [TOKEN, ("X-Request-Id", "abc-1")];
    let answer = send(fixture.address(), "GET", "/Users", &headers, b"").await;
    assert_eq!(answer.header("x-request-id"), Some("abc-1"));
    let headers = [TOKEN, ("X-Request-Id", "a b")];
    let answer = send(fixture.address(), "GET", "/Users", &headers, b"").await;
    assert_eq!(answer.header("x-request-id").map(str::len), Some(36));
}

#[tokio::test]
async fn a_stop_lets_a_request_in_flight_finish() {
    let fixture = plain();
    let address = fixture.address();
    let mut idle = Connection::open(address).await;
    idle.write(&request(address, "GET", "/Users", &[TOKEN], b"")).await;
    assert_eq!(idle.answer("GET").await.unwrap().status, 200);
    let asked = tokio::spawn(async move { send(address, "GET", "/Gate", &[TOKEN], b"").await });
    let echo = Arc::clone(&fixture.echo);
    echo.gate.reached.acquire().await.unwrap().forget();
    let stopped = tokio::spawn(fixture.gateway.stop(Duration::from_secs(30)));
    assert!(idle.is_closed().await);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    assert!(!stopped.is_finished());
    echo.gate.open.add_permits(1);
    let answer = asked.await.unwrap();
    assert_eq!((answer.status, answer.json()), (200, json!({ "open": true })));
    stopped.await.unwrap();
}

#[tokio::test]
async fn a_stop_does_not_wait_longer_than_its_grace() {
    let fixture = plain();
    let address = fixture.address();
    let mut connection = Connection::open(address).await;
    connection.write(&request(address, "GET", "/Gate", &[TOKEN], b"")).await;
    fixture.echo.gate.reached.acquire().await.unwrap().forget();
    fixture.gateway.stop(Duration::from_millis(50)).await;
    assert_eq!(connection.answer("GET").await, None);
}

#[tokio::test]
async fn many_ports_start_and_stop() {
    for _ in 0..20 {
        let fixture = plain();
        let body: Value = fixture.get("/Users").await.json();
        assert_eq!(body["tenant"], json!("root"));
        fixture.gateway.stop(Duration::from_secs(5)).await;
    }
}
