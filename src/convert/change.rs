//! Which requests make a change, in which order: update routes, then switching on or off.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::convert::context::Context;
use crate::convert::document::{self, Difference, Purpose};
use crate::convert::error::ConvertError;
use crate::convert::{key, lookup, place, places, request};
use crate::mapping::model::{
    Activate, Carries, Deactivate, Mode, Request, RequestBody, ResourceMapping, SendMode,
};
use crate::mapping::scope::{Later, Scope};
use crate::native::message::NativeRequest;
use crate::scim::resource::Resource;

/// Values that a request's templates see, kept while they are borrowed.
#[derive(Debug)]
pub struct Variables<'d> {
    id: Value,
    scim: Later<'d>,
    old: Later<'d>,
    native: Cow<'d, Value>,
    changed: Later<'d>,
}

impl<'d> Variables<'d> {
    /// The variables of a change. `key` is `None` while the record does not exist.
    pub fn new(context: &Context<'d>, key: Option<&str>, difference: &Difference<'d>) -> Self {
        let (resource, difference) = (context.resource, *difference);
        let changed = move || {
            let names = changed_attributes(resource, &difference);
            names.into_iter().map(Value::from).collect()
        };
        Self {
            id: key.map_or(Value::Null, |key| key::typed(&resource.id, key)),
            scim: Later::new(move || Value::Object(difference.wanted.0.clone())),
            old: Later::new(move || Value::Object(difference.before.0.clone())),
            native: Cow::Borrowed(difference.native),
            changed: Later::new(changed),
        }
    }

    /// The same over the record as it is by now.
    #[must_use]
    pub fn seeing(self, native: &Value) -> Self {
        Self { native: Cow::Owned(native.clone()), ..self }
    }

    /// The scope of a request.
    pub fn scope<'a>(&'a self, context: &Context<'a>) -> Scope<'a> {
        context
            .scope()
            .with("id", &self.id)
            .with_later("scim", &self.scim)
            .with_later("old", &self.old)
            .with("native", &self.native)
            .with_later("changed", &self.changed)
    }
}

fn changed_attributes(resource: &ResourceMapping, difference: &Difference<'_>) -> BTreeSet<String> {
    let rows = resource.rows.iter().filter(|row| difference.touches_row(row));
    let lists = resource.collections.iter().filter(|list| difference.touches_collection(list));
    rows.flat_map(|row| row.places().map(|place| place.attribute.clone()))
        .chain(lists.map(|list| list.place.attribute.clone()))
        .collect()
}

/// A request of a change, ready to be sent.
#[derive(Debug)]
pub struct Step<'m> {
    /// The mapping's request.
    pub request: &'m Request,
    /// The member of the record that it is about, where each has a request of its own.
    pub field: Option<String>,
    /// The call.
    pub native: NativeRequest,
}

/// A request that is due as far as rows tell: what is left is to make its look-ups, to ask its
/// condition and to fill its templates.
#[derive(Debug)]
pub struct Draft<'m> {
    /// The mapping's request.
    pub request: &'m Request,
    /// What rows make of its body.
    rows: Option<Value>,
}

impl<'m> Draft<'m> {
    /// The draft of a request that carries nothing: switching, deleting.
    pub fn plain(request: &'m Request) -> Self {
        Self { request, rows: None }
    }

    /// Whether there is nothing to be sent whatever look-ups will pick.
    pub fn is_skipped(&self, scope: &Scope<'_>) -> Result<bool, ConvertError> {
        let is_asked = self.request.send != SendMode::Each && lookup::is_asked_first(self.request);
        Ok(is_asked && !request::is_due(self.request, scope)?)
    }

    /// The calls; `scope` has what look-ups picked.
    pub fn steps(self, scope: &Scope<'_>) -> Result<Vec<Step<'m>>, ConvertError> {
        let request = self.request;
        let members = match (request.send, &self.rows) {
            (SendMode::Each, Some(Value::Object(members))) => members,
            (SendMode::Each, _) => return Ok(Vec::new()),
            (SendMode::Changed | SendMode::Mapped | SendMode::Full, _) => {
                return Ok(step(request, None, self.rows, scope)?.into_iter().collect());
            }
        };
        let mut steps = Vec::new();
        for (name, value) in members {
            let field = Value::from(name.as_str());
            let scope = scope.clone().with("field", &field).with("value", value);
            let own = Value::Object(Map::from_iter([(name.clone(), value.clone())]));
            steps.extend(step(request, Some(name.clone()), Some(own), &scope)?);
        }
        Ok(steps)
    }
}

fn step<'m>(
    request: &'m Request,
    field: Option<String>,
    rows: Option<Value>,
    scope: &Scope<'_>,
) -> Result<Option<Step<'m>>, ConvertError> {
    if !request::is_due(request, scope)? {
        return Ok(None);
    }
    let rows = rows.filter(|_| request::is_from_rows(request));
    Ok(Some(Step { request, field, native: request::build(request, scope, rows)? }))
}

/// A request that creates a record, or a later one of the list; `document` is what it carries.
pub fn create_draft<'m>(
    resource: &ResourceMapping,
    request: &'m Request,
    difference: &Difference<'_>,
    document: &Value,
) -> Draft<'m> {
    let is_built = match request.body {
        RequestBody::FromRows => !request.method.is_safe(),
        RequestBody::Frame(_) => true,
        RequestBody::None | RequestBody::Tree(_) => request.send == SendMode::Each,
    };
    let rows = is_built.then(|| {
        let body = document::body(resource, request, difference.native, document);
        body.unwrap_or_else(|| Value::Object(Map::new()))
    });
    Draft { request, rows }
}

