//! The sections about precautions, as written: `[audit]` and `[tenants.guard]`.

use std::time::Duration;

use serde::Deserialize;

use crate::config::error::Fault;
use crate::config::settings::Audit;
use crate::guard::rule::{Limit, Rule};

/// Shortest and longest life of an event, in days.
const DAYS: std::ops::RangeInclusive<u64> = 1..=36_500;

/// `[audit]` as written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct AuditFile {
    reads: Option<bool>,
    values: Option<bool>,
    keep: Option<String>,
}

impl AuditFile {
    pub(in crate::config) fn read(&self, faults: &mut Vec<Fault>) -> Audit {
        let usual = Audit::default();
        let keep = self.keep.as_deref().map(|text| days(text).ok_or(text));
        let keep = match keep {
            Some(Ok(days)) => Duration::from_hours(days * 24),
            Some(Err(_)) => {
                faults.push(Fault::new("audit.keep", "must be like `400 days`"));
                usual.keep
            }
            None => usual.keep,
        };
        Audit {
            reads: self.reads.unwrap_or(usual.reads),
            values: self.values.unwrap_or(usual.values),
            keep,
        }
    }
}

fn days(text: &str) -> Option<u64> {
    let digits = text.trim().trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = text.trim().strip_prefix(digits)?.trim();
    let number: u64 = digits.parse().ok()?;
    (matches!(unit, "d" | "day" | "days") && DAYS.contains(&number)).then_some(number)
}

/// `[tenants.guard]` as written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct GuardFile {
    deactivations: Option<String>,
    deletions: Option<String>,
}

impl GuardFile {
    /// The limits; `fault` takes a key below the tenant's and what is wrong there.
    pub(in crate::config) fn read(&self, mut fault: impl FnMut(&str, &str)) -> Rule {
        let mut limit = |name: &str, written: Option<&String>| -> Option<Limit> {
            let text = written?;
            text.parse().map_err(|error| fault(name, &format!("{error}"))).ok()
        };
        let deactivations = limit("guard.deactivations", self.deactivations.as_ref());
        let deletions = limit("guard.deletions", self.deletions.as_ref());
        Rule { deactivations, deletions }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::precautions::days;

    #[test]
    fn lives_of_events() {
        assert_eq!(days("400 days"), Some(400));
        assert_eq!(days(" 1 day"), Some(1));
        assert_eq!(days("90d"), Some(90));
        for wrong in ["", "400", "0 days", "36501 days", "-1 days", "1 week", "days"] {
            assert_eq!(days(wrong), None, "{wrong}");
        }
    }
}
