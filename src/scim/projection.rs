//! `attributes` and `excludedAttributes` (RFC 7644 section 3.9) and the `returned`
//! characteristic (RFC 7643 section 7).
//!
//! The RFC lets a client send only one of the two parameters. When both come, `attributes`
//! chooses and `excludedAttributes` then takes away.

use serde_json::Value;

use crate::scim::attr::{AttrPath, AttrPathError};
use crate::scim::resource::{Resource, is_unassigned};
use crate::scim::schema::{Attribute, Resolved, ResourceType, Returned, Schema};

/// Which attributes an answer has. The default has all that are returned by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Projection {
    /// The attributes asked for; empty means those returned by default.
    pub attributes: Vec<AttrPath>,
    /// The attributes not wanted.
    pub excluded: Vec<AttrPath>,
}

/// Whether an answer needs an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// It is returned.
    Yes,
    /// It is returned because the client named it.
    Named,
    /// It is not returned.
    No,
}

impl Projection {
    /// Reads the comma-separated lists of the two query parameters.
    ///
    /// # Errors
    /// When an entry is not an attribute's name. Names that no schema has are no error.
    pub fn parse(attributes: Option<&str>, excluded: Option<&str>) -> Result<Self, AttrPathError> {
        Ok(Self {
            attributes: names(attributes.unwrap_or_default().split(','))?,
            excluded: names(excluded.unwrap_or_default().split(','))?,
        })
    }

    /// The representation of a resource. `named` are the attributes that a write request named:
    /// they bring back attributes that are returned on request only.
    ///
    /// `id`, `schemas` and every attribute that is always returned stay; those that are never
    /// returned go. What the resource type does not know is left out.
    #[must_use]
    pub fn apply(
        &self,
        mut resource: Resource,
        resource_type: &ResourceType,
        named: &[AttrPath],
    ) -> Resource {
        let rules = Rules {
            chosen: Choice::new(&self.attributes, resource_type),
            excluded: Choice::new(&self.excluded, resource_type),
            named: Choice::new(named, resource_type),
            all: self.attributes.is_empty(),
        };
        resource.0.retain(|name, value| {
            if name == "schemas" {
                return true;
            }
            if let Some(attribute) = resource_type.core.attribute(name) {
                return rules.keep(None, attribute, value);
            }
            let (Some(schema), Value::Object(section)) = (resource_type.extension(name), value)
            else {
                return false;
            };
            section.retain(|name, value| {
                let attribute = schema.attribute(name);
                attribute.is_some_and(|attribute| rules.keep(Some(schema), attribute, value))
            });
            !section.is_empty()
        });
        resource
    }

    /// Whether an answer would have an attribute, of the core schema or of an extension, so that
    /// nobody fetches what nobody sees.
    pub fn wants(
        &self,
        resource_type: &ResourceType,
        extension: Option<&str>,
        attribute: &str,
    ) -> Wanted {
        let schema = extension.map(|urn| resource_type.extension(urn));
        let known = match schema {
            None => resource_type.core.attribute(attribute),
            Some(schema) => schema.and_then(|schema| schema.attribute(attribute)),
        };
        let Some(known) = known else { return Wanted::No };
        let schema = schema.flatten();
        let excluded = Choice::new(&self.excluded, resource_type).whole(schema, known);
        let chosen = Choice::new(&self.attributes, resource_type);
        let named = chosen.names(schema, known) && !excluded;
        let all = (self.attributes.is_empty() || chosen.section(schema)) && !excluded;
        match known.returned {
            Returned::Always | Returned::Default | Returned::Request if named => Wanted::Named,
            Returned::Always => Wanted::Yes,
            Returned::Default if all => Wanted::Yes,
            Returned::Never | Returned::Default | Returned::Request => Wanted::No,
        }
    }
}

/// Reads the entries of a list of names; blank ones are passed over.
pub fn names<'s>(entries: impl Iterator<Item = &'s str>) -> Result<Vec<AttrPath>, AttrPathError> {
    entries.map(str::trim).filter(|entry| !entry.is_empty()).map(str::parse).collect()
}

/// Names, looked up in a resource type.
struct Choice<'t> {
    /// Attributes, whole or with one sub-attribute.
    attributes: Vec<Resolved<'t>>,
    /// Schemas named as a whole.
    sections: Vec<Option<&'t Schema>>,
}

