//! The bridge as an installation runs it: configuration in, ports open, until it is told to stop.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::app::bridge::{Bridge, Served};
use crate::app::key::{self, KeyError};
use crate::app::readiness::StoreReadiness;
use crate::app::settings;
use crate::app::tokens;
use crate::auth::authenticate::SharedTokens;
use crate::auth::token::ConfiguredToken;
use crate::clock::{Clock, SystemClock};
use crate::config::load::environment;
use crate::config::settings::{Config, Tenant as TenantConfig};
use crate::console::health;
use crate::console::metrics::{self, Counted};
use crate::exchange::cursor::Seal;
use crate::exchange::recent::Recent;
use crate::exchange::tenant::{Locks, Tenant};
use crate::gateway::listener::{Gateway, Running};
use crate::id::{IdSource, SystemIds};
use crate::mapping::expression::Ambient;
use crate::mapping::model::Mapping;
use crate::store::sqlite::SqliteStore;
use crate::upstream::client::HttpUpstream;

/// Everything that runs.
pub struct Service {
    gateway: Running,
    console: health::Running,
    refresher: tokio::task::JoinHandle<()>,
    store: SqliteStore,
}

/// The bridge cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// There is nobody to serve.
    #[error("the configuration names no tenant: add a [[tenants]] section")]
    NoTenants,
    /// A mapping file cannot be read.
    #[error("tenant {tenant}: {} cannot be read", path.display())]
    MappingUnreadable {
        /// The tenant.
        tenant: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A mapping file has faults.
    #[error("tenant {tenant}: the mapping has faults\n{faults}\nrun: scimbridge check {}", path.display())]
    MappingFaulty {
        /// The tenant.
        tenant: String,
        /// The file.
        path: PathBuf,
        /// The faults, a line each.
        faults: String,
    },
    /// The mapping's variables are not filled as it asks.
    #[error("tenant {tenant}: [tenants.config] {faults}")]
    Settings {
        /// The tenant.
        tenant: String,
        /// The faults.
        faults: String,
    },
    /// The variable that holds the token is empty.
    #[error("tenant {tenant}: the environment variable {variable} holds no token")]
    TokenMissing {
        /// The tenant.
        tenant: String,
        /// The variable.
        variable: String,
    },
    /// What the variable holds cannot be sent as a token.
    #[error(
        "tenant {tenant}: the environment variable {variable} holds something that cannot be a token"
    )]
    TokenUnusable {
        /// The tenant.
        tenant: String,
        /// The variable.
        variable: String,
    },
    /// The application cannot be addressed.
    #[error("tenant {tenant}: the application cannot be called as configured")]
    Upstream {
        /// The tenant.
        tenant: String,
        /// Why.
        #[source]
        source: crate::upstream::setup::UpstreamSetupError,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] crate::sidecar::port::StoreError),
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
        if config.tenants.is_empty() {
            return Err(ServeError::NoTenants);
        }
        let store = SqliteStore::open(&config.store.url).await?;
        let seal: Arc<dyn Seal> = Arc::new(key::cursors(&store, &SystemIds).await?);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let mut served = Vec::with_capacity(config.tenants.len());
        let mut configured = Vec::new();
        for tenant in &config.tenants {
            configured.extend(token(tenant)?);
            served.push(Served {
                tenant: build(tenant, &store, &seal, &clock)?,
                base_path: tenant.base_segments().map(str::to_owned).collect(),
                public_url: tenant.public_url.as_deref().map(Arc::from),
            });
        }
        let counted = served.iter().map(|served| Counted {
            tenant: served.tenant.name.clone(),
            deviations: Arc::clone(&served.tenant.deviations),
        });
        let metrics = metrics::routes(counted.collect());
        let shared = Arc::new(SharedTokens::default());
        tokens::refresh(&store, &configured, &shared).await?;
        let bridge = Bridge::new(served, Arc::clone(&shared), clock);
        let scim = listen(config.listen.scim)?;
        let admin = listen(config.listen.admin)?;
        let gateway = Gateway::start(scim, &config.gateway, Arc::new(bridge));
        let gateway = gateway.map_err(ServeError::Start)?;
        let readiness = Arc::new(StoreReadiness::new(store.clone()));
        let console = health::start(admin, readiness, metrics).map_err(ServeError::Start)?;
        let refresher = tokio::spawn(tokens::keep_fresh(store.clone(), configured, shared));
        tracing::info!(address = %gateway.address(), "SCIM port open");
        tracing::info!(address = %console.address(), "admin port open");
        Ok(Self { gateway, console, refresher, store })
    }

    /// Where SCIM is served.
    pub fn scim_address(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// Stops accepting, lets requests in flight finish for at most `grace`, then ends.
    pub async fn stop(self, grace: Duration) {
        tracing::info!("stopping");
        self.gateway.stop(grace).await;
        self.refresher.abort();
        self.console.stop(Duration::from_secs(1)).await;
        self.store.close().await;
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).map_err(|source| ServeError::Listen { address, source })
}

