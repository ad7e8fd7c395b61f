//! SCIM paths of rows: `attr`, `attr.sub`, `attr[type eq "work"].sub`, each perhaps with the
//! prefix of an extension; and what the schemas say about them (E201 to E203).
//!
//! Names are found without regard to case and kept in the schema's spelling.

use serde_json::Value;

use crate::mapping::compile::context::Context;
use crate::mapping::diagnostic::{
    Position, bad_scim_path, undeclared_namespace, unknown_attribute,
};
use crate::mapping::model::Place;
use crate::scim::attr::AttrPath;
use crate::scim::builtin;
use crate::scim::filter::ast::{CompareOp, Filter};
use crate::scim::schema::{Attribute, AttributeType, Schema};
use crate::scim::urn;
use crate::scim::value::Dialect;

/// The schemas that a resource's rows may draw from.
pub(crate) struct Known {
    /// The resource's name.
    pub(crate) resource: String,
    /// Core schema with the common attributes.
    pub(crate) core: Schema,
    /// Whether rows define the core schema's attributes, as for a resource of the file's own.
    pub(crate) open: bool,
}

/// A type for an attribute that no schema knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Declared {
    /// Its data type.
    pub(crate) kind: AttributeType,
    /// Whether it has several values.
    pub(crate) multi: bool,
}

/// A SCIM path with what the schemas say about it.
pub(crate) struct Found {
    /// The path, canonical.
    pub(crate) place: Place,
    /// The attribute.
    pub(crate) attribute: Attribute,
    /// The sub-attribute, when one was named.
    pub(crate) sub: Option<Attribute>,
}

impl Found {
    /// What the whole path names.
    pub(crate) fn leaf(&self) -> &Attribute {
        self.sub.as_ref().unwrap_or(&self.attribute)
    }
}

/// A SCIM path taken apart.
struct Parts<'t> {
    prefix: Option<&'t str>,
    attribute: &'t str,
    selector: Option<&'t str>,
    sub: Option<&'t str>,
}

impl Known {
    /// The schemas of a resource. `schema` is the URN the file gives, if it does.
    pub(crate) fn new(resource: &str, schema: Option<&str>) -> Option<Self> {
        let by_name = match resource {
            "User" => Some(urn::USER),
            "Group" => Some(urn::GROUP),
            _ => None,
        };
        let id = schema.or(by_name)?;
        let builtin = [builtin::core_user(), builtin::core_group()]
            .into_iter()
            .find(|schema| schema.id.eq_ignore_ascii_case(id));
        let open = builtin.is_none();
        let mut core = builtin.unwrap_or_else(|| Schema {
            id: id.to_owned(),
            name: resource.to_owned(),
            description: resource.to_owned(),
            attributes: Vec::new(),
        });
        core.attributes.splice(0..0, builtin::common_attributes());
        Some(Self { resource: resource.to_owned(), core, open })
    }

    /// Finds what a row's key names. `declared` types an attribute that no schema knows.
    pub(crate) fn find(
        &self,
        text: &str,
        at: Position,
        declared: Declared,
        context: &mut Context,
    ) -> Option<Found> {
        let parts = match Parts::of(text) {
            Ok(parts) => parts,
            Err(why) => return context.fault(bad_scim_path(at, text, why)),
        };
        let extension = match parts.prefix {
            None => None,
            Some(prefix) => self.extension(prefix, at, context)?,
        };
        let schema = self.schema(extension.as_deref());
        let selector = match parts.selector {
            None => Vec::new(),
            Some(selector) => match terms(selector) {
                Some(terms) => terms,
                None => {
                    let why = "a selector is sub-attribute eq value, perhaps joined by and";
                    return context.fault(bad_scim_path(at, text, why));
                }
            },
        };
        let found = match &schema {
            Some(schema) => known_attribute(schema, &parts, &selector),
            None => None,
        };
        let own = schema.is_none() || (self.open && extension.is_none());
        let (attribute, sub, selector) = match found {
            Some(found) => found,
            None if own => own_attribute(&parts, selector, declared),
            None => {
                let names = schema.as_ref().map(|schema| names(schema, parts.prefix));
                let names = names.unwrap_or_default();
                return context.fault(unknown_attribute(at, &self.resource, text, &names));
            }
        };
        let place = Place {
            extension,
            attribute: attribute.name.clone(),
            selector,
            sub: sub.as_ref().map(|sub| sub.name.clone()),
            multi_valued: attribute.multi_valued,
        };
        Some(Found { place, attribute, sub })
    }

