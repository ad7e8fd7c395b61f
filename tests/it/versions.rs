//! Versions as clients see them: in the head and in `meta`, and the law that they change exactly
//! when the representation does. Conditions are tested in writing, in `tests/dialogues`.
#![cfg(test)]

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use proptest::prelude::*;
use scimbridge::dialogue::stage;
use scimbridge::exchange::engine;
use scimbridge::exchange::request::{Caller, ScimRequest};
use scimbridge::exchange::response::ScimResponse;
use scimbridge::exchange::upstream::{Link, Upstream, UpstreamError};
use scimbridge::mapping::model::{Given, Mapping};
use scimbridge::native::message::{Body, NativeRequest, NativeResponse, Payload};
use serde_json::{Value, json};

const MAPPING: &str = r#"
bridge: 1
name: versions
config: { url: { required: true, type: url } }
api: { base_url: "{config.url}" }
resources:
  User:
    id: $.id
    attributes:
      userName:        { path: $.login, required: true }
      title:           $.job
      name.familyName: $.last
      roles:           { items: "$.roles[*]", item: { value: $ } }
      groups:
        mode: read
        list: { get: "/users/{id}/teams" }
        item: { value: $ }
    list:   { get: /users, pages: { page: page, size: size } }
    get:    { get: "/users/{id}" }
    create: { post: /users }
    update: { patch: "/users/{id}" }
    delete: { delete: "/users/{id}" }
    filters: { userName eq: login }
"#;

/// An application with one person, who takes what is written.
struct Application {
    person: Value,
    teams: Value,
}

#[async_trait]
impl Upstream for Application {
    async fn call(&self, request: NativeRequest) -> Result<NativeResponse, UpstreamError> {
        let mut person = self.person.clone();
        if let Body::Json(Value::Object(sent)) = request.body {
            person.as_object_mut().unwrap().extend(sent);
        }
        let body = match request.path.as_str() {
            "/users" if request.method.is_safe() => json!([person]),
            "/users/u1/teams" => self.teams.clone(),
            _ => person,
        };
        Ok(NativeResponse { status: 200, headers: Vec::new(), body: Payload::Json(body).into() })
    }

    fn follow(&self, _: &str, _: &str) -> Result<Link, UpstreamError> {
        Err(UpstreamError::OffOrigin)
    }
}

/// Asks the bridge in front of an application with this person.
async fn ask(person: &Value, teams: &Value, request: ScimRequest) -> ScimResponse {
    let (mapping, _) = Mapping::load(MAPPING).unwrap();
    let application = Arc::new(Application { person: person.clone(), teams: teams.clone() });
    let tenant = stage::set(&Arc::new(mapping), &Given::default(), application).await.unwrap();
    engine::answer(&tenant, request).await
}

fn request(method: Method, path: &[&str], body: &Value) -> ScimRequest {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    ScimRequest {
        method,
        segments: path.iter().map(|segment| (*segment).to_owned()).collect(),
        query: String::new(),
        body: Bytes::from(body),
        content_type: Some("application/scim+json".to_owned()),
        if_match: None,
        if_none_match: None,
        base: "https://scim.test/scim/v2".to_owned(),
        request_id: "test".to_owned(),
        caller: Caller::own("test"),
    }
}

fn get() -> ScimRequest {
    request(Method::GET, &["Users", "u1"], &Value::Null)
}

fn header<'r>(response: &'r ScimResponse, name: &str) -> Option<&'r str> {
    let mut found = response.headers.iter().filter(|(have, _)| have.eq_ignore_ascii_case(name));
    let value = found.next().map(|(_, value)| value.as_str());
    assert_eq!(found.next(), None, "{name} stands once");
    value
}

/// The version in the head, which is the one in `meta`.
#[track_caller]
fn version(response: &ScimResponse) -> String {
    let version = header(response, "etag").expect("an ETag").to_owned();
    assert_eq!(response.body.as_ref().unwrap()["meta"]["version"], version.as_str());
    assert!(version.starts_with("W/\"") && version.ends_with('"'), "{version}");
    version
}

