//! The resource types of the test vectors: `fixtures/schemas.json` and `resource_types.json` as
//! [`ResourceType`], with the common attributes of RFC 7643 section 3.1 in front.
#![cfg(test)]

use scimbridge::scim::schema::{
    Attribute, AttributeType, Extension, Mutability, ResourceType, Returned, Schema, Uniqueness,
};
use serde_json::{Value, json};

/// `User` (with the enterprise and the vector extension, both optional) or `Group`.
pub(crate) fn resource_type(name: &str) -> ResourceType {
    let types = parse(include_str!("../vectors/fixtures/resource_types.json"));
    let schemas = parse(include_str!("../vectors/fixtures/schemas.json"));
    let document = find(&types, "name", name);
    let mut core = schema(find(&schemas, "id", text(document, "schema")));
    core.attributes.splice(0..0, common_attributes());
    let extensions = document["schemaExtensions"].as_array().into_iter().flatten();
    ResourceType {
        name: name.to_owned(),
        description: name.to_owned(),
        endpoint: text(document, "endpoint").to_owned(),
        core,
        extensions: extensions
            .map(|extension| Extension {
                schema: schema(find(&schemas, "id", text(extension, "schema"))),
                required: extension["required"] == true,
            })
            .collect(),
    }
}

fn common_attributes() -> Vec<Attribute> {
    let read_only = |name: &str, kind: &str| json!({ "name": name, "type": kind, "caseExact": true, "mutability": "readOnly" });
    let mut id = read_only("id", "string");
    id["returned"] = "always".into();
    id["uniqueness"] = "server".into();
    let mut meta = read_only("meta", "complex");
    meta["subAttributes"] = json!([
        read_only("resourceType", "string"),
        read_only("created", "dateTime"),
        read_only("lastModified", "dateTime"),
        read_only("location", "reference"),
        read_only("version", "string"),
    ]);
    let external_id = json!({ "name": "externalId", "type": "string", "caseExact": true });
    [id, external_id, meta].iter().map(attribute).collect()
}

fn schema(document: &Value) -> Schema {
    Schema {
        id: text(document, "id").to_owned(),
        name: text(document, "name").to_owned(),
        description: String::new(),
        attributes: attributes(&document["attributes"]),
    }
}

fn attributes(list: &Value) -> Vec<Attribute> {
    list.as_array().into_iter().flatten().map(attribute).collect()
}

fn attribute(document: &Value) -> Attribute {
    Attribute {
        name: text(document, "name").to_owned(),
        kind: kind(text(document, "type")),
        multi_valued: document["multiValued"] == true,
        description: String::new(),
        required: document["required"] == true,
        canonical_values: strings(&document["canonicalValues"]),
        case_exact: document["caseExact"] == true,
        mutability: mutability(document["mutability"].as_str()),
        returned: returned(document["returned"].as_str()),
        uniqueness: uniqueness(document["uniqueness"].as_str()),
        reference_types: strings(&document["referenceTypes"]),
        sub_attributes: attributes(&document["subAttributes"]),
    }
}

fn kind(name: &str) -> AttributeType {
    match name {
        "string" => AttributeType::String,
        "boolean" => AttributeType::Boolean,
        "decimal" => AttributeType::Decimal,
        "integer" => AttributeType::Integer,
        "dateTime" => AttributeType::DateTime,
        "binary" => AttributeType::Binary,
        "reference" => AttributeType::Reference,
        "complex" => AttributeType::Complex,
        other => panic!("no data type {other}"),
    }
}

fn mutability(name: Option<&str>) -> Mutability {
    match name {
        Some("readOnly") => Mutability::ReadOnly,
        Some("readWrite") | None => Mutability::ReadWrite,
        Some("immutable") => Mutability::Immutable,
        Some("writeOnly") => Mutability::WriteOnly,
        Some(other) => panic!("no mutability {other}"),
    }
}

fn returned(name: Option<&str>) -> Returned {
    match name {
        Some("always") => Returned::Always,
        Some("never") => Returned::Never,
        Some("default") | None => Returned::Default,
        Some("request") => Returned::Request,
        Some(other) => panic!("no returned {other}"),
    }
}

fn uniqueness(name: Option<&str>) -> Uniqueness {
    match name {
        Some("none") | None => Uniqueness::None,
        Some("server") => Uniqueness::Server,
        Some("global") => Uniqueness::Global,
        Some(other) => panic!("no uniqueness {other}"),
    }
}

fn strings(list: &Value) -> Vec<String> {
    let texts = list.as_array().into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

fn find<'v>(list: &'v Value, member: &str, value: &str) -> &'v Value {
    let found = list.as_array().into_iter().flatten().find(|document| document[member] == value);
    found.unwrap_or_else(|| panic!("the fixtures have no {value}"))
}

fn text<'v>(document: &'v Value, member: &str) -> &'v str {
    document[member].as_str().unwrap_or_else(|| panic!("a fixture lacks {member}"))
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("the fixtures are JSON")
}
