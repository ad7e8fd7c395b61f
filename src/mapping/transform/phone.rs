//! `phone`: telephone numbers as URIs of RFC 3966 for SCIM, as RFC 7643 section 4.1.2 asks, and the
//! application's notation.
//!
//! From SCIM a number without `tel:` is read as well, because most identity providers send none.
//! A number with an extension or other parameters has no counterpart: what they say would be lost.

use serde_json::{Map, Value};

use crate::mapping::transform::calling::{International, Plan};
use crate::mapping::transform::kind::{Class, Transform, TransformError, TransformFault, keeps};

/// `phone`.
#[derive(Debug)]
pub(crate) struct Phone {
    notation: Notation,
    /// How numbers without calling code are read.
    plan: Option<Plan>,
}

/// What the application writes.
#[derive(Debug, Clone, Copy)]
enum Notation {
    /// `+31201234567`
    E164,
    /// `0201234567`
    National,
}

const NOT_A_NUMBER: TransformError =
    TransformError::NotOfType { transform: "phone", expected: "a telephone number" };

impl Phone {
    /// With the application's notation as argument; `country` as option.
    pub(crate) fn build(
        argument: &Value,
        options: &Map<String, Value>,
    ) -> Result<Self, TransformFault> {
        let fault = |message| TransformFault::BadArgument { name: "phone", message };
        let plan = match options.get("country") {
            None => None,
            Some(country) => {
                let plan = country.as_str().and_then(Plan::of);
                let message =
                    || format!("how numbers are written in the country {country} is not known");
                Some(plan.ok_or_else(|| fault(message()))?)
            }
        };
        let notation = match argument.as_str() {
            Some("e164") => Notation::E164,
            Some("national") if plan.is_some() => Notation::National,
            Some("national") => {
                return Err(fault("national needs a country, as in country: NL".to_owned()));
            }
            Some(_) | None => return Err(fault("it takes e164 or national".to_owned())),
        };
        Ok(Self { notation, plan })
    }

    /// The number of a SCIM value.
    fn wanted(&self, scim: &Value) -> Result<International, TransformError> {
        let text = scim.as_str().ok_or(NOT_A_NUMBER)?;
        let number = match scheme(text) {
            Some(number) if number.contains(';') => {
                return Err(TransformError::NoCounterpart { transform: "phone" });
            }
            // Without a calling code the URI would have to say where it is to be dialled.
            Some(number) => International::parse(number),
            None => self.read(text),
        };
        number.ok_or(NOT_A_NUMBER)
    }

    fn read(&self, text: &str) -> Option<International> {
        match &self.plan {
            Some(plan) => plan.read(text),
            None => International::parse(text),
        }
    }
}

impl Transform for Phone {
    fn name(&self) -> &'static str {
        "phone"
    }

    fn to_scim(&self, native: &Value) -> Result<Value, TransformError> {
        let number = native.as_str().and_then(|text| self.read(text)).ok_or(NOT_A_NUMBER)?;
        Ok(uri(&number))
    }

    fn to_native(&self, scim: &Value, current: Option<&Value>) -> Result<Value, TransformError> {
        let number = self.wanted(scim)?;
        if let Some(current) = keeps(self, &uri(&number), current) {
            return Ok(current.clone());
        }
        Ok(Value::from(match (self.notation, &self.plan) {
            (Notation::National, Some(plan)) => plan.write(&number),
            (Notation::E164 | Notation::National, _) => number.e164(),
        }))
    }

    fn class(&self) -> Class {
        Class::Quotient
    }

    fn remark(&self) -> Option<&'static str> {
        Some("same number")
    }

    fn is_same(&self, left: &Value, right: &Value) -> bool {
        self.wanted(left).is_ok_and(|left| Ok(left) == self.wanted(right))
    }

    fn samples(&self) -> Vec<Value> {
        let mut numbers = vec![
            "tel:+31201234567",
            "tel:+1-201-555-0123",
            "tel:+390669812345",
            "+44 20 7183 8750",
            "tel:+31201234567;ext=12",
        ];
        if self.plan.is_some() {
            numbers.push("0201234567");
        }
        numbers.into_iter().map(Value::from).collect()
    }

    fn native_samples(&self) -> Vec<Value> {
        let mut numbers = vec!["+31201234567", "+1 201-555-0123", "+44 (0)20 7183 8750"];
        if self.plan.is_some() {
            numbers.extend(["020 123 4567", "(020) 1234567"]);
        }
        numbers.into_iter().map(Value::from).collect()
    }
}

fn uri(number: &International) -> Value {
    Value::from(format!("tel:{}", number.e164()))
}

