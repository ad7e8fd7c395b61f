//! PUT of a resource (RFC 7644 section 3.5.1).

use serde_json::{Map, Value};

use crate::convert::change;
use crate::convert::{place, places};
use crate::exchange::apply::Goal;
use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::exchange::response::ScimResponse;
use crate::exchange::state;
use crate::exchange::version::Conditions;
use crate::exchange::{create, differences, represent, shown};
use crate::mapping::model::{Mode, ReplaceMode, ResourceMapping};
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
    conditions: &Conditions,
) -> Result<ScimResponse, ExchangeError> {
    let resource_type = &resource.resource_type;
    let sent = exchange.resource(body, resource_type)?;
    let _held = exchange.tenant.locks.hold(&resource.name, id).await;
    let mut located = exchange.locate(resource, id).await?;
    let record = match exchange.admit(resource, &located, conditions).await? {
        Some(record) => record,
        None => exchange.native(resource, &located).await?,
    };
    let by_calls: Vec<usize> =
        state::external(resource).filter(|index| is_written(resource, *index)).collect();
    let mut before = exchange.state(resource, &located, record, &by_calls).await?;
    let mut wanted = merge(resource, &sent, &before.view);
    // Whoever switches off somebody who is switched off already may know better.
    if sent.0.get("active") == Some(&Value::Bool(false))
        && let Some(record) = exchange.came_back(resource, &mut located).await?
    {
        before = exchange.state(resource, &located, record, &by_calls).await?;
        wanted = merge(resource, &sent, &before.view);
    }
    validate::keep_immutable(&before.view, &mut wanted, resource_type);
    validate::check_immutable(&before.view, &wanted, resource_type)?;
    let deltas = differences::differences(exchange, resource, &before, &wanted).await?;
    let goal = Goal { wanted: wanted.clone(), allowed: change::everything(resource), deltas };
    let outcome = exchange.apply(resource, &mut located, &before, &goal).await?;
    let record = match outcome.record {
        Some(record) => record,
        None => exchange.native(resource, &located).await?,
    };
    let doubts = outcome.doubts;
    let view = shown::view(exchange, resource, &located, record, &wanted, doubts).await?;
    let named = create::named_attributes(&sent);
    Ok(represent::answer(exchange, resource, 200, &view, projection, &named))
}

fn is_written(resource: &ResourceMapping, index: usize) -> bool {
    resource
        .collections
        .get(index)
        .is_some_and(|list| list.mode != Mode::Read && list.add.is_some())
}

/// What was sent, and before it what was there: of several values each by itself.
fn overlaid(sent: Option<Value>, before: Option<Value>) -> Option<Value> {
    match (sent, before) {
        (Some(Value::Array(sent)), Some(Value::Array(before))) if sent.len() == before.len() => {
            let either =
                |(sent, before): (Value, Value)| if sent.is_null() { before } else { sent };
            Some(sent.into_iter().zip(before).map(either).collect())
        }
        (sent, before) => sent.or(before),
    }
}

/// The resource as it is wanted: what was sent, and of what was not sent that which may not be
/// cleared. A missing `active` must not switch anybody off.
fn merge(resource: &ResourceMapping, sent: &Resource, before: &Resource) -> Resource {
    let mut wanted = Resource::default();
    for row in &resource.rows {
        let read = |scim: &Resource| places::read(row, scim);
        let is_active = row.place.extension.is_none() && row.place.attribute == "active";
        let value = match row.mode {
            Mode::Read => read(before),
            Mode::Create => read(sent).or_else(|| read(before)),
            Mode::Both if is_active || resource.replace == ReplaceMode::Soft => {
                read(sent).or_else(|| read(before))
            }
            // What a memo holds is not the application's to lose.
            Mode::Both if row.memo => overlaid(read(sent), read(before)),
            Mode::Write | Mode::Both => read(sent),
        };
        if let Some(value) = value {
            places::write(row, &mut wanted, value);
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
