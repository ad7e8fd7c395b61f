//! GET of one resource (RFC 7644 section 3.4.1).

use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::exchange::represent;
use crate::exchange::response::ScimResponse;
use crate::mapping::model::ResourceMapping;
use crate::scim::projection::Projection;

/// Answers with the resource of an id.
pub async fn answer(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    id: &str,
    projection: &Projection,
) -> Result<ScimResponse, ExchangeError> {
    let located = exchange.locate(resource, id).await?;
    let native = exchange.native(resource, &located).await?;
    let external = represent::needed(resource, projection);
    let state = exchange.state(resource, &located, native, &external).await?;
    let body = represent::body(exchange, resource, &state.view, projection, &[]);
    Ok(ScimResponse::json(200, body)
        .with_header("Location", represent::location(exchange, resource, id)))
}
