//! PUT of a resource (RFC 7644 section 3.5.1).

use serde_json::Value;

use crate::convert::{change, merge};
use crate::exchange::error::ExchangeError;
use crate::exchange::goal::{Conflict, Goal, Way};
use crate::exchange::native::Exchange;
use crate::exchange::response::ScimResponse;
use crate::exchange::shown::{self, Change};
use crate::exchange::state;
use crate::exchange::version::Conditions;
use crate::exchange::{create, differences, represent};
use crate::mapping::model::{Mode, ResourceMapping};
use crate::scim::immutable;
use crate::scim::projection::Projection;

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
    let _held = exchange.tenant.locks.hold(&resource.name, id).await?;
    let mut located = exchange.locate(resource, id).await?;
    let record = match exchange.admit(resource, &located, conditions).await? {
        Some(record) => record,
        None => exchange.native(resource, &located).await?,
    };
    let by_calls: Vec<usize> =
        state::external(resource).filter(|index| is_written(resource, *index)).collect();
    let mut before = exchange.state(resource, &located, record, &by_calls).await?;
    let mut wanted = merge::merge(resource, resource.replace, &sent, &before.view);
    // Whoever switches off somebody who is switched off already may know better.
    if sent.0.get("active") == Some(&Value::Bool(false))
        && let Some(record) = exchange.came_back(resource, &mut located).await?
    {
        before = exchange.state(resource, &located, record, &by_calls).await?;
        wanted = merge::merge(resource, resource.replace, &sent, &before.view);
    }
    immutable::keep_immutable(&before.view, &mut wanted, resource_type);
    immutable::check_immutable(&before.view, &wanted, resource_type)?;
    let deltas = differences::differences(exchange, resource, &before, &wanted).await?;
    let goal = Goal {
        way: Way::Replace,
        conflict: Conflict::under(conditions),
        ..Goal::new(wanted.clone(), change::everything(resource), deltas)
    };
    let outcome = exchange.apply(resource, &mut located, &before, &goal).await?;
    let record = match outcome.record {
        Some(record) => record,
        None => exchange.native(resource, &located).await?,
    };
    let doubts = outcome.doubts;
    let change = Change { before: &before.view, wanted: &wanted };
    let view = shown::view(exchange, resource, &located, &record, change, doubts).await?;
    let named = create::named_attributes(&sent);
    Ok(represent::answer(exchange, resource, 200, view, projection, &named))
}

fn is_written(resource: &ResourceMapping, index: usize) -> bool {
    resource.collections.get(index).is_some_and(|list| list.mode != Mode::Read && list.has_calls())
}
