//! Bodies of POST and PUT to resources (RFC 7643 sections 2 and 3, RFC 7644 sections 3.3 and
//! 3.5.1), and what must hold before one is kept: required and immutable attributes.
//!
//! Deviations from the RFC, in the lenient dialect only: `schemas` may be missing or say anything,
//! unknown attributes are dropped, attributes of extensions may stand at the top, and names may
//! be dotted or carry their URN. Uniqueness is not looked at here: only the application knows.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::scim::attr::AttrPath;
use crate::scim::deviation::{Deviation, Deviations};
use crate::scim::resource::{Resource, is_unassigned};
use crate::scim::schema::{Attribute, Mutability, Resolved, ResourceType, Schema};
use crate::scim::value::{Dialect, ValueError, read_value, without_read_only};

/// Why a body is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValidationError {
    /// It is JSON, but not an object.
    #[error("the body must be a JSON object")]
    NotAnObject,
    /// `schemas` is missing, empty or not a list of texts (strict dialect only).
    #[error("`schemas` must be an array of schema URNs")]
    Schemas,
    /// `schemas` lacks the core schema, or an extension whose attributes are there (strict
    /// dialect only).
    #[error("`schemas` must contain `{urn}`")]
    SchemaNotDeclared {
        /// The missing URN.
        urn: String,
    },
    /// `schemas` names one that the resource type does not have (strict dialect only).
    #[error("the resource type has no schema `{urn}`")]
    UnknownSchema {
        /// The URN as sent.
        urn: String,
    },
    /// The resource type has no such attribute (strict dialect only).
    #[error("the resource type has no attribute `{name}`")]
    UnknownAttribute {
        /// The name as sent.
        name: String,
    },
    /// Two names differ only in letter case (strict dialect only).
    #[error("`{name}` is given more than once")]
    Repeated {
        /// The attribute.
        name: String,
    },
    /// What stands under an extension's URN is not an object.
    #[error("`{urn}` must be an object")]
    ExtensionNotAnObject {
        /// The extension.
        urn: String,
    },
    /// A value does not fit its attribute.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// A required attribute, sub-attribute or extension is missing or empty.
    #[error("`{path}` is required")]
    Required {
        /// What is missing.
        path: String,
    },
    /// An immutable attribute has a value already, and the new one differs.
    #[error("`{path}` cannot be changed")]
    Immutable {
        /// The attribute.
        path: String,
    },
}

/// Reads the body of a POST or PUT: names become canonical, values are checked, and what a client
/// may not write (`id`, `meta` and other read-only attributes) or left unassigned is dropped. What
/// only the lenient dialect understands is noted.
///
/// # Errors
/// When the body is not a representation of this resource type. Required attributes are not
/// looked for: see [`require`].
pub fn read_resource(
    body: &Value,
    resource_type: &ResourceType,
    dialect: Dialect,
    noted: &mut Deviations,
) -> Result<Resource, ValidationError> {
    let members = body.as_object().ok_or(ValidationError::NotAnObject)?;
    let mut reader = BodyReader {
        resource_type,
        dialect,
        noted,
        resource: Resource::default(),
        seen: BTreeSet::new(),
    };
    let mut declared = &Value::Null;
    for (name, value) in members {
        if name.eq_ignore_ascii_case("schemas") {
            declared = value;
        } else {
            reader.member(name, value)?;
        }
    }
    let mut resource = reader.resource;
    declare_schemas(&mut resource, resource_type);
    match (check_declared(declared, &resource, resource_type), dialect) {
        (Err(error), Dialect::Strict) => return Err(error),
        (Err(ValidationError::UnknownSchema { .. }), Dialect::Lenient) => {
            noted.note(Deviation::ForeignSchema);
        }
        (Err(_), Dialect::Lenient) => noted.note(Deviation::MissingSchemas),
        (Ok(()), Dialect::Strict | Dialect::Lenient) => {}
    }
    Ok(resource)
}

/// Checks that required attributes are there and not empty, also those inside of complex values
/// that are there. Read-only attributes are the service provider's own affair.
///
/// # Errors
/// [`ValidationError::Required`] for the first one that is missing.
pub fn require(resource: &Resource, resource_type: &ResourceType) -> Result<(), ValidationError> {
    require_members(&resource_type.core.attributes, &resource.0, None)?;
    for extension in &resource_type.extensions {
        let schema = &extension.schema;
        match resource.section(Some(&schema.id)) {
            Some(section) => require_members(&schema.attributes, section, None)?,
            None if extension.required => return Err(missing(&schema.id)),
            None => {}
        }
    }
    Ok(())
}

