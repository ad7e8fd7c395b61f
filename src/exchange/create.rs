//! POST of a resource (RFC 7644 section 3.3).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::convert::change;
use crate::convert::document::{Difference, Purpose};
use crate::convert::failure::Meaning;
use crate::convert::members::Delta;
use crate::convert::references::{Wanted, ids_in};
use crate::convert::{key, place, record};
use crate::exchange::apply::{Goal, sidecar_attributes};
use crate::exchange::error::ExchangeError;
use crate::exchange::native::{About, Exchange};
use crate::exchange::search::{self, Asked};
use crate::exchange::sieve::{Hit, Tombstones, Window};
use crate::exchange::response::ScimResponse;
use crate::exchange::state::{self, Located, State};
use crate::exchange::represent;
use crate::mapping::model::{
    CollectionSource, Deactivate, Delete, IdSourceRule, Mode, Outcome, ResourceMapping,
};
use crate::scim::attr::AttrPath;
use crate::scim::filter::ast::{CompareOp, Filter};
use crate::scim::projection::Projection;
use crate::scim::resource::Resource;
use crate::sidecar::entry::{Entry, EntryState};

/// Creates a resource.
pub async fn answer(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    body: &Value,
    projection: &Projection,
) -> Result<ScimResponse, ExchangeError> {
    if resource.create.is_empty() {
        return Err(ExchangeError::NotSupported {
            operation: format!("creating {}", resource.name),
        });
    }
    let resource_type = &resource.resource_type;
    let mut wanted = exchange.resource(body, resource_type)?;
    let named = named_attributes(&wanted);
    check_switched_off(exchange, resource, &wanted).await?;
    fill_defaults(exchange, resource, &mut wanted)?;
    let (located, view) = match make(exchange, resource, &wanted).await {
        Err(error) if is_taken(&error) && matches!(resource.delete, Delete::Deactivate) => {
            revive(exchange, resource, &wanted).await?.ok_or(error)?
        }
        other => other?,
    };
    let body = represent::body(exchange, resource, &view, projection, &named);
    Ok(ScimResponse::json(201, body)
        .with_header("Location", represent::location(exchange, resource, &located.id)))
}

/// The attributes that a body names, for `returned: request`.
pub fn named_attributes(resource: &Resource) -> Vec<AttrPath> {
    let plain = |attr: &String| AttrPath { urn: None, attr: attr.clone(), sub: None };
    resource.0.keys().map(plain).collect()
}

fn is_taken(error: &ExchangeError) -> bool {
    matches!(error, ExchangeError::Native(failure) if failure.meaning == Meaning::Outcome(Outcome::Uniqueness))
}

/// A resource that lives on in the side-car still owns its name.
async fn check_switched_off(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    wanted: &Resource,
) -> Result<(), ExchangeError> {
    if !matches!(resource.deactivate, Deactivate::Delete) {
        return Ok(());
    }
    for entry in exchange.retired(resource).await? {
        let EntryState::Off(native) = &entry.state else { continue };
        let located =
            Located { id: entry.id.clone(), key: entry.key.clone(), entry: Some(entry.clone()) };
        let view = exchange.view(resource, &located, native, &BTreeMap::new()).await?;
        for attribute in ["userName", "displayName"] {
            let text = |scim: &Resource| Some(scim.0.get(attribute)?.as_str()?.to_lowercase());
            let is_unique = resource
                .resource_type
                .core
                .attribute(attribute)
                .is_some_and(|found| found.uniqueness != crate::scim::schema::Uniqueness::None);
            if is_unique && text(&view).is_some() && text(&view) == text(wanted) {
                let (resource, attribute) = (resource.name.clone(), attribute.to_owned());
                return Err(ExchangeError::Taken { resource, attribute });
            }
        }
    }
    Ok(())
}

/// Fills what the client left out and the mapping has a default for.
fn fill_defaults(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    wanted: &mut Resource,
) -> Result<(), ExchangeError> {
    let none = crate::convert::references::References::default();
    let context = exchange.context(resource, &none);
    for row in &resource.rows {
        let Some(default) = &row.default else { continue };
        if row.mode == Mode::Read || place::read(&row.place, row.lenient_match, wanted).is_some() {
            continue;
        }
        let scim = Value::Object(wanted.0.clone());
        let value = default.evaluate(&context.scope().with("scim", &scim));
        let value = value.map_err(crate::convert::error::ConvertError::from)?;
        if !value.is_null() {
            place::write(&row.place, wanted, value, &row.emit);
        }
    }
    Ok(())
}

