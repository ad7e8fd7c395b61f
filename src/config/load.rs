//! Loading: the entry of this room.

use std::path::Path;

use serde_json::Value;

use crate::config::error::ConfigError;
use crate::config::file;
use crate::config::interpolate::Surroundings;
use crate::config::settings::Config;

/// Loads the configuration file, then `SCIMBRIDGE_…` variables over it (`__` nests:
/// `SCIMBRIDGE_LISTEN__SCIM`; `SCIMBRIDGE_TENANTS` is a whole TOML array).
///
/// `None` means `scimbridge.toml` in the working directory, if there is one.
///
/// # Errors
/// Every fault that could be told apart from the others.
pub fn load(path: Option<&Path>) -> Result<Config, ConfigError> {
    file::load(path, &file::process_environment())
}

/// A value with its references read: `${NAME}` for the environment, `file:PATH` for a file, relative
/// to the working directory.
///
/// # Errors
/// What is wrong with the reference, without any value.
pub fn resolve(value: Value) -> Result<Value, String> {
    let variables = file::process_environment();
    Surroundings::new(&variables, Path::new("")).resolve(value)
}

/// A variable of the environment, for secrets that the configuration only names; `None` also when
/// it is empty or not UTF-8.
pub fn environment(name: &str) -> Option<String> {
    file::process_environment().remove(name).filter(|value| !value.is_empty())
}
