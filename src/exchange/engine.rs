//! From a request to its answer: parsing once, then one operation a file.

use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Method;
use serde_json::Value;
use tokio::time::Instant;

use crate::exchange::course::{Came, Course, PATIENCE};
use crate::exchange::discovery::Endpoint;
use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::exchange::request::ScimRequest;
use crate::exchange::response::ScimResponse;
use crate::exchange::tenant::Tenant;
use crate::exchange::version::Conditions;
use crate::exchange::witness::Witness;
use crate::exchange::{
    bulk, create, delete, discovery, everywhere, patch, permit, query, render, replace, retrieve,
};
use crate::mapping::model::ResourceMapping;
use crate::scim::query::Query;

/// Answers a request. It never fails: a failure is an answer, and its causes are logged here.
pub async fn answer(tenant: &Tenant, request: ScimRequest) -> ScimResponse {
    answer_within(tenant, request, PATIENCE).await
}

/// Answers a request within a time: no call to the application goes on for longer.
pub async fn answer_within(
    tenant: &Tenant,
    request: ScimRequest,
    patience: Duration,
) -> ScimResponse {
    taking(tenant, request, Course::new(Instant::now() + patience, Came::Alone)).await
}

async fn taking(tenant: &Tenant, request: ScimRequest, course: Course) -> ScimResponse {
    let (request_id, base) = (request.request_id.clone(), request.base.clone());
    let mut exchange = Exchange::taking(tenant, request_id, base, course);
    exchange.witness = Witness::of(tenant, &request);
    let answered = dispatch(&exchange, &request).await;
    exchange.report();
    let (response, failure) = match answered {
        Ok(response) => (response, None),
        Err(error) => {
            let response = render::error_after(&error, exchange.course.progress());
            log(tenant, &request, &error, response.status);
            (response, Some(error.keyword()))
        }
    };
    exchange.witness.finish(&response, failure);
    response
}

/// A request inside another one, whose deadline is its own.
fn single(tenant: &Tenant, request: ScimRequest, by: Instant) -> BoxFuture<'_, ScimResponse> {
    Box::pin(taking(tenant, request, Course::new(by, Came::InBulk)))
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

// Each operation is boxed: a request pays for the room that its own needs, not the largest.
async fn dispatch(
    exchange: &Exchange<'_>,
    request: &ScimRequest,
) -> Result<ScimResponse, ExchangeError> {
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    let Some((first, rest)) = segments.split_first() else {
        return base(exchange, request).await;
    };
    if let Some(endpoint) = discovery_endpoint(exchange, first) {
        let name = match rest {
            [] => None,
            [name] => Some(*name),
            _ => return Err(ExchangeError::NoEndpoint),
        };
        return discovery::answer(exchange, endpoint, name, &request.method, &request.query);
    }
    if first.eq_ignore_ascii_case(".search") && rest.is_empty() {
        permit::read(&request.caller, &exchange.tenant.mapping.resources)?;
        return Box::pin(everywhere::answer(exchange, &searched(exchange, request)?)).await;
    }
    if exchange.is_named("Bulk", first) && rest.is_empty() {
        return Box::pin(bulk::answer(exchange, request, single)).await;
    }
    if first.eq_ignore_ascii_case("Me") {
        return Err(ExchangeError::NotSupported { operation: "/Me".to_owned() });
    }
    let resources = &exchange.tenant.mapping.resources;
    let is_it = |it: &&ResourceMapping| {
        exchange.is_named(it.resource_type.endpoint.trim_start_matches('/'), first)
    };
    let resource = resources.iter().find(is_it).ok_or(ExchangeError::NoEndpoint)?;
    match rest {
        [] => collection(exchange, resource, request).await,
        [search] if *search == ".search" => {
            permit::read(&request.caller, std::slice::from_ref(resource))?;
            Box::pin(query::answer(exchange, resource, &searched(exchange, request)?)).await
        }
        [id] => one(exchange, resource, id, request).await,
        _ => Err(ExchangeError::NoEndpoint),
    }
}

/// The base itself: a query of every resource type (RFC 7644 section 3.4.2.1).
async fn base(
    exchange: &Exchange<'_>,
    request: &ScimRequest,
) -> Result<ScimResponse, ExchangeError> {
    match request.method {
        Method::GET | Method::HEAD => {
            permit::read(&request.caller, &exchange.tenant.mapping.resources)?;
            Box::pin(everywhere::answer(exchange, &exchange.query(&request.query)?)).await
        }
        _ => Err(ExchangeError::MethodNotAllowed { allow: "GET, HEAD" }),
    }
}

/// The query of a `POST …/.search`.
fn searched(exchange: &Exchange<'_>, request: &ScimRequest) -> Result<Query, ExchangeError> {
    if request.method != Method::POST {
        return Err(ExchangeError::MethodNotAllowed { allow: "POST" });
    }
    exchange.search_request(&body(request)?)
}

fn discovery_endpoint(exchange: &Exchange<'_>, segment: &str) -> Option<Endpoint> {
    let endpoints = [
        ("ServiceProviderConfig", Endpoint::ServiceProviderConfig),
        ("ResourceTypes", Endpoint::ResourceTypes),
        ("Schemas", Endpoint::Schemas),
    ];
    // The name of SCIM 1.1, still asked for by some clients.
    if exchange.is_nicknamed("ServiceProviderConfigs", segment) {
        return Some(Endpoint::ServiceProviderConfig);
    }
    let found = endpoints.into_iter().find(|(name, _)| exchange.is_named(name, segment));
    found.map(|(_, endpoint)| endpoint)
}

async fn collection(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    request: &ScimRequest,
) -> Result<ScimResponse, ExchangeError> {
    permit::call(&request.caller, &request.method, resource)?;
    let asked = exchange.query(&request.query)?;
    match request.method {
        Method::GET | Method::HEAD => Box::pin(query::answer(exchange, resource, &asked)).await,
        Method::POST => {
            let body = body(request)?;
            Box::pin(create::answer(exchange, resource, &body, &asked.projection)).await
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
    permit::call(&request.caller, &request.method, resource)?;
    let projection = exchange.query(&request.query)?.projection;
    let conditions =
        Conditions::parse(request.if_match.as_deref(), request.if_none_match.as_deref());
    match request.method {
        Method::GET | Method::HEAD => {
            Box::pin(retrieve::answer(exchange, resource, id, &projection, &conditions)).await
        }
        Method::PUT => {
            let body = &request.body;
            Box::pin(replace::answer(exchange, resource, id, body, &projection, &conditions)).await
        }
        Method::PATCH => {
            let body = body(request)?;
            Box::pin(patch::answer(exchange, resource, id, body, &projection, &conditions)).await
        }
        Method::DELETE => Box::pin(delete::answer(exchange, resource, id, &conditions)).await,
        _ => Err(ExchangeError::MethodNotAllowed { allow: "GET, HEAD, PUT, PATCH, DELETE" }),
    }
}

fn body(request: &ScimRequest) -> Result<Value, ExchangeError> {
    serde_json::from_slice(&request.body).map_err(ExchangeError::Syntax)
}
