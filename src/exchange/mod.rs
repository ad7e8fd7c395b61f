//! One SCIM request from start to answer, over ports: the application ([`upstream`]), the
//! side-car, the clock. One operation a file; `render.rs` alone gives failures their status.

pub mod apply;
pub mod bulk;
pub mod counters;
pub mod create;
pub mod cursor;
pub mod delete;
pub mod discovery;
pub mod endpoint;
pub mod engine;
pub mod error;
pub mod everywhere;
pub mod left;
pub mod native;
pub mod patch;
pub mod query;
pub mod recorded;
pub mod reading;
pub mod render;
pub mod replace;
pub mod represent;
pub mod request;
pub mod response;
pub mod retrieve;
pub mod search;
pub mod sieve;
pub mod sorted;
pub mod state;
pub mod tenant;
pub mod trail;
pub mod upstream;
