//! `not`: true and false change places.

use serde_json::Value;

use crate::mapping::transform::kind::{Class, Transform, TransformError};

/// `not`.
#[derive(Debug)]
pub(crate) struct Not;

impl Transform for Not {
    fn name(&self) -> &'static str {
        "not"
    }

    fn to_scim(&self, native: &Value) -> Result<Value, TransformError> {
        let error = TransformError::NotOfType { transform: "not", expected: "true or false" };
        native.as_bool().map(|flag| Value::Bool(!flag)).ok_or(error)
    }

    fn to_native(&self, scim: &Value, _: Option<&Value>) -> Result<Value, TransformError> {
        self.to_scim(scim)
    }

    fn class(&self) -> Class {
        Class::Iso
    }

    fn samples(&self) -> Vec<Value> {
        vec![Value::Bool(true), Value::Bool(false)]
    }

    fn native_samples(&self) -> Vec<Value> {
        self.samples()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::mapping::transform::kind::Transform;
    use crate::mapping::transform::kind::laws;
    use crate::mapping::transform::not::Not;

    #[test]
    fn turns_round() {
        assert_eq!(Not.to_scim(&json!(true)), Ok(json!(false)));
        assert_eq!(Not.to_native(&json!(true), None), Ok(json!(false)));
        for value in [json!(true), json!(false)] {
            laws::hold_for_native(&Not, &value);
            laws::hold_for_scim(&Not, &value);
        }
        for value in [json!(null), json!("true"), json!(1)] {
            assert!(Not.to_scim(&value).is_err(), "{value}");
        }
    }
}
