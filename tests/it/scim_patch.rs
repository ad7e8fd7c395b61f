//! Runs the vectors of `patch.json`: `rfc` in the strict dialect, `dialect` in the lenient one,
//! and says which of the RFC's vectors the lenient dialect answers otherwise.
#![cfg(test)]

use std::collections::BTreeSet;

use scimbridge::scim::deviation::Deviations;
use scimbridge::scim::patch::error::PatchError;
use scimbridge::scim::patch::request::PatchRequest;
use scimbridge::scim::resource::Resource;
use scimbridge::scim::value::Dialect;
use serde_json::{Map, Value, json};

use crate::fixtures::resource_type;

/// RFC vectors that the lenient dialect answers otherwise on purpose.
const LENIENT_DIFFERS: [&str; 15] = [
    // A filtered sub-attribute without a hit creates the element.
    "P024", "P025", "P116", "P240", //
    // A number where text belongs is taken as its text, a single value as a list of one.
    "P167", "P174", "P176", "P186", "P238", //
    // Unknown attributes are dropped, so that the rest of the request takes effect.
    "P210", "P211", "P212", "P213", "P215", //
    // A single operation need not stand in an array.
    "P223",
];

fn vectors() -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../vectors/patch.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap().clone();
    assert_eq!(file["count"], vectors.len());
    vectors
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn run(vector: &Value, dialect: Dialect) -> Result<Resource, PatchError> {
    let resource_type = resource_type(text(&vector["schema"]));
    let before = Resource(vector["resource"].as_object().cloned().unwrap_or_default());
    let mut noted = Deviations::default();
    let request = PatchRequest::parse(&vector["patch"], &resource_type, dialect, &mut noted)?;
    request.apply(&before, &resource_type, &mut noted)
}

/// What is wrong with the outcome; `None` when it is as the vector says.
fn fault(vector: &Value, dialect: Dialect) -> Option<String> {
    let id = text(&vector["id"]);
    let expected = &vector["expect"];
    match (run(vector, dialect), expected.get("resource")) {
        (Ok(after), Some(resource)) => {
            let (after, resource) = (comparable(&Value::Object(after.0)), comparable(resource));
            (after != resource).then(|| format!("{id}: {after} instead of {resource}"))
        }
        (Ok(after), None) => Some(format!("{id}: no error but {after:?}")),
        (Err(error), Some(_)) => Some(format!("{id}: {error} ({error:?})")),
        (Err(error), None) => {
            let keyword = error.scim_type().keyword();
            let allowed = &expected["error"]["scimTypes"];
            let mut keywords = allowed.as_array().into_iter().flatten();
            let fits = *allowed == json!([]) || keywords.any(|one| one == keyword);
            (!fits).then(|| format!("{id}: {keyword} ({error:?})"))
        }
    }
}

/// Without `id` and `meta`, arrays as sets, `primary: false` and unassigned values left out.
fn comparable(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut kept = Map::new();
            let mut names: Vec<&String> = members.keys().collect();
            names.sort();
            for name in names {
                let inner = comparable(&members[name]);
                let dropped = ["id", "meta"].contains(&name.as_str())
                    || (name == "primary" && inner == false)
                    || inner.is_null();
                if !dropped {
                    kept.insert(name.clone(), inner);
                }
            }
            if kept.is_empty() { Value::Null } else { Value::Object(kept) }
        }
        Value::Array(elements) => {
            let mut elements: Vec<Value> = elements.iter().map(comparable).collect();
            elements.sort_by_key(Value::to_string);
            if elements.is_empty() { Value::Null } else { Value::Array(elements) }
        }
        other => other.clone(),
    }
}

fn has_basis(vector: &Value, basis: &str) -> bool {
    vector["basis"] == basis
}

#[test]
fn rfc_vectors_hold_in_the_strict_dialect() {
    let vectors = vectors();
    let rfc = vectors.iter().filter(|vector| has_basis(vector, "rfc"));
    let faults: Vec<String> = rfc.filter_map(|vector| fault(vector, Dialect::Strict)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn dialect_vectors_hold_in_the_lenient_dialect() {
    let vectors = vectors();
    let dialect = vectors.iter().filter(|vector| has_basis(vector, "dialect"));
    let faults: Vec<String> =
        dialect.filter_map(|vector| fault(vector, Dialect::Lenient)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_lenient_dialect_differs_from_the_rfc_only_where_it_is_known_to() {
    let vectors = vectors();
    let faults = vectors.iter().filter_map(|vector| {
        fault(vector, Dialect::Lenient).map(|fault| (text(&vector["id"]), fault))
    });
    let (ids, texts): (BTreeSet<&str>, Vec<String>) = faults.unzip();
    assert_eq!(ids, BTreeSet::from(LENIENT_DIFFERS), "{}", texts.join("\n"));
}
