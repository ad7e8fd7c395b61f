//! PUT of a resource (RFC 7644 section 3.5.1).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::convert::change;
use crate::convert::members::{self, Delta};
use crate::convert::place;
use crate::convert::references::{Wanted, ids_in, keys_in_elements};
use crate::exchange::apply::Goal;
use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::exchange::response::ScimResponse;
use crate::exchange::state::{self, State};
use crate::exchange::{create, represent};
use crate::mapping::model::{CollectionSource, Mode, ReplaceMode, ResourceMapping};
use crate::scim::projection::Projection;
use crate::scim::resource::Resource;
use crate::scim::validate;

/// Replaces a resource.
pub async fn answer(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    id: &str,
    body: &Value,
    projection: &Projection,
) -> Result<ScimResponse, ExchangeError> {
    let resource_type = &resource.resource_type;
    let sent = exchange.resource(body, resource_type)?;
    let _held = exchange.tenant.locks.hold(&resource.name, id).await;
    let mut located = exchange.locate(resource, id).await?;
    let native = exchange.native(resource, &located).await?;
    let by_calls: Vec<usize> =
        state::external(resource).filter(|index| is_written(resource, *index)).collect();
    let before = exchange.state(resource, &located, native, &by_calls).await?;
    let mut wanted = merge(resource, &sent, &before.view);
    validate::keep_immutable(&before.view, &mut wanted, resource_type);
    validate::check_immutable(&before.view, &wanted, resource_type)?;
    let deltas = differences(exchange, resource, &before, &wanted).await?;
    let goal = Goal { wanted: wanted.clone(), allowed: change::everything(resource), deltas };
    let outcome = exchange.apply(resource, &mut located, &before, &goal).await?;
    let native = match outcome.native {
        Some(native) => native,
        None => exchange.native(resource, &located).await?,
    };
    let mut view = exchange.view(resource, &located, &native, &BTreeMap::new()).await?;
    create::show_external(resource, &wanted, &mut view);
    let named = create::named_attributes(&sent);
    let body = represent::body(exchange, resource, &view, projection, &named);
    Ok(ScimResponse::json(200, body)
        .with_header("Location", represent::location(exchange, resource, &located.id)))
}

fn is_written(resource: &ResourceMapping, index: usize) -> bool {
    resource
        .collections
        .get(index)
        .is_some_and(|list| list.mode != Mode::Read && list.add.is_some())
}

/// The resource as it is wanted: what was sent, and of what was not sent that which may not be
/// cleared. A missing `active` must not switch anybody off.
fn merge(resource: &ResourceMapping, sent: &Resource, before: &Resource) -> Resource {
    let mut wanted = Resource::default();
    for row in &resource.rows {
        let read = |scim: &Resource| place::read(&row.place, row.lenient_match, scim);
        let is_active = row.place.extension.is_none() && row.place.attribute == "active";
        let value = match row.mode {
            Mode::Read => read(before),
            Mode::Create => read(sent).or_else(|| read(before)),
            Mode::Both if is_active || resource.replace == ReplaceMode::Soft => {
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
        let value = match (collection.mode, resource.replace) {
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

/// What must happen to the collections that have calls of their own.
pub async fn differences(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    before: &State,
    wanted: &Resource,
) -> Result<BTreeMap<usize, Delta>, ExchangeError> {
    let (mut keys, mut ids) = (Wanted::new(), Wanted::new());
    let mapping = &exchange.tenant.mapping;
    crate::convert::references::keys_in(mapping, resource, &before.native, &mut keys);
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
        let has_calls = collection.add.is_some() || collection.remove.is_some();
        if collection.mode == Mode::Read || !has_calls {
            continue;
        }
        let present: Vec<Value> = match &collection.source {
            CollectionSource::Items(path) => {
                path.read_all(&before.native).into_iter().cloned().collect()
            }
            CollectionSource::List(_) => match before.external.get(&index) {
                Some(elements) => elements.clone(),
                // It was not read, so nothing of it is to change.
                None => continue,
            },
        };
        let extension = collection.place.extension.as_deref();
        let list = wanted.get(extension, &collection.place.attribute).and_then(Value::as_array);
        let delta =
            members::between(&context, collection, &present, list.map_or(&[], Vec::as_slice));
        if !delta.is_empty() {
            deltas.insert(index, delta);
        }
    }
    Ok(deltas)
}
