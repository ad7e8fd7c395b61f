//! `unique` and `adopt`: attributes by which resources are told apart.

use crate::mapping::compile::context::Context;
use crate::mapping::compile::subject::Surroundings;
use crate::mapping::diagnostic::wrong_value;
use crate::mapping::file::reader::Text;
use crate::scim::attr::AttrPath;
use crate::scim::schema::AttributeType;

/// Compiles `unique`.
pub(crate) fn unique(around: &Surroundings<'_>, context: &mut Context) -> Vec<AttrPath> {
    let written = around.written.unique.iter().flatten();
    written.filter_map(|name| path(name, "unique", around, context)).collect()
}

/// Compiles `adopt`.
pub(crate) fn adopt(around: &Surroundings<'_>, context: &mut Context) -> Option<AttrPath> {
    path(around.written.adopt.as_ref()?, "adopt", around, context)
}

/// An attribute that a row maps and whose values are texts or numbers.
fn path(
    name: &Text,
    field: &str,
    around: &Surroundings<'_>,
    context: &mut Context,
) -> Option<AttrPath> {
    let (prefix, bare) = match name.value.rsplit_once(':') {
        Some((prefix, bare)) => (Some(prefix), bare),
        None => (None, name.value.as_str()),
    };
    let Ok(path) = bare.parse::<AttrPath>() else {
        let message = format!("\"{}\" is no SCIM path", name.value);
        return context.fault(wrong_value(name.at, field, &message));
    };
    let urn = match prefix {
        None => None,
        Some(prefix) => around.known.extension(prefix, name.at, context)?,
    };
    let path = AttrPath { urn, ..path };
    // Attributes that a fault has left out are not missing.
    if around.attributes.broken {
        return None;
    }
    let Some(found) = around.resource_type.resolve(&path) else {
        let message = format!("no row maps \"{}\"", name.value);
        return context.missing(wrong_value(name.at, field, &message));
    };
    let value = found.attribute.sub_attribute("value").filter(|_| path.sub.is_none());
    let (leaf, implied) =
        (value.unwrap_or_else(|| found.leaf()), value.map(|value| value.name.clone()));
    let is_plain = match leaf.kind {
        AttributeType::String
        | AttributeType::Integer
        | AttributeType::Decimal
        | AttributeType::Reference => true,
        AttributeType::Boolean
        | AttributeType::DateTime
        | AttributeType::Binary
        | AttributeType::Complex => false,
    };
    if !is_plain {
        let message = format!("nobody is told apart by \"{}\"", name.value);
        return context.fault(wrong_value(name.at, field, &message));
    }
    let urn = found.extension.map(|schema| schema.id.clone());
    let attr = found.attribute.name.clone();
    let sub = found.sub.map(|sub| sub.name.clone()).or(implied);
    Some(AttrPath { urn, attr, sub })
}
