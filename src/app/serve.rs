//! The bridge as an installation runs it: configuration in, ports open, until it is told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::app::assemble::Workshop;
use crate::app::audit;
use crate::app::details;
use crate::app::figures::{Refused, Reloads, Tenants, Tokens, Trail};
use crate::app::follow;
use crate::app::handoff::{self, Offer, Sockets, Takeover};
use crate::app::key::{self, KeyError};
use crate::app::notify;
use crate::app::probes::Probes;
use crate::app::readiness::Ready;
use crate::app::reload::{Reload, ReloadError};
use crate::app::status::Report;
use crate::app::sweeps;
use crate::app::tokens::{self, Keeper};
use crate::audit::keeper;
use crate::clock::{Clock, SystemClock};
use crate::config::settings::{Config, Stop};
use crate::console::health::{self, Readiness};
use crate::console::metrics::{self, Figures};
use crate::console::status;
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
    refresher: JoinHandle<()>,
    sweeper: JoinHandle<()>,
    prober: JoinHandle<()>,
    store: Store,
    reload: Arc<Reload>,
    spans: Option<Arc<OtlpSpans>>,
    keeper: Option<keeper::Keeper>,
    ready: Arc<Ready>,
    offer: Option<Offer>,
}

/// Why a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was told to.
    Told,
    /// A newer one serves.
    Relieved,
}

