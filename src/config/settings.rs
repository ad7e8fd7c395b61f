//! The configuration as understood: defaults filled in, names checked, references read.
//!
//! `Debug` shows no value that may be a secret.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::auth::client::Proxies;
use crate::auth::jwt::Demands;
use crate::exchange::endpoint::Backend;
use crate::gateway::listener::Options;
use crate::gateway::tls::TlsFiles;
use crate::guard::rule::Rule;
use crate::mapping::deletion::Deletion;
use crate::scim::value::Dialect;
use crate::upstream::jwks::Place;
use crate::upstream::otlp;

/// Everything an installation says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// Where the bridge listens.
    pub listen: Listen,
    /// How the SCIM port is run.
    pub gateway: Options,
    /// Where the bridge keeps what it must remember.
    pub store: Store,
    /// Which proxies are believed, and how many failed authentications are borne.
    pub access: Access,
    /// The tenants, in the file's order; names, and hosts with base paths, are unique.
    pub tenants: Vec<Tenant>,
    /// What is written down of what happens.
    pub audit: Audit,
    /// What is logged, and how.
    pub log: Log,
    /// Where spans of distributed traces are sent; `None` sends none.
    pub telemetry: Option<otlp::Options>,
    /// How the process ends.
    pub stop: Stop,
    /// The files that all this was read from; mapping files are not among them.
    pub sources: Vec<PathBuf>,
}

/// The listening addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// The SCIM port.
    pub scim: SocketAddr,
    /// The operators' port.
    pub admin: SocketAddr,
    /// Certificates of the SCIM port; `None` means without TLS.
    pub tls: Option<TlsFiles>,
    /// Where a newer process asks for the listening sockets; `None` means nowhere.
    pub upgrade: Option<PathBuf>,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            scim: SocketAddr::from(([127, 0, 0, 1], 8080)),
            admin: SocketAddr::from(([127, 0, 0, 1], 8081)),
            tls: None,
            upgrade: None,
        }
    }
}

/// How the process ends when it is told to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// From "not ready" to the end of accepting, so that load balancers notice.
    pub delay: Duration,
    /// How long connections that wait for a request are kept after that, for the answer to the
    /// next one to say that it is the last.
    pub linger: Duration,
    /// Longest time for requests in flight.
    pub grace: Duration,
}

impl Default for Stop {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            linger: Duration::from_secs(1),
            // As long as a request may take.
            grace: Duration::from_mins(1),
        }
    }
}

/// The database.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// `sqlite:FILE` or `postgres://…`; may hold a password.
    pub url: String,
}

impl Default for Store {
    fn default() -> Self {
        Self { url: "sqlite:scimbridge.db".to_owned() }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.url.split_once(':').map_or("?", |(scheme, _)| scheme);
        f.debug_struct("Store").field("url", &format_args!("{scheme}:…")).finish()
    }
}

/// One tenant: a SCIM base path, its token, its mapping and its application.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tenant {
    /// Lower-case letters, digits and hyphens.
    pub name: String,
    /// The mapping file; relative paths are from the configuration file's folder, or the working
    /// directory when there is none.
    pub mapping: PathBuf,
    /// Empty, or segments with a leading and without a trailing slash.
    pub base_path: String,
    /// The variable of the environment that has a token for this tenant.
    pub token_env: Option<String>,
    /// What identity providers see in place of `scheme://host`; without a trailing slash.
    pub public_url: Option<String>,
    /// How closely clients must keep to the RFCs.
    pub dialect: Dialect,
    /// How much may be deactivated and deleted in a while.
    pub guard: Rule,
    /// Filters, by endpoint or resource type, for what no client may touch.
    pub protected: BTreeMap<String, Vec<String>>,
    /// The application, where it gets what is not SCIM.
    pub passthrough: Option<Backend>,
    /// How the application is asked whether it is there; `None` asks nothing.
    pub probe: Option<Arc<Probe>>,
    /// The values that the mapping file asks for.
    pub config: Values,
    /// What of the application's records is indexed; `None` for nothing.
    pub index: Option<Index>,
    /// Most resources in one answer; `None` means as many as usual.
    pub max_results: Option<u64>,
    /// What DELETE does in the place of what the mapping says.
    pub deletions: Deletions,
    /// Where its door is, and who is let in.
    pub door: Door,
}

/// `[tenants.probe]`: a question to the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// A path below the mapping's `base_url`, percent-encoded.
    pub path: String,
    /// Its query, decoded.
    pub query: Vec<(String, String)>,
    /// The statuses that are well; none means 200 to 299.
    pub statuses: Vec<u16>,
    /// From the beginning of one question to that of the next.
    pub every: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
}

impl Probe {
    /// Whether an answer with this status says that all is well.
    pub fn accepts(&self, status: u16) -> bool {
        match self.statuses.as_slice() {
            [] => (200..300).contains(&status),
            statuses => statuses.contains(&status),
        }
    }
}

/// `[tenants.index]`: attributes that are looked up without reading the application's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Attribute paths, by resource type or endpoint (`users`).
    pub attributes: BTreeMap<String, Vec<String>>,
    /// How old an index may become.
    pub refresh: Duration,
}

/// What the whole installation says of callers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Who is believed when it says whom it speaks for.
    pub proxies: Proxies,
    /// How often an address may fail to authenticate, at once and in a minute.
    pub failures_per_minute: u32,
}

impl Default for Access {
    fn default() -> Self {
        Self { proxies: Proxies::default(), failures_per_minute: 30 }
    }
}

/// Where the door of a tenant is, and who is let in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Door {
    /// The host name, in lower case and without a port; `None` for every one.
    pub host: Option<String>,
    /// Whether every request is answered with 503.
    pub paused: bool,
    /// The addresses that may call; `None` for every one.
    pub allow_from: Option<Vec<IpNet>>,
    /// The most bytes of a body, where that is less than the bridge's limit.
    pub body_bytes: Option<usize>,
    /// The most requests under way; `None` sets no limit.
    pub in_flight: Option<usize>,
    /// The issuer whose tokens are accepted beside the bridge's own.
    pub jwt: Option<Jwt>,
}

/// An issuer of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwt {
    /// What its tokens must say.
    pub demands: Demands,
    /// Where its keys are.
    pub place: Place,
}

/// What DELETE does in the place of what the mapping says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deletions {
    /// For the types that are not named.
    pub all: Deletion,
    /// By name of the resource type.
    pub by_type: BTreeMap<String, Deletion>,
}

impl Tenant {
    /// The segments of the base path.
    pub fn base_segments(&self) -> impl Iterator<Item = &str> {
        self.base_path.split('/').filter(|segment| !segment.is_empty())
    }
}

/// Values for a mapping, with every reference to the environment or a file already read.
#[derive(Clone, Default, PartialEq)]
pub struct Values(pub Map<String, Value>);

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The audit trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audit {
    /// Whether reads have events.
    pub reads: bool,
    /// Whether values are kept.
    pub values: bool,
    /// How long events are kept.
    pub keep: Duration,
}

impl Default for Audit {
    fn default() -> Self {
        Self { reads: true, values: false, keep: Duration::from_hours(400 * 24) }
    }
}

/// The log.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// For people or for machines.
    pub format: LogFormat,
    /// A level, or directives as in `info,scimbridge=debug`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::default(), level: "info".to_owned() }
    }
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Pretty,
    /// One JSON object a line.
    Json,
}
