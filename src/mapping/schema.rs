//! The language as a JSON Schema (draft 2020-12), for editors: made from the tables of `file/`, so
//! it knows every field and nothing else. How the parts of a file fit together is beyond it; that
//! is what loading judges.

use serde_json::{Map, Value, json};

use crate::mapping::diagnostic::Diagnostics;
use crate::mapping::file::catalogue::objects;
use crate::mapping::file::shape::{Field, Object, Scalar, Shape};
use crate::mapping::yaml;

/// The schema of mapping files.
pub fn json_schema() -> Value {
    let objects = objects();
    let root = objects.first().map_or_else(String::new, |file| reference(file.name));
    let definitions = objects.iter().map(|object| (object.name.to_owned(), definition(object)));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "scimbridge mapping",
        "$ref": root,
        "$defs": definitions.collect::<Map<_, _>>(),
    })
}

/// A mapping file as the schema sees it; `None` when it is no YAML.
pub fn document(text: &str) -> Option<Value> {
    yaml::read(text, &mut Diagnostics::default()).map(|node| node.to_json())
}

fn reference(name: &str) -> String {
    format!("#/$defs/{name}")
}

fn definition(object: &Object) -> Value {
    let properties = object.fields.iter().map(|field| (field.name.to_owned(), property(field)));
    let required: Vec<&str> =
        object.fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    let mut definition = json!({
        "description": object.doc,
        "type": "object",
        "additionalProperties": false,
        "properties": properties.collect::<Map<_, _>>(),
    });
    if !required.is_empty() {
        insert(&mut definition, "required", json!(required));
    }
    definition
}

fn property(field: &Field) -> Value {
    let mut property = value(&field.shape);
    if !field.doc.is_empty() {
        insert(&mut property, "description", json!(field.doc));
    }
    if let Some(default) = field.default_value() {
        insert(&mut property, "default", default);
    }
    property
}

fn value(shape: &Shape) -> Value {
    match shape {
        Shape::Any => json!({}),
        Shape::Scalar(scalar) => single(scalar),
        Shape::Words(words) => {
            let mut words: Vec<Value> = words.iter().map(|word| json!(word)).collect();
            // Nobody quotes `on_clear: null`, and it means the word.
            if words.contains(&json!("null")) {
                words.push(Value::Null);
            }
            json!({ "enum": words })
        }
        Shape::List(inner) => json!({ "type": "array", "items": value(inner) }),
        Shape::OneOrMany(inner) => {
            let list = json!({ "type": "array", "items": value(inner), "minItems": 1 });
            any_of(value(inner), [list])
        }
        Shape::Map(inner) => json!({ "type": "object", "additionalProperties": value(inner) }),
        Shape::Object(table) => json!({ "$ref": reference(table().name) }),
        Shape::Either(shapes) => {
            let mut values = shapes.iter().map(value);
            let first = values.next().unwrap_or_else(|| json!({}));
            any_of(first, values)
        }
    }
}

/// Alternatives; those of an alternative become alternatives themselves.
fn any_of(first: Value, others: impl IntoIterator<Item = Value>) -> Value {
    let mut all = Vec::new();
    for alternative in std::iter::once(first).chain(others) {
        match alternative.get("anyOf").and_then(Value::as_array) {
            Some(inner) => all.extend(inner.iter().cloned()),
            None => all.push(alternative),
        }
    }
    json!({ "anyOf": all })
}

fn single(scalar: &Scalar) -> Value {
    let mut single = match scalar.types {
        [only] => json!({ "type": only }),
        several => json!({ "type": several }),
    };
    if let Some(pattern) = scalar.pattern {
        insert(&mut single, "pattern", json!(pattern));
    }
    if scalar.types.contains(&"integer") {
        insert(&mut single, "minimum", json!(0));
    }
    single
}

fn insert(object: &mut Value, name: &str, member: Value) {
    if let Value::Object(members) = object {
        members.insert(name.to_owned(), member);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::mapping::schema::json_schema;

    fn row(field: &str) -> Value {
        json_schema()["$defs"]["Row"]["properties"][field].clone()
    }

    fn without_words(mut property: Value) -> Value {
        property.as_object_mut().unwrap().remove("description");
        property
    }

    #[test]
    fn short_forms_are_alternatives() {
        let path = json!({ "type": "string", "pattern": "^\\$" });
        let paths = json!({ "type": "array", "items": path, "minItems": 1 });
        assert_eq!(without_words(row("path")), json!({ "anyOf": [path, paths] }));
        let entry = json!({ "anyOf": [path, { "enum": ["sidecar"] }, { "$ref": "#/$defs/Row" }] });
        assert_eq!(
            without_words(row("item")),
            json!({ "type": "object", "additionalProperties": entry })
        );
        assert_eq!(row("batch")["anyOf"][1], json!({ "enum": ["all"] }));
    }

    #[test]
    fn an_unquoted_null_is_the_word() {
        assert_eq!(
            row("on_clear")["enum"],
            json!(["null", "omit", "empty", "remove", "reject", "default", null])
        );
    }

    #[test]
    fn objects_are_closed_and_say_what_they_need() {
        let schema = json_schema();
        for (name, definition) in schema["$defs"].as_object().unwrap() {
            assert_eq!(definition["additionalProperties"], false, "{name}");
        }
        assert_eq!(
            schema["$defs"]["File"]["required"],
            json!(["bridge", "name", "api", "resources"])
        );
    }
}
