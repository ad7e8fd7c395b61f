//! Making a record and everything that belongs to it: for POST, and for a resource that is
//! switched on again after it has left the application.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::convert::change::{self, Draft, Variables};
use crate::convert::context::Context;
use crate::convert::delta::{Delta, Whole};
use crate::convert::document::{self, Difference, Purpose};
use crate::convert::failure::Meaning;
use crate::convert::memo::Before;
use crate::convert::references::{Wanted, ids_in, names_in};
use crate::convert::{key, places, record, request};
use crate::exchange::error::{ExchangeError, Mismatch};
use crate::exchange::goal::{Goal, Outcome};
use crate::exchange::kept;
use crate::exchange::names;
use crate::exchange::native::{About, Exchange};
use crate::exchange::recent::Fate;
use crate::exchange::shown::{self, Change};
use crate::exchange::state::{self, Located};
use crate::exchange::upstream::UpstreamError;
use crate::exchange::version::Record;
use crate::mapping::model::{self, Carries, IdSourceRule, Mode, ResourceMapping, Source};
use crate::scim::resource::Resource;
use crate::sidecar::entry::{Entry, EntryState};
use crate::sidecar::links::UNBORN;

/// A record that was made.
#[derive(Debug)]
pub struct Made {
    /// Where it is.
    pub located: Located,
    /// The record.
    pub record: Record,
    /// Whether the application may not have taken every element of a collection.
    doubts: bool,
    /// Its view, where that is known already.
    view: Option<Resource>,
}

impl Made {
    /// The view of the new record.
    pub async fn view(
        &self,
        exchange: &Exchange<'_>,
        resource: &ResourceMapping,
        wanted: &Resource,
    ) -> Result<Resource, ExchangeError> {
        if let Some(view) = &self.view {
            return Ok(view.clone());
        }
        let change = Change { before: &Resource::default(), wanted };
        let doubted = shown::doubted(resource, self.doubts);
        shown::view(exchange, resource, &self.located, &self.record, change, &doubted).await
    }
}

/// Makes the record and everything that belongs to it.
///
/// `identity` is that of a resource that comes back; `None` makes a new one.
pub async fn make(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    wanted: &Resource,
    identity: Option<&Located>,
) -> Result<Made, ExchangeError> {
    let mut ids = Wanted::new();
    let nothing = Resource::default();
    ids_in(&exchange.tenant.mapping, resource, wanted, &mut ids);
    names_in(&exchange.tenant.mapping, resource, &nothing, wanted, &mut ids);
    let references = exchange.resolve(Wanted::new(), ids).await?;
    exchange.check_references(resource, &Resource::default(), wanted, &references)?;
    let context = exchange.context(resource, &references);
    let difference =
        Difference { native: &Value::Null, before: &nothing, wanted, purpose: Purpose::Create };
    let drafts = drafts(&context, &difference, identity)?;
    let was_doubtful = exchange.is_doubtful(resource, wanted).await?;
    let unborn = exchange.link_ahead(resource, &nothing, wanted, UNBORN).await?;
    exchange.course.plan(drafts.len());
    let mut located: Option<Located> = None;
    let mut last: Option<Record> = None;
    for draft in drafts {
        let request = draft.request;
        let own = located.as_ref().map(|located| located.key.clone());
        let mut variables = Variables::new(&context, own.as_deref(), &difference);
        if let Some(key) = own.as_ref().filter(|_| request::sees_record(request)) {
            let record = match last.take() {
                Some(record) => record,
                None => exchange.record(resource, key).await.map_err(not_there)?,
            };
            variables = variables.seeing(&record.native);
            last = Some(record);
        }
        let about = if own.is_some() { About::Resource } else { About::Endpoint };
        for step in exchange.steps(draft, &variables.scope(&context)).await? {
            let response = match exchange.write(request, step.native, about).await {
                Err(error) if located.is_none() && made_nothing(&error) => {
                    // What became of an earlier attempt is still to be found out.
                    if !was_doubtful {
                        exchange.unlink_unborn(resource, &unborn).await?;
                    }
                    return Err(error);
                }
                other => other?,
            };
            let made = record::record(resource, request, &response);
            if located.is_none() {
                let from_record =
                    made.as_ref().and_then(|made| key::of_record(&resource.id, made).ok());
                let key = record::new_key(request, &response).or(from_record);
                let key = key.ok_or_else(|| match &request.id {
                    Some(_) => Mismatch::of(request, "the new record's id where `id` says"),
                    None => Mismatch::record(request),
                })?;
                // A later step may fail, and the next attempt must find what is there.
                exchange.remember(resource, &key, || Fate::There(None));
                if identity.is_none() {
                    exchange.course.made();
                    names::check_address(resource, &key)?;
                }
                located = Some(enter(exchange, &context, wanted, key, identity).await?);
            }
            let made = made.filter(|_| request.id.is_none());
            let made =
                made.and_then(|made| Record::complete(resource, request, made, &response).ok());
            // What an earlier answer told is not the record after a request that writes some of
            // it, nor is its version the one after any request.
            let writes = !request.carries.is_empty() || resource.version.is_some();
            last = made.or_else(|| last.filter(|_| !writes));
        }
    }
    let mut located = located.ok_or_else(|| Mismatch::between("creating", "a record"))?;
    let Outcome { record, doubts } =
        finish(exchange, resource, &mut located, last, wanted).await.map_err(not_there)?;
    let record = match record {
        Some(record) => record,
        None => exchange.record(resource, &located.key).await.map_err(not_there)?,
    };
    exchange.remember(resource, &located.key, || Fate::There(Some(record.native.clone())));
    exchange.link_written(resource, &located.key, wanted).await?;
    let mut made = Made { located, record, doubts, view: None };
    if !exchange.indexed(resource).is_empty() {
        // The application may have made something else of what was wanted.
        let view = made.view(exchange, resource, wanted).await?;
        exchange.link_written(resource, &made.located.key, &view).await?;
        made.view = Some(view);
    }
    exchange.unlink_unborn(resource, &unborn).await?;
    Ok(made)
}

