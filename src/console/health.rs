//! `/healthz` and `/readyz`, for whatever runs the bridge.
//!
//! Alive means that this port answers; ready means that every named check passes. Neither says
//! anything that needs a token, so neither asks for one.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long the checks may take before the bridge counts as not ready.
const CHECKS_TIMEOUT: Duration = Duration::from_secs(5);

/// What must hold for the bridge to be of use.
#[async_trait]
pub trait Readiness: Send + Sync + 'static {
    /// The checks by name.
    async fn checks(&self) -> BTreeMap<String, Check>;
}

/// How one check went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// It holds.
    Passed,
    /// It holds, but somebody should look after it; the text is for operators as well.
    Warned(String),
    /// It does not; the text is for operators and holds no secret.
    Failed(String),
}

/// Serves both paths, and `more` beside them, on a bound listener, on the current runtime.
///
/// # Errors
/// The listener has no address or cannot be made non-blocking.
pub fn start(
    listener: TcpListener,
    readiness: Arc<dyn Readiness>,
    more: Router,
) -> io::Result<Running> {
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let router = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .with_state(readiness)
        .merge(more);
    let (shutdown, mut asked) = watch::channel(());
    let stopped = async move {
        // A dropped sender means the same as a message: stop.
        asked.changed().await.ok();
    };
    let serving = axum::serve(listener, router).with_graceful_shutdown(stopped);
    let task = tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(%error, "the health port ended");
        }
    });
    Ok(Running { address, shutdown, task })
}

/// A running health port. Dropping it stops it as well.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    shutdown: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting and lets requests in flight finish for at most `grace`.
    pub async fn stop(mut self, grace: Duration) {
        self.shutdown.send_replace(());
        if timeout(grace, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

async fn ready(State(readiness): State<Arc<dyn Readiness>>) -> (StatusCode, Json<Value>) {
    let checks = timeout(CHECKS_TIMEOUT, readiness.checks()).await.unwrap_or_else(|_| {
        BTreeMap::from([("checks".to_owned(), Check::Failed("no result in time".to_owned()))])
    });
    let all = checks.values().all(Check::holds);
    let status = if all { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let checks: BTreeMap<&str, &str> =
        checks.iter().map(|(name, check)| (name.as_str(), check.text())).collect();
    (status, Json(json!({ "ready": all, "checks": checks })))
}

impl Check {
    /// `ok`, or why not.
    pub fn text(&self) -> &str {
        match self {
            Self::Passed => "ok",
            Self::Warned(why) | Self::Failed(why) => why,
        }
    }

    /// Whether the bridge is of use all the same.
    pub fn holds(&self) -> bool {
        match self {
            Self::Passed | Self::Warned(_) => true,
            Self::Failed(_) => false,
        }
    }
}
