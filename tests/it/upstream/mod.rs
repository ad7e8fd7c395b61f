//! The port `Upstream` over HTTP, against a scripted server on the loopback interface.
#![cfg(test)]

mod certificates;
mod client;
mod http2;
mod limits;
mod oauth2;
mod redirects;
mod repeating;
mod requests;
mod server;
mod shielding;
mod signing_in;
mod silence;
