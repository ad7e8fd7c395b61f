//! What `scimbridge status` tells of each tenant: its application, its guards, its tokens.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use crate::app::reload::Reload;
use crate::app::status::Detail;
use crate::auth::expiry;
use crate::auth::shared::SharedTokens;
use crate::clock::Clock;
use crate::exchange::traffic::BreakerState;
use crate::guard::port::GuardStore;

/// Everything that is told.
pub fn all(
    reload: &Arc<Reload>,
    guards: Arc<dyn GuardStore>,
    clock: &Arc<dyn Clock>,
) -> Vec<Arc<dyn Detail>> {
    let (tokens, clock) = (Arc::clone(&reload.tokens), Arc::clone(clock));
    vec![
        Arc::new(Application(Arc::clone(reload))),
        Arc::new(Guards(guards)),
        Arc::new(Tokens { tokens, clock }),
    ]
}

/// The calls to a tenant's application, and whether it is left alone.
struct Application(Arc<Reload>);

#[async_trait]
impl Detail for Application {
    fn name(&self) -> &'static str {
        "application"
    }

    async fn of(&self, tenant: &str) -> Option<Value> {
        let serving = self.0.serving.load();
        let traffic =
            serving.endpoint.tenants().find(|it| it.name == tenant)?.upstream.traffic()?;
        Some(json!({
            "breaker": traffic.breaker().keyword(),
            "opened": traffic.became(BreakerState::Open),
            "callsInFlight": traffic.in_flight(),
            "callsWaiting": traffic.waiting(),
        }))
    }
}

/// The guards that hold back.
struct Guards(Arc<dyn GuardStore>);

#[async_trait]
impl Detail for Guards {
    fn name(&self) -> &'static str {
        "heldBack"
    }

    async fn of(&self, tenant: &str) -> Option<Value> {
        // That the store is away is told by its check.
        let trips = self.0.tripped().await.unwrap_or_default();
        let trips: Map<String, Value> = trips
            .iter()
            .filter(|trip| trip.tenant == tenant)
            .map(|trip| (trip.kind.keyword().to_owned(), trip.at.to_string().into()))
            .collect();
        (!trips.is_empty()).then(|| trips.into())
    }
}

/// Until when the tokens of each label open the tenant.
struct Tokens {
    tokens: Arc<SharedTokens>,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Detail for Tokens {
    fn name(&self) -> &'static str {
        "tokensExpire"
    }

    async fn of(&self, tenant: &str) -> Option<Value> {
        let lifetimes = expiry::lifetimes(&self.tokens.load(), self.clock.now());
        let lifetimes: BTreeMap<String, String> = lifetimes
            .into_iter()
            .filter(|lifetime| lifetime.tenant == tenant)
            .map(|lifetime| (lifetime.label, lifetime.expires.to_string()))
            .collect();
        (!lifetimes.is_empty()).then(|| json!(lifetimes))
    }
}
