//! The JSON Schema and the reference of the mapping language: committed copies are up to date, every
//! mapping file of the repository fits, and what does not belong into one is refused.
#![cfg(test)]

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use scimbridge::mapping::{reference, schema};
use serde_json::{Value, json};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn schema() -> Validator {
    jsonschema::draft202012::new(&schema::json_schema()).unwrap()
}

fn document(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    schema::document(&text).unwrap_or_else(|| panic!("{}", path.display()))
}

fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in ["mappings", "tests/mappings", "tests/dialogues"] {
        let entries = std::fs::read_dir(root().join(folder)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        files.extend(paths.filter(|path| path.extension().is_some_and(|ending| ending == "yaml")));
    }
    files
}

#[test]
fn every_mapping_file_fits() {
    let schema = schema();
    let files = files();
    assert!(files.len() > 10);
    let mut misfits = Vec::new();
    for path in files {
        let document = document(&path);
        let errors = schema.iter_errors(&document);
        misfits.extend(
            errors.map(|error| format!("{}: {}: {error}", path.display(), error.instance_path())),
        );
    }
    assert!(misfits.is_empty(), "{}", misfits.join("\n"));
}

/// The legacy application's mapping with one value exchanged.
fn changed(pointer: &str, value: Value) -> Value {
    let mut document = document(&root().join("mappings/legacy-app.yaml"));
    let (outer, name) = pointer.rsplit_once('/').unwrap();
    let outer = document.pointer_mut(outer).unwrap_or_else(|| panic!("{outer} is not there"));
    outer.as_object_mut().unwrap().insert(name.to_owned(), value);
    document
}

#[test]
fn faults_are_refused() {
    let schema = schema();
    for (pointer, value) in [
        ("/nmae", json!("x")),
        ("/config/key/secret", json!("yes")),
        ("/api/timeout", json!("ten seconds")),
        ("/api/auth/heder", json!("X")),
        ("/errors/rules", json!([{ "status": 422 }])),
        ("/errors/rules", json!([{ "status": 422, "scim": "duplicate" }])),
        ("/errors/rules", json!([{ "status": "6xx", "scim": "ok" }])),
        ("/resources/User/get", json!("/people/{id}")),
        ("/resources/User/get/get", json!({ "id": null })),
        ("/resources/User/create", json!([])),
        ("/resources/User/delete", json!("destroy")),
        ("/resources/User/attributes/title", json!("job_title")),
        ("/resources/User/attributes/title", json!({ "mod": "read" })),
        ("/resources/User/attributes/title", json!({ "path": "$.t", "via": "uppercase" })),
        ("/resources/User/attributes/title", json!({ "path": "$.t", "via": { "uppercase": 1 } })),
        ("/resources/User/attributes/emails/item/value", json!({ "path": "address" })),
        ("/resources/User/filters/userName eq", json!({ "param": "login" })),
        ("/resources/User/scan_limit", json!(-1)),
        ("/resources/User/list/pages/max", json!("all")),
        ("/tests", json!([{ "name": "x", "scim": "GET /Users" }])),
    ] {
        assert!(!schema.is_valid(&changed(pointer, value.clone())), "{pointer}: {value}");
    }
    for (pointer, value) in [
        ("/resources/User/attributes/title", json!({ "path": "$.t", "on_clear": null })),
        (
            "/resources/User/attributes/title",
            json!({ "path": "$.t", "via": [{ "map": { "a": 1 }, "else": 2 }, "not"] }),
        ),
        ("/resources/User/delete", json!([{ "delete": "/people/{id}" }])),
        ("/resources/User/filters/userName eq", json!({ "query": { "q": "{value}" } })),
        ("/api/max_response", json!(4096)),
    ] {
        assert!(schema.is_valid(&changed(pointer, value.clone())), "{pointer}: {value}");
    }
}

#[test]
fn files_with_a_wrong_field_or_type_are_refused() {
    let schema = schema();
    for name in ["E010", "E011", "E012"] {
        let folder = std::fs::read_dir(root().join("tests/mappings/broken")).unwrap();
        let paths = folder.map(|entry| entry.unwrap().path());
        let is_meant =
            |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(name);
        let paths: Vec<PathBuf> = paths.filter(is_meant).collect();
        assert!(!paths.is_empty(), "{name}");
        for path in paths {
            assert!(!schema.is_valid(&document(&path)), "{}", path.display());
        }
    }
}

#[test]
fn the_committed_schema_is_up_to_date() {
    let text = std::fs::read_to_string(root().join("docs/mapping.schema.json")).unwrap();
    let committed: Value = serde_json::from_str(&text).unwrap();
    let why = "run: scimbridge schema > docs/mapping.schema.json";
    assert_eq!(committed, schema::json_schema(), "{why}");
}

#[test]
fn the_committed_reference_is_up_to_date() {
    let committed = std::fs::read_to_string(root().join("docs/mapping-reference.md")).unwrap();
    let why = "run: scimbridge schema --markdown > docs/mapping-reference.md";
    assert_eq!(committed, reference::markdown(), "{why}");
}
