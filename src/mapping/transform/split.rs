//! `split`: several SCIM values that the application keeps in one text.

use serde_json::{Map, Value};

use crate::mapping::transform::kind::{Class, Transform, TransformError, TransformFault, keeps};
use crate::mapping::transform::separated::Separated;

/// `split`.
#[derive(Debug)]
pub(crate) struct Split(Separated);

impl Split {
    /// With the separator as argument; options are `at` and `parts`.
    pub(crate) fn build(
        argument: &Value,
        options: &Map<String, Value>,
    ) -> Result<Self, TransformFault> {
        Separated::build("split", argument, options).map(Self)
    }
}

impl Transform for Split {
    fn name(&self) -> &'static str {
        "split"
    }

    fn to_scim(&self, native: &Value) -> Result<Value, TransformError> {
        native.as_str().map(|text| self.0.apart(text)).ok_or_else(|| self.0.not_text())
    }

    fn to_native(&self, scim: &Value, current: Option<&Value>) -> Result<Value, TransformError> {
        if let Some(current) = keeps(self, scim, current) {
            return Ok(current.clone());
        }
        let parts = scim.as_array().ok_or_else(|| self.0.not_text())?;
        self.0.together(parts).map(Value::from)
    }

    fn class(&self) -> Class {
        Class::Lossy
    }

    fn samples(&self) -> Vec<Value> {
        self.0.several()
    }

    fn native_samples(&self) -> Vec<Value> {
        self.0.single()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use crate::mapping::transform::kind::{Transform, laws};
    use crate::mapping::transform::split::Split;

    fn split(separator: &str, options: &Value) -> Split {
        let options: Map<String, Value> = options.as_object().cloned().unwrap_or_default();
        Split::build(&json!(separator), &options).unwrap()
    }

    fn check(options: &Value, native: &str, parts: &Value) {
        let split = split(" ", options);
        assert_eq!(split.to_scim(&json!(native)).as_ref(), Ok(parts), "{native} {options}");
    }

    #[test]
    fn takes_apart_at_the_first_or_the_last() {
        check(&json!({}), "Jan van der Berg", &json!(["Jan", "van der Berg"]));
        check(&json!({ "at": "first" }), "Jan van der Berg", &json!(["Jan", "van der Berg"]));
        check(&json!({ "at": "last" }), "Jan van der Berg", &json!(["Jan van der", "Berg"]));
        check(&json!({ "parts": 3 }), "a b c d", &json!(["a", "b", "c d"]));
        check(&json!({ "at": "last", "parts": 3 }), "a b c d", &json!(["a b", "c", "d"]));
        check(&json!({}), " Jan  Berg ", &json!([" Jan", " Berg "]));
    }

    #[test]
    fn a_single_word_is_the_first_value() {
        for at in ["first", "last"] {
            check(&json!({ "at": at }), "Cher", &json!(["Cher", null]));
            check(&json!({ "at": at, "parts": 3 }), "Cher Bono", &json!(["Cher", "Bono", null]));
            check(&json!({ "at": at }), "", &json!([null, null]));
        }
    }

    #[test]
    fn what_is_absent_leaves_no_separator() {
        let split = split(" ", &json!({}));
        let written = |parts: Value| split.to_native(&parts, None);
        assert_eq!(written(json!(["Jan", "van der Berg"])), Ok(json!("Jan van der Berg")));
        assert_eq!(written(json!([null, "Berg"])), Ok(json!("Berg")));
        assert_eq!(written(json!(["Jan", ""])), Ok(json!("Jan")));
        for refused in [json!("Jan"), json!([1, 2]), json!(["a", "b", "c"])] {
            assert!(written(refused.clone()).is_err(), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn laws_hold(
            text in "[ab, ]{0,10}",
            parts in prop::collection::vec(prop::option::of("[ab, ]{0,4}"), 0..4),
            last in any::<bool>(),
            count in 2_usize..4,
        ) {
            for separator in [" ", ", ", ",", "ab"] {
                let at = if last { "last" } else { "first" };
                let split = split(separator, &json!({ "at": at, "parts": count }));
                laws::hold_for_native(&split, &json!(text));
                laws::hold_for_scim(&split, &json!(parts));
            }
        }
    }
}
