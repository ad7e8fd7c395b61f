//! A user directory with an API of its own, as a product of around 2012 would have it: people and
//! teams in flat JSON, pages by `Link` header, exact-match search over a few fields, an API key.
//!
//! It exists to put the bridge in front of something honest, so it knows nothing of SCIM. On
//! purpose it cannot delete people (it disables them), has no sign-in and no user interface.

mod body;
mod database;
mod fields;
mod listing;
mod members;
mod people;
mod refusal;
mod teams;

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use sqlx::SqlitePool;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::refusal::Refusal;

const KEY_HEADER: &str = "x-api-key";

/// Larger request bodies are refused with 413.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// How long `stop` waits for requests in flight.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// What the application needs to know at start.
#[derive(Clone)]
pub struct Options {
    /// `sqlite::memory:` for a database that dies with the application, or the path of a file,
    /// which is created when missing.
    pub database: String,
    /// What clients must send as `X-Api-Key`.
    pub api_key: String,
}

/// Why the application did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The listener has no usable address.
    #[error("the listener has no address")]
    Listener(#[source] std::io::Error),
    /// The log cannot be opened.
    #[error("the log cannot be opened")]
    Log(#[source] std::io::Error),
    /// The database cannot be opened or set up.
    #[error("the database cannot be opened")]
    Database(#[from] sqlx::Error),
}

/// A running application; dropping it stops it without waiting.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    pool: SqlitePool,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the server: requests in flight are finished, the database is closed.
    pub async fn stop(mut self) {
        // Nobody listens any more when the server has already ended, which is as good.
        let _ = self.stop.send(());
        // A connection that was opened and never used would hold the server back for ever.
        if tokio::time::timeout(STOP_GRACE, &mut self.server).await.is_err() {
            self.server.abort();
        }
        self.pool.close().await;
    }
}

/// Serves the API on `listener` until the returned value is stopped or dropped.
///
/// # Errors
///
/// When the database cannot be opened or set up.
pub async fn start(listener: TcpListener, options: Options) -> Result<Running, Error> {
    serve(listener, options, None).await
}

/// The same with a log: a line for each request that changes something, written before it is
/// carried out, with the method, the path and what the client sent as `X-Request-Id`.
///
/// # Errors
///
/// When the log cannot be written, or the database cannot be opened or set up.
pub async fn start_logging(
    listener: TcpListener,
    options: Options,
    log: &Path,
) -> Result<Running, Error> {
    let log = OpenOptions::new().create(true).append(true).open(log).map_err(Error::Log)?;
    serve(listener, options, Some(Arc::new(log))).await
}

async fn serve(
    listener: TcpListener,
    options: Options,
    log: Option<Arc<File>>,
) -> Result<Running, Error> {
    let address = listener.local_addr().map_err(Error::Listener)?;
    let pool = database::open(&options.database).await?;
    let mut routes = router(pool.clone(), &options.api_key);
    if let Some(log) = log {
        routes = routes.layer(from_fn_with_state(log, note));
    }
    let (stop, stopped) = oneshot::channel();
    let server = tokio::spawn(async move {
        let serving = axum::serve(listener, routes).with_graceful_shutdown(async {
            drop(stopped.await);
        });
        if let Err(error) = serving.await {
            tracing::error!(%error, "the legacy application stopped serving");
        }
    });
    Ok(Running { address, pool, stop, server })
}

fn router(pool: SqlitePool, api_key: &str) -> Router {
    Router::new()
        .route("/api/people", get(people::list).post(people::create))
        .route("/api/people/{id}", get(people::show).patch(people::change))
        .route("/api/people/{id}/teams", get(teams::of_person))
        .route("/api/teams", get(teams::list).post(teams::create))
        .route("/api/teams/{id}", get(teams::show).patch(teams::change).delete(teams::destroy))
        .route("/api/teams/{id}/members", get(members::list))
        .route("/api/teams/{id}/members/{person}", put(members::add).delete(members::remove))
        .fallback(|| async { Refusal::NotFound("no such page") })
        .method_not_allowed_fallback(|| async { Refusal::MethodNotAllowed })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(Arc::from(api_key), require_key))
        .with_state(pool)
}

async fn note(State(log): State<Arc<File>>, request: Request, next: Next) -> Response {
    if !request.method().is_safe() {
        let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok());
        let (method, path) = (request.method(), request.uri().path());
        let line = format!("{method} {path} {}\n", id.unwrap_or("-"));
        // One call for one line, so that lines of requests at the same time stay whole.
        if let Err(error) = (&*log).write_all(line.as_bytes()) {
            tracing::error!(%error, "the log cannot be written");
        }
    }
    next.run(request).await
}

async fn require_key(State(key): State<Arc<str>>, request: Request, next: Next) -> Response {
    let sent = request.headers().get(KEY_HEADER);
    if sent.is_some_and(|sent| sent.as_bytes() == key.as_bytes()) {
        next.run(request).await
    } else {
        Refusal::BadKey.into_response()
    }
}
