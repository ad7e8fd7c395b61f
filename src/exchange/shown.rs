//! What an answer to a write shows of collections behind requests of their own.

use serde_json::{Map, Value};

use crate::convert::place;
use crate::convert::references::{Wanted, ids_in};
use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::exchange::state::{self, Located};
use crate::exchange::version::Record;
use crate::mapping::model::{Collection, CollectionSource, ResourceMapping};
use crate::scim::resource::Resource;

/// The view of a record that was just written. Collections behind requests of their own are shown
/// as they were sent, because reading them again would cost a call for nothing; with `doubts`,
/// when the application may not have taken every element, they are read.
pub async fn view(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    located: &Located,
    record: Record,
    wanted: &Resource,
    doubts: bool,
) -> Result<Resource, ExchangeError> {
    let written: Vec<usize> =
        state::external(resource).filter(|index| is_written(resource, *index)).collect();
    if doubts {
        return Ok(exchange.state(resource, located, record, &written).await?.view);
    }
    let mut view = exchange.state(resource, located, record, &[]).await?.view;
    for index in written {
        if let Some(collection) = resource.collections.get(index) {
            show(exchange, resource, collection, wanted, &mut view).await?;
        }
    }
    Ok(view)
}

/// Shows the elements of one collection as they were sent, but for references to nobody.
pub async fn show(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    collection: &Collection,
    wanted: &Resource,
    view: &mut Resource,
) -> Result<(), ExchangeError> {
    let extension = collection.place.extension.as_deref();
    let elements = wanted.get(extension, &collection.place.attribute).and_then(Value::as_array);
    let Some(elements) = elements else { return Ok(()) };
    let mut ids = Wanted::new();
    ids_in(&exchange.tenant.mapping, resource, wanted, &mut ids);
    let references = exchange.resolve(Wanted::new(), ids).await?;
    let is_known = |element: &&Value| match (&collection.reference, element.get("value")) {
        (Some(target), Some(Value::String(id))) => {
            references.key(&exchange.tenant.mapping, target, id).is_some()
        }
        _ => true,
    };
    let list: Vec<Value> = elements.iter().filter(is_known).cloned().collect();
    if !list.is_empty() {
        place::write(&collection.place, view, Value::Array(list), &Map::new());
    }
    Ok(())
}

fn is_written(resource: &ResourceMapping, index: usize) -> bool {
    resource.collections.get(index).is_some_and(|collection| {
        matches!(collection.source, CollectionSource::List(_)) && collection.has_calls()
    })
}
