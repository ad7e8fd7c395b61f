//! Tenants out of configuration, mapping files and store.
//!
//! Everything is read, built and judged before anything is used, so a configuration with a fault
//! changes nothing. A tenant whose mapping and settings are the same as before is taken over as it
//! stands, with its connections, breakers and counters; of one that has changed, the locks and
//! what it wrote a moment ago live on, because requests under the old configuration may still be
//! running and both must not change one resource at the same time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use sha2::{Digest as _, Sha256};

use crate::app::bridge::Served;
use crate::app::door::Door;
use crate::app::indexing;
use crate::app::settings;
use crate::audit::journal::Journal;
use crate::auth::failures::Failures;
use crate::auth::jwt::{Issuer, KeySource};
use crate::auth::token::ConfiguredToken;
use crate::clock::Clock;
use crate::config::load::environment;
use crate::config::settings::{Config, Deletions, Door as DoorConfig, Tenant as TenantConfig};
use crate::exchange::counters::DeviationCounters;
use crate::exchange::cursor::Seal;
use crate::exchange::locks::Locks;
use crate::exchange::precautions::{Guard, GuardCounters, Precautions, Protected};
use crate::exchange::recent::Recent;
use crate::exchange::tenant::{KeptAttributes, Plans, Rosters, Tenant};
use crate::guard::rule::Rule;
use crate::id::{IdSource, SystemIds};
use crate::mapping::model::Mapping;
use crate::mapping::scope::Ambient;
use crate::sidecar::counted::Counted;
use crate::sidecar::port::Sidecar;
use crate::store::open::Store;
use crate::upstream::client::HttpUpstream;
use crate::upstream::jwks::{JwksSetupError, JwksSource, Place};
use crate::watch::meters::Meters;
use crate::watch::span::Spans;

/// A tenant cannot be served as configured.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// There is nobody to serve.
    #[error("the configuration names no tenant: add a [[tenants]] section")]
    NoTenants,
    /// A mapping file cannot be read.
    #[error("tenant {tenant}: {} cannot be read", path.display())]
    MappingUnreadable {
        /// The tenant.
        tenant: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A mapping file has faults.
    #[error("tenant {tenant}: the mapping has faults\n{faults}\nrun: scimbridge check {}", path.display())]
    MappingFaulty {
        /// The tenant.
        tenant: String,
        /// The file.
        path: PathBuf,
        /// The faults, a line each.
        faults: String,
    },
    /// The mapping's variables are not filled as it asks.
    #[error("tenant {tenant}: [tenants.config] {faults}")]
    Settings {
        /// The tenant.
        tenant: String,
        /// The faults.
        faults: String,
    },
    /// Something cannot be indexed.
    #[error("tenant {tenant}: [tenants.index] {faults}")]
    Index {
        /// The tenant.
        tenant: String,
        /// The faults.
        faults: String,
    },
    /// The mapping cannot do what the tenant wants of DELETE.
    #[error("tenant {tenant}: delete: {faults}")]
    Deletions {
        /// The tenant.
        tenant: String,
        /// The faults.
        faults: String,
    },
    /// The keys of its issuer can never be read.
    #[error("tenant {tenant}: jwt")]
    Issuer {
        /// The tenant.
        tenant: String,
        /// Why.
        #[source]
        source: JwksSetupError,
    },
    /// The variable that holds the token is empty.
    #[error("tenant {tenant}: the environment variable {variable} holds no token")]
    TokenMissing {
        /// The tenant.
        tenant: String,
        /// The variable.
        variable: String,
    },
    /// What the variable holds cannot be sent as a token.
    #[error(
        "tenant {tenant}: the environment variable {variable} holds something that cannot be a token"
    )]
    TokenUnusable {
        /// The tenant.
        tenant: String,
        /// The variable.
        variable: String,
    },
    /// Protected resources are not described as the mapping has them.
    #[error("tenant {tenant}: [tenants.protected] {faults}")]
    Protected {
        /// The tenant.
        tenant: String,
        /// The faults.
        faults: String,
    },
    /// The application cannot be addressed.
    #[error("tenant {tenant}: the application cannot be called as configured")]
    Upstream {
        /// The tenant.
        tenant: String,
        /// Why.
        #[source]
        source: crate::upstream::setup::UpstreamSetupError,
    },
}

