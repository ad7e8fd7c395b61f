//! Runs the vectors of `projection.json`.
#![cfg(test)]

use scimbridge::scim::attr::AttrPath;
use scimbridge::scim::projection::Projection;
use scimbridge::scim::resource::Resource;
use serde_json::{Map, Value};

use crate::fixtures::resource_type;

fn list(value: &Value) -> Vec<AttrPath> {
    let names = value.as_array().into_iter().flatten().map(|name| name.as_str().unwrap());
    names.map(|name| name.parse().unwrap()).collect()
}

fn joined(value: &Value) -> Option<String> {
    let names: Vec<&str> = value.as_array()?.iter().filter_map(Value::as_str).collect();
    Some(names.join(","))
}

fn without(members: &Map<String, Value>, ignored: &Value) -> Value {
    let kept = members.iter().filter(|(name, _)| {
        !ignored.as_array().into_iter().flatten().any(|one| one == name.as_str())
    });
    Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// What came out and what should have.
fn outcome(vector: &Value) -> (Value, Value) {
    let (chosen, excluded) = (joined(&vector["attributes"]), joined(&vector["excludedAttributes"]));
    let projection = Projection::parse(chosen.as_deref(), excluded.as_deref()).unwrap();
    let resource = Resource(vector["resource"].as_object().unwrap().clone());
    let resource_type = resource_type(vector["schema"].as_str().unwrap());
    let shown = projection.apply(resource, &resource_type, &list(&vector["clientSpecified"]));
    let shown = without(&shown.0, &vector["ignore"]);
    let expected = without(vector["expect"].as_object().unwrap(), &vector["ignore"]);
    (shown, expected)
}

#[test]
fn projection_vectors_hold() {
    let file: Value = serde_json::from_str(include_str!("../vectors/projection.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(file["count"], vectors.len());
    for vector in vectors {
        let (shown, expected) = outcome(vector);
        assert_eq!(shown, expected, "{}", vector["id"]);
    }
}
