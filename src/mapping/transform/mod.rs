//! Transforms: what happens to a value between the application and SCIM.
//!
//! One file for each, and one table, [`build`]. `split`, `join`, `locale`, `timezone`, `phone` and
//! `country` belong to the language and are not built yet.

mod affix;
mod datetime;
mod instant;
mod json;
pub mod kind;
mod list;
mod lower;
mod not;
mod number;
mod table;
mod timestamp_flag;

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::mapping::transform::kind::{Transform, TransformFault};

use crate::mapping::transform::affix::{Affix, Side};
use crate::mapping::transform::datetime::Datetime;
use crate::mapping::transform::json::Json;
use crate::mapping::transform::list::List;
use crate::mapping::transform::lower::Lower;
use crate::mapping::transform::not::Not;
use crate::mapping::transform::number::{Form, Number};
use crate::mapping::transform::table::Table;
use crate::mapping::transform::timestamp_flag::TimestampFlag;

/// The transforms there are, in order.
const KNOWN: [&str; 12] = [
    "datetime",
    "integer",
    "json",
    "list",
    "lower",
    "map",
    "not",
    "number",
    "string",
    "strip_prefix",
    "strip_suffix",
    "timestamp_flag",
];

/// Those that only the language knows, in order.
const NOT_YET: [&str; 6] = ["country", "join", "locale", "phone", "split", "timezone"];

/// The names of all transforms, in order.
pub fn names() -> &'static [&'static str] {
    &KNOWN
}

/// Builds the transform that an element of `via` says: a name, or an object with the name, its
/// argument and its options, as in `{ map: { … }, else: other }`.
pub fn build_step(step: &Value) -> Result<Arc<dyn Transform>, TransformFault> {
    match step {
        Value::String(name) => build(name, &Value::Null),
        Value::Object(members) => {
            let is_name =
                |name: &&String| KNOWN.contains(&name.as_str()) || NOT_YET.contains(&name.as_str());
            let name = members.keys().find(is_name).or_else(|| members.keys().next());
            let name = name.map_or("", String::as_str);
            let mut options = members.clone();
            let argument = options.shift_remove(name).unwrap_or_default();
            build_with(name, &argument, &options)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            Err(unknown(&step.to_string()))
        }
    }
}

/// Builds a transform without options.
pub fn build(name: &str, argument: &Value) -> Result<Arc<dyn Transform>, TransformFault> {
    build_with(name, argument, &Map::new())
}

fn build_with(
    name: &str,
    argument: &Value,
    options: &Map<String, Value>,
) -> Result<Arc<dyn Transform>, TransformFault> {
    if let Some(name) = NOT_YET.into_iter().find(|known| *known == name) {
        return Err(TransformFault::NotYet { name });
    }
    let name = KNOWN.into_iter().find(|known| *known == name).ok_or_else(|| unknown(name))?;
    let allowed: &[&str] = match name {
        "map" => &["else", "else_native"],
        "datetime" => &["zone"],
        _ => &[],
    };
    if let Some(other) = options.keys().find(|option| !allowed.contains(&option.as_str())) {
        let message = format!("there is no option {other:?}");
        return Err(TransformFault::BadArgument { name, message });
    }
    Ok(match name {
        "not" => bare(name, argument, Not)?,
        "lower" => bare(name, argument, Lower)?,
        "json" => bare(name, argument, Json)?,
        "string" => bare(name, argument, Number::new(Form::String))?,
        "integer" => bare(name, argument, Number::new(Form::Integer))?,
        "number" => bare(name, argument, Number::new(Form::Number))?,
        "map" => Arc::new(Table::build(argument, options)?),
        "datetime" => Arc::new(Datetime::build(argument, options)?),
        "timestamp_flag" => Arc::new(TimestampFlag::build(argument)?),
        "list" => Arc::new(List::build(argument)?),
        "strip_prefix" => Arc::new(Affix::build(Side::Prefix, argument)?),
        "strip_suffix" => Arc::new(Affix::build(Side::Suffix, argument)?),
        _ => return Err(unknown(name)),
    })
}

/// A transform that takes no argument.
fn bare(
    name: &'static str,
    argument: &Value,
    transform: impl Transform + 'static,
) -> Result<Arc<dyn Transform>, TransformFault> {
    if argument.is_null() {
        return Ok(Arc::new(transform));
    }
    Err(TransformFault::BadArgument { name, message: "it takes no argument".to_owned() })
}

fn unknown(name: &str) -> TransformFault {
    TransformFault::Unknown { name: name.to_owned(), known: KNOWN.to_vec() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::mapping::transform::{KNOWN, NOT_YET, TransformFault, build_step};

    #[test]
    fn every_name_is_built_or_refused_by_name() {
        for step in [
            json!("not"),
            json!("lower"),
            json!({ "map": { "a": "b" } }),
            json!({ "map": { "a": "b" }, "else": "c", "else_native": "d" }),
            json!("string"),
            json!("integer"),
            json!("number"),
            json!("datetime"),
            json!({ "datetime": "epoch_s" }),
            json!({ "datetime": "%Y-%m-%d", "zone": "UTC" }),
            json!({ "timestamp_flag": { "empty": true, "format": "epoch_ms" } }),
            json!({ "list": "," }),
            json!({ "strip_prefix": "auth0|" }),
            json!({ "strip_suffix": "@x" }),
            json!("json"),
        ] {
            let name = step.as_str().or_else(|| step.as_object()?.keys().next().map(|key| &**key));
            assert_eq!(build_step(&step).unwrap().name(), name.unwrap());
        }
        for name in NOT_YET {
            let fault = build_step(&json!({ name: " ", "at": "last" })).unwrap_err();
            assert_eq!(fault, TransformFault::NotYet { name });
        }
        assert!(KNOWN.is_sorted());
    }

    fn check_fault(step: &Value, expected: &str) {
        let fault = build_step(step).unwrap_err().to_string();
        assert!(fault.contains(expected), "{step}: {fault}");
    }

    #[test]
    fn faults_say_what_is_wrong() {
        check_fault(&json!("uppercase"), "no transform \"uppercase\"; there are datetime, ");
        check_fault(&json!({}), "no transform");
        check_fault(&json!(5), "no transform");
        check_fault(&json!({ "not": 5 }), "takes no argument");
        check_fault(&json!({ "map": {} }), "map:");
        check_fault(&json!({ "map": { "a": [1] } }), "map:");
        check_fault(&json!({ "map": { "a": "b" }, "otherwise": 1 }), "no option \"otherwise\"");
        check_fault(&json!({ "datetime": "%Q" }), "datetime:");
        check_fault(&json!({ "datetime": "%H:%M" }), "datetime:");
        check_fault(&json!({ "datetime": "epoch_s", "zone": "Mars/Olympus" }), "datetime:");
        check_fault(&json!({ "timestamp_flag": { "empty": 1 } }), "timestamp_flag:");
        check_fault(&json!({ "timestamp_flag": { "emtpy": true } }), "timestamp_flag:");
        check_fault(&json!({ "list": "" }), "list:");
        check_fault(&json!("strip_prefix"), "strip_prefix:");
    }
}
