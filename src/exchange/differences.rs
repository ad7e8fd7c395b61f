//! What must happen to collections that have calls of their own, for a resource to become what is
//! wanted.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use crate::convert::delta::{self, Delta};
use crate::convert::elements::native_elements;
use crate::convert::references::{Wanted, ids_in, keys_in, keys_in_elements};
use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::exchange::state::State;
use crate::mapping::model::{CollectionSource, Mode, ResourceMapping};
use crate::scim::resource::Resource;

/// What must happen to the collections that have calls of their own.
pub async fn differences(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    before: &State,
    wanted: &Resource,
) -> Result<BTreeMap<usize, Delta>, ExchangeError> {
    let (mut keys, mut ids) = (Wanted::new(), Wanted::new());
    let mapping = &exchange.tenant.mapping;
    keys_in(mapping, resource, &before.native, &mut keys);
    for (index, elements) in &before.external {
        if let Some(collection) = resource.collections.get(*index) {
            keys_in_elements(mapping, collection, elements, &mut keys);
        }
    }
    ids_in(mapping, resource, wanted, &mut ids);
    let references = exchange.resolve(keys, ids).await?;
    exchange.check_references(resource, &before.view, wanted, &references)?;
    let context = exchange.context(resource, &references);
    let mut deltas = BTreeMap::new();
    for (index, collection) in resource.collections.iter().enumerate() {
        if collection.mode == Mode::Read || !collection.has_calls() {
            continue;
        }
        let present: Vec<Value> = match &collection.source {
            CollectionSource::Items(_) => {
                let elements = native_elements(collection, &before.native);
                elements.into_iter().map(Cow::into_owned).collect()
            }
            CollectionSource::List(_) => match before.external.get(&index) {
                Some(elements) => elements.clone(),
                // It was not read, so nothing of it is to change.
                None => continue,
            },
        };
        let extension = collection.place.extension.as_deref();
        let list = wanted.get(extension, &collection.place.attribute).and_then(Value::as_array);
        let delta = delta::between(&context, collection, &present, list.map_or(&[], Vec::as_slice));
        if !delta.is_empty() {
            deltas.insert(index, delta);
        }
    }
    Ok(deltas)
}
