//! JSON without accidents, and the hash of it that stands for a version (RFC 7644 section 3.14).
//!
//! Members are ordered by name, elements by value, because a multi-valued attribute has no order
//! and applications list in whatever order they find. What is unassigned is left out. Both stay
//! the same from release to release, or every client's versions would be out of date after an
//! upgrade.

use std::ops::Range;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// Bytes of a hash that become a version.
const HASH: usize = 16;

/// Where something stands that has no part in a hash: names of members, from the outside in.
pub type Path<'p> = &'p [&'p str];

/// A hash of a value in its canonical form.
pub fn hash(value: &Value) -> String {
    hash_of(canonical(value).unwrap_or_default())
}

/// A hash of members in their canonical form, as if those at the paths were not there. A path
/// goes through arrays to the members of their elements.
pub fn hash_without(members: &Map<String, Value>, left_out: &[Path<'_>]) -> String {
    let mut text = Vec::new();
    write_members(members, left_out, &mut text);
    hash_of(text)
}

/// A hash of a canonical form.
pub fn hash_of(canonical: impl AsRef<[u8]>) -> String {
    let digest = Sha256::digest(canonical);
    let mut text = String::with_capacity(HASH * 2);
    let digits = digest.iter().take(HASH).flat_map(|byte| [byte >> 4, byte & 15]);
    text.extend(digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)));
    text
}

/// The canonical form, in UTF-8; `None` when unassigned.
fn canonical(value: &Value) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    write(value, &[], &mut text).then_some(text)
}

/// Appends the canonical form; says whether there is any.
fn write(value: &Value, left_out: &[Path<'_>], text: &mut Vec<u8>) -> bool {
    match value {
        Value::Null => false,
        Value::Object(members) => write_members(members, left_out, text),
        Value::Array(elements) => {
            let each = |element, text: &mut Vec<u8>| write(element, left_out, text);
            write_sorted(*b"[]", elements.iter(), each, text)
        }
        // Nothing that writes into memory fails.
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            serde_json::to_writer(text, value).is_ok()
        }
    }
}

fn write_members(members: &Map<String, Value>, left_out: &[Path<'_>], text: &mut Vec<u8>) -> bool {
    let each = |(name, value): (&String, &Value), text: &mut Vec<u8>| {
        if left_out.contains(&&[name.as_str()][..]) {
            return false;
        }
        let below = left_out.iter().filter_map(|path| match path.split_first() {
            Some((first, rest)) if *first == name => Some(rest),
            Some(_) | None => None,
        });
        let below: Vec<Path<'_>> = below.collect();
        let is_named = serde_json::to_writer(&mut *text, name).is_ok();
        text.push(b':');
        is_named && write(value, &below, text)
    };
    write_sorted(*b"{}", members.iter(), each, text)
}

/// Appends what of the parts is assigned, in the order of their texts.
fn write_sorted<T>(
    [open, close]: [u8; 2],
    parts: impl Iterator<Item = T>,
    each: impl Fn(T, &mut Vec<u8>) -> bool,
    text: &mut Vec<u8>,
) -> bool {
    let begin = text.len();
    let mut spans: Vec<Range<usize>> = Vec::with_capacity(parts.size_hint().0);
    for part in parts {
        let start = text.len();
        if each(part, text) {
            spans.push(start..text.len());
        } else {
            text.truncate(start);
        }
    }
    if spans.is_empty() {
        return false;
    }
    let unsorted = text.split_off(begin);
    let part = |span: &Range<usize>| unsorted.get(span.start - begin..span.end - begin);
    spans.sort_unstable_by(|one, other| part(one).cmp(&part(other)));
    text.reserve(unsorted.len() + spans.len() + 1);
    for (index, span) in spans.iter().enumerate() {
        text.push(if index == 0 { open } else { b',' });
        text.extend(part(span).unwrap_or_default());
    }
    text.push(close);
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use crate::scim::canonical::{Path, canonical, hash, hash_without};

    #[test]
    fn the_hash_is_the_same_in_every_release() {
        let value = json!({ "b": [2, 1, { "y": "z", "x": null }], "a": "ä\n", "c": [], "d": {} });
        let expected = r#"{"a":"ä\n","b":[1,2,{"y":"z"}]}"#;
        assert_eq!(canonical(&value).unwrap(), expected.as_bytes());
        assert_eq!(hash(&value), "428eb10f9828faf16d7768a0b6cfac33");
    }

    #[test]
    fn what_is_left_out_has_no_part_in_it() {
        let check = |left_out: &[Path<'_>], rest: Value| {
            let whole =
                json!({ "a": 1, "b": { "a": 2, "c": { "a": 3 } }, "d": [{ "a": 4 }, { "e": 5 }] });
            assert_eq!(hash_without(whole.as_object().unwrap(), left_out), hash(&rest), "{rest}");
        };
        check(
            &[&["a"]],
            json!({ "b": { "a": 2, "c": { "a": 3 } }, "d": [{ "a": 4 }, { "e": 5 }] }),
        );
        check(&[&["b", "a"], &["d"]], json!({ "a": 1, "b": { "c": { "a": 3 } } }));
        check(&[&["b", "c", "a"], &["b", "a"], &["a"], &["d", "a"]], json!({ "d": [{ "e": 5 }] }));
        check(&[&["x"], &["a", "b"], &["b"], &["d", "a"], &["d", "e"]], json!({ "a": 1 }));
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
