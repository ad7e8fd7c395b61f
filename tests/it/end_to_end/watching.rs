//! What operators and the application get to know of a request: its id, its trace, its figures.
#![cfg(test)]

use serde_json::json;

use crate::end_to_end::application::{Application, Call, json as reply};
use crate::end_to_end::bridge::{Bridge, PEOPLE, token};
use crate::http::{Answer, send};

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn people(call: &Call) -> crate::end_to_end::application::Reply {
    let ada = json!({ "id": 7, "login": "ada", "name": "Ada", "disabled": false });
    match call.line().as_str() {
        "GET /api/people/8" => reply(404, &json!({})),
        "GET /api/people/9" => reply(500, &json!({})),
        _ => reply(200, &ada),
    }
}

async fn ask(bridge: &Bridge, target: &str, headers: &[(&str, &str)]) -> Answer {
    let bearer = format!("Bearer {}", token("main"));
    let mut all = vec![("Authorization", bearer.as_str())];
    all.extend(headers);
    send(bridge.address, "GET", target, &all, b"").await
}

#[tokio::test]
async fn one_id_and_one_trace_reach_the_application() {
    let application = Application::start(people).await;
    let bridge = Bridge::start(PEOPLE, &application.origin).await;

    let given =
        [("X-Request-Id", "from-the-client"), ("traceparent", CALLER), ("tracestate", "a=1")];
    let answer = ask(&bridge, "/scim/v2/Users/7", &given).await;
    assert_eq!(answer.header("x-request-id"), Some("from-the-client"));
    let calls = application.take();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].header("x-request-id"), Some("from-the-client"));
    assert_eq!(calls[0].header("traceparent"), Some(CALLER));
    assert_eq!(calls[0].header("tracestate"), Some("a=1"));

    // What is none begins a trace, which bears the request's own id.
    for broken in [&[("traceparent", "00-0-0-01")][..], &[], &[("traceparent", CALLER); 2]] {
        let answer = ask(&bridge, "/scim/v2/Users/7", broken).await;
        let id = answer.header("x-request-id").unwrap();
        let call = &application.take()[0];
        assert_eq!(call.header("x-request-id"), Some(id));
        let trace = call.header("traceparent").unwrap();
        assert!(trace.starts_with(&format!("00-{}-", id.replace('-', ""))), "{id}: {trace}");
        assert_eq!(call.header("tracestate"), None);
    }
    bridge.stop().await;
}

#[tokio::test]
async fn a_mapping_may_say_something_else() {
    let application = Application::start(people).await;
    let api = "api:\n  headers: { X-Request-Id: fixed, traceparent: none }\n";
    let bridge = Bridge::start(&PEOPLE.replace("api:\n", api), &application.origin).await;
    ask(&bridge, "/scim/v2/Users/7", &[("X-Request-Id", "given"), ("traceparent", CALLER)]).await;
    let call = &application.take()[0];
    assert_eq!(call.header("x-request-id"), Some("fixed"));
    assert_eq!(call.header("traceparent"), Some("none"));
    bridge.stop().await;
}

#[tokio::test]
async fn requests_are_counted() {
    let application = Application::start(people).await;
    let bridge = Bridge::start(PEOPLE, &application.origin).await;
    for (target, status) in [
        ("/scim/v2/Users/7", 200),
        ("/scim/v2/Users/7", 200),
        ("/scim/v2/Users/8", 404),
        ("/scim/v2/Users/9", 502),
        ("/scim/v2/Schemas", 200),
    ] {
        assert_eq!(ask(&bridge, target, &[]).await.status, status, "{target}");
    }
    let stranger = send(bridge.address, "GET", "/scim/v2/Users/7", &[], b"").await;
    assert_eq!(stranger.status, 401);

    let metrics = send(bridge.admin, "GET", "/metrics", &[], b"").await;
    let text = String::from_utf8(metrics.body).unwrap();
    for line in [
        r#"request_duration_seconds_count{tenant="main",operation="retrieve",outcome="success"} 2"#,
        r#"request_duration_seconds_count{tenant="main",operation="retrieve",outcome="client_error"} 1"#,
        r#"request_duration_seconds_count{tenant="main",operation="retrieve",outcome="server_error"} 1"#,
        r#"request_duration_seconds_count{tenant="main",operation="discovery",outcome="success"} 1"#,
        r#"request_duration_seconds_count{tenant="main",operation="other",outcome="client_error"} 1"#,
        r#"native_calls_per_request_sum{tenant="main",operation="retrieve"} 4.0"#,
        r#"native_calls_per_request_sum{tenant="main",operation="discovery"} 0.0"#,
        r#"native_call_duration_seconds_count{tenant="main",method="GET",outcome="success"} 2"#,
        r#"native_call_duration_seconds_count{tenant="main",method="GET",outcome="client_error"} 1"#,
        r#"native_call_duration_seconds_count{tenant="main",method="GET",outcome="server_error"} 1"#,
        r#"authentication_failures_total{tenant="main"} 1"#,
    ] {
        let line = format!("scimbridge_{line}");
        assert!(text.lines().any(|one| one == line), "{line}\n{text}");
    }
    bridge.stop().await;
}