/// Whether it is certain that this attempt made nothing: the application has said so, or has not
/// heard of it.
fn made_nothing(error: &ExchangeError) -> bool {
    match error {
        // 503 may be the word of a proxy that knows no more than we do.
        ExchangeError::Native(failure) => match failure.meaning {
            Meaning::Outcome(outcome) => outcome != model::Outcome::Unavailable,
            Meaning::Credentials => true,
            Meaning::Broken => false,
        },
        ExchangeError::Upstream(error) => matches!(
            error,
            UpstreamError::Unreachable(_)
                | UpstreamError::Unresolved(_)
                | UpstreamError::Throttled { .. }
                | UpstreamError::Crowded
                | UpstreamError::LeftAlone { .. }
                | UpstreamError::Late
                | UpstreamError::SignIn(_)
        ),
        ExchangeError::NotRecorded(_) => true,
        _ => false,
    }
}

/// A record that was made a moment ago and cannot be found is the application's fault: to an
/// identity provider 404 would mean that there is nobody.
fn not_there(error: ExchangeError) -> ExchangeError {
    match error {
        ExchangeError::NotFound { .. } => {
            Mismatch::between("reading what was made a moment ago", "the record")
        }
        other => other,
    }
}

/// What rows make of the requests, before anything is sent. A new record whose rows write a key
/// that could not stand in a URL is refused: it would be there, and nobody could ask for it.
fn drafts<'m>(
    context: &Context<'m>,
    difference: &Difference<'_>,
    identity: Option<&Located>,
) -> Result<Vec<Draft<'m>>, ExchangeError> {
    let resource = context.resource;
    let mut drafts = Vec::with_capacity(resource.create.len());
    for request in &resource.create {
        let document = document::put(context, difference, &request.carries)?;
        if identity.is_none()
            && let Ok(key) = key::of_record(&resource.id, &document)
        {
            names::check_address(resource, &key)?;
        }
        drafts.push(change::create_draft(resource, request, difference, &document));
    }
    Ok(drafts)
}

/// Notes the new record in the side-car, where its type needs that.
async fn enter(
    exchange: &Exchange<'_>,
    context: &Context<'_>,
    wanted: &Resource,
    key: String,
    identity: Option<&Located>,
) -> Result<Located, ExchangeError> {
    let resource = context.resource;
    let partition = exchange.tenant.partition();
    let sidecar = &exchange.tenant.sidecar;
    let is_issued = resource.id.source == IdSourceRule::Issued;
    let before = Before { native: &Value::Null, attributes: None };
    let attributes = kept::attributes(context, before, wanted);
    if let Some(identity) = identity {
        // It stays switched off in the side-car until everything of it is back, but its new key
        // must not be lost: the same request again goes on from there.
        let _held = exchange.tenant.locks.hold_kept(&resource.name, &identity.id).await?;
        let ids = [identity.id.clone()];
        let kept = sidecar.by_ids(&partition, &resource.name, &ids).await?.pop();
        let entry = Entry { key: key.clone(), ..kept.ok_or(ExchangeError::Busy)? };
        exchange.save(resource, &entry).await?;
        return Ok(Located { id: identity.id.clone(), key, entry: Some(entry) });
    }
    if !is_issued && attributes.is_empty() && resource.adopt.is_none() {
        forget_former(exchange, resource, &key).await?;
        return Ok(Located { id: key.clone(), key, entry: None });
    }
    let proposed = if is_issued { exchange.ambient.ids.uuid() } else { key.clone() };
    let claimed = sidecar.claim(&partition, &resource.name, &key, &proposed).await?;
    let is_another = claimed.state != EntryState::Live && is_issued;
    if is_another {
        sidecar.remove(&partition, &resource.name, &claimed.id).await?;
    }
    let id = if is_another { proposed } else { claimed.id.clone() };
    let entry = Entry { id, key: key.clone(), attributes, state: EntryState::Live };
    // An id alone is kept with the claim.
    if entry != claimed {
        exchange.save(resource, &entry).await?;
    }
    Ok(Located { id: entry.id.clone(), key, entry: Some(entry) })
}

