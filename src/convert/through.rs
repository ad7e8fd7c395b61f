//! Values through a list of transforms, both ways.

use std::sync::Arc;

use serde_json::Value;

use crate::mapping::transform::kind::{Transform, TransformError};
use crate::scim::resource::is_unassigned;

/// A native value through transforms, left to right.
pub fn read(via: &[Arc<dyn Transform>], empty: &[Value], native: &Value) -> Option<Value> {
    let is_blank = |value: &Value| value.is_null() || value.as_str() == Some("");
    // A transform may give null a meaning (`timestamp_flag`, `map`): then its result decides.
    if empty.contains(native) && (via.is_empty() || !is_blank(native)) {
        return None;
    }
    let mut value = native.clone();
    for transform in via {
        value = transform.to_scim(&value).ok()?;
    }
    let is_empty = is_unassigned(&value) || empty.contains(&value);
    (!is_empty).then_some(value)
}

/// A SCIM value through the inverses, right to left. `current` is the native value that is there
/// now: a transform keeps it when it already reads as wanted.
pub fn write(
    via: &[Arc<dyn Transform>],
    scim: &Value,
    current: Option<&Value>,
) -> Result<Value, TransformError> {
    // What each transform would be given when reading: its own "current" value.
    let mut stages: Vec<Option<Value>> = vec![current.cloned()];
    for transform in via {
        let next =
            stages.last().cloned().flatten().and_then(|value| transform.to_scim(&value).ok());
        stages.push(next);
    }
    let mut value = scim.clone();
    for (transform, stage) in via.iter().zip(&stages).rev() {
        value = transform.to_native(&value, stage.as_ref())?;
    }
    Ok(value)
}

/// The same for a key of the application's. What puts a prefix before a number takes it as text.
pub fn write_key(
    via: &[Arc<dyn Transform>],
    key: &Value,
    current: Option<&Value>,
) -> Result<Value, TransformError> {
    // `string` says of a numeric key that the application refers to it as text, unless it does not.
    if let (Value::Number(number), Some((last, before))) = (key, via.split_last())
        && last.name() == "string"
    {
        let there = current.cloned().and_then(|current| {
            before.iter().try_fold(current, |value, step| step.to_scim(&value).ok())
        });
        let text = Value::from(number.to_string());
        let is_number = there.is_some_and(|there| there.is_number());
        return write(before, if is_number { key } else { &text }, current);
    }
    let written = write(via, key, current);
    match key {
        Value::Number(number) if written.is_err() => {
            write(via, &Value::from(number.to_string()), current)
        }
        _ => written,
    }
}
