//! Bulk requests as far as they cannot be written down in `tests/dialogues/bulk.yaml`: what runs at
//! the same time, what is too large, and versions.
#![cfg(test)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use scimbridge::dialogue::stage;
use scimbridge::exchange::engine;
use scimbridge::exchange::request::{Caller, ScimRequest};
use scimbridge::exchange::response::ScimResponse;
use scimbridge::exchange::upstream::{Link, Upstream, UpstreamError};
use scimbridge::mapping::model::{Given, Mapping};
use scimbridge::native::message::{self, Body, NativeRequest, NativeResponse, Payload};
use scimbridge::scim::urn;
use serde_json::{Value, json};

const MAPPING: &str = r#"
bridge: 1
name: bulk
config: { url: { required: true, type: url } }
api: { base_url: "{config.url}" }
resources:
  User:
    id: $.id
    attributes:
      userName: { path: $.login, required: true }
      title:    $.title
    list:   { get: /users, pages: { page: page, size: size } }
    get:    { get: "/users/{id}" }
    create: { post: /users }
    update: { patch: "/users/{id}" }
    delete: { delete: "/users/{id}" }
    filters: { userName eq: login }
"#;

/// An application that takes its time, longest for what comes first, and knows how many calls
/// it has at once.
#[derive(Default)]
struct Application {
    calls: AtomicUsize,
    present: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait]
impl Upstream for Application {
    async fn call(&self, request: NativeRequest) -> Result<NativeResponse, UpstreamError> {
        let before = self.calls.fetch_add(1, Ordering::Relaxed);
        let present = self.present.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(present, Ordering::Relaxed);
        for _ in before..20 {
            tokio::task::yield_now().await;
        }
        self.present.fetch_sub(1, Ordering::Relaxed);
        if request.method == message::Method::Delete {
            return Ok(NativeResponse {
                status: 204,
                headers: Vec::new(),
                body: Payload::Empty.into(),
            });
        }
        let id = request.path.strip_prefix("/users/").unwrap_or("new");
        let mut record = json!({ "id": id, "login": id });
        if let Body::Json(Value::Object(sent)) = request.body {
            record.as_object_mut().unwrap().extend(sent);
        }
        Ok(NativeResponse { status: 200, headers: Vec::new(), body: Payload::Json(record).into() })
    }

    fn follow(&self, _: &str, _: &str) -> Result<Link, UpstreamError> {
        Err(UpstreamError::OffOrigin)
    }
}

async fn ask(
    application: &Arc<Application>,
    method: Method,
    path: &[&str],
    body: &[u8],
) -> ScimResponse {
    let (mapping, _) = Mapping::load(MAPPING).unwrap();
    let upstream = Arc::clone(application) as Arc<dyn Upstream>;
    let tenant = stage::set(&Arc::new(mapping), &Given::default(), upstream).await.unwrap();
    let request = ScimRequest {
        method,
        segments: path.iter().map(|&segment| segment.to_owned()).collect(),
        query: String::new(),
        body: Bytes::copy_from_slice(body),
        content_type: None,
        if_match: None,
        if_none_match: None,
        base: "https://scim.test".to_owned(),
        request_id: "test".to_owned(),
        caller: Caller::own("test"),
    };
    engine::answer(&tenant, request).await
}

/// The results, and the most calls that the application has had at once.
async fn bulk(message: &Value) -> (Vec<Value>, usize) {
    let application = Arc::new(Application::default());
    let body = message.to_string();
    let response = ask(&application, Method::POST, &["Bulk"], body.as_bytes()).await;
    let body = response.body.unwrap().into_value();
    assert_eq!((response.status, &body["schemas"]), (200, &json!([urn::BULK_RESPONSE])), "{body}");
    let results = body["Operations"].as_array().unwrap().clone();
    (results, application.most.load(Ordering::Relaxed))
}

fn delete(id: usize) -> Value {
    json!({ "method": "DELETE", "path": format!("/Users/u{id}") })
}

fn in_order(results: &[Value]) -> bool {
    let location = |id: usize| json!(format!("https://scim.test/Users/u{id}"));
    results.iter().enumerate().all(|(id, result)| result["location"] == location(id))
}

#[tokio::test]
async fn strangers_run_four_at_a_time_and_are_answered_in_order() {
    let operations: Vec<Value> = (0..10).map(delete).collect();
    let (results, most) = bulk(&json!({ "Operations": operations })).await;
    assert!(results.len() == 10 && in_order(&results), "{results:?}");
    assert_eq!(most, 4);
}

#[tokio::test]
async fn whoever_counts_errors_gets_one_after_the_other() {
    let operations: Vec<Value> = (0..10).map(delete).collect();
    let (results, most) = bulk(&json!({ "failOnErrors": 3, "Operations": operations })).await;
    assert!(results.len() == 10 && in_order(&results), "{results:?}");
    assert_eq!(most, 1);
}

#[tokio::test]
async fn one_resource_is_changed_by_one_at_a_time() {
    let change = json!({ "Operations": [{ "op": "replace", "path": "title", "value": "Dr" }] });
    let patch = json!({ "method": "PATCH", "path": "/Users/u1", "data": change });
    let (results, most) = bulk(&json!({ "Operations": [patch, patch, patch, delete(1)] })).await;
    let statuses: Vec<&str> =
        results.iter().filter_map(|result| result["status"].as_str()).collect();
    assert_eq!((statuses, most), (vec!["200", "200", "200", "204"], 1));
}

#[tokio::test]
async fn what_exceeds_a_limit_is_told_the_limit() {
    let application = Arc::new(Application::default());
    let refused = async |body: &[u8]| {
        let response = ask(&application, Method::POST, &["Bulk"], body).await;
        (response.status, response.body.unwrap()["detail"].as_str().unwrap().to_owned())
    };
    let operations: Vec<Value> = (0..1001).map(delete).collect();
    let (status, detail) =
        refused(json!({ "Operations": operations }).to_string().as_bytes()).await;
    assert!(status == 413 && detail.contains("maxOperations (1000)"), "{status} {detail}");
    let (status, detail) = refused(&vec![b' '; 1024 * 1024 + 1]).await;
    assert!(status == 413 && detail.contains("maxPayloadSize (1048576)"), "{status} {detail}");
    assert_eq!(application.calls.load(Ordering::Relaxed), 0);
    let operations: Vec<Value> = (0..1000).map(delete).collect();
    let (results, most) = bulk(&json!({ "Operations": operations })).await;
    assert!(results.len() == 1000 && in_order(&results) && most == 4);
}

#[tokio::test]
async fn a_version_is_told_and_kept_to() {
    let application = Arc::new(Application::default());
    let user = ask(&application, Method::GET, &["Users", "u1"], b"").await;
    let version = user.body.unwrap()["meta"]["version"].clone();
    assert!(version.is_string(), "{version}");
    let change = json!({ "Operations": [{ "op": "replace", "path": "title", "value": "Dr" }] });
    let patch = |version: &Value| json!({ "method": "PATCH", "path": "/Users/u1", "version": version, "data": change });
    let (results, _) =
        bulk(&json!({ "Operations": [patch(&version), patch(&json!("W/\"no\""))] })).await;
    assert_eq!((&results[0]["status"], &results[1]["status"]), (&json!("200"), &json!("412")));
    let changed = results[0]["version"].as_str().expect("the new version");
    assert_ne!(version, changed);
    assert_eq!(results[1]["response"]["status"], "412");
}