/// Forgets who had the key of a new record before: it was another, who may be here by another key
/// now. Nearly always there was nobody, and reading waits for nobody who writes.
async fn forget_former(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    key: &str,
) -> Result<(), ExchangeError> {
    if !state::uses_sidecar(resource) {
        return Ok(());
    }
    let partition = exchange.tenant.partition();
    let sidecar = &exchange.tenant.sidecar;
    let ids = [key.to_owned()];
    for former in sidecar.by_ids(&partition, &resource.name, &ids).await? {
        sidecar.remove(&partition, &resource.name, &former.id).await?;
    }
    Ok(())
}

/// What creating has not carried: further routes, switching off, collections.
async fn finish(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    located: &mut Located,
    last: Option<Record>,
    wanted: &Resource,
) -> Result<Outcome, ExchangeError> {
    let allowed = change::left_by_create(resource);
    let deltas = new_elements(resource, wanted);
    let nothing = Resource::default();
    let probe =
        Difference { native: &Value::Null, before: &nothing, wanted, purpose: Purpose::Create };
    let rows = allowed.rows.iter().filter_map(|index| resource.rows.get(*index));
    let is_left = rows.into_iter().any(|row| row.is_written() && probe.touches_row(row));
    let switches = change::switch(resource, &probe).is_some();
    if !is_left && !switches && deltas.is_empty() {
        return Ok(Outcome { record: last, doubts: false });
    }
    let record = match last {
        Some(record) => record,
        None => exchange.record(resource, &located.key).await?,
    };
    let state = exchange.state_before(resource, located, record, &[]).await?;
    let goal = goal_after_create(resource, &state.view, wanted, allowed, deltas);
    // What comes back may itself have to be made: the way down is boxed.
    Box::pin(exchange.apply_live(resource, located, &state, &goal)).await
}

/// The view of the new record with what is still to be written: everything else is already as
/// it should be, or as the application would have it.
fn goal_after_create(
    resource: &ResourceMapping,
    view: &Resource,
    wanted: &Resource,
    allowed: Carries,
    deltas: BTreeMap<usize, Delta>,
) -> Goal {
    let mut goal = view.clone();
    for (index, row) in resource.rows.iter().enumerate() {
        let is_left =
            allowed.rows.contains(&index) && row.mode != Mode::Read && row.mode != Mode::Create;
        let is_kept = matches!(row.source, Source::Sidecar);
        if let Some(value) = places::read(row, wanted)
            && (is_left || is_kept)
        {
            places::write(row, &mut goal, value.into_owned());
        }
    }
    if change::has_switch(resource)
        && let Some(active) = wanted.0.get("active")
    {
        goal.0.insert("active".to_owned(), active.clone());
    }
    Goal::new(goal, allowed, deltas)
}

/// The elements of collections that are made by calls of their own.
pub fn new_elements(resource: &ResourceMapping, wanted: &Resource) -> BTreeMap<usize, Delta> {
    let mut deltas = BTreeMap::new();
    for (index, collection) in resource.collections.iter().enumerate() {
        let is_carried =
            resource.create.iter().any(|request| request.carries.collections.contains(&index));
        let is_made = collection.add.is_some() || collection.set.is_some();
        if is_carried || !is_made || collection.mode == Mode::Read {
            continue;
        }
        let extension = collection.place.extension.as_deref();
        let elements = wanted.get(extension, &collection.place.attribute).and_then(Value::as_array);
        if let Some(elements) = elements.filter(|elements| !elements.is_empty()) {
            let new = |element: &Value| (element.clone(), Value::Null);
            let whole = collection
                .add
                .is_none()
                .then(|| Whole { wanted: elements.iter().map(new).collect(), kept: Vec::new() });
            deltas.insert(index, Delta { add: elements.clone(), whole, ..Delta::default() });
        }
    }
    deltas
}

/// Fills what the client left out and the mapping has a default for.
pub fn fill_defaults(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    wanted: &mut Resource,
) -> Result<(), ExchangeError> {
    let none = crate::convert::references::References::default();
    let context = exchange.context(resource, &none);
    for row in &resource.rows {
        let Some(default) = &row.default else { continue };
        if row.mode == Mode::Read || places::read(row, wanted).is_some() {
            continue;
        }
        let scim = Value::Object(wanted.0.clone());
        let value = default.evaluate(&context.scope().with("scim", &scim));
        let value = value.map_err(crate::convert::error::ConvertError::from)?;
        if !value.is_null() {
            places::write(row, wanted, value);
        }
    }
    Ok(())
}
