//! One row as a lens: get a SCIM value out of a native record, put a wanted one back.

use std::borrow::Cow;

use serde_json::Value;

use crate::convert::context::Context;
use crate::convert::error::ConvertError;
use crate::convert::formula::{self, Sight};
use crate::convert::{key, places, through};
use crate::mapping::expression::Expression;
use crate::mapping::model::{OnClear, Row, Source};
use crate::native::path::NativePath;
use crate::scim::resource::Resource;

/// The row's SCIM value in a native record. `None` when it is unassigned, and also when the
/// native value has no SCIM form: one odd value must not make a whole list unreadable.
pub fn get(context: &Context<'_>, row: &Row, native: &Value) -> Option<Value> {
    match (&row.source, &row.formulas.to_scim) {
        (Source::Constant(value), _) => places::fitting(row, value.clone()),
        (Source::Sidecar, _) => None,
        (Source::Path { .. } | Source::Paths { .. } | Source::Computed, Some(formula)) => {
            let value = formula::read(context, formula, &row.empty, native)?;
            places::fitting(row, value)
        }
        (Source::Path { .. } | Source::Paths { .. } | Source::Computed, None) => {
            let value = current(row, native).unwrap_or(Cow::Owned(Value::Null));
            read(context, row, &value)
        }
    }
}

/// The SCIM form of a row's native value.
pub fn read(context: &Context<'_>, row: &Row, value: &Value) -> Option<Value> {
    let value = through::read(&row.via, &row.empty, value)?;
    match &row.reference {
        None => places::fitting(row, value),
        Some(target) => {
            let references = context.references;
            references.id_of(context.mapping, target, row.by.as_ref(), &value).map(Value::from)
        }
    }
}

/// The row's native value in a record, before any transform; for several paths an array. `None`
/// when nothing is there.
pub fn current<'n>(row: &Row, native: &'n Value) -> Option<Cow<'n, Value>> {
    match row.sources() {
        [] => None,
        [only] => only.read(native).map(Cow::Borrowed),
        several => {
            let found: Vec<Option<&Value>> = several.iter().map(|path| path.read(native)).collect();
            let is_any = found.iter().any(Option::is_some);
            let value = |found: Option<&Value>| found.cloned().unwrap_or(Value::Null);
            is_any.then(|| Cow::Owned(found.into_iter().map(value).collect()))
        }
    }
}

/// The native form of a row's SCIM value, without putting it anywhere and without regard to the
/// rest of the resource.
pub fn native_value(
    context: &Context<'_>,
    row: &Row,
    scim: &Value,
    current: Option<&Value>,
) -> Result<Value, ConvertError> {
    let path = || places::name(row);
    if let Some(formula) = &row.formulas.to_native {
        return formula::write(context, formula, &alone(row, scim, &Value::Null), path);
    }
    let Some(target) = &row.reference else {
        return through::write(&row.via, scim, current)
            .map_err(|source| ConvertError::Value { path: path(), source });
    };
    let id = key::text(scim).ok_or_else(|| ConvertError::Unwritable { path: path() })?;
    let native = context.references.native_of(context.mapping, target, row.by.as_ref(), &id);
    let native = native.ok_or_else(|| ConvertError::UnknownReference { path: path() })?;
    through::write_key(&row.via, &native, current)
        .map_err(|source| ConvertError::Value { path: path(), source })
}

/// What `to_native` sees of a value whose resource is not known.
fn alone(row: &Row, scim: &Value, native: &Value) -> Sight {
    let mut resource = Resource::default();
    places::write(row, &mut resource, scim.clone());
    Sight { scim: Value::Object(resource.0), old: Value::Null, native: native.clone() }
}

/// Whether the application has a way to say that nothing is there: a flag that means true when it
/// is missing is not cleared but set, and nobody asked for that.
fn can_be_cleared(context: &Context<'_>, row: &Row, document: &Value) -> bool {
    if matches!(row.on_clear, OnClear::Omit | OnClear::Reject) {
        return true;
    }
    let mut trial = document.clone();
    if clear(row, &mut trial).is_err() {
        return true;
    }
    // What is written elsewhere than it is read cannot be read back.
    let is_read = |target: &NativePath| row.sources().iter().any(|source| source.overlaps(target));
    !row.targets().iter().any(is_read) || get(context, row, &trial).is_none()
}

