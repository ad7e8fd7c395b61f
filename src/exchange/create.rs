//! POST of a resource (RFC 7644 section 3.3).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::convert::failure::Meaning;
use crate::convert::pattern;
use crate::exchange::error::ExchangeError;
use crate::exchange::make::{self, Made};
use crate::exchange::native::Exchange;
use crate::exchange::response::ScimResponse;
use crate::exchange::{adopt, names, represent, revive, shown, straight, unique};
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
    // What nobody sent is filled in, and an adopted record keeps what it has there.
    let sent = resource.adopt.is_some().then(|| wanted.clone());
    make::fill_defaults(exchange, resource, &mut wanted)?;
    validate::require(&wanted, resource_type)?;
    pattern::check(resource, &Resource::default(), &wanted)?;
    names::check(exchange, resource, &Resource::default(), &wanted).await?;
    let nothing = Resource::default();
    exchange.check_members(resource, &nothing, &wanted, &BTreeMap::new()).await?;
    exchange.witness.changes(resource, &nothing, &wanted, &BTreeMap::new());
    let view = match Box::pin(made(exchange, resource, &wanted)).await {
        Ok(made) => {
            let answer = straight(exchange, resource, &wanted, &made, projection, &named).await?;
            if let Some(answer) = answer {
                return Ok(ScimResponse { status: 201, ..answer });
            }
            made.view(exchange, resource, &wanted).await?
        }
        Err(error) if is_taken(&error) => {
            Box::pin(instead(exchange, resource, sent.as_ref(), &wanted)).await?.ok_or(error)?
        }
        Err(error) => return Err(error),
    };
    Ok(represent::answer(exchange, resource, 201, view, projection, &named))
}

async fn made(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    wanted: &Resource,
) -> Result<Made, ExchangeError> {
    let _values = unique::hold(exchange, resource, &Resource::default(), wanted).await?;
    make::make(exchange, resource, wanted, None).await
}

/// The answer, where nothing but the record is shown.
async fn straight(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    wanted: &Resource,
    made: &Made,
    projection: &Projection,
    named: &[AttrPath],
) -> Result<Option<ScimResponse>, ExchangeError> {
    if shown::shows_elements(resource, wanted) {
        return Ok(None);
    }
    let Made { located, record, .. } = made;
    straight::written_anew(exchange, resource, located, record, projection, named).await
}

/// The resource that somebody's record becomes which is in the way of a new one.
async fn instead(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    sent: Option<&Resource>,
    wanted: &Resource,
) -> Result<Option<Resource>, ExchangeError> {
    if matches!(resource.delete, Delete::Deactivate)
        && let Some(view) = revive::revive(exchange, resource, wanted).await?
    {
        return Ok(Some(view));
    }
    match sent {
        Some(sent) => adopt::adopt(exchange, resource, sent).await,
        None => Ok(None),
    }
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
