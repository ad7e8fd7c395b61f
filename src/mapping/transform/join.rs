//! `join`: several native values that are one SCIM text.

use serde_json::{Map, Value};

use crate::mapping::transform::kind::{Class, Transform, TransformError, TransformFault, keeps};
use crate::mapping::transform::separated::Separated;

/// `join`.
#[derive(Debug)]
pub(crate) struct Join(Separated);

impl Join {
    /// With the separator as argument; options are `at` and `parts`.
    pub(crate) fn build(
        argument: &Value,
        options: &Map<String, Value>,
    ) -> Result<Self, TransformFault> {
        Separated::build("join", argument, options).map(Self)
    }
}

impl Transform for Join {
    fn name(&self) -> &'static str {
        "join"
    }

    fn to_scim(&self, native: &Value) -> Result<Value, TransformError> {
        let parts = native.as_array().ok_or_else(|| self.0.not_text())?;
        self.0.together(parts).map(Value::from)
    }

    fn to_native(&self, scim: &Value, current: Option<&Value>) -> Result<Value, TransformError> {
        if let Some(current) = keeps(self, scim, current) {
            return Ok(current.clone());
        }
        scim.as_str().map(|text| self.0.apart(text)).ok_or_else(|| self.0.not_text())
    }

    fn class(&self) -> Class {
        Class::Lossy
    }

    fn samples(&self) -> Vec<Value> {
        self.0.single()
    }

    fn native_samples(&self) -> Vec<Value> {
        self.0.several()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use crate::mapping::transform::join::Join;
    use crate::mapping::transform::kind::{Transform, laws};

    fn join(separator: &str, options: &Value) -> Join {
        let options: Map<String, Value> = options.as_object().cloned().unwrap_or_default();
        Join::build(&json!(separator), &options).unwrap()
    }

    #[test]
    fn joins_and_takes_apart() {
        let join = join(" ", &json!({ "at": "last" }));
        assert_eq!(join.to_scim(&json!(["Jan", "Berg"])), Ok(json!("Jan Berg")));
        assert_eq!(join.to_scim(&json!([null, "Berg"])), Ok(json!("Berg")));
        assert_eq!(join.to_scim(&json!([null, ""])), Ok(json!("")));
        let written = |text: &str, current: Option<&Value>| join.to_native(&json!(text), current);
        assert_eq!(written("Jan van der Berg", None), Ok(json!(["Jan van der", "Berg"])));
        assert_eq!(written("Cher", None), Ok(json!(["Cher", null])));
        // The parts as they are stay when together they are what is wanted.
        let current = json!(["Jan", "van der Berg"]);
        assert_eq!(written("Jan van der Berg", Some(&current)), Ok(current));
        for odd in [json!("Jan"), json!([1, "a"])] {
            assert!(join.to_scim(&odd).is_err(), "{odd}");
        }
    }

    proptest! {
        #[test]
        fn laws_hold(
            parts in prop::collection::vec(prop::option::of("[ab, ]{0,4}"), 2..4),
            text in "[ab, ]{0,10}",
            last in any::<bool>(),
        ) {
            for separator in [" ", ", ", ",", "ab", "aa"] {
                let at = if last { "last" } else { "first" };
                let join = join(separator, &json!({ "at": at, "parts": parts.len() }));
                laws::hold_for_native(&join, &json!(parts));
                laws::hold_for_scim(&join, &json!(text));
            }
        }
    }
}
