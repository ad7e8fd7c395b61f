//! The operators' port: separate from the SCIM port and never reachable through it.
//!
//! [`health`] answers whether the process lives and whether it is ready.

pub mod health;
