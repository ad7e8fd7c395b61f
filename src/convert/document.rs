//! From a wanted resource to the native document as it should be, row by row.
//!
//! A row whose SCIM value is unchanged never touches the document, so unmapped members, other
//! array elements and fine distinctions survive (least change).

use serde_json::{Map, Value};

use crate::convert::context::Context;
use crate::convert::error::ConvertError;
use crate::convert::{collection, lens, place};
use crate::mapping::model::{Carries, Collection, CollectionSource, Mode, Row, SendMode, Source};
use crate::mapping::model::{Request, ResourceMapping};
use crate::scim::resource::Resource;

/// A resource before a change and as it is wanted.
#[derive(Clone, Copy)]
pub struct Difference<'a> {
    /// The native record before; null on create.
    pub native: &'a Value,
    /// Its SCIM view; empty on create.
    pub before: &'a Resource,
    /// The SCIM view as it is wanted.
    pub wanted: &'a Resource,
    /// What is being done.
    pub purpose: Purpose,
}

/// Whether there was a record before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// There was none.
    Create,
    /// There was one.
    Update,
}

impl Difference<'_> {
    /// Whether a row's SCIM value is to change.
    pub fn touches_row(&self, row: &Row) -> bool {
        let wanted = place::read(&row.place, row.lenient_match, self.wanted);
        match row.mode {
            Mode::Read => false,
            Mode::Write => wanted.is_some(),
            Mode::Both | Mode::Create => {
                let before = place::read(&row.place, row.lenient_match, self.before);
                wanted != before
            }
        }
    }

    /// Whether a collection is to change.
    pub fn touches_collection(&self, collection: &Collection) -> bool {
        let list = |resource: &Resource| {
            let extension = collection.place.extension.as_deref();
            let list = resource.get(extension, &collection.place.attribute).cloned();
            list.filter(|list| !crate::scim::resource::is_unassigned(list))
        };
        collection.mode != Mode::Read && list(self.before) != list(self.wanted)
    }
}

/// The document after the rows and collections that `carries` names have been put.
pub fn put(
    context: &Context<'_>,
    difference: &Difference<'_>,
    carries: &Carries,
) -> Result<Value, ConvertError> {
    let mut document = match difference.native {
        Value::Null => Value::Object(Map::new()),
        native => native.clone(),
    };
    let mut written: Vec<&crate::native::path::NativePath> = Vec::new();
    for index in &carries.rows {
        let Some(row) = context.resource.rows.get(*index) else { continue };
        let Source::Path { write: Some(target), .. } = &row.source else { continue };
        // Several rows over one native value: the first that changed has been put, it wins.
        let taken = written.iter().any(|other| other.overlaps(target));
        if !difference.touches_row(row) || (row.alias && taken) {
            continue;
        }
        let wanted = place::read(&row.place, row.lenient_match, difference.wanted);
        // An alias that is absent says nothing: clearing is for the row that owns the value.
        if wanted.is_none() && (difference.purpose == Purpose::Create || row.alias) {
            continue;
        }
        check_mode(difference, row)?;
        match lens::put(context, row, &mut document, wanted.as_ref()) {
            // A manager whom the application does not know must not cost the rest of the
            // request: identity providers send references before, or without, their targets.
            Err(ConvertError::UnknownReference { .. }) => {}
            other => {
                other?;
                written.push(target);
            }
        }
    }
    for index in &carries.collections {
        let Some(collection) = context.resource.collections.get(*index) else { continue };
        if difference.touches_collection(collection) {
            let extension = collection.place.extension.as_deref();
            let wanted = difference.wanted.get(extension, &collection.place.attribute);
            let wanted = wanted.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            collection::put_list(context, collection, &mut document, wanted)?;
        }
    }
    Ok(document)
}

/// An attribute that is written on create only cannot change afterwards.
fn check_mode(difference: &Difference<'_>, row: &Row) -> Result<(), ConvertError> {
    if row.mode == Mode::Create && difference.purpose == Purpose::Update {
        return Err(ConvertError::Immutable { path: place::name(&row.place) });
    }
    Ok(())
}

/// What of the document a request sends; `None` when nothing of it changes.
pub fn body(
    resource: &ResourceMapping,
    request: &Request,
    before: &Value,
    after: &Value,
) -> Option<Value> {
    let null = Value::Null;
    let part = |document: &'_ Value| match &request.subtree {
        Some(path) => path.read(document).cloned().unwrap_or(Value::Null),
        None => document.clone(),
    };
    let (before, after) =
        if before.is_null() { (null, part(after)) } else { (part(before), part(after)) };
    if before == after {
        return None;
    }
    let Value::Object(members) = &after else { return Some(after) };
    let changed = |name: &str| before.get(name) != members.get(name);
    let sent: Map<String, Value> = match request.send {
        SendMode::Changed => members.iter().filter(|(name, _)| changed(name)).map(pair).collect(),
        SendMode::Mapped => {
            let mapped = mapped_members(resource, &request.carries);
            members.iter().filter(|(name, _)| mapped.contains(&name.as_str())).map(pair).collect()
        }
        SendMode::Full => {
            let mut full = after.clone();
            request.drop.iter().for_each(|path| path.remove(&mut full));
            return Some(full);
        }
    };
    Some(Value::Object(sent))
}

fn pair((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

/// Top-level native members that the carried rows and collections write.
fn mapped_members<'r>(resource: &'r ResourceMapping, carries: &Carries) -> Vec<&'r str> {
    let rows = carries.rows.iter().filter_map(|index| resource.rows.get(*index));
    let rows = rows.filter_map(|row| match &row.source {
        Source::Path { write: Some(path), .. } => path.first_member(),
        Source::Path { write: None, .. } | Source::Sidecar | Source::Constant(_) => None,
    });
    let lists = carries.collections.iter().filter_map(|index| resource.collections.get(*index));
    let lists = lists.filter_map(|collection| match &collection.source {
        CollectionSource::Items(path) => path.first_member(),
        CollectionSource::List(_) => None,
    });
    rows.chain(lists).collect()
}