#[tokio::test]
async fn every_answer_with_one_resource_tells_its_version() {
    let person = json!({ "id": "u1", "login": "ada", "job": "Chief" });
    let read = version(&ask(&person, &json!([]), get()).await);

    let body = json!({ "userName": "ada", "title": "Chief" });
    let created = ask(&person, &json!([]), request(Method::POST, &["Users"], &body)).await;
    assert_eq!((created.status, version(&created)), (201, read.clone()));

    let replaced = ask(&person, &json!([]), request(Method::PUT, &["Users", "u1"], &body)).await;
    assert_eq!((replaced.status, version(&replaced)), (200, read.clone()));

    let body = json!({ "Operations": [{ "op": "replace", "path": "title", "value": "Boss" }] });
    let patched = ask(&person, &json!([]), request(Method::PATCH, &["Users", "u1"], &body)).await;
    assert_eq!(patched.status, 200);
    assert_ne!(version(&patched), read);

    let boss = json!({ "id": "u1", "login": "ada", "job": "Boss" });
    assert_eq!(version(&ask(&boss, &json!([]), get()).await), version(&patched));

    let mut narrow = get();
    narrow.query = "attributes=userName".to_owned();
    let narrow = ask(&person, &json!([]), narrow).await;
    assert_eq!(header(&narrow, "etag"), Some(read.as_str()), "whatever is shown of it");
}

#[tokio::test]
async fn an_answer_that_nothing_has_changed_is_a_head_with_the_version() {
    let person = json!({ "id": "u1", "login": "ada" });
    let version = version(&ask(&person, &json!([]), get()).await);
    let known = ScimRequest { if_none_match: Some(version.clone()), ..get() };
    // Groups have no part in the version, so where they would be shown everything is.
    assert_eq!(ask(&person, &json!(["x"]), known.clone()).await.status, 200);
    let known = ScimRequest { query: WITHOUT_GROUPS.to_owned(), ..known };
    let expected = ScimResponse { status: 304, headers: vec![("ETag", version)], body: None };
    assert_eq!(ask(&person, &json!([]), known).await, expected);
}

const WITHOUT_GROUPS: &str = "excludedAttributes=groups";

#[tokio::test]
async fn the_service_provider_says_that_it_has_versions() {
    let config = request(Method::GET, &["ServiceProviderConfig"], &Value::Null);
    let config = ask(&Value::Null, &Value::Null, config).await.body.unwrap();
    assert_eq!(config["etag"]["supported"], true);
}

fn persons() -> impl Strategy<Value = Value> {
    let text =
        || prop_oneof![Just(Value::Null), Just(json!("")), Just(json!("a")), Just(json!("b"))];
    let roles = prop::collection::vec(prop_oneof![Just("a"), Just("b")], 0..3);
    ("[ab]", text(), text(), roles, 0..3_u8).prop_map(|(login, job, last, roles, logins)| {
        json!({
            "id": "u1", "login": login, "job": job, "last": last, "roles": roles,
            "logins": logins,
        })
    })
}

fn teams() -> impl Strategy<Value = Value> {
    prop::collection::vec(prop_oneof![Just("x"), Just("y")], 0..2).prop_map(|teams| json!(teams))
}

/// What a client sees of the record, without the version; elements have no order.
fn representation(response: &ScimResponse) -> Value {
    let mut shown = response.body.clone().unwrap().into_value();
    let members = shown.as_object_mut().unwrap();
    members.remove("groups");
    members["meta"].as_object_mut().unwrap().remove("version");
    if let Some(roles) = members.get_mut("roles").and_then(Value::as_array_mut) {
        roles.sort_by_key(ToString::to_string);
    }
    shown
}

fn play<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_version_changes_exactly_when_the_representation_does(
        (before, after) in (persons(), persons()),
        (teams_before, teams_after) in (teams(), teams()),
    ) {
        let one = play(ask(&before, &teams_before, get()));
        let other = play(ask(&after, &teams_after, get()));
        let is_same = representation(&one) == representation(&other);
        prop_assert_eq!(version(&one) == version(&other), is_same, "{:?}\n{:?}", one, other);

        let query = WITHOUT_GROUPS.to_owned();
        let known = ScimRequest { if_none_match: Some(version(&one)), query, ..get() };
        let again = play(ask(&after, &teams_after, known));
        prop_assert_eq!(again.status == 304, is_same);

        let guarded = request(Method::DELETE, &["Users", "u1"], &Value::Null);
        let guarded = ScimRequest { if_match: Some(version(&one)), ..guarded };
        let status = play(ask(&after, &teams_after, guarded)).status;
        prop_assert_eq!(status, if is_same { 204 } else { 412 });
    }

    #[test]
    fn a_list_tells_the_versions_of_its_resources(person in persons(), teams in teams()) {
        let one = play(ask(&person, &teams, get()));
        let list = play(ask(&person, &teams, request(Method::GET, &["Users"], &Value::Null)));
        let listed = list.body.unwrap()["Resources"][0]["meta"]["version"].clone();
        prop_assert_eq!(listed, version(&one));
    }
}
