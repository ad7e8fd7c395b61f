//! How the process ends: what is under way is finished, nothing new is taken.
#![cfg(test)]

use std::sync::Arc;

use serde_json::json;
use tokio::net::TcpStream;

use crate::end_to_end::application::{Application, Gate, Reply, whole};
use crate::end_to_end::binary::Installation;
use crate::end_to_end::bridge::{call, token};

#[tokio::test]
async fn sigterm_lets_a_request_in_flight_finish() {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let body = json!({ "id": 7, "login": "ada" }).to_string();
    let slow = whole(200, &[("Content-Type", "application/json")], &body);
    let application = Application::start(move |_| Reply::Held(Arc::clone(&held), slow.clone()));
    let application = application.await;
    let installation = Installation::new(&application.origin);
    let mut binary = installation.serve().await;
    let address = binary.address;

    let asked = tokio::spawn(async move {
        call(address, &token("main"), "GET", "/scim/v2/Users/7", None).await
    });
    gate.reached().await;
    binary.terminate();
    // The process takes a moment to hear the signal.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!asked.is_finished(), "the application has not answered yet");
    gate.open();
    let answer = asked.await.unwrap();
    assert_eq!((answer.status, &answer.json()["userName"]), (200, &json!("ada")));
    let status = binary.ended().await;
    assert_eq!(status.code(), Some(0), "{status}: {:?}", binary.log());
}

#[tokio::test]
async fn sigterm_ends_an_idle_process() {
    let installation = Installation::new("http://127.0.0.1:9");
    let mut binary = installation.serve().await;
    binary.terminate();
    assert_eq!(binary.ended().await.code(), Some(0), "{:?}", binary.log());
}
