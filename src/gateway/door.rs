//! Where connections enter: room for them, TLS, the version of HTTP, and deadlines for what
//! happens before a request's head is complete.
//!
//! pingora's own time-outs start anew with every read, so a byte now and then keeps a connection
//! for ever. [`Door`] bounds the handshake and the wait for a connection's first bytes,
//! [`Patience`] the wait for each whole head. Nothing can be answered to a request that is not
//! there: the connection is closed.

use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp as _};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::H2Options;
use pingora::protocols::l4::stream::Stream as Raw;
use pingora::protocols::{ALPN, GetSocketDigest as _, Peek as _, SocketDigest, Stream};
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::current::Current;
use crate::exchange::endpoint::Endpoint;
use crate::gateway::connections::Connections;
use crate::gateway::head_watch::{HeadWatch, Progress};
use crate::gateway::request_line;
use crate::gateway::scim::Scim;
use crate::gateway::serving::Serving;

/// As long as the preface of HTTP/2, by which the versions are told apart. No HTTP/1.1 request
/// with a Host header is shorter.
const FIRST_BYTES: usize = 24;

/// What a client of HTTP/2 sends first (RFC 9113 section 3.4).
const HTTP2_PREFACE: &[u8; FIRST_BYTES] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Where a connection enters.
pub(crate) struct Door<E> {
    patience: Arc<Patience<E>>,
    shutdown: ShutdownWatch,
}

impl<E: Endpoint> Door<E> {
    /// A door in front of `proxy`. The limits' `head_timeout` is for the handshake and for the
    /// first bytes, `head_timeout` and `idle_timeout` together for each head.
    pub(crate) fn new(
        proxy: HttpProxy<Scim<E>>,
        current: Arc<Current<Serving<E>>>,
        connections: Arc<Connections>,
        shutdown: ShutdownWatch,
    ) -> Self {
        let patience = Patience { proxy: Arc::new(proxy), current, connections };
        Self { patience: Arc::new(patience), shutdown }
    }

    /// Serves a connection in a task of its own, if there is room for it.
    pub(crate) fn enter(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let serving = self.patience.current.load();
        let Some(connection) = self.patience.connections.enter(peer, &serving.limits) else {
            tracing::debug!("no room for another connection");
            return;
        };
        let door = Arc::clone(self);
        tokio::spawn(async move {
            tokio::select! {
                () = connection.evicted() => tracing::debug!("an idle connection makes room"),
                () = door.serve(stream, &serving) => {}
            }
        });
    }

    /// Closes the connection that has been idle longest.
    pub(crate) fn make_room(&self) {
        self.patience.connections.make_room();
    }

    /// Ends connections that wait for a request.
    pub(crate) async fn close_idle(&self) {
        self.patience.http_cleanup().await;
    }

    async fn serve(&self, stream: TcpStream, serving: &Serving<E>) {
        // An answer is written at once; waiting for more of it only costs time.
        stream.set_nodelay(true).ok();
        let mut raw = Raw::from(stream);
        let digest = SocketDigest::from_raw_fd(raw.as_raw_fd());
        // Asked now, it is known for ever; later the number may be another connection's.
        digest.peer_addr();
        raw.set_socket_digest(digest);
        let patience = serving.limits.head_timeout;
        let (stream, is_http2) = if let Some(tls) = &serving.tls {
            let Ok(Some(stream)) = timeout(patience, tls.accept(raw)).await else { return };
            let is_http2 = matches!(stream.selected_alpn_proto(), Some(ALPN::H2));
            (stream, is_http2)
        } else {
            let mut first = [0; FIRST_BYTES];
            let Ok(Ok(_)) = timeout(patience, raw.try_peek(&mut first)).await else { return };
            let stream: Stream = Box::new(raw);
            (stream, first == *HTTP2_PREFACE)
        };
        let (next, shutdown) = (&self.patience, &self.shutdown);
        if is_http2 {
            next.process_new(stream, shutdown).await;
        } else {
            request_line::mended(stream, |stream| next.process_new(stream, shutdown)).await;
        }
    }
}

struct Patience<E> {
    proxy: Arc<HttpProxy<Scim<E>>>,
    current: Arc<Current<Serving<E>>>,
    connections: Arc<Connections>,
}

#[async_trait]
impl<E: Endpoint> HttpServerApp for Patience<E> {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let progress = Progress::new(&self.connections, peer(&session));
        // A stream of HTTP/2 comes with its head complete, and carries no context.
        if session.is_http2() {
            progress.complete();
            return self.proxy.process_new_http(session, shutdown).await;
        }
        request_line::begins();
        session.set_connection_user_context(Some(Box::new(HeadWatch(Arc::clone(&progress)))));
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
        if progress.is_complete() { serving.await } else { None }
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.proxy.server_options()
    }

    fn h2_options(&self) -> Option<H2Options> {
        self.proxy.h2_options()
    }

    async fn http_cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}

/// Who is at the other end.
pub(crate) fn peer(session: &ServerSession) -> Option<SocketAddr> {
    let digest = session.digest()?.socket_digest.as_ref()?;
    digest.peer_addr()?.as_inet().copied()
}
