//! Tokens while the bridge runs: issuing, rotating and revoking take effect within a second and
//! without a restart, last uses are kept, and expiring tokens are told of in the log.
//!
//! Twice a second one number is read, which changes with every change of a token whichever process
//! makes it; only then is the table read. No clock has part in it, so clocks may differ.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::auth::expiry::{self, Warning, WarningKind};
use crate::auth::port::TokenStore;
use crate::auth::shared::SharedTokens;
use crate::clock::Clock;
use crate::sidecar::port::StoreError;

/// How often the store is asked whether a token has changed.
const INTERVAL: Duration = Duration::from_millis(500);

/// How long the store may take to answer before it is asked again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Every so many intervals the table is read in any case, for databases that were changed by hand
/// or restored, last uses are written, and expiring tokens are looked for.
const ROUND: u64 = 120;

/// An expiring token is told of once in this time, and when it becomes more urgent.
const REMINDED: SignedDuration = SignedDuration::from_hours(24);

/// Reads the store's tokens into the table, and gives the version they have.
pub async fn refresh(store: &dyn TokenStore, shared: &SharedTokens) -> Result<i64, StoreError> {
    // In this order: what changes in between has another version and is read the next time.
    let version = store.version().await?;
    shared.set_issued(store.list(None).await?);
    Ok(version)
}

/// Keeps the tokens of a running bridge.
pub struct Keeper {
    store: Arc<dyn TokenStore>,
    shared: Arc<SharedTokens>,
    clock: Arc<dyn Clock>,
    /// What was read last.
    version: i64,
    reminders: Reminders,
    was_well: bool,
}

impl Keeper {
    /// Keeps what [`refresh`] has read in this version.
    pub fn new(
        store: Arc<dyn TokenStore>,
        shared: Arc<SharedTokens>,
        clock: Arc<dyn Clock>,
        version: i64,
    ) -> Self {
        let reminders = Reminders::default();
        Self { store, shared, clock, version, reminders, was_well: true }
    }

    /// Keeps them for ever. While the store is away the last table stays in use: nobody is locked
    /// out by a database that is being restored.
    #[expect(clippy::infinite_loop, reason = "the task is aborted when the bridge stops")]
    pub async fn run(mut self) {
        let mut ticks = tokio::time::interval(INTERVAL);
        // After a pause the next question is enough.
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut round = 0_u64;
        loop {
            ticks.tick().await;
            let is_due = round.is_multiple_of(ROUND);
            round = round.wrapping_add(1);
            let kept = tokio::time::timeout(PATIENCE, self.keep(is_due)).await;
            let late = |late| Err(StoreError::Unavailable(Box::new(late)));
            self.tell(&kept.unwrap_or_else(late));
        }
    }

    async fn keep(&mut self, is_due: bool) -> Result<(), StoreError> {
        if is_due || self.store.version().await? != self.version {
            self.version = refresh(&*self.store, &self.shared).await?;
        }
        if is_due {
            self.remind();
            self.write_uses().await?;
        }
        Ok(())
    }

    fn tell(&mut self, result: &Result<(), StoreError>) {
        match result {
            Err(error) if self.was_well => tracing::warn!(%error, "tokens cannot be refreshed"),
            Ok(()) if !self.was_well => tracing::info!("tokens are refreshed again"),
            Ok(()) | Err(_) => {}
        }
        self.was_well = result.is_ok();
    }

    fn remind(&mut self) {
        let now = self.clock.now();
        for warning in self.reminders.due(expiry::warnings(&self.shared.load(), now), now) {
            let (tenant, label) = (warning.tenant.as_str(), warning.label.as_str());
            let (days, what) = (warning.days, warning.text());
            tracing::warn!(tenant, label, days, "the token {what}");
        }
    }

    async fn write_uses(&self) -> Result<(), StoreError> {
        for token in self.shared.load().issued() {
            if let (Some(id), Some(at)) = (token.id(), token.used().due()) {
                self.store.note_use(id, at).await?;
                token.used().learn(Some(at));
            }
        }
        Ok(())
    }
}

/// What has been told of expiring tokens.
#[derive(Default)]
struct Reminders {
    told: BTreeMap<(String, String, WarningKind), (i64, Timestamp)>,
}

impl Reminders {
    /// Those that were not told within a day, or were less urgent then.
    fn due(&mut self, warnings: Vec<Warning>, now: Timestamp) -> Vec<Warning> {
        let key = |it: &Warning| (it.tenant.clone(), it.label.clone(), it.kind);
        let current: std::collections::BTreeSet<_> = warnings.iter().map(key).collect();
        self.told.retain(|key, _| current.contains(key));
        let mut due = Vec::new();
        for warning in warnings {
            let told = self.told.get(&key(&warning));
            let is_due = told.is_none_or(|(stage, at)| {
                warning.stage() < *stage || now.duration_since(*at) >= REMINDED
            });
            if is_due {
                self.told.insert(key(&warning), (warning.stage(), now));
                due.push(warning);
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::app::tokens::Reminders;
    use crate::auth::expiry::{Warning, WarningKind};

    #[test]
    fn a_reminder_comes_once_a_day_and_when_it_becomes_more_urgent() {
        let mut reminders = Reminders::default();
        let mut check = |hour: i64, days: i64, expected: bool| {
            let (tenant, label) = ("acme".to_owned(), "entra".to_owned());
            let warning = Warning { tenant, label, kind: WarningKind::Ends, days };
            let now = Timestamp::from_second(hour * 3600).unwrap();
            assert_eq!(reminders.due(vec![warning], now).len() == 1, expected, "hour {hour}");
        };
        check(0, 8, true);
        check(1, 8, false);
        check(2, 7, true);
        check(3, 7, false);
        check(25, 6, false);
        check(26, 6, true);
        check(27, 1, true);
    }

    #[test]
    fn a_token_that_was_renewed_and_ends_again_is_told_of_again() {
        let mut reminders = Reminders::default();
        let (tenant, label) = ("acme".to_owned(), "entra".to_owned());
        let warning = Warning { tenant, label, kind: WarningKind::Ends, days: 3 };
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(reminders.due(vec![warning.clone()], now).len(), 1);
        assert_eq!(reminders.due(Vec::new(), now).len(), 0);
        assert_eq!(reminders.due(vec![warning], now).len(), 1);
    }
}
