//! What runs, with which options: tenants put together, the demo, mapping files checked.

pub mod assemble;
pub mod audit;
pub mod bridge;
pub mod demo;
pub mod details;
pub mod differences;
pub mod door;
pub mod figures;
pub mod follow;
pub mod handoff;
pub mod indexing;
pub mod key;
pub mod notify;
pub mod probes;
pub mod readiness;
pub mod rehearse;
pub mod reload;
pub mod seal;
pub mod serve;
pub mod settings;
pub mod status;
pub mod sweeps;
pub mod tokens;
pub mod watch;
