//! Asking applications whether they are there: in the background and at the pace that a tenant
//! says, so that nobody who asks the bridge for its readiness causes a call.
//!
//! A probe is a native call like any other: the mapping's sign-in, headers and TLS are in it, the
//! breaker sees its outcome, and an application that is left alone is not probed until its time
//! has come.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::clock::Clock;
use crate::config::settings::Probe;
use crate::console::health::Check;
use crate::exchange::tenant::Tenant;
use crate::native::message::{Body, Method, NativeRequest, Urgency};

/// Between two looks at which probes are due.
const TICK: Duration = Duration::from_millis(250);

/// A tenant whose application may be probed.
pub type Probed = (Arc<Tenant>, Option<Arc<Probe>>);

/// What probes have found out so far, by tenant.
pub struct Probes {
    clock: Arc<dyn Clock>,
    found: Mutex<BTreeMap<String, Found>>,
}

/// What was found out about one application.
struct Found {
    probe: Arc<Probe>,
    begun: Instant,
    /// `None` until the first probe has ended.
    finding: Option<Finding>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    /// Why it is not as it should be.
    problem: Option<String>,
    /// Since when.
    since: Timestamp,
}

impl Probes {
    /// Nothing found out yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, found: Mutex::default() }
    }

    /// Probes those that are due, for ever. `current` tells which tenants are being served.
    #[expect(clippy::infinite_loop, reason = "the task is aborted when the bridge stops")]
    pub async fn keep(self: Arc<Self>, current: impl Fn() -> Vec<Probed> + Send) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            for (tenant, probe) in self.due(&current()) {
                // Each in a task of its own: one that waits keeps no other from being asked.
                let probes = Arc::clone(&self);
                tokio::spawn(async move {
                    let problem = ask(&tenant, &probe).await.err();
                    probes.note(&tenant.name, &probe, problem);
                });
            }
        }
    }

    /// The checks of these tenants' applications. One that fails is a warning, because the others
    /// are served; only where every tenant has a probe and none of them passes can this bridge
    /// serve nobody.
    pub fn checks(&self, tenants: &[Probed]) -> Vec<(String, Check)> {
        let found = self.found();
        let findings: Vec<(String, Option<&Finding>)> = tenants
            .iter()
            .filter(|(_, probe)| probe.is_some())
            .map(|(tenant, _)| {
                let found = found.get(&tenant.name);
                (tenant.name.clone(), found.and_then(|it| it.finding.as_ref()))
            })
            .collect();
        let is_away = |finding: Option<&Finding>| finding.is_some_and(|it| it.problem.is_some());
        let nobody_is_left = findings.len() == tenants.len()
            && findings.iter().all(|(_, finding)| is_away(*finding));
        let check = |finding: Option<&Finding>| match finding {
            None => Check::Warned("has not been asked yet".to_owned()),
            Some(Finding { problem: None, .. }) => Check::Passed,
            Some(Finding { problem: Some(problem), since }) => {
                let since = since.strftime("%Y-%m-%dT%H:%M:%SZ");
                let text = format!("{problem} (since {since})");
                if nobody_is_left { Check::Failed(text) } else { Check::Warned(text) }
            }
        };
        findings
            .into_iter()
            .map(|(tenant, finding)| (format!("application {tenant}"), check(finding)))
            .collect()
    }

    /// Those whose time has come, and notes that they are asked. What nobody asks for any more is
    /// forgotten.
    fn due(&self, tenants: &[Probed]) -> Vec<(Arc<Tenant>, Arc<Probe>)> {
        let mut found = self.found();
        let mut before = std::mem::take(&mut *found);
        let mut due = Vec::new();
        for (tenant, probe) in tenants {
            let Some(probe) = probe else { continue };
            let known = before.remove(&tenant.name).filter(|it| it.probe == *probe);
            let is_due = known.as_ref().is_none_or(|it| it.begun.elapsed() >= probe.every);
            let finding = known.as_ref().and_then(|it| it.finding.clone());
            let begun = known.filter(|_| !is_due).map_or_else(Instant::now, |it| it.begun);
            let probe = Arc::clone(probe);
            if is_due {
                due.push((Arc::clone(tenant), Arc::clone(&probe)));
            }
            found.insert(tenant.name.clone(), Found { probe, begun, finding });
        }
        due
    }

    fn note(&self, tenant: &str, probe: &Arc<Probe>, problem: Option<String>) {
        let mut found = self.found();
        // Another configuration asks for something else.
        let Some(found) = found.get_mut(tenant).filter(|it| it.probe == *probe) else { return };
        let before = found.finding.as_ref();
        let was_away = before.is_some_and(|it| it.problem.is_some());
        match (&problem, was_away) {
            (Some(problem), false) => {
                tracing::warn!(tenant, problem, "the application is not as its probe wants it");
            }
            (None, true) => tracing::info!(tenant, "the application is as its probe wants it"),
            (Some(_), true) | (None, false) => {}
        }
        let same = before.filter(|it| it.problem.is_some() == problem.is_some());
        let since = same.map_or_else(|| self.clock.now(), |it| it.since);
        found.finding = Some(Finding { problem, since });
    }

    fn found(&self) -> MutexGuard<'_, BTreeMap<String, Found>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks one application, and says what is wrong with it.
async fn ask(tenant: &Tenant, probe: &Probe) -> Result<(), String> {
    let request = NativeRequest {
        method: Method::Get,
        path: probe.path.clone(),
        template: Some(probe.path.as_str().into()),
        query: probe.query.clone(),
        headers: Vec::new(),
        body: Body::None,
        timeout: Some(probe.timeout),
        patience: Some(probe.timeout),
        urgency: Urgency::Ahead,
        repeatable: false,
    };
    match timeout(probe.timeout, tenant.upstream.call(request)).await {
        Ok(Ok(answer)) if probe.accepts(answer.status) => Ok(()),
        Ok(Ok(answer)) => Err(format!("answers {}", answer.status)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the application did not answer in time".to_owned()),
    }
}
