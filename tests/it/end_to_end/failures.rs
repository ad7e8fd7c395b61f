//! What an identity provider gets when the application is away, slow, broken or refuses: never an
//! answer that could be taken for "this user does not exist", and never a word of its innards.
#![cfg(test)]

use serde_json::{Value, json};

use crate::end_to_end::application::{Application, Nobody, Reply, html, json as reply, whole};
use crate::end_to_end::bridge::{Bridge, PEOPLE, check_error, filter};
use crate::http::Answer;

/// A page such as frameworks and proxies send, with what nobody should read.
const PAGE: &str = "<html><title>Traceback</title> psycopg2 at 10.1.2.3, password hunter2</html>";

/// Words of it, and of the other bodies below.
const INNARDS: [&str; 6] = ["html", "Traceback", "psycopg2", "10.1.2.3", "hunter2", "lovelace"];

/// Every operation that calls the application.
fn operations() -> Vec<(&'static str, String, Option<Value>)> {
    let patch = json!({ "Operations": [{ "op": "replace", "path": "title", "value": "Chief" }] });
    let user = json!({ "userName": "ada" });
    vec![
        ("GET", "/Users/7".to_owned(), None),
        ("GET", "/Users".to_owned(), None),
        ("GET", format!("/Users?{}", filter(r#"userName eq "ada""#)), None),
        ("GET", format!("/Users?{}", filter(r#"title sw "C""#)), None),
        ("GET", format!("/Groups?{}", filter(r#"displayName eq "Owls""#)), None),
        ("POST", "/Users".to_owned(), Some(user.clone())),
        ("PATCH", "/Users/7".to_owned(), Some(patch)),
        ("PUT", "/Users/7".to_owned(), Some(user)),
        ("DELETE", "/Users/7".to_owned(), None),
    ]
}

#[track_caller]
fn check(answer: &Answer, status: u16, what: &str) {
    check_error(answer, status, what);
    let text = String::from_utf8(answer.body.clone()).unwrap();
    for word in INNARDS {
        assert!(!text.contains(word), "{what}: {text}");
    }
}

/// Every operation answers with this status.
async fn every(bridge: &Bridge, status: u16, what: &str) {
    for (method, target, body) in operations() {
        let answer = bridge.call(method, &target, body.as_ref()).await;
        check(&answer, status, &format!("{what}: {method} {target}"));
    }
}

/// Every operation answers with this status when the application always replies so.
async fn every_behind(answer: Reply, status: u16, what: &str) {
    let application = Application::start(move |_| answer.clone()).await;
    let bridge = Bridge::start(PEOPLE, &application.origin).await;
    every(&bridge, status, what).await;
    assert_eq!(application.calls().len(), operations().len(), "{what}");
    bridge.stop().await;
}

#[tokio::test]
async fn an_application_that_is_down_is_502_and_never_404() {
    let nobody = Nobody::new();
    let bridge = Bridge::start(PEOPLE, &nobody.origin()).await;
    every(&bridge, 502, "down").await;
    bridge.stop().await;
}

#[tokio::test]
async fn an_application_that_is_slow_is_504() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n";
    let hasty = PEOPLE.replace("timeout: 20s", "timeout: 50ms");
    assert_ne!(hasty, PEOPLE);
    for (what, reply) in [
        ("nothing", Reply::Silence),
        ("half a head", Reply::Begun("HTTP/1.1 200 OK\r\nContent-".to_owned())),
        ("half a body", Reply::Begun(format!("{head}{{\"lovelace\": "))),
    ] {
        let application = Application::start(move |_| reply.clone()).await;
        let bridge = Bridge::start(&hasty, &application.origin).await;
        every(&bridge, 504, what).await;
        bridge.stop().await;
    }
}

#[tokio::test]
async fn a_page_is_no_answer_whatever_its_status() {
    for (status, expected) in [(200, 502), (201, 502), (500, 502), (502, 502), (503, 503)] {
        every_behind(html(status, PAGE), expected, &format!("a page with {status}")).await;
    }
}

#[tokio::test]
async fn broken_json_is_no_answer() {
    let kind = &[("Content-Type", "application/json")];
    for body in [r#"{"id": 7, "login": "lovelace"#, "lovelace", "", "\u{feff}", "[1,]"] {
        let reply = Reply::Whole(whole(200, kind, body));
        let application = Application::start(move |_| reply.clone()).await;
        let bridge = Bridge::start(PEOPLE, &application.origin).await;
        for (method, target, sent) in operations() {
            // A DELETE that is done need not say anything.
            if method == "DELETE" && body.is_empty() {
                continue;
            }
            let answer = bridge.call(method, &target, sent.as_ref()).await;
            check(&answer, 502, &format!("{body:?}: {method} {target}"));
        }
        bridge.stop().await;
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_answer() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let body = r#"{"id":7,"login":"lovelace"}"#;
    for (what, bytes) in [
        ("nothing", String::new()),
        ("half a head", "HTTP/1.1 200 OK\r\nContent-".to_owned()),
        ("less than its length", format!("{head}Content-Length: 500\r\n\r\n{body}")),
        ("no last chunk", format!("{head}Transfer-Encoding: chunked\r\n\r\n1b\r\n{body}\r\n")),
        ("no HTTP", "lovelace\r\n\r\n".to_owned()),
    ] {
        every_behind(Reply::Cut(bytes), 502, what).await;
    }
}

#[tokio::test]
async fn an_answer_beyond_all_measure_is_no_answer() {
    let records: Vec<Value> = (0..4000).map(|id| json!({ "id": id, "login": "hunter2" })).collect();
    every_behind(reply(200, &json!(records)), 502, "huge").await;
}

#[tokio::test]
async fn the_wrong_shape_is_no_answer() {
    for body in [json!("lovelace"), json!(7), json!(null), json!([7]), json!([{ "name": "x" }])] {
        let what = body.to_string();
        let application = Application::start(move |_| reply(200, &body)).await;
        let bridge = Bridge::start(PEOPLE, &application.origin).await;
        for (method, target, sent) in operations() {
            if method != "DELETE" && target.starts_with("/Users") {
                let answer = bridge.call(method, &target, sent.as_ref()).await;
                check(&answer, 502, &format!("{what}: {method} {target}"));
            }
        }
        bridge.stop().await;
    }
}

/// A list at `$.items`: where there is no object, or no list in it, nobody knows who is there.
#[tokio::test]
async fn a_list_that_is_not_where_the_mapping_says_is_no_answer() {
    for body in [json!("lovelace"), json!(null), json!([7]), json!([]), json!({ "items": "later" })]
    {
        let what = body.to_string();
        let application = Application::start(move |_| reply(200, &body)).await;
        let bridge = Bridge::start(PEOPLE, &application.origin).await;
        let found = format!("/Groups?{}", filter(r#"displayName eq "Owls""#));
        for target in ["/Groups", &found] {
            check(&bridge.get(target).await, 502, &format!("{what}: {target}"));
        }
        bridge.stop().await;
    }
}

#[tokio::test]
async fn a_refusal_of_the_bridges_own_credentials_is_502() {
    for status in [401, 403] {
        let body = json!({ "message": "hunter2 may not", "error": "Traceback" });
        every_behind(reply(status, &body), 502, &format!("{status}")).await;
    }
}

#[tokio::test]
async fn not_found_is_believed_of_a_record_and_never_of_a_list() {
    let application = Application::start(|_| reply(404, &json!({ "message": "hunter2" }))).await;
    let bridge = Bridge::start(PEOPLE, &application.origin).await;
    for (method, target, body) in operations() {
        let answer = bridge.call(method, &target, body.as_ref()).await;
        let expected = if target == "/Users/7" { 404 } else { 502 };
        check_error(&answer, expected, &format!("{method} {target}"));
    }
    bridge.stop().await;
}

#[tokio::test]
async fn a_page_not_found_by_a_look_up_means_nobody() {
    let application = Application::start(|_| reply(404, &json!({}))).await;
    let bridge = Bridge::start(PEOPLE, &application.origin).await;
    let target = format!("/Users?{}", filter(r#"externalId eq "hr-7""#));
    assert_eq!(bridge.list(&target).await, (Vec::new(), 0));
    bridge.stop().await;
}

#[tokio::test]
async fn a_request_to_slow_down_is_handed_on() {
    let headers = &[("Retry-After", "17"), ("Content-Type", "application/json")];
    let tired = Reply::Whole(whole(429, headers, r#"{"id":7}"#));
    let application = Application::start(move |_| tired.clone()).await;
    for (method, target, body) in operations() {
        // A bridge that has heard it sends nothing more for so long, whoever asks.
        let bridge = Bridge::start(PEOPLE, &application.origin).await;
        let answer = bridge.call(method, &target, body.as_ref()).await;
        check(&answer, 429, &format!("{method} {target}"));
        assert_eq!(answer.header("retry-after"), Some("17"), "{method} {target}");
        bridge.stop().await;
    }
}

/// Reading works, writing does not: nothing that was wished may be told as done.
#[tokio::test]
async fn a_failed_write_is_never_a_success() {
    let kind = &[("Content-Type", "application/json")];
    for (what, failed, status) in [
        ("page", html(200, PAGE), 502),
        ("page with 500", html(500, PAGE), 502),
        ("broken JSON", Reply::Whole(whole(200, kind, "{\"id\": 7, \"lovelace")), 502),
        ("no answer", Reply::Cut(String::new()), 502),
        ("401", reply(401, &json!({ "error": "hunter2" })), 502),
        ("422", reply(422, &json!({})), 400),
        ("409", reply(409, &json!({})), 409),
    ] {
        let record = json!({ "id": 7, "login": "ada", "title": "Analyst" });
        let application = Application::start(move |call| {
            if call.method == "GET" { reply(200, &record) } else { failed.clone() }
        })
        .await;
        let bridge = Bridge::start(PEOPLE, &application.origin).await;
        for (method, target, body) in operations() {
            if method != "GET" {
                let answer = bridge.call(method, &target, body.as_ref()).await;
                check(&answer, status, &format!("{what}: {method}"));
            }
        }
        bridge.stop().await;
    }
}
