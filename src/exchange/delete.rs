//! DELETE of a resource (RFC 7644 section 3.6).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::convert::change::{self, Draft, Step, Variables};
use crate::convert::document::{Difference, Purpose};
use crate::convert::failure::Meaning;
use crate::convert::references::References;
use crate::convert::{memo, request};
use crate::exchange::error::ExchangeError;
use crate::exchange::goal::Goal;
use crate::exchange::native::{About, Exchange};
use crate::exchange::recent::Fate;
use crate::exchange::response::ScimResponse;
use crate::exchange::state::{self, Located};
use crate::exchange::version::{self, Conditions, Record};
use crate::mapping::model::{Delete, Outcome, Request, ResourceMapping};
use crate::sidecar::entry::{Entry, EntryState};

/// What is said when the application refuses a deletion and does not say why.
const REFUSED: &str = "the application does not allow this resource to be deleted";

/// Deletes a resource.
pub async fn answer(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    id: &str,
    conditions: &Conditions,
) -> Result<ScimResponse, ExchangeError> {
    exchange.course.deprovisions();
    let _held = exchange.tenant.locks.hold(&resource.name, id).await?;
    let mut located = exchange.locate(resource, id).await?;
    let is_off = matches!(&located.entry, Some(Entry { state: EntryState::Off(_), .. }));
    if matches!(resource.delete, Delete::NotAllowed) {
        let operation = format!("deleting {}", resource.name);
        return Err(ExchangeError::NotSupported { operation });
    }
    let admitted = exchange.admit(resource, &located, conditions).await?;
    exchange.check_deletion(resource, id).await?;
    match &resource.delete {
        Delete::NotAllowed => {}
        Delete::Requests(requests) => {
            // The record that the bridge keeps is not the one that may be there by now.
            let record = admitted.filter(|_| !is_off);
            match remove(exchange, resource, &located, requests, record).await {
                // It has left the application already, unless somebody let it back in.
                Err(error) if is_off && is_gone(&error) => {}
                other => other?,
            }
        }
        Delete::Deactivate => return bury(exchange, resource, &mut located, admitted).await,
    }
    if state::uses_sidecar(resource) {
        let partition = exchange.tenant.partition();
        exchange.tenant.sidecar.remove(&partition, &resource.name, id).await?;
    }
    exchange.unlink(resource, &located.key).await?;
    Ok(ScimResponse::no_content())
}

fn is_gone(error: &ExchangeError) -> bool {
    let gone = Meaning::Outcome(Outcome::NotFound);
    match error {
        ExchangeError::NotFound { .. } => true,
        ExchangeError::Native(failure) => failure.meaning == gone,
        _ => false,
    }
}

async fn remove(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    located: &Located,
    requests: &[Request],
    admitted: Option<Record>,
) -> Result<(), ExchangeError> {
    let mut record = match &admitted {
        Some(record) => record.clone(),
        None if is_read(resource, requests) => exchange.record(resource, &located.key).await?,
        None => Record::from(Value::Null),
    };
    exchange.course.plan(requests.len());
    for request in requests {
        for step in removal(exchange, resource, located, request, &record).await? {
            let sent = send(exchange, resource, &record, step).await;
            let Err(error) = sent else { continue };
            // Somebody else was faster, and the client did not ask for this very version.
            if admitted.is_some() || !is_conflict(resource, &error) {
                return Err(error);
            }
            record = exchange.record(resource, &located.key).await?;
            for step in removal(exchange, resource, located, request, &record).await? {
                send(exchange, resource, &record, step).await?;
            }
        }
    }
    exchange.remember(resource, &located.key, || Fate::Gone);
    Ok(())
}

/// The calls of one request.
async fn removal<'m>(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    located: &Located,
    request: &'m Request,
    record: &Record,
) -> Result<Vec<Step<'m>>, ExchangeError> {
    let native = &record.native;
    let references = References::default();
    let context = exchange.context(resource, &references);
    let view = exchange.view(resource, located, native, &BTreeMap::new()).await?;
    let difference = Difference { native, before: &view, wanted: &view, purpose: Purpose::Update };
    let variables = Variables::new(&context, Some(&located.key), &difference);
    exchange.steps(Draft::plain(request), &variables.scope(&context)).await
}

async fn send(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    record: &Record,
    mut step: Step<'_>,
) -> Result<(), ExchangeError> {
    version::guard(resource, record, &mut step.native);
    let asked = exchange.write(step.request, step.native, About::Resource).await;
    asked.map(drop).map_err(without_values)
}

/// A refusal without a word of the application's: a deletion brings no values that could be wrong.
fn without_values(error: ExchangeError) -> ExchangeError {
    match error {
        ExchangeError::Native(mut failure)
            if failure.meaning == Meaning::Outcome(Outcome::InvalidValue) =>
        {
            failure.detail.get_or_insert_with(|| REFUSED.to_owned());
            ExchangeError::Native(failure)
        }
        other => other,
    }
}

fn is_conflict(resource: &ResourceMapping, error: &ExchangeError) -> bool {
    let conflict = Meaning::Outcome(Outcome::PreconditionFailed);
    let is_it = matches!(error, ExchangeError::Native(failure) if failure.meaning == conflict);
    is_it && version::is_sent(resource)
}

/// Whether the record must be read before it is deleted.
fn is_read(resource: &ResourceMapping, requests: &[Request]) -> bool {
    requests.iter().any(request::sees_resource)
        || version::is_sent(resource)
        || resource.visible.is_some()
}

/// The application cannot delete: the record is switched off and a tombstone hides it.
async fn bury(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    located: &mut Located,
    admitted: Option<Record>,
) -> Result<ScimResponse, ExchangeError> {
    let record = match admitted {
        Some(record) => record,
        None => exchange.native(resource, located).await?,
    };
    let before = exchange.state_before(resource, located, record, &[]).await?;
    let mut wanted = before.view.clone();
    wanted.0.insert("active".to_owned(), Value::Bool(false));
    let goal = Goal::new(wanted, change::everything(resource), BTreeMap::new());
    exchange.carry_out(resource, located, &before, &goal).await?;
    let mut attributes = located.entry.take().unwrap_or_default().attributes;
    attributes.shift_remove(memo::MEMBER);
    let entry = Entry {
        id: located.id.clone(),
        key: located.key.clone(),
        state: EntryState::Deleted,
        attributes,
    };
    exchange.save(resource, &entry).await?;
    Ok(ScimResponse::no_content())
}
