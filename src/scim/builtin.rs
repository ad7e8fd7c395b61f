//! The schemas of RFC 7643 section 8.7.1 and its common attributes (section 3.1), as data.
//!
//! Where the RFC's own examples go beyond its schema they are followed: `addresses.primary`,
//! `members.display`. What a mapping file leaves out is left out by the mapping, not here.

use crate::scim::schema::{
    Attribute, AttributeType, Extension, Mutability, ResourceType, Returned, Schema, Uniqueness,
};
use crate::scim::urn;

/// The core User schema (RFC 7643 section 4.1), without the common attributes.
pub fn core_user() -> Schema {
    Schema {
        id: urn::USER.to_owned(),
        name: "User".to_owned(),
        description: "User account".to_owned(),
        attributes: [user_single_values(), user_lists()].concat(),
    }
}

/// The core Group schema (RFC 7643 section 4.2), without the common attributes.
pub fn core_group() -> Schema {
    let members = list("members", "Users and groups in this group").with([
        string("value", "The member's id").immutable(),
        reference("$ref", "The member's URI", &["User", "Group"]).immutable(),
        string("type", "What the member is").suggesting(&["User", "Group"]).immutable(),
        string("display", "The member's name for people"),
    ]);
    Schema {
        id: urn::GROUP.to_owned(),
        name: "Group".to_owned(),
        description: "Group".to_owned(),
        attributes: vec![string("displayName", "The group's name for people"), members],
    }
}

/// The enterprise extension of User (RFC 7643 section 4.3).
pub fn enterprise_user() -> Schema {
    let manager = complex("manager", "The user's manager").with([
        string("value", "The manager's id"),
        reference("$ref", "The manager's URI", &["User"]),
        string("displayName", "The manager's name for people").read_only(),
    ]);
    Schema {
        id: urn::ENTERPRISE_USER.to_owned(),
        name: "EnterpriseUser".to_owned(),
        description: "Enterprise User".to_owned(),
        attributes: vec![
            string("employeeNumber", "Number or text that the organization gives a person"),
            string("costCenter", "Name of a cost center"),
            string("organization", "Name of an organization"),
            string("division", "Name of a division"),
            string("department", "Name of a department"),
            manager,
        ],
    }
}

/// The attributes that every resource has (RFC 7643 section 3.1): `id`, `externalId`, `meta`.
/// `schemas` is not among them: it says what the others mean.
pub fn common_attributes() -> Vec<Attribute> {
    let meta = complex("meta", "Metadata of the resource").with([
        string("resourceType", "The resource type's name").exact(),
        Attribute::new("created", AttributeType::DateTime).about("When the resource was made"),
        Attribute::new("lastModified", AttributeType::DateTime).about("When it last changed"),
        reference("location", "The resource's URI", &["uri"]),
        string("version", "The resource's entity tag").exact(),
    ]);
    let id = string("id", "The resource's identifier, given by the service provider");
    vec![
        id.exact().read_only().returned(Returned::Always).unique(Uniqueness::Server),
        string("externalId", "The resource's identifier, given by the client").exact(),
        meta.with_all(Attribute::read_only).read_only(),
    ]
}

/// The User resource type with the enterprise extension.
pub fn user_type() -> ResourceType {
    ResourceType {
        name: "User".to_owned(),
        description: "User account".to_owned(),
        endpoint: "/Users".to_owned(),
        core: with_common_attributes(core_user()),
        extensions: vec![Extension { schema: enterprise_user(), required: false }],
    }
}

/// The Group resource type.
pub fn group_type() -> ResourceType {
    ResourceType {
        name: "Group".to_owned(),
        description: "Group".to_owned(),
        endpoint: "/Groups".to_owned(),
        core: with_common_attributes(core_group()),
        extensions: Vec::new(),
    }
}

fn with_common_attributes(mut schema: Schema) -> Schema {
    schema.attributes.splice(0..0, common_attributes());
    schema
}

