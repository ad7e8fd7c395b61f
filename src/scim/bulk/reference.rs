//! References to resources that the same bulk request creates (RFC 7644 section 3.7.2):
//! `bulkId:qwerty` wherever an id can stand.
//!
//! That is a whole string anywhere in `data`, a segment of `path`, and, in the path of a PATCH
//! operation, a string of its filter: `members[value eq "bulkId:qwerty"]`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

const PREFIX: &str = "bulkId:";
const QUOTED: &str = "\"bulkId:";

/// The bulkId that a text refers to.
pub fn of(text: &str) -> Option<&str> {
    text.strip_prefix(PREFIX).filter(|bulk_id| !bulk_id.is_empty())
}

/// Every bulkId that a body refers to.
pub fn all(data: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    strings(data, false, &mut |text, is_path| {
        let in_filter = if is_path { quoted(text) } else { Vec::new() };
        found.extend(of(text).into_iter().chain(in_filter).map(str::to_owned));
    });
    found
}

/// Every string of a body, those of filters in PATCH paths included.
pub fn texts(data: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    strings(data, false, &mut |text, is_path| {
        found.insert(text.to_owned());
        if is_path {
            found.extend(text.split('"').skip(1).step_by(2).map(str::to_owned));
        }
    });
    found
}

/// Puts ids in the place of references. What `ids` lacks stays as it is.
pub fn replace(data: &mut Value, ids: &BTreeMap<String, String>) {
    replace_in(data, false, ids);
}

/// Takes out of a resource what refers to one of these, and gives it back in the same shape:
/// elements of lists one by one, everything else by whole attributes. `None` when `data` is no
/// object, of which nothing can be taken.
pub fn take_out(data: &mut Value, bulk_ids: &BTreeSet<String>) -> Option<Map<String, Value>> {
    let members = data.as_object_mut()?;
    let mut taken = Map::new();
    let names: Vec<String> = members.keys().cloned().collect();
    for name in names {
        let Some(value) = members.get_mut(&name) else { continue };
        if !refers(value, bulk_ids) {
            continue;
        }
        let part = match value {
            Value::Array(elements) => {
                let refers = |element: &mut Value| refers(element, bulk_ids);
                Some(Value::Array(elements.extract_if(.., refers).collect()))
            }
            // The name of an extension, under which its attributes stand.
            Value::Object(_) if name.contains(':') => take_out(value, bulk_ids).map(Value::Object),
            Value::Object(_) | Value::String(_) => members.shift_remove(&name),
            Value::Null | Value::Bool(_) | Value::Number(_) => None,
        };
        if let Some(part) = part {
            taken.insert(name, part);
        }
    }
    Some(taken)
}

fn refers(value: &Value, bulk_ids: &BTreeSet<String>) -> bool {
    !all(value).is_disjoint(bulk_ids)
}

