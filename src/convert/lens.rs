//! One row as a lens: get a SCIM value out of a native record, put a wanted one back.

use serde_json::Value;

use crate::convert::context::Context;
use crate::convert::error::ConvertError;
use crate::convert::{key, place, through};
use crate::mapping::model::{OnClear, Row, Source};

/// The row's SCIM value in a native record. `None` when it is unassigned, and also when the
/// native value has no SCIM form: one odd value must not make a whole list unreadable.
pub fn get(context: &Context<'_>, row: &Row, native: &Value) -> Option<Value> {
    match &row.source {
        Source::Path { read, .. } => {
            let value = read.read(native).unwrap_or(&Value::Null);
            let value = through::read(&row.via, &row.empty, value)?;
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

/// The native form of a row's SCIM value, without putting it anywhere.
pub fn native_value(
    context: &Context<'_>,
    row: &Row,
    scim: &Value,
    current: Option<&Value>,
) -> Result<Value, ConvertError> {
    let path = || place::name(&row.place);
    let Some(target) = &row.reference else {
        return through::write(&row.via, scim, current)
            .map_err(|source| ConvertError::Value { path: path(), source });
    };
    let id = key::text(scim).ok_or_else(|| ConvertError::Unwritable { path: path() })?;
    let unknown = || ConvertError::UnknownReference { path: path() };
    let key = context.references.key(context.mapping, target, &id).ok_or_else(unknown)?;
    let rule = &context.mapping.resource(target).ok_or_else(unknown)?.id;
    if !key::is_plausible(rule, &key) {
        return Err(unknown());
    }
    through::write(&row.via, &key::typed(rule, &key), current)
        .map_err(|source| ConvertError::Value { path: path(), source })
}

/// Whether the application has a way to say that nothing is there: a flag that means true when it
/// is missing is not cleared but set, and nobody asked for that.
fn can_be_cleared(context: &Context<'_>, row: &Row, document: &Value) -> bool {
    let Source::Path { read, write: Some(target) } = &row.source else { return false };
    let mut trial = document.clone();
    match row.on_clear {
        OnClear::Null => drop(target.write(&mut trial, Value::Null)),
        OnClear::Empty => drop(target.write(&mut trial, Value::from(""))),
        OnClear::Remove => target.remove(&mut trial),
        OnClear::Omit | OnClear::Reject => return true,
    }
    // What is written elsewhere than it is read cannot be read back.
    !read.overlaps(target) || get(context, row, &trial).is_none()
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
        if !can_be_cleared(context, row, document) {
            return Ok(());
        }
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
