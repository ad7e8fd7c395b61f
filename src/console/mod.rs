//! The operators' port: separate from the SCIM port and never reachable through it.
//!
//! [`health`] answers whether the process lives and whether it is ready, [`metrics`] what it has
//! done and how long that took, [`status`] what it is doing.

mod application;
mod exposition;
pub mod health;
pub mod metrics;
mod process;
pub mod status;
