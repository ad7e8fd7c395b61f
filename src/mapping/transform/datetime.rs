//! `datetime`: instants as the application writes them, and RFC 3339 in UTC for SCIM.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::mapping::transform::instant::Format;
use crate::mapping::transform::kind::{Class, Transform, TransformError, TransformFault};

/// `datetime`.
#[derive(Debug)]
pub(crate) struct Datetime {
    format: Format,
}

const NOT_AN_INSTANT: TransformError =
    TransformError::NotOfType { transform: "datetime", expected: "a date and time" };

/// A leap day, offsets, fractions, times before the epoch and around a change of clocks.
const SAMPLES: [&str; 9] = [
    "2024-05-01T08:00:00Z",
    "2024-02-29T23:59:59Z",
    "2024-05-01T10:00:00+02:00",
    "2023-12-31T23:30:00-01:00",
    "2024-05-01T08:00:00.123456Z",
    "1969-12-31T23:59:59.5Z",
    "2024-03-31T01:30:00Z",
    "2024-10-27T00:30:00Z",
    "9999-12-30T12:00:00Z",
];

impl Datetime {
    /// With the format as argument; `zone` as option.
    pub(crate) fn build(
        argument: &Value,
        options: &Map<String, Value>,
    ) -> Result<Self, TransformFault> {
        let zone = options.get("zone").unwrap_or(&Value::Null);
        let format = Format::build(argument, zone)
            .map_err(|message| TransformFault::BadArgument { name: "datetime", message })?;
        Ok(Self { format })
    }
}

impl Transform for Datetime {
    fn name(&self) -> &'static str {
        "datetime"
    }

    fn to_scim(&self, native: &Value) -> Result<Value, TransformError> {
        let instant = self.format.read(native).ok_or(NOT_AN_INSTANT)?;
        Ok(Value::from(instant.to_string()))
    }

    fn to_native(&self, scim: &Value, current: Option<&Value>) -> Result<Value, TransformError> {
        let wanted: Timestamp =
            scim.as_str().and_then(|text| text.parse().ok()).ok_or(NOT_AN_INSTANT)?;
        let kept = current.filter(|current| self.format.read(current) == Some(wanted));
        Ok(kept.cloned().unwrap_or_else(|| self.format.write(wanted)))
    }

    fn class(&self) -> Class {
        Class::Quotient
    }

    fn remark(&self) -> Option<&'static str> {
        Some("same instant")
    }

    fn is_same(&self, left: &Value, right: &Value) -> bool {
        let instant = |value: &Value| value.as_str()?.parse::<Timestamp>().ok();
        instant(left).is_some_and(|left| Some(left) == instant(right))
    }

    fn samples(&self) -> Vec<Value> {
        SAMPLES.map(Value::from).to_vec()
    }

    fn native_samples(&self) -> Vec<Value> {
        let instants = SAMPLES.iter().filter_map(|text| text.parse().ok());
        instants.map(|instant| self.format.write(instant)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use crate::mapping::transform::build_step;
    use crate::mapping::transform::kind::{Transform, laws};

    fn datetime(step: &Value) -> Arc<dyn Transform> {
        build_step(step).unwrap()
    }

    #[expect(clippy::needless_pass_by_value, reason = "keeps the cases short")]
    fn check(step: Value, native: Value, scim: &str, written: Value) {
        let datetime = datetime(&step);
        assert_eq!(datetime.to_scim(&native), Ok(json!(scim)), "{step} {native}");
        assert_eq!(datetime.to_native(&json!(scim), None), Ok(written), "{step} {native}");
        assert_eq!(datetime.to_native(&json!(scim), Some(&native)), Ok(native), "{step}");
    }

    #[test]
    fn reads_every_form_as_utc() {
        let plain = || json!("datetime");
        let eight = "2024-05-01T08:00:00Z";
        for native in [
            eight,
            "2024-05-01T08:00:00.000000Z",
            "2024-05-01 08:00:00Z",
            "2024-05-01T10:00:00+02:00",
            "2024-05-01t02:00:00-06:00",
            "2024-05-01 08:00:00.000Z",
            "2024-05-01 08:00:00",
        ] {
            check(plain(), json!(native), eight, json!(eight));
        }
        let fraction = "2024-05-01T08:00:00.12Z";
        check(plain(), json!("2024-05-01 08:00:00.120Z"), fraction, json!(fraction));
        check(json!({ "datetime": "epoch_s" }), json!(1_714_550_400), eight, json!(1_714_550_400));
        check(json!({ "datetime": "epoch_s" }), json!("1714550400"), eight, json!(1_714_550_400));
        let thousands = json!(1_714_550_400_000_i64);
        check(json!({ "datetime": "epoch_ms" }), thousands.clone(), eight, thousands);
        let pattern = "%d.%m.%Y %H:%M:%S";
        let native = json!("01.05.2024 10:00:00");
        for zone in ["+02:00", "Europe/Berlin"] {
            let step = json!({ "datetime": pattern, "zone": zone });
            check(step, native.clone(), eight, native.clone());
        }
        let day = json!("2024-05-01");
        check(json!({ "datetime": "%Y-%m-%d" }), day.clone(), "2024-05-01T00:00:00Z", day);
    }

    #[test]
    fn anything_else_is_refused() {
        let plain = datetime(&json!("datetime"));
        for refused in [json!(null), json!(""), json!("yesterday"), json!(5), json!("2024-13-01")] {
            assert!(plain.to_scim(&refused).is_err(), "{refused}");
            assert!(plain.to_native(&refused, None).is_err(), "{refused}");
        }
        let epoch = datetime(&json!({ "datetime": "epoch_ms" }));
        for refused in [json!(null), json!(""), json!("x"), json!(i64::MAX), json!(1e300)] {
            assert!(epoch.to_scim(&refused).is_err(), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn laws_hold(seconds in -62_000_000_000_i64..253_000_000_000, nanoseconds in 0..1_000_000_000) {
            let instant = jiff::Timestamp::new(seconds, 0).unwrap();
            let exact = instant + jiff::SignedDuration::from_nanos(i64::from(nanoseconds));
            for step in [
                json!("datetime"),
                json!({ "datetime": "epoch_s" }),
                json!({ "datetime": "epoch_ms" }),
                json!({ "datetime": "%Y-%m-%dT%H:%M:%S%z" }),
                json!({ "datetime": "%Y/%m/%d %H:%M", "zone": "-03:30" }),
                json!({ "datetime": "%d.%m.%Y %H:%M:%S", "zone": "Europe/Paris" }),
            ] {
                let datetime = datetime(&step);
                laws::hold_for_scim(&*datetime, &json!(exact.to_string()));
                laws::hold_for_native(&*datetime, &json!(instant.to_string()));
                laws::hold_for_native(&*datetime, &json!(seconds));
            }
        }
    }
}
