//! JSON without accidents, and the hash of it that stands for a version (RFC 7644 section 3.14).
//!
//! Members are ordered by name, elements by value, because a multi-valued attribute has no order
//! and applications list in whatever order they find. What is unassigned is left out. Both stay
//! the same from release to release, or every client's versions would be out of date after an
//! upgrade.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::scim::resource::is_unassigned;

/// Bytes of a hash that become a version.
const HASH: usize = 16;

/// A hash of a value in its canonical form.
pub fn hash(value: &Value) -> String {
    hash_of(canonical(value).unwrap_or_default())
}

/// A hash of a canonical form.
pub fn hash_of(canonical: impl AsRef<[u8]>) -> String {
    let digest = Sha256::digest(canonical);
    let digits = digest.iter().take(HASH).flat_map(|byte| [byte >> 4, byte & 15]);
    let mut text = String::with_capacity(HASH * 2);
    text.extend(digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)));
    text
}

/// The canonical form; `None` when unassigned.
pub fn canonical(value: &Value) -> Option<String> {
    if is_unassigned(value) {
        return None;
    }
    let (open, mut parts, close): (_, Vec<String>, _) = match value {
        Value::Object(members) => {
            let part = |(name, value): (&String, &Value)| {
                Some(format!("{}:{}", Value::from(name.as_str()), canonical(value)?))
            };
            ('{', members.iter().filter_map(part).collect(), '}')
        }
        Value::Array(elements) => ('[', elements.iter().filter_map(canonical).collect(), ']'),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Some(value.to_string());
        }
    };
    parts.sort_unstable();
    (!parts.is_empty()).then(|| format!("{open}{}{close}", parts.join(",")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use crate::scim::canonical::{canonical, hash};

    #[test]
    fn the_hash_is_the_same_in_every_release() {
        let value = json!({ "b": [2, 1, { "y": "z", "x": null }], "a": "ä\n", "c": [], "d": {} });
        assert_eq!(canonical(&value).unwrap(), r#"{"a":"ä\n","b":[1,2,{"y":"z"}]}"#);
        assert_eq!(hash(&value), "428eb10f9828faf16d7768a0b6cfac33");
    }

    fn documents() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..3_u8).prop_map(Value::from),
            "[a\",:]{0,2}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::vec(("[ab:\"]{1,2}", inner), 0..3)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// The same document, written in another order.
    fn reversed(value: &Value) -> Value {
        match value {
            Value::Array(elements) => elements.iter().rev().map(reversed).collect(),
            Value::Object(members) => Value::Object(
                members.iter().rev().map(|(name, value)| (name.clone(), reversed(value))).collect(),
            ),
            other => other.clone(),
        }
    }

    /// A document as what it says: elements sorted, unassigned members left out.
    fn meaning(value: &Value) -> Value {
        let is_there =
            |value: &Value| !value.is_null() && *value != json!([]) && *value != json!({});
        match value {
            Value::Array(elements) => {
                let mut elements: Vec<Value> =
                    elements.iter().map(meaning).filter(is_there).collect();
                elements.sort_by_key(ToString::to_string);
                Value::Array(elements)
            }
            Value::Object(members) => {
                let mut members: Vec<(String, Value)> = members
                    .iter()
                    .map(|(name, value)| (name.clone(), meaning(value)))
                    .filter(|(_, value)| is_there(value))
                    .collect();
                members.sort_by(|left, right| left.0.cmp(&right.0));
                Value::Object(Map::from_iter(members))
            }
            other => other.clone(),
        }
    }

    proptest! {
        #[test]
        fn order_does_not_matter(document in documents()) {
            prop_assert_eq!(hash(&document), hash(&reversed(&document)));
        }

        #[test]
        fn documents_hash_alike_exactly_when_they_mean_the_same(
            left in documents(),
            right in documents(),
        ) {
            let alike = |one: &Value, other: &Value| hash(one) == hash(other);
            prop_assert_eq!(alike(&left, &right), canonical(&meaning(&left)) == canonical(&meaning(&right)));
            let (left, right) = (json!({ "m": left }), json!({ "m": right }));
            prop_assert_eq!(alike(&left, &right), meaning(&left) == meaning(&right));
        }
    }
}
