//! The tenants, as the gateway sees them: routing, authentication, answers.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tracing::Instrument as _;

use crate::app::door::{Door, turned_away};
use crate::app::probes::Probed;
use crate::audit::refusals::Refusal;
use crate::auth::failures::Failures;
use crate::auth::shared::SharedTokens;
use crate::clock::Clock;
use crate::config::settings::{Access, Probe};
use crate::exchange::endpoint::{Backend, Endpoint, Knock, Passing, Route, unauthorized};
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
    /// Its application, where that gets what is not SCIM.
    pub backend: Option<Arc<Backend>>,
    /// How its application is asked whether it is there.
    pub probe: Option<Arc<Probe>>,
    /// Where its requests are counted.
    pub meters: Arc<Meters>,
    /// Who is let in.
    pub door: Door,
}

/// Every tenant of the process, as configured at one moment. A reload makes another one; requests
/// in flight end with the one they began with.
pub struct Bridge {
    tenants: Vec<Arc<Served>>,
    tokens: Arc<SharedTokens>,
    clock: Arc<dyn Clock>,
    spans: Option<Arc<dyn Spans>>,
    patience: Duration,
    access: Access,
    failures: Arc<Failures>,
}

impl Bridge {
    /// Serves these tenants with these tokens.
    pub fn new(tenants: Vec<Served>, tokens: Arc<SharedTokens>, clock: Arc<dyn Clock>) -> Self {
        let tenants = tenants.into_iter().map(Arc::new).collect();
        let (spans, access, failures) = (None, Access::default(), Arc::default());
        let patience = Limits::default().patience();
        Self { tenants, tokens, clock, spans, patience, access, failures }
    }

    /// Believes these proxies, and counts failed authentications there.
    #[must_use]
    pub fn guarded(self, access: Access, failures: Arc<Failures>) -> Self {
        Self { access, failures, ..self }
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

    /// The tenants, with the questions to their applications.
    pub fn probed(&self) -> Vec<Probed> {
        let probed = |served: &Arc<Served>| (Arc::clone(&served.tenant), served.probe.clone());
        self.tenants.iter().map(probed).collect()
    }
}

#[async_trait]
impl Endpoint for Bridge {
    fn route(&self, host: &str, segments: &[String]) -> Option<Route> {
        let fits = |(_, served): &(usize, &Arc<Served>)| {
            served.door.is_at(host) && segments.starts_with(&served.base_path)
        };
        // A tenant at the host itself comes first. Then the longest base path wins, so that a
        // tenant at the root catches what is left.
        let rank = |served: &Served| (served.door.host.is_some(), served.base_path.len());
        let tenants = self.tenants.iter().enumerate().filter(fits);
        let (tenant, served) = tenants.max_by_key(|(_, served)| rank(served))?;
        Some(Route {
            tenant,
            name: served.tenant.name.as_str().into(),
            depth: served.base_path.len(),
            public_url: served.public_url.clone(),
            body_bytes: served.door.body_bytes,
        })
    }

    fn pass(&self, host: &str, readings: &[Vec<String>], knock: &Knock<'_>) -> Option<Passing> {
        let here = || self.tenants.iter().filter(|served| served.door.is_at(host));
        let backends = here().filter_map(|served| Some((served, served.backend.as_ref()?)));
        // As with tenants, the application of the host itself comes first.
        let (served, backend) = backends.max_by_key(|(served, _)| served.door.host.is_some())?;
        let is_scim =
            here().any(|it| readings.iter().any(|reading| is_below(&it.base_path, reading)));
        if is_scim || self.tokens.load().knows(knock.authorization()) {
            return None;
        }
        Some(Passing {
            tenant: served.tenant.name.as_str().into(),
            backend: Arc::clone(backend),
            meters: Arc::clone(&served.meters),
            is_by_proxy: knock.peer.is_some_and(|peer| self.access.proxies.trusts(peer)),
        })
    }

    fn passes(&self) -> bool {
        self.tenants.iter().any(|served| served.backend.is_some())
    }

    fn passes_tls(&self) -> bool {
        self.tenants.iter().filter_map(|served| served.backend.as_ref()).any(|it| it.tls)
    }

    fn authenticate(&self, route: &Route, knock: &Knock<'_>) -> Result<Caller, ScimResponse> {
        let Some(served) = self.tenants.get(route.tenant) else { return Err(nobody()) };
        let (door, now) = (&served.door, self.clock.now());
        let proxies = &self.access.proxies;
        let client = knock.peer.map(|peer| proxies.client(peer, knock.headers));
        door.check_address(client).inspect_err(|answer| {
            self.failures.note_elsewhere();
            note_refusal(served, client, answer.status, "address");
        })?;
        // First the token: whoever has a good one is let in, however many others have failed
        // from the same address.
        let tokens = self.tokens.load();
        let caller = door.identify(&route.name, &tokens, knock.authorization(), now);
        let principal = caller.map_err(|error| {
            let per_minute = self.access.failures_per_minute;
            let answer = turned_away(error, self.failures.note(error, client, per_minute, now));
            note_refusal(served, client, answer.status, "authentication");
            answer
        })?;
        door.check_open()?;
        Ok(Caller { principal, client })
    }

    fn meters(&self, route: &Route) -> Option<Arc<Meters>> {
        self.tenants.get(route.tenant).map(|served| Arc::clone(&served.meters))
    }

    fn spans(&self) -> Option<Arc<dyn Spans>> {
        self.spans.clone()
    }

    async fn answer(&self, route: &Route, request: ScimRequest) -> ScimResponse {
        let Some(served) = self.tenants.get(route.tenant).map(Arc::clone) else {
            return nobody();
        };
        let visit = match served.door.enter() {
            Ok(visit) => visit,
            Err(answer) => return answer,
        };
        let patience = self.patience;
        let is_read = request.method.is_safe();
        let work = async move {
            let _visit = visit;
            engine::answer_within(&served.tenant, request, patience).await
        };
        // Whoever gives up waiting for a read stops nothing that has to be finished.
        if is_read {
            return work.await;
        }
        // A task of its own: whoever gives up waiting does not stop writes half-way, and the
        // resource stays locked until they are through.
        match tokio::spawn(watched::carried(work.in_current_span())).await {
            Ok(response) => response,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => busy(),
            },
        }
    }
}

/// Whether a path begins with this base, in whatever case.
fn is_below(base: &[String], path: &[String]) -> bool {
    let front = path.get(..base.len());
    front.is_some_and(|front| front.iter().zip(base).all(|(a, b)| a.eq_ignore_ascii_case(b)))
}

/// Counts a call that was turned away, for the audit trail.
fn note_refusal(served: &Served, client: Option<IpAddr>, status: u16, kind: &'static str) {
    let refusal = Refusal { tenant: served.tenant.name.clone(), client, status, kind };
    served.tenant.precautions.journal.refuse(refusal);
}

/// The answer for a tenant that is none.
fn nobody() -> ScimResponse {
    unauthorized("the tenant is not known")
}

/// The answer when the process ends under a request.
fn busy() -> ScimResponse {
    render::error(&ExchangeError::Busy)
}