/// Makes `schemas` say which schemas the resource has values of, and drops empty extensions.
pub fn declare_schemas(resource: &mut Resource, resource_type: &ResourceType) {
    let mut declared = vec![Value::from(resource_type.core.id.as_str())];
    for extension in &resource_type.extensions {
        let urn = extension.schema.id.as_str();
        match resource.0.get(urn) {
            Some(section) if is_unassigned(section) => {
                resource.0.shift_remove(urn);
            }
            Some(_) => declared.push(urn.into()),
            None => {}
        }
    }
    resource.0.shift_insert(0, "schemas".to_owned(), declared.into());
}

/// RFC 7643 section 3: the core schema, and each extension that is used; nothing foreign.
fn check_declared(
    declared: &Value,
    resource: &Resource,
    resource_type: &ResourceType,
) -> Result<(), ValidationError> {
    let declared: Option<Vec<&str>> =
        declared.as_array().and_then(|urns| urns.iter().map(Value::as_str).collect());
    let declared = declared.filter(|urns| !urns.is_empty()).ok_or(ValidationError::Schemas)?;
    for (extension, schema) in resource_type.schemas() {
        let used = extension.is_none() || resource.0.contains_key(&schema.id);
        if used && !declared.iter().any(|urn| urn.eq_ignore_ascii_case(&schema.id)) {
            return Err(ValidationError::SchemaNotDeclared { urn: schema.id.clone() });
        }
    }
    for urn in declared {
        if !resource_type.schemas().any(|(_, schema)| schema.id.eq_ignore_ascii_case(urn)) {
            return Err(ValidationError::UnknownSchema { urn: urn.to_owned() });
        }
    }
    Ok(())
}

struct BodyReader<'t, 'd> {
    resource_type: &'t ResourceType,
    dialect: Dialect,
    noted: &'d mut Deviations,
    resource: Resource,
    /// Attributes that had their value, by schema and name.
    seen: BTreeSet<(&'t str, &'t str)>,
}

impl<'t> BodyReader<'t, '_> {
    /// A member of the body other than `schemas`.
    fn member(&mut self, name: &str, value: &Value) -> Result<(), ValidationError> {
        let resource_type = self.resource_type;
        if let Some(schema) = resource_type.extension(name) {
            return self.section(Some(schema), value);
        }
        let core = self.dialect == Dialect::Lenient
            && name.eq_ignore_ascii_case(&resource_type.core.id)
            && value.is_object();
        if !core {
            return self.attribute(None, name, value);
        }
        self.noted.note(Deviation::PathAsKey);
        self.section(None, value)
    }

    /// The attributes under the URN of a schema; the core schema is `None`.
    fn section(
        &mut self,
        extension: Option<&'t Schema>,
        value: &Value,
    ) -> Result<(), ValidationError> {
        if is_unassigned(value) {
            return Ok(());
        }
        let Some(members) = value.as_object() else {
            let schema = extension.unwrap_or(&self.resource_type.core);
            return Err(ValidationError::ExtensionNotAnObject { urn: schema.id.clone() });
        };
        members.iter().try_for_each(|(name, value)| self.attribute(extension, name, value))
    }

    fn attribute(
        &mut self,
        extension: Option<&'t Schema>,
        name: &str,
        value: &Value,
    ) -> Result<(), ValidationError> {
        let schema = extension.unwrap_or(&self.resource_type.core);
        if let Some(attribute) = schema.attribute(name) {
            return self.put(extension, attribute, value);
        }
        if self.dialect == Dialect::Strict {
            return Err(ValidationError::UnknownAttribute { name: name.to_owned() });
        }
        let Ok(mut path) = name.parse::<AttrPath>() else {
            self.noted.note(Deviation::UnknownAttribute);
            return Ok(());
        };
        let is_bare = path.urn.is_none() && path.sub.is_none();
        if extension.is_some() && path.urn.is_none() {
            path.urn = Some(schema.id.clone());
        }
        let found = self.resource_type.resolve(&path);
        self.noted.note(match &found {
            None => Deviation::UnknownAttribute,
            Some(_) if is_bare => Deviation::BareExtensionAttribute,
            Some(_) => Deviation::PathAsKey,
        });
        match found {
            Some(Resolved { extension, attribute, sub: None }) => {
                self.put(extension, attribute, value)
            }
            Some(Resolved { extension, attribute, sub: Some(sub) }) => {
                self.put_sub(extension, attribute, sub, value)
            }
            None => Ok(()),
        }
    }

    fn put(
        &mut self,
        extension: Option<&'t Schema>,
        attribute: &'t Attribute,
        value: &Value,
    ) -> Result<(), ValidationError> {
        if attribute.mutability == Mutability::ReadOnly {
            return Ok(());
        }
        let urn = extension.map(|schema| schema.id.as_str());
        let first = self.seen.insert((urn.unwrap_or_default(), &attribute.name));
        if !first && self.dialect == Dialect::Strict {
            return Err(ValidationError::Repeated { name: attribute.name.clone() });
        }
        if !first {
            self.noted.note(Deviation::RepeatedAttribute);
        }
        let read = read_value(attribute, value, self.dialect, self.noted)?;
        let value = without_read_only(attribute, read);
        let section = self.resource.section_mut(urn);
        if value.is_null() {
            section.shift_remove(&attribute.name);
        } else {
            section.insert(attribute.name.clone(), value);
        }
        Ok(())
    }

    /// A dotted name adds to what its complex attribute has already.
    fn put_sub(
        &mut self,
        extension: Option<&'t Schema>,
        attribute: &'t Attribute,
        sub: &'t Attribute,
        value: &Value,
    ) -> Result<(), ValidationError> {
        // It does not say which element of a multi-valued attribute is meant.
        if attribute.multi_valued {
            return Ok(());
        }
        let urn = extension.map(|schema| schema.id.as_str());
        let known = self.resource.get(urn, &attribute.name).and_then(Value::as_object);
        let mut members = known.cloned().unwrap_or_default();
        members.insert(sub.name.clone(), value.clone());
        self.put(extension, attribute, &Value::Object(members))
    }
}