fn user_single_values() -> Vec<Attribute> {
    let name = complex("name", "The parts of the user's name").with([
        string("formatted", "The whole name for display"),
        string("familyName", "Family name"),
        string("givenName", "Given name"),
        string("middleName", "Middle name"),
        string("honorificPrefix", "Titles before the name"),
        string("honorificSuffix", "Suffixes after the name"),
    ]);
    let password = string("password", "The user's password in clear text, never returned");
    vec![
        string("userName", "The name the user signs in with").required().unique(Uniqueness::Server),
        name,
        string("displayName", "The user's name for people"),
        string("nickName", "How the user is addressed casually"),
        reference("profileUrl", "URI of the user's page", &["external"]),
        string("title", "The user's title"),
        string("userType", "The user's relation to the organization"),
        string("preferredLanguage", "Preferred languages, as in Accept-Language"),
        string("locale", "Locale for dates, numbers and currency"),
        string("timezone", "Zone of the IANA database, such as Europe/Berlin"),
        Attribute::new("active", AttributeType::Boolean).about("Whether the user may sign in"),
        password.write_only().returned(Returned::Never),
    ]
}

fn user_lists() -> Vec<Attribute> {
    let places = &["work", "home", "other"];
    let phones = &["work", "home", "mobile", "fax", "pager", "other"];
    let services = &["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"];
    let photo = reference("value", "URI of the picture", &["external"]);
    let certificate = Attribute::new("value", AttributeType::Binary).about("DER, in base64");
    let addresses = list("addresses", "Postal addresses").with([
        string("formatted", "The whole address for a label"),
        string("streetAddress", "Street, house number, post office box"),
        string("locality", "City"),
        string("region", "State or region"),
        string("postalCode", "Postal code"),
        string("country", "Country, as in ISO 3166-1 alpha-2"),
        string("type", "What the address is for").suggesting(places),
        Attribute::new("primary", AttributeType::Boolean).about("Whether it is the preferred one"),
    ]);
    let groups = list("groups", "Groups the user belongs to, directly or not").with([
        string("value", "The group's id"),
        reference("$ref", "The group's URI", &["User", "Group"]),
        string("display", "The group's name for people"),
        string("type", "How the user belongs to it").suggesting(&["direct", "indirect"]),
    ]);
    vec![
        plural("emails", "E-mail addresses", string("value", "The address"), places),
        plural("phoneNumbers", "Telephone numbers", string("value", "The number"), phones),
        plural("ims", "Instant messaging addresses", string("value", "The address"), services),
        plural("photos", "Pictures of the user", photo, &["photo", "thumbnail"]),
        addresses,
        groups.with_all(Attribute::read_only).read_only(),
        plural("entitlements", "What the user may do", string("value", "The entitlement"), &[]),
        plural("roles", "Roles the user plays", string("value", "The role"), &[]),
        plural("x509Certificates", "The user's certificates", certificate.exact(), &[]),
    ]
}

fn string(name: &str, description: &str) -> Attribute {
    Attribute::new(name, AttributeType::String).about(description)
}

/// References compare with letter case: URIs do.
fn reference(name: &str, description: &str, types: &[&str]) -> Attribute {
    let mut attribute = Attribute::new(name, AttributeType::Reference).about(description).exact();
    attribute.reference_types = owned(types);
    attribute
}

fn complex(name: &str, description: &str) -> Attribute {
    Attribute::new(name, AttributeType::Complex).about(description)
}

fn list(name: &str, description: &str) -> Attribute {
    Attribute { multi_valued: true, ..complex(name, description) }
}

