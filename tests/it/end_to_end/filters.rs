//! What an identity provider looks for reaches the application as one encoded value, whatever is
//! in it: as a query parameter, as a path segment, as text in a query language.
#![cfg(test)]

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::end_to_end::application::{Application, Call, json as reply};
use crate::end_to_end::bridge::{Bridge, PEOPLE, filter};

/// Values that would say more than they are if they were not encoded.
const VALUES: [&str; 24] = [
    "ada",
    "100%",
    "%26admin=1",
    "%",
    "%zz",
    "a\"b",
    "a\\",
    "\\\" || id != \"",
    "' or 1=1 --",
    "o'brien",
    "a&admin=true",
    "a#b",
    "a?b",
    "a+b c",
    "a=b;c=d",
    "a/../../admin",
    "<script>",
    "{config.key}{{7*7}}",
    "$(id)`id`",
    "(*)(uid=*)",
    "zoë 東京 🦀",
    "a\u{1}b\tc",
    "a\r\nX-Admin: 1",
    "\u{0}",
];

/// An application in which nobody is found.
async fn empty() -> Application {
    Application::start(|call| match call.target.starts_with("/api/groups") {
        true => reply(200, &json!({ "items": [] })),
        false if call.target.starts_with("/api/people/by-ref/") => reply(404, &json!({})),
        false => reply(200, &json!([])),
    })
    .await
}

/// The one call that looking for this leads to.
async fn asked(bridge: &Bridge, application: &Application, target: &str) -> Call {
    assert_eq!(bridge.list(target).await, (Vec::new(), 0), "{target}");
    let calls = application.take();
    assert_eq!(calls.len(), 1, "{target}: {calls:?}");
    calls.into_iter().next().unwrap()
}

/// Nothing in it but what RFC 3986 leaves unreserved, percent signs, and the plus of a form.
#[track_caller]
fn check_encoded(text: &str) {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-._~%+*".contains(c);
    assert!(text.chars().all(harmless), "{text}");
}

/// The parameters of a call's query, decoded, after a look at their raw form.
#[track_caller]
fn parameters(call: &Call, path: &str) -> Vec<(String, String)> {
    let (start, query) = call.target.split_once('?').expect("a query");
    assert_eq!((call.method.as_str(), start, call.body.as_str()), ("GET", path, ""));
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').expect("a name and a value");
        check_encoded(name);
        check_encoded(value);
    }
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn comparison(attribute: &str, value: &str) -> String {
    filter(&format!("{attribute} eq {}", json!(value)))
}

#[tokio::test]
async fn as_a_query_parameter() {
    let application = empty().await;
    let bridge = Bridge::start(PEOPLE, &application.origin).await;
    for value in VALUES {
        let target = format!("/Users?{}", comparison("userName", value));
        let call = asked(&bridge, &application, &target).await;
        let expected = vec![("login".to_owned(), value.to_owned())];
        assert_eq!(parameters(&call, "/api/people"), expected);
    }
    bridge.stop().await;
}

/// A value that has no place in a path is looked for in the whole list, and not sent at all.
#[tokio::test]
async fn as_a_path_segment() {
    let application = empty().await;
    let bridge = Bridge::start(PEOPLE, &application.origin).await;
    for value in VALUES {
        let target = format!("/Users?{}", comparison("externalId", value));
        let call = asked(&bridge, &application, &target).await;
        if value.chars().any(char::is_control) {
            assert_eq!(call.line(), "GET /api/people", "{value:?}");
            continue;
        }
        let segment = call.target.strip_prefix("/api/people/by-ref/").expect("the look-up");
        check_encoded(segment);
        assert_eq!(percent_decode_str(segment).decode_utf8().unwrap(), value);
    }
    for value in [".", ".."] {
        let target = format!("/Users?{}", comparison("externalId", value));
        assert_eq!(asked(&bridge, &application, &target).await.line(), "GET /api/people");
    }
    bridge.stop().await;
}

#[tokio::test]
async fn as_text_in_a_query_language() {
    let application = empty().await;
    let bridge = Bridge::start(PEOPLE, &application.origin).await;
    for value in VALUES {
        let quoted = json!(value);
        let target = format!("/Groups?{}", comparison("displayName", value));
        let call = asked(&bridge, &application, &target).await;
        let expected = vec![("filter".to_owned(), format!("title={quoted}"))];
        assert_eq!(parameters(&call, "/api/groups"), expected);

        let text = format!("displayName eq {quoted} and externalId eq {quoted}");
        let call = asked(&bridge, &application, &format!("/Groups?{}", filter(&text))).await;
        let said = format!("(title={quoted} && external_id={quoted})");
        assert_eq!(parameters(&call, "/api/groups"), [("filter".to_owned(), said)]);
    }
    bridge.stop().await;
}

/// Search requests and PATCH come by other ways to the same place.
#[tokio::test]
async fn a_search_in_a_body_is_encoded_too() {
    let application = empty().await;
    let bridge = Bridge::start(PEOPLE, &application.origin).await;
    for value in VALUES {
        let body: Value = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
            "filter": format!("userName eq {}", json!(value)),
        });
        let answer = bridge.call("POST", "/Users/.search", Some(&body)).await;
        assert_eq!((answer.status, &answer.json()["totalResults"]), (200, &json!(0)), "{value:?}");
        let calls = application.take();
        let expected = vec![("login".to_owned(), value.to_owned())];
        assert_eq!(calls.len(), 1, "{value:?}");
        assert_eq!(parameters(&calls[0], "/api/people"), expected);
    }
    bridge.stop().await;
}
