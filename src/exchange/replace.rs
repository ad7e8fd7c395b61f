//! PUT of a resource (RFC 7644 section 3.5.1).

use serde_json::Value;

use crate::convert::{change, merge};
use crate::exchange::error::ExchangeError;
use crate::exchange::goal::{Conflict, Goal, Way};
use crate::exchange::native::Exchange;
use crate::exchange::response::ScimResponse;
use crate::exchange::shown::{self, Change};
use crate::exchange::state;
use crate::exchange::told::Told;
use crate::exchange::version::Conditions;
use crate::exchange::{create, differences, enrolled, represent};
use crate::mapping::model::{Mode, ResourceMapping};
use crate::scim::immutable;
use crate::scim::projection::Projection;

/// Replaces a resource.
pub async fn answer(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    id: &str,
    body: &[u8],
    projection: &Projection,
    conditions: &Conditions,
) -> Result<ScimResponse, ExchangeError> {
    let resource_type = &resource.resource_type;
    let (mut sent, mut enrolled) = enrolled::read(exchange, resource, body)?;
    let _held = exchange.tenant.locks.hold(&resource.name, id).await?;
    let mut located = exchange.locate(resource, id).await?;
    let record = match exchange.admit(resource, &located, conditions).await? {
        Some(record) => record,
        None => exchange.native(resource, &located).await?,
    };
    if state::is_off(&located) {
        enrolled::put_back(resource, std::mem::take(&mut enrolled), &mut sent);
    }
    let is_read = |index: &usize| is_written(resource, *index) && !enrolled.contains_key(index);
    let by_calls: Vec<usize> = state::external(resource).filter(is_read).collect();
    let mut before = exchange.state_before(resource, &located, record, &by_calls).await?;
    let mut wanted = merge::merge(resource, resource.replace, &sent, &before.view);
    // Whoever switches off somebody who is switched off already may know better.
    if sent.0.get("active") == Some(&Value::Bool(false))
        && let Some(record) = exchange.came_back(resource, &mut located).await?
    {
        before = exchange.state_before(resource, &located, record, &by_calls).await?;
        wanted = merge::merge(resource, resource.replace, &sent, &before.view);
    }
    immutable::keep_immutable(&before.view, &mut wanted, resource_type);
    immutable::check_immutable(&before.view, &wanted, resource_type)?;
    let mut deltas = differences::differences(exchange, resource, &before, &wanted).await?;
    let members =
        enrolled::differences(exchange, resource, &located, &before.native, &mut enrolled);
    deltas.extend(members.await?);
    let goal = Goal {
        way: Way::Replace,
        conflict: Conflict::under(conditions),
        ..Goal::new(wanted, change::everything(resource), deltas)
    };
    let outcome = exchange.apply(resource, &mut located, &before, &goal).await?;
    let record = match outcome.record {
        Some(record) => record,
        None => exchange.native(resource, &located).await?,
    };
    let mut doubted = shown::doubted(resource, outcome.doubts);
    doubted.retain(|index| !enrolled.contains_key(index));
    let change = Change { before: &before.view, wanted: &goal.wanted };
    let view = shown::view(exchange, resource, &located, &record, change, &doubted).await?;
    let mut named = create::named_attributes(&sent);
    named.extend(enrolled::named(resource, &enrolled));
    let response = represent::answer(exchange, resource, 200, view, projection, &named);
    let mut told = Told::new(exchange, resource, response, projection, &named);
    if outcome.doubts {
        let members: Vec<usize> = enrolled.keys().copied().collect();
        told.read(&members, &located, &record.native).await?;
    } else {
        enrolled::tell(exchange, resource, &enrolled, &mut told).await?;
    }
    Ok(told.finish())
}

fn is_written(resource: &ResourceMapping, index: usize) -> bool {
    resource.collections.get(index).is_some_and(|list| list.mode != Mode::Read && list.has_calls())
}
