//! When two values of an attribute are the same to SCIM.

use serde_json::Value;

use crate::scim::resource::is_unassigned;
use crate::scim::schema::{Attribute, AttributeType};
use crate::scim::simple::parse_instant;
use crate::scim::value::is_same;

/// Nearer than this, instants are the same.
const A_SECOND: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);

/// Texts are compared without letter case unless the attribute has one, instants whatever their
/// offset, numbers whatever their form; what is unassigned is the same however it is written.
/// Fractions of a second are not compared: many applications keep none, and no identity provider
/// has been seen to send any.
pub(crate) fn equal(attribute: &Attribute, left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|(left, right)| equal(attribute, left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.keys().chain(right.keys()).all(|name| {
                let null = Value::Null;
                let (left, right) = (left.get(name), right.get(name));
                let (left, right) = (left.unwrap_or(&null), right.unwrap_or(&null));
                match attribute.sub_attribute(name) {
                    Some(sub) => equal(sub, left, right),
                    None => left == right,
                }
            })
        }
        (Value::String(left), Value::String(right))
            if attribute.kind == AttributeType::DateTime =>
        {
            left == right
                || parse_instant(left)
                    .zip(parse_instant(right))
                    .is_some_and(|(left, right)| left.duration_since(right).abs() < A_SECOND)
        }
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (left, right) => {
            is_same(attribute, left, right) || is_unassigned(left) && is_unassigned(right)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::dialogue::equality::equal;
    use crate::scim::schema::{Attribute, AttributeType};

    #[expect(clippy::needless_pass_by_value, reason = "keeps the cases short")]
    fn check(kind: AttributeType, left: Value, right: Value, expected: bool) {
        let attribute = Attribute::new("x", kind);
        assert_eq!(equal(&attribute, &left, &right), expected, "{left} {right}");
        assert_eq!(equal(&attribute, &right, &left), expected, "{right} {left}");
    }

    #[test]
    fn equality_is_that_of_the_attribute() {
        check(AttributeType::String, json!("Ada"), json!("ADA"), true);
        check(AttributeType::String, json!("Ada"), json!("Ida"), false);
        let exact = Attribute { case_exact: true, ..Attribute::new("x", AttributeType::String) };
        assert!(!equal(&exact, &json!("Ada"), &json!("ADA")));
        let instant = |text| json!(text);
        let utc = instant("2024-05-01T04:30:00Z");
        check(AttributeType::DateTime, utc.clone(), instant("2024-05-01T10:00:00+05:30"), true);
        check(AttributeType::DateTime, utc.clone(), instant("2024-05-01T04:30:00.25Z"), true);
        check(AttributeType::DateTime, utc, instant("2024-05-01T04:30:01Z"), false);
        check(AttributeType::Decimal, json!(7), json!(7.0), true);
        check(AttributeType::Integer, json!(7), json!("7"), false);
        check(AttributeType::String, json!(null), json!([]), true);
        check(AttributeType::String, json!(["A", null]), json!(["a", null]), true);
        check(AttributeType::String, json!(["a"]), json!(["a", "b"]), false);
        check(AttributeType::Complex, json!({ "a": 1 }), json!({ "a": 1, "b": null }), true);
    }
}
