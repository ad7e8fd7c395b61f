//! The health port over TCP.
#![cfg(test)]

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use scimbridge::console::health::{Check, Readiness, start};
use scimbridge::console::metrics::{Counted, routes};
use scimbridge::current::Current;
use serde_json::json;

use crate::http::send;

#[derive(Default)]
struct Switch(AtomicBool);

#[async_trait]
impl Readiness for Switch {
    async fn checks(&self) -> BTreeMap<String, Check> {
        let on = self.0.load(Ordering::SeqCst);
        let store = if on { Check::Passed } else { Check::Failed("not migrated".to_owned()) };
        BTreeMap::from([("mappings".to_owned(), Check::Passed), ("store".to_owned(), store)])
    }
}

#[tokio::test]
async fn alive_is_not_yet_ready() {
    let switch = Arc::new(Switch::default());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let counted = Counted {
        tenant: "acme".to_owned(),
        meters: Arc::default(),
        deviations: Arc::default(),
        traffic: None,
    };
    let metrics = routes(Arc::new(Current::new(vec![counted])), Vec::new());
    let health = start(listener, Arc::clone(&switch) as Arc<dyn Readiness>, metrics).unwrap();
    let address = health.address();
    let alive = send(address, "GET", "/healthz", &[], b"").await;
    assert_eq!((alive.status, alive.body.as_slice()), (200, b"ok".as_slice()));

    let waiting = send(address, "GET", "/readyz", &[], b"").await;
    let checks = json!({ "mappings": "ok", "store": "not migrated" });
    assert_eq!(waiting.status, 503);
    assert_eq!(waiting.json(), json!({ "ready": false, "checks": checks }));

    switch.0.store(true, Ordering::SeqCst);
    let ready = send(address, "GET", "/readyz", &[], b"").await;
    assert_eq!((ready.status, &ready.json()["ready"]), (200, &json!(true)));

    let metrics = send(address, "GET", "/metrics", &[], b"").await;
    let text = String::from_utf8(metrics.body.clone()).unwrap();
    let line = r#"scimbridge_dialect_deviations_total{tenant="acme",kind="stringBoolean"} 0"#;
    assert!(metrics.status == 200 && text.contains(line), "{text}");

    health.stop(Duration::from_secs(5)).await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
