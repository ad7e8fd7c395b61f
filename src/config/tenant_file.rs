//! `[[tenants]]` of the configuration file, and what must hold among them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use figment::value::Value;
use serde::Deserialize;

use crate::config::access::{DeleteFile, DoorFile, JwtFile, TenantLimitsFile};
use crate::config::error::Fault;
use crate::config::interpolate::Surroundings;
use crate::config::pass_file::{self, PassFile};
use crate::config::precautions::GuardFile;
use crate::config::probe_file::ProbeFile;
use crate::config::section::{all, section};
use crate::config::settings::{Index, Tenant, Values};
use crate::scim::value::Dialect;

/// The most that `max_results` can be: a list is in memory before it is sent.
const MOST_RESULTS: u64 = 10_000;

/// One `[[tenants]]` as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TenantFile {
    name: String,
    mapping: PathBuf,
    #[serde(default)]
    base_path: String,
    token_env: Option<String>,
    public_url: Option<String>,
    #[serde(default)]
    dialect: DialectFile,
    host: Option<String>,
    #[serde(default)]
    paused: bool,
    allow_from: Option<Vec<String>>,
    #[serde(default)]
    limits: TenantLimitsFile,
    jwt: Option<JwtFile>,
    delete: Option<DeleteFile>,
    #[serde(default)]
    guard: GuardFile,
    #[serde(default)]
    protected: BTreeMap<String, Vec<String>>,
    passthrough: Option<PassFile>,
    probe: Option<ProbeFile>,
    #[serde(default)]
    config: serde_json::Map<String, serde_json::Value>,
    index: Option<IndexFile>,
}

/// `[tenants.index]` as written.
#[derive(Deserialize)]
struct IndexFile {
    refresh_hours: Option<u64>,
    #[serde(flatten)]
    attributes: BTreeMap<String, Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DialectFile {
    #[default]
    Lenient,
    Strict,
}

pub(super) fn tenants(
    whole: &BTreeMap<String, Value>,
    surroundings: &Surroundings<'_>,
    faults: &mut Vec<Fault>,
) -> Vec<Tenant> {
    let values: Vec<Value> = section(whole, "tenants", faults);
    let mut tenants = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let key = format!("tenants[{index}]");
        match value.deserialize::<TenantFile>() {
            Ok(written) => tenants.push((tenant(&key, written, surroundings, faults), key)),
            Err(errors) => faults.extend(all(&key, errors)),
        }
    }
    check_unique("name", |tenant| &tenant.name, &tenants, faults);
    check_places(&tenants, faults);
    check_issuers(&tenants, faults);
    pass_file::check(&tenants, faults);
    tenants.into_iter().map(|(tenant, _)| tenant).collect()
}

