//! The audit trail of a running bridge: what it is kept in, and who its runs are.

use std::sync::Arc;

use jiff::SignedDuration;

use crate::audit::changes::Keep;
use crate::audit::desk::{HasEnded, Options};
use crate::audit::journal::Journal;
use crate::audit::port::Instance;
use crate::clock::Clock;
use crate::config::settings::Config;
use crate::id::IdSource;
use crate::store::open::Store;

/// The journal of this run. Nothing is written before it is kept.
pub fn journal(
    config: &Config,
    store: &Store,
    clock: &Arc<dyn Clock>,
    ids: &dyn IdSource,
) -> Journal {
    let options = Options {
        reads: config.audit.reads,
        keep: if config.audit.values { Keep::Values } else { Keep::Paths },
        life: SignedDuration::try_from(config.audit.keep).unwrap_or(SignedDuration::MAX),
    };
    let process = identity(std::process::id()).unwrap_or_default();
    let instance = Instance { id: ids.uuid(), beats: 0, process };
    // All who share a file run on one machine. Who shares a server may be anywhere: of those only
    // their silence is known.
    let has_ended: HasEnded =
        if config.store.url.starts_with("sqlite:") { has_ended } else { |_| None };
    Journal::new(Arc::new(store.clone()), Arc::clone(clock), options, instance, has_ended)
}

/// What a process cannot have in common with one before or after it: its number, and when it was
/// started. `None` where `/proc` does not tell.
fn identity(process: u32) -> Option<String> {
    let told = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is a name in parentheses with anything in it; the 22nd is the start.
    let (_, rest) = told.rsplit_once(')')?;
    let start = rest.split_ascii_whitespace().nth(19)?;
    Some(format!("{process}:{start}"))
}

fn has_ended(told: &str) -> Option<bool> {
    let (process, _) = told.split_once(':')?;
    let process: u32 = process.parse().ok()?;
    // Where there is no `/proc`, nothing is known of anybody.
    identity(std::process::id())?;
    Some(identity(process).as_deref() != Some(told))
}

#[cfg(test)]
mod tests {
    use crate::app::audit::{has_ended, identity};

    #[test]
    fn processes_are_told_apart() {
        let Some(own) = identity(std::process::id()) else { return };
        assert_eq!(has_ended(&own), Some(false));
        assert_eq!(has_ended(&format!("{own}1")), Some(true));
        assert_eq!(has_ended(""), None);
    }
}
