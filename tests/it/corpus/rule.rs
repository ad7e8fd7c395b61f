//! What an answer must show: a place or a header, and one operator.
#![cfg(test)]

use regex::Regex;
use serde_json::{Value, json};

use crate::corpus::place::look;
use crate::http::Answer;

const OPERATORS: [&str; 16] = [
    "equals",
    "not_equals",
    "equals_ci",
    "one_of",
    "exists",
    "absent",
    "empty",
    "contains",
    "not_contains",
    "starts_with",
    "ends_with",
    "matches",
    "type",
    "length",
    "min_length",
    "set_equals",
];

/// Why the rule does not hold; `None` when it does.
pub(super) fn fault(rule: &Value, body: Option<&Value>, answer: &Answer) -> Option<String> {
    let (what, found) = match (&rule["header"], &rule["path"]) {
        (Value::String(name), _) => {
            let found = answer.header(&name.to_ascii_lowercase()).map(Value::from);
            (format!("header {name}"), found)
        }
        (_, Value::String(path)) => (path.clone(), body.and_then(|body| look(body, path))),
        _ => panic!("{rule} looks at nothing"),
    };
    let operator = operator(rule);
    let wanted = &rule[operator];
    if holds(operator, wanted, found.as_ref()) {
        return None;
    }
    let found = found.map_or_else(|| "nothing".to_owned(), |found| found.to_string());
    Some(format!("{what}: wanted {operator} {wanted}, found {found}"))
}

fn operator(rule: &Value) -> &'static str {
    let known = OPERATORS.into_iter().find(|operator| rule.get(operator).is_some());
    known.unwrap_or_else(|| panic!("{rule:?} has no operator"))
}

/// Null counts as nothing where presence is asked for, as SCIM has it.
fn holds(operator: &str, wanted: &Value, found: Option<&Value>) -> bool {
    let present = found.filter(|found| !found.is_null());
    match operator {
        "equals" => found.is_some_and(|found| same(found, wanted)),
        "not_equals" => !found.is_some_and(|found| same(found, wanted)),
        "equals_ci" => lower(found).is_some_and(|found| Some(found) == lower(Some(wanted))),
        "one_of" => found.is_some_and(|found| items(wanted).iter().any(|one| same(found, one))),
        "exists" => present.is_some() == (*wanted == true),
        "absent" => present.is_none() == (*wanted == true),
        "empty" => {
            let nothing = [json!([]), json!(""), json!({})];
            present.is_none_or(|found| nothing.contains(found)) == (*wanted == true)
        }
        "contains" => contains(found, wanted),
        "not_contains" => !contains(found, wanted),
        "starts_with" => {
            found.and_then(Value::as_str).is_some_and(|it| it.starts_with(text(wanted)))
        }
        "ends_with" => found.and_then(Value::as_str).is_some_and(|it| it.ends_with(text(wanted))),
        "matches" => {
            let pattern = Regex::new(text(wanted)).expect("a pattern");
            found.and_then(Value::as_str).is_some_and(|it| pattern.is_match(it))
        }
        "type" => found.is_some_and(|found| is_of(found, text(wanted))),
        "length" => length(found).is_some_and(|length| *wanted == length),
        "min_length" => length(found) >= wanted.as_u64(),
        "set_equals" => {
            let sorted = |value: &Value| {
                let mut items: Vec<String> = items(value).iter().map(Value::to_string).collect();
                items.sort();
                items
            };
            found.is_some_and(|found| found.is_array() && sorted(found) == sorted(wanted))
        }
        other => panic!("no operator {other}"),
    }
}

/// 1 and 1.0 are the same, `true` and `"true"` are not.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        _ => left == right,
    }
}

/// Of a text a part in any letter case, of a list a whole item.
fn contains(found: Option<&Value>, wanted: &Value) -> bool {
    match found {
        Some(Value::String(found)) => found.to_lowercase().contains(&text(wanted).to_lowercase()),
        Some(found) => items(found).iter().any(|item| same(item, wanted)),
        None => false,
    }
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "integer" => value.is_u64() || value.is_i64(),
        other => panic!("no type {other}"),
    }
}

fn length(found: Option<&Value>) -> Option<u64> {
    let length = match found? {
        Value::Array(items) => items.len(),
        Value::String(text) => text.chars().count(),
        _ => return None,
    };
    u64::try_from(length).ok()
}

fn lower(value: Option<&Value>) -> Option<String> {
    value?.as_str().map(str::to_lowercase)
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} stands where a text belongs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators() {
        let body = json!({
            "n": 2, "yes": true, "no": null, "name": "Ada", "list": ["b", "a"], "none": [],
        });
        let answer = Answer {
            status: 200,
            headers: vec![("location".to_owned(), "/Users/1".to_owned())],
            body: Vec::new(),
        };
        let check = |rule: Value, expected: bool| {
            let fault = fault(&rule, Some(&body), &answer);
            assert_eq!(fault.is_none(), expected, "{rule}: {fault:?}");
        };
        check(json!({ "path": "$.n", "equals": 2.0 }), true);
        check(json!({ "path": "$.yes", "equals": "true" }), false);
        check(json!({ "path": "$.gone", "equals": null }), false);
        check(json!({ "path": "$.gone", "not_equals": 1 }), true);
        check(json!({ "path": "$.name", "equals_ci": "ADA" }), true);
        check(json!({ "path": "$.gone", "equals_ci": "ADA" }), false);
        check(json!({ "path": "$.n", "one_of": [1, 2] }), true);
        check(json!({ "path": "$.n", "one_of": [1] }), false);
        check(json!({ "path": "$.no", "exists": true }), false);
        check(json!({ "path": "$.no", "absent": true }), true);
        check(json!({ "path": "$.none", "empty": true }), true);
        check(json!({ "path": "$.list", "empty": true }), false);
        check(json!({ "path": "$.name", "contains": "dA" }), true);
        check(json!({ "path": "$.list", "contains": "A" }), false);
        check(json!({ "path": "$.list", "not_contains": "c" }), true);
        check(json!({ "path": "$.name", "starts_with": "a" }), false);
        check(json!({ "path": "$.name", "ends_with": "da" }), true);
        check(json!({ "header": "Location", "matches": "/Users/[^/]+$" }), true);
        check(json!({ "header": "ETag", "matches": "." }), false);
        check(json!({ "path": "$.n", "type": "integer" }), true);
        check(json!({ "path": "$.yes", "type": "integer" }), false);
        check(json!({ "path": "$.list", "length": 2 }), true);
        check(json!({ "path": "$.n", "length": 2 }), false);
        check(json!({ "path": "$.list", "min_length": 3 }), false);
        check(json!({ "path": "$.gone", "min_length": 1 }), false);
        check(json!({ "path": "$.list", "set_equals": ["a", "b"] }), true);
        check(json!({ "path": "$.list", "set_equals": ["a", "b", "b"] }), false);
    }
}
