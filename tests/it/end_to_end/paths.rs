//! The forms in which people write a base URL, the media types, and the locations in answers.
#![cfg(test)]

use serde_json::{Value, json};

use crate::end_to_end::application::{Application, json as reply};
use crate::end_to_end::bridge::{Bridge, PEOPLE, call, check_error, filter, token};
use crate::http::{Answer, send};

const SCIM: &str = "application/scim+json";

async fn directory() -> Application {
    Application::start(|call| {
        let ada = json!({ "id": 7, "login": "ada", "title": "Analyst" });
        match call.target.as_str() {
            "/api/people" if call.method == "GET" => reply(200, &json!([ada])),
            "/api/people" => reply(201, &ada),
            "/api/people?login=ada" => reply(200, &json!([ada])),
            "/api/groups" => reply(200, &json!({ "items": [] })),
            "/api/people/7" if call.method == "DELETE" => reply(204, &json!({})),
            "/api/people/7" => reply(200, &ada),
            _ => reply(404, &json!({})),
        }
    })
    .await
}

#[tokio::test]
async fn every_form_of_the_base_url_leads_to_the_same_users() {
    let application = directory().await;
    let bridge = Bridge::serving(&[("main", ""), ("acme", "/acme")], PEOPLE, &application.origin);
    let bridge = bridge.await;
    for (tenant, target) in [
        ("main", "/scim/v2/Users"),
        ("main", "/scim/Users"),
        ("main", "/Users"),
        ("main", "//scim/v2//Users/"),
        ("main", "/SCIM/V2/users"),
        ("main", "/scim/v2/Users?"),
        ("main", "/scim/v2/Users?&"),
        ("main", "/scim/v2/Users/?&&"),
        ("main", "/scim/v2/Users?startIndex=1&count=100"),
        // The base alone means every resource type (RFC 7644 section 3.4.2.1).
        ("main", "/"),
        ("main", "/scim/v2"),
        ("acme", "/acme/scim/v2/"),
        ("acme", "/acme/scim/v2/Users"),
        ("acme", "/acme/scim/Users/"),
        ("acme", "/acme/Users"),
        ("acme", "//acme//scim/v2/Users?"),
    ] {
        let answer = call(bridge.address, &token(tenant), "GET", target, None).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(SCIM)), "{target}");
        let body = answer.json();
        assert_eq!(body["totalResults"], json!(1), "{target}");
        check_location(&bridge, tenant, &body["Resources"][0]["meta"]["location"]).await;
    }
    for target in ["/scim/v1/Users", "/v2/Users", "/Users/7/groups", "/Nobody"] {
        check_error(&bridge.get(target).await, 404, target);
    }
    bridge.stop().await;
}

/// Whoever goes there finds the resource, and the same place is told there.
async fn check_location(bridge: &Bridge, tenant: &str, location: &Value) {
    let location = location.as_str().expect("a location");
    let origin = format!("http://{}", bridge.address);
    let target = location.strip_prefix(&origin).expect("below the address that was asked");
    let answer = call(bridge.address, &token(tenant), "GET", target, None).await;
    assert_eq!(answer.status, 200, "{location}");
    assert_eq!(answer.header("location"), Some(location));
    assert_eq!(answer.json()["meta"]["location"], json!(location));
    assert_eq!(answer.json()["id"], json!("7"));
}

#[tokio::test]
async fn location_stands_in_header_and_body_of_every_answer_with_a_resource() {
    let application = directory().await;
    let bridge = Bridge::serving(&[("main", "/acme")], PEOPLE, &application.origin).await;
    let ada = json!({ "userName": "ada", "title": "Analyst" });
    let patch = json!({ "Operations": [{ "op": "add", "path": "title", "value": "Analyst" }] });
    for base in ["/acme/scim/v2", "/acme/scim", "/acme"] {
        for (method, path, body, status) in [
            ("POST", "/Users", Some(&ada), 201),
            ("GET", "/Users/7", None, 200),
            ("PUT", "/Users/7", Some(&ada), 200),
            ("PATCH", "/Users/7", Some(&patch), 200),
        ] {
            let answer = bridge.call(method, &format!("{base}{path}"), body).await;
            let what = format!("{method} {base}{path}");
            assert_eq!(answer.status, status, "{what}: {answer:?}");
            let expected = format!("http://{}{base}/Users/7", bridge.address);
            assert_eq!(answer.header("location"), Some(expected.as_str()), "{what}");
            check_location(&bridge, "main", &answer.json()["meta"]["location"]).await;
        }
    }
    bridge.stop().await;
}

