//! `list`: several values that the application keeps in one text.

use serde_json::{Value, json};

use crate::mapping::transform::kind::{Class, Transform, TransformError, TransformFault};

/// `list`.
#[derive(Debug)]
pub(crate) struct List {
    separator: String,
}

const NOT_TEXT: TransformError =
    TransformError::NotOfType { transform: "list", expected: "a text" };

impl List {
    /// With the separator as argument.
    pub(crate) fn build(argument: &Value) -> Result<Self, TransformFault> {
        match argument.as_str() {
            Some(separator) if !separator.is_empty() => {
                Ok(Self { separator: separator.to_owned() })
            }
            Some(_) | None => Err(TransformFault::BadArgument {
                name: "list",
                message: "it takes the separator".to_owned(),
            }),
        }
    }
}

impl Transform for List {
    fn name(&self) -> &'static str {
        "list"
    }

    fn to_scim(&self, native: &Value) -> Result<Value, TransformError> {
        let text = native.as_str().ok_or(NOT_TEXT)?;
        if text.is_empty() {
            return Ok(Value::Array(Vec::new()));
        }
        Ok(text.split(self.separator.as_str()).map(Value::from).collect())
    }

    fn to_native(&self, scim: &Value, _: Option<&Value>) -> Result<Value, TransformError> {
        let elements = match scim {
            Value::Array(elements) => elements.as_slice(),
            Value::Null => &[],
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                std::slice::from_ref(scim)
            }
        };
        let texts: Vec<&str> = elements
            .iter()
            .map(|element| element.as_str().ok_or(NOT_TEXT))
            .collect::<Result<_, _>>()?;
        // Joined, these could not be told from others.
        let joined = texts.join(&self.separator);
        let parts: Vec<&str> = if joined.is_empty() {
            Vec::new()
        } else {
            joined.split(self.separator.as_str()).collect()
        };
        if parts != texts {
            return Err(TransformError::NoCounterpart { transform: "list" });
        }
        Ok(Value::from(joined))
    }

    fn class(&self) -> Class {
        Class::Iso
    }

    fn samples(&self) -> Vec<Value> {
        let separator = self.separator.as_str();
        vec![
            json!([]),
            json!(["a"]),
            json!(["a", "b"]),
            json!(["B", "a", "a", "é"]),
            json!([" a ", "b c"]),
            json!([""]),
            json!(["a", ""]),
            json!([format!("a{separator}b"), "c"]),
        ]
    }

    fn native_samples(&self) -> Vec<Value> {
        let separator = self.separator.as_str();
        ["", "a", "a,b", "b,a,a", "a,,b", ",a,", " a , b "]
            .map(|text| Value::from(text.replace(',', separator)))
            .to_vec()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use crate::mapping::transform::kind::{Transform, laws};
    use crate::mapping::transform::list::List;

    #[test]
    fn splits_and_joins() {
        let list = List::build(&json!(" ")).unwrap();
        assert_eq!(list.to_scim(&json!("user admin")), Ok(json!(["user", "admin"])));
        assert_eq!(list.to_scim(&json!("")), Ok(json!([])));
        assert_eq!(list.to_native(&json!(["user", "admin"]), None), Ok(json!("user admin")));
        assert_eq!(list.to_native(&json!("user"), None), Ok(json!("user")));
        for refused in [json!(["a b"]), json!([""]), json!([1]), json!({})] {
            assert!(list.to_native(&refused, None).is_err(), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn laws_hold(other in any::<String>(), text in "[ab,]{0,8}", parts in prop::collection::vec("[ab,]{0,3}", 0..4)) {
            for separator in [",", ",,", "ab"] {
                let list = List::build(&json!(separator)).unwrap();
                laws::hold_for_native(&list, &json!(text));
                laws::hold_for_native(&list, &json!(other));
                laws::hold_for_scim(&list, &json!([other, "a"]));
                if parts.len() != 1 {
                    laws::hold_for_scim(&list, &json!(parts));
                }
            }
        }
    }
}
