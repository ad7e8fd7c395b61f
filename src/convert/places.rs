//! A row's SCIM value in a resource: what stands at its place, or, for several places, an array
//! with one entry for each.

use std::borrow::Cow;

use serde_json::Value;

use crate::convert::place;
use crate::mapping::model::Row;
use crate::scim::resource::Resource;

/// The row's value as a client sends it; `None` when all of it is unassigned.
pub fn read<'r>(row: &Row, resource: &'r Resource) -> Option<Cow<'r, Value>> {
    read_with(row, row.lenient_match, resource)
}

/// The row's value as the bridge itself writes it.
pub fn read_strictly<'r>(row: &Row, resource: &'r Resource) -> Option<Cow<'r, Value>> {
    read_with(row, false, resource)
}

fn read_with<'r>(row: &Row, lenient: bool, resource: &'r Resource) -> Option<Cow<'r, Value>> {
    if !row.is_several() {
        return place::read(&row.place, lenient, resource).map(Cow::Borrowed);
    }
    let at = |place| place::read(place, lenient, resource).cloned().unwrap_or(Value::Null);
    let values: Vec<Value> = row.places().map(at).collect();
    is_any(&values).then(|| Cow::Owned(Value::Array(values)))
}

/// Puts a value; entries that are null, or not there, clear their places.
pub fn write(row: &Row, resource: &mut Resource, value: Value) {
    if !row.is_several() {
        return place::write(&row.place, resource, value, &row.emit);
    }
    let Value::Array(values) = value else { return };
    let mut values = values.into_iter();
    for place in row.places() {
        match values.next() {
            Some(Value::Null) | None => place::clear(place, resource),
            Some(value) => place::write(place, resource, value, &row.emit),
        }
    }
}

/// Takes the value away.
pub fn clear(row: &Row, resource: &mut Resource) {
    row.places().for_each(|place| place::clear(place, resource));
}

/// The places as SCIM paths, for messages.
pub fn name(row: &Row) -> String {
    let names: Vec<String> = row.places().map(place::name).collect();
    names.join(" + ")
}

/// A value that a row made, if it is one for its places; `None` when it is unassigned.
pub fn fitting(row: &Row, value: Value) -> Option<Value> {
    if !row.is_several() {
        return Some(value);
    }
    value.as_array().is_some_and(|values| is_any(values)).then_some(value)
}

fn is_any(values: &[Value]) -> bool {
    values.iter().any(|value| !value.is_null())
}
