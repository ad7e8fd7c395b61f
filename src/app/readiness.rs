//! What must hold before the bridge says that it is ready.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;

use crate::app::probes::{Probed, Probes};
use crate::auth::expiry;
use crate::auth::shared::SharedTokens;
use crate::clock::Clock;
use crate::console::health::{Check, Readiness};
use crate::console::metrics::Counted;
use crate::current::Current;
use crate::exchange::traffic::BreakerState;
use crate::guard::port::GuardStore as _;
use crate::store::open::Store;

/// How long the store may take; probes wait for seconds themselves.
const PATIENCE: Duration = Duration::from_secs(1);

/// Ready when the store answers, nobody has told the process to end, and at least one tenant may
/// have an application that is there: mappings have been loaded before the port opened.
pub struct Ready {
    store: Store,
    tokens: Arc<SharedTokens>,
    clock: Arc<dyn Clock>,
    counted: Arc<Current<Vec<Counted>>>,
    probes: Arc<Probes>,
    probed: Box<dyn Fn() -> Vec<Probed> + Send + Sync>,
    stopping: AtomicBool,
}

impl Ready {
    /// Asks this store, and tells of tokens that end soon, of guards that hold back and of
    /// applications that do not answer.
    pub fn new(
        store: Store,
        tokens: Arc<SharedTokens>,
        clock: Arc<dyn Clock>,
        counted: Arc<Current<Vec<Counted>>>,
    ) -> Self {
        let probes = Arc::new(Probes::new(Arc::clone(&clock)));
        let stopping = AtomicBool::new(false);
        Self { store, tokens, clock, counted, probes, probed: Box::new(Vec::new), stopping }
    }

    /// Tells what these probes have found out about the tenants that `probed` names.
    #[must_use]
    pub fn probing(
        self,
        probes: Arc<Probes>,
        probed: impl Fn() -> Vec<Probed> + Send + Sync + 'static,
    ) -> Self {
        Self { probes, probed: Box::new(probed), ..self }
    }

    /// From now on the bridge is not ready.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }
}

#[async_trait]
impl Readiness for Ready {
    async fn checks(&self) -> BTreeMap<String, Check> {
        let asking = async {
            self.store.ready().await?;
            self.store.tripped().await
        };
        let (store, tripped) = match timeout(PATIENCE, asking).await {
            Ok(Ok(tripped)) => (Check::Passed, tripped),
            Ok(Err(error)) => (Check::Failed(error.to_string()), Vec::new()),
            Err(_) => (Check::Failed("no answer in time".to_owned()), Vec::new()),
        };
        let mut checks = BTreeMap::from([("store".to_owned(), store)]);
        for trip in tripped {
            let kind = trip.kind.keyword();
            let text = format!(
                "{kind} are held back since {}; see: scimbridge guard status",
                trip.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            );
            checks.insert(format!("guard {}/{kind}", trip.tenant), Check::Warned(text));
        }
        // Another replica could not reach them either: that is no reason to take this one away.
        for counted in self.counted.load().iter() {
            let state = counted.traffic.as_ref().map(|traffic| traffic.breaker());
            if state.is_some_and(|state| state != BreakerState::Closed) {
                let text = "the application does not answer and is left alone for a while";
                let name = format!("application {}", counted.tenant);
                checks.insert(name, Check::Warned(text.to_owned()));
            }
        }
        for (name, check) in self.probes.checks(&(self.probed)()) {
            match check {
                // The breaker has seen more than one question.
                Check::Passed => drop(checks.entry(name).or_insert(check)),
                Check::Warned(_) | Check::Failed(_) => drop(checks.insert(name, check)),
            }
        }
        for warning in expiry::warnings(&self.tokens.load(), self.clock.now()) {
            let name = format!("token {}/{}", warning.tenant, warning.label);
            checks.insert(name, Check::Warned(warning.text()));
        }
        if self.stopping.load(Ordering::Acquire) {
            checks.insert("stopping".to_owned(), Check::Failed("the bridge is ending".to_owned()));
        }
        checks
    }
}
