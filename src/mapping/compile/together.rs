//! Rows over several SCIM places (`a + b`) or several native ones (`path: [..]`).

use serde_json::Value;

/// The places that a row's key names, as written; one for most rows.
pub(crate) fn parts(key: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut quoted) = (0, false);
    for (position, character) in key.char_indices() {
        match character {
            '"' => quoted = !quoted,
            '+' if !quoted => {
                parts.push(key.get(start..position).unwrap_or_default().trim());
                start = position + 1;
            }
            _ => {}
        }
    }
    parts.push(key.get(start..).unwrap_or_default().trim());
    parts
}

/// A step of `via` that knows how many values it splits into or joins.
pub(crate) fn counted(step: &Value, places: usize, paths: usize) -> Value {
    let mut step = step.clone();
    if let Value::Object(members) = &mut step {
        if members.contains_key("split") && places > 1 {
            members.insert("parts".to_owned(), Value::from(places));
        }
        if members.contains_key("join") && paths > 1 {
            members.insert("parts".to_owned(), Value::from(paths));
        }
    }
    step
}

#[cfg(test)]
mod tests {
    use crate::mapping::compile::together::parts;

    #[test]
    fn keys_are_taken_apart_outside_of_quotes() {
        assert_eq!(parts("userName"), ["userName"]);
        assert_eq!(
            parts("name.givenName + name.familyName"),
            ["name.givenName", "name.familyName"]
        );
        assert_eq!(parts("a+b + c"), ["a", "b", "c"]);
        assert_eq!(parts("emails[type eq \"a+b\"].value"), ["emails[type eq \"a+b\"].value"]);
        assert_eq!(parts("a +"), ["a", ""]);
    }
}
