//! The documents of `/ServiceProviderConfig`, `/ResourceTypes` and `/Schemas` (RFC 7643 sections
//! 5 to 7, RFC 9865 section 4). `base` is the URL below which the endpoints lie, with or without
//! a slash at its end.

use serde_json::{Map, Value, json};

use crate::scim::schema::{
    Attribute, AttributeType, Mutability, ResourceType, Returned, Schema, Uniqueness,
};
use crate::scim::urn;

/// What the service provider offers.
#[expect(clippy::struct_excessive_bools, reason = "each is a member of the document")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// Where people read about it.
    pub documentation_uri: Option<String>,
    /// Whether PATCH is there.
    pub patch: bool,
    /// The bounds of bulk requests; `None` when there are none.
    pub bulk: Option<Bulk>,
    /// The most resources that a filter yields; `None` when there are no filters.
    pub filter_max_results: Option<u64>,
    /// Whether passwords can be changed.
    pub change_password: bool,
    /// Whether lists can be sorted.
    pub sort: bool,
    /// Whether resources have versions.
    pub etag: bool,
    /// How lists are paged; `None` leaves the member of RFC 9865 out, which says by index.
    pub pagination: Option<Pagination>,
}

/// Bounds of bulk requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bulk {
    /// The most operations in one request.
    pub max_operations: u64,
    /// The largest request, in bytes.
    pub max_payload_size: u64,
}

/// How lists are paged (RFC 9865 section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pagination {
    /// Whether cursors are there.
    pub cursor: bool,
    /// Whether `startIndex` is there.
    pub index: bool,
    /// The number of resources on a page when the client names none.
    pub default_page_size: u64,
    /// The most resources on a page.
    pub max_page_size: u64,
    /// Seconds for which a cursor is good.
    pub cursor_timeout: u64,
}

/// A schema as `/Schemas` shows it. The common attributes (RFC 7643 section 3.1) belong to every
/// resource and are not listed.
pub fn schema_document(schema: &Schema, base: &str) -> Value {
    let listed = schema.attributes.iter().filter(|attribute| !is_common(attribute));
    json!({
        "schemas": [urn::SCHEMA],
        "id": schema.id,
        "name": schema.name,
        "description": schema.description,
        "attributes": listed.map(attribute_document).collect::<Vec<_>>(),
        "meta": meta("Schema", base, &format!("/Schemas/{}", schema.id)),
    })
}

/// A resource type as `/ResourceTypes` shows it.
pub fn resource_type_document(resource_type: &ResourceType, base: &str) -> Value {
    let extensions = resource_type
        .extensions
        .iter()
        .map(|extension| json!({ "schema": extension.schema.id, "required": extension.required }));
    let mut document = json!({
        "schemas": [urn::RESOURCE_TYPE],
        "id": resource_type.name,
        "name": resource_type.name,
        "description": resource_type.description,
        "endpoint": resource_type.endpoint,
        "schema": resource_type.core.id,
    });
    if let Some(members) = document.as_object_mut() {
        if !resource_type.extensions.is_empty() {
            members.insert("schemaExtensions".to_owned(), extensions.collect());
        }
        let path = format!("/ResourceTypes/{}", resource_type.name);
        members.insert("meta".to_owned(), meta("ResourceType", base, &path));
    }
    document
}

/// The document of `/ServiceProviderConfig`.
pub fn service_provider_config(capabilities: &Capabilities, base: &str) -> Value {
    let bulk = capabilities.bulk;
    let filter = capabilities.filter_max_results;
    let supported = |is: bool| json!({ "supported": is });
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
    put("schemas", json!([urn::SERVICE_PROVIDER_CONFIG]));
    if let Some(uri) = &capabilities.documentation_uri {
        put("documentationUri", json!(uri));
    }
    put("patch", supported(capabilities.patch));
    // The bounds are required members, with or without the feature.
    put(
        "bulk",
        json!({
            "supported": bulk.is_some(),
            "maxOperations": bulk.map_or(0, |bulk| bulk.max_operations),
            "maxPayloadSize": bulk.map_or(0, |bulk| bulk.max_payload_size),
        }),
    );
    put("filter", json!({ "supported": filter.is_some(), "maxResults": filter.unwrap_or(0) }));
    put("changePassword", supported(capabilities.change_password));
    put("sort", supported(capabilities.sort));
    put("etag", supported(capabilities.etag));
    if let Some(pagination) = &capabilities.pagination {
        put("pagination", pagination_document(*pagination));
    }
    put(
        "authenticationSchemes",
        json!([{
            "type": "oauthbearertoken",
            "name": "OAuth Bearer Token",
            "description": "Authentication with a bearer token in the Authorization header",
            "specUri": "https://www.rfc-editor.org/info/rfc6750",
            "primary": true,
        }]),
    );
    put("meta", meta("ServiceProviderConfig", base, "/ServiceProviderConfig"));
    Value::Object(members)
}