/// Makes the record and everything that belongs to it.
async fn make(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    wanted: &Resource,
) -> Result<(Located, Resource), ExchangeError> {
    let mut ids = Wanted::new();
    ids_in(&exchange.tenant.mapping, resource, wanted, &mut ids);
    let references = exchange.resolve(Wanted::new(), ids).await?;
    exchange.check_references(resource, &Resource::default(), wanted, &references)?;
    let context = exchange.context(resource, &references);
    let nothing = Resource::default();
    let difference =
        Difference { native: &Value::Null, before: &nothing, wanted, purpose: Purpose::Create };
    let mut located: Option<Located> = None;
    let mut native: Option<Value> = None;
    for request in &resource.create {
        let own = located.as_ref().map(|located| located.key.as_str());
        let Some(step) = change::create_step(&context, request, own, &difference)? else {
            continue;
        };
        let about = if own.is_some() { About::Resource } else { About::Endpoint };
        let response = exchange.call(step.native, &request.accept, about).await?;
        let made = record::record(resource, request, &response);
        if located.is_none() {
            let from_record =
                made.as_ref().and_then(|made| key::of_record(&resource.id, made).ok());
            let key = record::new_key(request, &response).or(from_record);
            let key = key.ok_or(ExchangeError::Unexpected)?;
            located = Some(enter(exchange, resource, wanted, key).await?);
        }
        native = if request.id.is_some() { native } else { made.or(native) };
    }
    let mut located = located.ok_or(ExchangeError::Unexpected)?;
    let native = finish(exchange, resource, &mut located, native, wanted).await?;
    let native = match native {
        Some(native) => native,
        None => exchange.native(resource, &located).await?,
    };
    let mut view = exchange.view(resource, &located, &native, &BTreeMap::new()).await?;
    show_external(resource, wanted, &mut view);
    Ok((located, view))
}

/// Notes the new record in the side-car, where its type needs that.
async fn enter(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    wanted: &Resource,
    key: String,
) -> Result<Located, ExchangeError> {
    let is_issued = resource.id.source == IdSourceRule::Issued;
    let attributes = sidecar_attributes(resource, wanted);
    if !is_issued && attributes.is_empty() {
        return Ok(Located { id: key.clone(), key, entry: None });
    }
    let partition = exchange.tenant.partition();
    let proposed = if is_issued { exchange.ambient.ids.uuid() } else { key.clone() };
    let sidecar = &exchange.tenant.sidecar;
    let entry = sidecar.claim(&partition, &resource.name, &key, &proposed).await?;
    let entry = Entry { attributes, state: EntryState::Live, ..entry };
    sidecar.save(&partition, &resource.name, &entry).await?;
    Ok(Located { id: entry.id.clone(), key, entry: Some(entry) })
}

/// What creating has not carried: further routes, switching off, collections.
async fn finish(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    located: &mut Located,
    native: Option<Value>,
    wanted: &Resource,
) -> Result<Option<Value>, ExchangeError> {
    let allowed = change::left_by_create(resource);
    let deltas = new_elements(resource, wanted);
    let nothing = Resource::default();
    let probe =
        Difference { native: &Value::Null, before: &nothing, wanted, purpose: Purpose::Create };
    let rows = allowed.rows.iter().filter_map(|index| resource.rows.get(*index));
    let is_left = rows.into_iter().any(|row| {
        let is_native =
            matches!(row.source, crate::mapping::model::Source::Path { write: Some(_), .. });
        is_native && probe.touches_row(row)
    });
    let switches = change::switch(resource, &probe).is_some();
    if !is_left && !switches && deltas.is_empty() {
        return Ok(native);
    }
    let native = match native {
        Some(native) => native,
        None => exchange.record(resource, &located.key).await?,
    };
    let view = exchange.view(resource, located, &native, &BTreeMap::new()).await?;
    let goal = goal_after_create(resource, &view, wanted, allowed, deltas);
    let state = State { native, view, external: BTreeMap::new() };
    let outcome = exchange.apply(resource, located, &state, &goal).await?;
    Ok(outcome.native)
}

