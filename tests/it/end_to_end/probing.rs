//! Readiness that asks the application, and what `scimbridge status` tells of each tenant.
#![cfg(test)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::end_to_end::application::{Application, Reply, json as reply, whole};
use crate::end_to_end::binary::{Binary, Installation};
use crate::end_to_end::bridge::{PEOPLE, call, token};
use crate::http::send;

/// An application whose health has this status; with 0 it says nothing at all.
async fn application(health: &Arc<AtomicU16>) -> Application {
    let health = Arc::clone(health);
    Application::start(move |call| match call.line().as_str() {
        _ if health.load(Ordering::SeqCst) == 0 => Reply::Cut(String::new()),
        "GET /api/health?deep=1" => Reply::Whole(whole(health.load(Ordering::SeqCst), &[], "")),
        line if line.starts_with("DELETE") => Reply::Whole(whole(204, &[], "")),
        _ => reply(200, &json!({ "id": 7, "login": "ada" })),
    })
    .await
}

fn with_probe(installation: &Installation, more: &str) {
    installation.edit(|text| {
        let probe = format!("[tenants.probe]\npath = \"/health?deep=1\"\n{more}\n[tenants.config]");
        text.replacen("[tenants.config]", &probe, 1)
    });
}

async fn readiness(binary: &Binary) -> (u16, Value) {
    let answer = send(binary.admin, "GET", "/readyz", &[], b"").await;
    (answer.status, answer.json()["checks"].clone())
}

/// Waits until readiness has this status and the check of `main` begins so.
async fn becomes(binary: &Binary, status: u16, text: &str) -> Value {
    for _ in 0..400 {
        let (now, checks) = readiness(binary).await;
        if now == status && checks["application main"].as_str().unwrap().starts_with(text) {
            return checks;
        }
        sleep(Duration::from_millis(25)).await;
    }
    panic!("not {status} {text}: {:?}", readiness(binary).await);
}

#[tokio::test]
async fn a_bridge_that_can_serve_nobody_is_not_ready() {
    let health = Arc::new(AtomicU16::new(200));
    let application = application(&health).await;
    let installation = Installation::new(&application.origin);
    with_probe(&installation, "every_seconds = 1");
    let binary = installation.serve().await;
    becomes(&binary, 200, "ok").await;
    health.store(503, Ordering::SeqCst);
    becomes(&binary, 503, "answers 503 (since 20").await;
    // Nobody is cut off by it: the answer of the application is better than none.
    let ada = call(binary.address, &token("main"), "GET", "/Users/7", None).await;
    assert_eq!(ada.status, 200);
    health.store(200, Ordering::SeqCst);
    becomes(&binary, 200, "ok").await;
    let probe = application.calls().into_iter().find(|call| call.target.contains("health"));
    assert_eq!(probe.unwrap().header("authorization"), Some("Bearer native-key"));
    let log = binary.log().concat();
    assert!(log.contains("the application is not as its probe wants it"), "{log}");
}

#[tokio::test]
async fn whoever_asks_for_readiness_causes_no_call() {
    let health = Arc::new(AtomicU16::new(401));
    let application = application(&health).await;
    let installation = Installation::new(&application.origin);
    with_probe(&installation, "every_seconds = 3600\nstatus = [401]");
    let binary = installation.serve().await;
    becomes(&binary, 200, "ok").await;
    for _ in 0..100 {
        readiness(&binary).await;
    }
    assert_eq!(application.calls().len(), 1);

    // Another probe is another question, asked at once.
    installation.edit(|text| text.replace("[401]", "[204]"));
    let reload = installation.run(&["reload", "--url", &binary.admin_url()]).await;
    assert!(reload.status.success(), "{reload:?}");
    becomes(&binary, 503, "answers 401").await;
    assert_eq!(application.calls().len(), 2);
}

#[tokio::test]
async fn an_application_that_is_away_takes_nobody_else_down() {
    let (health, fine) = (Arc::new(AtomicU16::new(500)), Arc::new(AtomicU16::new(200)));
    let (away, other) = (application(&health).await, application(&fine).await);
    let installation = Installation::new(&away.origin);
    let second = |more: &str| {
        format!(
            "[[tenants]]\nname = \"second\"\nmapping = \"mapping.yaml\"\nbase_path = \"/second\"\n\
             {more}[tenants.config]\nurl = \"{}\"\nkey = \"x\"\n",
            other.origin
        )
    };
    with_probe(&installation, "every_seconds = 1");
    installation.configure(PEOPLE, &second(""));
    let binary = installation.serve().await;
    let checks = becomes(&binary, 200, "answers 500").await;
    assert_eq!(checks.get("application second"), None, "{checks}");
    // Also when the other one is asked and answers.
    let probe = "[tenants.probe]\npath = \"/health?deep=1\"\n";
    installation.edit(|text| text.replace(&second(""), &second(probe)));
    let reload = installation.run(&["reload", "--url", &binary.admin_url()]).await;
    assert!(reload.status.success(), "{reload:?}");
    for _ in 0..200 {
        let (status, checks) = readiness(&binary).await;
        assert_eq!(status, 200, "{checks}");
        if checks["application second"] == "ok" {
            return;
        }
        sleep(Duration::from_millis(25)).await;
    }
    panic!("the second application is not asked");
}

#[tokio::test]
async fn status_tells_of_breakers_guards_and_tokens() {
    let health = Arc::new(AtomicU16::new(200));
    let application = application(&health).await;
    let installation = Installation::new(&application.origin);
    installation.edit(|text| {
        text.replace("[tenants.config]", "[tenants.guard]\ndeletions = \"1/1h\"\n[tenants.config]")
    });
    let issue =
        ["token", "issue", "--tenant", "main", "--label", "entra", "--config", "scimbridge.toml"];
    let issued = installation.run(&issue).await;
    assert!(issued.status.success(), "{issued:?}");
    let binary = installation.serve().await;
    for (id, status) in [("7", 204), ("8", 429)] {
        let target = format!("/Users/{id}");
        let answer = call(binary.address, &token("main"), "DELETE", &target, None).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    // Everything the application says from now on is a broken connection.
    health.store(0, Ordering::SeqCst);
    for _ in 0..10 {
        call(binary.address, &token("main"), "GET", "/Users/7", None).await;
    }
    let url = binary.admin_url();
    let status = installation.run(&["status", "--url", &url, "--format", "json"]).await;
    let report: Value = serde_json::from_slice(&status.stdout).unwrap();
    let details = &report["tenants"][0]["details"];
    assert_eq!(details["application"]["breaker"], "open", "{report:#}");
    assert_eq!(details["application"]["opened"], 1, "{report:#}");
    assert!(details["heldBack"]["deletions"].as_str().unwrap().starts_with("20"), "{report:#}");
    assert!(details["tokensExpire"]["entra"].as_str().unwrap().starts_with("20"), "{report:#}");
    let status = installation.run(&["status", "--url", &url]).await;
    let text = String::from_utf8(status.stdout).unwrap();
    for line in [
        "  application: breaker open, opened 1, callsInFlight 0, callsWaiting 0",
        "  heldBack: deletions 20",
        "  tokensExpire: entra 20",
    ] {
        assert!(text.lines().any(|one| one.starts_with(line)), "{line}\n{text}");
    }
}
