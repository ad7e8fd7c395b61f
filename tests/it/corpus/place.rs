//! Places in an answer: `$.a.b`, `$.a[0]`, `$.emails[type=work].value` (the first match, in any
//! letter case), `$.members[*].value` (a list), `$["urn:…:User"].department`.
#![cfg(test)]

use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

static STEP: LazyLock<Regex> = LazyLock::new(|| {
    let names = r#"\.(?P<dot>[A-Za-z0-9_$-]+)|\["(?P<quoted>[^"]*)"\]"#;
    let elements =
        r"\[(?P<index>\d+)\]|\[(?P<all>\*)\]|\[(?P<key>[A-Za-z0-9_$]+)=(?P<wanted>[^\]]*)\]";
    Regex::new(&format!("^(?:{names}|{elements})")).unwrap()
});

/// The value at a place.
pub(super) fn look(root: &Value, place: &str) -> Option<Value> {
    walk(root, place.strip_prefix('$').unwrap_or_else(|| panic!("{place} begins with $")))
}

fn walk(node: &Value, rest: &str) -> Option<Value> {
    if rest.is_empty() {
        return Some(node.clone());
    }
    let step = STEP.captures(rest).unwrap_or_else(|| panic!("{rest} is no place"));
    let rest = rest.strip_prefix(&step[0])?;
    if step.name("all").is_some() {
        return Some(node.as_array()?.iter().filter_map(|item| walk(item, rest)).collect());
    }
    walk(next(node, &step)?, rest)
}

fn next<'v>(node: &'v Value, step: &Captures<'_>) -> Option<&'v Value> {
    if let Some(name) = step.name("dot").or_else(|| step.name("quoted")) {
        return node.as_object()?.get(name.as_str());
    }
    let items = node.as_array()?;
    if let Some(index) = step.name("index") {
        return items.get(index.as_str().parse::<usize>().unwrap());
    }
    let wanted = step["wanted"].to_lowercase();
    items.iter().find(|item| {
        item.get(&step["key"]).is_some_and(|found| {
            let text = found.as_str().map_or_else(|| found.to_string(), str::to_lowercase);
            text == wanted
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places_are_found() {
        let root = json!({
            "a": [{ "type": "Work", "on": true, "v": 1 }, { "type": "home", "v": 2 }, {}],
            "urn:x:y": { "z": null },
        });
        let check = |place: &str, expected: Option<Value>| {
            assert_eq!(look(&root, place), expected, "{place}");
        };
        check("$", Some(root.clone()));
        check("$.a[1].v", Some(json!(2)));
        check("$.a[9].v", None);
        check("$.a[*].v", Some(json!([1, 2])));
        check("$.a[type=work].v", Some(json!(1)));
        check("$.a[on=true].v", Some(json!(1)));
        check("$.a[type=other].v", None);
        check(r#"$["urn:x:y"].z"#, Some(json!(null)));
        check("$.a.v", None);
    }
}
