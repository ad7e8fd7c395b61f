//! Which row a filter speaks of, and whether there are others that it passes by (E203, E308, E309,
//! W316).

use serde_json::Value;

use crate::mapping::compile::context::Context;
use crate::mapping::compile::label::Label;
use crate::mapping::compile::place::{Declared, Known};
use crate::mapping::compile::row::Attributes;
use crate::mapping::diagnostic::{
    Diagnostic, bad_filter_key, filter_of_some, unmapped_filter, wrong_value,
};
use crate::mapping::file::resource::Resource;
use crate::mapping::model;
use crate::mapping::model::{FilterSubject, Mode, Reach, Source, is_same_text};
use crate::scim::attr::AttrPath;
use crate::scim::schema::{AttributeType, ResourceType};

/// What an entry of `filters` is judged against.
pub(crate) struct Surroundings<'r> {
    /// The resource as written.
    pub(crate) written: &'r Resource,
    /// Its schemas.
    pub(crate) known: &'r Known,
    /// Its rows.
    pub(crate) attributes: &'r Attributes,
    /// Its SCIM side.
    pub(crate) resource_type: &'r ResourceType,
}

/// What a key of `filters` names.
pub(crate) struct Asked {
    /// The attribute, canonical.
    pub(crate) path: AttrPath,
    /// The terms of its selector.
    pub(crate) selector: Vec<(String, Value)>,
    /// Whose transforms apply to its values.
    pub(crate) subject: FilterSubject,
    /// Which values it is about.
    pub(crate) reach: Reach,
}

/// The attribute that a key of `filters` names, canonical, and whose transforms apply to its values.
/// `any`: the application looks at the values of all rows of it.
pub(crate) fn subject(
    name: &str,
    any: bool,
    label: &Label,
    around: &Surroundings<'_>,
    context: &mut Context,
) -> Option<Asked> {
    let attributes = around.attributes;
    let (wanted, selector) = if name.contains('[') {
        let text = Declared { kind: AttributeType::String, multi: false };
        let place = around.known.find(name, label.at, text, context)?.place;
        (path(&place, place.sub.clone()), place.selector)
    } else {
        (plain(name, label, around.known, context)?, Vec::new())
    };
    if wanted.urn.is_none() && wanted.attr.eq_ignore_ascii_case("id") && wanted.sub.is_none() {
        let path = AttrPath { attr: "id".to_owned(), ..wanted };
        let reach = Reach::All(Vec::new());
        return Some(Asked { path, selector, subject: FilterSubject::Id, reach });
    }
    let sources = sources(&wanted, attributes);
    let named = sources.iter().filter(|source| is_picked(source.selector, &selector));
    let found = named.map(|source| &source.subject).reduce(|best, next| {
        // What the application can be asked for, where there is a choice.
        if best.is_err() && next.is_ok() { next } else { best }
    });
    match found {
        Some(Ok((path, subject))) => {
            let (path, subject) = (path.clone(), *subject);
            let reach = if any {
                everything(&sources, subject, label, context)?
            } else {
                reach(&sources, subject, name, label, context)
            };
            Some(Asked { path, selector, subject, reach })
        }
        Some(Err(why)) => {
            let message = format!("filter on \"{name}\", which {why}");
            context.fault(Diagnostic::error("E309", label.at, message))
        }
        // A row that was left out because of a fault is not missing.
        None if attributes.broken => None,
        None => context.fault(unmapped_filter(label.at, name)),
    }
}

/// A key without selector.
fn plain(name: &str, label: &Label, known: &Known, context: &mut Context) -> Option<AttrPath> {
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
    Some(AttrPath { urn, ..path })
}

/// A row or collection that has values of an attribute.
struct Holder<'a> {
    label: &'a str,
    selector: &'a [(String, Value)],
    /// What it is as the subject of a filter, or why it cannot be one.
    subject: Result<Subject, &'static str>,
}

impl Holder<'_> {
    fn is(&self, subject: FilterSubject) -> bool {
        self.subject.as_ref().is_ok_and(|(_, own)| *own == subject)
    }
}