/// The token that a tenant's environment variable holds.
fn token(tenant: &TenantConfig) -> Result<Option<ConfiguredToken>, ServeError> {
    let Some(variable) = tenant.token_env.clone() else { return Ok(None) };
    let name = tenant.name.clone();
    let Some(secret) = environment(&variable) else {
        return Err(ServeError::TokenMissing { tenant: name, variable });
    };
    let token = ConfiguredToken::new(&name, &variable, &secret);
    token.map(Some).map_err(|_| ServeError::TokenUnusable { tenant: name, variable })
}

fn build(
    config: &TenantConfig,
    store: &SqliteStore,
    seal: &Arc<dyn Seal>,
    clock: &Arc<dyn Clock>,
) -> Result<Tenant, ServeError> {
    let tenant = config.name.clone();
    let mapping = Arc::new(load(&tenant, &config.mapping)?);
    let settings = settings::fill(&mapping.config, &config.config.0).map_err(|faults| {
        ServeError::Settings { tenant: tenant.clone(), faults: faults.join("; ") }
    })?;
    let ids: Arc<dyn IdSource> = Arc::new(SystemIds);
    let ambient =
        Ambient { ids: Arc::clone(&ids), now: clock.now(), request_id: "start".to_owned() };
    let upstream = HttpUpstream::new(&mapping.api, &settings.all, &ambient, Arc::clone(clock))
        .map_err(|source| ServeError::Upstream { tenant: tenant.clone(), source })?;
    tracing::info!(tenant, mapping = mapping.name, "tenant ready");
    Ok(Tenant {
        name: tenant,
        mapping,
        config: settings.open,
        upstream: Arc::new(upstream),
        sidecar: Arc::new(store.clone()),
        clock: Arc::clone(clock),
        ids,
        dialect: config.dialect,
        deviations: Arc::default(),
        max_results: settings::MAX_RESULTS,
        seal: Arc::clone(seal),
        locks: Locks::default(),
        recent: Recent::default(),
    })
}

fn load(tenant: &str, path: &Path) -> Result<Mapping, ServeError> {
    let text = std::fs::read_to_string(path).map_err(|source| ServeError::MappingUnreadable {
        tenant: tenant.to_owned(),
        path: path.to_owned(),
        source,
    })?;
    match Mapping::load(&text) {
        Ok((mapping, warnings)) => {
            for warning in warnings {
                tracing::warn!(tenant, file = %path.display(), %warning, "mapping");
            }
            Ok(mapping)
        }
        Err(faults) => {
            let name = path.display().to_string();
            let lines: Vec<String> = faults.iter().map(|fault| fault.render(&name)).collect();
            Err(ServeError::MappingFaulty {
                tenant: tenant.to_owned(),
                path: path.to_owned(),
                faults: lines.join("\n"),
            })
        }
    }
}
