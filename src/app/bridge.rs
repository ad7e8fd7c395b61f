//! The tenants, as the gateway sees them: routing, authentication, answers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tracing::Instrument as _;

use crate::audit::refusals::Refusal;
use crate::auth::shared::SharedTokens;
use crate::clock::Clock;
use crate::exchange::endpoint::{Endpoint, Knock, Route, unauthorized};
use crate::exchange::engine;
use crate::exchange::error::ExchangeError;
use crate::exchange::render;
use crate::exchange::request::{Caller, ScimRequest};
use crate::exchange::response::ScimResponse;
use crate::exchange::tenant::Tenant;
use crate::gateway::limits::Limits;
use crate::watch::meters::Meters;
use crate::watch::span::Spans;
use crate::watch::watched;

/// A tenant and where it is served.
pub struct Served {
    /// The tenant.
    pub tenant: Arc<Tenant>,
    /// Segments of its base path; none for the root.
    pub base_path: Vec<String>,
    /// What stands in place of `scheme://host` in locations.
    pub public_url: Option<Arc<str>>,
    /// Where its requests are counted.
    pub meters: Arc<Meters>,
}

/// Every tenant of the process, as configured at one moment. A reload makes another one; requests
/// in flight end with the one they began with.
pub struct Bridge {
    tenants: Vec<Arc<Served>>,
    tokens: Arc<SharedTokens>,
    clock: Arc<dyn Clock>,
    spans: Option<Arc<dyn Spans>>,
    patience: Duration,
}

impl Bridge {
    /// Serves these tenants with these tokens.
    pub fn new(tenants: Vec<Served>, tokens: Arc<SharedTokens>, clock: Arc<dyn Clock>) -> Self {
        let tenants = tenants.into_iter().map(Arc::new).collect();
        Self { tenants, tokens, clock, spans: None, patience: Limits::default().patience() }
    }

    /// Records distributed traces there.
    #[must_use]
    pub fn recording(self, spans: Option<Arc<dyn Spans>>) -> Self {
        Self { spans, ..self }
    }

    /// The same, with the time that the gateway's limits leave for calls to applications.
    #[must_use]
    pub fn within(self, limits: &Limits) -> Self {
        Self { patience: limits.patience(), ..self }
    }
}

impl Bridge {
    /// The tenants.
    pub fn tenants(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.tenants.iter().map(|served| &served.tenant)
    }
}

#[async_trait]
impl Endpoint for Bridge {
    fn route(&self, _host: &str, segments: &[String]) -> Option<Route> {
        let fits = |served: &&(usize, &Arc<Served>)| segments.starts_with(&served.1.base_path);
        let tenants: Vec<(usize, &Arc<Served>)> = self.tenants.iter().enumerate().collect();
        // The longest base path wins, so that a tenant at the root catches what is left.
        let (tenant, served) =
            tenants.iter().filter(fits).max_by_key(|(_, served)| served.base_path.len())?;
        Some(Route {
            tenant: *tenant,
            name: served.tenant.name.as_str().into(),
            depth: served.base_path.len(),
            public_url: served.public_url.clone(),
        })
    }

    fn authenticate(&self, route: &Route, knock: &Knock<'_>) -> Result<Caller, ScimResponse> {
        let tokens = self.tokens.load();
        let answer = tokens.authenticate(&route.name, knock.authorization(), self.clock.now());
        let principal = answer.map_err(|error| {
            self.note_refusal(route, knock);
            unauthorized(&error.to_string())
        })?;
        Ok(Caller { principal, client: knock.peer })
    }

    fn meters(&self, route: &Route) -> Option<Arc<Meters>> {
        self.tenants.get(route.tenant).map(|served| Arc::clone(&served.meters))
    }

    fn spans(&self) -> Option<Arc<dyn Spans>> {
        self.spans.clone()
    }

    async fn answer(&self, route: &Route, request: ScimRequest) -> ScimResponse {
        let Some(served) = self.tenants.get(route.tenant).map(Arc::clone) else {
            return unauthorized("the tenant is not known");
        };
        // A task of its own: whoever gives up waiting does not stop writes half-way, and the
        // resource stays locked until they are through.
        let patience = self.patience;
        let work = async move { engine::answer_within(&served.tenant, request, patience).await };
        match tokio::spawn(watched::carried(work.in_current_span())).await {
            Ok(response) => response,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => busy(),
            },
        }
    }
}

impl Bridge {
    /// Counts a call that was turned away, for the audit trail.
    fn note_refusal(&self, route: &Route, knock: &Knock<'_>) {
        if let Some(served) = self.tenants.get(route.tenant) {
            let (tenant, client) = (route.name.to_string(), knock.peer);
            let refusal = Refusal { tenant, client, status: 401, kind: "authentication" };
            served.tenant.precautions.journal.refuse(refusal);
        }
    }
}

/// The answer when the process ends under a request.
fn busy() -> ScimResponse {
    render::error(&ExchangeError::Busy)
}