impl<'t> Choice<'t> {
    fn new(paths: &[AttrPath], resource_type: &'t ResourceType) -> Self {
        let mut choice = Self { attributes: Vec::new(), sections: Vec::new() };
        for path in paths {
            if let Some(found) = resource_type.resolve(path) {
                choice.attributes.push(found);
            } else if path.urn.is_some() {
                let urn = path.to_string();
                let mut schemas = resource_type.schemas();
                let named = schemas.find(|(_, schema)| schema.id.eq_ignore_ascii_case(&urn));
                choice.sections.extend(named.map(|(extension, _)| extension));
            }
        }
        choice
    }

    /// The sub-attributes with which an attribute is named, `None` for the whole.
    fn of(
        &self,
        schema: Option<&Schema>,
        attribute: &Attribute,
    ) -> impl Iterator<Item = Option<&'t Attribute>> {
        let named = self.attributes.iter().filter(move |named| {
            is_same(named.extension, schema) && named.attribute.name == attribute.name
        });
        named.map(|named| named.sub)
    }

    /// Whether the schema is named as a whole.
    fn section(&self, schema: Option<&Schema>) -> bool {
        self.sections.iter().any(|named| is_same(*named, schema))
    }

    /// Whether the attribute is named, or one of its sub-attributes.
    fn names(&self, schema: Option<&Schema>, attribute: &Attribute) -> bool {
        self.of(schema, attribute).next().is_some()
    }

    /// Whether the whole attribute is meant, by its own name or its schema's.
    fn whole(&self, schema: Option<&Schema>, attribute: &Attribute) -> bool {
        self.section(schema) || self.of(schema, attribute).any(|sub| sub.is_none())
    }

    fn names_sub(&self, schema: Option<&Schema>, attribute: &Attribute, sub: &Attribute) -> bool {
        self.of(schema, attribute).flatten().any(|named| named.name == sub.name)
    }
}

fn is_same(left: Option<&Schema>, right: Option<&Schema>) -> bool {
    left.map(|schema| &schema.id) == right.map(|schema| &schema.id)
}

struct Rules<'t> {
    chosen: Choice<'t>,
    excluded: Choice<'t>,
    named: Choice<'t>,
    /// Whether `attributes` is absent.
    all: bool,
}