fn pagination_document(pagination: Pagination) -> Value {
    json!({
        "cursor": pagination.cursor,
        "index": pagination.index,
        "defaultPaginationMethod": if pagination.index { "index" } else { "cursor" },
        "defaultPageSize": pagination.default_page_size,
        "maxPageSize": pagination.max_page_size,
        "cursorTimeout": pagination.cursor_timeout,
    })
}

fn meta(resource_type: &str, base: &str, path: &str) -> Value {
    let location = format!("{}{path}", base.trim_end_matches('/'));
    json!({ "resourceType": resource_type, "location": location })
}

fn is_common(attribute: &Attribute) -> bool {
    ["id", "externalId", "meta", "schemas"].contains(&attribute.name.as_str())
}

fn attribute_document(attribute: &Attribute) -> Value {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
    put("name", json!(attribute.name));
    put("type", json!(type_keyword(attribute.kind)));
    put("multiValued", json!(attribute.multi_valued));
    put("description", json!(attribute.description));
    put("required", json!(attribute.required));
    if !attribute.canonical_values.is_empty() {
        put("canonicalValues", json!(attribute.canonical_values));
    }
    match attribute.kind {
        AttributeType::String | AttributeType::Binary | AttributeType::Reference => {
            put("caseExact", json!(attribute.case_exact));
        }
        AttributeType::Boolean
        | AttributeType::Decimal
        | AttributeType::Integer
        | AttributeType::DateTime
        | AttributeType::Complex => {}
    }
    put("mutability", json!(mutability_keyword(attribute.mutability)));
    put("returned", json!(returned_keyword(attribute.returned)));
    put("uniqueness", json!(uniqueness_keyword(attribute.uniqueness)));
    if attribute.kind == AttributeType::Reference {
        put("referenceTypes", json!(attribute.reference_types));
    }
    if attribute.kind == AttributeType::Complex {
        let subs = attribute.sub_attributes.iter().map(attribute_document);
        put("subAttributes", subs.collect());
    }
    Value::Object(members)
}

fn type_keyword(kind: AttributeType) -> &'static str {
    match kind {
        AttributeType::String => "string",
        AttributeType::Boolean => "boolean",
        AttributeType::Decimal => "decimal",
        AttributeType::Integer => "integer",
        AttributeType::DateTime => "dateTime",
        AttributeType::Binary => "binary",
        AttributeType::Reference => "reference",
        AttributeType::Complex => "complex",
    }
}

fn mutability_keyword(mutability: Mutability) -> &'static str {
    match mutability {
        Mutability::ReadOnly => "readOnly",
        Mutability::ReadWrite => "readWrite",
        Mutability::Immutable => "immutable",
        Mutability::WriteOnly => "writeOnly",
    }
}

fn returned_keyword(returned: Returned) -> &'static str {
    match returned {
        Returned::Always => "always",
        Returned::Never => "never",
        Returned::Default => "default",
        Returned::Request => "request",
    }
}

fn uniqueness_keyword(uniqueness: Uniqueness) -> &'static str {
    match uniqueness {
        Uniqueness::None => "none",
        Uniqueness::Server => "server",
        Uniqueness::Global => "global",
    }
}

#[cfg(test)]
mod tests {
    use crate::scim::builtin::user_type;
    use crate::scim::discovery::{
        Bulk, Capabilities, Pagination, resource_type_document, schema_document,
        service_provider_config,
    };
    use crate::scim::urn;
    use serde_json::{Value, json};

