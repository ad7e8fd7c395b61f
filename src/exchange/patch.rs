//! PATCH of a resource (RFC 7644 section 3.5.2).
//!
//! Operations on a collection that has calls of its own go straight through when they only add
//! and remove: the group is not read. Everything else is read, changed in its SCIM view and put
//! back row by row.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::convert::change;
use crate::convert::delta::{self, Delta};
use crate::convert::place;
use crate::exchange::differences;
use crate::exchange::error::ExchangeError;
use crate::exchange::goal::{Conflict, Goal};
use crate::exchange::native::Exchange;
use crate::exchange::represent;
use crate::exchange::response::ScimResponse;
use crate::exchange::shown::{self, Change};
use crate::exchange::state::Located;
use crate::exchange::version::{Conditions, Record};
use crate::mapping::model::{CollectionSource, Mode, Request, ResourceMapping};
use crate::scim::attr::AttrPath;
use crate::scim::patch::operation::Operation;
use crate::scim::patch::request::PatchRequest;
use crate::scim::projection::Projection;

/// Applies a PATCH.
pub async fn answer(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    id: &str,
    body: &Value,
    projection: &Projection,
    conditions: &Conditions,
) -> Result<ScimResponse, ExchangeError> {
    let resource_type = &resource.resource_type;
    let patch = exchange.patch_request(body, resource_type)?;
    let _held = exchange.tenant.locks.hold(&resource.name, id).await?;
    let mut located = exchange.locate(resource, id).await?;
    let admitted = exchange.admit(resource, &located, conditions).await?;
    let is_live = located
        .entry
        .as_ref()
        .is_none_or(|entry| entry.state == crate::sidecar::entry::EntryState::Live);
    let (direct, rest) =
        if is_live { split(resource, &patch) } else { (BTreeMap::new(), patch.clone()) };
    exchange.check_added(resource, &direct).await?;
    let is_membership_only = rest.operations.is_empty() && !direct.is_empty();
    let answers = !projection.attributes.is_empty();
    if is_membership_only && !answers && !direct.keys().any(|index| needs_record(resource, *index))
    {
        exchange.apply_members(resource, &located, direct).await?;
        return Ok(ScimResponse::no_content());
    }
    let record = match admitted {
        Some(record) => record,
        None => exchange.native(resource, &located).await?,
    };
    let external = touched_external(resource, &rest);
    let mut before = exchange.state(resource, &located, record, &external).await?;
    let mut wanted = exchange.noting(|noted| rest.apply(&before.view, resource_type, noted))?;
    // Whoever switches off somebody who is switched off already may know better.
    let switches = rest.operations.iter().any(|operation| operation.target.attribute == "active");
    if switches
        && wanted.0.get("active") != Some(&Value::Bool(true))
        && let Some(record) = exchange.came_back(resource, &mut located).await?
    {
        before = exchange.state(resource, &located, record, &external).await?;
        wanted = exchange.noting(|noted| rest.apply(&before.view, resource_type, noted))?;
    }
    let touched = touched_collections(resource, &rest);
    let mut deltas = differences::differences(exchange, resource, &before, &wanted).await?;
    deltas.retain(|index, _| touched.contains(index));
    deltas.extend(direct);
    let conflict = Conflict::under(conditions);
    let goal = Goal { conflict, ..Goal::new(wanted, change::everything(resource), deltas) };
    let outcome = exchange.apply(resource, &mut located, &before, &goal).await?;
    if is_membership_only && !answers {
        return Ok(ScimResponse::no_content());
    }
    let replaced: Vec<usize> = external.into_iter().filter(|_| !answers).collect();
    let doubts = outcome.doubts;
    let named: Vec<AttrPath> =
        patch.operations.iter().map(|operation| operation.target.path()).collect();
    let change = Change { before: &before.view, wanted: &goal.wanted };
    let shown = Shown { projection, named: &named, replaced: &replaced, change, doubts };
    respond(exchange, resource, &located, outcome.record, &shown).await
}

/// What an answer shows.
struct Shown<'a> {
    projection: &'a Projection,
    /// Attributes that the request named.
    named: &'a [AttrPath],
    /// Collections behind requests of their own whose elements are known, because they were read
    /// and then made what was wanted.
    replaced: &'a [usize],
    change: Change<'a>,
    /// Whether the application may not have taken every element.
    doubts: bool,
}

async fn respond(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    located: &Located,
    record: Option<Record>,
    shown: &Shown<'_>,
) -> Result<ScimResponse, ExchangeError> {
    let Shown { projection, named, replaced, change, doubts } = shown;
    let record = match record {
        Some(record) => record,
        None => exchange.native(resource, located).await?,
    };
    // Members of a large group are read for nobody who did not ask.
    let asked = if projection.attributes.is_empty() {
        if *doubts { replaced.to_vec() } else { Vec::new() }
    } else {
        represent::needed(resource, projection)
    };
    let mut state = exchange.state(resource, located, record, &asked).await?;
    for index in replaced.iter().filter(|index| !asked.contains(index)) {
        if let Some(collection) = resource.collections.get(*index) {
            shown::show(exchange, resource, collection, *change, &mut state.view).await?;
        }
    }
    Ok(represent::answer(exchange, resource, 200, state.view, projection, named))
}

/// Takes the operations apart: those that are member calls as they stand, by collection, and the
/// others.
fn split(
    resource: &ResourceMapping,
    patch: &PatchRequest,
) -> (BTreeMap<usize, Delta>, PatchRequest) {
    let mut direct = BTreeMap::new();
    let mut rest = patch.clone();
    for (index, collection) in resource.collections.iter().enumerate() {
        if collection.add.is_none() || collection.remove.is_none() || collection.mode == Mode::Read
        {
            continue;
        }
        let is_of = |operation: &&Operation| {
            let target = &operation.target;
            place::is_of(&collection.place, target.extension.as_deref(), &target.attribute)
        };
        let own: Vec<&Operation> = patch.operations.iter().filter(is_of).collect();
        if own.is_empty() {
            continue;
        }
        // Elements with ids or states of their own must be read to be addressed.
        if collection.reference.is_none() {
            continue;
        }
        if let Some(delta) = delta::from_operations(collection, &own) {
            direct.insert(index, delta);
            rest.operations.retain(|operation| !is_of(&operation));
        }
    }
    (direct, rest)
}

fn needs_record(resource: &ResourceMapping, index: usize) -> bool {
    let Some(collection) = resource.collections.get(index) else { return false };
    // Only a look at the record tells whether it exists for SCIM.
    if resource.visible.is_some() {
        return true;
    }
    let requests: [Option<&Request>; 2] = [collection.add.as_ref(), collection.remove.as_ref()];
    requests.into_iter().flatten().any(crate::convert::request::sees_resource)
}

fn touched_collections(resource: &ResourceMapping, patch: &PatchRequest) -> BTreeSet<usize> {
    let is_touched = |index: &usize| {
        resource.collections.get(*index).is_some_and(|collection| {
            patch.operations.iter().any(|operation| {
                let target = &operation.target;
                place::is_of(&collection.place, target.extension.as_deref(), &target.attribute)
            })
        })
    };
    (0..resource.collections.len()).filter(is_touched).collect()
}

fn touched_external(resource: &ResourceMapping, patch: &PatchRequest) -> Vec<usize> {
    let is_external = |index: &usize| {
        resource
            .collections
            .get(*index)
            .is_some_and(|collection| matches!(collection.source, CollectionSource::List(_)))
    };
    touched_collections(resource, patch).into_iter().filter(is_external).collect()
}
