//! Native keys and SCIM ids, as text and as the application types them.

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
        IdType::Uuid => uuid::Uuid::try_parse(key).is_ok(),
    };
    fits && rule.pattern.as_ref().is_none_or(|pattern| pattern.is_match(key))
}

/// The key of a record.
pub fn of_record(rule: &IdRule, native: &Value) -> Result<String, ConvertError> {
    rule.path.read(native).and_then(text).ok_or(ConvertError::NoKey)
}
