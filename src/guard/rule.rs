//! What a tenant allows.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Somebody who was active is active no longer.
    Deactivation,
    /// A resource is deleted, whatever the mapping makes of it.
    Deletion,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Deactivation, Self::Deletion];

    /// Its name in the configuration, in stores and in output.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Deactivation => "deactivations",
            Self::Deletion => "deletions",
        }
    }

    /// The kind of this name.
    pub fn named(keyword: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.keyword() == keyword)
    }
}

/// At most so many different resources in a while: `50/1h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// How many.
    pub most: u32,
    /// In how long.
    pub window: Duration,
}

/// The limits of a tenant; what has none is not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rule {
    /// Of deactivations.
    pub deactivations: Option<Limit>,
    /// Of deletions.
    pub deletions: Option<Limit>,
}

impl Rule {
    /// The limit of a kind.
    pub fn limit(&self, kind: Kind) -> Option<Limit> {
        match kind {
            Kind::Deactivation => self.deactivations,
            Kind::Deletion => self.deletions,
        }
    }
}

/// The text is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be like `50/1h`: a number from 1, then how long, in s, m, h or d, up to 31d")]
pub struct NotALimit;

/// Seconds of the units, the longest first.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];

const LONGEST: Duration = Duration::from_hours(31 * 24);

impl FromStr for Limit {
    type Err = NotALimit;

    fn from_str(text: &str) -> Result<Self, NotALimit> {
        let (most, window) = text.split_once('/').ok_or(NotALimit)?;
        let most: u32 = most.trim().parse().map_err(|_| NotALimit)?;
        let window = window.trim();
        let unit = UNITS.iter().find(|(unit, _)| window.ends_with(*unit)).ok_or(NotALimit)?;
        let number = window.trim_end_matches(unit.0).trim();
        let number: u64 =
            if number.is_empty() { 1 } else { number.parse().map_err(|_| NotALimit)? };
        let window = Duration::from_secs(number.checked_mul(unit.1).ok_or(NotALimit)?);
        let fits = most > 0 && !window.is_zero() && window <= LONGEST;
        if fits { Ok(Self { most, window }) } else { Err(NotALimit) }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.window.as_secs();
        let unit = UNITS.iter().find(|(_, unit)| seconds.is_multiple_of(*unit));
        let (unit, length) = unit.copied().unwrap_or(('s', 1));
        write!(formatter, "{}/{}{unit}", self.most, seconds / length)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::guard::rule::Limit;

    #[test]
    fn limits() {
        let check = |text: &str, most: u32, seconds: u64, shown: &str| {
            let limit: Limit = text.parse().unwrap();
            assert_eq!(limit, Limit { most, window: Duration::from_secs(seconds) });
            assert_eq!(limit.to_string(), shown);
        };
        check("50/1h", 50, 3600, "50/1h");
        check("20/h", 20, 3600, "20/1h");
        check(" 5 / 90m ", 5, 5400, "5/90m");
        check("1/24h", 1, 86_400, "1/1d");
        for wrong in ["", "50", "50/", "50/x", "0/1h", "-1/h", "5/0h", "5/32d", "5/1w", "5/1.5h"] {
            assert!(wrong.parse::<Limit>().is_err(), "{wrong}");
        }
    }
}
