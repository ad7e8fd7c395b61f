//! From a request to its answer: parsing once, then one operation a file.

use http::Method;
use serde_json::Value;

use crate::exchange::discovery::Endpoint;
use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::exchange::request::ScimRequest;
use crate::exchange::response::ScimResponse;
use crate::exchange::tenant::Tenant;
use crate::exchange::{create, delete, discovery, patch, query, render, replace, retrieve};
use crate::mapping::model::ResourceMapping;
use crate::scim::query::Query;

/// Answers a request. It never fails: a failure is an answer, and its causes are logged here.
pub async fn answer(tenant: &Tenant, request: ScimRequest) -> ScimResponse {
    let exchange = Exchange::new(tenant, request.request_id.clone(), request.base.clone());
    match dispatch(&exchange, &request).await {
        Ok(response) => response,
        Err(error) => {
            let response = render::error(&error);
            log(tenant, &request, &error, response.status);
            response
        }
    }
}

fn log(tenant: &Tenant, request: &ScimRequest, error: &ExchangeError, status: u16) {
    let mut causes = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        causes.push_str(": ");
        causes.push_str(&cause.to_string());
        source = cause.source();
    }
    let native_status = match error {
        ExchangeError::Native(failure) => Some(failure.status),
        _ => None,
    };
    let (tenant, request_id) = (tenant.name.as_str(), request.request_id.as_str());
    if status >= 500 {
        tracing::warn!(tenant, request_id, status, native_status, causes, "request failed");
    } else {
        tracing::debug!(tenant, request_id, status, native_status, causes, "request refused");
    }
}

async fn dispatch(
    exchange: &Exchange<'_>,
    request: &ScimRequest,
) -> Result<ScimResponse, ExchangeError> {
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    let (first, rest) = segments.split_first().ok_or(ExchangeError::NoEndpoint)?;
    if let Some(endpoint) = discovery_endpoint(first) {
        let name = match rest {
            [] => None,
            [name] => Some(*name),
            _ => return Err(ExchangeError::NoEndpoint),
        };
        return discovery::answer(exchange, endpoint, name, &request.method, &request.query);
    }
    for (name, operation) in
        [("Me", "/Me"), ("Bulk", "/Bulk"), (".search", "searching all resource types")]
    {
        if first.eq_ignore_ascii_case(name) {
            return Err(ExchangeError::NotSupported { operation: operation.to_owned() });
        }
    }
    let resources = &exchange.tenant.mapping.resources;
    let is_it = |it: &&ResourceMapping| {
        it.resource_type.endpoint.trim_start_matches('/').eq_ignore_ascii_case(first)
    };
    let resource = resources.iter().find(is_it).ok_or(ExchangeError::NoEndpoint)?;
    match rest {
        [] => collection(exchange, resource, request).await,
        [search] if *search == ".search" => {
            if request.method != Method::POST {
                return Err(ExchangeError::MethodNotAllowed { allow: "POST" });
            }
            let asked = Query::from_search_request(&body(request)?, exchange.tenant.dialect)?;
            query::answer(exchange, resource, &asked).await
        }
        [id] => one(exchange, resource, id, request).await,
        _ => Err(ExchangeError::NoEndpoint),
    }
}

fn discovery_endpoint(segment: &str) -> Option<Endpoint> {
    let endpoints = [
        ("ServiceProviderConfig", Endpoint::ServiceProviderConfig),
        // The name of SCIM 1.1, still asked for by some clients.
        ("ServiceProviderConfigs", Endpoint::ServiceProviderConfig),
        ("ResourceTypes", Endpoint::ResourceTypes),
        ("Schemas", Endpoint::Schemas),
    ];
    endpoints.iter().find(|(name, _)| name.eq_ignore_ascii_case(segment)).map(|(_, it)| *it)
}

async fn collection(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    request: &ScimRequest,
) -> Result<ScimResponse, ExchangeError> {
    let asked = Query::parse(&request.query, exchange.tenant.dialect)?;
    match request.method {
        Method::GET | Method::HEAD => query::answer(exchange, resource, &asked).await,
        Method::POST => {
            create::answer(exchange, resource, &body(request)?, &asked.projection).await
        }
        _ => Err(ExchangeError::MethodNotAllowed { allow: "GET, HEAD, POST" }),
    }
}

async fn one(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    id: &str,
    request: &ScimRequest,
) -> Result<ScimResponse, ExchangeError> {
    let projection = Query::parse(&request.query, exchange.tenant.dialect)?.projection;
    match request.method {
        Method::GET | Method::HEAD => retrieve::answer(exchange, resource, id, &projection).await,
        Method::PUT => replace::answer(exchange, resource, id, &body(request)?, &projection).await,
        Method::PATCH => patch::answer(exchange, resource, id, &body(request)?, &projection).await,
        Method::DELETE => delete::answer(exchange, resource, id).await,
        _ => Err(ExchangeError::MethodNotAllowed { allow: "GET, HEAD, PUT, PATCH, DELETE" }),
    }
}

fn body(request: &ScimRequest) -> Result<Value, ExchangeError> {
    serde_json::from_slice(&request.body).map_err(ExchangeError::Syntax)
}
