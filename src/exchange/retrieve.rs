//! GET of one resource (RFC 7644 section 3.4.1), perhaps on condition (section 3.14).

use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::exchange::response::ScimResponse;
use crate::exchange::state::Located;
use crate::exchange::straight::{self, Read};
use crate::exchange::version::{Conditions, Record, Verdict};
use crate::exchange::{represent, told};
use crate::mapping::model::ResourceMapping;
use crate::scim::etag::EntityTag;
use crate::scim::projection::Projection;

/// Answers with the resource of an id, or that the client has it already.
pub async fn answer(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    id: &str,
    projection: &Projection,
    conditions: &Conditions,
) -> Result<ScimResponse, ExchangeError> {
    let located = exchange.locate(resource, id).await?;
    let read = straight::answer(exchange, resource, &located, projection, conditions).await?;
    match read {
        Read::Answered(response) => Ok(response),
        Read::Record(record) => {
            let built = built(exchange, resource, &located, record, projection, conditions);
            // Boxed: most resources are read straight, and need none of its room.
            Box::pin(built).await
        }
    }
}

/// The answer that is made of a record in the general way.
async fn built(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    located: &Located,
    record: Record,
    projection: &Projection,
    conditions: &Conditions,
) -> Result<ScimResponse, ExchangeError> {
    let external = represent::needed(resource, projection);
    // Collections behind requests of their own have no part in a version of the bridge's own: an
    // answer that shows them may differ although the version is the same.
    let is_covered = external.is_empty() || resource.version.is_some();
    if !conditions.are_none() {
        match exchange.judge(resource, located, &record, conditions).await? {
            (Verdict::Known, version) if is_covered => return Ok(unchanged(version)),
            (Verdict::Proceed | Verdict::Known, _) => {}
            (Verdict::Failed, _) => return Err(ExchangeError::PreconditionFailed),
        }
    }
    told::answer(exchange, resource, located, record, external, projection).await
}

fn unchanged(version: Option<EntityTag>) -> ScimResponse {
    let response = ScimResponse::not_modified();
    match version {
        Some(version) => response.with_header("ETag", version.to_string()),
        None => response,
    }
}
