//! Which row a filter speaks of (E203, E308, E309).

use crate::mapping::compile::context::Context;
use crate::mapping::compile::label::Label;
use crate::mapping::compile::place::Known;
use crate::mapping::compile::row::Attributes;
use crate::mapping::diagnostic::{Diagnostic, bad_filter_key, unmapped_filter};
use crate::mapping::model;
use crate::mapping::model::{FilterSubject, Mode, Source};
use crate::scim::attr::AttrPath;

/// The attribute that a key of `filters` names, canonical, and whose transforms apply to its values.
pub(crate) fn subject(
    name: &str,
    label: &Label,
    known: &Known,
    attributes: &Attributes,
    context: &mut Context,
) -> Option<(AttrPath, FilterSubject)> {
    let (prefix, bare) = match name.rsplit_once(':') {
        Some((prefix, bare)) => (Some(prefix), bare),
        None => (None, name),
    };
    let Ok(path) = bare.parse::<AttrPath>() else {
        return context.fault(bad_filter_key(label.at, &label.text));
    };
    let urn = match prefix {
        None => None,
        Some(prefix) => known.extension(prefix, label.at, context)?,
    };
    if urn.is_none() && path.attr.eq_ignore_ascii_case("id") && path.sub.is_none() {
        let path = AttrPath { urn, attr: "id".to_owned(), sub: None };
        return Some((path, FilterSubject::Id));
    }
    let wanted = AttrPath { urn, ..path };
    match mapped(&wanted, attributes) {
        Some(Ok(found)) => Some(found),
        Some(Err(why)) => {
            let message = format!("filter on \"{name}\", which {why}");
            context.fault(Diagnostic::error("E309", label.at, message))
        }
        // A row that was left out because of a fault is not missing.
        None if attributes.broken => None,
        None => context.fault(unmapped_filter(label.at, name)),
    }
}

/// An attribute, canonical, and whose transforms apply to its values.
pub(crate) type Subject = (AttrPath, FilterSubject);

/// What a path names, or why nothing can be asked of it.
pub(crate) fn mapped(
    wanted: &AttrPath,
    attributes: &Attributes,
) -> Option<Result<Subject, &'static str>> {
    let is_place = |place: &model::Place| {
        place.extension == wanted.urn && place.attribute.eq_ignore_ascii_case(&wanted.attr)
    };
    let is_meant = |place: &model::Place| {
        // A complex attribute by its bare name means its `value` (RFC 7644 section 3.4.2.2).
        let sub = wanted.sub.as_deref().or_else(|| place.sub.as_ref().map(|_| "value"));
        is_place(place)
            && match (sub, &place.sub) {
                (Some(wanted), Some(have)) => wanted.eq_ignore_ascii_case(have),
                // The whole attribute holds each of its sub-attributes.
                (Some(_) | None, None) => true,
                (None, Some(_)) => false,
            }
    };
    let row = attributes.rows.iter().position(|row| row.places().any(is_meant));
    if let Some((index, row)) = row.and_then(|index| Some((index, attributes.rows.get(index)?))) {
        return Some(row_subject(row, index));
    }
    let sub = wanted.sub.as_deref().unwrap_or("value");
    attributes.collections.iter().enumerate().find_map(|(index, collection)| {
        if !is_place(&collection.place) {
            return None;
        }
        let item = collection.items.iter().position(|item| item.sub.eq_ignore_ascii_case(sub))?;
        let canonical = collection.items.get(item)?.sub.clone();
        let path = path(&collection.place, Some(canonical));
        Some(Ok((path, FilterSubject::Item(index, item))))
    })
}

fn row_subject(row: &model::Row, index: usize) -> Result<Subject, &'static str> {
    match &row.source {
        Source::Sidecar => return Err("the application does not hold"),
        Source::Constant(_) => return Err("is a constant"),
        Source::Computed => return Err("only the bridge can compute"),
        Source::Path { .. } | Source::Paths { .. } if row.mode == Mode::Write => {
            return Err("is never returned");
        }
        // The application knows what they make together, not the one asked for.
        Source::Path { .. } | Source::Paths { .. } if row.is_several() => {
            return Err("is one of several attributes that are mapped together");
        }
        Source::Path { .. } | Source::Paths { .. } => {}
    }
    Ok((path(&row.place, row.place.sub.clone()), FilterSubject::Row(index)))
}

fn path(place: &model::Place, sub: Option<String>) -> AttrPath {
    AttrPath { urn: place.extension.clone(), attr: place.attribute.clone(), sub }
}
