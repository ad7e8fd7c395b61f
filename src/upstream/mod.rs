//! The port `Upstream` over HTTP: how the application is reached, and the only room that names
//! reqwest.
//!
//! `client.rs` is one native call from start to answer: sign in, send, follow, renew.
//! `sender.rs` repeats what may be repeated, `transport.rs` makes one attempt. `link.rs` keeps
//! every URL below `base_url`; `sign_in/` holds the credentials. Deliberately absent: a cookie
//! jar, automatic redirects, decompression and proxies from the environment. Rate limits, circuit
//! breaking, OAuth 2.0 and client certificates are not built yet.

mod body;
pub mod client;
mod failure;
mod header;
mod link;
mod locate;
mod moment;
mod retry;
mod sender;
pub mod setup;
mod sign_in;
mod transport;
