//! The two dialects of the engine, request by request: what the lenient one understands is
//! counted under its keyword, and the strict one keeps to the letter of the RFCs.
#![cfg(test)]

use std::sync::Arc;

use scimbridge::exchange::response::Body;
use scimbridge::exchange::tenant::Tenant;
use scimbridge::scim::deviation::Deviation;
use scimbridge::scim::urn;
use scimbridge::scim::value::Dialect;
use serde_json::{Value, json};

use crate::simulated::{Application, ask, tenant};

const MAPPING: &str = r#"
bridge: 1
name: dialects
api: { base_url: "http://application.test" }
resources:
  User:
    id: { path: $.id, pattern: "^u[0-9]+$" }
    attributes:
      userName: { path: $.login, required: true }
      title: $.title
      active: { path: $.disabled, via: not }
      emails: { items: "$.mails[*]", item: { value: $.address, type: $.kind } }
      enterprise:manager.value: { path: $.boss, ref: User }
      enterprise:department: $.dept
    list: { get: /people }
    get: { get: "/people/{id}" }
    create: { post: /people }
    update: { patch: "/people/{id}" }
"#;

fn application() -> Arc<Application> {
    let mails = json!([{ "address": "a@x", "kind": "work" }]);
    Application::with(vec![
        json!({ "id": "u1", "login": "ada", "disabled": false, "mails": mails }),
        json!({ "id": "u2", "login": "bob", "disabled": false, "mails": [] }),
    ])
}

/// What was counted, as `keyword=count`.
fn counted(tenant: &Tenant) -> Vec<String> {
    let counts = tenant.deviations.counts().filter(|(_, count)| *count > 0);
    counts.map(|(kind, count)| format!("{}={count}", kind.keyword())).collect()
}

/// The lenient dialect succeeds and counts; the strict one answers with this `scimType`.
async fn check(line: &str, body: impl Into<Option<Value>>, counts: &[&str], scim_type: &str) {
    let body: Option<Value> = body.into();
    let lenient = tenant(MAPPING, &application(), Dialect::Lenient).await;
    let response = ask(&lenient, line, body.as_ref()).await;
    assert!(response.status < 300, "{line} {body:?}: {:?}", response.body);
    assert_eq!(counted(&lenient), counts, "{line} {body:?}");

    let application = application();
    let before = application.records();
    let strict = tenant(MAPPING, &application, Dialect::Strict).await;
    let response = ask(&strict, line, body.as_ref()).await;
    let answer = response.body.map(Body::into_value).unwrap_or_default();
    assert_eq!(
        (response.status, &answer["scimType"]),
        (400, &json!(scim_type)),
        "{line}: {answer}"
    );
    assert_eq!(application.records(), before, "{line}: nothing has happened");
    assert_eq!(counted(&strict), [""; 0], "the strict dialect forgives nothing");
}

fn patch(operations: Value) -> Value {
    Value::from_iter([("schemas", json!([urn::PATCH_OP])), ("Operations", operations)])
}

fn user(members: Value) -> Value {
    let Value::Object(members) = members else { panic!("members stand in an object") };
    let mut body = json!({ "schemas": [urn::USER], "userName": "eve" });
    body.as_object_mut().into_iter().for_each(|body| body.extend(members.clone()));
    body
}

#[tokio::test]
async fn bodies_of_post_and_put() {
    for line in ["POST /Users", "PUT /Users/u1"] {
        check(line, json!({ "userName": "eve" }), &["missingSchemas=1"], "invalidSyntax").await;
        check(line, user(json!({ "shoeSize": 7 })), &["unknownAttribute=1"], "invalidSyntax").await;
        let foreign = user(json!({ "schemas": [urn::USER, "urn:x:y"] }));
        check(line, foreign, &["foreignSchema=1"], "invalidSyntax").await;
        check(line, user(json!({ "active": "True" })), &["stringBoolean=1"], "invalidValue").await;
        let bare = user(json!({ "department": "x", "schemas": [urn::USER, urn::ENTERPRISE_USER] }));
        check(line, bare, &["bareExtensionAttribute=1"], "invalidSyntax").await;
        check(
            line,
            user(json!({ "emails": "a@x" })),
            &["unwrappedList=1", "bareComplexValue=1"],
            "invalidValue",
        )
        .await;
    }
}

#[tokio::test]
async fn patches() {
    let line = "PATCH /Users/u1";
    let title = json!({ "op": "replace", "path": "title", "value": "x" });
    check(line, json!({ "Operations": [title] }), &["missingSchemas=1"], "invalidSyntax").await;
    check(line, patch(title.clone()), &["singleOperation=1"], "invalidSyntax").await;
    let capital = json!([{ "op": "Replace", "path": "title", "value": "x" }]);
    check(line, patch(capital), &["capitalisedOperation=1"], "invalidSyntax").await;
    let unknown = json!([{ "op": "add", "path": "shoeSize", "value": 7 }]);
    check(line, patch(unknown), &["unknownAttribute=1"], "invalidPath").await;
    let missing =
        json!([{ "op": "add", "path": "emails[type eq \"home\"].value", "value": "b@x" }]);
    check(line, patch(missing), &["createdElement=1"], "noTarget").await;
}