/// A request of an update route; `None` when the route has nothing to carry.
pub fn update_draft<'m>(
    context: &Context<'m>,
    request: &'m Request,
    difference: &Difference<'_>,
    allowed: &Carries,
) -> Result<Option<Draft<'m>>, ConvertError> {
    let carries = intersection(&request.carries, allowed);
    let row = |index: &usize| context.resource.rows.get(*index);
    let mentions = carries.mentioned.iter().filter_map(row);
    let is_mentioned = mentions.into_iter().any(|row| difference.touches_row(row));
    let after = document::put(context, difference, &carries)?;
    let body = document::body(context.resource, request, difference.native, &after);
    let carried = carries.rows.iter().filter_map(row).any(|row| difference.touches_row(row));
    let is_due_for_rows = if builds(request) { body.is_some() } else { carried };
    if !is_due_for_rows && !is_mentioned {
        return Ok(None);
    }
    Ok(Some(Draft { request, rows: body.filter(|_| builds(request)) }))
}

/// Whether what the rows make decides what is sent.
fn builds(request: &Request) -> bool {
    request::is_from_rows(request) || request.send == SendMode::Each
}

fn intersection(carries: &Carries, allowed: &Carries) -> Carries {
    let both = |left: &BTreeSet<usize>, right: &BTreeSet<usize>| left & right;
    Carries {
        rows: both(&carries.rows, &allowed.rows),
        collections: both(&carries.collections, &allowed.collections),
        mentioned: both(&carries.mentioned, &allowed.rows),
    }
}

/// Everything that rows and collections can carry.
pub fn everything(resource: &ResourceMapping) -> Carries {
    Carries {
        rows: (0..resource.rows.len()).collect(),
        collections: (0..resource.collections.len()).collect(),
        mentioned: BTreeSet::new(),
    }
}

/// What the create requests have not carried.
pub fn left_by_create(resource: &ResourceMapping) -> Carries {
    let mut left = everything(resource);
    for request in &resource.create {
        let carries = &request.carries;
        left.rows
            .retain(|index| !carries.rows.contains(index) && !carries.mentioned.contains(index));
        left.collections.retain(|index| !carries.collections.contains(index));
    }
    left
}

/// Refuses a change that no request carries, before anything is sent.
pub fn check_carried(
    resource: &ResourceMapping,
    difference: &Difference<'_>,
) -> Result<(), ConvertError> {
    if difference.purpose == Purpose::Create {
        return Ok(());
    }
    for (index, row) in resource.rows.iter().enumerate() {
        let is_carried = resource.changing().any(|request| {
            request.carries.rows.contains(&index) || request.carries.mentioned.contains(&index)
        });
        let is_switch = is_active(row) && switch(resource, difference).is_some();
        if !row.is_written() || is_carried || is_switch || !difference.touches_row(row) {
            continue;
        }
        // An alias is carried by the row that owns the value.
        let is_cleared = places::read(row, difference.wanted).is_none();
        if row.alias || (row.mode == Mode::Create && is_cleared) {
            continue;
        }
        return Err(ConvertError::Immutable { path: places::name(row) });
    }
    for (index, collection) in resource.collections.iter().enumerate() {
        let is_carried =
            resource.changing().any(|request| request.carries.collections.contains(&index));
        if !is_carried && !collection.has_calls() && difference.touches_collection(collection) {
            return Err(ConvertError::Immutable { path: place::name(&collection.place) });
        }
    }
    Ok(())
}

fn is_active(row: &crate::mapping::model::Row) -> bool {
    row.place.extension.is_none() && row.place.attribute == "active"
}

/// What update routes may carry: not the `active` row while requests of its own switch it.
pub fn without_switch(
    resource: &ResourceMapping,
    difference: &Difference<'_>,
    allowed: &Carries,
) -> Carries {
    let mut allowed = allowed.clone();
    if switch(resource, difference).is_some() {
        allowed.rows.retain(|index| !resource.rows.get(*index).is_some_and(is_active));
    }
    allowed
}

/// Whether switching on, or off, or both have requests of their own.
pub fn has_switch(resource: &ResourceMapping) -> bool {
    !matches!(resource.activate, Activate::ViaUpdate)
        || !matches!(resource.deactivate, Deactivate::ViaUpdate)
}

/// Which way a change switches the resource, where switching is not a row like any other.
pub fn switch(resource: &ResourceMapping, difference: &Difference<'_>) -> Option<Switch> {
    let active = |scim: &Resource| scim.0.get("active").and_then(Value::as_bool).unwrap_or(true);
    let has_off = !matches!(resource.deactivate, Deactivate::ViaUpdate);
    let has_on = !matches!(resource.activate, Activate::ViaUpdate);
    match (active(difference.before), active(difference.wanted)) {
        (true, false) if has_off => Some(Switch::Off),
        (false, true) if has_on && difference.purpose == Purpose::Update => Some(Switch::On),
        _ => None,
    }
}

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// `active` becomes true.
    On,
    /// `active` becomes false.
    Off,
}
