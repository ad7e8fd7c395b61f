//! What of the application's records is indexed, as the configuration says it.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use jiff::SignedDuration;
use sha2::{Digest as _, Sha256};

use crate::config::settings::Index as Written;
use crate::exchange::index::{Index, Indexed};
use crate::mapping::model::{Mapping, ResourceMapping};
use crate::scim::attr::AttrPath;

/// What is indexed of a mapping's records.
///
/// # Errors
/// Every name that cannot be indexed, in words.
pub fn index(mapping: &Mapping, text: &str, written: Option<&Written>) -> Result<Index, String> {
    let mut faults = Vec::new();
    let mut attributes: BTreeMap<String, Vec<Indexed>> = BTreeMap::new();
    let mut digest = Sha256::new().chain_update(text);
    for (name, paths) in written.iter().flat_map(|written| &written.attributes) {
        let Some(resource) = mapping.resources.iter().find(|it| is_called(it, name)) else {
            faults.push(format!("{name}: the mapping has no such resource type"));
            continue;
        };
        if resource.get.is_none() || resource.list.is_none() {
            faults.push(format!("{name}: the mapping must have `get` and `list` of it"));
        }
        for path in paths {
            digest.update(format!("\n{name} {path}"));
            let parsed: Option<AttrPath> = path.parse().ok();
            match parsed.and_then(|path| Indexed::of(resource, &path)) {
                Some(found) => attributes.entry(resource.name.clone()).or_default().push(found),
                None => faults.push(format!("{name}: \"{path}\" is no attribute that holds text")),
            }
        }
    }
    if !faults.is_empty() {
        return Err(faults.join("; "));
    }
    let fingerprint = base64::engine::general_purpose::STANDARD_NO_PAD.encode(digest.finalize());
    let refresh = written.map_or(Duration::ZERO, |written| written.refresh);
    let refresh = SignedDuration::try_from(refresh).unwrap_or(SignedDuration::MAX);
    Ok(Index { attributes, refresh, fingerprint, ..Index::default() })
}

/// Whether a resource type is meant by its name or its endpoint.
pub fn is_called(resource: &ResourceMapping, name: &str) -> bool {
    let endpoint = resource.resource_type.endpoint.trim_start_matches('/');
    name.eq_ignore_ascii_case(endpoint) || name.eq_ignore_ascii_case(&resource.name)
}
