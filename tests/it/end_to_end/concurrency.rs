//! Many changes at once to one resource: each is there in the end.
#![cfg(test)]

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::end_to_end::bridge::{Legacy, call, token};

/// Attributes that hold one value each, at places of their own in the application.
const SINGLE: [&str; 20] = [
    "displayName",
    "nickName",
    "title",
    "userType",
    "preferredLanguage",
    "locale",
    "timezone",
    "externalId",
    "profileUrl",
    "name.formatted",
    "name.givenName",
    "name.middleName",
    "name.familyName",
    "name.honorificPrefix",
    "name.honorificSuffix",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:organization",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:division",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
];

/// Lists that the application replaces as a whole, so that a lost update would show.
const LISTS: [&str; 3] = ["emails", "roles", "entitlements"];

fn one(operation: &str, path: &str, value: &Value) -> Value {
    json!({ "Operations": [{ "op": operation, "path": path, "value": value }] })
}

/// Sends all of these at once, and gives the statuses.
async fn all_at_once(address: SocketAddr, target: &str, bodies: Vec<Value>) -> BTreeSet<u16> {
    let mut sending = JoinSet::new();
    for body in bodies {
        let target = target.to_owned();
        sending.spawn(async move {
            call(address, &token("main"), "PATCH", &target, Some(&body)).await.status
        });
    }
    sending.join_all().await.into_iter().collect()
}

fn single(user: &Value, path: &str) -> Value {
    match path.rsplit_once(':') {
        Some((urn, attribute)) => user[urn][attribute].clone(),
        None => path.split('.').fold(user.clone(), |value, part| value[part].clone()),
    }
}

fn values(user: &Value, list: &str, member: &str) -> BTreeSet<String> {
    let elements = user[list].as_array().into_iter().flatten();
    elements.map(|element| element[member].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn fifty_changes_of_one_user_are_all_there() {
    let legacy = Legacy::start().await;
    let bridge = &legacy.bridge;
    let id = bridge.make("/Users", &json!({ "userName": "ada" })).await;
    let target = format!("/scim/v2/Users/{id}");

    let mut bodies: Vec<Value> =
        SINGLE.iter().map(|path| one("replace", path, &json!(format!("new {path}")))).collect();
    for list in LISTS {
        for number in 0..10 {
            let element = json!([{ "value": format!("{list}-{number}"), "type": "work" }]);
            bodies.push(one("add", list, &element));
        }
    }
    assert_eq!(bodies.len(), 50);
    assert_eq!(all_at_once(bridge.address, &target, bodies).await, BTreeSet::from([200]));

    let user = bridge.get(&target).await.json();
    for path in SINGLE {
        assert_eq!(single(&user, path), json!(format!("new {path}")), "{user}");
    }
    for list in LISTS {
        let expected = (0..10).map(|number| format!("{list}-{number}")).collect();
        assert_eq!(values(&user, list, "value"), expected, "{list}");
    }
    assert_eq!((&user["userName"], &user["active"]), (&json!("ada"), &json!(true)));
    legacy.stop().await;
}

#[tokio::test]
async fn members_come_and_go_at_the_same_time_and_end_as_sent() {
    let legacy = Legacy::start().await;
    let bridge = &legacy.bridge;
    let mut making = JoinSet::new();
    for number in 0..200 {
        let address = bridge.address;
        making.spawn(async move {
            let body = json!({ "userName": format!("user-{number:03}") });
            let answer = call(address, &token("main"), "POST", "/Users", Some(&body)).await;
            assert_eq!(answer.status, 201, "{answer:?}");
            answer.json()["id"].as_str().unwrap().to_owned()
        });
    }
    let ids = making.join_all().await;
    let group = bridge.make("/Groups", &json!({ "displayName": "Owls" })).await;
    let target = format!("/scim/v2/Groups/{group}");
    let refer = |ids: &[String]| ids.iter().map(|id| json!({ "value": id })).collect::<Value>();
    let ends_with = async |expected: &[String], when: &str| {
        let group = bridge.get(&target).await.json();
        let expected: BTreeSet<String> = expected.iter().cloned().collect();
        assert_eq!(values(&group, "members", "value"), expected, "{when}");
        assert_eq!(group["members"].as_array().map_or(0, Vec::len), expected.len(), "{when}");
    };

    // All in one request, then the first half out, each in a request of its own, in every form
    // that identity providers use, while the second half is added once more.
    let everybody = one("add", "members", &refer(&ids));
    assert_eq!(bridge.call("PATCH", &target, Some(&everybody)).await.status, 204);
    ends_with(&ids, "added").await;

    let (first, second) = ids.split_at(100);
    let mut bodies = Vec::new();
    for (index, id) in first.iter().enumerate() {
        let path = format!("members[value eq \"{id}\"]");
        bodies.push(match index % 2 {
            0 => json!({ "Operations": [{ "op": "remove", "path": path }] }),
            _ => one("Remove", "members", &json!([{ "value": id }])),
        });
    }
    bodies.extend(second.chunks(10).map(|some| one("Add", "members", &refer(some))));
    assert_eq!(all_at_once(bridge.address, &target, bodies).await, BTreeSet::from([204]));
    ends_with(second, "half of them removed").await;

    // Who joins and leaves in the same request ends as the last word says.
    let swap = json!({ "Operations": [
        { "op": "add", "path": "members", "value": refer(first) },
        { "op": "remove", "path": "members", "value": refer(second) },
        { "op": "remove", "path": "members", "value": refer(&first[..1]) },
        { "op": "add", "path": "members", "value": refer(&second[..1]) },
    ] });
    assert_eq!(bridge.call("PATCH", &target, Some(&swap)).await.status, 204);
    ends_with(&[&first[1..], &second[..1]].concat(), "swapped").await;

    let body = json!({ "displayName": "Owls", "members": refer(&ids[50..150]) });
    assert_eq!(bridge.call("PUT", &target, Some(&body)).await.status, 200);
    ends_with(&ids[50..150], "replaced").await;
    let native = legacy.native(&format!("/api/teams/{group}")).await;
    assert_eq!(native["member_count"], json!(100));

    let nobody = json!({ "Operations": [{ "op": "remove", "path": "members" }] });
    let status = bridge.call("PATCH", &target, Some(&nobody)).await.status;
    assert!(matches!(status, 200 | 204), "{status}");
    ends_with(&[], "emptied").await;
    legacy.stop().await;
}