#[tokio::test]
async fn queries() {
    check("GET /Users?filter=userName eq ada", None, &["unquotedLiteral=1"], "invalidFilter").await;
    check("GET /Users?count=", None, &["emptyParameter=1"], "invalidValue").await;
    check("GET /Users?sortOrder=up", None, &["unknownSortOrder=1"], "invalidValue").await;
    let both = "GET /Users?attributes=userName&excludedAttributes=title";
    check(both, None, &["attributesAndExcluded=1"], "invalidValue").await;
    let body = json!({ "count": 1 });
    check("POST /Users/.search", body, &["missingSchemas=1"], "invalidSyntax").await;
}

#[tokio::test]
async fn references_to_nobody_are_dropped_or_refused() {
    let manager = |id: &str| {
        let path = format!("{}:manager", urn::ENTERPRISE_USER);
        patch(json!([{ "op": "add", "path": path, "value": { "value": id } }]))
    };
    check("PATCH /Users/u1", manager("nobody"), &["unknownReference=1"], "invalidValue").await;
    let body = user(json!({
        "schemas": [urn::USER, urn::ENTERPRISE_USER],
        (urn::ENTERPRISE_USER): { "manager": { "value": "nobody" } },
    }));
    check("POST /Users", body.clone(), &["unknownReference=1"], "invalidValue").await;
    check("PUT /Users/u1", body, &["unknownReference=1"], "invalidValue").await;

    let strict = tenant(MAPPING, &application(), Dialect::Strict).await;
    assert_eq!(ask(&strict, "PATCH /Users/u1", Some(&manager("u2"))).await.status, 200);
}

#[tokio::test]
async fn endpoints_in_other_letters_are_found_in_the_lenient_dialect_only() {
    for line in ["GET /users/u1", "GET /serviceProviderConfig", "GET /ServiceProviderConfigs"] {
        let lenient = tenant(MAPPING, &application(), Dialect::Lenient).await;
        assert_eq!(ask(&lenient, line, None).await.status, 200, "{line}");
        assert_eq!(counted(&lenient), ["endpointSpelling=1"], "{line}");
        let strict = tenant(MAPPING, &application(), Dialect::Strict).await;
        assert_eq!(ask(&strict, line, None).await.status, 404, "{line}");
    }
}

/// What the strict dialect does not refuse, it reads as the RFC has it.
#[tokio::test]
async fn strict_meanings() {
    let application = application();
    let strict = tenant(MAPPING, &application, Dialect::Strict).await;
    // A parameter in other letters is another parameter, and unknown ones are ignored.
    let all = ask(&strict, r#"GET /Users?FILTER=userName eq "ada""#, None).await.body.unwrap();
    assert_eq!(all["totalResults"], 2);
    // A boolean is not equal to text.
    let none = ask(&strict, r#"GET /Users?filter=active eq "True""#, None).await.body.unwrap();
    assert_eq!(none["totalResults"], 0);
    // `value` of a remove has no meaning: all elements go.
    let remove = json!([{ "op": "remove", "path": "emails", "value": [{ "value": "other" }] }]);
    let after = ask(&strict, "PATCH /Users/u1", Some(&patch(remove))).await;
    assert_eq!((after.status, after.body.unwrap().get("emails")), (200, None));
}

#[tokio::test]
async fn what_was_refused_is_counted_too() {
    let lenient = tenant(MAPPING, &application(), Dialect::Lenient).await;
    let body = json!({ "active": "True" });
    assert_eq!(ask(&lenient, "POST /Users", Some(&body)).await.status, 400);
    assert_eq!(counted(&lenient), ["missingSchemas=1", "stringBoolean=1"]);
}

#[tokio::test]
async fn a_filter_with_a_literal_of_another_type_is_counted_once() {
    let lenient = tenant(MAPPING, &application(), Dialect::Lenient).await;
    let found = ask(&lenient, r#"GET /Users?filter=active eq "True""#, None).await.body.unwrap();
    assert_eq!(
        (&found["totalResults"], counted(&lenient)),
        (&json!(2), vec!["stringBoolean=1".to_owned()])
    );
}

/// The documentation lists every kind by its keyword.
#[test]
fn every_deviation_is_documented() {
    let text = include_str!("../../docs/conformance.md");
    let missing: Vec<&str> = Deviation::ALL
        .iter()
        .map(|kind| kind.keyword())
        .filter(|keyword| !text.contains(&format!("`{keyword}`")))
        .collect();
    assert_eq!(missing, [""; 0]);
}
