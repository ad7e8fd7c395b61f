//! `timestamp_flag`: a time that says since when, or nothing, as true or false.
//!
//! Which of the two an empty time means is the argument's `empty`. Null, an empty text and, for
//! epochs, zero are empty. Transforms know no clock, so when a time has to be written it is the
//! argument's `set`, and without it a time long ago: right for "deleted at", and for anything
//! else the mapping's own requests are the better way.

use jiff::Timestamp;
use serde_json::Value;

use crate::mapping::transform::instant::Format;
use crate::mapping::transform::kind::{Class, Transform, TransformError, TransformFault, keeps};

/// `timestamp_flag`.
#[derive(Debug)]
pub(crate) struct TimestampFlag {
    empty: bool,
    format: Format,
    set: Value,
}

impl TimestampFlag {
    /// With `{ empty, format, set }` as argument.
    pub(crate) fn build(argument: &Value) -> Result<Self, TransformFault> {
        let fault = |message| TransformFault::BadArgument { name: "timestamp_flag", message };
        let members = argument.as_object();
        let empty = members.and_then(|members| members.get("empty")).and_then(Value::as_bool);
        let (Some(members), Some(empty)) = (members, empty) else {
            return Err(fault("it takes { empty: true } or { empty: false }".to_owned()));
        };
        let known = ["empty", "format", "set"];
        if let Some(other) = members.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(fault(format!("there is no option {other:?}")));
        }
        let format = members.get("format").unwrap_or(&Value::Null);
        let format = Format::build(format, &Value::Null).map_err(fault)?;
        let set = match members.get("set") {
            Some(set) if format.read(set).is_some() && !is_empty(&format, set) => set.clone(),
            Some(_) => return Err(fault("set is not a time in this format".to_owned())),
            None => format.write(Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(24)),
        };
        Ok(Self { empty, format, set })
    }
}

impl Transform for TimestampFlag {
    fn name(&self) -> &'static str {
        "timestamp_flag"
    }

    fn to_scim(&self, native: &Value) -> Result<Value, TransformError> {
        if is_empty(&self.format, native) {
            return Ok(Value::Bool(self.empty));
        }
        let error =
            TransformError::NotOfType { transform: "timestamp_flag", expected: "a date and time" };
        self.format.read(native).map(|_| Value::Bool(!self.empty)).ok_or(error)
    }

    fn to_native(&self, scim: &Value, current: Option<&Value>) -> Result<Value, TransformError> {
        if let Some(current) = keeps(self, scim, current) {
            return Ok(current.clone());
        }
        let error =
            TransformError::NotOfType { transform: "timestamp_flag", expected: "true or false" };
        let flag = scim.as_bool().ok_or(error)?;
        if flag != self.empty {
            return Ok(self.set.clone());
        }
        Ok(if self.format.is_epoch() { Value::from(0) } else { Value::Null })
    }

    fn class(&self) -> Class {
        Class::Lossy
    }

    fn remark(&self) -> Option<&'static str> {
        Some("nothing but the boolean")
    }

    fn samples(&self) -> Vec<Value> {
        vec![Value::Bool(true), Value::Bool(false)]
    }

    fn native_samples(&self) -> Vec<Value> {
        let nothing = if self.format.is_epoch() { Value::from(0) } else { Value::Null };
        let leap_day = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(24 * 19_782);
        vec![nothing, self.set.clone(), self.format.write(leap_day), Value::Null]
    }
}

fn is_empty(format: &Format, native: &Value) -> bool {
    match native {
        Value::Null => true,
        Value::String(text) => text.is_empty() || (format.is_epoch() && text == "0"),
        Value::Number(number) => format.is_epoch() && number.as_f64() == Some(0.0),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use crate::mapping::transform::kind::{Transform, laws};
    use crate::mapping::transform::timestamp_flag::TimestampFlag;

    #[test]
    fn a_time_is_a_flag() {
        let flag = TimestampFlag::build(&json!({ "empty": true })).unwrap();
        assert_eq!(flag.to_scim(&json!(null)), Ok(json!(true)));
        assert_eq!(flag.to_scim(&json!("")), Ok(json!(true)));
        let until = json!("3017-01-01T00:00:00Z");
        assert_eq!(flag.to_scim(&until), Ok(json!(false)));
        assert_eq!(flag.to_native(&json!(true), Some(&until)), Ok(json!(null)));
        assert_eq!(flag.to_native(&json!(false), Some(&until)), Ok(until.clone()));
        assert_eq!(flag.to_native(&json!(false), None), Ok(json!("1970-01-02T00:00:00Z")));
        assert!(flag.to_scim(&json!("soon")).is_err());
        assert!(flag.to_native(&json!("true"), None).is_err());
        for native in [json!(null), json!(""), until] {
            laws::hold_for_native(&flag, &native);
        }
        laws::hold_for_scim(&flag, &json!(true));
        laws::hold_for_scim(&flag, &json!(false));
    }

    #[test]
    fn zero_is_no_time() {
        let argument = json!({ "empty": true, "format": "epoch_ms", "set": 1_700_000_000_000_i64 });
        let flag = TimestampFlag::build(&argument).unwrap();
        assert_eq!(flag.to_scim(&json!(0)), Ok(json!(true)));
        assert_eq!(flag.to_scim(&json!(1_714_550_400_000_i64)), Ok(json!(false)));
        assert_eq!(flag.to_native(&json!(true), None), Ok(json!(0)));
        assert_eq!(flag.to_native(&json!(false), None), Ok(json!(1_700_000_000_000_i64)));
        assert!(TimestampFlag::build(&json!({ "empty": true, "set": "soon" })).is_err());
    }

    proptest! {
        #[test]
        fn laws_hold(
            seconds in -60_000_000_000_i64..250_000_000_000,
            empty in any::<bool>(),
            text in any::<String>(),
        ) {
            for format in [json!(null), json!("epoch_s"), json!("epoch_ms"), json!("%Y-%m-%d")] {
                let argument = json!({ "empty": empty, "format": format });
                let flag = TimestampFlag::build(&argument).unwrap();
                let instant = jiff::Timestamp::from_second(seconds).unwrap();
                let day = instant.strftime("%Y-%m-%d").to_string();
                for native in
                    [json!(seconds), json!(instant.to_string()), json!(day), json!(text), json!(0)]
                {
                    laws::hold_for_native(&flag, &native);
                }
                laws::hold_for_scim(&flag, &json!(true));
                laws::hold_for_scim(&flag, &json!(false));
            }
        }
    }
}
