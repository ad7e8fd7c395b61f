//! `json`: a structure that the application keeps as JSON text.

use serde_json::{Value, json};

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

    fn remark(&self) -> Option<&'static str> {
        Some("white space")
    }

    fn samples(&self) -> Vec<Value> {
        vec![
            json!({ "a": 1 }),
            json!([]),
            json!({ "b": [null, true, 1.5, "x\"y"], "a": {} }),
            json!("text"),
            json!({ "ключ": "\u{1f600}\n" }),
        ]
    }

    fn native_samples(&self) -> Vec<Value> {
        let texts = [
            "{\"a\":1}",
            "{ \"a\" : [ 1 , 2 ] }\n",
            "[1.0, 1e3, -0]",
            "\"\\u00e9\"",
            "{\"b\":1,\"a\":2}",
        ];
        texts.map(Value::from).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

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

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..3)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn laws_hold(value in any_json(), text in "[\\[\\]{}\",:0-9a-z \\n]{0,12}") {
            laws::hold_for_scim(&Json, &value);
            laws::hold_for_native(&Json, &json!(value.to_string()));
            laws::hold_for_native(&Json, &json!(serde_json::to_string_pretty(&value).unwrap()));
            laws::hold_for_native(&Json, &json!(text));
        }
    }
}
