//! The keys of an issuer, read over HTTP and kept (RFC 7517, OpenID Connect Discovery 1.0).
//!
//! A task of its own reads them when it begins, every ten minutes, and when a token names a key
//! that is not there, but never twice within half a minute, so that nobody can make the bridge
//! call the issuer as often as he likes. A token that is younger than the keys waits for the next
//! reading: an issuer that has just begun to sign with a new key is refused nothing. While the
//! issuer is away the last keys stay in use.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use reqwest::{Client, redirect};
use serde::Deserialize;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use url::Url;

use crate::auth::jwk::{KeySet, NoKeySet};
use crate::auth::jwt::KeySource;
use crate::clock::Clock;

/// How often the keys are read while all is well.
const REFRESHED: Duration = Duration::from_mins(10);

/// The least time between two readings.
const PAUSE: Duration = Duration::from_secs(30);

/// How far the issuer's clock may be from ours, and how old a published key set may be.
const LEEWAY: Duration = Duration::from_mins(1);

/// In which the keys have mostly been read that somebody waits for.
const SOON: Duration = Duration::from_secs(2);

/// How long one reading may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most bytes of an answer.
const MOST_BYTES: usize = 1024 * 1024;

const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Where the keys of an issuer are published.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The issuer, as in `iss`.
    pub issuer: String,
    /// The key set; `None` when the issuer's own description is asked for it.
    pub jwks_url: Option<Url>,
}

