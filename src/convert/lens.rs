//! One row as a lens: get a SCIM value out of a native record, put a wanted one back.

use std::sync::Arc;

use serde_json::Value;

use crate::convert::context::Context;
use crate::convert::error::ConvertError;
use crate::convert::{key, place};
use crate::mapping::model::{OnClear, Row, Source};
use crate::mapping::transform::kind::{Transform, TransformError};
use crate::scim::resource::is_unassigned;

/// The row's SCIM value in a native record. `None` when it is unassigned, and also when the
/// native value has no SCIM form: one odd value must not make a whole list unreadable.
pub fn get(context: &Context<'_>, row: &Row, native: &Value) -> Option<Value> {
    match &row.source {
        Source::Path { read, .. } => {
            let value = read.read(native).unwrap_or(&Value::Null);
            let value = read_through(&row.via, &row.empty, value)?;
            match &row.reference {
                None => Some(value),
                Some(target) => {
                    let key = key::text(&value)?;
                    context.references.id(context.mapping, target, &key).map(Value::from)
                }
            }
        }
        Source::Constant(value) => Some(value.clone()),
        Source::Sidecar => None,
    }
}

/// A native value through transforms, left to right.
pub fn read_through(via: &[Arc<dyn Transform>], empty: &[Value], native: &Value) -> Option<Value> {
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
pub fn write_through(
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

/// The native form of a row's SCIM value, without putting it anywhere.
pub fn native_value(
    context: &Context<'_>,
    row: &Row,
    scim: &Value,
    current: Option<&Value>,
) -> Result<Value, ConvertError> {
    let path = || place::name(&row.place);
    let Some(target) = &row.reference else {
        return write_through(&row.via, scim, current)
            .map_err(|source| ConvertError::Value { path: path(), source });
    };
    let id = key::text(scim).ok_or_else(|| ConvertError::Unwritable { path: path() })?;
    let unknown = || ConvertError::UnknownReference { path: path() };
    let key = context.references.key(context.mapping, target, &id).ok_or_else(unknown)?;
    let rule = &context.mapping.resource(target).ok_or_else(unknown)?.id;
    if !key::is_plausible(rule, &key) {
        return Err(unknown());
    }
    write_through(&row.via, &key::typed(rule, &key), current)
        .map_err(|source| ConvertError::Value { path: path(), source })
}

/// Puts a wanted value (or `None`, to clear) into a native document.
pub fn put(
    context: &Context<'_>,
    row: &Row,
    document: &mut Value,
    wanted: Option<&Value>,
) -> Result<(), ConvertError> {
    let Source::Path { read, write: Some(target) } = &row.source else { return Ok(()) };
    let unwritable = || ConvertError::Unwritable { path: place::name(&row.place) };
    let Some(wanted) = wanted else {
        let cleared = match row.on_clear {
            OnClear::Null => Value::Null,
            OnClear::Empty => Value::from(""),
            OnClear::Omit => return Ok(()),
            OnClear::Remove => {
                target.remove(document);
                return Ok(());
            }
            OnClear::Reject => {
                return Err(ConvertError::NotClearable { path: place::name(&row.place) });
            }
        };
        return target.write(document, cleared).map_err(|_| unwritable());
    };
    let current = read.read(document).cloned();
    let native = native_value(context, row, wanted, current.as_ref())?;
    if target.read(document) == Some(&native) {
        return Ok(());
    }
    target.write(document, native).map_err(|_| unwritable())
}
