//! `json`: a structure that the application keeps as JSON text.

use serde_json::Value;

use crate::mapping::transform::kind::{Class, Transform, TransformError, keeps};

/// `json`.
#[derive(Debug)]
pub(crate) struct Json;

impl Transform for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn to_scim(&self, native: &Value) -> Result<Value, TransformError> {
        let error = TransformError::NotOfType { transform: "json", expected: "JSON text" };
        let text = native.as_str().ok_or(error)?;
        serde_json::from_str(text).map_err(|_| error)
    }

    fn to_native(&self, scim: &Value, current: Option<&Value>) -> Result<Value, TransformError> {
        let kept = keeps(self, scim, current).cloned();
        Ok(kept.unwrap_or_else(|| Value::from(scim.to_string())))
    }

    fn class(&self) -> Class {
        Class::Quotient
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::mapping::transform::json::Json;
    use crate::mapping::transform::kind::{Transform, laws};

    #[test]
    fn white_space_stays_when_nothing_changes() {
        let spaced = json!("{ \"a\" : [1] }");
        assert_eq!(Json.to_scim(&spaced), Ok(json!({ "a": [1] })));
        assert_eq!(Json.to_native(&json!({ "a": [2] }), Some(&spaced)), Ok(json!("{\"a\":[2]}")));
        laws::hold_for_native(&Json, &spaced);
        laws::hold_for_scim(&Json, &json!({ "b": null, "a": "x" }));
        for value in [json!(null), json!(5), json!("{"), json!("")] {
            assert!(Json.to_scim(&value).is_err(), "{value}");
        }
    }
}
