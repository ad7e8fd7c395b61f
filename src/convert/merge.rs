//! A resource that was sent and the one that is there, merged as PUT does it (RFC 7644 section
//! 3.5.1).

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::convert::{change, place, places};
use crate::mapping::model::{Mode, ReplaceMode, ResourceMapping, Row};
use crate::scim::resource::Resource;

/// The resource as it is wanted: what was sent, and of what was not sent that which may not be
/// cleared. A missing `active` must not switch anybody off.
pub fn merge(
    resource: &ResourceMapping,
    mode: ReplaceMode,
    sent: &Resource,
    before: &Resource,
) -> Resource {
    let mut wanted = Resource::default();
    for row in &resource.rows {
        let read = |scim: &Resource| places::read(row, scim).map(Cow::into_owned);
        let is_active = row.place.extension.is_none() && row.place.attribute == "active";
        let value = match row.mode {
            Mode::Read => read(before),
            Mode::Create => overlaid(row, read(sent), read(before)),
            // What a memo holds is not the application's to lose.
            Mode::Both if is_active || row.memo || mode == ReplaceMode::Soft => {
                overlaid(row, read(sent), read(before))
            }
            Mode::Write | Mode::Both => read(sent),
        };
        if let Some(value) = value {
            places::write(row, &mut wanted, value);
        }
    }
    for collection in &resource.collections {
        let extension = collection.place.extension.as_deref();
        let read = |scim: &Resource| scim.get(extension, &collection.place.attribute).cloned();
        let value = match (collection.mode, mode) {
            (Mode::Read, _) => read(before),
            (_, ReplaceMode::Soft) => read(sent).or_else(|| read(before)),
            (_, ReplaceMode::Strict) => read(sent),
        };
        if let Some(value) = value {
            place::write(&collection.place, &mut wanted, value, &Map::new());
        }
    }
    if change::has_switch(resource) {
        let active = sent.0.get("active").or_else(|| before.0.get("active"));
        if let Some(active) = active {
            wanted.0.insert("active".to_owned(), active.clone());
        }
    }
    wanted
}

/// What was sent, or else what is there: of several attributes each by itself.
fn overlaid(row: &Row, sent: Option<Value>, before: Option<Value>) -> Option<Value> {
    match (sent, before) {
        (Some(Value::Array(sent)), Some(Value::Array(before))) if row.is_several() => {
            let either =
                |(sent, before): (Value, Value)| if sent.is_null() { before } else { sent };
            Some(sent.into_iter().zip(before).map(either).collect())
        }
        (sent, before) => sent.or(before),
    }
}
