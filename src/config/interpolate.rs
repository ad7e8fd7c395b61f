//! References inside configuration values: `${NAME}` for the environment, `file:PATH` for a file.
//!
//! Secrets stay out of the configuration file this way. What is read is not looked at again, so a
//! secret may hold any text.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Where references lead.
pub(crate) struct Surroundings<'a> {
    /// The environment.
    pub(crate) variables: &'a BTreeMap<String, String>,
    /// The folder that relative files are in.
    pub(crate) folder: &'a Path,
    /// The files that references have led to, whether they could be read or not.
    pub(crate) read: RefCell<BTreeSet<PathBuf>>,
}

impl<'a> Surroundings<'a> {
    /// Surroundings in which nothing has been read yet.
    pub(crate) fn new(variables: &'a BTreeMap<String, String>, folder: &'a Path) -> Self {
        Self { variables, folder, read: RefCell::default() }
    }
}

impl Surroundings<'_> {
    /// The value with every reference in it read.
    ///
    /// # Errors
    /// What is wrong with the first bad reference, without any value.
    pub(crate) fn resolve(&self, value: Value) -> Result<Value, String> {
        match value {
            Value::String(text) => self.text(&text).map(Value::String),
            Value::Array(items) => {
                let items: Result<_, _> =
                    items.into_iter().map(|item| self.resolve(item)).collect();
                items.map(Value::Array)
            }
            Value::Object(members) => {
                let members: Result<_, _> = members
                    .into_iter()
                    .map(|(name, value)| self.resolve(value).map(|value| (name, value)))
                    .collect();
                members.map(Value::Object)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(value),
        }
    }

    fn text(&self, text: &str) -> Result<String, String> {
        if let Some(path) = text.strip_prefix("file:") {
            let path = self.folder.join(path);
            self.read.borrow_mut().insert(path.clone());
            let content = fs::read_to_string(&path)
                .map_err(|error| format!("the file {} cannot be read: {error}", path.display()))?;
            // Editors and secret stores end files with a line break that nobody means.
            return Ok(content.trim_end_matches(['\r', '\n']).to_owned());
        }
        let mut resolved = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, reference)) = rest.split_once("${") {
            let (name, after) = reference
                .split_once('}')
                .ok_or("a `${` has no `}`; write the name of a variable between them")?;
            let value = self.variables.get(name).ok_or_else(|| {
                format!("the environment variable `{name}` is not set; set it, or write the value")
            })?;
            resolved.push_str(before);
            resolved.push_str(value);
            rest = after;
        }
        resolved.push_str(rest);
        Ok(resolved)
    }
}
