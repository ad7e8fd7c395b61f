//! What the parts of a resource must be to each other (E301, E304, E311, W303, W304, W307).
//!
//! These checks speak of what is missing, so they are silent when a row or request was left out
//! because of another fault.

use crate::mapping::compile::carrying::{Activation, Route, is_embedded, is_written, mentions};
use crate::mapping::compile::context::Context;
use crate::mapping::compile::label::Label;
use crate::mapping::compile::row::Attributes;
use crate::mapping::diagnostic::{
    Diagnostic, Position, id_does_not_survive, missing_choice, missing_field, missing_row,
    never_changed, no_pages, not_yet_born, overlap, uncarried, user_name_not_pushed,
};
use crate::mapping::file::resource::{ActivateEntry, DeactivateEntry, DeleteEntry, Resource};
use crate::mapping::model::{Collection, IdSourceRule, Mode, Request, Row};
use crate::native::path::NativePath;

/// A resource whose parts are compiled.
pub(crate) struct Parts<'r> {
    /// Its name.
    pub(crate) name: &'r str,
    /// Where its faults are told.
    pub(crate) at: Position,
    /// As written.
    pub(crate) written: &'r Resource,
    /// Its rows.
    pub(crate) attributes: &'r Attributes,
    /// `create`.
    pub(crate) create: &'r [Request],
    /// `update`.
    pub(crate) update: &'r [Request],
    /// How `active` is written.
    pub(crate) activation: Activation,
    /// Where SCIM ids come from; `None` when the rule has a fault of its own.
    pub(crate) ids: Option<IdSourceRule>,
    /// Where native keys are.
    pub(crate) keys: Option<&'r NativePath>,
}

/// Two rows that write one place (E301). Holds for whatever rows there are.
pub(crate) fn overlaps(attributes: &Attributes, context: &mut Context) {
    let mut writers = writers(attributes);
    writers.sort_by_key(|(label, _)| label.at);
    for (index, (label, path)) in writers.iter().enumerate() {
        let earlier = writers.iter().take(index).find(|(_, other)| path.overlaps(other));
        if let Some((other, _)) = earlier {
            let other = (other.text.as_str(), other.at.line);
            context.faults.push(overlap(label.at, &label.text, other, &path.to_string()));
        }
    }
}

fn writers(attributes: &Attributes) -> Vec<(&Label, NativePath)> {
    let mut writers = Vec::new();
    for (row, label) in attributes.rows.iter().zip(&attributes.row_labels) {
        if !row.alias {
            writers.extend(row.targets().iter().map(|target| (label, target.clone())));
        }
    }
    for (collection, label) in attributes.collections.iter().zip(&attributes.collection_labels) {
        if is_embedded(collection) && collection.mode != Mode::Read {
            writers.extend(collection.holder().map(|holder| (label, holder)));
        }
    }
    writers
}

/// Everything that speaks of what is missing.
pub(crate) fn check(parts: &Parts<'_>, context: &mut Context) {
    for (row, label) in parts.attributes.rows.iter().zip(&parts.attributes.row_labels) {
        if let Some(requests) = row_gap(row, parts) {
            context.faults.push(uncarried(label.at, &label.text, requests));
        }
    }
    let collections = &parts.attributes.collections;
    for (index, (collection, label)) in
        collections.iter().zip(&parts.attributes.collection_labels).enumerate()
    {
        if let Some(fault) = collection_gap(index, collection, label, parts) {
            context.faults.push(fault);
        }
    }
    names(parts, context);
    requests(parts, context);
}

