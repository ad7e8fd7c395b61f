//! Figures that the rooms below keep for themselves, in the form in which metrics show them.

use std::fmt;
use std::sync::Arc;

use crate::app::bridge::Bridge;
use crate::app::reload::Reload;
use crate::audit::journal::Journal;
use crate::auth::expiry;
use crate::auth::failures::Failures;
use crate::auth::shared::SharedTokens;
use crate::clock::Clock;
use crate::console::metrics::{Family, Figures, Line, Lines};
use crate::current::Current;
use crate::exchange::precautions::GuardCounters;
use crate::exchange::tenant::Tenant;
use crate::gateway::serving::Serving;
use crate::guard::rule::Kind;

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

/// Whom the doors have turned away.
#[derive(Debug)]
pub struct Refused(pub Arc<Failures>);

impl Figures for Refused {
    fn families(&self) -> Vec<Family> {
        let counts = self.0.counts().into_iter();
        vec![Family {
            name: "scimbridge_callers_refused",
            help: "Calls that did not get in, by reason; limited ones have another reason as well.",
            lines: Lines::Counters(
                counts
                    .map(|(reason, count)| (vec![("reason", reason.to_owned())], count))
                    .collect(),
            ),
        }]
    }
}

/// What came of the guards and of the indexes of the tenants that are served.
pub struct Tenants(pub Arc<Current<Serving<Bridge>>>);

impl Figures for Tenants {
    fn families(&self) -> Vec<Family> {
        let serving = self.0.load();
        let tenants: Vec<&Arc<Tenant>> = serving.endpoint.tenants().collect();
        let family = |name, help, lines: Vec<Vec<Line<u64>>>| Family {
            name,
            help,
            lines: Lines::Counters(lines.concat()),
        };
        let each = |lines: fn(&Tenant) -> Vec<Line<u64>>| {
            tenants.iter().map(|tenant| lines(tenant)).collect()
        };
        vec![
            family(
                "scimbridge_guard_trips",
                "How often a guard has tripped.",
                each(|tenant| guarded(tenant, |counters| counters.trips().collect())),
            ),
            family(
                "scimbridge_guard_refusals",
                "Requests that a guard has held back.",
                each(|tenant| guarded(tenant, |counters| counters.refusals().collect())),
            ),
            family(
                "scimbridge_index_lookups",
                "Questions to the index, by whether it had a link; stale links led nowhere.",
                each(indexed),
            ),
        ]
    }
}

impl fmt::Debug for Tenants {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tenants").finish_non_exhaustive()
    }
}

/// A count of something, by kind.
type Count = (Kind, u64);

fn guarded(tenant: &Tenant, counts: fn(&GuardCounters) -> Vec<Count>) -> Vec<Line<u64>> {
    let Some(guard) = &tenant.precautions.guard else { return Vec::new() };
    let limited = counts(&guard.counters).into_iter();
    let limited = limited.filter(|(kind, _)| guard.rule.limit(*kind).is_some());
    let line = |(kind, count): Count| {
        (vec![("tenant", tenant.name.clone()), ("kind", kind.keyword().to_owned())], count)
    };
    limited.map(line).collect()
}

fn indexed(tenant: &Tenant) -> Vec<Line<u64>> {
    let counters = &tenant.index.counters;
    let counts =
        [("hit", counters.hits()), ("miss", counters.misses()), ("stale", counters.stale())];
    let line = |(result, count): (&str, u64)| {
        (vec![("tenant", tenant.name.clone()), ("result", result.to_owned())], count)
    };
    counts.map(line).to_vec()
}
