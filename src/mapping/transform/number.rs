//! `string`, `integer`, `number`: the same value as text on one side and as a number on the other.
//!
//! The name says what SCIM sees. Only numbers in their canonical form can be text: `007` stays
//! what it is, and is refused.

use serde_json::Value;

use crate::mapping::transform::kind::{Class, Transform, TransformError, keeps};

/// `string`, `integer` or `number`.
#[derive(Debug)]
pub(crate) struct Number {
    form: Form,
}

/// What SCIM sees.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    /// Text, where the application has a number.
    String,
    /// A whole number, where the application has text.
    Integer,
    /// A number, where the application has text.
    Number,
}

impl Number {
    /// The transform that gives SCIM this form.
    pub(crate) fn new(form: Form) -> Self {
        Self { form }
    }

    fn not(&self, expected: &'static str) -> TransformError {
        TransformError::NotOfType { transform: self.name(), expected }
    }

    fn number(&self, text: &str) -> Option<Value> {
        let whole =
            text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<u64>().map(Value::from));
        let number = match (whole, self.form) {
            (Ok(number), _) => number,
            // The standard library reads fractions exactly, serde_json nearly.
            (Err(_), Form::String | Form::Number) => Value::from(text.parse::<f64>().ok()?),
            (Err(_), Form::Integer) => return None,
        };
        let printed = number.to_string();
        (number.is_number() && printed == text).then_some(number)
    }
}

impl Transform for Number {
    fn name(&self) -> &'static str {
        match self.form {
            Form::String => "string",
            Form::Integer => "integer",
            Form::Number => "number",
        }
    }

    fn to_scim(&self, native: &Value) -> Result<Value, TransformError> {
        match (self.form, native) {
            (Form::String, Value::Bool(_) | Value::Number(_)) => {
                Ok(Value::from(native.to_string()))
            }
            (Form::String, Value::String(_)) | (Form::Number, Value::Number(_)) => {
                Ok(native.clone())
            }
            (Form::Integer, Value::Number(number)) if !number.is_f64() => Ok(native.clone()),
            (Form::Integer | Form::Number, Value::String(text)) => {
                self.number(text).ok_or_else(|| self.not("a number"))
            }
            (Form::String | Form::Integer | Form::Number, _) => Err(self.not("a text or a number")),
        }
    }

    fn to_native(&self, scim: &Value, current: Option<&Value>) -> Result<Value, TransformError> {
        if let Some(current) = keeps(self, scim, current) {
            return Ok(current.clone());
        }
        match (self.form, scim, current) {
            // The application's own type wins over the usual one.
            (Form::String, Value::String(_), Some(Value::String(_)))
            | (Form::Integer | Form::Number, Value::Number(_), Some(Value::Number(_))) => {
                Ok(scim.clone())
            }
            (Form::String, Value::String(text), Some(Value::Bool(_))) => {
                text.parse().map(Value::Bool).map_err(|_| self.not("true or false"))
            }
            (Form::String, Value::String(text), _) => {
                self.number(text).ok_or_else(|| self.not("a number"))
            }
            (Form::Integer, Value::Number(number), _) if number.is_f64() => {
                Err(self.not("a whole number"))
            }
            (Form::Integer | Form::Number, Value::Number(number), _) => {
                Ok(Value::from(number.to_string()))
            }
            (Form::String, _, _) => Err(self.not("a text")),
            (Form::Integer | Form::Number, _, _) => Err(self.not("a number")),
        }
    }

    fn class(&self) -> Class {
        Class::Iso
    }

    fn samples(&self) -> Vec<Value> {
        let texts = ["30", "0", "-1", "1.5", "9007199254740993", "007", "1e3", "A7", ""];
        match self.form {
            Form::String => texts.map(Value::from).to_vec(),
            Form::Integer => [30, 0, -1, i64::MAX].map(Value::from).to_vec(),
            Form::Number => [30.0, 0.5, -1.25, 1e21].map(Value::from).to_vec(),
        }
    }

    fn native_samples(&self) -> Vec<Value> {
        let texts = ["30", "0", "-1", "9007199254740993", "007"];
        match self.form {
            Form::String => vec![30.into(), 0.into(), (-1.5).into(), u64::MAX.into()],
            Form::Integer | Form::Number => texts.map(Value::from).to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use crate::mapping::transform::kind::{Transform, laws};
    use crate::mapping::transform::number::{Form, Number};

    #[expect(clippy::needless_pass_by_value, reason = "keeps the cases short")]
    fn check(form: Form, native: Value, scim: Value) {
        let transform = Number::new(form);
        assert_eq!(transform.to_scim(&native), Ok(scim.clone()));
        assert_eq!(transform.to_native(&scim, None), Ok(native));
    }

    #[test]
    fn the_name_says_what_scim_sees() {
        check(Form::String, json!(30), json!("30"));
        check(Form::String, json!(-1.5), json!("-1.5"));
        check(Form::Integer, json!("42"), json!(42));
        check(Form::Number, json!("1.5"), json!(1.5));
    }

    #[test]
    fn the_type_that_is_there_is_kept() {
        let string = Number::new(Form::String);
        assert_eq!(string.to_native(&json!("A7"), Some(&json!("A6"))), Ok(json!("A7")));
        assert_eq!(string.to_native(&json!("true"), Some(&json!(false))), Ok(json!(true)));
        let integer = Number::new(Form::Integer);
        assert_eq!(integer.to_native(&json!(5), Some(&json!(4))), Ok(json!(5)));
    }

    #[test]
    fn other_forms_are_refused() {
        for refused in [json!("007"), json!("1e3"), json!(" 1"), json!("x"), json!(1), json!(null)]
        {
            assert!(Number::new(Form::String).to_native(&refused, None).is_err(), "{refused}");
        }
        for refused in [json!("1.5"), json!(1.5), json!("x"), json!(null), json!(true)] {
            assert!(Number::new(Form::Integer).to_scim(&refused).is_err(), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn laws_hold(whole in any::<i64>(), fraction in any::<f64>()) {
            for value in [json!(whole), json!(fraction)] {
                if value.is_null() {
                    continue;
                }
                laws::hold_for_native(&Number::new(Form::String), &value);
                laws::hold_for_scim(&Number::new(Form::Integer), &value);
                laws::hold_for_scim(&Number::new(Form::Number), &value);
                let text = json!(value.to_string());
                laws::hold_for_scim(&Number::new(Form::String), &text);
                laws::hold_for_native(&Number::new(Form::Integer), &text);
                laws::hold_for_native(&Number::new(Form::Number), &text);
            }
        }
    }
}