/// Shows every string, and whether it stands under the name `path`.
fn strings(value: &Value, is_path: bool, show: &mut impl FnMut(&str, bool)) {
    match value {
        Value::String(text) => show(text, is_path),
        Value::Array(elements) => {
            for element in elements {
                strings(element, false, show);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                strings(value, name.eq_ignore_ascii_case("path"), show);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn quoted(text: &str) -> Vec<&str> {
    let parts = text.split(QUOTED).skip(1);
    parts.filter_map(|part| Some(part.split_once('"')?.0)).collect()
}

fn replace_in(value: &mut Value, is_path: bool, ids: &BTreeMap<String, String>) {
    match value {
        Value::String(text) => {
            if let Some(id) = of(text).and_then(|bulk_id| ids.get(bulk_id)) {
                text.clone_from(id);
            } else if is_path {
                *text = replace_quoted(text, ids);
            }
        }
        Value::Array(elements) => {
            for element in elements {
                replace_in(element, false, ids);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                replace_in(value, name.eq_ignore_ascii_case("path"), ids);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn replace_quoted(text: &str, ids: &BTreeMap<String, String>) -> String {
    let mut parts = text.split(QUOTED);
    let mut replaced = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('"').and_then(|(bulk_id, rest)| Some((ids.get(bulk_id)?, rest))) {
            Some((id, rest)) => {
                // Strings of filters are JSON strings, so an id with a quote in it stays inside.
                replaced.push_str(&Value::from(id.as_str()).to_string());
                replaced.push_str(rest);
            }
            None => {
                replaced.push_str(QUOTED);
                replaced.push_str(part);
            }
        }
    }
    replaced
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::{Value, json};

    use crate::scim::bulk::reference::{all, of, replace, take_out, texts};

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn check(data: Value, bulk_ids: &[&str], replaced: &Value) {
        assert_eq!(all(&data), set(bulk_ids), "{data}");
        let ids = bulk_ids.iter().map(|&id| (id.to_owned(), format!("<{id}>"))).collect();
        let mut data = data;
        replace(&mut data, &ids);
        assert_eq!(data, *replaced);
    }

    #[test]
    fn references_stand_where_ids_stand() {
        check(
            json!({ "members": [{ "value": "bulkId:a" }, { "value": "7" }] }),
            &["a"],
            &json!({ "members": [{ "value": "<a>" }, { "value": "7" }] }),
        );
        check(
            json!({ "urn:x": { "manager": { "value": "bulkId:b c" } } }),
            &["b c"],
            &json!({ "urn:x": { "manager": { "value": "<b c>" } } }),
        );
        check(json!({ "manager": "bulkId:a" }), &["a"], &json!({ "manager": "<a>" }));
    }

    #[test]
    fn references_stand_in_the_filter_of_a_patch_path() {
        check(
            json!({ "path": r#"members[value eq "bulkId:a" or value eq "bulkId:b"]"# }),
            &["a", "b"],
            &json!({ "path": r#"members[value eq "<a>" or value eq "<b>"]"# }),
        );
        check(json!({ "note": r#"see "bulkId:a""# }), &[], &json!({ "note": r#"see "bulkId:a""# }));
    }

    #[test]
    fn an_id_cannot_leave_its_quotes() {
        let mut data = json!({ "path": r#"members[value eq "bulkId:a"]"# });
        let ids = BTreeMap::from([("a".to_owned(), "x\" or \"y".to_owned())]);
        replace(&mut data, &ids);
        assert_eq!(data, json!({ "path": r#"members[value eq "x\" or \"y"]"# }));
    }

    #[test]
    fn what_only_looks_like_a_reference_is_none() {
        for text in ["bulkId:", "bulkid:a", " bulkId:a", "bulkId", "see bulkId:a", ""] {
            assert_eq!(of(text), None, "{text}");
        }
        assert_eq!(of("bulkId:a:b"), Some("a:b"));
        check(json!({ "bulkId:a": 1 }), &[], &json!({ "bulkId:a": 1 }));
    }

    #[test]
    fn texts_are_those_that_a_body_mentions() {
        let data = json!({ "a": ["7", { "b": "bulkId:q" }], "path": r#"members[value eq "8"]"# });
        let expected = set(&["7", "bulkId:q", "8", r#"members[value eq "8"]"#]);
        assert_eq!(texts(&data), expected);
    }

    #[test]
    fn what_must_wait_is_taken_out_in_its_own_shape() {
        let mut data = json!({
            "displayName": "A",
            "members": [{ "value": "bulkId:b" }, { "value": "bulkId:c" }, { "value": "7" }],
            "owner": { "value": "bulkId:b" },
            "urn:x": { "manager": { "value": "bulkId:b" }, "number": "1" },
        });
        let taken = take_out(&mut data, &set(&["b"])).map(Value::Object);
        let expected = json!({
            "members": [{ "value": "bulkId:b" }],
            "owner": { "value": "bulkId:b" },
            "urn:x": { "manager": { "value": "bulkId:b" } },
        });
        assert_eq!(taken, Some(expected));
        let left = json!({
            "displayName": "A",
            "members": [{ "value": "bulkId:c" }, { "value": "7" }],
            "urn:x": { "number": "1" },
        });
        assert_eq!(data, left);
        assert_eq!(take_out(&mut json!(["bulkId:b"]), &set(&["b"])), None);
    }
}
