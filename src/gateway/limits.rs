//! What a request may cost: bytes, counts and times, each with a default that fits identity
//! providers as they are.

use std::time::Duration;

use crate::scim::bulk::request::MAX_PAYLOAD_SIZE;

/// What a request may cost before it is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once. When there is no room, the longest idle one is closed for a new one.
    pub connections: usize,
    /// The same for one client: an address of IPv4, or a network (/64) of IPv6.
    pub connections_per_address: usize,
    /// Requests at once over one connection of HTTP/2.
    pub streams: u32,
    /// Bytes of a request body.
    pub body_bytes: usize,
    /// Bytes of all header fields together.
    pub header_bytes: usize,
    /// Number of header fields.
    pub header_count: usize,
    /// Bytes of the request target.
    pub target_bytes: usize,
    /// From a connection, or the end of an idle time, to a complete head.
    pub head_timeout: Duration,
    /// How long a connection may wait for its next request.
    pub idle_timeout: Duration,
    /// From a complete head to a complete body.
    pub body_timeout: Duration,
    /// From a complete body to the engine's answer.
    pub answer_timeout: Duration,
    /// For each part of the answer that the client takes.
    pub write_timeout: Duration,
    /// How long a client that is answered already may go on sending its body.
    pub discard_timeout: Duration,
}

impl Limits {
    /// How long the calls of a request to the application may take, so that there is an answer
    /// left to give when they are over.
    pub fn patience(&self) -> Duration {
        self.answer_timeout.saturating_sub(self.answer_timeout / 20)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            // A proxy in front is one client, and has many.
            connections_per_address: 1024,
            streams: 100,
            body_bytes: MAX_PAYLOAD_SIZE,
            header_bytes: 32 * 1024,
            header_count: 100,
            // A filter of 8 KiB grows threefold when every byte is percent-encoded.
            target_bytes: 32 * 1024,
            head_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_mins(1),
            body_timeout: Duration::from_secs(30),
            // Okta closes its socket after 60 seconds; ours must be the better answer.
            answer_timeout: Duration::from_secs(55),
            write_timeout: Duration::from_secs(30),
            discard_timeout: Duration::from_secs(2),
        }
    }
}