/// The view of the new record with what is still to be written: everything else is already as
/// it should be, or as the application would have it.
fn goal_after_create(
    resource: &ResourceMapping,
    view: &Resource,
    wanted: &Resource,
    allowed: crate::mapping::model::Carries,
    deltas: BTreeMap<usize, Delta>,
) -> Goal {
    let mut goal = view.clone();
    for (index, row) in resource.rows.iter().enumerate() {
        let is_left =
            allowed.rows.contains(&index) && row.mode != Mode::Read && row.mode != Mode::Create;
        let is_kept = matches!(row.source, crate::mapping::model::Source::Sidecar);
        if let Some(value) = place::read(&row.place, row.lenient_match, wanted)
            && (is_left || is_kept)
        {
            place::write(&row.place, &mut goal, value, &row.emit);
        }
    }
    if change::has_switch(resource)
        && let Some(active) = wanted.0.get("active")
    {
        goal.0.insert("active".to_owned(), active.clone());
    }
    Goal { wanted: goal, allowed, deltas }
}

/// The elements of collections that are made by calls of their own.
fn new_elements(resource: &ResourceMapping, wanted: &Resource) -> BTreeMap<usize, Delta> {
    let mut deltas = BTreeMap::new();
    for (index, collection) in resource.collections.iter().enumerate() {
        let is_carried =
            resource.create.iter().any(|request| request.carries.collections.contains(&index));
        if is_carried || collection.add.is_none() || collection.mode == Mode::Read {
            continue;
        }
        let extension = collection.place.extension.as_deref();
        let elements = wanted.get(extension, &collection.place.attribute).and_then(Value::as_array);
        if let Some(elements) = elements.filter(|elements| !elements.is_empty()) {
            deltas.insert(index, Delta { add: elements.clone(), ..Delta::default() });
        }
    }
    deltas
}

/// Collections behind requests of their own are shown as they were sent: they have just been
/// written, and reading them again would cost a call for nothing.
pub fn show_external(resource: &ResourceMapping, wanted: &Resource, view: &mut Resource) {
    for collection in &resource.collections {
        let is_external = matches!(collection.source, CollectionSource::List(_));
        let extension = collection.place.extension.as_deref();
        if let Some(value) = wanted.get(extension, &collection.place.attribute)
            && is_external
            && collection.add.is_some()
        {
            place::write(&collection.place, view, value.clone(), &Map::new());
        }
    }
}

/// The name is taken by a record that SCIM clients have deleted: it comes back to life, with the
/// values of the new resource. `None` when the record that owns the name is somebody's.
async fn revive(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    wanted: &Resource,
) -> Result<Option<(Located, Resource)>, ExchangeError> {
    let Some(name) = wanted.0.get("userName").or_else(|| wanted.0.get("displayName")) else {
        return Ok(None);
    };
    let attr = if wanted.0.contains_key("userName") { "userName" } else { "displayName" };
    let path = AttrPath { urn: None, attr: attr.to_owned(), sub: None };
    let filter = Filter::Compare(path, CompareOp::Eq, name.clone());
    let deleted = exchange.retired(resource).await?;
    if !deleted.iter().any(|entry| entry.state == EntryState::Deleted) {
        return Ok(None);
    }
    let window = Window { start: 1, count: exchange.tenant.max_results };
    let asked = Asked { tombstones: Tombstones::Ignored, ..Asked::new(Some(&filter), window) };
    let found = search::search(exchange, resource, asked).await?;
    let is_deleted = |hit: &Hit| deleted.iter().any(|entry| entry.id == hit.located.id);
    let Some(Hit { mut located, native, view, .. }) = found.page.into_iter().find(is_deleted)
    else {
        return Ok(None);
    };
    let mut wanted = wanted.clone();
    wanted.0.entry("active").or_insert(Value::Bool(true));
    let goal = Goal {
        wanted: wanted.clone(),
        allowed: change::everything(resource),
        deltas: new_elements(resource, &wanted),
    };
    let state = State { native, view, external: BTreeMap::new() };
    let outcome = exchange.apply(resource, &mut located, &state, &goal).await?;
    forget_tombstone(exchange, resource, &located).await?;
    let native = match outcome.native {
        Some(native) => native,
        None => exchange.record(resource, &located.key).await?,
    };
    let mut view = exchange.view(resource, &located, &native, &BTreeMap::new()).await?;
    show_external(resource, &wanted, &mut view);
    Ok(Some((located, view)))
}

async fn forget_tombstone(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    located: &Located,
) -> Result<(), ExchangeError> {
    let partition = exchange.tenant.partition();
    let sidecar = &exchange.tenant.sidecar;
    let is_needed = resource.id.source == IdSourceRule::Issued || state::has_sidecar_rows(resource);
    match &located.entry {
        Some(entry) if is_needed => sidecar.save(&partition, &resource.name, entry).await?,
        _ => sidecar.remove(&partition, &resource.name, &located.id).await?,
    }
    Ok(())
}
