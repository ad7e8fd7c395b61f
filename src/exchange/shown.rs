//! What an answer to a write shows of collections behind requests of their own.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::convert::collection::identity;
use crate::convert::place;
use crate::convert::references::{Wanted, ids_in};
use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::exchange::state::{self, Located};
use crate::exchange::version::Record;
use crate::mapping::model::{Collection, CollectionSource, ResourceMapping};
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
/// as they are to be, because reading them again would cost a call for nothing; with `doubts`,
/// when the application may not have taken every element, they are read.
pub async fn view(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    located: &Located,
    record: &Record,
    change: Change<'_>,
    doubts: bool,
) -> Result<Resource, ExchangeError> {
    let written: Vec<usize> =
        state::external(resource).filter(|index| is_written(resource, *index)).collect();
    if doubts {
        return Ok(exchange.read_view(resource, located, record, &written).await?.0);
    }
    let (mut view, _) = exchange.read_view(resource, located, record, &[]).await?;
    for index in written {
        if let Some(collection) = resource.collections.get(index) {
            show(exchange, resource, collection, change, &mut view).await?;
        }
    }
    Ok(view)
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
    let is_known = |element: &&Value| match (&collection.reference, element.get("value")) {
        (Some(target), Some(Value::String(id))) => {
            references.key(&exchange.tenant.mapping, target, id).is_some()
        }
        _ => true,
    };
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

/// What makes an element the same as another, without the rest.
fn key_of(collection: &Collection, element: &Value) -> Value {
    let members = collection.key.iter();
    let members = members.filter_map(|name| Some((name.clone(), element.get(name)?.clone())));
    Value::Object(members.collect())
}

fn is_written(resource: &ResourceMapping, index: usize) -> bool {
    resource.collections.get(index).is_some_and(|collection| {
        matches!(collection.source, CollectionSource::List(_)) && collection.has_calls()
    })
}
