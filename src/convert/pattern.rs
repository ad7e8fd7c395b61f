//! What texts must match before they may be written (`pattern` of a row).

use regex::Regex;
use serde_json::Value;

use crate::convert::error::ConvertError;
use crate::convert::{place, places};
use crate::mapping::model::{Collection, ItemRow, Mode, ResourceMapping};
use crate::scim::resource::Resource;

/// Refuses a text that does not match, unless it has been there before.
pub fn check(
    resource: &ResourceMapping,
    before: &Resource,
    wanted: &Resource,
) -> Result<(), ConvertError> {
    for row in resource.rows.iter().filter(|row| row.mode != Mode::Read) {
        let Some(pattern) = &row.pattern else { continue };
        let Some(value) = places::read(row, wanted) else { continue };
        if places::read(row, before).as_ref() != Some(&value) && !fits(pattern, &value) {
            return Err(ConvertError::Pattern { path: places::name(row) });
        }
    }
    for collection in resource.collections.iter().filter(|list| list.mode != Mode::Read) {
        let have = elements(collection, before);
        let wanted = elements(collection, wanted).iter();
        // Few do not match. To look for every element of a large group among those that were
        // there would take as many steps as both have together multiplied.
        let new = wanted.filter(|it| misfit(collection, it).is_some() && !have.contains(it));
        check_elements(collection, new)?;
    }
    Ok(())
}

/// Refuses elements of a collection that hold such a text.
pub fn check_elements<'e>(
    collection: &Collection,
    elements: impl IntoIterator<Item = &'e Value>,
) -> Result<(), ConvertError> {
    match elements.into_iter().find_map(|element| misfit(collection, element)) {
        Some(sub) => {
            let path = format!("{}.{sub}", place::name(&collection.place));
            Err(ConvertError::Pattern { path })
        }
        None => Ok(()),
    }
}

/// The sub-attribute of an element that holds such a text.
fn misfit<'c>(collection: &'c Collection, element: &Value) -> Option<&'c str> {
    let is_unfit = |item: &&ItemRow| {
        let (Some(pattern), Some(value)) = (&item.pattern, element.get(&item.sub)) else {
            return false;
        };
        !fits(pattern, value)
    };
    collection.items.iter().find(is_unfit).map(|item| item.sub.as_str())
}

fn elements<'r>(collection: &Collection, resource: &'r Resource) -> &'r [Value] {
    let extension = collection.place.extension.as_deref();
    let list = resource.get(extension, &collection.place.attribute);
    list.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Whether every text in a value matches.
fn fits(pattern: &Regex, value: &Value) -> bool {
    match value {
        Value::String(text) => pattern.is_match(text),
        Value::Array(values) => values.iter().all(|value| fits(pattern, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => true,
    }
}
