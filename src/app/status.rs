//! What `scimbridge status` tells: the process, its last reload, its tenants, its checks.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::app::reload::{History, Outcome, Reload};
use crate::clock::Clock;
use crate::console::health::{Check, Readiness};
use crate::console::status::Status;

/// Something to tell of a tenant besides its name and mapping.
#[async_trait]
pub trait Detail: Send + Sync {
    /// Its name in the report.
    fn name(&self) -> &'static str;

    /// What there is to tell of this tenant; `None` when there is nothing. No secrets.
    async fn of(&self, tenant: &str) -> Option<Value>;
}

/// The report of a serving bridge.
pub struct Report {
    /// What is served.
    pub reload: Arc<Reload>,
    /// What must hold.
    pub readiness: Arc<dyn Readiness>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// When the process began to serve.
    pub started: Timestamp,
    /// What there is to tell of each tenant.
    pub details: Vec<Arc<dyn Detail>>,
}

#[async_trait]
impl Status for Report {
    async fn report(&self) -> Value {
        let checks = self.readiness.checks().await;
        let ready = checks.values().all(Check::holds);
        let checks: Map<String, Value> =
            checks.iter().map(|(name, check)| (name.clone(), check.text().into())).collect();
        let mut tenants = Vec::new();
        for standing in self.reload.standing().iter() {
            let mut details = Map::new();
            for detail in &self.details {
                if let Some(value) = detail.of(&standing.name).await {
                    details.insert(detail.name().to_owned(), value);
                }
            }
            tenants.push(json!({
                "name": standing.name,
                "basePath": standing.base_path,
                "mapping": standing.mapping,
                "mappingVersion": standing.fingerprint,
                "details": details,
            }));
        }
        let uptime = self.clock.now().as_second().saturating_sub(self.started.as_second());
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "started": self.started.to_string(),
            "uptimeSeconds": uptime,
            "ready": ready,
            "checks": checks,
            "reload": history(&self.reload.history()),
            "tenants": tenants,
        })
    }
}

fn history(history: &History) -> Value {
    let last = history.last.as_ref().map(|(at, outcome)| {
        let (result, changes, restart, faults) = match outcome {
            Outcome::Applied { changes, restart } => {
                ("applied", changes.as_slice(), restart.as_slice(), [].as_slice())
            }
            Outcome::Refused(faults) => {
                ("refused", [].as_slice(), [].as_slice(), faults.as_slice())
            }
        };
        json!({
            "at": at.to_string(),
            "result": result,
            "changes": changes,
            "needRestart": restart,
            "faults": faults,
        })
    });
    json!({ "applied": history.applied, "refused": history.refused, "last": last })
}
