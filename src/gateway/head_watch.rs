//! How far a request of HTTP/1.1 has come: told by the request, asked by the door.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::gateway::connections::Connections;

/// One request of a connection, from the wait for its head to its end.
pub(crate) struct Progress {
    complete: AtomicBool,
    connections: Arc<Connections>,
    peer: Option<SocketAddr>,
}

impl Progress {
    /// A request that is waited for.
    pub(crate) fn new(connections: &Arc<Connections>, peer: Option<SocketAddr>) -> Arc<Self> {
        let connections = Arc::clone(connections);
        Arc::new(Self { complete: AtomicBool::new(false), connections, peer })
    }

    /// Its head has come.
    pub(crate) fn complete(&self) {
        if !self.complete.swap(true, Ordering::AcqRel)
            && let Some(peer) = self.peer
        {
            self.connections.begin(peer);
        }
    }

    /// Whether its head has come.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_complete()
            && let Some(peer) = self.peer
        {
            self.connections.end(peer);
        }
    }
}

/// Carried by pingora from the door to the request.
pub(crate) struct HeadWatch(pub(crate) Arc<Progress>);

/// Ends the wait for the head. `context` is what pingora carried from the door to the request.
pub(crate) fn head_is_complete(context: &(dyn Any + Send + Sync)) {
    if let Some(watch) = context.downcast_ref::<HeadWatch>() {
        watch.0.complete();
    }
}