/// Whether a row belongs to what a key names: any does when it names no element.
fn is_picked(selector: &[(String, Value)], wanted: &[(String, Value)]) -> bool {
    wanted.is_empty()
        || selector.len() == wanted.len() && wanted.iter().all(|term| selector.contains(term))
}

/// Which values an entry is about that names one row.
fn reach(
    holders: &[Holder<'_>],
    subject: FilterSubject,
    name: &str,
    label: &Label,
    context: &mut Context,
) -> Reach {
    // What is written only is never shown, so nobody can find it.
    let shown = |holder: &&Holder<'_>| holder.subject != Err(NEVER_RETURNED);
    let others: Vec<_> = holders.iter().filter(shown).filter(|other| !other.is(subject)).collect();
    let Some(first) = others.first() else { return Reach::All(Vec::new()) };
    if !name.contains('[') {
        context.faults.push(filter_of_some(label.at, name, first.label));
    }
    let own = holders.iter().find(|holder| holder.is(subject)).map(|holder| holder.selector);
    let own = own.unwrap_or_default();
    if own.is_empty() || !others.iter().all(|other| excludes(own, other.selector)) {
        return Reach::Unknown;
    }
    Reach::Element(own.to_vec())
}

/// Whether no element fits both selectors.
fn excludes(one: &[(String, Value)], other: &[(String, Value)]) -> bool {
    one.iter().any(|(name, value)| {
        other.iter().any(|(have, own)| have == name && !is_same_text(value, own))
    })
}

/// All values, which the application has in several places.
fn everything(
    holders: &[Holder<'_>],
    subject: FilterSubject,
    label: &Label,
    context: &mut Context,
) -> Option<Reach> {
    let mut also = Vec::new();
    for holder in holders {
        match &holder.subject {
            Ok((_, other)) if *other == subject => {}
            Ok((_, other)) => also.push(*other),
            Err(why) if *why == NEVER_RETURNED => {}
            Err(why) => {
                let message = format!("there is also \"{}\", which {why}", holder.label);
                return context.fault(wrong_value(label.at, "any", &message));
            }
        }
    }
    Some(Reach::All(also))
}

/// An attribute, canonical, and whose transforms apply to its values.
pub(crate) type Subject = (AttrPath, FilterSubject);

/// What a path names, or why nothing can be asked of it.
pub(crate) fn mapped(
    wanted: &AttrPath,
    attributes: &Attributes,
) -> Option<Result<Subject, &'static str>> {
    sources(wanted, attributes).into_iter().next().map(|holder| holder.subject)
}

/// Everything that has values of an attribute: rows, then collections.
fn sources<'a>(wanted: &AttrPath, attributes: &'a Attributes) -> Vec<Holder<'a>> {
    let is_place = |place: &model::Place| {
        place.extension == wanted.urn && place.attribute.eq_ignore_ascii_case(&wanted.attr)
    };
    let is_meant = |place: &&model::Place| {
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
    let rows = attributes.rows.iter().enumerate().filter_map(|(index, row)| {
        let place = row.places().find(is_meant)?;
        Some(Holder {
            label: &row.label,
            selector: &place.selector,
            subject: row_subject(row, index),
        })
    });
    let sub = wanted.sub.as_deref().unwrap_or("value");
    let lists = attributes.collections.iter().enumerate();
    let lists = lists.filter(|(_, list)| is_place(&list.place)).filter_map(|(index, list)| {
        let item = list.items.iter().position(|item| item.sub.eq_ignore_ascii_case(sub))?;
        let canonical = list.items.get(item)?.sub.clone();
        let subject = Ok((path(&list.place, Some(canonical)), FilterSubject::Item(index, item)));
        Some(Holder { label: &list.label, selector: &[], subject })
    });
    rows.chain(lists).collect()
}

/// Why nobody can ask for what is written only.
const NEVER_RETURNED: &str = "is never returned";

fn row_subject(row: &model::Row, index: usize) -> Result<Subject, &'static str> {
    match &row.source {
        Source::Sidecar => return Err("the application does not hold"),
        Source::Constant(_) => return Err("is a constant"),
        Source::Computed => return Err("only the bridge can compute"),
        Source::Path { .. } | Source::Paths { .. } if row.mode == Mode::Write => {
            return Err(NEVER_RETURNED);
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
