//! Who may call, from where, and how much: `[access]`, and what a tenant says of it.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::Deserialize;
use url::Url;

use crate::auth::client::{ClientHeader, Proxies};
use crate::auth::jwk::Algorithm;
use crate::auth::jwt::Demands;
use crate::auth::scope::{Scope, Scopes};
use crate::config::error::Fault;
use crate::config::settings::{Access, Deletions, Door, Jwt};
use crate::mapping::deletion::Deletion;
use crate::upstream::jwks::{self, Place};

const ADDRESS: &str = "must be an address or a network such as 203.0.113.0/24 or 2001:db8::/32";

/// `[access]` as written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AccessFile {
    trusted_proxies: Vec<String>,
    client_address: ClientHeaderFile,
    failures_per_minute: Option<u32>,
}

#[derive(Default, Deserialize)]
enum ClientHeaderFile {
    #[default]
    #[serde(rename = "x-forwarded-for")]
    XForwardedFor,
    #[serde(rename = "forwarded")]
    Forwarded,
}

impl AccessFile {
    /// What it means.
    pub(crate) fn judge(self, faults: &mut Vec<Fault>) -> Access {
        let usual = Access::default();
        let trusted = networks("access.trusted_proxies", &self.trusted_proxies, faults);
        let failures_per_minute = self.failures_per_minute.unwrap_or(usual.failures_per_minute);
        if !(1..=60_000).contains(&failures_per_minute) {
            let problem = "must be from 1 to 60000";
            faults.push(Fault::new("access.failures_per_minute", problem));
        }
        let header = match self.client_address {
            ClientHeaderFile::XForwardedFor => ClientHeader::XForwardedFor,
            ClientHeaderFile::Forwarded => ClientHeader::Forwarded,
        };
        Access { proxies: Proxies { trusted, header }, failures_per_minute }
    }
}

/// `[tenants.limits]` as written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TenantLimitsFile {
    pub(crate) max_results: Option<u64>,
    body_bytes: Option<usize>,
    requests_in_flight: Option<usize>,
}

