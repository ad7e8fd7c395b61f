//! A SCIM 2.0 bridge in front of a legacy user API, driven by one declarative mapping file.
//!
//! Rooms from the ground up; a room uses only rooms above it in this list. `ARCHITECTURE.md`
//! tells the story.

pub mod clock;
pub mod current;
pub mod id;
pub mod watch;

pub mod native;
pub mod scim;

pub mod mapping;

pub mod convert;

pub mod audit;
pub mod auth;
pub mod guard;
pub mod sidecar;

pub mod exchange;

pub mod dialogue;

pub mod store;

pub mod upstream;

pub mod console;

pub mod gateway;

pub mod config;

pub mod app;

pub mod cli;
