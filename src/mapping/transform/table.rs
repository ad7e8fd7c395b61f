//! `map`: a table of values.
//!
//! The native sides are keys of YAML and arrive as text: `true`, `false`, `null` and numbers in
//! their canonical form mean the JSON value, JSON text (in quotes of its own) means what it says,
//! everything else means text as it is. When a record has `"1"` where the key is `1`, or the other
//! way round, both mean the same, and the record's own type is what is written. A SCIM value is looked
//! up with its case first and then without, because most SCIM texts ignore it.

use serde_json::{Map, Value};

use crate::mapping::transform::kind::{Class, Transform, TransformError, TransformFault, keeps};

/// `map`.
#[derive(Debug)]
pub(crate) struct Table {
    /// Native and SCIM values, in file order.
    rows: Vec<(Value, Value)>,
    /// The SCIM value of every other native one.
    other_scim: Option<Value>,
    /// The native value of every other SCIM one.
    other_native: Option<Value>,
}

impl Table {
    /// With the table as argument; `else` and `else_native` as options.
    pub(crate) fn build(
        argument: &Value,
        options: &Map<String, Value>,
    ) -> Result<Self, TransformFault> {
        let fault = |message: &str| TransformFault::BadArgument {
            name: "map",
            message: message.to_owned(),
        };
        let table = argument.as_object().filter(|table| !table.is_empty());
        let table = table.ok_or_else(|| fault("it takes a table: { native: scim, .. }"))?;
        if table.values().any(|value| value.is_array() || value.is_object()) {
            return Err(fault("the values of the table are single values"));
        }
        Ok(Self {
            rows: table.iter().map(|(key, value)| (native(key), value.clone())).collect(),
            other_scim: options.get("else").cloned(),
            other_native: options.get("else_native").cloned(),
        })
    }
}

impl Transform for Table {
    fn name(&self) -> &'static str {
        "map"
    }

    fn to_scim(&self, native: &Value) -> Result<Value, TransformError> {
        let row = self.rows.iter().find(|(have, _)| same(have, native));
        row.map(|(_, scim)| scim)
            .or(self.other_scim.as_ref())
            .cloned()
            .ok_or(TransformError::NoCounterpart { transform: "map" })
    }

    fn to_native(&self, scim: &Value, current: Option<&Value>) -> Result<Value, TransformError> {
        if let Some(current) = keeps(self, scim, current) {
            return Ok(current.clone());
        }
        let exact = self.rows.iter().find(|(_, have)| have == scim);
        let row =
            exact.or_else(|| self.rows.iter().find(|(_, have)| same_without_case(have, scim)));
        let listed = row.map(|(native, _)| self.as_is_there(native, current));
        listed
            .or_else(|| self.other_native.clone())
            .ok_or(TransformError::NoCounterpart { transform: "map" })
    }

    fn class(&self) -> Class {
        let is_closed = self.other_scim.is_none() && self.other_native.is_none();
        if is_closed && self.ambiguous().is_none() { Class::Iso } else { Class::Lossy }
    }

    fn samples(&self) -> Vec<Value> {
        let listed = self.rows.iter().map(|(_, scim)| scim).chain(&self.other_scim);
        let mut samples: Vec<Value> = listed.cloned().collect();
        if self.other_native.is_some() {
            // Values that the table does not list, of the type of those that it does.
            if samples.iter().any(Value::is_boolean) {
                samples.extend([Value::Bool(true), Value::Bool(false)]);
            }
            if samples.iter().any(Value::is_string) {
                samples.push(Value::from("something else"));
            }
        }
        samples
    }

    fn native_samples(&self) -> Vec<Value> {
        let mut samples: Vec<Value> = self.rows.iter().map(|(native, _)| native.clone()).collect();
        samples.extend(self.other_native.clone());
        if self.other_scim.is_some() {
            samples.push(Value::from("something else"));
        }
        samples
    }

    fn ambiguous(&self) -> Option<Value> {
        let count = |value: &Value| self.rows.iter().filter(|(_, have)| have == value).count();
        self.rows.iter().map(|(_, scim)| scim).find(|scim| count(scim) > 1).cloned()
    }
}

impl Table {
    /// A key in the type of the value that is there, when that is listed, too.
    fn as_is_there(&self, key: &Value, current: Option<&Value>) -> Value {
        let current = current.filter(|have| self.rows.iter().any(|(other, _)| same(other, have)));
        let other_type = match (key, current) {
            (Value::Bool(_) | Value::Number(_), Some(Value::String(_))) => {
                Some(Value::from(key.to_string()))
            }
            (Value::String(text), Some(Value::Number(_))) => plain(text).filter(Value::is_number),
            (Value::String(text), Some(Value::Bool(_))) => plain(text).filter(Value::is_boolean),
            _ => None,
        };
        other_type.unwrap_or_else(|| key.clone())
    }
}

