//! A record that no SCIM client has seen stands in the way of a new resource: it is taken over
//! when the mapping says by which value (`adopt`).
//!
//! Taking over accounts by a value that their owners can choose is a known attack, so nothing is
//! taken over unless the value is the only one of its kind on both sides, and each time is told
//! in the log.

use std::borrow::Cow;

use crate::convert::{change, merge, places};
use crate::exchange::error::ExchangeError;
use crate::exchange::goal::Goal;
use crate::exchange::hit::{Sight, Standing, Window};
use crate::exchange::native::Exchange;
use crate::exchange::search::{self, Asked};
use crate::exchange::shown::{self, Change};
use crate::exchange::state::{self, Located, State};
use crate::exchange::{differences, unique};
use crate::mapping::model::{IdSourceRule, Mode, ReplaceMode, ResourceMapping};
use crate::scim::attr::AttrPath;
use crate::scim::filter::ast::{CompareOp, Filter};
use crate::scim::resource::Resource;
use crate::sidecar::entry::Entry;

/// Takes over the record that is in the way of a new resource, as its client `sent` it. What was
/// not sent stays as it is. `None` when it is somebody's.
pub async fn adopt(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    sent: &Resource,
) -> Result<Option<Resource>, ExchangeError> {
    let Some(path) = &resource.adopt else { return Ok(None) };
    let Some((mut located, value)) = find(exchange, resource, path, sent).await? else {
        return Ok(None);
    };
    let _held = exchange.tenant.locks.hold(&resource.name, &located.key).await?;
    if is_seen(exchange, resource, &located.key).await? {
        return Ok(None);
    }
    let record = match exchange.record(resource, &located.key).await {
        Err(ExchangeError::NotFound { .. }) => return Ok(None),
        other => other?,
    };
    let external: Vec<usize> = state::external(resource).collect();
    let before = exchange.state_before(resource, &located, record, &external).await?;
    let is_it = unique::values(&before.view, path).iter().map(unique::folded).eq([value]);
    let Some(wanted) = wanted(resource, &before, sent).filter(|_| is_it) else {
        return Ok(None);
    };
    let deltas = differences::differences(exchange, resource, &before, &wanted).await?;
    let allowed = change::everything(resource);
    let goal = Goal::new(wanted.clone(), allowed, deltas);
    let outcome = exchange.apply(resource, &mut located, &before, &goal).await?;
    enter(exchange, resource, &mut located).await?;
    let (tenant, request_id) =
        (exchange.tenant.name.as_str(), exchange.ambient.request_id.as_str());
    let (kind, id) = (resource.name.as_str(), located.id.as_str());
    tracing::info!(tenant, request_id, resource = kind, id, "adopted");
    let record = match outcome.record {
        Some(record) => record,
        None => exchange.record(resource, &located.key).await?,
    };
    let doubted = shown::doubted(resource, outcome.doubts);
    let change = Change { before: &before.view, wanted: &wanted };
    Ok(Some(shown::view(exchange, resource, &located, &record, change, &doubted).await?))
}

/// The one record with the new resource's one value, if no client has seen it.
async fn find(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    path: &AttrPath,
    sent: &Resource,
) -> Result<Option<(Located, String)>, ExchangeError> {
    let values = unique::values(sent, path);
    let [value] = values.as_slice() else { return Ok(None) };
    let filter = Filter::Compare(path.clone(), CompareOp::Eq, value.clone());
    let window = Window { start: 1, count: 2 };
    let asked = Asked { sight: Sight::Everything, ..Asked::new(Some(&filter), window) };
    let found = match search::search(exchange, resource, asked).await {
        // Where nobody can be looked for, the record is simply in the way.
        Err(ExchangeError::NotSupported { .. } | ExchangeError::TooMany { .. }) => return Ok(None),
        other => other?,
    };
    let mut page = found.page.into_iter();
    let (Some(hit), None) = (page.next(), page.next()) else { return Ok(None) };
    let is_free = hit.located.entry.is_none() && hit.standing == Standing::Shown;
    Ok(is_free.then(|| (hit.located, unique::folded(value))))
}

async fn is_seen(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    key: &str,
) -> Result<bool, ExchangeError> {
    let (partition, keys) = (exchange.tenant.partition(), [key.to_owned()]);
    let entries = exchange.tenant.sidecar.by_keys(&partition, &resource.name, &keys).await?;
    Ok(!entries.is_empty())
}

/// What the record shall be; `None` when it differs in what cannot be changed.
fn wanted(resource: &ResourceMapping, before: &State, sent: &Resource) -> Option<Resource> {
    let mut wanted = merge::merge(resource, ReplaceMode::Soft, sent, &before.view);
    for row in resource.rows.iter().filter(|row| row.mode == Mode::Create) {
        let read = |scim: &Resource| places::read(row, scim).map(Cow::into_owned);
        match (read(&before.view), read(sent)) {
            (Some(have), Some(wanted)) if have != wanted => return None,
            (Some(have), _) => places::write(row, &mut wanted, have),
            (None, _) => places::clear(row, &mut wanted),
        }
    }
    Some(wanted)
}

/// Notes that the record is a client's from now on.
async fn enter(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    located: &mut Located,
) -> Result<(), ExchangeError> {
    if located.entry.is_some() {
        return Ok(());
    }
    let (partition, sidecar) = (exchange.tenant.partition(), &exchange.tenant.sidecar);
    let entry = match resource.id.source {
        IdSourceRule::Issued => {
            sidecar.claim(&partition, &resource.name, &located.key, &located.id).await?
        }
        IdSourceRule::Native => {
            let (id, key) = (located.id.clone(), located.key.clone());
            let entry = Entry { id, key, ..Entry::default() };
            exchange.save(resource, &entry).await?;
            entry
        }
    };
    *located = Located { id: entry.id.clone(), entry: Some(entry), ..located.clone() };
    Ok(())
}
