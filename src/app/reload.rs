//! A new configuration for a bridge that is serving: judged whole, then put in place of the old
//! one in a single step, or refused whole.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::app::assemble::{AssembleError, Workshop};
use crate::app::bridge::Bridge;
use crate::auth::shared::SharedTokens;
use crate::config::settings::Config;
use crate::console::metrics::Counted;
use crate::current::Current;
use crate::gateway::serving::Serving;

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

/// What is being served, and the way to change it.
pub struct Reload {
    /// What the SCIM port serves.
    pub serving: Arc<Current<Serving<Bridge>>>,
    /// Every token.
    pub tokens: Arc<SharedTokens>,
    /// What is counted.
    pub counted: Arc<Current<Vec<Counted>>>,
    /// The configuration that is served; its lock makes reloads wait for each other.
    state: tokio::sync::Mutex<State>,
    history: Mutex<History>,
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
    pub fn begin(mut workshop: Workshop, config: Config) -> Result<Self, Vec<AssembleError>> {
        let assembled = workshop.assemble(&config)?;
        workshop.keep(&assembled);
        let counted = counted(&assembled.served);
        let tokens = Arc::new(SharedTokens::default());
        tokens.set_configured(assembled.tokens);
        let clock = Arc::clone(&workshop.clock);
        let bridge = Bridge::new(assembled.served, Arc::clone(&tokens), clock);
        let bridge = bridge.recording(workshop.spans.clone());
        let limits = config.gateway.limits.clone();
        Ok(Self {
            serving: Arc::new(Current::new(Serving { endpoint: Arc::new(bridge), limits })),
            tokens,
            counted: Arc::new(Current::new(counted)),
            state: tokio::sync::Mutex::new(State { workshop, config }),
            history: Mutex::default(),
        })
    }

    /// Serves this configuration from now on, unless something is wrong with it.
    pub async fn apply(&self, config: Config) -> Outcome {
        let mut state = self.state.lock().await;
        let outcome = self.exchange(&mut state, config);
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

    fn exchange(&self, state: &mut State, config: Config) -> Outcome {
        let assembled = match state.workshop.assemble(&config) {
            Ok(assembled) => assembled,
            Err(faults) => return Outcome::Refused(faults.iter().map(told).collect()),
        };
        let mut changes = assembled.changes.clone();
        let limits = config.gateway.limits.clone();
        if limits != state.config.gateway.limits {
            changes.push("limits changed".to_owned());
        }
        self.tokens.set_configured(assembled.tokens.clone());
        self.counted.replace(counted(&assembled.served));
        state.workshop.keep(&assembled);
        let clock = Arc::clone(&state.workshop.clock);
        let bridge = Bridge::new(assembled.served, Arc::clone(&self.tokens), clock);
        let bridge = bridge.recording(state.workshop.spans.clone());
        self.serving.replace(Serving { endpoint: Arc::new(bridge), limits });
        let restart = needs_restart(&state.config, &config);
        // What was not taken over stays as it was, so that the next reload tells it again.
        let (listen, store) = (state.config.listen.clone(), state.config.store.clone());
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

/// What both differ in, of that which is read once.
fn needs_restart(old: &Config, new: &Config) -> Vec<String> {
    let settings = [
        ("listen.scim", old.listen.scim != new.listen.scim),
        ("listen.admin", old.listen.admin != new.listen.admin),
        ("store.url", old.store != new.store),
        ("limits.threads", old.gateway.threads != new.gateway.threads),
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
    });
    counted.collect()
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
