//! Native keys and SCIM ids, as text and as the application types them.

use std::borrow::Cow;

use serde_json::Value;

use crate::convert::error::ConvertError;
use crate::mapping::model::{IdRule, IdType};

/// A native key as text; `None` when the value cannot be one.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}

/// A key as the application types it.
pub fn typed(rule: &IdRule, key: &str) -> Value {
    match rule.kind {
        IdType::Integer => key.parse::<i64>().map_or_else(|_| Value::from(key), Value::from),
        IdType::String | IdType::Uuid => Value::from(key),
    }
}

/// Whether a key can be one of the application's: of the right type, matching the pattern.
/// Anything else is answered 404 without a call.
pub fn is_plausible(rule: &IdRule, key: &str) -> bool {
    let fits = match rule.kind {
        IdType::String => !key.is_empty(),
        // Only the canonical spelling: "+7" and "007" would be other names of 7.
        IdType::Integer => key.parse::<i64>().is_ok_and(|number| number.to_string() == key),
        // Here too: other spellings would slip past what is known of the canonical one.
        IdType::Uuid => uuid::Uuid::try_parse(key).is_ok_and(|uuid| uuid.to_string() == key),
    };
    fits && rule.pattern.as_ref().is_none_or(|pattern| pattern.is_match(key))
}

/// The key of a record.
pub fn of_record(rule: &IdRule, native: &Value) -> Result<String, ConvertError> {
    rule.path.read(native).and_then(|value| of_value(rule, value)).ok_or(ConvertError::NoKey)
}

/// The key in what stands where the record has it.
fn of_value(rule: &IdRule, value: &Value) -> Option<String> {
    let mut value = Cow::Borrowed(value);
    if let Some(extract) = &rule.extract {
        let text = text(&value)?;
        let captures = extract.captures(&text)?;
        let part = captures.get(1).or_else(|| captures.get(0))?;
        value = Cow::Owned(Value::from(part.as_str()));
    }
    for transform in &rule.via {
        value = Cow::Owned(transform.to_scim(&value).ok()?);
    }
    text(&value)
}

#[cfg(test)]
mod tests {
    use regex::Regex;
    use serde_json::{Value, json};

    use crate::convert::key::{is_plausible, of_record, text, typed};
    use crate::mapping::model::{IdRule, IdSourceRule, IdType};
    use crate::mapping::transform::build;
    use crate::native::path::NativePath;

    fn rule(kind: IdType, pattern: Option<&str>) -> IdRule {
        IdRule {
            path: NativePath::parse("$.id").unwrap(),
            kind,
            source: IdSourceRule::Native,
            pattern: pattern.map(|pattern| Regex::new(pattern).unwrap()),
            extract: None,
            via: Vec::new(),
        }
    }

    fn check_plausible(kind: IdType, key: &str, expected: bool) {
        assert_eq!(is_plausible(&rule(kind, None), key), expected, "{kind:?} {key}");
    }

    #[test]
    fn only_texts_and_numbers_are_keys() {
        let check = |value: Value, expected: Option<&str>| {
            assert_eq!(text(&value).as_deref(), expected, "{value}");
        };
        check(json!("ada"), Some("ada"));
        check(json!(7), Some("7"));
        check(json!(18_446_744_073_709_551_615_u64), Some("18446744073709551615"));
        check(json!(""), None);
        check(json!(null), None);
        check(json!(true), None);
        check(json!([7]), None);
        check(json!({ "id": 7 }), None);
    }

    #[test]
    fn keys_go_back_as_the_application_types_them() {
        let check = |kind: IdType, key: &str, expected: Value| {
            assert_eq!(typed(&rule(kind, None), key), expected, "{kind:?} {key}");
        };
        check(IdType::Integer, "7", json!(7));
        check(IdType::Integer, "seven", json!("seven"));
        check(IdType::String, "7", json!("7"));
        check(IdType::Uuid, "7", json!("7"));
    }

    #[test]
    fn one_key_has_one_spelling() {
        check_plausible(IdType::String, "ada", true);
        check_plausible(IdType::String, "", false);
        check_plausible(IdType::Integer, "7", true);
        check_plausible(IdType::Integer, "-7", true);
        for other in ["007", "+7", "7.0", " 7", "", "ada", "9223372036854775808"] {
            check_plausible(IdType::Integer, other, false);
        }
        check_plausible(IdType::Uuid, "6f1c9a52-3d41-4b9e-9a59-0d8b0a7c1e2f", true);
        check_plausible(IdType::Uuid, "6F1C9A52-3D41-4B9E-9A59-0D8B0A7C1E2F", false);
        check_plausible(IdType::Uuid, "6f1c9a523d414b9e9a590d8b0a7c1e2f", false);
        check_plausible(IdType::Uuid, "ada", false);
    }

    #[test]
    fn a_pattern_is_asked_too() {
        let rule = rule(IdType::Integer, Some("^[0-9]{3}$"));
        assert!(is_plausible(&rule, "123"));
        assert!(!is_plausible(&rule, "12"));
        assert!(!is_plausible(&rule, "012"));
    }

    #[test]
    fn a_key_is_what_remains_of_a_longer_text() {
        let extract = |pattern: &str| IdRule {
            extract: Some(Regex::new(pattern).unwrap()),
            ..rule(IdType::String, None)
        };
        let check = |rule: &IdRule, native: &str, expected: Option<&str>| {
            let key = of_record(rule, &json!({ "id": native })).ok();
            assert_eq!(key.as_deref(), expected, "{native}");
        };
        check(&extract("/users/([^/]+)$"), "https://app.test/users/7", Some("7"));
        check(&extract("[^/]+$"), "https://app.test/users/7", Some("7"));
        check(&extract("/users/([^/]+)$"), "https://app.test/groups/7", None);
        let via = vec![build("strip_prefix", &json!("account:")).unwrap()];
        let strip = IdRule { via, ..rule(IdType::String, None) };
        check(&strip, "account:7", Some("7"));
        check(&strip, "7", None);
        check(&strip, "account:", None);
    }

    #[test]
    fn a_record_without_a_key_is_an_error() {
        let rule = rule(IdType::Integer, None);
        assert_eq!(of_record(&rule, &json!({ "id": 7 })).unwrap(), "7");
        for native in [json!({}), json!({ "id": null }), json!({ "id": "" }), json!([])] {
            assert!(of_record(&rule, &native).is_err(), "{native}");
        }
    }
}
