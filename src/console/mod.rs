//! The operators' port: separate from the SCIM port and never reachable through it.
//!
//! [`health`] answers whether the process lives and whether it is ready, [`metrics`] how often
//! clients leave the letter of the RFCs.

pub mod health;
pub mod metrics;
