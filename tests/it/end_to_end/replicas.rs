//! Two bridge processes on one PostgreSQL in front of one application: nothing that either of
//! them is told gets lost.
//!
//! `SCIMBRIDGE_TEST_PATCHES` says how many PATCH requests are sent, 1000 unless it does.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::end_to_end::binary::Installation;
use crate::end_to_end::bridge::{LEGACY, application, call, token};
use crate::postgres::{Database, setting, tell};

const USERS: usize = 50;
const GROUPS: usize = 10;

/// Lists that the application replaces as a whole, so that a lost update would show.
const LISTS: [&str; 3] = ["emails", "roles", "entitlements"];

/// Most requests that are under way at the same time.
const AT_ONCE: usize = 96;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_lose_no_update() {
    let Some(database) = Database::new().await else { return };
    let patches: usize =
        setting("SCIMBRIDGE_TEST_PATCHES").map_or(1000, |number| number.parse().unwrap());
    let application = application().await;
    let origin = format!("http://{}", application.address());
    let one = Installation::replica(&database.url, LEGACY, &origin);
    let other = Installation::replica(&database.url, LEGACY, &origin);
    let (first, second) = tokio::join!(one.serve(), other.serve());
    let replicas = [first.address, second.address];

    let users = make(replicas, "/Users", "userName", USERS).await;
    let groups = make(replicas, "/Groups", "displayName", GROUPS).await;
    let began = Instant::now();
    let gate = Arc::new(Semaphore::new(AT_ONCE));
    let mut sending = JoinSet::new();

    // Three of five are about users: each adds one element to a list of a user.
    let of_users = patches * 3 / 5;
    let mut elements: BTreeMap<(usize, &str), BTreeSet<String>> = BTreeMap::new();
    for number in 0..of_users {
        let (user, list) = (number % USERS, LISTS[number / USERS % LISTS.len()]);
        let value = format!("{list}-{number}");
        elements.entry((user, list)).or_default().insert(value.clone());
        let body = one_operation("add", list, &json!([{ "value": value, "type": "work" }]));
        let target = format!("/scim/v2/Users/{}", users[user]);
        // Neighbours of one user go to both replicas, in no order.
        let replica = replicas[(number / USERS + number) % 2];
        let gate = Arc::clone(&gate);
        sending.spawn(async move { patched(replica, &target, &body, &gate).await });
    }

    // The rest is about members: each comes and goes in turn, now here, now there, while all the
    // others do.
    let turns = (patches - of_users).div_ceil(USERS * GROUPS).max(1);
    let mut left = patches - of_users;
    let mut members: Vec<BTreeSet<String>> = vec![BTreeSet::new(); GROUPS];
    for number in 0..USERS * GROUPS {
        let (group, user) = (number % GROUPS, number / GROUPS);
        let turns = turns.min(left);
        left -= turns;
        if turns % 2 == 1 {
            members[group].insert(users[user].clone());
        }
        let (target, user) = (format!("/scim/v2/Groups/{}", groups[group]), users[user].clone());
        let gate = Arc::clone(&gate);
        sending.spawn(async move {
            let mut statuses = BTreeMap::new();
            for turn in 0..turns {
                let replica = replicas[(number + turn) % 2];
                let sent = patched(replica, &target, &comes_or_goes(turn, &user), &gate).await;
                for (status, count) in sent {
                    *statuses.entry(status).or_default() += count;
                }
            }
            statuses
        });
    }

    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    while let Some(sent) = sending.join_next().await {
        for (status, count) in sent.unwrap() {
            *statuses.entry(status).or_default() += count;
        }
    }
    let took = began.elapsed();
    assert_eq!(statuses.values().sum::<usize>(), patches);
    assert!(statuses.keys().all(|status| matches!(status, 200 | 204)), "{statuses:?}");

    let mut kept = 0;
    for (index, id) in users.iter().enumerate() {
        let user = read(replicas[index % 2], &format!("/scim/v2/Users/{id}")).await;
        for list in LISTS {
            let expected = elements.remove(&(index, list)).unwrap_or_default();
            kept += expected.len();
            assert_eq!(values(&user[list]), expected, "{list} of user {index}");
        }
    }
    assert_eq!(kept, of_users);
    for (index, id) in groups.iter().enumerate() {
        let group = read(replicas[index % 2], &format!("/scim/v2/Groups/{id}")).await;
        assert_eq!(values(&group["members"]), members[index], "members of group {index}");
    }
    tell(&format!(
        "two replicas: {patches} PATCH requests on {USERS} users and {GROUPS} groups in {took:.1?}, \
         {statuses:?}, {kept} elements and all members as sent"
    ));
    application.stop().await;
}

fn comes_or_goes(turn: usize, user: &str) -> Value {
    if turn.is_multiple_of(2) {
        one_operation("add", "members", &json!([{ "value": user }]))
    } else {
        let path = format!("members[value eq \"{user}\"]");
        json!({ "Operations": [{ "op": "remove", "path": path }] })
    }
}

async fn patched(
    replica: SocketAddr,
    target: &str,
    body: &Value,
    gate: &Semaphore,
) -> BTreeMap<u16, usize> {
    let _pass = gate.acquire().await.unwrap();
    let answer = call(replica, &token("main"), "PATCH", target, Some(body)).await;
    BTreeMap::from([(answer.status, 1)])
}

async fn make(replicas: [SocketAddr; 2], target: &str, name: &str, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..count {
        let body = json!({ (name): format!("{name}-{number}") });
        let answer = call(replicas[number % 2], &token("main"), "POST", target, Some(&body)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        ids.push(answer.json()["id"].as_str().unwrap().to_owned());
    }
    ids
}

async fn read(replica: SocketAddr, target: &str) -> Value {
    let answer = call(replica, &token("main"), "GET", target, None).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn one_operation(operation: &str, path: &str, value: &Value) -> Value {
    json!({ "Operations": [{ "op": operation, "path": path, "value": value }] })
}

fn values(elements: &Value) -> BTreeSet<String> {
    let elements = elements.as_array().into_iter().flatten();
    elements.map(|element| element["value"].as_str().unwrap().to_owned()).collect()
}
