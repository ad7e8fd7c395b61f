//! Users that SCIM clients delete in an application that can only disable: gone for SCIM in every
//! answer, and back under the same name when they are created again.
#![cfg(test)]

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::end_to_end::bridge::{Legacy, check_error, filter};

const USERS: &str = "/scim/v2/Users";

async fn found(legacy: &Legacy, endpoint: &str, text: &str) -> (Vec<String>, u64) {
    let (resources, total) = legacy.bridge.list(&format!("{endpoint}?{}", filter(text))).await;
    (resources.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect(), total)
}

fn members(group: &Value) -> Vec<&str> {
    let members = group["members"].as_array().into_iter().flatten();
    members.map(|member| member["value"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_deleted_user_is_gone_everywhere() {
    let legacy = Legacy::start().await;
    let bridge = &legacy.bridge;
    let ada = json!({ "userName": "ada", "externalId": "hr-7", "displayName": "Ada Lovelace",
        "emails": [{ "value": "ada@example.org", "type": "work" }] });
    let ada = bridge.make(USERS, &ada).await;
    let bob = bridge.make(USERS, &json!({ "userName": "bob" })).await;
    let team = json!({ "displayName": "Owls", "members": [{ "value": ada }, { "value": bob }] });
    let owls = bridge.make("/Groups", &team).await;
    let of_ada = format!("{USERS}/{ada}");
    assert_eq!(found(&legacy, USERS, r#"userName eq "ada""#).await, (vec![ada.clone()], 1));

    assert_eq!(bridge.call("DELETE", &of_ada, None).await.status, 204);

    let body = json!({ "userName": "ada" });
    let patch = json!({ "Operations": [{ "op": "replace", "path": "active", "value": true }] });
    for (method, body) in
        [("GET", None), ("PUT", Some(&body)), ("PATCH", Some(&patch)), ("DELETE", None)]
    {
        check_error(&bridge.call(method, &of_ada, body).await, 404, method);
    }
    for text in [
        r#"userName eq "ada""#,
        r#"userName eq "ADA""#,
        r#"externalId eq "hr-7""#,
        r#"emails.value eq "ada@example.org""#,
        "active eq false",
        r#"displayName co "Lovelace""#,
        "userName pr and displayName pr",
        &format!(r#"id eq "{ada}""#),
    ] {
        assert_eq!(found(&legacy, USERS, text).await, (Vec::new(), 0), "{text}");
    }
    assert_eq!(found(&legacy, USERS, "userName pr").await, (vec![bob.clone()], 1));
    let (listed, total) = bridge.list(USERS).await;
    assert_eq!((listed.len(), total, &listed[0]["id"]), (1, 1, &json!(bob)));

    let group = bridge.get(&format!("/Groups/{owls}")).await.json();
    assert_eq!(members(&group), [bob.as_str()]);
    let (groups, _) = bridge.list("/Groups").await;
    assert_eq!(members(&groups[0]), [bob.as_str()]);
    let of_bob = found(&legacy, "/Groups", &format!(r#"members.value eq "{bob}""#)).await;
    assert_eq!(of_bob, (vec![owls.clone()], 1));

    // The application keeps the person, disabled.
    let native = legacy.native(&format!("/api/people/{ada}")).await;
    assert_eq!((&native["login"], &native["disabled"]), (&json!("ada"), &json!(true)));
    legacy.stop().await;
}

/// In the application the person stays in the team; for SCIM clients there is nobody.
#[tokio::test]
async fn a_deleted_user_finds_no_groups() {
    let legacy = Legacy::start().await;
    let bridge = &legacy.bridge;
    let (ada, _) = deleted_member(&legacy).await;
    let by_member = format!(r#"members.value eq "{ada}""#);
    assert_eq!(found(&legacy, "/Groups", &by_member).await, (Vec::new(), 0));
    let both = format!(r#"displayName eq "Owls" and members.value eq "{ada}""#);
    assert_eq!(found(&legacy, "/Groups", &both).await, (Vec::new(), 0));
    assert_eq!(bridge.list("/Groups").await.1, 1);
    legacy.stop().await;
}

#[tokio::test]
async fn a_deleted_user_cannot_join_a_group() {
    let legacy = Legacy::start().await;
    let bridge = &legacy.bridge;
    let (ada, _) = deleted_member(&legacy).await;
    let larks = bridge.make("/Groups", &json!({ "displayName": "Larks" })).await;
    let target = format!("/Groups/{larks}");
    let members = json!([{ "value": ada }]);
    let joins = json!({ "Operations": [{ "op": "add", "path": "members", "value": members }] });
    bridge.call("PATCH", &target, Some(&joins)).await;
    let whole = json!({ "displayName": "Larks", "members": members });
    bridge.call("PUT", &target, Some(&whole)).await;
    let native = legacy.native(&format!("/api/teams/{larks}")).await;
    assert_eq!(native["member_count"], json!(0), "who is not there cannot join");
    legacy.stop().await;
}

/// Identity providers clean up after they have deleted somebody.
#[tokio::test]
async fn a_deleted_user_can_leave_a_group() {
    let legacy = Legacy::start().await;
    let (ada, owls) = deleted_member(&legacy).await;
    let path = format!("members[value eq \"{ada}\"]");
    let leaves = json!({ "Operations": [{ "op": "remove", "path": path }] });
    let left = legacy.bridge.call("PATCH", &format!("/Groups/{owls}"), Some(&leaves)).await;
    assert_eq!(left.status, 204, "{left:?}");
    let native = legacy.native(&format!("/api/teams/{owls}")).await;
    assert_eq!(native["member_count"], json!(0));
    legacy.stop().await;
}

/// The ids of a user who was deleted and of the group that she was in.
async fn deleted_member(legacy: &Legacy) -> (String, String) {
    let ada = legacy.bridge.make(USERS, &json!({ "userName": "ada" })).await;
    let team = json!({ "displayName": "Owls", "members": [{ "value": ada }] });
    let owls = legacy.bridge.make("/Groups", &team).await;
    assert_eq!(legacy.bridge.call("DELETE", &format!("{USERS}/{ada}"), None).await.status, 204);
    (ada, owls)
}

#[tokio::test]
async fn a_name_that_has_become_free_brings_the_person_back() {
    let legacy = Legacy::start().await;
    let bridge = &legacy.bridge;
    let first = json!({ "userName": "ada", "title": "Analyst", "externalId": "hr-7",
        "emails": [{ "value": "ada@example.org", "type": "work" }] });
    let id = bridge.make(USERS, &first).await;
    let target = format!("{USERS}/{id}");
    assert_eq!(bridge.call("DELETE", &target, None).await.status, 204);

    let second = json!({ "userName": "Ada", "nickName": "Addie", "externalId": "hr-8" });
    let answer = bridge.call("POST", USERS, Some(&second)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let made = answer.json();
    let there = bridge.get(&target).await;
    assert_eq!((there.status, there.json()), (200, made.clone()));
    assert_eq!((&made["id"], &made["active"]), (&json!(id), &json!(true)));
    for (attribute, value) in [("userName", "Ada"), ("nickName", "Addie"), ("externalId", "hr-8")] {
        assert_eq!(made[attribute], json!(value));
    }
    for attribute in ["title", "emails"] {
        assert_eq!(made[attribute], Value::Null, "what was before is not taken over");
    }
    let native = legacy.native(&format!("/api/people/{id}")).await;
    assert_eq!((&native["disabled"], &native["job_title"]), (&json!(false), &Value::Null));
    assert_eq!(legacy.native("/api/people").await.as_array().map(Vec::len), Some(1));

    assert_eq!(found(&legacy, USERS, r#"userName eq "ada""#).await, (vec![id.clone()], 1));
    let taken = bridge.call("POST", USERS, Some(&second)).await;
    check_error(&taken, 409, "a living user's name");
    assert_eq!(taken.json()["scimType"], json!("uniqueness"));
    assert_eq!(bridge.call("DELETE", &target, None).await.status, 204);
    check_error(&bridge.get(&target).await, 404, "deleted a second time");
    legacy.stop().await;
}

/// Only a name that a deleted user had becomes free.
#[tokio::test]
async fn the_name_of_somebody_who_is_only_disabled_is_taken() {
    let legacy = Legacy::start().await;
    let bridge = &legacy.bridge;
    let ada = json!({ "userName": "ada", "active": false });
    let id = bridge.make(USERS, &ada).await;
    let gone = bridge.make(USERS, &json!({ "userName": "bob" })).await;
    assert_eq!(bridge.call("DELETE", &format!("{USERS}/{gone}"), None).await.status, 204);
    check_error(&bridge.call("POST", USERS, Some(&ada)).await, 409, "disabled");
    let there = bridge.get(&format!("{USERS}/{id}")).await.json();
    assert_eq!(there["active"], json!(false));
    legacy.stop().await;
}

#[tokio::test]
async fn totals_are_exact_with_the_deleted_in_between() {
    let legacy = Legacy::start().await;
    let bridge = &legacy.bridge;
    let mut living = Vec::new();
    // More than one native page, deleted ones at its edges and within.
    for number in 0..105 {
        let id = bridge.make(USERS, &json!({ "userName": format!("user-{number:03}") })).await;
        if [0, 1, 50, 99, 100, 104].contains(&number) {
            assert_eq!(bridge.call("DELETE", &format!("{USERS}/{id}"), None).await.status, 204);
        } else {
            living.push(id);
        }
    }
    let total = living.len() as u64;
    assert_eq!(total, 99);
    for size in [1000, 100, 40, 7] {
        let mut seen = Vec::new();
        let mut start = 1;
        while start <= living.len() {
            let target = format!("{USERS}?startIndex={start}&count={size}");
            let (page, told) = bridge.list(&target).await;
            assert_eq!((told, page.len()), (total, size.min(living.len() + 1 - start)), "{target}");
            seen.extend(page.iter().map(|user| user["id"].as_str().unwrap().to_owned()));
            start += size;
        }
        assert_eq!(seen, living, "in pages of {size}");
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), living.len());
    }
    for target in ["?count=0", "?startIndex=100", "?startIndex=1000&count=5"] {
        let (page, told) = bridge.list(&format!("{USERS}{target}")).await;
        assert_eq!((page.len(), told), (0, total), "{target}");
    }
    let (page, told) =
        bridge.list(&format!("{USERS}?count=3&startIndex=98&{}", filter("active eq true"))).await;
    assert_eq!((page.len(), told), (2, total));
    legacy.stop().await;
}
