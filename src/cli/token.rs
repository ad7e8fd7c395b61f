//! `scimbridge token …`.

use std::path::Path;
use std::process::ExitCode;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::auth::port::{TokenName, TokenStore as _};
use crate::auth::scope::Scopes;
use crate::auth::token::{Token as Secret, TokenRecord};
use crate::cli::arguments::{Token, TokenFormat};
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
    #[error(
        "there is no such token that could be rotated, as it must be valid still; see: scimbridge \
         token list, or issue one"
    )]
    NothingToRotate,
    #[error("the expiry lies too far in the future")]
    TooLong,
}

pub(crate) async fn run(command: Token) -> ExitCode {
    let done = match command {
        Token::Issue { tenant, label, scopes, days, format, config } => {
            issue(&tenant, &label, scopes, days, format, config.as_deref()).await
        }
        Token::Rotate { which, grace, days, format, config } => {
            rotate(which.name(), grace, days, format, config.as_deref()).await
        }
        Token::List { tenant, format, config } => {
            list(tenant.as_deref(), format, config.as_deref()).await
        }
        Token::Revoke { which, config } => revoke(which.name(), config.as_deref()).await,
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
    scopes: Scopes,
    days: u32,
    format: TokenFormat,
    config: Option<&Path>,
) -> Result<(), TokenError> {
    let config = load(config)?;
    if !config.tenants.iter().any(|known| known.name == tenant) {
        return Err(TokenError::UnknownTenant(tenant.to_owned()));
    }
    let now = now()?;
    let (secret, record) = fresh(tenant, label, scopes, now, days_from(now, days)?);
    let store = Store::open(&config.store.url).await?;
    store.insert(&record).await?;
    store.close().await;
    show(&secret, &record, None, now, format);
    Ok(())
}

async fn rotate(
    name: TokenName<'_>,
    grace: u32,
    days: u32,
    format: TokenFormat,
    config: Option<&Path>,
) -> Result<(), TokenError> {
    let config = load(config)?;
    let store = Store::open(&config.store.url).await?;
    let now = now()?;
    let until = days_from(now, grace)?;
    let mut old = store.active(now).await?;
    old.retain(|record| name.fits(record));
    // Of several with the same label the youngest is the one that is to be followed.
    let newest = old.iter().max_by_key(|record| record.created);
    let Some(TokenRecord { tenant, label, scopes, .. }) = newest else {
        return Err(TokenError::NothingToRotate);
    };
    let (secret, record) = fresh(tenant, label, *scopes, now, days_from(now, days)?);
    let ids: Vec<String> = old.iter().map(|record| record.id.clone()).collect();
    store.replace(&record, &ids, until).await?;
    store.close().await;
    // One that expires before the grace is over does so all the same.
    let until = old.iter().map(|it| it.expires.map_or(until, |end| end.min(until))).max();
    let until = until.unwrap_or(now);
    show(&secret, &record, Some((&ids, until)), now, format);
    Ok(())
}

fn fresh(
    tenant: &str,
    label: &str,
    scopes: Scopes,
    now: Timestamp,
    expires: Timestamp,
) -> (Secret, TokenRecord) {
    let secret = Secret::generate(&SystemIds);
    let record = TokenRecord {
        id: SystemIds.uuid(),
        tenant: tenant.to_owned(),
        label: label.to_owned(),
        hash: secret.hash(),
        created: now,
        expires: Some(expires),
        revoked: None,
        scopes,
        last_used: None,
    };
    (secret, record)
}

/// Shows a new token, once; the token alone goes to the standard output, so that scripts can take
/// it from there.
fn show(
    secret: &Secret,
    record: &TokenRecord,
    replaces: Option<(&[String], Timestamp)>,
    now: Timestamp,
    format: TokenFormat,
) {
    let TokenRecord { tenant, .. } = record;
    if format == TokenFormat::Json {
        let mut shown = described(record, now);
        let mut add = |name: &str, value: Value| shown.insert(name.to_owned(), value);
        add("token", json!(secret.expose()));
        if let Some((ids, until)) = replaces {
            add("replaces", json!(ids));
            add("replacedUntil", json!(until.to_string()));
        }
        output::line(&Value::Object(shown).to_string());
        return;
    }
    output::line(secret.expose());
    let expires = record.expires.map_or_else(|| "never".to_owned(), day);
    output::note(&format!(
        "This token for tenant \"{tenant}\" is shown once; only its hash is stored. It may {}, \
         and expires {expires}.",
        record.scopes
    ));
    if let Some((_, until)) = replaces {
        output::note(&format!(
            "The old one is valid until {} at the latest; revoke it as soon as the identity \
             provider has the new one.",
            day(until)
        ));
    }
}

async fn list(
    tenant: Option<&str>,
    format: TokenFormat,
    config: Option<&Path>,
) -> Result<(), TokenError> {
    let config = load(config)?;
    let store = Store::open(&config.store.url).await?;
    let now = SystemClock.now();
    let records = store.list(tenant).await?;
    store.close().await;
    match format {
        TokenFormat::Json => {
            let records: Vec<_> = records.iter().map(|it| described(it, now)).collect();
            output::line(&json!(records).to_string());
        }
        TokenFormat::Text => {
            output::line(&row([
                "id",
                "tenant",
                "label",
                "scopes",
                "issued",
                "expires",
                "last used",
                "state",
            ]));
            for record in &records {
                let last_used = record.last_used.map_or_else(|| "never".to_owned(), day);
                let expires = record.expires.map_or_else(|| "never".to_owned(), day);
                output::line(&row([
                    &record.id,
                    &record.tenant,
                    &record.label,
                    &record.scopes.to_string(),
                    &day(record.created),
                    &expires,
                    &last_used,
                    state(record, now),
                ]));
            }
        }
    }
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

/// A token as JSON, without the token.
fn described(record: &TokenRecord, now: Timestamp) -> Map<String, Value> {
    let scopes: Vec<&str> = record.scopes.iter().map(crate::auth::scope::Scope::name).collect();
    let instant = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let fields = [
        ("id", json!(record.id)),
        ("tenant", json!(record.tenant)),
        ("label", json!(record.label)),
        ("scopes", json!(scopes)),
        ("issued", json!(record.created.to_string())),
        ("expires", json!(instant(record.expires))),
        ("revoked", json!(instant(record.revoked))),
        ("lastUsed", json!(instant(record.last_used))),
        ("state", json!(state(record, now))),
    ];
    fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

fn row(columns: [&str; 8]) -> String {
    let [id, tenant, label, scopes, issued, expires, last_used, state] = columns;
    format!(
        "{id:<36}  {tenant:<16}  {label:<16}  {scopes:<23}  {issued:<10}  {expires:<10}  \
         {last_used:<10}  {state}"
    )
}

fn state(record: &TokenRecord, now: Timestamp) -> &'static str {
    match (record.revoked, record.expires) {
        (Some(_), _) => "revoked",
        (None, Some(expires)) if expires <= now => "expired",
        (None, _) => "active",
    }
}

/// The time as the store keeps it, to the microsecond, so that all commands show the same.
fn now() -> Result<Timestamp, TokenError> {
    Timestamp::from_microsecond(SystemClock.now().as_microsecond()).map_err(|_| TokenError::TooLong)
}

fn days_from(now: Timestamp, days: u32) -> Result<Timestamp, TokenError> {
    let life = SignedDuration::from_hours(24 * i64::from(days));
    now.checked_add(life).map_err(|_| TokenError::TooLong)
}

fn day(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%d").to_string()
}