/// What tenants are made with, and what outlives each of their configurations.
pub struct Workshop {
    /// Where tenants keep what they must remember.
    pub store: Store,
    /// What seals their cursors.
    pub seal: Arc<dyn Seal>,
    /// Their time.
    pub clock: Arc<dyn Clock>,
    /// Where distributed traces are recorded.
    pub spans: Option<Arc<dyn Spans>>,
    /// Where what happens is written down.
    pub journal: Journal,
    /// Where failed authentications are counted.
    pub failures: Arc<Failures>,
    /// The keys of issuers that somebody uses.
    sources: Mutex<BTreeMap<Place, Weak<JwksSource>>>,
    lasting: BTreeMap<String, Lasting>,
    built: BTreeMap<String, Built>,
}

/// What a tenant keeps whatever its configuration becomes.
#[derive(Clone, Default)]
struct Lasting {
    locks: Arc<Locks>,
    recent: Arc<Recent>,
    deviations: Arc<DeviationCounters>,
    meters: Arc<Meters>,
    under_way: Arc<AtomicUsize>,
}

impl Lasting {
    fn new(tenant: &str, store: &Store) -> Self {
        // Replicas on one store wait for each other, too.
        let shared = store.locks().map(|locks| Arc::new(Locks::shared(tenant, locks)));
        Self { locks: shared.unwrap_or_default(), ..Self::default() }
    }
}

/// A tenant, and all that it was built from.
#[derive(Clone)]
struct Built {
    text: String,
    config: TenantConfig,
    tenant: Arc<Tenant>,
}

/// What can be told of a tenant that is served.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// Its base path; empty for the root.
    pub base_path: String,
    /// The name of its mapping.
    pub mapping: String,
    /// The first digits of the SHA-256 of the mapping file, as `sha256sum` prints them.
    pub fingerprint: String,
}

/// Every tenant of a configuration, ready to be served.
pub struct Assembled {
    /// The tenants, in the configuration's order.
    pub served: Vec<Served>,
    /// The tokens that the configuration names.
    pub tokens: Vec<ConfiguredToken>,
    /// What can be told of the tenants.
    pub standing: Vec<Standing>,
    /// What happened to the tenants since the last configuration, in words.
    pub changes: Vec<String>,
    lasting: BTreeMap<String, Lasting>,
    built: BTreeMap<String, Built>,
}