fn require_members(
    attributes: &[Attribute],
    members: &Map<String, Value>,
    within: Option<&str>,
) -> Result<(), ValidationError> {
    for attribute in attributes.iter().filter(|one| one.mutability != Mutability::ReadOnly) {
        let name = attribute.name.as_str();
        let is_lacking = |value: &Value| is_unassigned(value) || value == "";
        let value = members.get(name);
        if attribute.required && value.is_none_or(is_lacking) {
            return Err(match within {
                Some(within) => missing(&format!("{within}.{name}")),
                None => missing(name),
            });
        }
        if attribute.sub_attributes.is_empty() {
            continue;
        }
        let Some(value) = value else { continue };
        let elements = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
        for element in elements.iter().filter_map(Value::as_object) {
            require_members(&attribute.sub_attributes, element, Some(name))?;
        }
    }
    Ok(())
}

fn missing(path: &str) -> ValidationError {
    ValidationError::Required { path: path.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::scim::builtin::{group_type, user_type};
    use crate::scim::deviation::{Deviation, Deviations};
    use crate::scim::resource::Resource;
    use crate::scim::schema::ResourceType;
    use crate::scim::urn::{ENTERPRISE_USER, USER};
    use crate::scim::validate::{ValidationError, read_resource, require};
    use crate::scim::value::Dialect;

    fn read_body(
        body: &Value,
        resource_type: &ResourceType,
        dialect: Dialect,
    ) -> Result<Resource, ValidationError> {
        read_resource(body, resource_type, dialect, &mut Deviations::default())
    }

    #[test]
    fn what_is_forgiven_is_noted() {
        let with = |members: Value| {
            let mut body = json!({ "schemas": [USER, ENTERPRISE_USER], "userName": "a" });
            body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            body
        };
        for (body, kind) in [
            (json!({ "userName": "a" }), Deviation::MissingSchemas),
            (json!({ "schemas": [USER, "urn:x:y"] }), Deviation::ForeignSchema),
            (with(json!({ "shoeSize": 7 })), Deviation::UnknownAttribute),
            (with(json!({ "department": "x" })), Deviation::BareExtensionAttribute),
            (with(json!({ "name.givenName": "x" })), Deviation::PathAsKey),
            (with(json!({ (USER): { "title": "x" } })), Deviation::PathAsKey),
            (with(json!({ "USERNAME": "b" })), Deviation::RepeatedAttribute),
            (with(json!({ "active": "True" })), Deviation::StringBoolean),
        ] {
            let mut noted = Deviations::default();
            read_resource(&body, &user_type(), Dialect::Lenient, &mut noted).unwrap();
            assert_eq!(noted.iter().collect::<Vec<_>>(), [(kind, 1)], "{body}");
            let mut noted = Deviations::default();
            let strict = read_resource(&body, &user_type(), Dialect::Strict, &mut noted);
            assert!(strict.is_err() && noted.is_empty(), "{body}");
        }
    }

    /// Reads `body` leniently; `expected` is what is kept besides `schemas`.
    #[track_caller]
    fn check(body: &Value, extensions: &[&str], mut expected: Value) {
        let read = read_body(body, &user_type(), Dialect::Lenient).unwrap();
        expected["schemas"] = [&[USER], extensions].concat().into();
        assert_eq!(Value::Object(read.0), expected);
    }

    #[test]
    fn names_that_clients_write_differently_are_understood() {
        check(
            &json!({ "USERNAME": "a", "department": "d", "manager": "7", "name.givenName": "g" }),
            &[ENTERPRISE_USER],
            json!({
                "userName": "a",
                "name": { "givenName": "g" },
                ENTERPRISE_USER: { "department": "d", "manager": { "value": "7" } },
            }),
        );
        check(
            &json!({
                "name": { "familyName": "f" },
                "name.givenName": "g",
                format!("{USER}:name.middleName"): "m",
                format!("{ENTERPRISE_USER}:department"): "d",
                ENTERPRISE_USER.to_uppercase(): { "Manager.Value": "7", "costCenter": null },
            }),
            &[ENTERPRISE_USER],
            json!({
                "name": { "familyName": "f", "givenName": "g", "middleName": "m" },
                ENTERPRISE_USER: { "department": "d", "manager": { "value": "7" } },
            }),
        );
        check(&json!({ USER: { "title": "t" } }), &[], json!({ "title": "t" }));
    }

    #[test]
    fn what_means_nothing_is_dropped() {
        check(
            &json!({
                "schemas": ["urn:scim:schemas:core:2.0", 5],
                "id": 5,
                "meta": "x",
                "groups": [{ "value": "g" }],
                "noSuch": 1,
                "no such": 1,
                "emails.value": "x",
                "nickName": null,
                "emails": [],
                "name": { "noSuch": 1 },
                ENTERPRISE_USER: { "manager": { "displayName": "Boss" }, "noSuch": 1 },
                "urn:foreign:2.0:User": { "a": 1 },
            }),
            &[],
            json!({}),
        );
    }

    #[test]
    fn the_last_of_several_spellings_wins() {
        check(&json!({ "title": "a", "TITLE": "b" }), &[], json!({ "title": "b" }));
        check(&json!({ "title": "a", "Title": null }), &[], json!({}));
    }

    #[test]
    fn strict_names_the_fault() {
        let read = |members: Value| {
            let mut body = json!({ "schemas": [USER], "userName": "a" });
            body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            read_body(&body, &user_type(), Dialect::Strict).map(drop)
        };
        let name = |name: &str| name.to_owned();
        let urn = ENTERPRISE_USER;
        assert_eq!(read(json!({})), Ok(()));
        for (members, fault) in [
            (json!({ "x": 1 }), ValidationError::UnknownAttribute { name: name("x") }),
            (json!({ "USERNAME": "a" }), ValidationError::Repeated { name: name("userName") }),
            (json!({ "schemas": [] }), ValidationError::Schemas),
            (json!({ "schemas": [5] }), ValidationError::Schemas),
            (json!({ "schemas": [urn] }), ValidationError::SchemaNotDeclared { urn: name(USER) }),
            (
                json!({ urn: { "department": "d" } }),
                ValidationError::SchemaNotDeclared { urn: name(urn) },
            ),
            (
                json!({ "schemas": [USER, "urn:x:y"] }),
                ValidationError::UnknownSchema { urn: name("urn:x:y") },
            ),
            (json!({ urn: "d" }), ValidationError::ExtensionNotAnObject { urn: name(urn) }),
        ] {
            assert_eq!(read(members), Err(fault));
        }
    }

    #[test]
    fn required_attributes_are_missed_wherever_they_belong() {
        let mut user = user_type();
        let fault = |body: Value, user: &ResourceType| {
            let resource = read_body(&body, user, Dialect::Lenient).unwrap();
            require(&resource, user).err().map(|error| error.to_string())
        };
        let missing = |path: &str| Some(format!("`{path}` is required"));
        assert_eq!(fault(json!({ "userName": "a" }), &user), None);
        assert_eq!(fault(json!({}), &user), missing("userName"));
        assert_eq!(fault(json!({ "userName": "" }), &user), missing("userName"));
        for attribute in user.core.attributes.iter_mut().filter(|one| one.name == "emails") {
            for sub in attribute.sub_attributes.iter_mut().filter(|sub| sub.name == "value") {
                sub.required = true;
            }
        }
        let bare = json!({ "userName": "a", "emails": [{ "value": "x" }, { "type": "work" }] });
        assert_eq!(fault(bare, &user), missing("emails.value"));
        user.extensions[0].required = true;
        assert_eq!(fault(json!({ "userName": "a" }), &user), missing(ENTERPRISE_USER));
        let group = read_body(&json!({}), &group_type(), Dialect::Lenient).unwrap();
        assert_eq!(require(&group, &group_type()), Ok(()));
    }
}