/// The bridge cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration cannot be served.
    #[error(transparent)]
    Configuration(#[from] ReloadError),
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
    /// There is no place to take over at.
    #[error("taking over needs listen.upgrade: the path at which the older process waits")]
    NoUpgrade,
    /// The older process does not hand its sockets over.
    #[error("the process that waits at {} does not hand its sockets over", path.display())]
    TakeOver {
        /// `listen.upgrade`.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is no place to wait for a newer process.
    #[error("listen.upgrade: no socket can be made at {}", path.display())]
    Offer {
        /// `listen.upgrade`.
        path: PathBuf,
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
        Self::begin(config, None).await
    }

    /// Starts the bridge in the place of the one that waits at `listen.upgrade`, or as
    /// [`Self::start`] does when none waits there.
    pub async fn take_over(config: &Config) -> Result<Self, ServeError> {
        let path = config.listen.upgrade.clone().ok_or(ServeError::NoUpgrade)?;
        let asked = path.clone();
        let asked = tokio::task::spawn_blocking(move || Takeover::ask(&asked)).await;
        let asked = asked.map_err(std::io::Error::other).and_then(|asked| asked);
        match asked.map_err(|source| ServeError::TakeOver { path, source })? {
            Some((takeover, sockets)) => {
                let service = Self::begin(config, Some(sockets)).await?;
                if let Err(error) = takeover.ready() {
                    tracing::warn!(%error, "the older process cannot be told; it may have ended");
                }
                tracing::info!("taken over from an older process");
                Ok(service)
            }
            None => Self::begin(config, None).await,
        }
    }

    async fn begin(config: &Config, handed: Option<Sockets>) -> Result<Self, ServeError> {
        let store = Store::open(&config.store.url).await?;
        let seal: Arc<dyn Seal> = Arc::new(key::cursors(&store, &SystemIds).await?);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let spans = config.telemetry.as_ref().map(OtlpSpans::start).transpose()?.map(Arc::new);
        let journal = audit::journal(config, &store, &clock, &SystemIds);
        let keeper = journal.keep().await;
        let mut workshop = Workshop::new(store.clone(), seal, Arc::clone(&clock));
        workshop.spans = spans.clone().map(|spans| spans as Arc<dyn Spans>);
        workshop.journal = journal.clone();
        let failures = Arc::clone(&workshop.failures);
        let reload = Arc::new(Reload::begin(workshop, config.clone())?);
        let shared = Arc::clone(&reload.tokens);
        let version = tokens::refresh(&store, &shared).await?;
        let (scim, admin) = handed.map(|it| (it.scim, it.admin)).unzip();
        let listen = |handed, address| {
            handoff::listener(handed, address)
                .map_err(|source| ServeError::Listen { address, source })
        };
        let scim = listen(scim, config.listen.scim)?;
        let admin = listen(admin, config.listen.admin)?;
        let copies =
            scim.try_clone().and_then(|scim| Ok(Sockets { scim, admin: admin.try_clone()? }));
        let gateway = Gateway::serve(scim, config.gateway.threads, &reload.serving);
        let gateway = gateway.map_err(ServeError::Start)?;
        let counted = Arc::clone(&reload.counted);
        let ready = Ready::new(store.clone(), Arc::clone(&shared), Arc::clone(&clock), counted);
        let probes = Arc::new(Probes::new(Arc::clone(&clock)));
        let serving = Arc::clone(&reload.serving);
        let probed = move || serving.load().endpoint.probed();
        let ready = Arc::new(ready.probing(Arc::clone(&probes), probed.clone()));
        let prober = tokio::spawn(probes.keep(probed));
        let readiness: Arc<dyn Readiness> = Arc::clone(&ready) as Arc<dyn Readiness>;
        let report = Report {
            reload: Arc::clone(&reload),
            readiness: Arc::clone(&readiness),
            started: clock.now(),
            clock: Arc::clone(&clock),
            details: details::all(&reload, Arc::new(store.clone()), &clock),
        };
        let figures: Vec<Arc<dyn Figures>> = vec![
            Arc::new(Reloads(Arc::clone(&reload))),
            Arc::new(Tokens { tokens: Arc::clone(&shared), clock: Arc::clone(&clock) }),
            Arc::new(Trail(journal)),
            Arc::new(Refused(failures)),
            Arc::new(Tenants(Arc::clone(&reload.serving))),
        ];
        let more = metrics::routes(Arc::clone(&reload.counted), figures);
        let more = more.merge(status::routes(Arc::new(report)));
        let console = health::start(admin, readiness, more).map_err(ServeError::Start)?;
        let refresher =
            tokio::spawn(Keeper::new(Arc::new(store.clone()), shared, clock, version).run());
        let serving = Arc::clone(&reload.serving);
        let tenants = move || serving.load().endpoint.tenants().cloned().collect();
        let sweeper = tokio::spawn(sweeps::keep_fresh(tenants));
        tracing::info!(address = %gateway.address(), "SCIM port open");
        tracing::info!(address = %console.address(), "admin port open");
        let offer = match &config.listen.upgrade {
            Some(path) => Some(
                copies
                    .and_then(|copies| Offer::make(path, copies))
                    .map_err(|source| ServeError::Offer { path: path.clone(), source })?,
            ),
            None => None,
        };
        notify::ready();
        Ok(Self {
            gateway,
            console,
            refresher,
            sweeper,
            prober,
            store,
            reload,
            spans,
            keeper,
            ready,
            offer,
        })
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

    /// Reads the configuration at `path` again on SIGHUP, and when one of its files has changed,
    /// until the task is aborted.
    pub fn follow(&self, path: Option<PathBuf>, every: Duration) -> JoinHandle<()> {
        follow::follow(Arc::clone(&self.reload), path, every)
    }

    /// Returns when a newer process serves in the place of this one.
    pub async fn relieved(&self) {
        match &self.offer {
            Some(offer) => offer.relieved().await,
            None => std::future::pending().await,
        }
    }

    /// Stops accepting, lets requests in flight finish for at most `grace`, then ends.
    pub async fn stop(self, grace: Duration) {
        let stop = Stop { delay: Duration::ZERO, linger: Duration::ZERO, grace };
        self.end(&stop, End::Told).await;
    }

    /// Ends as the configuration says: not ready any more, then no connection more, then the end
    /// of those that are there.
    pub async fn drain(self, why: End) {
        let stop = self.reload.stop().await;
        self.end(&stop, why).await;
    }

    async fn end(mut self, stop: &Stop, why: End) {
        tracing::info!("stopping");
        let mut console = Some(self.console);
        match (self.offer.take(), why) {
            // Both ports are the newer one's, and so are questions about readiness.
            (Some(offer), End::Relieved) => {
                offer.close().await;
                if let Some(console) = console.take() {
                    console.stop(Duration::from_secs(1)).await;
                }
            }
            (offer, End::Told | End::Relieved) => {
                notify::stopping();
                self.ready.stop();
                tokio::time::sleep(stop.delay).await;
                if let Some(offer) = offer {
                    offer.withdraw().await;
                }
            }
        }
        self.gateway.drain(stop.linger, stop.grace).await;
        self.refresher.abort();
        self.sweeper.abort();
        self.prober.abort();
        if let Some(console) = console {
            console.stop(Duration::from_secs(1)).await;
        }
        if let Some(keeper) = self.keeper {
            keeper.close(AUDIT_GRACE).await;
        }
        self.store.close().await;
        if let Some(spans) = self.spans {
            spans.stop().await;
        }
    }
}
