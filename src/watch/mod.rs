//! What is watched of a request while it is served: who it is, where it stands in a distributed
//! trace, what it caused, and how long that took.
//!
//! [`context`] is W3C Trace Context, [`watched`] one request with everything counted and traced
//! about it, [`meter`] and [`meters`] the counters of a tenant, [`span`] a finished piece of work
//! and the port it leaves through. Nothing here decides anything: a request is answered alike with
//! and without it. Deliberately absent: formats (the console's) and sending (the upstream's).

pub mod context;
pub mod meter;
pub mod meters;
pub mod operation;
pub mod span;
pub mod watched;
