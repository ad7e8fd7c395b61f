//! Figures that the rooms below keep for themselves, in the form in which metrics show them.

use std::fmt;
use std::sync::Arc;

use crate::app::reload::Reload;
use crate::audit::journal::Journal;
use crate::auth::expiry;
use crate::auth::shared::SharedTokens;
use crate::clock::Clock;
use crate::console::metrics::{Family, Figures, Lines};

/// How reloads went.
pub struct Reloads(pub Arc<Reload>);

impl Figures for Reloads {
    fn families(&self) -> Vec<Family> {
        let history = self.0.history();
        let outcomes = [("applied", history.applied), ("refused", history.refused)];
        let line = |(outcome, count): (&str, u64)| (vec![("outcome", outcome.to_owned())], count);
        vec![Family {
            name: "scimbridge_reloads",
            help: "New configurations, by what became of them.",
            lines: Lines::Counters(outcomes.map(line).to_vec()),
        }]
    }
}

impl fmt::Debug for Reloads {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Reloads").finish_non_exhaustive()
    }
}

/// How long tokens last.
pub struct Tokens {
    /// The tokens in use.
    pub tokens: Arc<SharedTokens>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Figures for Tokens {
    fn families(&self) -> Vec<Family> {
        let now = self.clock.now();
        let lines = expiry::lifetimes(&self.tokens.load(), now).into_iter().map(|lifetime| {
            let left = seconds(lifetime.seconds_left(now));
            (vec![("tenant", lifetime.tenant), ("label", lifetime.label)], left)
        });
        vec![Family {
            name: "scimbridge_token_expiry_seconds",
            help: "Time until the last token of a label expires; below 0 when it has.",
            lines: Lines::Gauges(lines.collect()),
        }]
    }
}

#[expect(clippy::cast_precision_loss, reason = "2^53 seconds are longer than any token lasts")]
fn seconds(seconds: i64) -> f64 {
    seconds as f64
}

impl fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tokens").finish_non_exhaustive()
    }
}

/// How the audit trail keeps up.
#[derive(Debug)]
pub struct Trail(pub Journal);

impl Figures for Trail {
    fn families(&self) -> Vec<Family> {
        let figures = self.0.figures();
        let counters = [
            ("scimbridge_audit_events", "Events written into the audit trail.", figures.written),
            (
                "scimbridge_audit_dropped",
                "Events without native writes that were dropped.",
                figures.dropped,
            ),
            (
                "scimbridge_audit_failures",
                "Attempts to write events that failed.",
                figures.failures,
            ),
            (
                "scimbridge_audit_interrupted",
                "Writes of bridges that ended in their middle, completed as interrupted.",
                figures.interrupted,
            ),
        ];
        let counter = |(name, help, count)| {
            let lines = Lines::Counters(vec![(Vec::new(), count)]);
            Family { name, help, lines }
        };
        let mut families: Vec<Family> = counters.into_iter().map(counter).collect();
        let waiting = f64::from(u32::try_from(figures.waiting).unwrap_or(u32::MAX));
        families.push(Family {
            name: "scimbridge_audit_waiting",
            help: "Events that wait to be written.",
            lines: Lines::Gauges(vec![(Vec::new(), waiting)]),
        });
        families
    }
}
