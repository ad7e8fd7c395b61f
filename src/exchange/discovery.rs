//! `/ServiceProviderConfig`, `/ResourceTypes`, `/Schemas` (RFC 7644 section 4), derived from the
//! mapping: nothing is claimed that it cannot do.

use http::Method;
use serde_json::Value;

use crate::exchange::cursor;
use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::exchange::response::ScimResponse;
use crate::mapping::model::{Mode, ResourceMapping};
use crate::scim::bulk::request::{MAX_OPERATIONS, MAX_PAYLOAD_SIZE};
use crate::scim::discovery::{self, Bulk, Capabilities, Pagination};
use crate::scim::list::list_response;
use crate::scim::schema::Schema;

/// A discovery endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `/ServiceProviderConfig`
    ServiceProviderConfig,
    /// `/ResourceTypes`
    ResourceTypes,
    /// `/Schemas`
    Schemas,
}

/// Answers a discovery request; `name` is the segment behind the endpoint.
pub fn answer(
    exchange: &Exchange<'_>,
    endpoint: Endpoint,
    name: Option<&str>,
    method: &Method,
    raw_query: &str,
) -> Result<ScimResponse, ExchangeError> {
    if method != Method::GET && method != Method::HEAD {
        return Err(ExchangeError::MethodNotAllowed { allow: "GET, HEAD" });
    }
    if exchange.query(raw_query)?.filter.is_some() {
        return Err(ExchangeError::FilterForbidden);
    }
    let base = exchange.base.as_str();
    let resources = &exchange.tenant.mapping.resources;
    let found = match (endpoint, name) {
        (Endpoint::ServiceProviderConfig, None) => {
            Some(discovery::service_provider_config(&capabilities(exchange), base))
        }
        (Endpoint::ServiceProviderConfig, Some(_)) => None,
        (Endpoint::ResourceTypes, None) => {
            let types = resources
                .iter()
                .map(|it| discovery::resource_type_document(&it.resource_type, base));
            Some(whole_list(types.collect()))
        }
        (Endpoint::ResourceTypes, Some(name)) => resources
            .iter()
            .find(|it| it.name.eq_ignore_ascii_case(name))
            .map(|it| discovery::resource_type_document(&it.resource_type, base)),
        (Endpoint::Schemas, None) => {
            let documents = schemas(resources).into_iter();
            Some(whole_list(
                documents.map(|schema| discovery::schema_document(schema, base)).collect(),
            ))
        }
        (Endpoint::Schemas, Some(name)) => schemas(resources)
            .into_iter()
            .find(|schema| schema.id.eq_ignore_ascii_case(name))
            .map(|schema| discovery::schema_document(schema, base)),
    };
    found.map(|body| ScimResponse::json(200, body)).ok_or(ExchangeError::NoEndpoint)
}

fn whole_list(resources: Vec<Value>) -> Value {
    let total = resources.len() as u64;
    list_response(resources, total, 1)
}

/// Each schema once, in file order.
fn schemas(resources: &[ResourceMapping]) -> Vec<&Schema> {
    let mut found: Vec<&Schema> = Vec::new();
    for resource in resources {
        for (_, schema) in resource.resource_type.schemas() {
            if !found.iter().any(|have| have.id == schema.id) {
                found.push(schema);
            }
        }
    }
    found
}

fn capabilities(exchange: &Exchange<'_>) -> Capabilities {
    let resources = &exchange.tenant.mapping.resources;
    let has_password = resources.iter().flat_map(|it| &it.rows).any(|row| {
        row.place.extension.is_none() && row.place.attribute == "password" && row.mode != Mode::Read
    });
    Capabilities {
        documentation_uri: None,
        patch: true,
        bulk: Some(Bulk {
            max_operations: MAX_OPERATIONS as u64,
            max_payload_size: MAX_PAYLOAD_SIZE as u64,
        }),
        filter_max_results: Some(exchange.tenant.max_results),
        change_password: has_password,
        sort: true,
        etag: true,
        pagination: Some(Pagination {
            cursor: true,
            index: true,
            default_page_size: exchange.tenant.max_results,
            max_page_size: exchange.tenant.max_results,
            cursor_timeout: cursor::LIFETIME,
        }),
    }
}