#[tokio::test]
async fn both_media_types_are_taken() {
    let application = directory().await;
    let bridge = Bridge::start(PEOPLE, &application.origin).await;
    let bearer = format!("Bearer {}", token("main"));
    for (content, accept, told) in [
        (SCIM, SCIM, SCIM),
        ("application/json", "*/*", SCIM),
        ("application/json; charset=utf-8", "application/json", "application/json"),
        ("APPLICATION/SCIM+JSON", "application/scim+json, application/json;q=0.9", SCIM),
    ] {
        let headers = [("Authorization", &*bearer), ("Content-Type", content), ("Accept", accept)];
        let body = br#"{"userName":"ada"}"#;
        let answer = send(bridge.address, "POST", "/Users", &headers, body).await;
        assert_eq!((answer.status, answer.header("content-type")), (201, Some(told)), "{content}");
    }
    bridge.stop().await;
}

#[tokio::test]
async fn every_answer_is_scim() {
    let application = directory().await;
    let bridge = Bridge::start(PEOPLE, &application.origin).await;
    let bearer = format!("Bearer {}", token("main"));
    let known = ("Authorization", bearer.as_str());
    let ada = br#"{"userName":"ada"}"#.as_slice();
    let text = ("Content-Type", "text/plain");
    let check = |answer: &Answer, status: u16, what: &str| {
        assert_eq!((answer.status, answer.header("content-type")), (status, Some(SCIM)), "{what}");
        if status >= 400 {
            check_error(answer, status, what);
        }
    };
    for (method, target, headers, body, status) in [
        ("GET", "/Users", &[known][..], &b""[..], 200),
        ("GET", "/Users/7", &[known], b"", 200),
        ("GET", "/ServiceProviderConfig", &[known], b"", 200),
        ("GET", "/ResourceTypes", &[known], b"", 200),
        ("GET", "/Schemas", &[known], b"", 200),
        ("POST", "/Users", &[known], ada, 201),
        ("GET", "/Users", &[], b"", 401),
        ("GET", "/Users/8", &[known], b"", 404),
        ("GET", "/Nobody", &[known], b"", 404),
        ("PUT", "/Users", &[known], ada, 405),
        ("DELETE", "/Users", &[known], b"", 405),
        ("POST", "/Users/7", &[known], ada, 405),
        ("POST", "/Schemas", &[known], ada, 405),
        ("OPTIONS", "/Users", &[known], b"", 405),
        ("POST", "/Users", &[known, text], ada, 415),
        ("POST", "/Users", &[known], b"{", 400),
        ("POST", "/Users", &[known], b"{}", 400),
        ("GET", "/Users?filter=what", &[known], b"", 400),
        ("GET", "/Me", &[known], b"", 501),
        ("POST", "/Bulk", &[known], b"{}", 400),
        ("BREW", "/Users", &[known], b"", 501),
    ] {
        let answer = send(bridge.address, method, target, headers, body).await;
        check(&answer, status, &format!("{method} {target}"));
        assert_eq!(answer.header("allow").is_some(), status == 405, "{method} {target}");
    }
    let gone = bridge.call("DELETE", "/Users/7", None).await;
    assert_eq!((gone.status, gone.body.len(), gone.header("content-type")), (204, 0, None));
    let head = send(bridge.address, "HEAD", "/Users/7", &[known], b"").await;
    assert_eq!((head.status, head.header("content-type")), (200, Some(SCIM)));
    let found = bridge.list(&format!("/Users?{}", filter(r#"userName eq "ada""#))).await;
    assert_eq!(found.1, 1);
    bridge.stop().await;
}
