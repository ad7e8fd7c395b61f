//! What a token may do: every operation with every scope, alone, inside bulk requests and in
//! searches of everything.
#![cfg(test)]

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use scimbridge::auth::principal::Principal;
use scimbridge::dialogue::stage;
use scimbridge::exchange::engine;
use scimbridge::exchange::request::{Caller, ScimRequest};
use scimbridge::exchange::response::ScimResponse;
use scimbridge::exchange::upstream::{Link, Upstream, UpstreamError};
use scimbridge::mapping::model::{Given, Mapping};
use scimbridge::native::message::{self, NativeRequest, NativeResponse, Payload};
use scimbridge::scim::urn;
use serde_json::{Value, json};

const MAPPING: &str = r#"
bridge: 1
name: scopes
config: { url: { required: true, type: url } }
api: { base_url: "{config.url}" }
resources:
  User:
    id: $.id
    attributes:
      userName: { path: $.login, required: true }
    list:   { get: /users }
    get:    { get: "/users/{id}" }
    create: { post: /users }
    update: { patch: "/users/{id}" }
    delete: { delete: "/users/{id}" }
  Group:
    id: $.id
    attributes:
      displayName: { path: $.login, required: true }
    list:   { get: /teams }
    get:    { get: "/teams/{id}" }
    create: { post: /teams }
    update: { patch: "/teams/{id}" }
    delete: { delete: "/teams/{id}" }
  Licence:
    endpoint: /Licences
    schema: urn:example:scim:Licence
    id: $.id
    attributes:
      title: $.login
    list: { get: /licences }
    get:  { get: "/licences/{id}" }
"#;

/// An application that has one record of each kind and takes every change.
struct Application;

#[async_trait::async_trait]
impl Upstream for Application {
    async fn call(&self, request: NativeRequest) -> Result<NativeResponse, UpstreamError> {
        if request.method == message::Method::Delete {
            return Ok(NativeResponse {
                status: 204,
                headers: Vec::new(),
                body: Payload::Empty.into(),
            });
        }
        let record = json!({ "id": "7", "login": "ada" });
        let is_list = request.method == message::Method::Get && !request.path.contains('7');
        let body = if is_list { json!([record]) } else { record };
        Ok(NativeResponse { status: 200, headers: Vec::new(), body: Payload::Json(body).into() })
    }

    fn follow(&self, _: &str, _: &str) -> Result<Link, UpstreamError> {
        Err(UpstreamError::OffOrigin)
    }
}

async fn ask(scopes: &str, request: &str, body: &Value) -> ScimResponse {
    let (mapping, _) = Mapping::load(MAPPING).unwrap();
    let application = Arc::new(Application);
    let tenant = stage::set(&Arc::new(mapping), &Given::default(), application).await.unwrap();
    let (method, target) = request.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let principal = Principal::own("test").restricted(scopes.parse().unwrap());
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    let request = ScimRequest {
        method: Method::from_bytes(method.as_bytes()).unwrap(),
        segments: path.split('/').filter(|it| !it.is_empty()).map(str::to_owned).collect(),
        query: query.to_owned(),
        body,
        content_type: Some("application/scim+json".to_owned()),
        if_match: None,
        if_none_match: None,
        base: "https://scim.test".to_owned(),
        request_id: "test".to_owned(),
        caller: Caller { principal: Arc::new(principal), client: None },
    };
    engine::answer(&tenant, request).await
}

/// The status of a request, and the scope that it lacks.
async fn check(scopes: &str, request: &str, body: &Value, lacks: Option<&str>) {
    let response = ask(scopes, request, body).await;
    let what = format!("{request} with {scopes:?}: {response:?}");
    let Some(lacks) = lacks else {
        assert!((200..300).contains(&response.status), "{what}");
        return;
    };
    let detail = format!("the bearer token lacks the scope \"{lacks}\", which this request needs");
    let expected = json!({ "schemas": [urn::ERROR], "status": "403", "detail": detail });
    assert_eq!((response.status, response.body), (403, Some(expected.into())), "{what}");
}

fn user() -> Value {
    json!({ "schemas": [urn::USER], "userName": "ada" })
}

fn patch() -> Value {
    let operation = json!({ "op": "replace", "path": "userName", "value": "bob" });
    json!({ "schemas": [urn::PATCH_OP], "Operations": [operation] })
}

fn search() -> Value {
    json!({ "schemas": [urn::SEARCH_REQUEST] })
}

/// Every operation on users, with its verb.
fn operations() -> [(&'static str, Value, &'static str); 7] {
    [
        ("GET /Users", Value::Null, "read"),
        ("GET /Users/7", Value::Null, "read"),
        ("POST /Users/.search", search(), "read"),
        ("POST /Users", user(), "write"),
        ("PUT /Users/7", user(), "write"),
        ("PATCH /Users/7", patch(), "write"),
        ("DELETE /Users/7", Value::Null, "write"),
    ]
}

#[tokio::test]
async fn each_operation_needs_its_verb_and_its_type() {
    for (request, body, verb) in operations() {
        check("", request, &body, None).await;
        check(&format!("{verb},users"), request, &body, None).await;
        let other = if verb == "read" { "write" } else { "read" };
        check(other, request, &body, Some(verb)).await;
        check("groups", request, &body, Some("users")).await;
        check(&format!("{other},groups"), request, &body, Some(verb)).await;
    }
    check("users", "GET /Groups/7", &Value::Null, Some("groups")).await;
    check("groups,read", "GET /Groups", &Value::Null, None).await;
}

#[tokio::test]
async fn other_types_need_both_scopes_of_types() {
    check("read", "GET /Licences/7", &Value::Null, None).await;
    check("users", "GET /Licences", &Value::Null, Some("groups")).await;
    check("groups", "GET /Licences", &Value::Null, Some("users")).await;
}

#[tokio::test]
async fn a_search_of_everything_needs_every_type() {
    for (request, body) in [("POST /.search", search()), ("GET /", Value::Null)] {
        check("read", request, &body, None).await;
        check("read,users", request, &body, Some("groups")).await;
        check("write", request, &body, Some("read")).await;
    }
}

#[tokio::test]
async fn operations_of_a_bulk_request_are_checked_one_by_one() {
    let operations = json!([
        { "method": "POST", "path": "/Users", "bulkId": "a", "data": user() },
        { "method": "DELETE", "path": "/Groups/7" },
        { "method": "PATCH", "path": "/Users/7", "data": patch() },
    ]);
    let body = json!({ "schemas": [urn::BULK_REQUEST], "Operations": operations });
    for (scopes, expected) in [
        ("", ["201", "204", "200"]),
        ("users", ["201", "403", "200"]),
        ("groups", ["403", "204", "403"]),
        ("read", ["403", "403", "403"]),
    ] {
        let response = ask(scopes, "POST /Bulk", &body).await;
        let body = response.body.unwrap();
        let results = body["Operations"].as_array().unwrap().iter();
        let statuses: Vec<_> = results.map(|it| it["status"].as_str().unwrap()).collect();
        assert_eq!((response.status, statuses), (200, expected.to_vec()), "{scopes:?}: {body}");
    }
}

#[tokio::test]
async fn discovery_is_open_to_every_token() {
    for path in ["ServiceProviderConfig", "ResourceTypes", "Schemas"] {
        for scopes in ["read", "write", "users", "groups"] {
            check(scopes, &format!("GET /{path}"), &Value::Null, None).await;
        }
    }
}
