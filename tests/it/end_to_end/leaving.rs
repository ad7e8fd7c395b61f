//! People whom the application deletes when they are switched off: then the bridge alone knows
//! them, and whatever ends in the middle must not lose them.
#![cfg(test)]

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::end_to_end::application::{Application, Gate, Reply, json as reply, whole};
use crate::end_to_end::binary::{Binary, Installation};
use crate::end_to_end::bridge::{Bridge, call, token};

/// People who are deleted when they are switched off: then the bridge alone knows them.
const LEAVING: &str = r#"
bridge: 1
name: leaving
config: { url: { type: url, required: true }, key: { required: true, secret: true } }
api: { base_url: "{config.url}", auth: { bearer: "{config.key}" } }
resources:
  User:
    id: { path: $.id, as: issued }
    attributes:
      userName: { path: $.login, required: true }
    list: { get: /users }
    get: { get: "/users/{id}" }
    create: { post: /users }
    update: { patch: "/users/{id}" }
    delete: { delete: "/users/{id}" }
    deactivate: delete
    activate: create
"#;

/// The store goes away between the application's deletion and the bridge's memory of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_gone_at_the_worst_moment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.db");
    let store = format!("sqlite:{}", file.display());
    let gate = Arc::new(Gate::default());
    let before_deletion = Arc::clone(&gate);
    let person = json!({ "id": "7", "login": "ada" });
    let application = Application::start(move |call| match call.method.as_str() {
        "POST" => reply(201, &person),
        "DELETE" => Reply::Held(Arc::clone(&before_deletion), whole(204, &[], "")),
        _ if before_deletion.is_used() => reply(404, &json!({})),
        _ => reply(200, &person),
    })
    .await;
    let bridge = Bridge::keeping(&store, LEAVING, &application.origin).await;
    let id = bridge.make("/Users", &json!({ "userName": "ada" })).await;
    let target = format!("/Users/{id}");
    let off = json!({ "Operations": [{ "op": "replace", "path": "active", "value": false }] });
    let (answer, ()) = tokio::join!(bridge.call("PATCH", &target, Some(&off)), async {
        gate.reached().await;
        let away = folder.path().join("away.db");
        std::fs::rename(&file, &away).unwrap();
        gate.open();
        sleep(Duration::from_millis(300)).await;
        std::fs::rename(&away, &file).unwrap();
    });
    assert_eq!(answer.status, 200, "{answer:?}");
    let kept = bridge.get(&target).await;
    assert_eq!(kept.status, 200, "{kept:?}");
    let kept = kept.json();
    assert_eq!((&kept["userName"], &kept["active"]), (&json!("ada"), &json!(false)));
    bridge.stop().await;
}

/// The bridge is killed between the application's deletion and the end of the request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_that_is_killed_at_the_worst_moment() {
    let gate = Arc::new(Gate::default());
    let before_deletion = Arc::clone(&gate);
    let person = json!({ "id": "7", "login": "ada" });
    let application = Application::start(move |call| match call.method.as_str() {
        "POST" => reply(201, &person),
        "DELETE" => Reply::Held(Arc::clone(&before_deletion), whole(204, &[], "")),
        _ if before_deletion.is_used() => reply(404, &json!({})),
        _ => reply(200, &person),
    })
    .await;
    let installation = Installation::new(&application.origin);
    installation.configure(LEAVING, "");
    let mut bridge = installation.serve().await;
    let send = async |bridge: &Binary, method: &str, target: &str, body: Option<&Value>| {
        call(bridge.address, &token("main"), method, target, body).await
    };
    let made = send(&bridge, "POST", "/Users", Some(&json!({ "userName": "ada" }))).await;
    let target = format!("/Users/{}", made.json()["id"].as_str().unwrap());
    let off = json!({ "Operations": [{ "op": "replace", "path": "active", "value": false }] });
    let address = bridge.address;
    let cut = tokio::spawn({
        let target = target.clone();
        async move { call(address, &token("main"), "PATCH", &target, Some(&off)).await }
    });
    gate.reached().await;
    bridge.signal("KILL");
    bridge.ended().await;
    gate.open();
    assert!(cut.await.is_err(), "an answer of a bridge that was killed");
    let bridge = installation.serve().await;
    let kept = send(&bridge, "GET", &target, None).await;
    assert_eq!(kept.status, 200, "{kept:?}");
    let kept = kept.json();
    assert_eq!((&kept["userName"], &kept["active"]), (&json!("ada"), &json!(false)));
}

/// Whoever the application keeps has not left.
#[tokio::test]
async fn an_application_that_refuses_to_let_somebody_go() {
    let person = json!({ "id": "7", "login": "ada" });
    let application = Application::start(move |call| match (call.method.as_str(), &*call.target) {
        ("POST", _) => reply(201, &person),
        ("DELETE", _) => reply(403, &json!({})),
        (_, "/users") => reply(200, &json!([person])),
        _ => reply(200, &person),
    })
    .await;
    let bridge = Bridge::start(LEAVING, &application.origin).await;
    let id = bridge.make("/Users", &json!({ "userName": "ada" })).await;
    let off = json!({ "Operations": [{ "op": "replace", "path": "active", "value": false }] });
    let refused = bridge.call("PATCH", &format!("/Users/{id}"), Some(&off)).await;
    assert_eq!(refused.status, 502, "{refused:?}");
    let (_, inactive) = bridge.list("/Users?filter=active%20eq%20false").await;
    let (found, active) = bridge.list("/Users?filter=active%20eq%20true").await;
    assert_eq!((inactive, active), (0, 1), "{found:?}");
    assert_eq!(bridge.get(&format!("/Users/{id}")).await.json()["active"], json!(true));
    bridge.stop().await;
}
