//! What the laws of a mapping are tried on: values that the file itself writes out in its examples
//! and tests, values of which the transforms say that they are hard, and typical values of each
//! SCIM type. The file's own come first, so that a counter-example speaks of its own world.

use serde_json::{Map, Value, json};

use crate::convert::key;
use crate::convert::references::References;
use crate::mapping::model::{IdRule, IdSourceRule, IdType, Mapping, ResourceMapping, Test};
use crate::mapping::transform::kind::Transform;
use crate::scim::deviation::Deviations;
use crate::scim::patch::request::PatchRequest;
use crate::scim::resource::Resource;
use crate::scim::schema::{Attribute, AttributeType, ResourceType};
use crate::scim::validate;
use crate::scim::value::Dialect;

/// Most resources of one type that are taken from the file, so that a long one is checked as fast
/// as a short one.
const MOST_RESOURCES: usize = 100;

/// Most values that one row is tried on.
pub const MOST_VALUES: usize = 200;

/// Texts that have gone wrong before: parts that hold a separator, letter case, letters beyond
/// ASCII, blanks, and what looks like something else.
const TEXTS: [&str; 12] = [
    "Ada Lovelace",
    "MixedCase",
    "Jan van der Berg",
    "O'Brien",
    "a,b; c|d/e\\f",
    "Łucja Öberg",
    "日本語",
    "7",
    "007",
    "true",
    "{\"a\": 1}",
    "two  blanks",
];

/// The resources that a file writes out, as SCIM has them: those of the examples, those that its
/// tests send, and those that they expect.
pub fn resources(mapping: &Mapping, resource: &ResourceMapping) -> Vec<Resource> {
    let examples = resource.examples.iter().filter_map(|example| view(&example.scim));
    let tests = mapping.tests.iter().flat_map(|test| written_in(test, resource));
    examples.chain(tests).take(MOST_RESOURCES).collect()
}

fn view(scim: &Value) -> Option<Resource> {
    scim.as_object().cloned().map(Resource)
}

fn written_in(test: &Test, resource: &ResourceMapping) -> Vec<Resource> {
    let resource_type = &resource.resource_type;
    let Some((verb, target)) = test.scim.split_once(' ') else { return Vec::new() };
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    let rest = path.strip_prefix(resource_type.endpoint.as_str());
    if !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return Vec::new();
    }
    let sent = test.body.as_ref().and_then(|body| sent(verb, body, resource_type));
    let expected = test.response.as_ref().into_iter().flat_map(|response| {
        let listed = response.get("Resources").and_then(Value::as_array);
        listed.map_or_else(|| std::slice::from_ref(response), Vec::as_slice)
    });
    sent.into_iter().chain(expected.filter_map(view)).collect()
}

/// What a test sends. What cannot be read as a resource has nothing to try: the test says so.
fn sent(verb: &str, body: &Value, resource_type: &ResourceType) -> Option<Resource> {
    let mut noted = Deviations::default();
    let dialect = Dialect::Lenient;
    match verb {
        "POST" | "PUT" => validate::read_resource(body, resource_type, dialect, &mut noted).ok(),
        "PATCH" => {
            let patch = PatchRequest::parse(body, resource_type, dialect, &mut noted).ok()?;
            patch.apply(&Resource::default(), resource_type, &mut noted).ok()
        }
        _ => None,
    }
}

/// Typical and hard values of an attribute's type. `whole` says that an array is meant when the
/// attribute has several values.
pub fn typical(attribute: &Attribute, whole: Whole) -> Vec<Value> {
    if attribute.multi_valued && whole == Whole::Array {
        let single = typical(attribute, Whole::Element);
        let lists =
            single.iter().zip(single.iter().skip(1)).map(|(one, other)| json!([one, other]));
        return single.iter().map(|one| json!([one])).chain(lists).collect();
    }
    match attribute.kind {
        AttributeType::String => TEXTS.map(Value::from).into(),
        AttributeType::Boolean => vec![json!(true), json!(false)],
        AttributeType::Integer => vec![json!(7), json!(0), json!(-1), json!(1_700_000_000)],
        AttributeType::Decimal => vec![json!(1.5), json!(7), json!(-0.25)],
        AttributeType::DateTime => {
            vec![json!("2024-02-29T23:59:59Z"), json!("2024-05-01T10:00:00+05:30")]
        }
        AttributeType::Binary => vec![json!("TUlJQg==")],
        AttributeType::Reference => vec![json!("https://example.org/x?y=1")],
        AttributeType::Complex => {
            let member = |sub: &Attribute| {
                Some((sub.name.clone(), typical(sub, Whole::Array).into_iter().next()?))
            };
            let members: Map<String, Value> =
                attribute.sub_attributes.iter().filter_map(member).collect();
            if members.is_empty() { Vec::new() } else { vec![Value::Object(members)] }
        }
    }
}

