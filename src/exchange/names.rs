//! Names that are taken by resources which the bridge alone keeps (`deactivate: delete`): the
//! application does not know them and cannot refuse.

use std::collections::BTreeMap;

use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::exchange::state::Located;
use crate::mapping::model::{Deactivate, ResourceMapping};
use crate::scim::resource::Resource;
use crate::scim::schema::Uniqueness;
use crate::sidecar::entry::EntryState;

/// Attributes by which people are told apart.
const NAMES: [&str; 2] = ["userName", "displayName"];

/// Refuses a resource whose unique name is that of one that has left. `own` is its own id.
pub async fn check(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    own: Option<&str>,
    wanted: &Resource,
) -> Result<(), ExchangeError> {
    if !matches!(resource.deactivate, Deactivate::Delete) {
        return Ok(());
    }
    for entry in exchange.retired(resource).await? {
        let EntryState::Off(native) = &entry.state else { continue };
        if own == Some(entry.id.as_str()) {
            continue;
        }
        let located =
            Located { id: entry.id.clone(), key: entry.key.clone(), entry: Some(entry.clone()) };
        let view = exchange.view(resource, &located, native, &BTreeMap::new()).await?;
        for attribute in NAMES {
            let text = |scim: &Resource| Some(scim.0.get(attribute)?.as_str()?.to_lowercase());
            let found = resource.resource_type.core.attribute(attribute);
            let is_unique = found.is_some_and(|found| found.uniqueness != Uniqueness::None);
            if is_unique && text(&view).is_some() && text(&view) == text(wanted) {
                return Err(taken(resource, attribute));
            }
        }
    }
    Ok(())
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

fn taken(resource: &ResourceMapping, attribute: &str) -> ExchangeError {
    ExchangeError::Taken { resource: resource.name.clone(), attribute: attribute.to_owned() }
}