/// Clears the row natively, as it says.
fn clear(row: &Row, document: &mut Value) -> Result<(), ConvertError> {
    let unwritable = |_| ConvertError::Unwritable { path: places::name(row) };
    for target in row.targets() {
        match row.on_clear {
            // A default that makes nothing leaves nothing to write.
            OnClear::Null | OnClear::Default => {
                target.write(document, Value::Null).map_err(unwritable)?;
            }
            OnClear::Empty => target.write(document, Value::from("")).map_err(unwritable)?,
            OnClear::Omit => {}
            OnClear::Remove => target.remove(document),
            OnClear::Reject => {
                return Err(ConvertError::NotClearable { path: places::name(row) });
            }
        }
    }
    Ok(())
}

/// Puts a wanted value (or `None`, to clear) into a native document.
pub fn put(
    context: &Context<'_>,
    row: &Row,
    document: &mut Value,
    wanted: Option<&Value>,
) -> Result<(), ConvertError> {
    let sight = wanted.map(|wanted| alone(row, wanted, document));
    put_seeing(context, row, document, wanted, sight.as_ref())
}

/// The same for a value whose resource is known: `to_native` sees all of it.
pub fn put_seeing(
    context: &Context<'_>,
    row: &Row,
    document: &mut Value,
    wanted: Option<&Value>,
    sight: Option<&Sight>,
) -> Result<(), ConvertError> {
    if !row.is_written() {
        return Ok(());
    }
    let native = match (wanted, &row.formulas.to_native, sight) {
        (None, Some(formula), Some(sight)) => cleared(context, row, formula, document, sight),
        (None, ..) => None,
        (Some(_), Some(formula), Some(sight)) => {
            let value = formula::write(context, formula, sight, || places::name(row))?;
            Some(value).filter(|value| !value.is_null())
        }
        (Some(wanted), ..) => {
            let current = current(row, document);
            Some(native_value(context, row, wanted, current.as_deref())?)
        }
    };
    match native {
        Some(native) => set(row, document, native),
        None if can_be_cleared(context, row, document) => clear(row, document),
        None => Ok(()),
    }
}

/// What an expression makes of a resource in which the row's attribute is absent. Null and an
/// expression that needs the attribute clear the row as it says itself; what would read as a flag
/// is not cleared but set, and nobody asked for that.
fn cleared(
    context: &Context<'_>,
    row: &Row,
    formula: &Expression,
    document: &Value,
    sight: &Sight,
) -> Option<Value> {
    if matches!(row.on_clear, OnClear::Omit | OnClear::Reject) {
        return None;
    }
    let value = formula::write(context, formula, sight, || places::name(row)).ok()?;
    if value.is_null() {
        return None;
    }
    let mut trial = document.clone();
    set(row, &mut trial, value.clone()).ok()?;
    let is_flag = matches!(get(context, row, &trial), Some(Value::Bool(_)));
    (!is_flag).then_some(value)
}

/// Writes a native value where the row has it: over several paths, one element of it to each.
fn set(row: &Row, document: &mut Value, native: Value) -> Result<(), ConvertError> {
    let unwritable = || ConvertError::Unwritable { path: places::name(row) };
    let targets = row.targets();
    let values = match (targets, native) {
        ([_], native) => vec![native],
        (_, Value::Array(values)) if values.len() == targets.len() => values,
        _ => return Err(unwritable()),
    };
    for (target, value) in targets.iter().zip(values) {
        let have = target.read(document);
        let is_nothing = targets.len() > 1 && value.is_null() && have.is_none();
        if have != Some(&value) && !is_nothing {
            target.write(document, value).map_err(|_| unwritable())?;
        }
    }
    Ok(())
}

/// Whether the document has this native value where the row writes it.
pub fn is_set(row: &Row, document: &Value, native: &Value) -> bool {
    match (row.targets(), native) {
        ([only], native) => only.read(document) == Some(native),
        (targets, Value::Array(values)) if targets.len() == values.len() => targets
            .iter()
            .zip(values)
            .all(|(target, value)| target.read(document).unwrap_or(&Value::Null) == value),
        _ => false,
    }
}
