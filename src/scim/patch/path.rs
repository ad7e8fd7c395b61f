//! `path` of a PATCH operation: `[URN ":"] attribute ["[" filter "]"] ["." sub-attribute]`
//! (RFC 7644 section 3.5.2, figure 7), looked up in a resource type.

use crate::scim::attr::AttrPath;
use crate::scim::deviation::{Deviation, Deviations};
use crate::scim::filter::ast::Filter;
use crate::scim::filter::error::FilterError;
use crate::scim::filter::eval::note_element_literals;
use crate::scim::schema::{Attribute, Resolved, ResourceType, Schema};
use crate::scim::value::Dialect;

/// What a path names in a resource type.
#[derive(Debug)]
pub enum Place<'t> {
    /// An attribute, some of its elements, or a sub-attribute of those.
    Attribute(Located<'t>),
    /// Everything that one schema has; the core schema is `None`.
    Section(Option<&'t Schema>),
    /// Nothing that the resource type knows.
    Unknown,
}

/// An attribute that a path names.
#[derive(Debug)]
pub struct Located<'t> {
    /// The attribute and sub-attribute.
    pub resolved: Resolved<'t>,
    /// Which elements.
    pub filter: Option<Filter>,
    /// How the path's form differs from the letter of the RFC.
    pub deviation: Option<Deviation>,
}

/// The text is not a path. The source is the fault of the filter inside, if it has one.
#[derive(Debug, thiserror::Error)]
#[error("not a path")]
pub struct PathError(#[source] pub Option<FilterError>);

/// Parses a path and looks it up.
///
/// # Errors
/// When the text is not a path, or has a filter where no elements are.
pub fn locate<'t>(
    text: &str,
    resource_type: &'t ResourceType,
    dialect: Dialect,
    noted: &mut Deviations,
) -> Result<Place<'t>, PathError> {
    let parts = split(text)?;
    let filter = match parts.filter {
        Some(inner) => {
            let filter = Filter::parse_noting(inner, dialect, noted);
            Some(filter.map_err(|error| PathError(Some(error)))?)
        }
        None => None,
    };
    let (mut path, deviation) = match name(parts.name, resource_type, dialect) {
        Some(Name::Attribute(path, deviation)) => (path, deviation),
        Some(Name::Section(schema)) if filter.is_none() && parts.sub.is_none() => {
            return Ok(Place::Section(schema));
        }
        Some(Name::Section(_)) | None => return Err(PathError(None)),
    };
    if filter.is_some() {
        // `name.givenName[…]` fits the grammar's letters but no schema: sub-attributes of
        // sub-attributes do not exist.
        if path.sub.is_some() {
            return Err(PathError(None));
        }
        path.sub = parts.sub.map(str::to_owned);
    }
    let Some(resolved) = resource_type.resolve(&path) else { return Ok(Place::Unknown) };
    let unqualified = resolved.extension.is_some() && path.urn.is_none();
    if unqualified && dialect == Dialect::Strict {
        return Ok(Place::Unknown);
    }
    if let Some(filter) = &filter {
        if !resolved.attribute.multi_valued {
            return Err(PathError(None));
        }
        if !knows_names(resolved.attribute, filter) {
            return Ok(Place::Unknown);
        }
        if dialect == Dialect::Lenient {
            note_element_literals(filter, resolved.attribute, noted);
        }
    }
    let deviation = deviation.or_else(|| unqualified.then_some(Deviation::BareExtensionAttribute));
    Ok(Place::Attribute(Located { resolved, filter, deviation }))
}

struct Parts<'s> {
    name: &'s str,
    filter: Option<&'s str>,
    sub: Option<&'s str>,
}

/// Cuts the text at the brackets of its filter.
fn split(text: &str) -> Result<Parts<'_>, PathError> {
    let Some((name, rest)) = text.split_once('[') else {
        return Ok(Parts { name: text, filter: None, sub: None });
    };
    let close = closing_bracket(rest).ok_or(PathError(None))?;
    let (Some(filter), Some(tail)) = (rest.get(..close), rest.get(close + 1..)) else {
        return Err(PathError(None));
    };
    let sub = match tail.strip_prefix('.') {
        None if tail.is_empty() => None,
        Some(sub) if sub.parse::<AttrPath>().is_ok_and(|path| is_bare(&path)) => Some(sub),
        None | Some(_) => return Err(PathError(None)),
    };
    Ok(Parts { name, filter: Some(filter), sub })
}

fn is_bare(path: &AttrPath) -> bool {
    path.urn.is_none() && path.sub.is_none()
}

/// The byte at which the first bracket outside of quotes closes.
fn closing_bracket(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ']' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

enum Name<'t> {
    Attribute(AttrPath, Option<Deviation>),
    Section(Option<&'t Schema>),
}

/// Reads the part before the filter. URNs of the resource type are looked for first, because
/// nothing in the text says where a URN ends.
fn name<'t>(text: &str, resource_type: &'t ResourceType, dialect: Dialect) -> Option<Name<'t>> {
    for (extension, schema) in resource_type.schemas() {
        let Some(rest) = strip_prefix_ignoring_case(text, &schema.id) else { continue };
        if rest.is_empty() {
            return Some(Name::Section(extension));
        }
        let (rest, deviation) = match (rest.strip_prefix(':'), rest.strip_prefix('.')) {
            (Some(rest), _) => (rest, None),
            // Old jobs of Entra ID put a dot between URN and attribute.
            (None, Some(rest)) if dialect == Dialect::Lenient => {
                (rest, Some(Deviation::UrnWithDot))
            }
            (None, _) => continue,
        };
        if let Ok(path) = rest.parse::<AttrPath>()
            && path.urn.is_none()
        {
            let path = AttrPath { urn: Some(schema.id.clone()), ..path };
            return Some(Name::Attribute(path, deviation));
        }
    }
    text.parse().ok().map(|path| Name::Attribute(path, None))
}

fn strip_prefix_ignoring_case<'s>(text: &'s str, prefix: &str) -> Option<&'s str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| text.get(prefix.len()..)).flatten()
}

/// Whether every name in a filter is a sub-attribute (or `value`, for simple elements).
fn knows_names(attribute: &Attribute, filter: &Filter) -> bool {
    let knows = |path: &AttrPath| {
        let simple = attribute.sub_attributes.is_empty() && path.attr.eq_ignore_ascii_case("value");
        is_bare(path) && (simple || attribute.sub_attribute(&path.attr).is_some())
    };
    match filter {
        Filter::Compare(path, _, _) | Filter::Present(path) => knows(path),
        Filter::And(terms) | Filter::Or(terms) => {
            terms.iter().all(|term| knows_names(attribute, term))
        }
        Filter::Not(term) => knows_names(attribute, term),
        Filter::ValuePath(..) => false,
    }
}