/// A key as the native value it means.
fn native(key: &str) -> Value {
    let text = || serde_json::from_str(key).ok().filter(Value::is_string);
    plain(key).or_else(text).unwrap_or_else(|| key.into())
}

/// The value that is written like this and is no text.
fn plain(text: &str) -> Option<Value> {
    let read: Option<Value> = serde_json::from_str(text).ok();
    read.filter(|value| is_plain(value) && is_written(value, text))
}

fn is_plain(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(_) | Value::Number(_))
}

/// Whether the value is printed like this.
fn is_written(value: &Value, text: &str) -> bool {
    let printed = value.to_string();
    printed == text
}

/// Whether a native value is the one of a key: text and what is written alike are the same, because
/// few applications are strict about it.
fn same(key: &Value, value: &Value) -> bool {
    match (key, value) {
        (Value::Number(key), Value::Number(value)) => key.as_f64() == value.as_f64(),
        (Value::Bool(_) | Value::Number(_), Value::String(text)) => is_written(key, text),
        (Value::String(text), Value::Bool(_) | Value::Number(_)) => is_written(value, text),
        (key, value) => key == value,
    }
}

fn same_without_case(left: &Value, right: &Value) -> bool {
    match (left.as_str(), right.as_str()) {
        (Some(left), Some(right)) => left.to_lowercase() == right.to_lowercase(),
        (Some(_) | None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use crate::mapping::transform::build_step;
    use crate::mapping::transform::kind::{Class, Transform, laws};

    fn table(step: &Value) -> Arc<dyn Transform> {
        build_step(step).unwrap()
    }

    #[test]
    fn keys_mean_json_values() {
        let table = table(&json!({ "map": {
            "true": "admin", "false": "user", "null": "none", "7": "seven", "x": true
        } }));
        for (native, scim) in [
            (json!(true), json!("admin")),
            (json!(false), json!("user")),
            (json!(null), json!("none")),
            (json!(7), json!("seven")),
            (json!("x"), json!(true)),
        ] {
            assert_eq!(table.to_scim(&native), Ok(scim.clone()));
            assert_eq!(table.to_native(&scim, None), Ok(native));
        }
        assert_eq!(table.to_scim(&json!("7")), Ok(json!("seven")));
        assert_eq!(table.to_native(&json!("seven"), Some(&json!("7"))), Ok(json!("7")));
        assert_eq!(table.to_scim(&json!(7.0)), Ok(json!("seven")));
        assert_eq!(table.to_native(&json!("ADMIN"), None), Ok(json!(true)));
        assert!(table.to_scim(&json!("y")).is_err());
        assert!(table.to_native(&json!("guest"), None).is_err());
        assert_eq!(table.class(), Class::Iso);
    }

    #[test]
    fn what_reads_as_wanted_is_kept() {
        let table = table(&json!({
            "map": { "work": "work", "desk": "work", "home": "home" },
            "else": "other", "else_native": "general"
        }));
        assert_eq!(table.to_native(&json!("work"), None), Ok(json!("work")));
        assert_eq!(table.to_native(&json!("work"), Some(&json!("desk"))), Ok(json!("desk")));
        assert_eq!(table.to_native(&json!("work"), Some(&json!("home"))), Ok(json!("work")));
        assert_eq!(table.to_scim(&json!("pager")), Ok(json!("other")));
        assert_eq!(table.to_native(&json!("other"), Some(&json!("pager"))), Ok(json!("pager")));
        assert_eq!(table.to_native(&json!("pager"), None), Ok(json!("general")));
        assert_eq!(table.ambiguous(), Some(json!("work")));
        assert_eq!(table.class(), Class::Lossy);
    }

    #[test]
    fn keys_in_quotes_are_text_and_the_type_that_is_there_is_kept() {
        let text = table(&json!({ "map": { "\"1\"": true, "\"0\"": false } }));
        let number = table(&json!({ "map": { "1": true, "0": false } }));
        assert_eq!(text.to_native(&json!(true), None), Ok(json!("1")));
        assert_eq!(number.to_native(&json!(true), None), Ok(json!(1)));
        for table in [text, number] {
            for (have, wanted) in [(json!("1"), json!("0")), (json!(1), json!(0))] {
                assert_eq!(table.to_scim(&have), Ok(json!(true)));
                assert_eq!(table.to_native(&json!(false), Some(&have)), Ok(wanted));
            }
        }
    }

    proptest! {
        #[test]
        fn laws_hold(native in "[a-e]", scim in "[v-z]", many in any::<bool>()) {
            let last = if many { "v" } else { "z" };
            let values = json!({ "a": "v", "b": "w", "c": "x", "d": "y", "e": last });
            let table = table(&json!({ "map": values }));
            laws::hold_for_native(&*table, &json!(native));
            laws::hold_for_scim(&*table, &json!(scim));
        }
    }
}
