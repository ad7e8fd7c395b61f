//! `lower`: text in lower case, for applications that keep case where SCIM ignores it.

use serde_json::Value;

use crate::mapping::transform::kind::{Class, Transform, TransformError, keeps};

/// `lower`.
#[derive(Debug)]
pub(crate) struct Lower;

impl Transform for Lower {
    fn name(&self) -> &'static str {
        "lower"
    }

    fn to_scim(&self, native: &Value) -> Result<Value, TransformError> {
        let error = TransformError::NotOfType { transform: "lower", expected: "a text" };
        native.as_str().map(|text| Value::from(lower(text))).ok_or(error)
    }

    fn to_native(&self, scim: &Value, current: Option<&Value>) -> Result<Value, TransformError> {
        let lower = self.to_scim(scim)?;
        Ok(keeps(self, &lower, current).cloned().unwrap_or(lower))
    }

    fn class(&self) -> Class {
        Class::Quotient
    }

    fn remark(&self) -> Option<&'static str> {
        Some("letter case")
    }

    fn is_same(&self, left: &Value, right: &Value) -> bool {
        left.as_str().zip(right.as_str()).is_some_and(|(left, right)| lower(left) == lower(right))
    }

    fn samples(&self) -> Vec<Value> {
        ["ada", "Ada", "BjÖrn", "İstanbul", "ΣΊΣΥΦΟΣ", "Straße", ""].map(Value::from).to_vec()
    }

    fn native_samples(&self) -> Vec<Value> {
        self.samples()
    }
}

/// Lower case, character by character: unlike [`str::to_lowercase`] it does not look at a
/// letter's neighbours, so that doing it twice is doing it once.
fn lower(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use crate::mapping::transform::kind::{Transform, laws};
    use crate::mapping::transform::lower::Lower;

    #[test]
    fn keeps_the_case_that_is_there() {
        assert_eq!(Lower.to_scim(&json!("Ada")), Ok(json!("ada")));
        assert_eq!(Lower.to_native(&json!("ADA"), None), Ok(json!("ada")));
        assert_eq!(Lower.to_native(&json!("ADA"), Some(&json!("Ada"))), Ok(json!("Ada")));
        assert_eq!(Lower.to_native(&json!("ADA"), Some(&json!("Bob"))), Ok(json!("ada")));
        assert!(Lower.to_scim(&json!(null)).is_err());
    }

    proptest! {
        #[test]
        fn laws_hold(text in any::<String>()) {
            laws::hold_for_native(&Lower, &json!(text));
            laws::hold_for_scim(&Lower, &json!(text));
        }
    }
}
