//! One section of the configuration, judged by itself.

use std::collections::BTreeMap;

use figment::value::Value;
use serde::de::DeserializeOwned;

use crate::config::error::Fault;
use crate::config::interpolate::Surroundings;

/// A section that is there, or its defaults; what is wrong with it is added to the faults.
pub(super) fn section<T: DeserializeOwned + Default>(
    whole: &BTreeMap<String, Value>,
    name: &str,
    faults: &mut Vec<Fault>,
) -> T {
    let Some(value) = whole.get(name) else { return T::default() };
    value.deserialize().unwrap_or_else(|errors| {
        faults.extend(all(name, errors));
        T::default()
    })
}

/// The faults of a section, with their places.
pub(super) fn all(prefix: &str, errors: figment::Error) -> Vec<Fault> {
    errors.into_iter().map(|error| Fault::of(prefix, &error)).collect()
}

impl Surroundings<'_> {
    /// A text with its references read.
    pub(crate) fn text_at(&self, key: &str, text: String, faults: &mut Vec<Fault>) -> String {
        match self.resolve(serde_json::Value::String(text)) {
            Ok(serde_json::Value::String(text)) => text,
            Ok(_) => String::new(),
            Err(problem) => {
                faults.push(Fault::new(key, problem));
                String::new()
            }
        }
    }
}
