//! Tokens that are rotated and revoked under load, on two bridges with one database.
#![cfg(test)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::end_to_end::application::{Application, json as reply};
use crate::end_to_end::binary::{Binary, Installation};
use crate::end_to_end::bridge::call;
use crate::postgres::Database;

/// What is promised is one second; what is asserted leaves room for a busy machine.
const REVOKED: Duration = Duration::from_secs(5);

/// What the clients of one token have seen.
#[derive(Default)]
struct Seen {
    calls: AtomicU64,
    refused: AtomicU64,
    stop: AtomicBool,
}

/// Asks both bridges in turn until it is told to stop.
fn load(bridges: &[Arc<Binary>], token: &Value) -> (Arc<Seen>, tokio::task::JoinHandle<()>) {
    let seen = Arc::new(Seen::default());
    let (counted, token) = (Arc::clone(&seen), token.as_str().unwrap().to_owned());
    let addresses: Vec<_> = bridges.iter().map(|bridge| bridge.address).collect();
    let task = tokio::spawn(async move {
        for address in addresses.into_iter().cycle() {
            if counted.stop.load(Ordering::Relaxed) {
                return;
            }
            let answer = call(address, &token, "GET", "/Users/7", None).await;
            counted.calls.fetch_add(1, Ordering::Relaxed);
            counted.refused.fetch_add(u64::from(answer.status != 200), Ordering::Relaxed);
        }
    });
    (seen, task)
}

async fn told(installation: &Installation, arguments: &[&str]) -> Value {
    let output = installation.run(arguments).await;
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Until this bridge answers so.
async fn answers(bridge: &Binary, token: &Value, status: u16) {
    let deadline = Instant::now() + REVOKED;
    let token = token.as_str().unwrap();
    while call(bridge.address, token, "GET", "/Users/7", None).await.status != status {
        assert!(Instant::now() < deadline, "never {status}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_is_refused_while_a_token_is_rotated_and_everybody_once_it_is_revoked() {
    let application = Application::start(|_| reply(200, &json!({ "id": 7, "login": "ada" }))).await;
    let installation = Installation::new(&application.origin);
    let database = Database::new().await;
    let replicas = match &database {
        Some(database) => {
            installation.edit(|text| {
                let lines = text.lines().map(|line| match line.strip_prefix("url = \"sqlite:") {
                    Some(_) => format!("url = \"{}\"", database.url),
                    None => line.to_owned(),
                });
                lines.collect::<Vec<_>>().join("\n")
            });
            2
        }
        // One SQLite file belongs to one bridge.
        None => 1,
    };
    let mut bridges = Vec::new();
    for _ in 0..replicas {
        bridges.push(Arc::new(installation.serve().await));
    }
    let issue = ["token", "issue", "--tenant", "main", "--label", "entra", "--format", "json"];
    let old = told(&installation, &issue).await;
    for bridge in &bridges {
        answers(bridge, &old["token"], 200).await;
    }
    let (old_seen, old_load) = load(&bridges, &old["token"]);
    let rotate = ["token", "rotate", "--tenant", "main", "--label", "entra", "--format", "json"];
    let new = told(&installation, &rotate).await;
    for bridge in &bridges {
        answers(bridge, &new["token"], 200).await;
    }
    let (new_seen, new_load) = load(&bridges, &new["token"]);
    while new_seen.calls.load(Ordering::Relaxed) < 500 {
        sleep(Duration::from_millis(5)).await;
    }
    old_seen.stop.store(true, Ordering::Relaxed);
    old_load.await.unwrap();
    assert_eq!(old_seen.refused.load(Ordering::Relaxed), 0, "the old token during grace");

    let id = old["id"].as_str().unwrap();
    assert!(installation.run(&["token", "revoke", "--id", id]).await.status.success());
    let revoked = Instant::now();
    let mut times = Vec::new();
    for bridge in &bridges {
        answers(bridge, &old["token"], 401).await;
        times.push(revoked.elapsed().as_millis());
    }
    new_seen.stop.store(true, Ordering::Relaxed);
    new_load.await.unwrap();
    assert_eq!(new_seen.refused.load(Ordering::Relaxed), 0, "the new token");
    let calls = old_seen.calls.load(Ordering::Relaxed) + new_seen.calls.load(Ordering::Relaxed);
    println!(
        "{replicas} bridge(s): {calls} calls during rotation, none refused; 401 after revocation \
         within {times:?} ms"
    );
}
