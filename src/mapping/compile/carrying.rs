//! Which create and update request carries which rows (E306).
//!
//! A request with `only` carries the rows it names; one without carries every writable row that no
//! other request of its kind names. A row mentioned as `scim.…` is carried as well. A request with
//! a body of its own, or with none, builds nothing from rows: what it carries is mentioned.

use std::collections::BTreeSet;

use crate::mapping::compile::context::Context;
use crate::mapping::compile::label::Label;
use crate::mapping::compile::row::Attributes;
use crate::mapping::compile::together::parts;
use crate::mapping::diagnostic::unknown_only;
use crate::mapping::file::request;
use crate::mapping::model::{
    Collection, CollectionSource, Mode, Place, Request, RequestBody, Row, SendMode,
};
use crate::native::message::Method;
use crate::native::path::NativePath;

/// What the requests are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// `create`.
    Create,
    /// `update`.
    Update,
}

/// How `active` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    /// Like any other row.
    ByRow,
    /// By requests of its own.
    ByVerb,
}

/// Rows and collections, by index.
#[derive(Debug, Clone, Default)]
struct Named {
    rows: BTreeSet<usize>,
    collections: BTreeSet<usize>,
}

/// Fills in what each request of one route carries. `apart` are the parts of a record that
/// look-ups bring.
#[expect(clippy::too_many_arguments, reason = "every request against all it competes with")]
pub(crate) fn assign(
    route: Route,
    written: &[request::Request],
    requests: &mut [Request],
    apart: &[NativePath],
    attributes: &Attributes,
    activation: Activation,
    context: &mut Context,
) {
    let named: Vec<Option<Named>> =
        written.iter().map(|written| named(written, attributes, context)).collect();
    for (index, (request, written)) in requests.iter_mut().zip(written).enumerate() {
        let own = named.get(index).and_then(Option::as_ref);
        let others = named.iter().enumerate().filter(|(other, _)| *other != index);
        let others: Vec<&Named> = others.filter_map(|(_, named)| named.as_ref()).collect();
        if request.subtree.is_none() {
            request.drop.extend_from_slice(apart);
        }
        carry(request, written, route, own, &others, apart, attributes, activation);
    }
}

/// Whether the row is written natively by requests of this route.
pub(crate) fn is_written(row: &Row, route: Route, activation: Activation) -> bool {
    let by_verb = activation == Activation::ByVerb && is_active(row);
    row.is_written() && !by_verb && fits(row.mode, route)
}

/// Whether a collection is written with the record, not by calls of its own.
pub(crate) fn is_embedded(collection: &Collection) -> bool {
    matches!(collection.source, CollectionSource::Items(_)) && !collection.has_calls()
}

/// Whether a row is the core attribute `active`.
pub(crate) fn is_active(row: &Row) -> bool {
    row.place.extension.is_none() && row.place.attribute == "active"
}

fn fits(mode: Mode, route: Route) -> bool {
    match (mode, route) {
        (Mode::Read, _) | (Mode::Create, Route::Update) => false,
        (Mode::Both | Mode::Write, _) | (Mode::Create, Route::Create) => true,
    }
}

#[expect(clippy::too_many_arguments, reason = "one request against all it competes with")]
fn carry(
    request: &mut Request,
    written: &request::Request,
    route: Route,
    own: Option<&Named>,
    others: &[&Named],
    apart: &[NativePath],
    attributes: &Attributes,
    activation: Activation,
) {
    let taken = |pick: fn(&Named) -> &BTreeSet<usize>, index: usize| {
        others.iter().any(|named| pick(named).contains(&index))
    };
    let rows = attributes.rows.iter().enumerate().filter(|(index, row)| {
        is_written(row, route, activation)
            && match own {
                Some(own) => own.rows.contains(index),
                None => !taken(|named| &named.rows, *index) && is_inside(row, request, apart),
            }
    });
    let rows: BTreeSet<usize> = rows.map(|(index, _)| index).collect();
    let collections = attributes.collections.iter().enumerate().filter(|(index, collection)| {
        let named = own.is_some_and(|own| own.collections.contains(index));
        let embedded = is_embedded(collection) && fits(collection.mode, route);
        match own {
            // Elements with calls of their own can still be born with the record.
            Some(_) => named && (embedded || route == Route::Create),
            None => {
                let is_apart = request.subtree.is_none() && is_part(collection, apart);
                embedded && !is_apart && !taken(|named| &named.collections, *index)
            }
        }
    });
    let collections = collections.map(|(index, _)| index).collect();
    let mut mentioned = mentioned(request, attributes);
    let builds = match &request.body {
        RequestBody::Frame(_) => true,
        RequestBody::FromRows | RequestBody::None | RequestBody::Tree(_)
            if request.send == SendMode::Each =>
        {
            true
        }
        RequestBody::FromRows | RequestBody::None | RequestBody::Tree(_) => {
            written.body.is_none()
                && !matches!(request.method, Method::Get | Method::Head | Method::Delete)
        }
    };
    if builds {
        request.carries.rows = rows;
        request.carries.collections = collections;
    } else if own.is_some() {
        mentioned.extend(rows);
    }
    request.carries.mentioned = mentioned;
}

