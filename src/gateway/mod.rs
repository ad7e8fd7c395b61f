//! The SCIM port: HTTP/1.1 and HTTP/2, with TLS or without, on one TCP listener, served by pingora.
//!
//! [`listener::Gateway::start`] takes a bound listener and an
//! [`Endpoint`](crate::exchange::endpoint::Endpoint). A request goes through `door` (room
//! among the `connections`, `tls`, deadlines before a head is complete), `request_line` (characters that a URI may not have), `scim` (the order of the steps), `head` and `path` (pure checks),
//! `body` (bounded reading) and `answer` (one write). Whatever fails here is told as a SCIM error
//! by `refusal`. What is not SCIM is handed on by `pass`, where a
//! tenant says so.

mod answer;
mod body;
pub mod connections;
mod door;
mod flight;
mod head;
mod head_watch;
pub mod limits;
pub mod listener;
mod pass;
mod path;
mod refusal;
mod request_line;
mod scim;
pub mod serving;
pub mod tls;