impl Rules<'_> {
    /// Takes away what is not shown of a value; says whether anything is left.
    fn keep(&self, schema: Option<&Schema>, attribute: &Attribute, value: &mut Value) -> bool {
        if !self.has(schema, attribute) {
            return false;
        }
        match value {
            Value::Array(elements) => {
                elements.retain_mut(|element| {
                    self.cut(schema, attribute, element);
                    !is_unassigned(element)
                });
                !elements.is_empty()
            }
            single => {
                self.cut(schema, attribute, single);
                !is_unassigned(single)
            }
        }
    }

    fn has(&self, schema: Option<&Schema>, attribute: &Attribute) -> bool {
        let excluded = self.excluded.whole(schema, attribute);
        let chosen = self.chosen.names(schema, attribute);
        match attribute.returned {
            Returned::Never => false,
            Returned::Always => true,
            Returned::Default => {
                let section = self.all || self.chosen.section(schema);
                (section || chosen) && !excluded
            }
            Returned::Request => {
                let written = self.all && self.named.names(schema, attribute);
                (written || chosen) && !excluded
            }
        }
    }

    /// Takes away the sub-attributes that are not shown.
    fn cut(&self, schema: Option<&Schema>, attribute: &Attribute, element: &mut Value) {
        let Some(members) = element.as_object_mut() else { return };
        let whole = self.all
            || attribute.returned == Returned::Always
            || self.chosen.whole(schema, attribute);
        members.retain(|name, _| {
            attribute.sub_attribute(name).is_some_and(|sub| {
                let excluded = self.excluded.names_sub(schema, attribute, sub);
                let chosen = self.chosen.names_sub(schema, attribute, sub);
                let written = self.all && self.named.names_sub(schema, attribute, sub);
                match sub.returned {
                    Returned::Never => false,
                    Returned::Always => true,
                    Returned::Default => (whole || chosen) && !excluded,
                    Returned::Request => (written || chosen) && !excluded,
                }
            })
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::scim::builtin::{group_type, user_type};
    use crate::scim::projection::{Projection, Wanted};
    use crate::scim::resource::Resource;
    use crate::scim::schema::ResourceType;
    use crate::scim::urn;
    use serde_json::{Value, json};

    fn project(attributes: &str, excluded: &str, resource: Value) -> Value {
        let Value::Object(members) = resource else { panic!("a resource is an object") };
        let projection = Projection::parse(Some(attributes), Some(excluded)).unwrap();
        Value::Object(projection.apply(Resource(members), &user_type(), &[]).0)
    }

    fn user() -> Value {
        json!({
            "schemas": [urn::USER, urn::ENTERPRISE_USER],
            "id": "7",
            "userName": "ada",
            "password": "secret",
            "name": { "givenName": "Ada", "familyName": "Lovelace" },
            "emails": [{ "value": "ada@example.com", "type": "work" }],
            (urn::ENTERPRISE_USER): { "department": "Engines", "costCenter": "4" },
            "foreign": 1,
        })
    }

    #[test]
    fn by_default_secrets_and_strangers_stay_away() {
        let shown = project("", "", user());
        assert_eq!(shown["name"]["familyName"], "Lovelace");
        assert_eq!((shown.get("password"), shown.get("foreign")), (None, None));
    }

    #[test]
    fn an_extension_can_be_chosen_and_excluded_as_a_whole() {
        let extension = json!({ "department": "Engines", "costCenter": "4" });
        let shown = project(urn::ENTERPRISE_USER, "", user());
        assert_eq!((&shown[urn::ENTERPRISE_USER], shown.get("userName")), (&extension, None));
        let shown = project("", urn::ENTERPRISE_USER, user());
        assert_eq!((shown.get(urn::ENTERPRISE_USER), &shown["userName"]), (None, &json!("ada")));
    }

    #[test]
    fn excluded_attributes_take_away_from_those_chosen() {
        let shown = project("name, userName,", "name.givenName,userName", user());
        let schemas = json!([urn::USER, urn::ENTERPRISE_USER]);
        let expected = json!({ "schemas": schemas, "id": "7", "name": {"familyName": "Lovelace"} });
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_bare_name_reaches_into_an_extension() {
        let shown = project("department", "", user());
        assert_eq!(shown[urn::ENTERPRISE_USER], json!({ "department": "Engines" }));
    }

    #[test]
    fn excluding_every_sub_attribute_leaves_nothing() {
        assert_eq!(project("emails", "emails.value,emails.type", user()).get("emails"), None);
    }

    #[test]
    fn names_that_are_none_are_refused() {
        assert!(Projection::parse(Some("a b"), None).is_err());
        assert!(Projection::parse(None, Some("emails[type eq \"work\"]")).is_err());
        assert_eq!(Projection::parse(Some(" , "), None), Ok(Projection::default()));
    }

    fn check_wants(kind: &ResourceType, chosen: &str, excluded: &str, name: &str, wanted: Wanted) {
        let projection = Projection::parse(Some(chosen), Some(excluded)).unwrap();
        assert_eq!(projection.wants(kind, None, name), wanted, "{chosen:?} {excluded:?} {name}");
    }

    #[test]
    fn wants_says_what_an_answer_would_have() {
        let group = group_type();
        check_wants(&group, "", "", "members", Wanted::Yes);
        check_wants(&group, "", "members", "members", Wanted::No);
        check_wants(&group, "", "members.display", "members", Wanted::Yes);
        check_wants(&group, "displayName", "", "members", Wanted::No);
        check_wants(&group, "MEMBERS.value", "", "members", Wanted::Named);
        check_wants(&group, "members", "members", "members", Wanted::No);
        check_wants(&group, urn::GROUP, "", "members", Wanted::Yes);
        check_wants(&group, "displayName", "", "id", Wanted::Yes);
        check_wants(&group, "", "id", "id", Wanted::Yes);
        check_wants(&group, "", "", "nothing", Wanted::No);
        check_wants(&user_type(), "password", "", "password", Wanted::No);
        let enterprise = Projection::default();
        let wanted = enterprise.wants(&user_type(), Some(urn::ENTERPRISE_USER), "manager");
        assert_eq!(wanted, Wanted::Yes);
        assert_eq!(enterprise.wants(&user_type(), Some("urn:x:y"), "manager"), Wanted::No);
    }
}