/// Whether a collection lies in one of these parts of the record.
fn is_part(collection: &Collection, parts: &[NativePath]) -> bool {
    match &collection.source {
        CollectionSource::Items(items) => {
            items.array().is_some_and(|array| parts.iter().any(|part| part.overlaps(&array)))
        }
        CollectionSource::List(_) => false,
    }
}

/// Whether what the row writes lies in the part of the record that the request sends. Parts that
/// look-ups bring have requests of their own.
fn is_inside(row: &Row, request: &Request, apart: &[NativePath]) -> bool {
    let mut targets = row.targets().iter();
    match &request.subtree {
        Some(subtree) if row.is_written() => targets.any(|target| subtree.overlaps(target)),
        None => !targets.any(|target| apart.iter().any(|part| part.overlaps(target))),
        Some(_) => true,
    }
}

/// Rows that a request mentions as `scim.…`.
fn mentioned(request: &Request, attributes: &Attributes) -> BTreeSet<usize> {
    let mentions = mentions(request);
    let is_mentioned = |place: &Place| {
        mentions.iter().any(|mention| {
            let mut names = mention.split('.').skip(1);
            names.next() == Some(place.attribute.as_str())
                && names.next().is_none_or(|name| place.sub.as_ref().is_none_or(|s| s == name))
        })
    };
    let rows = attributes.rows.iter().enumerate();
    rows.filter(|(_, row)| row.places().any(is_mentioned)).map(|(index, _)| index).collect()
}

/// Everything of `scim` that a request mentions in path, query, headers, constants or body.
pub(crate) fn mentions(request: &Request) -> BTreeSet<String> {
    let mut mentions = request.path.mentions();
    for (_, template) in request.query.iter().chain(&request.headers) {
        mentions.extend(template.mentions());
    }
    for (_, template) in &request.set {
        mentions.extend(template.mentions());
    }
    if let RequestBody::Tree(tree) | RequestBody::Frame(tree) = &request.body {
        mentions.extend(tree.mentions());
    }
    for (_, lookup) in &request.with {
        mentions.extend(lookup.mentions());
    }
    mentions.retain(|mention| mention.starts_with("scim."));
    mentions
}

/// What `only` names.
fn named(
    written: &request::Request,
    attributes: &Attributes,
    context: &mut Context,
) -> Option<Named> {
    let only = written.only.as_ref()?;
    let mut named = Named::default();
    for name in only {
        let rows = matching(&attributes.row_labels, &name.value);
        let collections = matching(&attributes.collection_labels, &name.value);
        if rows.is_empty() && collections.is_empty() && !attributes.broken {
            let labels = attributes.row_labels.iter().chain(&attributes.collection_labels);
            let known: Vec<&str> = labels.map(|label| label.text.as_str()).collect();
            context.faults.push(unknown_only(name.at, &name.value, &known));
        }
        named.rows.extend(rows);
        named.collections.extend(collections);
    }
    Some(named)
}

fn matching(labels: &[Label], name: &str) -> Vec<usize> {
    let labels = labels.iter().enumerate();
    let is_meant = |label: &Label| {
        label.text == name || parts(&label.text).iter().any(|part| is_named(part, name))
    };
    labels.filter(|(_, label)| is_meant(label)).map(|(index, _)| index).collect()
}

/// `emails` names `emails` and `emails[type eq "work"].value`; `name` names `name.givenName`.
fn is_named(label: &str, name: &str) -> bool {
    label.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
