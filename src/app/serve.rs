//! The bridge as an installation runs it: configuration in, ports open, until it is told to stop.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use crate::app::assemble::{AssembleError, Workshop};
use crate::app::audit;
use crate::app::key::{self, KeyError};
use crate::app::readiness::StoreReadiness;
use crate::app::reload::{Reload, told};
use crate::app::tokens::{self, Keeper};
use crate::audit::journal;
use crate::clock::{Clock, SystemClock};
use crate::config::settings::Config;
use crate::console::health;
use crate::console::metrics;
use crate::exchange::cursor::Seal;
use crate::gateway::listener::{Gateway, Running};
use crate::id::SystemIds;
use crate::store::open::Store;
use crate::upstream::otlp::{OtlpError, OtlpSpans};
use crate::watch::span::Spans;

/// How long the audit trail may take to be completed at the end.
const AUDIT_GRACE: Duration = Duration::from_secs(10);

/// Everything that runs.
pub struct Service {
    gateway: Running,
    console: health::Running,
    refresher: tokio::task::JoinHandle<()>,
    store: Store,
    reload: Arc<Reload>,
    spans: Option<Arc<OtlpSpans>>,
    keeper: Option<journal::Keeper>,
}

/// The bridge cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Tenants cannot be served as configured.
    #[error("{}", listed(.0))]
    Tenants(Vec<AssembleError>),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] crate::sidecar::port::StoreError),
    /// Spans cannot be sent.
    #[error(transparent)]
    Telemetry(#[from] OtlpError),
    /// Cursors cannot be sealed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A port cannot be had.
    #[error("{address} cannot be listened on")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The threads cannot be had.
    #[error("the ports cannot be served")]
    Start(#[source] std::io::Error),
}

impl Service {
    /// Starts the bridge; both ports are open when this returns.
    pub async fn start(config: &Config) -> Result<Self, ServeError> {
        let store = Store::open(&config.store.url).await?;
        let seal: Arc<dyn Seal> = Arc::new(key::cursors(&store, &SystemIds).await?);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let spans = config.telemetry.as_ref().map(OtlpSpans::start).transpose()?.map(Arc::new);
        let journal = audit::journal(config, &store, &clock, &SystemIds);
        let keeper = journal.keep().await;
        let mut workshop = Workshop::new(store.clone(), seal, Arc::clone(&clock));
        workshop.spans = spans.clone().map(|spans| spans as Arc<dyn Spans>);
        workshop.journal = journal.clone();
        let reload = Reload::begin(workshop, config.clone()).map_err(ServeError::Tenants)?;
        let reload = Arc::new(reload);
        let shared = Arc::clone(&reload.tokens);
        let version = tokens::refresh(&store, &shared).await?;
        let scim = listen(config.listen.scim)?;
        let admin = listen(config.listen.admin)?;
        let gateway = Gateway::serve(scim, config.gateway.threads, &reload.serving);
        let gateway = gateway.map_err(ServeError::Start)?;
        let readiness = StoreReadiness::new(store.clone(), Arc::clone(&shared), Arc::clone(&clock));
        let readiness = Arc::new(readiness);
        let metrics = metrics::routes(Arc::clone(&reload.counted), journal);
        let console = health::start(admin, readiness, metrics).map_err(ServeError::Start)?;
        let refresher =
            tokio::spawn(Keeper::new(Arc::new(store.clone()), shared, clock, version).run());
        tracing::info!(address = %gateway.address(), "SCIM port open");
        tracing::info!(address = %console.address(), "admin port open");
        Ok(Self { gateway, console, refresher, store, reload, spans, keeper })
    }

    /// Where SCIM is served.
    pub fn scim_address(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// Where operators look.
    pub fn admin_address(&self) -> SocketAddr {
        self.console.address()
    }

    /// The way to another configuration.
    pub fn reload(&self) -> &Arc<Reload> {
        &self.reload
    }

    /// Stops accepting, lets requests in flight finish for at most `grace`, then ends.
    pub async fn stop(self, grace: Duration) {
        tracing::info!("stopping");
        self.gateway.stop(grace).await;
        self.refresher.abort();
        self.console.stop(Duration::from_secs(1)).await;
        if let Some(keeper) = self.keeper {
            keeper.close(AUDIT_GRACE).await;
        }
        self.store.close().await;
        if let Some(spans) = self.spans {
            spans.stop().await;
        }
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).map_err(|source| ServeError::Listen { address, source })
}

/// Every fault on lines of its own, with its causes.
fn listed(faults: &[AssembleError]) -> String {
    let faults: Vec<String> = faults.iter().map(told).collect();
    faults.join("\n")
}
