//! What goes on between the bridge and each application, as metrics.

use std::fmt;

use crate::console::exposition::{Families, Labels};
use crate::exchange::traffic::{BreakerState, CallOutcome, Traffic};

/// Writes the figures of these tenants.
pub(crate) fn traffic(families: &mut Families<'_>, known: &[(&str, &Traffic)]) -> fmt::Result {
    let all =
        |name: &'static str, help: &str, families: &mut Families<'_>, read: fn(&Traffic) -> u64| {
            let lines = known.iter().map(|(tenant, traffic)| (of(tenant), read(traffic)));
            families.counters(name, help, lines)
        };
    all(
        "scimbridge_native_shared",
        "Reads answered by the call of another one.",
        families,
        Traffic::shared,
    )?;
    all("scimbridge_native_waits", "Calls that waited for their turn.", families, |it| {
        it.waits().0
    })?;
    families.counters(
        "scimbridge_native_wait_seconds",
        "How long calls waited for their turn, together.",
        known.iter().map(|(tenant, it)| (of(tenant), it.waits().1.as_secs_f64())),
    )?;
    families.counters(
        "scimbridge_native_not_sent",
        "Calls that were not sent: no turn in time, or the application is left alone.",
        known.iter().flat_map(|(tenant, it)| {
            [CallOutcome::TurnedAway, CallOutcome::LeftAlone].map(|outcome| {
                (vec![("tenant", *tenant), ("reason", outcome.keyword())], it.ended(outcome))
            })
        }),
    )?;
    breaker(families, known)?;
    let level = |value: usize| f64::from(u32::try_from(value).unwrap_or(u32::MAX));
    families.gauges(
        "scimbridge_native_in_flight",
        "Calls under way.",
        known.iter().map(|(tenant, it)| (of(tenant), level(it.in_flight()))),
    )?;
    families.gauges(
        "scimbridge_native_waiting",
        "Calls that wait for their turn.",
        known.iter().map(|(tenant, it)| (of(tenant), level(it.waiting()))),
    )?;
    families.gauges(
        "scimbridge_native_budget_left",
        "Calls that may begin at once, where something limits them.",
        known.iter().filter_map(|(tenant, it)| {
            let left = u32::try_from(it.budget_left()?).unwrap_or(u32::MAX);
            Some((of(tenant), f64::from(left)))
        }),
    )
}

fn breaker(families: &mut Families<'_>, known: &[(&str, &Traffic)]) -> fmt::Result {
    let states = |tenant, state: BreakerState| vec![("tenant", tenant), ("state", state.keyword())];
    families.gauges(
        "scimbridge_breaker_state",
        "1 for the state that the breaker before the application is in.",
        known.iter().flat_map(|(tenant, it)| {
            BreakerState::ALL
                .map(|state| (states(*tenant, state), f64::from(u8::from(it.breaker() == state))))
        }),
    )?;
    families.counters(
        "scimbridge_breaker_changes",
        "How often the breaker came into a state.",
        known.iter().flat_map(|(tenant, it)| {
            BreakerState::ALL.map(|state| (states(*tenant, state), it.became(state)))
        }),
    )
}

fn of(tenant: &str) -> Labels<'_> {
    vec![("tenant", tenant)]
}