fn tenant(
    key: &str,
    written: TenantFile,
    surroundings: &Surroundings<'_>,
    faults: &mut Vec<Fault>,
) -> Tenant {
    let mut fault = |name: &str, problem: &str| {
        faults.push(Fault::new(format!("{key}.{name}"), problem));
    };
    if !is_name(&written.name) {
        fault("name", "must be made of lower-case letters, digits and hyphens");
    }
    let base_path = written.base_path.trim_end_matches('/').to_owned();
    if !is_base_path(&base_path) {
        fault("base_path", "must be empty or like `/acme`: letters, digits, hyphens, `.` and `_`");
    }
    if written.token_env.as_deref().is_some_and(|name| !is_variable(name)) {
        fault("token_env", "must be the name of an environment variable, not the token itself");
    }
    let public_url = written.public_url.map(|url| url.trim_end_matches('/').to_owned());
    if public_url.as_deref().is_some_and(|url| !is_origin(url)) {
        fault("public_url", "must be an http or https URL without query and fragment");
    }
    let mut config = serde_json::Map::new();
    for (name, value) in written.config {
        match surroundings.resolve(value) {
            Ok(value) => drop(config.insert(name, value)),
            Err(problem) => fault(&format!("config.{name}"), &problem),
        }
    }
    let index = written.index.map(|index| {
        let hours = index.refresh_hours.unwrap_or(24);
        if !(1..=24 * 365).contains(&hours) {
            fault("index.refresh_hours", "must be from 1 to 8760 hours");
        }
        if index.attributes.is_empty() {
            fault("index", "names nothing to be indexed; as in: users = [\"userName\"]");
        }
        let refresh = std::time::Duration::from_hours(hours.min(24 * 365));
        Index { attributes: index.attributes, refresh }
    });
    let guard = written.guard.read(fault);
    let TenantFile { host, paused, allow_from, limits, jwt, .. } = written;
    let max_results = limits.max_results;
    if max_results.is_some_and(|most| !(1..=MOST_RESULTS).contains(&most)) {
        let problem = format!("must be from 1 to {MOST_RESULTS}");
        faults.push(Fault::new(format!("{key}.limits.max_results"), problem));
    }
    let door = DoorFile { host, paused, allow_from, limits, jwt }.judge(key, faults);
    let passthrough = written
        .passthrough
        .and_then(|it| it.judge(&format!("{key}.passthrough"), &base_path, surroundings, faults));
    let probe = written.probe.map(|it| Arc::new(it.judge(&format!("{key}.probe"), faults)));
    let dialect = match written.dialect {
        DialectFile::Lenient => Dialect::Lenient,
        DialectFile::Strict => Dialect::Strict,
    };
    Tenant {
        name: written.name,
        mapping: surroundings.folder.join(written.mapping),
        base_path,
        token_env: written.token_env,
        public_url,
        dialect,
        guard,
        protected: written.protected,
        passthrough,
        probe,
        config: Values(config),
        index,
        max_results,
        deletions: written.delete.map(DeleteFile::judge).unwrap_or_default(),
        door,
    }
}

fn check_unique(
    name: &str,
    value: impl Fn(&Tenant) -> &str,
    tenants: &[(Tenant, String)],
    faults: &mut Vec<Fault>,
) {
    let mut seen = BTreeSet::new();
    for (tenant, key) in tenants {
        let value = value(tenant);
        if !seen.insert(value) {
            let problem = format!("`{value}` belongs to an earlier tenant already");
            faults.push(Fault::new(format!("{key}.{name}"), problem));
        }
    }
}

/// A host with a base path belongs to one tenant.
fn check_places(tenants: &[(Tenant, String)], faults: &mut Vec<Fault>) {
    let mut seen = BTreeSet::new();
    for (tenant, key) in tenants {
        let (host, path) = (tenant.door.host.as_deref(), tenant.base_path.as_str());
        if !seen.insert((host, path)) {
            let at = host.map(|host| format!(" at host `{host}`")).unwrap_or_default();
            let problem = format!("`{path}`{at} belongs to an earlier tenant already");
            faults.push(Fault::new(format!("{key}.base_path"), problem));
        }
    }
}

/// A token of one tenant never opens another: tenants of one issuer and one audience must ask for
/// different values of a claim.
fn check_issuers(tenants: &[(Tenant, String)], faults: &mut Vec<Fault>) {
    let accepting =
        || tenants.iter().filter_map(|(it, key)| Some((&it.door.jwt.as_ref()?.demands, key)));
    for (index, (one, key)) in accepting().enumerate() {
        let overlaps = accepting().take(index).any(|(other, _)| {
            let differ = |(name, text): (&String, &String)| {
                other.claims.get(name).is_some_and(|theirs| theirs != text)
            };
            one.issuer == other.issuer
                && one.audiences.iter().any(|audience| other.audiences.contains(audience))
                && !one.claims.iter().any(differ)
        });
        if overlaps {
            let problem = "an earlier tenant accepts the same issuer's tokens: give each an \
                           audience of its own, or another value of the same claim in `claims`";
            faults.push(Fault::new(format!("{key}.jwt"), problem));
        }
    }
}

fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.len() <= 64 && text.chars().all(fits)
}

fn is_base_path(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let segment =
        |text: &str| !text.is_empty() && text != "." && text != ".." && text.chars().all(fits);
    text.is_empty() || text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment))
}

fn is_variable(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(fits)
}

fn is_origin(text: &str) -> bool {
    let Ok(url) = url::Url::parse(text) else { return false };
    let web = matches!(url.scheme(), "http" | "https") && url.has_host();
    web && url.username().is_empty() && url.query().is_none() && url.fragment().is_none()
}
