//! What differs between two documents, as a JSON Merge Patch (RFC 7396) or a JSON Patch (RFC
//! 6902). Arrays are replaced whole, except that a JSON Patch appends to one that only grew.
//! `test`, `move` and `copy` are deliberately absent: versions guard against others' changes.

use serde_json::{Map, Value, json};

/// The merge patch that makes one document the other. A null in the wanted one cannot be told
/// from an absence, because null is how a merge patch takes a member away.
pub fn merge_patch(before: &Value, after: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        return after.clone();
    };
    let mut patch = Map::new();
    for (name, wanted) in after {
        match before.get(name) {
            Some(have) if have == wanted => {}
            Some(have @ Value::Object(_)) if wanted.is_object() => {
                patch.insert(name.clone(), merge_patch(have, wanted));
            }
            Some(_) | None => {
                patch.insert(name.clone(), wanted.clone());
            }
        }
    }
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    Value::Object(patch)
}

/// The operations that make one document the other.
pub fn json_patch(before: &Value, after: &Value) -> Vec<Value> {
    let mut operations = Vec::new();
    operate("", before, after, &mut operations);
    operations
}

fn operate(path: &str, before: &Value, after: &Value, operations: &mut Vec<Value>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Value::Object(before), Value::Object(after)) => {
            for (name, wanted) in after {
                let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
                match before.get(name) {
                    Some(have) => operate(&path, have, wanted, operations),
                    None => operations.push(json!({ "op": "add", "path": path, "value": wanted })),
                }
            }
            for name in before.keys().filter(|name| !after.contains_key(*name)) {
                let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
                operations.push(json!({ "op": "remove", "path": path }));
            }
        }
        (Value::Array(before), Value::Array(after)) if after.starts_with(before) => {
            let path = format!("{path}/-");
            let added = after.iter().skip(before.len());
            operations.extend(added.map(|new| json!({ "op": "add", "path": path, "value": new })));
        }
        (_, after) => operations.push(json!({ "op": "replace", "path": path, "value": after })),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use crate::convert::difference::{json_patch, merge_patch};

    /// RFC 7396 section 2, word for word.
    fn merged(target: &Value, patch: &Value) -> Value {
        let Value::Object(patch) = patch else { return patch.clone() };
        let mut target = target.as_object().cloned().unwrap_or_default();
        for (name, value) in patch {
            if value.is_null() {
                target.shift_remove(name);
            } else {
                let have = target.get(name).cloned().unwrap_or(Value::Null);
                target.insert(name.clone(), merged(&have, value));
            }
        }
        Value::Object(target)
    }

    /// RFC 6902 section 4, as far as the operations are used.
    fn patched(document: &Value, operations: &[Value]) -> Value {
        let mut document = document.clone();
        for operation in operations {
            let path = operation["path"].as_str().unwrap();
            let value = operation["value"].clone();
            let Some((parent, last)) = path.rsplit_once('/') else {
                document = value;
                continue;
            };
            let last = last.replace("~1", "/").replace("~0", "~");
            match (document.pointer_mut(parent).unwrap(), operation["op"].as_str().unwrap()) {
                (Value::Object(members), "remove") => assert!(members.remove(&last).is_some()),
                (Value::Object(members), "add") => {
                    assert!(members.insert(last, value).is_none());
                }
                (Value::Object(members), "replace") => {
                    assert!(members.insert(last, value).is_some());
                }
                (Value::Array(elements), "add") if last == "-" => elements.push(value),
                (place, other) => panic!("{other} at {path} of {place}"),
            }
        }
        document
    }

    fn document(leaf: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
        let tree = leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::vec(("[ab/~]{1,2}", inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
            ]
        });
        prop::collection::vec(("[abc/~]{1,2}", tree), 0..5)
            .prop_map(|members| Value::Object(members.into_iter().collect()))
    }

    fn without_nulls() -> BoxedStrategy<Value> {
        prop_oneof![any::<bool>().prop_map(Value::from), (0..3).prop_map(Value::from)].boxed()
    }

    fn with_nulls() -> BoxedStrategy<Value> {
        prop_oneof![Just(Value::Null), without_nulls()].boxed()
    }

    proptest! {
        #[test]
        fn a_merge_patch_makes_the_one_the_other(
            before in document(without_nulls()),
            after in document(without_nulls()),
        ) {
            prop_assert_eq!(merged(&before, &merge_patch(&before, &after)), after);
        }

        #[test]
        fn a_json_patch_makes_the_one_the_other(
            before in document(with_nulls()),
            after in document(with_nulls()),
        ) {
            prop_assert_eq!(patched(&before, &json_patch(&before, &after)), after);
        }
    }

    #[test]
    fn only_what_differs_is_said() {
        let before = json!({ "a": { "b": 1, "c": 2 }, "d": [1], "e/f": 1 });
        let after = json!({ "a": { "b": 3, "c": 2 }, "d": [1, 2] });
        let merge = json!({ "a": { "b": 3 }, "d": [1, 2], "e/f": null });
        assert_eq!(merge_patch(&before, &after), merge);
        let operations = json!([
            { "op": "replace", "path": "/a/b", "value": 3 },
            { "op": "add", "path": "/d/-", "value": 2 },
            { "op": "remove", "path": "/e~1f" },
        ]);
        assert_eq!(Value::from(json_patch(&before, &after)), operations);
        assert!(json_patch(&before, &before).is_empty());
    }
}
