//! Deadlines for what happens before a request's head is complete.
//!
//! pingora's own time-outs start anew with every read, so a byte now and then keeps a connection
//! for ever. [`Door`] bounds the wait for a connection's first bytes, [`Patience`] the wait for
//! each whole head. Nothing can be answered to a request that is not there: the connection is
//! closed.

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::time::{sleep, timeout};

use crate::current::Current;
use crate::exchange::endpoint::Endpoint;
use crate::gateway::head_watch::HeadWatch;
use crate::gateway::request_line;
use crate::gateway::scim::Scim;
use crate::gateway::serving::Serving;

/// As long as the preface of HTTP/2, by which pingora tells the versions apart. No HTTP/1.1
/// request with a Host header is shorter.
const FIRST_BYTES: usize = 24;

/// What a client of HTTP/2 sends first (RFC 9113 section 3.4).
const HTTP2_PREFACE: &[u8; FIRST_BYTES] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Where a connection enters.
pub(crate) struct Door<E> {
    patience: Arc<Patience<E>>,
}

impl<E> Door<E> {
    /// A door in front of `proxy`. The limits' `head_timeout` is for the first bytes,
    /// `head_timeout` and `idle_timeout` together for each head.
    pub(crate) fn new(proxy: HttpProxy<Scim<E>>, current: Arc<Current<Serving<E>>>) -> Self {
        Self { patience: Arc::new(Patience { proxy: Arc::new(proxy), current }) }
    }
}

#[async_trait]
impl<E: Endpoint> ServerApp for Door<E> {
    async fn process_new(
        self: &Arc<Self>,
        mut stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let mut first = [0; FIRST_BYTES];
        let patience = self.patience.current.load().limits.head_timeout;
        timeout(patience, stream.try_peek(&mut first)).await.ok()?.ok()?;
        if first == *HTTP2_PREFACE {
            return self.patience.process_new(stream, shutdown).await;
        }
        request_line::mended(stream, |stream| self.patience.process_new(stream, shutdown)).await
    }

    async fn cleanup(&self) {
        self.patience.http_cleanup().await;
    }
}

struct Patience<E> {
    proxy: Arc<HttpProxy<Scim<E>>>,
    current: Arc<Current<Serving<E>>>,
}

#[async_trait]
impl<E: Endpoint> HttpServerApp for Patience<E> {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        // A stream of HTTP/2 comes with its head complete, and carries no context.
        if session.is_http2() {
            return self.proxy.process_new_http(session, shutdown).await;
        }
        request_line::begins();
        let complete = Arc::new(AtomicBool::new(false));
        session.set_connection_user_context(Some(Box::new(HeadWatch(Arc::clone(&complete)))));
        let patience = {
            let limits = &self.current.load().limits;
            limits.head_timeout + limits.idle_timeout
        };
        let serving = self.proxy.process_new_http(session, shutdown);
        tokio::pin!(serving);
        tokio::select! {
            biased;
            reusable = &mut serving => return reusable,
            () = sleep(patience) => {}
        }
        if complete.load(Ordering::Acquire) { serving.await } else { None }
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.proxy.server_options()
    }

    async fn http_cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}