/// `[tenants.jwt]` as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JwtFile {
    issuer: String,
    audience: OneOrMore,
    jwks_url: Option<String>,
    #[serde(default)]
    algorithms: Vec<String>,
    #[serde(default)]
    required: Vec<String>,
    #[serde(default)]
    scopes: BTreeMap<String, String>,
    #[serde(default)]
    claims: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "must be a text or a list of texts")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// `delete` as written.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "must be \"as-mapped\", \"deactivate\" or \"refuse\", or a table of \
                               these by resource type"
)]
pub(crate) enum DeleteFile {
    All(DeletionFile),
    ByType(BTreeMap<String, DeletionFile>),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DeletionFile {
    AsMapped,
    Deactivate,
    Refuse,
}

impl DeleteFile {
    /// What it means.
    pub(crate) fn judge(self) -> Deletions {
        let meaning = |written| match written {
            DeletionFile::AsMapped => Deletion::AsMapped,
            DeletionFile::Deactivate => Deletion::Deactivate,
            DeletionFile::Refuse => Deletion::Refuse,
        };
        match self {
            Self::All(written) => Deletions { all: meaning(written), ..Deletions::default() },
            Self::ByType(types) => Deletions {
                by_type: types.into_iter().map(|(name, it)| (name, meaning(it))).collect(),
                ..Deletions::default()
            },
        }
    }
}

/// What a tenant says of who may call it.
pub(crate) struct DoorFile {
    pub(crate) host: Option<String>,
    pub(crate) paused: bool,
    pub(crate) allow_from: Option<Vec<String>>,
    pub(crate) limits: TenantLimitsFile,
    pub(crate) jwt: Option<JwtFile>,
}

impl DoorFile {
    /// What it means; `key` is that of the tenant.
    pub(crate) fn judge(self, key: &str, faults: &mut Vec<Fault>) -> Door {
        let host = self.host.map(|host| host.trim_end_matches('.').to_ascii_lowercase());
        if host.as_deref().is_some_and(|host| !is_host(host)) {
            let problem = "must be a host name such as `acme.scim.example.com`, without a port";
            faults.push(Fault::new(format!("{key}.host"), problem));
        }
        let place = format!("{key}.allow_from");
        let allow_from = self.allow_from.map(|list| {
            if list.is_empty() {
                let problem = "must name an address at least; leave it out to allow every address";
                faults.push(Fault::new(&place, problem));
            }
            networks(&place, &list, faults)
        });
        let mut at_least_one = |name: &str, given: Option<usize>| {
            if given == Some(0) {
                faults.push(Fault::new(format!("{key}.limits.{name}"), "must be at least 1"));
            }
            given
        };
        let body_bytes = at_least_one("body_bytes", self.limits.body_bytes);
        let in_flight = at_least_one("requests_in_flight", self.limits.requests_in_flight);
        let jwt = self.jwt.and_then(|jwt| jwt.judge(&format!("{key}.jwt"), faults));
        Door { host, paused: self.paused, allow_from, body_bytes, in_flight, jwt }
    }
}

impl JwtFile {
    fn judge(self, key: &str, faults: &mut Vec<Fault>) -> Option<Jwt> {
        let before = faults.len();
        let mut fault = |name: &str, problem: &str| {
            faults.push(Fault::new(format!("{key}.{name}"), problem));
        };
        let safe = "must be an https URL (http only on this machine)";
        let usable = |text: &str| Url::parse(text).ok().filter(jwks::is_safe);
        // Only where the keys are looked for below the issuer must that be a URL.
        if self.jwks_url.is_none() && usable(&self.issuer).is_none() {
            fault("issuer", &format!("{safe}, unless jwks_url is given"));
        }
        let jwks_url = self.jwks_url.as_deref().map(usable);
        if jwks_url == Some(None) {
            fault("jwks_url", safe);
        }
        let audiences = match self.audience {
            OneOrMore::One(text) => vec![text],
            OneOrMore::More(texts) => texts,
        };
        if audiences.is_empty() || audiences.iter().any(String::is_empty) {
            fault("audience", "must name an audience at least, and none may be empty");
        }
        let named = self.algorithms.iter().map(|name| Algorithm::named(name));
        let algorithms: Option<Vec<Algorithm>> = named.collect();
        if algorithms.is_none() {
            let known: Vec<&str> = Algorithm::ALL.iter().map(|it| it.name()).collect();
            fault("algorithms", &format!("must be some of {}", known.join(", ")));
        }
        let algorithms = algorithms.filter(|given| !given.is_empty());
        let mut scopes = BTreeMap::new();
        for (name, allowed) in self.scopes {
            match allowed.parse::<Scopes>() {
                Ok(_) => drop(scopes.insert(name, written(&allowed))),
                Err(error) => fault(&format!("scopes.{name}"), &error.to_string()),
            }
        }
        let demands = Demands {
            issuer: self.issuer.clone(),
            audiences,
            algorithms: algorithms.unwrap_or_else(|| Algorithm::ALL.to_vec()),
            required: self.required,
            scopes,
            claims: self.claims,
        };
        let place = Place { issuer: self.issuer, jwks_url: jwks_url.flatten() };
        (faults.len() == before).then_some(Jwt { demands, place })
    }
}

/// The scopes that stand there, without those that are left open: several may be added up.
fn written(text: &str) -> Vec<Scope> {
    let is_there = |scope: &Scope| text.split([',', ' ']).any(|name| name == scope.name());
    Scope::ALL.into_iter().filter(is_there).collect()
}

fn networks(key: &str, texts: &[String], faults: &mut Vec<Fault>) -> Vec<IpNet> {
    let mut networks = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let single = || text.parse::<std::net::IpAddr>().ok().map(IpNet::from);
        match text.parse::<IpNet>().ok().or_else(single) {
            Some(network) => networks.push(network),
            None => faults.push(Fault::new(format!("{key}[{index}]"), ADDRESS)),
        }
    }
    networks
}

fn is_host(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let label = |label: &str| !label.is_empty() && label.len() <= 63 && label.chars().all(fits);
    text.len() <= 253 && text.split('.').all(label)
}
