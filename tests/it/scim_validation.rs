//! The validation vectors, in the strict dialect: a body is read, held against the resource it
//! replaces and against its neighbours, and what is kept is compared.
//!
//! Uniqueness is the application's to judge; here the neighbours stand for it, searched with the
//! filter that an identity provider would send.
#![cfg(test)]

use scimbridge::scim::attr::AttrPath;
use scimbridge::scim::deviation::Deviations;
use scimbridge::scim::filter::ast::{CompareOp, Filter};
use scimbridge::scim::filter::eval::CompiledFilter;
use scimbridge::scim::immutable::{check_immutable, keep_immutable};
use scimbridge::scim::resource::{Resource, is_unassigned};
use scimbridge::scim::schema::{ResourceType, Uniqueness};
use scimbridge::scim::validate::{ValidationError, read_resource, require};
use scimbridge::scim::value::Dialect;
use serde_json::{Map, Value};

use crate::fixtures::resource_type;

#[test]
fn bodies_are_kept_or_refused_as_the_rfc_says() {
    let types = [resource_type("User"), resource_type("Group")];
    let mut wrong = Vec::new();
    for vector in vectors() {
        let kept = keep(&vector, of_vector(&types, &vector), Dialect::Strict);
        if !agrees(&vector, &kept) {
            wrong.push(format!("{}: {kept:?}", vector["id"]));
        }
    }
    assert_eq!(wrong, [""; 0]);
}

/// The lenient dialect forgives; it never refuses or changes what the strict one keeps.
#[test]
fn valid_bodies_mean_the_same_in_the_lenient_dialect() {
    let types = [resource_type("User"), resource_type("Group")];
    for vector in vectors().iter().filter(|vector| vector["valid"] == true) {
        let kept = keep(vector, of_vector(&types, vector), Dialect::Lenient);
        assert!(agrees(vector, &kept), "{}: {kept:?}", vector["id"]);
    }
}

#[test]
fn known_clients_may_leave_schemas_out_in_the_lenient_dialect() {
    let types = [resource_type("User"), resource_type("Group")];
    let tagged = |vector: &&Value| {
        let tags = vector["tags"].as_array();
        tags.is_some_and(|tags| tags.iter().any(|tag| tag == "conflict:lenient-clients"))
    };
    let vectors = vectors();
    assert!(vectors.iter().any(|vector| tagged(&vector)));
    for vector in vectors.iter().filter(tagged) {
        let resource_type = of_vector(&types, vector);
        let kept = keep(vector, resource_type, Dialect::Lenient).expect("a forgiven body");
        assert_eq!(kept.0["schemas"], Value::from([resource_type.core.id.as_str()].as_slice()));
    }
}

fn vectors() -> Vec<Value> {
    let mut document: Value =
        serde_json::from_str(include_str!("../vectors/validation.json")).expect("JSON");
    let Value::Array(vectors) = document["vectors"].take() else { panic!("no vectors") };
    assert!(!vectors.is_empty());
    vectors
}

fn of_vector<'t>(types: &'t [ResourceType], vector: &Value) -> &'t ResourceType {
    let mut types = types.iter();
    types.find(|resource_type| vector["schema"] == resource_type.name).expect("a known type")
}

#[derive(Debug)]
enum Refusal {
    Validation(ValidationError),
    Taken,
}

impl Refusal {
    fn scim_type(&self) -> &'static str {
        match self {
            Self::Validation(ValidationError::Immutable { .. }) => "mutability",
            Self::Validation(
                ValidationError::NotAnObject
                | ValidationError::Schemas
                | ValidationError::SchemaNotDeclared { .. }
                | ValidationError::UnknownSchema { .. }
                | ValidationError::UnknownAttribute { .. }
                | ValidationError::Repeated { .. }
                | ValidationError::ExtensionNotAnObject { .. },
            ) => "invalidSyntax",
            Self::Validation(ValidationError::Value(_) | ValidationError::Required { .. }) => {
                "invalidValue"
            }
            Self::Taken => "uniqueness",
        }
    }
}

/// What a server keeps of a vector's body.
fn keep(
    vector: &Value,
    resource_type: &ResourceType,
    dialect: Dialect,
) -> Result<Resource, Refusal> {
    let mut noted = Deviations::default();
    let mut resource = read_resource(&vector["resource"], resource_type, dialect, &mut noted)
        .map_err(Refusal::Validation)?;
    require(&resource, resource_type).map_err(Refusal::Validation)?;
    if let Some(existing) = vector["existing"].as_object() {
        let existing = Resource(existing.clone());
        check_immutable(&existing, &resource, resource_type).map_err(Refusal::Validation)?;
        keep_immutable(&existing, &mut resource, resource_type);
    }
    let neighbours = vector["population"].as_array().into_iter().flatten();
    for neighbour in neighbours.filter_map(Value::as_object) {
        if clash(&resource, &Resource(neighbour.clone()), resource_type) {
            return Err(Refusal::Taken);
        }
    }
    Ok(resource)
}

/// Whether both have the same value where it must be unique.
fn clash(one: &Resource, other: &Resource, resource_type: &ResourceType) -> bool {
    let attributes = resource_type.core.attributes.iter();
    let unique = attributes.filter(|attribute| attribute.uniqueness != Uniqueness::None);
    let taken = |(name, value): (&str, &Value)| {
        let path: AttrPath = name.parse().expect("a name");
        let filter = Filter::Compare(path, CompareOp::Eq, value.clone());
        let filter = CompiledFilter::new(&filter, resource_type, Dialect::Strict);
        filter.expect("eq is for every type").matches(other)
    };
    unique
        .filter_map(|attribute| Some((attribute.name.as_str(), one.get(None, &attribute.name)?)))
        .any(taken)
}

fn agrees(vector: &Value, kept: &Result<Resource, Refusal>) -> bool {
    let has_tag =
        |name: &str| vector["tags"].as_array().is_some_and(|t| t.iter().any(|t| t == name));
    match kept {
        Err(refusal) => {
            let allowed = vector["error"]["scimTypes"].as_array();
            allowed.is_some_and(|types| types.iter().any(|one| one == refusal.scim_type()))
        }
        Ok(_) if vector["valid"] == false => false,
        // Only whether it is accepted is fixed; the form of the value is not.
        Ok(_) if has_tag("value-form") => true,
        Ok(resource) => {
            let stored = comparable(vector["stored"].as_object().expect("what is stored"));
            let kept = comparable(&resource.0);
            let mut stored = stored.into_iter();
            if has_tag("compare:subset") {
                return stored.all(|(name, value)| kept.get(&name) == Some(&value));
            }
            stored.collect::<Map<_, _>>() == kept
        }
    }
}

/// Unassigned values and `primary: false` are as good as absent; lists are sets.
fn comparable(members: &Map<String, Value>) -> Map<String, Value> {
    let members = members.iter().map(|(name, value)| {
        let value = match value {
            Value::Object(members) => Value::Object(comparable(members)),
            Value::Array(elements) => {
                let element = |element: &Value| match element {
                    Value::Object(members) => Value::Object(comparable(members)),
                    simple => simple.clone(),
                };
                let mut elements: Vec<Value> = elements.iter().map(element).collect();
                elements.sort_by_key(Value::to_string);
                Value::Array(elements)
            }
            simple => simple.clone(),
        };
        (name.clone(), value)
    });
    let said = |(name, value): &(String, Value)| match value {
        Value::Bool(false) => name != "primary",
        other => !is_unassigned(other),
    };
    members.filter(said).collect()
}
