//! The installation's configuration: one TOML file, the environment over it.
//!
//! The one place that reads configuration files and the environment. [`load::load`] judges the whole and
//! gives a [`Config`](settings::Config) or every fault it found; what the options of a module are
//! is that module's business. Mapping files are only named here, not read.

mod access;
pub mod error;
mod file;
mod interpolate;
mod listen_file;
pub mod load;
mod pass_file;
mod precautions;
mod probe_file;
mod section;
pub mod settings;
mod telemetry;
mod tenant_file;
