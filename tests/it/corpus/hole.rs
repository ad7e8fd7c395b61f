//! Holes of scenarios: `{{name}}` for what an earlier step has captured, `{{token}}`, `{{base}}`,
//! `{{$u}}` (eight hexadecimal digits of this run of the scenario), `{{$uuid:tag}}` (the same
//! wherever the tag is); with pipes `|url`, `|plus`, `|upper`, `|lower`.
#![cfg(test)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use regex::{Captures, Regex};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Builder;

static HOLE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\{\{\s*([^{}|]+?)\s*((?:\|\s*[a-z]+\s*)*)\}\}").unwrap());

/// A hole that nothing fills, as an earlier step has failed.
#[derive(Debug)]
pub(super) struct Unresolved(pub(super) String);

/// What fills holes.
pub(super) struct Holes {
    values: BTreeMap<String, Value>,
}

impl Holes {
    /// `run` sets this run of the scenario apart from all others.
    pub(super) fn new(run: &str, token: &str, base: &str) -> Self {
        let mark = digest(run).into_iter().take(4).fold(String::new(), |mut mark, byte| {
            write!(mark, "{byte:02x}").unwrap();
            mark
        });
        let values = [("token", token), ("base", base), ("$u", mark.as_str())];
        let values = values.map(|(name, value)| (name.to_owned(), Value::from(value)));
        Self { values: BTreeMap::from(values) }
    }

    pub(super) fn put(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    /// A tree with all its holes filled. A hole that is a whole text keeps the type of its value.
    pub(super) fn fill(&self, tree: &Value) -> Result<Value, Unresolved> {
        Ok(match tree {
            Value::String(text) => match self.whole(text) {
                Some(value) => value.clone(),
                None => Value::String(self.text(text)?),
            },
            Value::Array(items) => {
                items.iter().map(|item| self.fill(item)).collect::<Result<_, _>>()?
            }
            Value::Object(members) => {
                let filled = members
                    .iter()
                    .map(|(name, value)| Ok((self.text(name)?, self.fill(value)?)))
                    .collect::<Result<_, _>>()?;
                Value::Object(filled)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => tree.clone(),
        })
    }

    /// A text with all its holes filled.
    pub(super) fn text(&self, text: &str) -> Result<String, Unresolved> {
        let mut filled = text.to_owned();
        for hole in HOLE.captures_iter(text) {
            filled = filled.replace(&hole[0], &self.one(&hole)?);
        }
        Ok(filled)
    }

    fn whole(&self, text: &str) -> Option<&Value> {
        let hole = HOLE.captures(text)?;
        let is_whole = hole.get(0)?.as_str() == text && hole.get(2)?.is_empty();
        if is_whole { self.values.get(hole.get(1)?.as_str()) } else { None }
    }

    fn one(&self, hole: &Captures<'_>) -> Result<String, Unresolved> {
        let name = &hole[1];
        let value = match (name.strip_prefix("$uuid:"), self.values.get(name)) {
            (Some(tag), _) => self.uuid(tag),
            (None, Some(Value::String(text))) => text.clone(),
            (None, Some(value)) => value.to_string(),
            (None, None) => return Err(Unresolved(format!("no value for {{{{{name}}}}}"))),
        };
        let pipes = hole[2].split('|').map(str::trim).filter(|pipe| !pipe.is_empty());
        Ok(pipes.fold(value, |value, pipe| match pipe {
            "url" => utf8_percent_encode(&value, NON_ALPHANUMERIC).to_string(),
            "plus" => url::form_urlencoded::byte_serialize(value.as_bytes()).collect(),
            "upper" => value.to_uppercase(),
            "lower" => value.to_lowercase(),
            other => panic!("no pipe {other}"),
        }))
    }

    fn uuid(&self, tag: &str) -> String {
        let seed = digest(&format!("{}/{tag}", self.values["$u"]));
        let bytes = seed.first_chunk().copied().unwrap();
        Builder::from_random_bytes(bytes).into_uuid().to_string()
    }
}

fn digest(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn holes_are_filled() {
        let mut holes = Holes::new("run", "t0k", "http://x/v2");
        holes.put("total", json!(3));
        holes.put("name", json!("Ada L+@x"));
        let check = |text: &str, expected: Value| {
            assert_eq!(holes.fill(&json!(text)).unwrap(), expected, "{text}");
        };
        check("{{total}}", json!(3));
        check("{{ total }}!", json!("3!"));
        check("{{name|url}}", json!("Ada%20L%2B%40x"));
        check("{{name|plus|lower}}", json!("ada+l%2b%40x"));
        check("{{token}} at {{base}}", json!("t0k at http://x/v2"));
        assert_eq!(holes.text("{{$u}}").unwrap().len(), 8);
        assert_eq!(holes.text("{{$uuid:a}}").unwrap(), holes.text("{{$uuid:a}}").unwrap());
        assert_ne!(holes.text("{{$uuid:a}}").unwrap(), holes.text("{{$uuid:b}}").unwrap());
        assert_eq!(
            holes.fill(&json!({ "{{token}}": ["{{nobody}}"] })).unwrap_err().0,
            "no value for {{nobody}}"
        );
        let other = Holes::new("another", "t0k", "http://x/v2");
        assert_ne!(holes.text("{{$u}}").unwrap(), other.text("{{$u}}").unwrap());
    }
}
