//! What requests cost beside many resources that have left: no more than beside a few.
#![cfg(test)]

use std::sync::Arc;

use scimbridge::exchange::response::Body;
use scimbridge::exchange::tenant::Tenant;
use scimbridge::scim::value::Dialect;
use scimbridge::sidecar::entry::{Entry, EntryState};
use scimbridge::sidecar::port::Sidecar;
use serde_json::{Value, json};

use crate::counted::{Cost, CountedSidecar};
use crate::simulated::{Application, ask, tenant};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// People who are deleted by a tombstone, or switched off by deletion, and know each other.
fn mapping(fate: &str) -> String {
    let left = match fate {
        "deleted" => "delete: deactivate".to_owned(),
        _ => "delete: { delete: \"/people/{id}\" }\n    deactivate: delete\n    activate: create"
            .to_owned(),
    };
    let active = if fate == "deleted" { "active: $.enabled" } else { "locale: $.locale" };
    format!(
        r#"
bridge: 1
name: left
config: {{ url: {{ type: url }} }}
api: {{ base_url: "{{config.url}}" }}
resources:
  User:
    id: $.id
    attributes:
      userName: {{ path: $.login, required: true }}
      title: $.title
      enterprise:manager.value: {{ path: $.boss, ref: User }}
      {active}
    list: {{ get: /people, records: "$[*]" }}
    get: {{ get: "/people/{{id}}" }}
    create: {{ post: /people }}
    update: {{ patch: "/people/{{id}}" }}
    {left}
"#
    )
}

async fn with_left(fate: &str, count: usize) -> (Tenant, Arc<Application>, Arc<CountedSidecar>) {
    let person = |index: usize| {
        json!({ "id": format!("u{index}"), "login": format!("u{index}"), "title": "t",
                "enabled": true, "boss": "u1" })
    };
    let application = Application::with((0..4).map(person).collect());
    let mut tenant = tenant(&mapping(fate), &application, Dialect::Lenient).await;
    let partition = tenant.partition();
    for index in 0..count {
        let id = format!("x{index:05}");
        let state = match fate {
            "deleted" => EntryState::Deleted,
            _ => EntryState::Off(json!({ "id": id, "login": id })),
        };
        let entry = Entry { id: id.clone(), key: id, state, ..Entry::default() };
        tenant.sidecar.save(&partition, "User", &entry).await.unwrap();
    }
    let counted = CountedSidecar::around(Arc::clone(&tenant.sidecar));
    tenant.sidecar = Arc::clone(&counted) as Arc<dyn Sidecar>;
    (tenant, application, counted)
}

/// What a request is answered with, and what it costs: side-car and native calls.
async fn cost(fate: &str, count: usize, line: &str, body: Option<Value>) -> (Value, Cost, usize) {
    let (tenant, application, counted) = with_left(fate, count).await;
    let response = ask(&tenant, line, body.as_ref()).await;
    assert!(response.status < 300, "{line}: {} {:?}", response.status, response.body);
    let body = response.body.map(Body::into_value).unwrap_or_default();
    (body, counted.cost(), application.calls().len())
}

#[tokio::test]
async fn reading_and_changing_cost_the_same_beside_many_tombstones() {
    let patch = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{ "op": "replace", "path": "title", "value": "Countess" }] });
    let list = "GET /Users?startIndex=1&count=2";
    for fate in ["deleted", "off"] {
        for (line, body) in
            [("GET /Users/u2", None), ("PATCH /Users/u2", Some(&patch)), (list, None)]
        {
            let few = cost(fate, 30, line, body.cloned()).await;
            let many = cost(fate, 1_100, line, body.cloned()).await;
            assert_eq!((few.1, few.2), (many.1, many.2), "{fate}: {line}");
            assert!(many.1.calls <= 8 && many.1.entries <= 4, "{fate}: {line}: {:?}", many.1);
            if line == list {
                let off = if fate == "off" { 1_100 } else { 0 };
                assert_eq!(many.0["totalResults"], 4 + off);
                assert_eq!(many.0["Resources"].as_array().map(Vec::len), Some(2));
            } else {
                assert_eq!(few.0, many.0, "{fate}: {line}");
            }
        }
    }
}

#[tokio::test]
async fn pages_reach_into_those_who_are_switched_off() {
    let (page, cost, _) = cost("off", 1_100, "GET /Users?startIndex=600&count=3", None).await;
    let ids: Vec<&Value> =
        page["Resources"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
    assert_eq!(ids, ["x00595", "x00596", "x00597"]);
    assert_eq!(page["totalResults"], 1_104);
    assert!(cost.entries <= 3, "{cost:?}");
}

#[tokio::test]
async fn references_to_those_who_have_left_are_looked_up_by_id() {
    for (fate, shown) in [("deleted", false), ("off", true)] {
        let (tenant, application, counted) = with_left(fate, 700).await;
        let change = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{ "op": "replace", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
              "value": "x00005" }] });
        let answer = ask(&tenant, "PATCH /Users/u2", Some(&change)).await;
        // A reference to nobody is left out.
        assert_eq!(answer.status, 200, "{fate}: {:?}", answer.body);
        assert_eq!(application.records()[2]["boss"], "u1", "{fate}");
        assert!(counted.cost().entries <= 2, "{fate}");
        let person = json!({ "id": "u9", "login": "u9", "boss": "x00005" });
        let application = Application::with(vec![person]);
        let tenant = Tenant { upstream: application, ..tenant };
        let user = ask(&tenant, "GET /Users/u9", None).await.body.unwrap();
        assert_eq!(user.get(ENTERPRISE).is_some(), shown, "{fate}: {user}");
        assert!(counted.cost().entries <= 1, "{fate}");
    }
}

/// Somebody who was switched on again may have another key than before; whoever gets that one is
/// not him.
#[tokio::test]
async fn a_new_record_is_nobody_who_had_its_key_before() {
    let (tenant, _, _) = with_left("off", 0).await;
    let save = async |id: &str, key: &str, state: EntryState| {
        let entry = Entry { id: id.to_owned(), key: key.to_owned(), state, ..Entry::default() };
        tenant.sidecar.save(&tenant.partition(), "User", &entry).await.unwrap();
    };
    save("u5", "u1", EntryState::Live).await;
    let made = ask(&tenant, "POST /Users", Some(&json!({ "userName": "new" }))).await;
    assert_eq!((made.status, made.text("id")), (201, Some("u5")));
    // From now on it is looked up who is who.
    save("x1", "x1", EntryState::Off(json!({ "id": "x1", "login": "x1" }))).await;
    let read = ask(&tenant, "GET /Users/u5", None).await;
    assert_eq!(read.text("userName"), Some("new"), "{:?}", read.body);
}
