//! A resource that was sent and the one that is there, merged as PUT does it (RFC 7644 section
//! 3.5.1).

use serde_json::Map;

use crate::convert::change;
use crate::convert::place;
use crate::mapping::model::{Mode, ReplaceMode, ResourceMapping};
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
        let read = |scim: &Resource| place::read(&row.place, row.lenient_match, scim);
        let is_active = row.place.extension.is_none() && row.place.attribute == "active";
        let value = match row.mode {
            Mode::Read => read(before),
            Mode::Create => read(sent).or_else(|| read(before)),
            Mode::Both if is_active || mode == ReplaceMode::Soft => {
                read(sent).or_else(|| read(before))
            }
            Mode::Write | Mode::Both => read(sent),
        };
        if let Some(value) = value {
            place::write(&row.place, &mut wanted, value, &row.emit);
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
