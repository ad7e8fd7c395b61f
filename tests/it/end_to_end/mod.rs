//! The bridge as it runs, over TCP: a SCIM client before it, an application behind it.
//!
//! Few tests, and only for what lives at the edges: what breaks between bridge and application,
//! who may come in, what comes in too large, what must not reach the application, how the process
//! ends, what happens at the same time. Conversions are tested by exchanges in writing.
#![cfg(test)]

pub(crate) mod application;
pub(crate) mod binary;
pub(crate) mod bridge;
mod concurrency;
mod crowds;
mod deletion;
mod doors;
mod encrypted;
mod failures;
mod filters;
mod floods;
mod hostile;
mod ids;
mod indexing;
mod leaving;
mod load;
mod passing;
mod paths;
mod precautions;
mod probing;
mod reloading;
mod replicas;
mod restarting;
mod rotation;
mod stopping;
mod store_faults;
mod tokens;
mod traces;
mod trying;
mod upgrading;
mod watching;