    /// The URN of a prefix; `None` inside for the core schema written with its URN.
    #[expect(clippy::option_option, reason = "outside: a fault; inside: the core schema")]
    pub(crate) fn extension(
        &self,
        prefix: &str,
        at: Position,
        context: &mut Context,
    ) -> Option<Option<String>> {
        if prefix.eq_ignore_ascii_case(&self.core.id) {
            return Some(None);
        }
        let declared = context
            .namespaces
            .iter()
            .find(|(name, urn)| name.as_str() == prefix || urn.eq_ignore_ascii_case(prefix));
        if let Some((_, urn)) = declared {
            return Some(Some(urn.clone()));
        }
        let known: Vec<String> = context.namespaces.keys().cloned().collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        context.fault(undeclared_namespace(at, prefix, &known))
    }

    fn schema(&self, extension: Option<&str>) -> Option<Schema> {
        match extension {
            None => Some(self.core.clone()),
            Some(urn) if urn.eq_ignore_ascii_case(urn::ENTERPRISE_USER) => {
                Some(builtin::enterprise_user())
            }
            Some(_) => None,
        }
    }
}

impl<'t> Parts<'t> {
    fn of(text: &'t str) -> Result<Self, &'static str> {
        let (head, selector, tail) = match text.split_once('[') {
            None => (text, None, ""),
            Some((head, rest)) => {
                let (selector, tail) = rest.rsplit_once(']').ok_or("the \"[\" is never closed")?;
                (head, Some(selector), tail)
            }
        };
        let (prefix, name) = match head.rsplit_once(':') {
            Some((prefix, name)) => (Some(prefix), name),
            None => (None, head),
        };
        let path: AttrPath = name.parse().map_err(|_| "a path is attribute or attribute.sub")?;
        let (attribute, dotted) = match name.split_once('.') {
            Some((attribute, sub)) => (attribute, Some(sub)),
            None => (name, None),
        };
        if selector.is_none() {
            return Ok(Self { prefix, attribute, selector, sub: dotted });
        }
        let sub = match tail.strip_prefix('.') {
            Some(sub) if sub.parse::<AttrPath>().is_ok_and(|path| path.sub.is_none()) => Some(sub),
            None if tail.is_empty() => None,
            Some(_) | None => return Err("after \"]\" comes \".\" and a sub-attribute"),
        };
        if path.sub.is_some() {
            return Err("a selector stands behind the attribute");
        }
        Ok(Self { prefix, attribute, selector, sub })
    }
}

fn terms(selector: &str) -> Option<Vec<(String, Value)>> {
    let filters = match Filter::parse(selector, Dialect::Strict).ok()? {
        Filter::And(filters) => filters,
        filter => vec![filter],
    };
    filters
        .into_iter()
        .map(|filter| match filter {
            Filter::Compare(AttrPath { urn: None, attr, sub: None }, CompareOp::Eq, value) => {
                Some((attr, value))
            }
            _ => None,
        })
        .collect()
}

type Resolved = (Attribute, Option<Attribute>, Vec<(String, Value)>);

fn known_attribute(
    schema: &Schema,
    parts: &Parts<'_>,
    selector: &[(String, Value)],
) -> Option<Resolved> {
    let attribute = schema.attribute(parts.attribute)?;
    let sub = match parts.sub {
        None => None,
        Some(sub) => Some(attribute.sub_attribute(sub)?.clone()),
    };
    let selector = selector
        .iter()
        .map(|(name, value)| Some((attribute.sub_attribute(name)?.name.clone(), value.clone())))
        .collect::<Option<_>>()?;
    Some((attribute.clone(), sub, selector))
}

/// An attribute that the row itself defines.
fn own_attribute(
    parts: &Parts<'_>,
    selector: Vec<(String, Value)>,
    declared: Declared,
) -> Resolved {
    let Some(sub) = parts.sub else {
        let mut attribute = Attribute::new(parts.attribute, declared.kind);
        attribute.multi_valued = declared.multi || !selector.is_empty();
        return (attribute, None, selector);
    };
    let mut attribute = Attribute::new(parts.attribute, AttributeType::Complex);
    attribute.multi_valued = !selector.is_empty();
    let sub = Attribute::new(sub, declared.kind);
    let tests = selector.iter().map(|(name, _)| Attribute::new(name, AttributeType::String));
    attribute.sub_attributes = std::iter::once(sub.clone()).chain(tests).collect();
    (attribute, Some(sub), selector)
}

fn names(schema: &Schema, prefix: Option<&str>) -> Vec<String> {
    let prefix = prefix.map(|prefix| format!("{prefix}:")).unwrap_or_default();
    let of = |attribute: &Attribute| {
        let name = format!("{prefix}{}", attribute.name);
        let subs = attribute.sub_attributes.iter().map(|sub| format!("{name}.{}", sub.name));
        std::iter::once(name.clone()).chain(subs).collect::<Vec<_>>()
    };
    schema.attributes.iter().flat_map(of).collect()
}
