//! Transforms: what happens to a value between the application and SCIM.
//!
//! One file for each, and one table, [`build`]; the data of some stands in files of its own.

mod affix;
mod calling;
mod calling_codes;
mod country;
mod country_names;
mod datetime;
mod instant;
mod join;
mod json;
pub mod kind;
mod list;
mod locale;
mod lower;
mod not;
mod number;
mod phone;
mod rails_zones;
mod separated;
mod split;
mod table;
mod timestamp_flag;
mod timezone;
mod zones;

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::mapping::transform::kind::{Transform, TransformFault};

use crate::mapping::transform::affix::{Affix, Side};
use crate::mapping::transform::country::Country;
use crate::mapping::transform::datetime::Datetime;
use crate::mapping::transform::join::Join;
use crate::mapping::transform::json::Json;
use crate::mapping::transform::list::List;
use crate::mapping::transform::locale::Locale;
use crate::mapping::transform::lower::Lower;
use crate::mapping::transform::not::Not;
use crate::mapping::transform::number::{Form, Number};
use crate::mapping::transform::phone::Phone;
use crate::mapping::transform::split::Split;
use crate::mapping::transform::table::Table;
use crate::mapping::transform::timestamp_flag::TimestampFlag;
use crate::mapping::transform::timezone::Timezone;

/// The transforms there are, in order.
const KNOWN: [&str; 18] = [
    "country",
    "datetime",
    "integer",
    "join",
    "json",
    "list",
    "locale",
    "lower",
    "map",
    "not",
    "number",
    "phone",
    "split",
    "string",
    "strip_prefix",
    "strip_suffix",
    "timestamp_flag",
    "timezone",
];

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
            let is_name = |name: &&String| KNOWN.contains(&name.as_str());
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
    let name = KNOWN.into_iter().find(|known| *known == name).ok_or_else(|| unknown(name))?;
    let allowed: &[&str] = match name {
        "map" => &["else", "else_native"],
        "datetime" => &["zone"],
        "locale" => &["regions"],
        "phone" => &["country"],
        "split" | "join" => &["at", "parts"],
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
        "timezone" => Arc::new(Timezone::build(argument)?),
        "locale" => Arc::new(Locale::build(argument, options)?),
        "phone" => Arc::new(Phone::build(argument, options)?),
        "country" => Arc::new(Country::build(argument)?),
        "list" => Arc::new(List::build(argument)?),
        "split" => Arc::new(Split::build(argument, options)?),
        "join" => Arc::new(Join::build(argument, options)?),
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
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use crate::mapping::transform::kind::laws;
    use crate::mapping::transform::{KNOWN, build_step};

    /// Every transform in every notation.
    fn steps() -> Vec<Value> {
        vec![
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
            json!({ "split": " ", "at": "last" }),
            json!({ "join": ", ", "at": "first" }),
            json!({ "strip_prefix": "auth0|" }),
            json!({ "strip_suffix": "@x" }),
            json!("json"),
            json!({ "timezone": "iana" }),
            json!({ "timezone": "rails" }),
            json!({ "timezone": "windows" }),
            json!({ "locale": "bcp47" }),
            json!({ "locale": "posix" }),
            json!({ "locale": "language", "regions": { "en": "US" } }),
            json!({ "phone": "e164" }),
            json!({ "phone": "national", "country": "NL" }),
            json!({ "country": "alpha2" }),
            json!({ "country": "alpha3" }),
            json!({ "country": "name" }),
        ]
    }

    #[test]
    fn every_name_is_built() {
        for step in steps() {
            let name = step.as_str().or_else(|| step.as_object()?.keys().next().map(|key| &**key));
            assert_eq!(build_step(&step).unwrap().name(), name.unwrap());
        }
        let names: BTreeSet<String> =
            steps().iter().map(|step| build_step(step).unwrap().name().to_owned()).collect();
        assert!(names.iter().eq(KNOWN), "each of them is tried");
        assert!(KNOWN.is_sorted());
    }

    #[test]
    fn laws_hold_for_samples() {
        for step in steps() {
            let transform = build_step(&step).unwrap();
            for native in transform.native_samples() {
                laws::hold_for_native(&*transform, &native);
            }
            for scim in transform.samples() {
                laws::hold_for_scim(&*transform, &scim);
            }
        }
    }

    fn check_fault(step: &Value, expected: &str) {
        let fault = build_step(step).unwrap_err().to_string();
        assert!(fault.contains(expected), "{step}: {fault}");
    }

    #[test]
    fn faults_say_what_is_wrong() {
        check_fault(&json!("uppercase"), "no transform \"uppercase\"; there are country, ");
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
        check_fault(&json!({ "timezone": "unix" }), "timezone: it takes iana, rails or windows");
        check_fault(&json!({ "locale": "en" }), "locale: it takes bcp47, posix or language");
        check_fault(&json!({ "phone": "national" }), "phone: national needs a country");
        check_fault(&json!({ "country": "numeric" }), "country: it takes alpha2, alpha3 or name");
        check_fault(&json!({ "country": "name", "regions": 1 }), "no option \"regions\"");
        check_fault(&json!({ "split": "" }), "split:");
        check_fault(&json!({ "split": " ", "at": "middle" }), "split:");
        check_fault(&json!({ "join": " ", "parts": 1 }), "join:");
    }
}
