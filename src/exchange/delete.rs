//! DELETE of a resource (RFC 7644 section 3.6).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::convert::change;
use crate::convert::document::{Difference, Purpose};
use crate::convert::request;
use crate::exchange::apply::Goal;
use crate::exchange::error::ExchangeError;
use crate::exchange::native::{About, Exchange};
use crate::exchange::response::ScimResponse;
use crate::exchange::state::{self, Located};
use crate::mapping::model::{Delete, Request, ResourceMapping};
use crate::sidecar::entry::{Entry, EntryState};

/// Deletes a resource.
pub async fn answer(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    id: &str,
) -> Result<ScimResponse, ExchangeError> {
    let _held = exchange.tenant.locks.hold(&resource.name, id).await;
    let mut located = exchange.locate(resource, id).await?;
    let is_off = matches!(&located.entry, Some(Entry { state: EntryState::Off(_), .. }));
    match &resource.delete {
        Delete::NotAllowed => {
            return Err(ExchangeError::NotSupported {
                operation: format!("deleting {}", resource.name),
            });
        }
        // It has left the application already.
        Delete::Requests(_) if is_off => {}
        Delete::Requests(requests) => remove(exchange, resource, &located, requests).await?,
        Delete::Deactivate => return bury(exchange, resource, &mut located).await,
    }
    if state::uses_sidecar(resource) {
        let partition = exchange.tenant.partition();
        exchange.tenant.sidecar.remove(&partition, &resource.name, id).await?;
    }
    Ok(ScimResponse::no_content())
}

async fn remove(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    located: &Located,
    requests: &[Request],
) -> Result<(), ExchangeError> {
    let native = if requests.iter().any(request::needs_record) {
        exchange.record(resource, &located.key).await?
    } else {
        Value::Null
    };
    let references = crate::convert::references::References::default();
    let context = exchange.context(resource, &references);
    let view = exchange.view(resource, located, &native, &BTreeMap::new()).await?;
    let difference =
        Difference { native: &native, before: &view, wanted: &view, purpose: Purpose::Update };
    for step in change::plain_steps(&context, requests, &located.key, &difference)? {
        exchange.call(step.native, &step.request.accept, About::Resource).await?;
    }
    Ok(())
}

/// The application cannot delete: the record is switched off and a tombstone hides it.
async fn bury(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    located: &mut Located,
) -> Result<ScimResponse, ExchangeError> {
    let native = exchange.native(resource, located).await?;
    let before = exchange.state(resource, located, native, &[]).await?;
    let mut wanted = before.view.clone();
    wanted.0.insert("active".to_owned(), Value::Bool(false));
    let goal = Goal { wanted, allowed: change::everything(resource), deltas: BTreeMap::new() };
    exchange.apply(resource, located, &before, &goal).await?;
    let entry = located.entry.take().unwrap_or_default();
    let entry = Entry {
        id: located.id.clone(),
        key: located.key.clone(),
        state: EntryState::Deleted,
        attributes: entry.attributes,
    };
    exchange.tenant.sidecar.save(&exchange.tenant.partition(), &resource.name, &entry).await?;
    Ok(ScimResponse::no_content())
}
