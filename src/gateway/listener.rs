//! Starting and stopping the SCIM port.
//!
//! pingora's `Server` owns signals and the end of the process, and waits a fixed time when it
//! stops; here the service runs without it, on a runtime of its own, and stops as soon as the last
//! request has been answered. HTTP/1.1 and HTTP/2 share the port; TLS is absent.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd as _;
use std::sync::Arc;
use std::time::Duration;

use pingora::apps::HttpServerOptions;
use pingora::proxy::http_proxy;
use pingora::server::configuration::ServerConf;
use pingora::server::{Fds, ListenFds};
use pingora::services::Service as _;
use pingora::services::listening::Service;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::current::Current;
use crate::exchange::endpoint::Endpoint;
use crate::gateway::door::Door;
use crate::gateway::flight::Flight;
use crate::gateway::limits::Limits;
use crate::gateway::scim::Scim;
use crate::gateway::serving::Serving;

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
        let serving = Serving { endpoint, limits: options.limits.clone() };
        Self::serve(listener, options.threads, &Arc::new(Current::new(serving)))
    }

    /// Serves what is current, on a bound listener, on threads of its own. What replaces it holds
    /// for the requests that come after.
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
        let flight = Arc::new(Flight::default());
        let mut service = Service::new("scim".to_owned(), door(current, &flight));
        service.add_tcp(&address.to_string());
        // pingora takes sockets over from an older process by this table, and so from us.
        let mut fds = Fds::new();
        fds.add(address.to_string(), listener.into_raw_fd());
        let fds = ListenFds::new(fds.into());
        let (shutdown, watch) = watch::channel(false);
        let service =
            runtime.spawn(async move { service.start_service(Some(fds), watch, 1).await });
        Ok(Running { address, shutdown, flight, service: Some(service), runtime: Some(runtime) })
    }
}

fn door<E: Endpoint>(current: &Arc<Current<Serving<E>>>, flight: &Arc<Flight>) -> Door<E> {
    let mut http = HttpServerOptions::default();
    http.h2c = true;
    http.h2_idle_timeout = Some(current.load().limits.idle_timeout);
    // Nothing is ever proxied to an upstream, so no root certificates need to be searched for.
    let conf = ServerConf { ca_file: Some("/dev/null".to_owned()), ..ServerConf::default() };
    let scim = Scim::new(Arc::clone(current), Arc::clone(flight));
    let mut proxy = http_proxy(&Arc::new(conf), scim);
    proxy.server_options = Some(http);
    Door::new(proxy, Arc::clone(current))
}

/// A running SCIM port. Dropping it ends the port at once.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    shutdown: watch::Sender<bool>,
    flight: Arc<Flight>,
    service: Option<JoinHandle<()>>,
    runtime: Option<Runtime>,
}

impl Running {
    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets requests in flight finish for at most `grace`, then ends.
    pub async fn stop(mut self, grace: Duration) {
        self.shutdown.send_replace(true);
        let service = self.service.take();
        let landing = async {
            if let Some(service) = service
                && let Err(error) = service.await
            {
                tracing::error!(%error, "the SCIM port did not end well");
            }
            self.flight.empty().await;
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