impl Workshop {
    /// A workshop that has built nothing yet.
    pub fn new(store: Store, seal: Arc<dyn Seal>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            seal,
            clock,
            spans: None,
            journal: Journal::off(),
            failures: Arc::default(),
            sources: Mutex::default(),
            lasting: BTreeMap::new(),
            built: BTreeMap::new(),
        }
    }

    /// Builds the tenants of a configuration. Nothing that is being served changes by it; see
    /// [`Self::keep`].
    ///
    /// # Errors
    /// Everything that is wrong, tenant by tenant.
    pub fn assemble(&self, config: &Config) -> Result<Assembled, Vec<AssembleError>> {
        if config.tenants.is_empty() {
            return Err(vec![AssembleError::NoTenants]);
        }
        let mut faults = Vec::new();
        let mut assembled = Assembled {
            served: Vec::with_capacity(config.tenants.len()),
            tokens: Vec::new(),
            standing: Vec::new(),
            changes: Vec::new(),
            lasting: self.lasting.clone(),
            built: BTreeMap::new(),
        };
        for tenant in &config.tenants {
            match token(tenant) {
                Ok(token) => assembled.tokens.extend(token),
                Err(fault) => faults.push(fault),
            }
            match self.build(tenant, &mut assembled) {
                Ok(built) => {
                    let lasting = assembled.lasting.get(&tenant.name);
                    let meters = lasting.map(|it| Arc::clone(&it.meters)).unwrap_or_default();
                    let under_way = lasting.map(|it| Arc::clone(&it.under_way));
                    let door = match self.door(tenant, under_way.unwrap_or_default()) {
                        Ok(door) => door,
                        Err(fault) => {
                            faults.push(fault);
                            continue;
                        }
                    };
                    assembled.served.push(Served {
                        tenant: Arc::clone(&built.tenant),
                        base_path: tenant.base_segments().map(str::to_owned).collect(),
                        public_url: tenant.public_url.as_deref().map(Arc::from),
                        backend: tenant.passthrough.clone().map(Arc::new),
                        probe: tenant.probe.clone(),
                        meters,
                        door,
                    });
                    assembled.standing.push(Standing {
                        name: tenant.name.clone(),
                        base_path: tenant.base_path.clone(),
                        mapping: built.tenant.mapping.name.clone(),
                        fingerprint: fingerprint(&built.text),
                    });
                    assembled.built.insert(tenant.name.clone(), built);
                }
                Err(fault) => faults.push(fault),
            }
        }
        let gone = self.built.keys().filter(|name| !assembled.built.contains_key(*name));
        assembled.changes.extend(gone.map(|name| format!("tenant {name} removed")));
        if faults.is_empty() { Ok(assembled) } else { Err(faults) }
    }

    /// Remembers what is served from now on, for the next configuration.
    pub fn keep(&mut self, assembled: &Assembled) {
        self.lasting.clone_from(&assembled.lasting);
        self.built.clone_from(&assembled.built);
    }

    fn build(
        &self,
        config: &TenantConfig,
        assembled: &mut Assembled,
    ) -> Result<Built, AssembleError> {
        let name = &config.name;
        let text = read(name, &config.mapping)?;
        let config = essential(config);
        let before = self.built.get(name);
        if let Some(before) = before.filter(|it| it.text == text && it.config == config) {
            return Ok(before.clone());
        }
        let change = if before.is_some() { "changed" } else { "added" };
        assembled.changes.push(format!("tenant {name} {change}"));
        let new = || Lasting::new(name, &self.store);
        let lasting = assembled.lasting.entry(name.clone()).or_insert_with(new).clone();
        let tenant = Arc::new(self.tenant(&config, &text, lasting)?);
        Ok(Built { text, config, tenant })
    }

    fn door(
        &self,
        tenant: &TenantConfig,
        under_way: Arc<AtomicUsize>,
    ) -> Result<Door, AssembleError> {
        let issuer = tenant.door.jwt.as_ref().map(|jwt| {
            let keys: Arc<dyn KeySource> = self.keys(&jwt.place)?;
            Ok(Issuer::new(jwt.demands.clone(), keys))
        });
        let issuer = issuer
            .transpose()
            .map_err(|source| AssembleError::Issuer { tenant: tenant.name.clone(), source })?;
        Ok(Door::new(&tenant.door, under_way, issuer))
    }

    /// The keys of an issuer: those that are being kept already, if anybody uses them.
    fn keys(&self, place: &Place) -> Result<Arc<JwksSource>, JwksSetupError> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(source) = sources.get(place).and_then(Weak::upgrade) {
            return Ok(source);
        }
        let source = Arc::new(JwksSource::start(place.clone(), Arc::clone(&self.clock))?);
        sources.insert(place.clone(), Arc::downgrade(&source));
        Ok(source)
    }

    fn tenant(
        &self,
        config: &TenantConfig,
        text: &str,
        lasting: Lasting,
    ) -> Result<Tenant, AssembleError> {
        let tenant = config.name.clone();
        let mut mapping = load(&tenant, &config.mapping, text)?;
        override_deletions(&mut mapping, config)?;
        let mapping = Arc::new(mapping);
        let settings = settings::fill(&mapping.config, &config.config.0).map_err(|faults| {
            AssembleError::Settings { tenant: tenant.clone(), faults: faults.join("; ") }
        })?;
        let index = indexing::index(&mapping, text, config.index.as_ref())
            .map_err(|faults| AssembleError::Index { tenant: tenant.clone(), faults })?;
        let ids: Arc<dyn IdSource> = Arc::new(SystemIds);
        let ambient = Ambient {
            ids: Arc::clone(&ids),
            now: self.clock.now(),
            request_id: "start".to_owned(),
        };
        let clock = Arc::clone(&self.clock);
        let upstream = HttpUpstream::new(&mapping.api, &settings.all, &ambient, clock)
            .map_err(|source| AssembleError::Upstream { tenant: tenant.clone(), source })?;
        let precautions = self.precautions(config, &mapping)?;
        tracing::info!(tenant, mapping = mapping.name, "tenant ready");
        Ok(Tenant {
            name: tenant,
            mapping,
            config: settings.open,
            upstream: Arc::new(upstream),
            sidecar: self.sidecar(),
            links: Arc::new(self.store.clone()),
            index: Arc::new(index),
            clock: Arc::clone(&self.clock),
            ids,
            dialect: config.dialect,
            deviations: lasting.deviations,
            max_results: config.max_results.unwrap_or(settings::MAX_RESULTS),
            seal: Arc::clone(&self.seal),
            locks: lasting.locks,
            recent: lasting.recent,
            precautions,
            plans: Plans::default(),
            kept: KeptAttributes::default(),
            rosters: Rosters::default(),
        })
    }
}

