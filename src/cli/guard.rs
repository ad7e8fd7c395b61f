//! `scimbridge guard …`.

use std::path::Path;
use std::process::ExitCode;

use crate::audit::event::{Details, Event, Operation, Outcome};
use crate::audit::port::{AuditStore as _, Ended};
use crate::cli::arguments::Guard;
use crate::cli::output;
use crate::clock::{Clock as _, SystemClock};
use crate::config::error::ConfigError;
use crate::config::load::load;
use crate::config::settings::Config;
use crate::guard::port::GuardStore as _;
use crate::guard::rule::Kind;
use crate::id::{IdSource as _, SystemIds};
use crate::store::open::Store;

/// Who is said to have released a guard.
const COMMAND_LINE: &str = "(command line)";

/// Why a guard command could not be carried out.
#[derive(Debug, thiserror::Error)]
enum GuardError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] crate::sidecar::port::StoreError),
    #[error("the configuration has no tenant \"{0}\"")]
    UnknownTenant(String),
    #[error("no guard of this tenant has tripped; see: scimbridge guard status")]
    NotTripped,
}

pub(crate) async fn run(command: Guard) -> ExitCode {
    let done = match command {
        Guard::Status { tenant, config } => status(tenant.as_deref(), config.as_deref()).await,
        Guard::Release { tenant, kind, config } => {
            release(&tenant, kind.map(Into::into), config.as_deref()).await
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::failure(&error);
            ExitCode::from(2)
        }
    }
}

async fn status(tenant: Option<&str>, config: Option<&Path>) -> Result<(), GuardError> {
    let config = load(config)?;
    if let Some(tenant) = tenant {
        check_known(&config, tenant)?;
    }
    let store = Store::open(&config.store.url).await?;
    let trips = store.tripped().await?;
    output::line("tenant            counted        limit       state");
    let asked = |name: &str| tenant.is_none_or(|tenant| tenant == name);
    for tenant in config.tenants.iter().filter(|tenant| asked(&tenant.name)) {
        for kind in Kind::ALL {
            let limit = tenant.guard.limit(kind);
            let trip = trips.iter().find(|trip| trip.tenant == tenant.name && trip.kind == kind);
            let state = match (trip, limit) {
                (Some(trip), _) => format!("tripped {}", trip.at.strftime("%Y-%m-%dT%H:%M:%SZ")),
                (None, Some(_)) => "watching".to_owned(),
                (None, None) => "off".to_owned(),
            };
            let limit = limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
            let (name, kind) = (&tenant.name, kind.keyword());
            output::line(&format!("{name:<16}  {kind:<13}  {limit:<10}  {state}"));
        }
    }
    store.close().await;
    Ok(())
}

async fn release(
    tenant: &str,
    kind: Option<Kind>,
    config: Option<&Path>,
) -> Result<(), GuardError> {
    let config = load(config)?;
    check_known(&config, tenant)?;
    let store = Store::open(&config.store.url).await?;
    let kinds = kind.map_or_else(|| Kind::ALL.to_vec(), |kind| vec![kind]);
    let mut released = false;
    for kind in kinds {
        if store.release(tenant, kind).await? {
            released = true;
            let ended = Ended { sequence: None, event: event(tenant, kind) };
            store.record(COMMAND_LINE, &[], &[ended]).await?;
            output::line(&format!("released {}", kind.keyword()));
        }
    }
    store.close().await;
    if released { Ok(()) } else { Err(GuardError::NotTripped) }
}

fn check_known(config: &Config, tenant: &str) -> Result<(), GuardError> {
    if config.tenants.iter().any(|known| known.name == tenant) {
        return Ok(());
    }
    Err(GuardError::UnknownTenant(tenant.to_owned()))
}

fn event(tenant: &str, kind: Kind) -> Event {
    Event {
        at: SystemClock.now(),
        tenant: tenant.to_owned(),
        token: COMMAND_LINE.to_owned(),
        request_id: SystemIds.uuid(),
        operation: Operation::Release,
        resource: kind.keyword().to_owned(),
        resource_id: String::new(),
        outcome: Outcome::Answered(200),
        details: Details::default(),
    }
}