/// The requests that should carry a row and do not.
fn row_gap(row: &Row, parts: &Parts<'_>) -> Option<&'static str> {
    let index = parts.attributes.rows.iter().position(|other| std::ptr::eq(other, row))?;
    let carried = |requests: &[Request]| {
        requests.iter().any(|request| {
            request.carries.rows.contains(&index) || request.carries.mentioned.contains(&index)
        })
    };
    if !is_written(row, Route::Create, parts.activation) {
        return None;
    }
    gap(row.mode, carried(parts.create), carried(parts.update), parts)
}

/// A row that is only ever written, such as a password, may be written at birth alone.
fn gap(mode: Mode, created: bool, updated: bool, parts: &Parts<'_>) -> Option<&'static str> {
    let creates = !parts.create.is_empty();
    let updates = !parts.update.is_empty();
    match mode {
        Mode::Read => None,
        Mode::Write => ((creates || updates) && !created && !updated).then_some("create or update"),
        Mode::Both if updates => (!updated).then_some("update"),
        Mode::Both | Mode::Create => (creates && !created).then_some("create"),
    }
}

fn collection_gap(
    index: usize,
    collection: &Collection,
    label: &Label,
    parts: &Parts<'_>,
) -> Option<Diagnostic> {
    if collection.mode == Mode::Read || (parts.create.is_empty() && parts.update.is_empty()) {
        return None;
    }
    if !is_embedded(collection) {
        let missing = match (&collection.add, &collection.remove) {
            (Some(_), Some(_)) => return None,
            (None, None) if collection.set.is_some() => return None,
            (Some(_), None) => "remove",
            (None, Some(_)) => "add",
            (None, None) => "add or remove",
        };
        let help = "give both \"add\" and \"remove\", or use mode: read";
        return Some(uncarried(label.at, &label.text, missing).with_help(help));
    }
    let name = &collection.place.attribute;
    let carried = |requests: &[Request]| {
        requests.iter().any(|request| {
            request.carries.collections.contains(&index)
                || mentions(request).iter().any(|mention| mention.split('.').nth(1) == Some(name))
        })
    };
    let requests = gap(collection.mode, carried(parts.create), carried(parts.update), parts)?;
    Some(uncarried(label.at, &label.text, requests))
}

/// The attributes by which everybody looks for a resource.
fn names(parts: &Parts<'_>, context: &mut Context) {
    let (resource, name) = match parts.name {
        "User" => ("User", "userName"),
        "Group" => ("Group", "displayName"),
        _ => return,
    };
    let rows = &parts.attributes.rows;
    let there = rows
        .iter()
        .flat_map(Row::places)
        .any(|place| place.extension.is_none() && place.attribute == name && place.sub.is_none());
    if !there {
        context.faults.push(missing_row(parts.at, resource, name));
        return;
    }
    let filters = parts.written.filters.as_ref();
    let pushed = filters.is_some_and(|filters| {
        filters.value.0.iter().any(|(key, _)| {
            let words: Vec<&str> = key.name.split_whitespace().collect();
            matches!(words.as_slice(), [path, operator]
                if path.eq_ignore_ascii_case(name) && operator.eq_ignore_ascii_case("eq"))
        })
    });
    if resource == "User" && !pushed {
        let at = filters.map_or(parts.at, |filters| filters.at);
        context.faults.push(user_name_not_pushed(at));
    }
}

fn requests(parts: &Parts<'_>, context: &mut Context) {
    let Parts { name, at, written, attributes, create, update, .. } = *parts;
    match &written.list {
        Some(list) if list.pages.is_none() => context.faults.push(no_pages(list.at, name)),
        None if written.get.is_none() => {
            context.faults.push(missing_choice(at, name, "get, list"));
        }
        Some(_) | None => {}
    }
    if !create.is_empty() && update.is_empty() {
        context.faults.push(never_changed(at, name));
    }
    unborn(parts, context);
    let switches = written.deactivate.is_some()
        || attributes.rows.iter().any(|row| row.place.attribute == "active");
    if matches!(written.delete, Some(DeleteEntry::Deactivate)) && !switches {
        context.faults.push(missing_field(at, name, "deactivate"));
    }
    let leaves = matches!(written.deactivate, Some(DeactivateEntry::Delete));
    let returns = matches!(written.activate, Some(ActivateEntry::Create));
    let is_chosen = parts
        .keys
        .is_some_and(|key| writers(attributes).iter().any(|(_, written)| written.overlaps(key)));
    if leaves && returns && !is_chosen && parts.ids == Some(IdSourceRule::Native) {
        context.faults.push(id_does_not_survive(at, name));
    }
    if matches!(written.activate, Some(ActivateEntry::Create)) && create.is_empty() {
        context.faults.push(missing_field(at, name, "create"));
    }
}

/// What the request that makes a record asks of the record (E312).
fn unborn(parts: &Parts<'_>, context: &mut Context) {
    let (Some(first), Some(written)) = (parts.create.first(), parts.written.create.0.first())
    else {
        return;
    };
    let mentions = first.mentions();
    let of_record = mentions.iter().find(|mention| {
        let root = mention.split('.').next().unwrap_or_default();
        matches!(root, "id" | "native" | "old")
    });
    if let Some(mention) = of_record {
        context.faults.push(not_yet_born(written.at, parts.name, mention));
    }
}
