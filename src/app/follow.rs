//! What makes a serving bridge read its configuration again: SIGHUP, and changes of the files that
//! it is made of.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use crate::app::reload::{Outcome, Reload};
use crate::app::watch::Prints;
use crate::config::error::ConfigError;
use crate::config::load;

/// How often the files are looked at.
pub const INTERVAL: Duration = Duration::from_secs(2);

/// Follows the configuration at `path` (`None` as in [`load::load`]) for as long as the task
/// lives. Must be called on a runtime.
pub fn follow(reload: Arc<Reload>, path: Option<PathBuf>, every: Duration) -> JoinHandle<()> {
    // Before this returns, so that no signal finds the process without a handler.
    let asked = signal(SignalKind::hangup())
        .inspect_err(|error| tracing::warn!(%error, "SIGHUP cannot be heard"))
        .ok();
    tokio::spawn(watch(reload, path, every, asked))
}

async fn watch(
    reload: Arc<Reload>,
    path: Option<PathBuf>,
    every: Duration,
    mut asked: Option<Signal>,
) {
    let mut ticks = tokio::time::interval(every);
    let mut last: Option<Prints> = None;
    loop {
        tokio::select! {
            () = heard(&mut asked) => {
                last = None;
                again(&reload, path.as_deref()).await;
            }
            _ = ticks.tick() => {
                let Some(prints) = look(&reload).await else { continue };
                // Two looks that see the same: nobody is in the middle of writing.
                if prints != *reload.acted() && last.as_ref() == Some(&prints) {
                    last = None;
                    again(&reload, path.as_deref()).await;
                } else {
                    last = Some(prints);
                }
            }
        }
    }
}

async fn heard(asked: &mut Option<Signal>) {
    if let Some(signal) = asked
        && signal.recv().await.is_some()
    {
        return;
    }
    std::future::pending::<()>().await;
}

async fn look(reload: &Arc<Reload>) -> Option<Prints> {
    let reload = Arc::clone(reload);
    tokio::task::spawn_blocking(move || reload.look()).await.ok()
}

/// Reads the configuration again and serves it, unless something is wrong with it.
pub async fn again(reload: &Reload, path: Option<&Path>) -> Outcome {
    // What changes from here on is a change for the next look.
    let seen = reload.look();
    let outcome = match load::load(path) {
        Ok(config) => reload.apply(config).await,
        Err(ConfigError::Faulty(faults)) => {
            reload.refuse(faults.iter().map(ToString::to_string).collect()).await
        }
        Err(error @ ConfigError::Unreadable { .. }) => {
            reload.refuse(vec![crate::app::reload::told(&error)]).await
        }
    };
    reload.act_on(seen);
    outcome
}