/// The usual multi-valued attribute (RFC 7643 section 2.4).
fn plural(name: &str, description: &str, value: Attribute, types: &[&str]) -> Attribute {
    list(name, description).with([
        value,
        string("display", "The value for people"),
        string("type", "What the value is for").suggesting(types),
        Attribute::new("primary", AttributeType::Boolean).about("Whether it is the preferred one"),
    ])
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

impl Attribute {
    fn about(self, description: &str) -> Self {
        Self { description: description.to_owned(), ..self }
    }

    fn required(self) -> Self {
        Self { required: true, ..self }
    }

    fn exact(self) -> Self {
        Self { case_exact: true, ..self }
    }

    fn read_only(self) -> Self {
        Self { mutability: Mutability::ReadOnly, ..self }
    }

    fn write_only(self) -> Self {
        Self { mutability: Mutability::WriteOnly, ..self }
    }

    fn immutable(self) -> Self {
        Self { mutability: Mutability::Immutable, ..self }
    }

    fn returned(self, returned: Returned) -> Self {
        Self { returned, ..self }
    }

    fn unique(self, uniqueness: Uniqueness) -> Self {
        Self { uniqueness, ..self }
    }

    fn suggesting(self, values: &[&str]) -> Self {
        Self { canonical_values: owned(values), ..self }
    }

    fn with<const N: usize>(self, sub_attributes: [Self; N]) -> Self {
        Self { sub_attributes: sub_attributes.into(), ..self }
    }

    fn with_all(self, change: fn(Self) -> Self) -> Self {
        let sub_attributes = self.sub_attributes.into_iter().map(change).collect();
        Self { sub_attributes, ..self }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::scim::attr::AttrPath;
    use crate::scim::builtin::{core_group, core_user, enterprise_user, user_type};
    use crate::scim::schema::{Attribute, AttributeType, Mutability, Returned, Schema, Uniqueness};

    /// An attribute as `/Schemas` shows it, without its description.
    fn document(attribute: &Attribute) -> Value {
        let mut shown = json!({
            "name": attribute.name,
            "type": match attribute.kind {
                AttributeType::String => "string",
                AttributeType::Boolean => "boolean",
                AttributeType::Decimal => "decimal",
                AttributeType::Integer => "integer",
                AttributeType::DateTime => "dateTime",
                AttributeType::Binary => "binary",
                AttributeType::Reference => "reference",
                AttributeType::Complex => "complex",
            },
            "multiValued": attribute.multi_valued,
            "required": attribute.required,
            "caseExact": attribute.case_exact,
            "mutability": match attribute.mutability {
                Mutability::ReadOnly => "readOnly",
                Mutability::ReadWrite => "readWrite",
                Mutability::Immutable => "immutable",
                Mutability::WriteOnly => "writeOnly",
            },
            "returned": match attribute.returned {
                Returned::Always => "always",
                Returned::Never => "never",
                Returned::Default => "default",
                Returned::Request => "request",
            },
            "uniqueness": match attribute.uniqueness {
                Uniqueness::None => "none",
                Uniqueness::Server => "server",
                Uniqueness::Global => "global",
            },
        });
        if attribute.kind == AttributeType::Complex {
            shown.as_object_mut().unwrap().remove("caseExact");
            shown["subAttributes"] = attribute.sub_attributes.iter().map(document).collect();
        }
        if !attribute.canonical_values.is_empty() {
            shown["canonicalValues"] = attribute.canonical_values.clone().into();
        }
        if !attribute.reference_types.is_empty() {
            shown["referenceTypes"] = attribute.reference_types.clone().into();
        }
        shown
    }

    fn without_descriptions(attribute: &mut Value) {
        attribute.as_object_mut().unwrap().remove("description");
        let inner = attribute.get_mut("subAttributes").and_then(Value::as_array_mut);
        inner.into_iter().flatten().for_each(without_descriptions);
    }

    #[test]
    fn the_schemas_agree_with_those_of_the_rfc() {
        let text = include_str!("../../tests/vectors/fixtures/schemas.json");
        let mut fixtures: Vec<Value> = serde_json::from_str(text).unwrap();
        let check = |schema: Schema, fixture: &mut Value| {
            assert_eq!(schema.id, fixture["id"]);
            assert_eq!(schema.name, fixture["name"]);
            let expected = fixture["attributes"].as_array_mut().unwrap();
            expected.iter_mut().for_each(without_descriptions);
            assert_eq!(schema.attributes.len(), expected.len());
            for (attribute, expected) in schema.attributes.iter().zip(expected) {
                assert_eq!(document(attribute), *expected);
            }
        };
        check(core_user(), &mut fixtures[0]);
        check(core_group(), &mut fixtures[1]);
        check(enterprise_user(), &mut fixtures[2]);
    }

    #[test]
    fn every_attribute_is_described() {
        for (_, schema) in user_type().schemas() {
            for attribute in &schema.attributes {
                let all = attribute.sub_attributes.iter().chain([attribute]);
                assert!(all.into_iter().all(|one| !one.description.is_empty()), "{attribute:?}");
            }
        }
    }

    #[test]
    fn the_resource_type_knows_common_and_extension_attributes() {
        let user = user_type();
        for (text, mutability) in [
            ("id", Mutability::ReadOnly),
            ("meta.created", Mutability::ReadOnly),
            ("externalId", Mutability::ReadWrite),
            ("manager.displayName", Mutability::ReadOnly),
            ("password", Mutability::WriteOnly),
        ] {
            let path: AttrPath = text.parse().unwrap();
            let found = user.resolve(&path).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(found.leaf().mutability, mutability, "{text}");
        }
    }
}
