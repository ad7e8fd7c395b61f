//! Calls straight to the application, over hyper-util's pool of connections: http and https, HTTP/1
//! and HTTP/2, and nothing more. Deliberately absent: proxies (`proxied.rs`), redirects, cookies
//! and decompression.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;

use crate::exchange::upstream::UpstreamError;
use crate::native::message::NativeResponse;
use crate::upstream::answer;
use crate::upstream::failure::{Cause, Failure};

/// An idle connection is asked for a sign of life after this long, and again after as long.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// So many unanswered signs are one too many.
const KEEPALIVES: u32 = 3;

/// Sent bytes that nobody has confirmed for so long end a connection.
const UNCONFIRMED: Duration = Duration::from_secs(30);

/// The pool.
#[derive(Clone)]
pub(crate) struct Direct(Arc<legacy::Client<InTime, Full<Bytes>>>);

/// Makes connections, TLS included, in time or not at all.
#[derive(Clone)]
struct InTime {
    connector: HttpsConnector<HttpConnector>,
    time: Duration,
}

impl Direct {
    /// No connection yet. One has to be there within `connect`, and is closed after `idle` without
    /// a call.
    pub(crate) fn new(tls: ClientConfig, connect: Duration, idle: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        // What is above it speaks TLS.
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect));
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE));
        tcp.set_keepalive_retries(Some(KEEPALIVES));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(UNCONFIRMED));
        let connector = HttpsConnector::from((tcp, tls));
        let pool = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(idle)
            .build(InTime { connector, time: connect });
        Self(Arc::new(pool))
    }

    /// Makes one attempt, and reads at most `limit` bytes of the answer's body.
    pub(crate) async fn call(
        &self,
        request: Request<Bytes>,
        limit: u64,
    ) -> Result<NativeResponse, Failure> {
        let response = self.0.request(request.map(Full::new)).await.map_err(unanswered)?;
        answer::read(response, limit).await
    }
}

impl Service<Uri> for InTime {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = Cause;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Cause>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, origin: Uri) -> Self::Future {
        let connecting = timeout(self.time, self.connector.call(origin));
        Box::pin(async { connecting.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))? })
    }
}

fn unanswered(error: legacy::Error) -> Failure {
    if error.is_connect() {
        Failure::unreached(error.into())
    } else if is_declined(&error) {
        Failure::Declined(UpstreamError::Interrupted(Some(error.into())))
    } else {
        Failure::Unanswered(UpstreamError::Interrupted(Some(error.into())))
    }
}

/// Whether the other side says in HTTP/2 that it has not begun with a request (RFC 9113 section
/// 8.7): it ends the connection in peace, or refuses the stream.
fn is_declined(error: &legacy::Error) -> bool {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.filter_map(|cause| cause.downcast_ref::<h2::Error>()).any(|error| {
        let reason = error.reason();
        let is_refused = error.is_reset() && reason == Some(h2::Reason::REFUSED_STREAM);
        let is_end = error.is_go_away() && reason == Some(h2::Reason::NO_ERROR);
        error.is_remote() && (is_refused || is_end)
    })
}
