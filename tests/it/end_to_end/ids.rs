//! Ids that cannot be: 404, and the application is never asked.
#![cfg(test)]

use serde_json::json;

use crate::end_to_end::application::{Application, Call, json as reply};
use crate::end_to_end::bridge::{Bridge, PEOPLE, check_error, filter};

/// Everything that an id can be used for.
const METHODS: [&str; 4] = ["GET", "PUT", "PATCH", "DELETE"];

/// As they stand in a URL: what leads to another path, ends the path, or ends the line.
const IMPOSSIBLE: &str = "
    ..%2F ..%2fpeople %2e%2e .%2E .. %2e%2e%2f7 %2e a%2Fb %5C ..%5C7
    7%3F %3Fa=b 7%23 %23 %25 %252F %252e%252e
    %00 7%00 %0d%0aX:1 %0A %7F %c0%ae%c0%ae %ff";

const NO_NUMBER: &str = "
    abc 007 +7 %2B7 -0 7.0 7e0 0x7 7%20 %207 7,8 7;8 7:8 99999999999999999999 %D9%A7
    null true me 7&a=b 7' 7%22 {id}";

/// Whatever is asked for is there, so only the bridge itself can say that it is not.
async fn full_house() -> Application {
    let record = json!({ "id": 7, "login": "ada", "title": "Owls" });
    Application::start(move |_| reply(200, &record)).await
}

async fn check_unknown(bridge: &Bridge, target: &str) {
    for method in METHODS {
        let body = match method {
            "PUT" => Some(json!({ "userName": "ada", "displayName": "Owls" })),
            "PATCH" => Some(json!({ "Operations": [{ "op": "remove", "path": "externalId" }] })),
            _ => None,
        };
        let answer = bridge.call(method, target, body.as_ref()).await;
        check_error(&answer, 404, &format!("{method} {target}"));
    }
}

#[tokio::test]
async fn what_would_lead_elsewhere_in_a_path_is_nobodys_id() {
    let application = full_house().await;
    let bridge = Bridge::serving(&[("main", "/acme")], PEOPLE, &application.origin).await;
    for id in IMPOSSIBLE.split_whitespace() {
        for endpoint in ["/acme/scim/v2/Users", "/acme/Users", "/acme/scim/v2/Groups"] {
            check_unknown(&bridge, &format!("{endpoint}/{id}")).await;
        }
    }
    assert_eq!(application.calls().len(), 0, "{:?}", application.calls());
    bridge.stop().await;
}

#[tokio::test]
async fn what_is_no_whole_number_is_nobodys_id() {
    let application = full_house().await;
    let bridge = Bridge::start(PEOPLE, &application.origin).await;
    for id in NO_NUMBER.split_whitespace() {
        check_unknown(&bridge, &format!("/scim/v2/Users/{id}")).await;
        if let Ok(text) = percent_encoding::percent_decode_str(id).decode_utf8() {
            let text = json!(text);
            let found = bridge.list(&format!("/Users?{}", filter(&format!("id eq {text}")))).await;
            assert_eq!(found, (Vec::new(), 0), "{id}");
        }
    }
    assert_eq!(application.calls().len(), 0, "{:?}", application.calls());
    bridge.stop().await;
}

/// A key that is free text may hold almost anything, and still is one segment.
#[tokio::test]
async fn an_odd_id_is_one_segment() {
    let application = Application::start(|call| {
        let segment = call.target.rsplit('/').next().unwrap_or_default();
        let id = percent_encoding::percent_decode_str(segment).decode_utf8_lossy();
        reply(200, &json!({ "id": id, "title": "Owls" }))
    })
    .await;
    let bridge = Bridge::start(PEOPLE, &application.origin).await;
    for (id, segment) in [
        ("a%20b&c=d;e", "a%20b%26c%3Dd%3Be"),
        ("a+b@c", "a%2Bb%40c"),
        ("...", "..."),
        ("%E6%9D%B1", "%E6%9D%B1"),
        ("a%22%27%3C", "a%22%27%3C"),
        ("%7Bconfig.key%7D", "%7Bconfig.key%7D"),
    ] {
        assert_eq!(bridge.get(&format!("/scim/v2/Groups/{id}")).await.status, 200, "{id}");
        let lines: Vec<String> = application.take().iter().map(Call::line).collect();
        assert_eq!(lines, [format!("GET /api/groups/{segment}")], "{id}");
    }
    bridge.stop().await;
}
