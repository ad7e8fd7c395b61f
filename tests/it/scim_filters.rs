//! The filter vectors: every filter is parsed, printed and run over the sample resources, in both
//! dialects. The lenient one must read what the strict one reads, to the same tree.
#![cfg(test)]

use scimbridge::scim::attr::AttrPath;
use scimbridge::scim::filter::ast::Filter;
use scimbridge::scim::filter::error::FilterError;
use scimbridge::scim::filter::eval::CompiledFilter;
use scimbridge::scim::resource::Resource;
use scimbridge::scim::schema::ResourceType;
use scimbridge::scim::value::Dialect;
use serde_json::{Value, json};

use crate::fixtures::resource_type;

const DIALECTS: [Dialect; 2] = [Dialect::Strict, Dialect::Lenient];

#[test]
fn valid_filters_have_their_tree() {
    for vector in vectors(|vector| vector["valid"] == true) {
        for dialect in DIALECTS {
            let filter = Filter::parse(text(&vector), dialect)
                .unwrap_or_else(|error| panic!("{}: {error}", vector["id"]));
            assert_eq!(tree(&filter), vector["ast"], "{} {dialect:?}", vector["id"]);
            let again = Filter::parse(&filter.to_string(), Dialect::Strict);
            assert_eq!(again, Ok(filter), "{} printed", vector["id"]);
        }
    }
}

#[test]
fn filters_select_the_resources_that_the_rfc_fixes() {
    let types = [resource_type("User"), resource_type("Group")];
    let mut wrong = Vec::new();
    for vector in vectors(|vector| vector["match"].is_array()) {
        let resource_type = of_vector(&types, &vector);
        for dialect in DIALECTS {
            let filter = compile(&vector, resource_type, dialect).expect("a valid filter");
            let mut selected = population(&vector);
            selected.retain(|(_, resource)| filter.matches(resource));
            let mut names: Vec<String> = selected.into_iter().map(|(name, _)| name).collect();
            names.sort();
            if Value::from(names.clone()) != vector["match"] {
                wrong.push(format!("{} {dialect:?}: {names:?}", vector["id"]));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn invalid_filters_are_refused_unless_they_are_widely_tolerated() {
    let types = [resource_type("User"), resource_type("Group")];
    for vector in vectors(|vector| vector["valid"] == false) {
        let resource_type = of_vector(&types, &vector);
        let strict = compile(&vector, resource_type, Dialect::Strict);
        assert!(strict.is_err(), "{} strict", vector["id"]);
        let lenient = compile(&vector, resource_type, Dialect::Lenient);
        assert_eq!(lenient.is_ok(), vector["lenient_ok"] == true, "{} lenient", vector["id"]);
    }
}

fn vectors(wanted: fn(&Value) -> bool) -> Vec<Value> {
    let mut document: Value =
        serde_json::from_str(include_str!("../vectors/filters.json")).expect("JSON");
    let Value::Array(mut vectors) = document["vectors"].take() else { panic!("no vectors") };
    vectors.retain(wanted);
    assert!(!vectors.is_empty());
    vectors
}

fn of_vector<'t>(types: &'t [ResourceType], vector: &Value) -> &'t ResourceType {
    let mut types = types.iter();
    types.find(|resource_type| vector["schema"] == resource_type.name).expect("a known type")
}

fn text(vector: &Value) -> &str {
    vector["filter"].as_str().expect("a filter")
}

fn compile(
    vector: &Value,
    resource_type: &ResourceType,
    dialect: Dialect,
) -> Result<CompiledFilter, FilterError> {
    let filter = Filter::parse(text(vector), dialect)?;
    CompiledFilter::new(&filter, resource_type, dialect)
}

fn population(vector: &Value) -> Vec<(String, Resource)> {
    let mut document: Value =
        serde_json::from_str(include_str!("../vectors/fixtures/population.json")).expect("JSON");
    let kind = if vector["schema"] == "User" { "users" } else { "groups" };
    let Value::Object(members) = document[kind].take() else { panic!("no population") };
    let resource = |value: Value| Resource(value.as_object().expect("a resource").clone());
    members.into_iter().map(|(name, value)| (name, resource(value))).collect()
}

fn tree(filter: &Filter) -> Value {
    match filter {
        Filter::Compare(name, op, value) => {
            json!({ "op": op.keyword(), "path": path(name), "value": value })
        }
        Filter::Present(name) => json!({ "op": "pr", "path": path(name) }),
        Filter::And(terms) => json!({ "op": "and", "args": trees(terms) }),
        Filter::Or(terms) => json!({ "op": "or", "args": trees(terms) }),
        Filter::Not(inner) => json!({ "op": "not", "arg": tree(inner) }),
        Filter::ValuePath(name, inner) => {
            json!({ "op": "valuePath", "path": path(name), "filter": tree(inner) })
        }
    }
}

fn trees(filters: &[Filter]) -> Vec<Value> {
    filters.iter().map(tree).collect()
}

fn path(path: &AttrPath) -> Value {
    json!({ "urn": path.urn, "attr": path.attr, "sub": path.sub })
}