/// Why keys could not be read.
#[derive(Debug, thiserror::Error)]
enum JwksError {
    #[error("{0} must be https, or http on this machine")]
    Insecure(&'static str),
    #[error("the issuer cannot be asked")]
    Call(#[source] reqwest::Error),
    #[error("the issuer answers with status {0}")]
    Status(u16),
    #[error("the issuer's answer is larger than {MOST_BYTES} bytes")]
    TooLarge,
    #[error("the issuer does not answer in time")]
    Late,
    #[error("the issuer's description is not what OpenID Connect Discovery describes")]
    Description,
    #[error("the issuer's description is that of another issuer")]
    OtherIssuer,
    #[error(transparent)]
    NoKeySet(#[from] NoKeySet),
}

#[derive(Deserialize)]
struct Description {
    issuer: String,
    jwks_uri: String,
}

/// Keys that are kept fresh until this is dropped.
pub struct JwksSource {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    place: Place,
    clock: Arc<dyn Clock>,
    keys: RwLock<Option<Arc<KeySet>>>,
    /// When the last reading began, milliseconds since 1970.
    begun: AtomicU64,
    /// When the one began that the keys come from.
    known: AtomicU64,
    /// Whether it goes on.
    reads: AtomicBool,
    wanted: Notify,
}

impl JwksSource {
    /// Begins to read the keys, on the current runtime.
    ///
    /// # Errors
    /// The HTTP client cannot be built.
    pub fn start(place: Place, clock: Arc<dyn Clock>) -> Result<Self, JwksSetupError> {
        // The only failure is that a provider is installed already, and then that one is used.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(PATIENCE)
            .build()
            .map_err(JwksSetupError)?;
        let shared = Arc::new(Shared {
            place,
            clock,
            keys: RwLock::default(),
            begun: AtomicU64::new(0),
            known: AtomicU64::new(0),
            reads: AtomicBool::new(true),
            wanted: Notify::new(),
        });
        let task = tokio::spawn(keep(Arc::clone(&shared), client));
        Ok(Self { shared, task })
    }
}

impl Shared {
    /// The time since 1970.
    fn now(&self) -> Duration {
        Duration::try_from(self.clock.now().as_duration()).unwrap_or_default()
    }
}

impl Drop for JwksSource {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl KeySource for JwksSource {
    fn keys(&self) -> Option<Arc<KeySet>> {
        self.shared.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn ask(&self, issued: Option<f64>) -> Option<u64> {
        let shared = &self.shared;
        if shared.reads.load(Ordering::Relaxed) {
            return Some(SOON.as_secs());
        }
        let at = |time: &AtomicU64| Duration::from_millis(time.load(Ordering::Relaxed));
        let (begun, known) = (at(&shared.begun), at(&shared.known));
        // A clock that was set back must not keep a new key out.
        let since = shared.now().checked_sub(begun).unwrap_or(PAUSE);
        let left = PAUSE.saturating_sub(since);
        let issued = issued.and_then(|issued| Duration::try_from_secs_f64(issued).ok());
        let is_younger = issued.is_some_and(|issued| issued.saturating_add(LEEWAY) >= known);
        if !left.is_zero() && !is_younger && self.keys().is_some() {
            return None;
        }
        shared.wanted.notify_one();
        Some((left + SOON).as_secs())
    }
}

/// Reads the keys for ever; the task is aborted when its source is dropped.
async fn keep(shared: Arc<Shared>, client: Client) {
    let issuer = shared.place.issuer.clone();
    let mut was_well = true;
    loop {
        let begun = Instant::now();
        let at = u64::try_from(shared.now().as_millis()).unwrap_or_default();
        shared.begun.store(at, Ordering::Relaxed);
        shared.reads.store(true, Ordering::Relaxed);
        let read = timeout(PATIENCE, read(&client, &shared.place)).await;
        let is_well = match read.unwrap_or(Err(JwksError::Late)) {
            Ok(keys) => {
                let keys = Some(Arc::new(keys));
                *shared.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
                shared.known.store(at, Ordering::Relaxed);
                if !was_well {
                    tracing::info!(issuer, "the keys of the issuer are read again");
                }
                true
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                if was_well {
                    tracing::warn!(issuer, %error, cause, "the keys of an issuer cannot be read");
                }
                false
            }
        };
        was_well = is_well;
        shared.reads.store(false, Ordering::Relaxed);
        let wait = if is_well { REFRESHED } else { PAUSE };
        tokio::select! {
            () = sleep(wait) => {}
            () = shared.wanted.notified() => sleep_until(begun + PAUSE).await,
        }
    }
}

async fn read(client: &Client, place: &Place) -> Result<KeySet, JwksError> {
    let url = match &place.jwks_url {
        Some(url) => url.clone(),
        None => described(client, &place.issuer).await?,
    };
    if !is_safe(&url) {
        return Err(JwksError::Insecure("jwks_url"));
    }
    Ok(KeySet::parse(&get(client, url).await?)?)
}

/// Where the issuer says that its keys are.
async fn described(client: &Client, issuer: &str) -> Result<Url, JwksError> {
    let base = issuer.trim_end_matches('/');
    let url = Url::parse(&format!("{base}{DISCOVERY}")).map_err(|_| JwksError::Description)?;
    if !is_safe(&url) {
        return Err(JwksError::Insecure("issuer"));
    }
    let is_local = is_loopback(&url);
    let answer = get(client, url).await?;
    let description: Description =
        serde_json::from_slice(&answer).map_err(|_| JwksError::Description)?;
    if description.issuer != issuer {
        return Err(JwksError::OtherIssuer);
    }
    let keys = Url::parse(&description.jwks_uri).map_err(|_| JwksError::Description)?;
    // Nobody far away sends the bridge to a port of its own machine.
    if is_loopback(&keys) && !is_local {
        return Err(JwksError::Insecure("jwks_uri"));
    }
    Ok(keys)
}

async fn get(client: &Client, url: Url) -> Result<Vec<u8>, JwksError> {
    let call = |error: reqwest::Error| JwksError::Call(error.without_url());
    let mut answer = client.get(url).send().await.map_err(call)?;
    if !answer.status().is_success() {
        return Err(JwksError::Status(answer.status().as_u16()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(call)? {
        if bytes.len() + chunk.len() > MOST_BYTES {
            return Err(JwksError::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Whether nobody on the way can put keys of his own in their place.
pub fn is_safe(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The keys of an issuer can never be read.
#[derive(Debug, thiserror::Error)]
#[error("the client for an issuer's keys cannot be built")]
pub struct JwksSetupError(#[source] reqwest::Error);
