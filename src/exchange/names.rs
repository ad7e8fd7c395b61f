//! Names that are taken by resources which the bridge alone keeps (`deactivate: delete`): the
//! application does not know them and cannot refuse.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::exchange::retired::{self, RetiredWalk};
use crate::mapping::model::{Deactivate, IdSourceRule, ResourceMapping};
use crate::scim::resource::Resource;
use crate::scim::schema::Uniqueness;
use crate::scim::segment;
use crate::sidecar::entry::{EntryState, Retired};

/// Attributes by which people are told apart.
const NAMES: [&str; 2] = ["userName", "displayName"];

/// Refuses a unique name that is new to a resource and belongs to one that has left. `before` is
/// the resource as it is, empty for a new one: whoever has a name already may keep it.
pub async fn check(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    before: &Resource,
    wanted: &Resource,
) -> Result<(), ExchangeError> {
    let is_new = |attribute: &&str| text(wanted, attribute) != text(before, attribute);
    let new: Vec<&str> = NAMES.into_iter().filter(is_new).collect();
    if !matches!(resource.deactivate, Deactivate::Delete) || new.is_empty() {
        return Ok(());
    }
    for attribute in new {
        let found = resource.resource_type.core.attribute(attribute);
        let is_unique = found.is_some_and(|found| found.uniqueness != Uniqueness::None);
        let Some(name) = wanted.0.get(attribute).and_then(Value::as_str) else { continue };
        if is_unique && is_taken(exchange, resource, before.id(), attribute, name).await? {
            return Err(taken(resource, attribute));
        }
    }
    Ok(())
}

/// Whether one of those who have left, but for the one of this id, has a name.
async fn is_taken(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    own: Option<&str>,
    attribute: &str,
    name: &str,
) -> Result<bool, ExchangeError> {
    let partition = exchange.tenant.partition();
    let mut walk = RetiredWalk::new(Retired::Off);
    let mut entries = match exchange.off_with_name(resource, attribute, name).await? {
        Some(keys) if keys.is_empty() => return Ok(false),
        Some(keys) => exchange.tenant.sidecar.by_keys(&partition, &resource.name, &keys).await?,
        None => walk.next(exchange, resource).await?.unwrap_or_default(),
    };
    let is_linked = !walk.has_begun();
    loop {
        for entry in entries.iter().filter(|entry| own != Some(entry.id.as_str())) {
            let EntryState::Off(native) = &entry.state else { continue };
            let located = retired::located(entry);
            let view = exchange.view(resource, &located, native, &BTreeMap::new()).await?;
            if text(&view, attribute) == Some(name.to_lowercase()) {
                return Ok(true);
            }
        }
        if is_linked {
            return Ok(false);
        }
        let Some(page) = walk.next(exchange, resource).await? else { return Ok(false) };
        entries = page;
    }
}

/// Refuses a native key that another entry of the side-car holds, if it is one of these.
pub async fn check_key(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    own: &str,
    key: &str,
    counts: fn(&EntryState) -> bool,
) -> Result<(), ExchangeError> {
    let partition = exchange.tenant.partition();
    let keys = [key.to_owned()];
    let entries = exchange.tenant.sidecar.by_keys(&partition, &resource.name, &keys).await?;
    if entries.iter().any(|entry| entry.id != own && counts(&entry.state)) {
        return Err(taken(resource, "name"));
    }
    Ok(())
}

/// Refuses a native key that is to be the id in a URL and cannot be.
pub fn check_address(resource: &ResourceMapping, key: &str) -> Result<(), ExchangeError> {
    if resource.id.source == IdSourceRule::Issued || segment::is_possible(key) {
        return Ok(());
    }
    tracing::warn!(resource = resource.name, "a record's id could not stand in a URL");
    Err(ExchangeError::Unaddressable { resource: resource.name.clone() })
}

/// A name as it compares.
fn text(scim: &Resource, attribute: &str) -> Option<String> {
    Some(scim.0.get(attribute)?.as_str()?.to_lowercase())
}

fn taken(resource: &ResourceMapping, attribute: &str) -> ExchangeError {
    ExchangeError::Taken { resource: resource.name.clone(), attribute: attribute.to_owned() }
}