    fn named<'v>(attributes: &'v Value, name: &str) -> Option<&'v Value> {
        attributes.as_array()?.iter().find(|attribute| attribute["name"] == name)
    }

    #[test]
    fn a_schema_shows_its_own_attributes_only() {
        let document = schema_document(&user_type().core, "https://scim.example/v2/");
        let location = "https://scim.example/v2/Schemas/urn:ietf:params:scim:schemas:core:2.0:User";
        assert_eq!(document["id"], urn::USER);
        assert_eq!(document["meta"], json!({ "resourceType": "Schema", "location": location }));
        for common in ["id", "externalId", "meta", "schemas"] {
            assert_eq!(named(&document["attributes"], common), None);
        }
        let name = named(&document["attributes"], "userName").unwrap();
        let members = ["type", "multiValued", "required", "caseExact", "mutability", "returned"];
        let values = members.map(|member| name[member].clone());
        let expected = [json!("string"), json!(false), json!(true), json!(false)]
            .into_iter()
            .chain([json!("readWrite"), json!("default")]);
        assert!(values.into_iter().eq(expected));
        assert_eq!(name["uniqueness"], "server");
    }

    #[test]
    fn complex_attributes_show_their_parts_and_references_their_targets() {
        let document = schema_document(&user_type().core, "");
        let photos = named(&document["attributes"], "photos").unwrap();
        let value = named(&photos["subAttributes"], "value").unwrap();
        assert_eq!((&photos["type"], &value["type"]), (&json!("complex"), &json!("reference")));
        assert!(value["referenceTypes"].is_array());
        assert_eq!((photos.get("caseExact"), value.get("subAttributes")), (None, None));
    }

    #[test]
    fn a_resource_type_names_its_extensions() {
        let expected = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
            "id": "User",
            "name": "User",
            "description": user_type().description,
            "endpoint": "/Users",
            "schema": urn::USER,
            "schemaExtensions": [{ "schema": urn::ENTERPRISE_USER, "required": false }],
            "meta": { "resourceType": "ResourceType", "location": "/b/ResourceTypes/User" },
        });
        assert_eq!(resource_type_document(&user_type(), "/b"), expected);
        let bare = crate::scim::schema::ResourceType { extensions: Vec::new(), ..user_type() };
        assert_eq!(resource_type_document(&bare, "/b").get("schemaExtensions"), None);
    }

    #[test]
    fn the_configuration_says_what_is_there() {
        let capabilities = Capabilities {
            documentation_uri: Some("https://docs.example".to_owned()),
            patch: true,
            bulk: Some(Bulk { max_operations: 100, max_payload_size: 1_048_576 }),
            filter_max_results: Some(200),
            change_password: true,
            sort: false,
            etag: true,
            pagination: Some(Pagination {
                cursor: true,
                index: true,
                default_page_size: 100,
                max_page_size: 200,
                cursor_timeout: 3600,
            }),
        };
        let document = service_provider_config(&capabilities, "https://scim.example/v2");
        let on = json!({ "supported": true });
        assert_eq!((&document["patch"], &document["etag"]), (&on, &on));
        assert_eq!(document["sort"], json!({ "supported": false }));
        let bulk = json!({ "supported": true, "maxOperations": 100, "maxPayloadSize": 1_048_576 });
        assert_eq!(document["bulk"], bulk);
        assert_eq!(document["filter"], json!({ "supported": true, "maxResults": 200 }));
        assert_eq!(document["pagination"]["defaultPaginationMethod"], "index");
        assert_eq!(document["authenticationSchemes"][0]["type"], "oauthbearertoken");
        let location = "https://scim.example/v2/ServiceProviderConfig";
        assert_eq!(document["meta"]["location"], location);
    }

    #[test]
    fn what_is_not_there_is_said_too() {
        let capabilities = Capabilities {
            documentation_uri: None,
            patch: false,
            bulk: None,
            filter_max_results: None,
            change_password: false,
            sort: false,
            etag: false,
            pagination: None,
        };
        let document = service_provider_config(&capabilities, "");
        assert_eq!((document.get("documentationUri"), document.get("pagination")), (None, None));
        let bulk = json!({ "supported": false, "maxOperations": 0, "maxPayloadSize": 0 });
        assert_eq!(document["bulk"], bulk);
        assert_eq!(document["filter"], json!({ "supported": false, "maxResults": 0 }));
    }
}
