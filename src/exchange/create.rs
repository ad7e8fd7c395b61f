//! POST of a resource (RFC 7644 section 3.3).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::convert::failure::Meaning;
use crate::convert::pattern;
use crate::exchange::error::ExchangeError;
use crate::exchange::make;
use crate::exchange::native::Exchange;
use crate::exchange::response::ScimResponse;
use crate::exchange::{adopt, names, represent, revive, unique};
use crate::mapping::model::{Delete, Outcome, ResourceMapping};
use crate::scim::attr::AttrPath;
use crate::scim::projection::Projection;
use crate::scim::resource::Resource;
use crate::scim::validate;

/// Creates a resource.
pub async fn answer(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    body: &Value,
    projection: &Projection,
) -> Result<ScimResponse, ExchangeError> {
    if resource.create.is_empty() {
        return Err(ExchangeError::NotSupported {
            operation: format!("creating {}", resource.name),
        });
    }
    let resource_type = &resource.resource_type;
    let mut wanted = exchange.read(body, resource_type)?;
    let named = named_attributes(&wanted);
    let sent = wanted.clone();
    make::fill_defaults(exchange, resource, &mut wanted)?;
    validate::require(&wanted, resource_type)?;
    pattern::check(resource, &Resource::default(), &wanted)?;
    names::check(exchange, resource, &Resource::default(), &wanted).await?;
    let nothing = Resource::default();
    exchange.check_members(resource, &nothing, &wanted, &BTreeMap::new()).await?;
    exchange.witness.changes(resource, &nothing, &wanted, &BTreeMap::new());
    let view = match Box::pin(made(exchange, resource, &wanted)).await {
        Ok(view) => view,
        Err(error) if is_taken(&error) => {
            Box::pin(instead(exchange, resource, &sent, &wanted)).await?.ok_or(error)?
        }
        Err(error) => return Err(error),
    };
    Ok(represent::answer(exchange, resource, 201, view, projection, &named))
}

async fn made(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    wanted: &Resource,
) -> Result<Resource, ExchangeError> {
    let _values = unique::hold(exchange, resource, &Resource::default(), wanted).await?;
    Ok(make::make(exchange, resource, wanted, None).await?.view)
}

/// The resource that somebody's record becomes which is in the way of a new one.
async fn instead(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    sent: &Resource,
    wanted: &Resource,
) -> Result<Option<Resource>, ExchangeError> {
    if matches!(resource.delete, Delete::Deactivate)
        && let Some(view) = revive::revive(exchange, resource, wanted).await?
    {
        return Ok(Some(view));
    }
    adopt::adopt(exchange, resource, sent).await
}

/// The attributes that a body names, for `returned: request`.
pub fn named_attributes(resource: &Resource) -> Vec<AttrPath> {
    let plain = |attr: &String| AttrPath { urn: None, attr: attr.clone(), sub: None };
    resource.0.keys().map(plain).collect()
}

fn is_taken(error: &ExchangeError) -> bool {
    match error {
        ExchangeError::Native(failure) => failure.meaning == Meaning::Outcome(Outcome::Uniqueness),
        ExchangeError::Taken { .. } => true,
        _ => false,
    }
}