/// What stands behind `tel:`.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, number) = text.split_once(':')?;
    scheme.eq_ignore_ascii_case("tel").then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use crate::mapping::transform::kind::{Transform, laws};
    use crate::mapping::transform::phone::Phone;

    fn phone(step: &Value) -> Result<Phone, String> {
        let mut options = step.as_object().unwrap().clone();
        let argument = options.shift_remove("phone").unwrap();
        Phone::build(&argument, &options).map_err(|fault| fault.to_string())
    }

    fn e164() -> Phone {
        phone(&json!({ "phone": "e164" })).unwrap()
    }

    fn national(country: &str) -> Phone {
        phone(&json!({ "phone": "national", "country": country })).unwrap()
    }

    #[test]
    fn scim_sees_uris() {
        let uri = json!("tel:+31201234567");
        for native in ["+31201234567", "+31 20 123 4567", "+31 (0)20-1234567"] {
            assert_eq!(e164().to_scim(&json!(native)), Ok(uri.clone()));
            assert_eq!(national("NL").to_scim(&json!(native)), Ok(uri.clone()));
        }
        for native in ["020 123 4567", "0031 20 1234567"] {
            assert!(e164().to_scim(&json!(native)).is_err());
            assert_eq!(national("NL").to_scim(&json!(native)), Ok(uri.clone()));
        }
        let reads = phone(&json!({ "phone": "e164", "country": "NL" })).unwrap();
        assert_eq!(reads.to_scim(&json!("020 123 4567")), Ok(uri));
    }

    #[test]
    fn uris_and_plain_numbers_are_written() {
        for scim in ["tel:+31-20-123-4567", "TEL:+31201234567", "+31 20 123 4567"] {
            assert_eq!(e164().to_native(&json!(scim), None), Ok(json!("+31201234567")), "{scim}");
            let written = national("NL").to_native(&json!(scim), None);
            assert_eq!(written, Ok(json!("0201234567")), "{scim}");
            let written = national("BE").to_native(&json!(scim), None);
            assert_eq!(written, Ok(json!("+31201234567")), "{scim}");
        }
        let own = national("NL").to_native(&json!("020 123 4567"), None);
        assert_eq!(own, Ok(json!("0201234567")));
    }

    #[test]
    fn the_notation_that_is_there_stays() {
        let there = json!("020 - 123 45 67");
        let uri = json!("tel:+31201234567");
        assert_eq!(national("NL").to_native(&uri, Some(&there)), Ok(there.clone()));
        assert_eq!(national("NL").to_native(&json!("+31 201234567"), Some(&there)), Ok(there));
    }

    #[test]
    fn other_values_are_refused() {
        for refused in [
            json!(null),
            json!(31_201_234_567_i64),
            json!(""),
            json!("tel:"),
            json!("tel:0201234567"),
            json!("tel:1234;phone-context=+31"),
            json!("tel:+31201234567;ext=12"),
            json!("sip:+31201234567@example.org"),
            json!("+31201234567 x12"),
        ] {
            assert!(e164().to_native(&refused, None).is_err(), "{refused}");
            assert!(national("NL").to_native(&refused, None).is_err(), "{refused}");
            assert!(national("NL").to_scim(&refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn arguments_are_checked() {
        for (step, expected) in [
            (json!({ "phone": null }), "it takes e164 or national"),
            (json!({ "phone": "rfc3966" }), "it takes e164 or national"),
            (json!({ "phone": "national" }), "needs a country"),
            (json!({ "phone": "national", "country": "AR" }), "is not known"),
            (json!({ "phone": "e164", "country": 31 }), "is not known"),
        ] {
            let fault = phone(&step).unwrap_err();
            assert!(fault.contains(expected), "{fault}");
        }
    }

    #[test]
    fn samples_are_of_the_domain() {
        for phone in [e164(), national("NL")] {
            let readable = |native: &Value| phone.to_scim(native).is_ok();
            assert!(phone.native_samples().iter().all(readable));
            let written =
                phone.samples().iter().filter(|scim| phone.to_native(scim, None).is_ok()).count();
            assert_eq!(written + 1, phone.samples().len(), "all but the one with an extension");
        }
    }

    proptest! {
        #[test]
        fn laws_hold(digits in "[0-9]{4,14}", plus in any::<bool>(), text in any::<String>()) {
            let mut phones = vec![e164()];
            let countries =
                ["NL", "DE", "GB", "IT", "US", "RU", "AU", "BR", "CN", "HU", "JP", "CV", "KR"];
            phones.extend(countries.map(national));
            let number = if plus { format!("+{digits}") } else { digits };
            for phone in phones {
                for text in [&number, &text] {
                    laws::hold_for_native(&phone, &json!(text));
                    laws::hold_for_scim(&phone, &json!(text));
                    laws::hold_for_scim(&phone, &json!(format!("tel:{text}")));
                }
            }
        }
    }
}
