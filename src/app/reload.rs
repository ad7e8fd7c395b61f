//! A new configuration for a bridge that is serving: judged whole, then put in place of the old
//! one in a single step, or refused whole.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::app::assemble::{AssembleError, Standing, Workshop};
use crate::app::bridge::Bridge;
use crate::app::differences::differences;
use crate::app::watch::{Prints, Watch};
use crate::auth::shared::SharedTokens;
use crate::config::settings::{Config, Listen, Stop};
use crate::console::metrics::Counted;
use crate::current::Current;
use crate::gateway::serving::Serving;
use crate::gateway::tls::{Tls, TlsError, TlsFiles};

/// How a reload went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The new configuration is served.
    Applied {
        /// What is different now; empty when nothing is.
        changes: Vec<String>,
        /// What is different in the configuration, but is served only after a restart.
        restart: Vec<String>,
    },
    /// There were faults, each a text of its own; the old configuration is served as before.
    Refused(Vec<String>),
}

/// The last reload, and how many there have been.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// How the last one went, and when; `None` before the first.
    pub last: Option<(Timestamp, Outcome)>,
    /// How many were applied.
    pub applied: u64,
    /// How many were refused.
    pub refused: u64,
}

/// A configuration cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// Tenants cannot be served as configured.
    #[error("{}", listed(.0))]
    Tenants(Vec<AssembleError>),
    /// Certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl From<Vec<AssembleError>> for ReloadError {
    fn from(faults: Vec<AssembleError>) -> Self {
        Self::Tenants(faults)
    }
}

/// What is being served, and the way to change it.
pub struct Reload {
    /// What the SCIM port serves.
    pub serving: Arc<Current<Serving<Bridge>>>,
    /// Every token.
    pub tokens: Arc<SharedTokens>,
    /// What is counted.
    pub counted: Arc<Current<Vec<Counted>>>,
    standing: Current<Vec<Standing>>,
    watch: Watch,
    /// The files that the configuration in use and the last one that was tried are made of.
    files: Current<Vec<PathBuf>>,
    /// What was in them when the configuration was last read.
    acted: Current<Prints>,
    /// The configuration that is served; its lock makes reloads wait for each other.
    state: tokio::sync::Mutex<State>,
    history: Mutex<History>,
    /// Whether an application may get over TLS what is not SCIM.
    has_roots: bool,
}

struct State {
    workshop: Workshop,
    config: Config,
}

impl Reload {
    /// Builds what the first configuration says.
    ///
    /// # Errors
    /// Everything that is wrong with its tenants.
    pub fn begin(mut workshop: Workshop, config: Config) -> Result<Self, ReloadError> {
        let assembled = workshop.assemble(&config)?;
        let tls = tls(&config)?;
        workshop.keep(&assembled);
        let counted = counted(&assembled.served);
        let tokens = Arc::new(SharedTokens::default());
        tokens.set_configured(assembled.tokens);
        let clock = Arc::clone(&workshop.clock);
        let bridge = Bridge::new(assembled.served, Arc::clone(&tokens), clock);
        let bridge = bridge.recording(workshop.spans.clone());
        let bridge = bridge.guarded(config.access.clone(), Arc::clone(&workshop.failures));
        let limits = config.gateway.limits.clone();
        let bridge = bridge.within(&limits);
        let watch = Watch::new(Arc::clone(&workshop.clock));
        let files = files(&config);
        let acted = watch.look(&files);
        let has_roots = passes_tls(&config);
        Ok(Self {
            standing: Current::new(assembled.standing),
            watch,
            files: Current::new(files),
            acted: Current::new(acted),
            serving: Arc::new(Current::new(Serving { endpoint: Arc::new(bridge), limits, tls })),
            tokens,
            counted: Arc::new(Current::new(counted)),
            state: tokio::sync::Mutex::new(State { workshop, config }),
            history: Mutex::default(),
            has_roots,
        })
    }

    /// Serves this configuration from now on, unless something is wrong with it.
    pub async fn apply(&self, config: Config) -> Outcome {
        let mut state = self.state.lock().await;
        // Also when it is refused: mending one of its files has to be noticed.
        let mut watched = files(&state.config);
        watched.extend(files(&config));
        let outcome = self.exchange(&mut state, config);
        if matches!(outcome, Outcome::Applied { .. }) {
            watched = files(&state.config);
        }
        self.files.replace(watched);
        self.note(&state, &outcome);
        outcome
    }

    /// Notes that there is no configuration to be served.
    pub async fn refuse(&self, faults: Vec<String>) -> Outcome {
        let state = self.state.lock().await;
        let outcome = Outcome::Refused(faults);
        self.note(&state, &outcome);
        outcome
    }

