//! What is not shown: secrets of the configuration, passwords on their way to the application, and
//! headers that carry credentials.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::mapping::model::{Attempt, Mapping};
use crate::scim::schema::{Attribute, Returned};

/// What stands in place of a secret.
pub const HIDDEN: &str = "***";

/// The shortest text that is looked for inside of others.
const SHORTEST_PART: usize = 4;

/// Headers that carry credentials, in lower case.
const CREDENTIALS: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "set-cookie"];

/// Parts of names under which applications keep secrets, in lower case.
const TELLING: [&str; 7] =
    ["password", "passwd", "secret", "token", "api_key", "apikey", "private_key"];

/// Whose records are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Records {
    /// Somebody has written them down for this.
    Written,
    /// The application's own: what looks like a secret by its name is hidden.
    Real,
}

/// Texts that are not shown.
#[derive(Clone)]
pub struct Secrets {
    texts: BTreeSet<String>,
    records: Records,
}

impl Secrets {
    /// The secrets of an installation, and what the request says of attributes that SCIM never
    /// returns.
    pub fn new(
        mapping: &Mapping,
        attempt: &Attempt,
        configured: impl IntoIterator<Item = String>,
        records: Records,
    ) -> Self {
        let names = never_returned(mapping);
        let mut texts: BTreeSet<String> = configured.into_iter().collect();
        if let Some(body) = &attempt.body {
            collect(body, &names, &mut texts);
        }
        texts.remove("");
        Self { texts, records }
    }

    /// The text without secrets.
    pub fn text(&self, text: &str) -> String {
        if self.texts.contains(text) {
            return HIDDEN.to_owned();
        }
        let parts = self.texts.iter().filter(|secret| secret.chars().count() >= SHORTEST_PART);
        parts.fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), HIDDEN))
    }

    /// The value without secrets.
    pub fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(elements) => elements.iter().map(|element| self.value(element)).collect(),
            Value::Object(members) => Value::Object(self.members(members)),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    fn members(&self, members: &Map<String, Value>) -> Map<String, Value> {
        let shown = |(name, value): (&String, &Value)| {
            let is_secret = self.records == Records::Real && value.is_string() && is_telling(name);
            let value = if is_secret { Value::from(HIDDEN) } else { self.value(value) };
            (name.clone(), value)
        };
        members.iter().map(shown).collect()
    }

    /// The value of a header without secrets.
    pub fn header(&self, name: &str, value: &str) -> String {
        let is_credential = CREDENTIALS.iter().any(|known| known.eq_ignore_ascii_case(name));
        if is_credential || is_telling(name) { HIDDEN.to_owned() } else { self.text(value) }
    }
}

fn is_telling(name: &str) -> bool {
    let name = name.to_lowercase().replace('-', "_");
    TELLING.iter().any(|part| name.contains(part))
}

/// Names of attributes that SCIM never returns, in lower case.
fn never_returned(mapping: &Mapping) -> BTreeSet<String> {
    let mut names = BTreeSet::from(["password".to_owned()]);
    for resource in &mapping.resources {
        for (_, schema) in resource.resource_type.schemas() {
            let subs = |attribute: &'_ Attribute| attribute.sub_attributes.clone();
            let inner = schema.attributes.iter().flat_map(subs);
            let all = schema.attributes.iter().cloned().chain(inner);
            let secret = all.filter(|attribute| attribute.returned == Returned::Never);
            names.extend(secret.map(|attribute| attribute.name.to_lowercase()));
        }
    }
    names
}

/// Every text under one of these names, also where a PATCH operation names it by its `path`.
fn collect(value: &Value, names: &BTreeSet<String>, found: &mut BTreeSet<String>) {
    let is_secret = |path: &str| {
        let name = path.rsplit([':', '.']).next().unwrap_or(path);
        names.contains(&name.to_lowercase())
    };
    match value {
        Value::Object(members) => {
            let path = members.get("path").and_then(Value::as_str);
            if let Some(value) = members.get("value")
                && path.is_some_and(is_secret)
            {
                collect_all(value, found);
            }
            for (name, value) in members {
                if is_secret(name) {
                    collect_all(value, found);
                } else {
                    collect(value, names, found);
                }
            }
        }
        Value::Array(elements) => {
            for element in elements {
                collect(element, names, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn collect_all(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            found.insert(text.clone());
        }
        Value::Array(elements) => {
            for element in elements {
                collect_all(element, found);
            }
        }
        Value::Object(members) => members.values().for_each(|value| collect_all(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
