//! A resource as it is sent: with `meta`, projected.

use serde_json::{Map, Value};

use crate::convert::location;
use crate::exchange::native::Exchange;
use crate::exchange::response::ScimResponse;
use crate::exchange::{state, version};
use crate::mapping::model::{Fetch, ResourceMapping};
use crate::scim::attr::AttrPath;
use crate::scim::projection::{Projection, Wanted};
use crate::scim::resource::Resource;

/// The URL of a resource.
pub fn location(exchange: &Exchange<'_>, resource: &ResourceMapping, id: &str) -> String {
    location::location(&exchange.base, &resource.resource_type.endpoint, id)
}

/// The answer that holds one resource, with its place and its version in the head.
pub fn answer(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    status: u16,
    view: Resource,
    projection: &Projection,
    named: &[AttrPath],
) -> ScimResponse {
    let location = view.id().map(|id| location(exchange, resource, id));
    let version = version::stamped(&view).map(str::to_owned);
    let body = body(exchange, resource, view, projection, named);
    let head = [("Location", location), ("ETag", version)];
    let head = head.into_iter().filter_map(|(name, value)| Some((name, value?)));
    head.fold(ScimResponse::json(status, body), |response, (name, value)| {
        response.with_header(name, value)
    })
}

/// The body of an answer that holds one resource. `named` are attributes that a write request
/// named.
pub fn body(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    mut view: Resource,
    projection: &Projection,
    named: &[AttrPath],
) -> Value {
    refer(exchange, resource, &mut view);
    if let Some(location) = view.id().map(|id| location(exchange, resource, id)) {
        let mut meta = Map::new();
        meta.insert("resourceType".to_owned(), Value::from(resource.name.as_str()));
        if let Some(Value::Object(mapped)) = view.0.shift_remove("meta") {
            meta.extend(mapped);
        }
        meta.insert("location".to_owned(), Value::from(location));
        view.0.insert("meta".to_owned(), Value::Object(meta));
    }
    Value::Object(projection.apply(view, &resource.resource_type, named).0)
}

/// Adds `$ref` where a `value` is the id of another resource.
pub fn refer(exchange: &Exchange<'_>, resource: &ResourceMapping, whole: &mut Resource) {
    let rows = resource.rows.iter().filter(|row| row.place.sub.as_deref() == Some("value"));
    let rows = rows.filter_map(|row| Some((&row.place, row.reference.as_ref()?)));
    let lists = resource.collections.iter();
    let lists = lists.filter_map(|list| Some((&list.place, list.reference.as_ref()?)));
    for (place, target) in rows.chain(lists) {
        let Some(target) = exchange.tenant.mapping.resource(target) else { continue };
        let extension = place.extension.as_deref();
        if whole.get(extension, &place.attribute).is_none() {
            continue;
        }
        match whole.section_mut(extension).get_mut(&place.attribute) {
            Some(Value::Array(elements)) => {
                for element in elements {
                    point(exchange, target, element);
                }
            }
            Some(element) => point(exchange, target, element),
            None => {}
        }
    }
}

fn point(exchange: &Exchange<'_>, target: &ResourceMapping, element: &mut Value) {
    let Some(members) = element.as_object_mut() else { return };
    if let Some(id) = members.get("value").and_then(Value::as_str) {
        let url = location(exchange, target, id);
        members.insert("$ref".to_owned(), Value::from(url));
    }
}

/// The collections behind requests of their own that an answer needs.
pub fn needed(resource: &ResourceMapping, projection: &Projection) -> Vec<usize> {
    let is_needed = |index: &usize| {
        resource.collections.get(*index).is_some_and(|collection| {
            let extension = collection.place.extension.as_deref();
            let attribute = &collection.place.attribute;
            match projection.wants(&resource.resource_type, extension, attribute) {
                Wanted::Named => true,
                Wanted::Yes => collection.fetch == Fetch::Always,
                Wanted::No => false,
            }
        })
    };
    state::external(resource).filter(is_needed).collect()
}