    /// The last reload.
    pub fn history(&self) -> History {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How the process is to end, as configured now.
    pub async fn stop(&self) -> Stop {
        self.state.lock().await.config.stop.clone()
    }

    /// The tenants that are served.
    pub fn standing(&self) -> Arc<Vec<Standing>> {
        self.standing.load()
    }

    /// Looks at the files.
    pub fn look(&self) -> Prints {
        self.watch.look(&self.files.load())
    }

    /// What was in the files when the configuration was last read.
    pub fn acted(&self) -> Arc<Prints> {
        self.acted.load()
    }

    /// Says that `seen` is what the files were before the configuration was read. Files that were
    /// not known then are taken as they are.
    pub fn act_on(&self, seen: Prints) {
        let mut acted = self.look();
        for (path, print) in seen {
            acted.entry(path).and_modify(|now| *now = print);
        }
        self.acted.replace(acted);
    }

    fn exchange(&self, state: &mut State, config: Config) -> Outcome {
        let assembled = match state.workshop.assemble(&config) {
            Ok(assembled) => assembled,
            Err(faults) => return Outcome::Refused(faults.iter().map(told).collect()),
        };
        let tls = match tls(&config) {
            Ok(tls) => tls,
            Err(fault) => return Outcome::Refused(vec![told(&fault)]),
        };
        let mut changes = assembled.changes.clone();
        if tls != self.serving.load().tls {
            changes.push("certificates changed".to_owned());
        }
        changes.extend(differences(&state.config, &config));
        let limits = config.gateway.limits.clone();
        self.tokens.set_configured(assembled.tokens.clone());
        self.counted.replace(counted(&assembled.served));
        self.standing.replace(assembled.standing.clone());
        state.workshop.keep(&assembled);
        let clock = Arc::clone(&state.workshop.clock);
        let bridge = Bridge::new(assembled.served, Arc::clone(&self.tokens), clock);
        let bridge = bridge.recording(state.workshop.spans.clone()).within(&limits);
        let failures = Arc::clone(&state.workshop.failures);
        let bridge = bridge.guarded(config.access.clone(), failures);
        self.serving.replace(Serving { endpoint: Arc::new(bridge), limits, tls });
        let mut restart = needs_restart(&state.config, &config);
        if passes_tls(&config) && !self.has_roots {
            restart.push("tenants.passthrough.url (https)".to_owned());
        }
        // What was not taken over stays as it was, so that the next reload tells it again.
        let old = &state.config.listen;
        let listen = Listen {
            scim: old.scim,
            admin: old.admin,
            upgrade: old.upgrade.clone(),
            tls: config.listen.tls.clone(),
        };
        let store = state.config.store.clone();
        let audit = state.config.audit;
        let (log, threads) = (state.config.log.clone(), state.config.gateway.threads);
        let telemetry = state.config.telemetry.clone();
        state.config = Config { listen, store, audit, log, telemetry, ..config };
        state.config.gateway.threads = threads;
        Outcome::Applied { changes, restart }
    }

    fn note(&self, state: &State, outcome: &Outcome) {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Outcome::Applied { changes, restart } => {
                history.applied += 1;
                let changes =
                    if changes.is_empty() { "none".to_owned() } else { changes.join(", ") };
                tracing::info!(changes, "configuration reloaded");
                for setting in restart {
                    tracing::warn!(setting, "a setting has changed that needs a restart");
                }
            }
            Outcome::Refused(faults) => {
                history.refused += 1;
                for fault in faults {
                    tracing::error!(fault, "the new configuration is refused, the old one stays");
                }
            }
        }
        history.last = Some((state.workshop.clock.now(), outcome.clone()));
    }
}

/// Whether root certificates are needed for what is passed on; they are read at the start.
fn passes_tls(config: &Config) -> bool {
    config.tenants.iter().filter_map(|tenant| tenant.passthrough.as_ref()).any(|it| it.tls)
}

/// The files that a configuration is made of.
fn files(config: &Config) -> Vec<PathBuf> {
    let mappings = config.tenants.iter().map(|tenant| tenant.mapping.clone());
    let tls = config.listen.tls.iter().flat_map(TlsFiles::paths).map(Path::to_owned);
    config.sources.iter().cloned().chain(mappings).chain(tls).collect()
}

/// What both differ in, of that which is read once.
fn needs_restart(old: &Config, new: &Config) -> Vec<String> {
    let settings = [
        ("listen.scim", old.listen.scim != new.listen.scim),
        ("listen.admin", old.listen.admin != new.listen.admin),
        ("listen.upgrade", old.listen.upgrade != new.listen.upgrade),
        ("store.url", old.store != new.store),
        ("limits.threads", old.gateway.threads != new.gateway.threads),
        ("limits.streams", old.gateway.limits.streams != new.gateway.limits.streams),
        ("audit", old.audit != new.audit),
        ("log", old.log != new.log),
        ("telemetry", old.telemetry != new.telemetry),
    ];
    settings.iter().filter(|(_, differs)| *differs).map(|(name, _)| (*name).to_owned()).collect()
}

fn counted(served: &[crate::app::bridge::Served]) -> Vec<Counted> {
    let counted = served.iter().map(|served| Counted {
        tenant: served.tenant.name.clone(),
        meters: Arc::clone(&served.meters),
        deviations: Arc::clone(&served.tenant.deviations),
        traffic: served.tenant.upstream.traffic(),
    });
    counted.collect()
}

fn tls(config: &Config) -> Result<Option<Tls>, TlsError> {
    config.listen.tls.as_ref().map(Tls::load).transpose()
}

/// Every fault on lines of its own, with its causes.
fn listed(faults: &[AssembleError]) -> String {
    let faults: Vec<String> = faults.iter().map(told).collect();
    faults.join("\n")
}

/// An error with its causes, in one text.
pub(crate) fn told(error: &(impl std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
