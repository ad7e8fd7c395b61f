//! Starting and stopping the SCIM port.
//!
//! pingora's `Server` owns signals and the end of the process, and waits a fixed time when it
//! stops; its `Service` takes one certificate for life and lets everybody in. Here the port is
//! accepted on by ourselves, on a runtime of its own, handed to pingora connection by connection,
//! and stops as soon as the last request has been answered. HTTP/1.1 and HTTP/2 share the port.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use pingora::apps::HttpServerOptions;
use pingora::protocols::http::v2::server::default_h2_options;
use pingora::proxy::http_proxy;
use pingora::server::ShutdownWatch;
use pingora::server::configuration::ServerConf;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::current::Current;
use crate::exchange::endpoint::Endpoint;
use crate::gateway::connections::{Connections, Counts};
use crate::gateway::door::Door;
use crate::gateway::flight::Flight;
use crate::gateway::limits::Limits;
use crate::gateway::scim::Scim;
use crate::gateway::serving::Serving;

/// Bytes of answers that one stream of HTTP/2 may have waiting for its client.
const SEND_BUFFER: usize = 256 * 1024;

/// How long accepting pauses when there are no file descriptors left.
const PAUSE: Duration = Duration::from_millis(50);

/// Longest wait for the last bytes of answered requests to leave.
const FLUSH: Duration = Duration::from_secs(2);

/// How the SCIM port is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Worker threads; at least 1.
    pub threads: usize,
    /// What a request may cost.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self { threads: 2, limits: Limits::default() }
    }
}

/// These directives for the log, with those under which pingora is silent, unless they name it:
/// clients that leave early are errors to it, so that anybody could fill the log, and paths stand
/// in its texts.
pub fn log_directives(level: &str) -> String {
    if level.contains("pingora") {
        return level.to_owned();
    }
    format!("{level},pingora_proxy=off,pingora_core=off")
}

/// The SCIM port.
#[derive(Debug, Clone, Copy)]
pub struct Gateway;

impl Gateway {
    /// Serves `endpoint` on a bound listener, on threads of its own.
    ///
    /// # Errors
    /// The listener has no address or cannot be made non-blocking, or no threads can be had.
    pub fn start<E: Endpoint>(
        listener: TcpListener,
        options: &Options,
        endpoint: Arc<E>,
    ) -> io::Result<Running> {
        let serving = Serving { endpoint, limits: options.limits.clone(), tls: None };
        Self::serve(listener, options.threads, &Arc::new(Current::new(serving)))
    }

    /// Serves what is current, on a bound listener, on threads of its own. What replaces it holds
    /// for the connections and requests that come after.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn serve<E: Endpoint>(
        listener: TcpListener,
        threads: usize,
        current: &Arc<Current<Serving<E>>>,
    ) -> io::Result<Running> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("scim")
            .enable_all()
            .build()?;
        let (flight, connections) = (Arc::<Flight>::default(), Arc::<Connections>::default());
        let (shutdown, shutting_down) = watch::channel(false);
        let (idle, close_idle) = watch::channel(false);
        let door = door(current, &flight, &connections, shutting_down.clone());
        let accepting = {
            let _inside = runtime.enter();
            let listener = tokio::net::TcpListener::from_std(listener)?;
            runtime.spawn(accept(listener, Arc::new(door), shutting_down, close_idle))
        };
        Ok(Running {
            address,
            shutdown,
            idle,
            flight,
            connections,
            accepting: Some(accepting),
            runtime: Some(runtime),
        })
    }
}

fn door<E: Endpoint>(
    current: &Arc<Current<Serving<E>>>,
    flight: &Arc<Flight>,
    connections: &Arc<Connections>,
    shutdown: ShutdownWatch,
) -> Door<E> {
    let limits = current.load().limits.clone();
    let mut http = HttpServerOptions::default();
    http.h2_idle_timeout = Some(limits.idle_timeout);
    // The door has told the versions apart; this only says that HTTP/2 needs no TLS.
    http.h2c = true;
    let mut http2 = default_h2_options();
    // Somewhat more than is allowed, so that it is us who answers 431, as a SCIM error.
    let list = u32::try_from(limits.header_bytes.saturating_mul(2)).unwrap_or(u32::MAX);
    http2.max_header_list_size(list);
    http2.max_concurrent_streams(limits.streams);
    http2.max_send_buffer_size(SEND_BUFFER);
    // Searching for root certificates takes time, and most bridges pass nothing on over TLS.
    let ca_file = (!current.load().endpoint.passes_tls()).then(|| "/dev/null".to_owned());
    let conf = ServerConf { ca_file, ..ServerConf::default() };
    let scim = Scim::new(Arc::clone(current), Arc::clone(flight));
    let mut proxy = http_proxy(&Arc::new(conf), scim);
    proxy.server_options = Some(http);
    proxy.h2_options = Some(http2);
    Door::new(proxy, Arc::clone(current), Arc::clone(connections), shutdown)
}

/// Lets connections in until it is told to stop, then ends the idle ones when it is told to.
async fn accept<E: Endpoint>(
    listener: tokio::net::TcpListener,
    door: Arc<Door<E>>,
    mut shutdown: watch::Receiver<bool>,
    mut close_idle: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            biased;
            _ = shutdown.changed() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => door.enter(stream, peer),
            Err(error) => {
                // No file descriptors, mostly; some clients end in the queue, too.
                tracing::warn!(%error, "a connection cannot be accepted");
                door.make_room();
                sleep(PAUSE).await;
            }
        }
    }
    // Who is in the queue by now has been told by the kernel that he is connected.
    while let Some(Ok((stream, peer))) = listener.accept().now_or_never() {
        door.enter(stream, peer);
    }
    drop(listener);
    close_idle.changed().await.ok();
    door.close_idle().await;
}

/// A running SCIM port. Dropping it ends the port at once.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    shutdown: watch::Sender<bool>,
    idle: watch::Sender<bool>,
    flight: Arc<Flight>,
    connections: Arc<Connections>,
    accepting: Option<JoinHandle<()>>,
    runtime: Option<Runtime>,
}

impl Running {
    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What has become of connections so far.
    pub fn connections(&self) -> Counts {
        self.connections.counts()
    }

    /// Stops accepting, lets requests in flight finish for at most `grace`, then ends.
    pub async fn stop(self, grace: Duration) {
        self.drain(Duration::ZERO, grace).await;
    }

    /// As [`Self::stop`], but connections that wait for a request are kept for `linger`, and the
    /// answer to the next one tells that it is the last: a client that is sending just then is
    /// served and not cut off.
    pub async fn drain(mut self, linger: Duration, grace: Duration) {
        self.flight.close();
        self.shutdown.send_replace(true);
        let accepting = self.accepting.take();
        let landing = async {
            timeout(linger, self.connections.empty()).await.ok();
            self.idle.send_replace(true);
            if let Some(accepting) = accepting
                && let Err(error) = accepting.await
            {
                tracing::error!(%error, "the SCIM port did not end well");
            }
            self.flight.empty().await;
            timeout(FLUSH, self.connections.empty()).await.ok();
        };
        if timeout(grace, landing).await.is_err() {
            tracing::warn!("requests were still in flight when the SCIM port ended");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting for the threads is not allowed inside another runtime.
            runtime.shutdown_background();
        }
    }
}
