//! `scimbridge token …`.

use std::path::Path;
use std::process::ExitCode;

use jiff::{SignedDuration, Timestamp};

use crate::auth::port::{TokenName, TokenStore as _};
use crate::auth::token::{Token as Secret, TokenRecord};
use crate::cli::arguments::Token;
use crate::cli::output;
use crate::clock::{Clock as _, SystemClock};
use crate::config::error::ConfigError;
use crate::config::load::load;
use crate::id::{IdSource as _, SystemIds};
use crate::store::open::Store;

/// Why a token command could not be carried out.
#[derive(Debug, thiserror::Error)]
enum TokenError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] crate::sidecar::port::StoreError),
    #[error("the configuration has no tenant \"{0}\"")]
    UnknownTenant(String),
    #[error("there is no such token that could be revoked; see: scimbridge token list")]
    UnknownToken,
    #[error("the expiry lies too far in the future")]
    TooLong,
}

pub(crate) async fn run(command: Token) -> ExitCode {
    let done = match command {
        Token::Issue { tenant, label, days, config } => {
            issue(&tenant, &label, days, config.as_deref()).await
        }
        Token::List { tenant, config } => list(tenant.as_deref(), config.as_deref()).await,
        Token::Revoke { id, tenant, label, config } => {
            let name = match (&id, &tenant, &label) {
                (Some(id), _, _) => TokenName::Id(id),
                (None, Some(tenant), Some(label)) => TokenName::Label { tenant, label },
                (None, _, _) => TokenName::Id(""),
            };
            revoke(name, config.as_deref()).await
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

async fn issue(
    tenant: &str,
    label: &str,
    days: u32,
    config: Option<&Path>,
) -> Result<(), TokenError> {
    let config = load(config)?;
    if !config.tenants.iter().any(|known| known.name == tenant) {
        return Err(TokenError::UnknownTenant(tenant.to_owned()));
    }
    let store = Store::open(&config.store.url).await?;
    let now = SystemClock.now();
    let life = SignedDuration::from_hours(24 * i64::from(days));
    let expires = now.checked_add(life).map_err(|_| TokenError::TooLong)?;
    let secret = Secret::generate(&SystemIds);
    let record = TokenRecord {
        id: SystemIds.uuid(),
        tenant: tenant.to_owned(),
        label: label.to_owned(),
        hash: secret.hash(),
        created: now,
        expires: Some(expires),
        revoked: None,
    };
    store.insert(&record).await?;
    store.close().await;
    output::line(secret.expose());
    output::note(&format!(
        "This token for tenant \"{tenant}\" is shown once; only its hash is stored. It expires {}.",
        day(expires)
    ));
    Ok(())
}

async fn list(tenant: Option<&str>, config: Option<&Path>) -> Result<(), TokenError> {
    let config = load(config)?;
    let store = Store::open(&config.store.url).await?;
    let now = SystemClock.now();
    output::line(
        "id                                    tenant            label             issued      expires     state",
    );
    for record in store.list(tenant).await? {
        let state = match (record.revoked, record.expires) {
            (Some(_), _) => "revoked",
            (None, Some(expires)) if expires <= now => "expired",
            (None, _) => "active",
        };
        let expires = record.expires.map_or_else(|| "never".to_owned(), day);
        output::line(&format!(
            "{:<36}  {:<16}  {:<16}  {}  {expires:<10}  {state}",
            record.id,
            record.tenant,
            record.label,
            day(record.created)
        ));
    }
    store.close().await;
    Ok(())
}

async fn revoke(name: TokenName<'_>, config: Option<&Path>) -> Result<(), TokenError> {
    let config = load(config)?;
    let store = Store::open(&config.store.url).await?;
    let was_there = store.revoke(name, SystemClock.now()).await?;
    store.close().await;
    if !was_there {
        return Err(TokenError::UnknownToken);
    }
    output::line("revoked");
    Ok(())
}

fn day(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%d").to_string()
}