/// Values of several attributes that one row maps together: each has one, or one has none.
pub fn together(leaves: &[&Attribute]) -> Vec<Value> {
    let columns: Vec<Vec<Value>> =
        leaves.iter().map(|leaf| typical(leaf, Whole::Element)).collect();
    let longest = columns.iter().map(Vec::len).max().unwrap_or(0);
    let row = |at: usize, without: Option<usize>| -> Value {
        let value = |(index, column): (usize, &Vec<Value>)| {
            let value = column.get((at + index) % column.len().max(1)).cloned();
            if without == Some(index) { Value::Null } else { value.unwrap_or_default() }
        };
        columns.iter().enumerate().map(value).collect()
    };
    let full = (0..longest).map(|at| row(at, None));
    full.chain((0..columns.len()).map(|index| row(0, Some(index)))).collect()
}

/// What of an attribute with several values is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// All of them.
    Array,
    /// One.
    Element,
}

/// SCIM values that the transforms of a row name, each brought through those behind it.
pub fn of_transforms(via: &[std::sync::Arc<dyn Transform>]) -> Vec<Value> {
    let mut found = Vec::new();
    for (index, transform) in via.iter().enumerate().rev() {
        let behind = via.get(index + 1..).unwrap_or_default();
        found.extend(transform.samples().into_iter().filter_map(|value| read(behind, value)));
        let with_it = via.get(index..).unwrap_or_default();
        let natives = transform.native_samples().into_iter();
        found.extend(natives.filter_map(|value| read(with_it, value)));
    }
    found
}

/// Native values that the transforms of a row name, each brought back through those before it.
pub fn natives_of_transforms(via: &[std::sync::Arc<dyn Transform>]) -> Vec<Value> {
    let mut found = Vec::new();
    for (index, transform) in via.iter().enumerate() {
        let before = via.get(..index).unwrap_or_default();
        found.extend(transform.native_samples().into_iter().filter_map(|value| {
            before.iter().rev().try_fold(value, |value, step| step.to_native(&value, None).ok())
        }));
    }
    found
}

fn read(via: &[std::sync::Arc<dyn Transform>], value: Value) -> Option<Value> {
    via.iter().try_fold(value, |value, transform| transform.to_scim(&value).ok())
}

/// SCIM ids of a resource type that references can be tried on.
pub fn ids(mapping: &Mapping, target: &str) -> Vec<Value> {
    let Some(resource) = mapping.resource(target) else { return Vec::new() };
    pairs(resource).into_iter().map(|(id, _)| Value::from(id)).collect()
}

/// References in which the ids of [`ids`] are known.
pub fn references(mapping: &Mapping) -> References {
    let mut references = References::default();
    for resource in &mapping.resources {
        for (id, native_key) in pairs(resource) {
            references.insert(&resource.name, &id, &native_key);
        }
    }
    references
}

/// Ids and keys of a resource type: those of its examples, and one that its rule allows.
fn pairs(resource: &ResourceMapping) -> Vec<(String, String)> {
    let of_examples = resource
        .examples
        .iter()
        .filter_map(|example| key::of_record(&resource.id, &example.native).ok());
    let made = of_kind(&resource.id).into_iter().map(str::to_owned);
    let mut keys: Vec<String> = Vec::new();
    for native_key in of_examples.chain(made) {
        if key::is_plausible(&resource.id, &native_key) && !keys.contains(&native_key) {
            keys.push(native_key);
        }
    }
    let id = |(index, native_key): (usize, String)| match resource.id.source {
        IdSourceRule::Native => (native_key.clone(), native_key),
        IdSourceRule::Issued => (format!("00000000-0000-4000-8000-{index:012}"), native_key),
    };
    keys.into_iter().enumerate().map(id).collect()
}

fn of_kind(rule: &IdRule) -> [&'static str; 2] {
    match rule.kind {
        IdType::String => ["ada", "a b"],
        IdType::Integer => ["7", "1"],
        IdType::Uuid => {
            ["6f1c9a52-3d41-4b9e-9a59-0d8b0a7c1e2f", "11111111-2222-4333-8444-555555555555"]
        }
    }
}
