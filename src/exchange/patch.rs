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
use crate::convert::roster::Roster;
use crate::exchange::enrolled::{self, Enrolled};
use crate::exchange::error::ExchangeError;
use crate::exchange::goal::{Conflict, Goal};
use crate::exchange::native::Exchange;
use crate::exchange::response::ScimResponse;
use crate::exchange::shown::{self, Change};
use crate::exchange::state::Located;
use crate::exchange::told::{self, Told};
use crate::exchange::version::{Conditions, Record};
use crate::exchange::{differences, represent, straight};
use crate::mapping::model::{Collection, CollectionSource, Mode, Request, ResourceMapping};
use crate::scim::attr::AttrPath;
use crate::scim::patch::operation::{Operation, OperationKind};
use crate::scim::patch::request::PatchRequest;
use crate::scim::projection::Projection;

/// Applies a PATCH.
pub async fn answer(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    id: &str,
    body: Value,
    projection: &Projection,
    conditions: &Conditions,
) -> Result<ScimResponse, ExchangeError> {
    let resource_type = &resource.resource_type;
    let patch = exchange.patch_request(&body, resource_type)?;
    // What a large list took there is wanted for it here.
    drop(body);
    let named: Vec<AttrPath> =
        patch.operations.iter().map(|operation| operation.target.path()).collect();
    let _held = exchange.tenant.locks.hold(&resource.name, id).await?;
    let mut located = exchange.locate(resource, id).await?;
    let admitted = exchange.admit(resource, &located, conditions).await?;
    let is_live = located
        .entry
        .as_ref()
        .is_none_or(|entry| entry.state == crate::sidecar::entry::EntryState::Live);
    let mut rest = patch;
    let mut enrolled =
        if is_live { enrolled(exchange, resource, &mut rest) } else { Enrolled::new() };
    let direct = if is_live { direct(resource, &mut rest) } else { BTreeMap::new() };
    exchange.check_added(resource, &direct).await?;
    let is_membership_only =
        rest.operations.is_empty() && !direct.is_empty() && enrolled.is_empty();
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
    let mut before = exchange.state_before(resource, &located, record, &external).await?;
    let mut wanted = exchange.noting(|noted| rest.apply(&before.view, resource_type, noted))?;
    // Whoever switches off somebody who is switched off already may know better.
    let switches = rest.operations.iter().any(|operation| operation.target.attribute == "active");
    if switches
        && wanted.0.get("active") != Some(&Value::Bool(true))
        && let Some(record) = exchange.came_back(resource, &mut located).await?
    {
        before = exchange.state_before(resource, &located, record, &external).await?;
        wanted = exchange.noting(|noted| rest.apply(&before.view, resource_type, noted))?;
    }
    let touched = touched_collections(resource, &rest);
    let mut deltas = differences::differences(exchange, resource, &before, &wanted).await?;
    deltas.retain(|index, _| touched.contains(index));
    deltas.extend(direct);
    let members =
        enrolled::differences(exchange, resource, &located, &before.native, &mut enrolled);
    deltas.extend(members.await?);
    let conflict = Conflict::under(conditions);
    let goal = Goal { conflict, ..Goal::new(wanted, change::everything(resource), deltas) };
    let outcome = exchange.apply(resource, &mut located, &before, &goal).await?;
    if is_membership_only && !answers {
        return Ok(ScimResponse::no_content());
    }
    let replaced: Vec<usize> = external.into_iter().filter(|_| !answers).collect();
    let doubts = outcome.doubts;
    let change = Change { before: &before.view, wanted: &goal.wanted };
    let (named, replaced) = (&named, &replaced);
    let shown = Shown { projection, named, replaced, enrolled: &enrolled, change, doubts };
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
    /// Members who are known for the same reason.
    enrolled: &'a Enrolled,
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
    let Shown { projection, named, replaced, enrolled, change, doubts } = shown;
    let record = match record {
        Some(record) => record,
        None => exchange.native(resource, located).await?,
    };
    // Members of a large group are read for nobody who did not ask.
    let asked = if !projection.attributes.is_empty() {
        represent::needed(resource, projection)
    } else if *doubts {
        replaced.iter().chain(enrolled.keys()).copied().collect()
    } else {
        Vec::new()
    };
    if asked.is_empty()
        && replaced.is_empty()
        && enrolled.is_empty()
        && let Some(answer) =
            straight::written_anew(exchange, resource, located, &record, projection, named).await?
    {
        return Ok(answer);
    }
    let (apart, within) = told::parted(resource, asked);
    let mut state = exchange.state(resource, located, record, &within).await?;
    let is_shown = |index: &usize| apart.contains(index) || within.contains(index);
    for index in replaced.iter().filter(|index| !is_shown(index)) {
        if let Some(collection) = resource.collections.get(*index) {
            shown::show(exchange, resource, collection, *change, &mut state.view).await?;
        }
    }
    let response = represent::answer(exchange, resource, 200, state.view, projection, named);
    let mut told = Told::new(exchange, resource, response, projection, named);
    told.read(&apart, located, &state.native).await?;
    if projection.attributes.is_empty() && !doubts {
        enrolled::tell(exchange, resource, enrolled, &mut told).await?;
    }
    Ok(told.finish())
}

/// Takes out the operations that say who all members of a large group are.
fn enrolled(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    rest: &mut PatchRequest,
) -> Enrolled {
    let mut enrolled = Enrolled::new();
    for (index, collection) in exchange.tenant.rosters(resource) {
        let mut own = rest.operations.iter().filter(|operation| is_of(collection, operation));
        let (Some(Operation { kind: OperationKind::Replace, target, value }), None) =
            (own.next(), own.next())
        else {
            continue;
        };
        let elements = value.as_ref().and_then(Value::as_array);
        let elements = elements.filter(|_| target.filter.is_none() && target.sub.is_none());
        let Some(elements) = elements.filter(|elements| !elements.is_empty()) else { continue };
        let mut roster = Roster::default();
        roster.want(elements);
        enrolled.insert(index, roster);
        rest.operations.retain(|operation| !is_of(collection, operation));
    }
    enrolled
}

/// Takes out the operations that are member calls as they stand, by collection.
fn direct(resource: &ResourceMapping, rest: &mut PatchRequest) -> BTreeMap<usize, Delta> {
    let mut direct = BTreeMap::new();
    for (index, collection) in resource.collections.iter().enumerate() {
        if collection.add.is_none() || collection.remove.is_none() || collection.mode == Mode::Read
        {
            continue;
        }
        let own = rest.operations.iter().filter(|operation| is_of(collection, operation));
        let own: Vec<&Operation> = own.collect();
        if own.is_empty() {
            continue;
        }
        // Elements with ids or states of their own must be read to be addressed.
        if collection.reference.is_none() {
            continue;
        }
        if let Some(delta) = delta::from_operations(collection, &own) {
            direct.insert(index, delta);
            rest.operations.retain(|operation| !is_of(collection, operation));
        }
    }
    direct
}

fn is_of(collection: &Collection, operation: &Operation) -> bool {
    let target = &operation.target;
    place::is_of(&collection.place, target.extension.as_deref(), &target.attribute)
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
    let is_touched = |collection: &Collection| {
        patch.operations.iter().any(|operation| is_of(collection, operation))
    };
    let lists = resource.collections.iter().enumerate();
    lists.filter(|(_, list)| is_touched(list)).map(|(index, _)| index).collect()
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
