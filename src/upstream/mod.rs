//! The port `Upstream` over HTTP: how the application is reached, and the only room that names
//! HTTP clients.
//!
//! `client.rs` is one native call from start to answer: sign in, send, follow, renew, or share the
//! answer of an identical read (`together.rs`). `sender.rs` repeats what may be repeated,
//! `breaker.rs` says whether the application is called at all, `gate.rs` who may go (by the
//! mapping's limits and by what `allowance.rs` reads), `time.rs` how long a call has.
//! `transport.rs` makes one attempt over the connections of `connection.rs`: straight ones are
//! `direct.rs`, those through a proxy `proxied.rs`, `answer.rs` reads what comes back, and `tls.rs`
//! and `pem.rs` say who is trusted.
//! `link.rs` keeps every URL below `base_url`; `sign_in/` holds the credentials, `otlp.rs` sends
//! spans to a collector, and `jwks.rs` reads the keys of an issuer of tokens. Deliberately absent:
//! a cookie jar, automatic redirects, decompression and proxies from the environment.

mod allowance;
mod answer;
mod body;
mod breaker;
pub mod client;
mod connection;
mod direct;
mod failure;
mod gate;
mod header;
pub mod jwks;
mod link;
mod locate;
pub mod otlp;
mod pem;
mod proxied;
mod report;
mod retry;
mod sender;
pub mod setup;
mod sign_in;
mod time;
mod tls;
mod together;
mod transport;
