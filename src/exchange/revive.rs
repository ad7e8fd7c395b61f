//! A name is taken by a record that SCIM clients have deleted and the application could not
//! (`delete: deactivate`): it comes back to life with the values of the new resource.

use serde_json::Value;

use crate::convert::{change, places};
use crate::exchange::differences;
use crate::exchange::error::ExchangeError;
use crate::exchange::goal::Goal;
use crate::exchange::hit::{Hit, Sight, Window};
use crate::exchange::native::Exchange;
use crate::exchange::search::{self, Asked};
use crate::exchange::shown::{self, Change};
use crate::exchange::state::{self, Located};
use crate::exchange::version::Record;
use crate::mapping::model::{IdSourceRule, Mode, ResourceMapping};
use crate::scim::attr::AttrPath;
use crate::scim::filter::ast::{CompareOp, Filter};
use crate::scim::resource::Resource;
use crate::sidecar::entry::{EntryState, Retired};

/// Revives the record that owns the name. `None` when it is somebody's, or nobody can be found.
pub async fn revive(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    wanted: &Resource,
) -> Result<Option<Resource>, ExchangeError> {
    let Some((mut located, native)) = find(exchange, resource, wanted).await? else {
        return Ok(None);
    };
    let _held = exchange.tenant.locks.hold(&resource.name, &located.id).await?;
    // Another request may have revived it while this one waited.
    let (partition, ids) = (exchange.tenant.partition(), [located.id.clone()]);
    let entry = exchange.tenant.sidecar.by_ids(&partition, &resource.name, &ids).await?.pop();
    if entry.is_none_or(|entry| entry.state != EntryState::Deleted) {
        return Ok(None);
    }
    // A resource that is created again must not come back with what it was allowed before.
    exchange.leave_groups(resource, &located, &native).await?;
    let external: Vec<usize> = state::external(resource).collect();
    let record = Record::from(native);
    let mut before = exchange.state_before(resource, &located, record, &external).await?;
    if change::has_switch(resource) {
        before.view.0.insert("active".to_owned(), Value::Bool(false));
    }
    let mut wanted = wanted.clone();
    wanted.0.entry("active").or_insert(Value::Bool(true));
    for row in resource.rows.iter().filter(|row| row.mode == Mode::Create) {
        if let Some(value) = places::read(row, &before.view) {
            places::write(row, &mut wanted, value.into_owned());
        }
    }
    let deltas = differences::differences(exchange, resource, &before, &wanted).await?;
    let allowed = change::everything(resource);
    let goal = Goal::new(wanted.clone(), allowed, deltas);
    let outcome = exchange.apply(resource, &mut located, &before, &goal).await?;
    forget_tombstone(exchange, resource, &located).await?;
    let record = match outcome.record {
        Some(record) => record,
        None => exchange.record(resource, &located.key).await?,
    };
    let doubted = shown::doubted(resource, outcome.doubts);
    let change = Change { before: &before.view, wanted: &wanted };
    Ok(Some(shown::view(exchange, resource, &located, &record, change, &doubted).await?))
}

/// The deleted record of this name.
async fn find(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    wanted: &Resource,
) -> Result<Option<(Located, Value)>, ExchangeError> {
    let name = ["userName", "displayName"].into_iter().find_map(|attr| {
        let value = wanted.0.get(attr)?.clone();
        let path = AttrPath { urn: None, attr: attr.to_owned(), sub: None };
        Some(Filter::Compare(path, CompareOp::Eq, value))
    });
    let deleted = exchange.retired(resource).await?.deleted;
    let Some(filter) = name.filter(|_| deleted > 0) else { return Ok(None) };
    let window = Window { start: 1, count: exchange.tenant.max_results };
    let asked = Asked { sight: Sight::Everything, ..Asked::new(Some(&filter), window) };
    let found = match search::search(exchange, resource, asked).await {
        // Where nobody can be looked for, the name is simply taken.
        Err(ExchangeError::NotSupported { .. } | ExchangeError::TooMany { .. }) => return Ok(None),
        other => other?,
    };
    let ids: Vec<String> = found.page.iter().map(|hit| hit.located.id.clone()).collect();
    let deleted = exchange.retired_among(resource, Retired::Deleted, &ids).await?;
    let is_deleted = |hit: &Hit| deleted.iter().any(|entry| entry.id == hit.located.id);
    let hit = found.page.into_iter().find(is_deleted);
    Ok(hit.map(|Hit { located, native, .. }| (located, native.into_value())))
}

async fn forget_tombstone(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    located: &Located,
) -> Result<(), ExchangeError> {
    let partition = exchange.tenant.partition();
    let sidecar = &exchange.tenant.sidecar;
    let is_needed = resource.id.source == IdSourceRule::Issued
        || state::keeps_attributes(resource)
        || resource.adopt.is_some();
    match &located.entry {
        Some(entry) if is_needed => exchange.save(resource, entry).await?,
        _ => sidecar.remove(&partition, &resource.name, &located.id).await?,
    }
    Ok(())
}
