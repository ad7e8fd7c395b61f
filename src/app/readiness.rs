//! What must hold before the bridge says that it is ready.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use crate::auth::expiry;
use crate::auth::shared::SharedTokens;
use crate::clock::Clock;
use crate::console::health::{Check, Readiness};
use crate::console::metrics::Counted;
use crate::current::Current;
use crate::exchange::traffic::BreakerState;
use crate::guard::port::GuardStore as _;
use crate::store::open::Store;

/// Ready when the store answers and nobody has told the process to end: mappings have been loaded
/// before the port opened.
pub struct Ready {
    store: Store,
    tokens: Arc<SharedTokens>,
    clock: Arc<dyn Clock>,
    counted: Arc<Current<Vec<Counted>>>,
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
        Self { store, tokens, clock, counted, stopping: AtomicBool::new(false) }
    }

    /// From now on the bridge is not ready.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }
}

#[async_trait]
impl Readiness for Ready {
    async fn checks(&self) -> BTreeMap<String, Check> {
        let store = match self.store.ready().await {
            Ok(()) => Check::Passed,
            Err(error) => Check::Failed(error.to_string()),
        };
        let mut checks = BTreeMap::from([("store".to_owned(), store)]);
        for trip in self.store.tripped().await.unwrap_or_default() {
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
