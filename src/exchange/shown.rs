//! What an answer to a write shows of collections behind requests of their own.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::convert::collection::identity;
use crate::convert::place;
use crate::convert::references::{References, Wanted, ids_in};
use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::exchange::state::{self, Located};
use crate::exchange::version::Record;
use crate::mapping::model::{Collection, Mapping, ResourceMapping};
use crate::scim::resource::Resource;

/// A resource before a change, as far as it was read, and as it was to be.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// What was read before.
    pub before: &'a Resource,
    /// What the client wanted.
    pub wanted: &'a Resource,
}

/// The view of a record that was just written. Collections behind requests of their own are shown
/// as they are to be, because reading them again would cost a call for nothing; where there are
/// any, those that are `doubted` are read.
pub async fn view(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    located: &Located,
    record: &Record,
    change: Change<'_>,
    doubted: &[usize],
) -> Result<Resource, ExchangeError> {
    let (mut view, _) = exchange.read_view(resource, located, record, doubted).await?;
    for index in written(resource).filter(|_| doubted.is_empty()) {
        if let Some(collection) = resource.collections.get(index) {
            show(exchange, resource, collection, change, &mut view).await?;
        }
    }
    Ok(view)
}

/// The collections of which the application may not have taken every element, when there are
/// doubts.
pub fn doubted(resource: &ResourceMapping, doubts: bool) -> Vec<usize> {
    written(resource).filter(|_| doubts).collect()
}

/// Whether the answer to a change shows elements of such a collection.
pub fn shows_elements(resource: &ResourceMapping, wanted: &Resource) -> bool {
    written(resource).any(|index| {
        resource.collections.get(index).is_some_and(|collection| {
            let extension = collection.place.extension.as_deref();
            wanted.get(extension, &collection.place.attribute).is_some()
        })
    })
}

/// Shows the elements of one collection as they are to be, but for references to nobody. What a
/// member is called is the application's to say: of one that nobody has read, nothing is shown but
/// who it is.
pub async fn show(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    collection: &Collection,
    change: Change<'_>,
    view: &mut Resource,
) -> Result<(), ExchangeError> {
    let Change { before, wanted } = change;
    let extension = collection.place.extension.as_deref();
    let elements_of = |resource: &'_ Resource| {
        let elements = resource.get(extension, &collection.place.attribute);
        elements.and_then(Value::as_array).cloned()
    };
    let Some(elements) = elements_of(wanted) else { return Ok(()) };
    let mut ids = Wanted::new();
    ids_in(&exchange.tenant.mapping, resource, wanted, &mut ids);
    let references = exchange.resolve(Wanted::new(), ids).await?;
    let mapping = &exchange.tenant.mapping;
    let is_known = |element: &&Value| is_known(mapping, collection, &references, element);
    let told = elements_of(before).unwrap_or_default();
    let told: BTreeMap<Vec<String>, Value> =
        told.into_iter().map(|element| (identity(collection, &element), element)).collect();
    let shown = |element: &Value| match told.get(&identity(collection, element)) {
        _ if collection.reference.is_none() => element.clone(),
        Some(told) => told.clone(),
        None => key_of(collection, element),
    };
    let list: Vec<Value> = elements.iter().filter(is_known).map(shown).collect();
    if !list.is_empty() {
        place::write(&collection.place, view, Value::Array(list), &Map::new());
    }
    Ok(())
}

/// Whether an element refers to somebody whom the bridge can name to the application.
pub fn is_known(
    mapping: &Mapping,
    collection: &Collection,
    references: &References,
    element: &Value,
) -> bool {
    match (&collection.reference, element.get("value")) {
        (Some(target), Some(Value::String(id))) => references.key(mapping, target, id).is_some(),
        _ => true,
    }
}

/// What makes an element the same as another, without the rest.
fn key_of(collection: &Collection, element: &Value) -> Value {
    let members = collection.key.iter();
    let members = members.filter_map(|name| Some((name.clone(), element.get(name)?.clone())));
    Value::Object(members.collect())
}

fn written(resource: &ResourceMapping) -> impl Iterator<Item = usize> {
    let has_calls =
        |index: &usize| resource.collections.get(*index).is_some_and(Collection::has_calls);
    state::external(resource).filter(has_calls)
}