impl Workshop {
    fn precautions(
        &self,
        config: &TenantConfig,
        mapping: &Mapping,
    ) -> Result<Precautions, AssembleError> {
        let protected = Protected::new(mapping, config.dialect, &config.protected);
        let protected = protected.map_err(|faults| AssembleError::Protected {
            tenant: config.name.clone(),
            faults: faults.join("; "),
        })?;
        let rule = config.guard;
        let guard = (rule != Rule::default()).then(|| Guard {
            rule,
            store: Arc::new(self.store.clone()),
            counters: GuardCounters::default(),
        });
        Ok(Precautions { journal: self.journal.clone(), guard, protected })
    }

    /// What belongs to this process alone may be remembered for a moment.
    fn sidecar(&self) -> Arc<dyn Sidecar> {
        let store = Arc::new(self.store.clone());
        match self.store.locks() {
            None => Arc::new(Counted::new(store, Arc::clone(&self.clock))),
            Some(_) => store,
        }
    }
}

/// Puts what the tenant says of DELETE over the mapping.
fn override_deletions(mapping: &mut Mapping, config: &TenantConfig) -> Result<(), AssembleError> {
    let Deletions { all, by_type } = &config.deletions;
    let known = |name: &String| mapping.resources.iter().any(|it| it.name == *name);
    let unknown = by_type.keys().filter(|name| !known(name));
    let mut faults: Vec<String> =
        unknown.map(|name| format!("\"{name}\" is no resource type of the mapping")).collect();
    let wish = |name: &str| by_type.get(name).copied().unwrap_or(*all);
    if let Err(more) = mapping.override_deletion(wish) {
        faults.extend(more);
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(AssembleError::Deletions { tenant: config.name.clone(), faults: faults.join("; ") })
}

/// What a tenant is built from; where it is served and who may call it is none of that.
fn essential(config: &TenantConfig) -> TenantConfig {
    TenantConfig {
        base_path: String::new(),
        public_url: None,
        token_env: None,
        door: DoorConfig::default(),
        passthrough: None,
        probe: None,
        ..config.clone()
    }
}

/// The token that a tenant's environment variable holds.
fn token(tenant: &TenantConfig) -> Result<Option<ConfiguredToken>, AssembleError> {
    let Some(variable) = tenant.token_env.clone() else { return Ok(None) };
    let name = tenant.name.clone();
    let Some(secret) = environment(&variable) else {
        return Err(AssembleError::TokenMissing { tenant: name, variable });
    };
    let token = ConfiguredToken::new(&name, &variable, &secret);
    token.map(Some).map_err(|_| AssembleError::TokenUnusable { tenant: name, variable })
}

fn read(tenant: &str, path: &Path) -> Result<String, AssembleError> {
    std::fs::read_to_string(path).map_err(|source| AssembleError::MappingUnreadable {
        tenant: tenant.to_owned(),
        path: path.to_owned(),
        source,
    })
}

fn fingerprint(text: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(text).into();
    let front = digest.first_chunk().map_or(0, |front| u64::from_be_bytes(*front));
    format!("{:012x}", front >> 16)
}

fn load(tenant: &str, path: &Path, text: &str) -> Result<Mapping, AssembleError> {
    match Mapping::load(text) {
        Ok((mapping, warnings)) => {
            for warning in warnings {
                tracing::warn!(tenant, file = %path.display(), %warning, "mapping");
            }
            Ok(mapping)
        }
        Err(faults) => {
            let name = path.display().to_string();
            let lines: Vec<String> = faults.iter().map(|fault| fault.render(&name)).collect();
            Err(AssembleError::MappingFaulty {
                tenant: tenant.to_owned(),
                path: path.to_owned(),
                faults: lines.join("\n"),
            })
        }
    }
}
