//! Sweeps that build the indexes of tenants: in the background of the bridge, and for commands
//! beside it.

use std::sync::Arc;
use std::time::Duration;

use crate::app::assemble::{AssembleError, Workshop};
use crate::app::key::{self, KeyError};
use crate::app::reload::told;
use crate::clock::SystemClock;
use crate::config::settings::Config;
use crate::exchange::cursor::Seal;
use crate::exchange::sweep::{Freshness, SKEW, Swept, freshness, sweep};
use crate::exchange::tenant::Tenant;
use crate::id::{IdSource as _, SystemIds};
use crate::mapping::model::ResourceMapping;
use crate::sidecar::links::Sweep;
use crate::sidecar::port::StoreError;
use crate::store::open::Store;

/// Between two looks at what is due.
const PAUSE: Duration = Duration::from_mins(1);

/// Sweeps what is missing, stale or due of these tenants, once. What fails is tried again later.
pub async fn refresh(tenants: &[Arc<Tenant>]) {
    for tenant in tenants {
        for resource in &tenant.mapping.resources {
            if tenant.index.attributes.contains_key(&resource.name) {
                refresh_one(tenant, resource).await;
            }
        }
    }
}

async fn refresh_one(tenant: &Tenant, resource: &ResourceMapping) {
    let (name, kind) = (tenant.name.as_str(), resource.name.as_str());
    let swept = match freshness(tenant, resource).await {
        Ok((Freshness::Fresh, last)) if !is_doubted(tenant, resource, last.as_ref()) => return,
        Ok(_) => sweep(tenant, resource, &SystemIds.uuid(), &|_| {}).await,
        Err(error) => Err(error),
    };
    match swept {
        Ok(Swept::Done(done)) => {
            tracing::info!(tenant = name, resource = kind, records = done.records, "index built");
        }
        Ok(Swept::Busy) => {
            tracing::debug!(tenant = name, resource = kind, "another bridge builds the index");
        }
        Err(error) => {
            tracing::warn!(tenant = name, resource = kind, %error, "the index was not built");
        }
    }
}

/// Whether a doubt is to be swept away. A sweep ends only those that are older than what clocks
/// may differ by, so the next one waits for as long.
fn is_doubted(tenant: &Tenant, resource: &ResourceMapping, last: Option<&Sweep>) -> bool {
    let now = tenant.clock.now();
    last.is_none_or(|last| now.duration_since(last.began) > SKEW)
        && tenant.index.counters.take_doubt(&resource.name)
}

/// Why the tenants of a configuration cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Cursors cannot be sealed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// There is no such tenant.
    #[error("the configuration has no tenant \"{0}\"")]
    UnknownTenant(String),
    /// Tenants cannot be built.
    #[error("{}", .0.iter().map(told).collect::<Vec<_>>().join("\n"))]
    Tenants(Vec<AssembleError>),
}

/// The tenants of a configuration, for a command beside the bridge.
///
/// # Errors
/// When the store or a tenant cannot be had.
pub async fn open(
    config: &Config,
    tenant: Option<&str>,
) -> Result<(Store, Vec<Arc<Tenant>>), OpenError> {
    let mut config = config.clone();
    if let Some(name) = tenant {
        config.tenants.retain(|known| known.name == name);
        if config.tenants.is_empty() {
            return Err(OpenError::UnknownTenant(name.to_owned()));
        }
    }
    for tenant in &mut config.tenants {
        // Nobody is let in, so nobody's token is needed.
        tenant.token_env = None;
    }
    let store = Store::open(&config.store.url).await?;
    let seal: Arc<dyn Seal> = Arc::new(key::cursors(&store, &SystemIds).await?);
    let workshop = Workshop::new(store.clone(), seal, Arc::new(SystemClock));
    let assembled = workshop.assemble(&config).map_err(OpenError::Tenants)?;
    Ok((store, assembled.served.into_iter().map(|served| served.tenant).collect()))
}

/// Keeps the indexes of tenants fresh, for ever. `current` tells which are being served.
#[expect(clippy::infinite_loop, reason = "the task is aborted when the bridge stops")]
pub async fn keep_fresh(current: impl Fn() -> Vec<Arc<Tenant>> + Send) {
    let mut ticks = tokio::time::interval(PAUSE);
    loop {
        ticks.tick().await;
        refresh(&current()).await;
    }
}
