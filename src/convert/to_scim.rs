//! A native record as a SCIM resource.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::convert::context::Context;
use crate::convert::elements::native_elements;
use crate::convert::{collection, lens, memo, place, places};
use crate::mapping::model::{Collection, CollectionSource, Deactivate, Mode, Row, Source};
use crate::scim::resource::{Resource, is_unassigned};

/// What the bridge keeps of a resource beside its record.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kept<'a> {
    /// Attributes, shaped like a resource; `None` when nothing is kept.
    pub attributes: Option<&'a Map<String, Value>>,
    /// Whether the record is in the application.
    pub presence: Presence,
}

/// Whether a resource's record is in the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Presence {
    /// It is.
    #[default]
    Present,
    /// It was deleted there when the resource was switched off.
    Left,
}

/// The SCIM view of a record. Collections behind requests of their own are not in it; `meta` has
/// only what rows give it.
pub fn view(context: &Context<'_>, id: &str, native: &Value, kept: Kept<'_>) -> Resource {
    let resource = context.resource;
    let mut scim = Resource::default();
    scim.0.insert("schemas".to_owned(), Value::Null);
    scim.0.insert("id".to_owned(), Value::from(id));
    for row in &resource.rows {
        if row.mode == Mode::Write {
            continue;
        }
        let memo = kept.attributes.and_then(|kept| memo::recall(row, kept, native)).cloned();
        let value = match &row.source {
            Source::Sidecar => kept.attributes.and_then(|attributes| kept_value(row, attributes)),
            Source::Path { .. } | Source::Paths { .. } | Source::Computed | Source::Constant(_) => {
                memo.or_else(|| lens::get(context, row, native))
            }
        };
        if let Some(value) = value {
            places::write(row, &mut scim, value);
        }
    }
    for collection in &resource.collections {
        if matches!(collection.source, CollectionSource::Items(_)) {
            let elements = native_elements(collection, native);
            set_collection(context, collection, elements.iter().map(Cow::as_ref), &mut scim);
        }
    }
    if matches!(resource.deactivate, Deactivate::Delete) {
        let active = kept.presence == Presence::Present;
        scim.0.insert("active".to_owned(), Value::Bool(active));
    }
    set_schemas(context, &mut scim);
    scim
}

/// Puts the elements of a collection into a resource.
pub fn set_collection<'n>(
    context: &Context<'_>,
    collection: &Collection,
    elements: impl IntoIterator<Item = &'n Value>,
    scim: &mut Resource,
) {
    let elements = elements.into_iter();
    let list: Vec<Value> = elements
        .filter_map(|native| collection::get_element(context, collection, native))
        .collect();
    if !list.is_empty() {
        place::write(&collection.place, scim, Value::Array(list), &Map::new());
    }
}

fn kept_value(row: &Row, attributes: &Map<String, Value>) -> Option<Value> {
    places::read_strictly(row, &Resource(attributes.clone())).map(Cow::into_owned)
}

/// Lists the core schema and the extensions that have values (RFC 7643 section 3).
pub fn set_schemas(context: &Context<'_>, scim: &mut Resource) {
    let resource_type = &context.resource.resource_type;
    let mut schemas = vec![Value::from(resource_type.core.id.as_str())];
    for extension in &resource_type.extensions {
        let urn = extension.schema.id.as_str();
        if scim.0.get(urn).is_some_and(|section| !is_unassigned(section)) {
            schemas.push(Value::from(urn));
        }
    }
    scim.0.insert("schemas".to_owned(), Value::Array(schemas));
}
