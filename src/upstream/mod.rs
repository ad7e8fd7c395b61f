//! The port `Upstream` over HTTP: how the application is reached, and the only room that names
//! reqwest.
//!
//! `client.rs` is one native call from start to answer: sign in, send, follow, renew.
//! `sender.rs` repeats what may be repeated, `gate.rs` says who may go, `transport.rs` makes one
//! attempt over what `connection.rs`, `tls.rs` and `pem.rs` build. `link.rs` keeps every URL below
//! `base_url`; `sign_in/` holds the credentials, and `otlp.rs` sends
//! spans to a collector. Deliberately absent: a cookie jar, automatic
//! redirects, decompression, proxies from the environment, and circuit breaking.

mod body;
pub mod client;
mod connection;
mod failure;
mod gate;
mod header;
mod link;
mod locate;
mod moment;
pub mod otlp;
mod pem;
mod report;
mod retry;
mod sender;
pub mod setup;
mod sign_in;
mod tls;
mod transport;
