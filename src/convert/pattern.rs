//! What texts must match before they may be written (`pattern` of a row).

use regex::Regex;
use serde_json::Value;

use crate::convert::error::ConvertError;
use crate::convert::{place, places};
use crate::mapping::model::{Collection, Mode, ResourceMapping};
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
        let new = elements(collection, wanted).iter().filter(|element| !have.contains(element));
        check_elements(collection, new)?;
    }
    Ok(())
}

/// Refuses elements of a collection that hold such a text.
pub fn check_elements<'e>(
    collection: &Collection,
    elements: impl IntoIterator<Item = &'e Value>,
) -> Result<(), ConvertError> {
    for element in elements {
        for item in &collection.items {
            let (Some(pattern), Some(value)) = (&item.pattern, element.get(&item.sub)) else {
                continue;
            };
            if !fits(pattern, value) {
                let path = format!("{}.{}", place::name(&collection.place), item.sub);
                return Err(ConvertError::Pattern { path });
            }
        }
    }
    Ok(())
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
