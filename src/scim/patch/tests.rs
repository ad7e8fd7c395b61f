//! What identity providers send, read and applied to the built-in types in the lenient dialect,
//! and the points at which the strict dialect differs. The RFC's own rules are held by the
//! vectors of `tests/vectors/patch.json`.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::scim::builtin::{group_type, user_type};
use crate::scim::deviation::{Deviation, Deviations};
use crate::scim::error::ScimType;
use crate::scim::filter::ast::Filter;
use crate::scim::patch::error::PatchError;
use crate::scim::patch::operation::OperationKind;
use crate::scim::patch::request::{MAX_OPERATIONS, PatchRequest};
use crate::scim::resource::Resource;
use crate::scim::schema::{Mutability, ResourceType};
use crate::scim::urn;
use crate::scim::value::Dialect;

const ENTERPRISE: &str = urn::ENTERPRISE_USER;

fn message(operations: &Value) -> Value {
    json!({ "schemas": [urn::PATCH_OP], "Operations": operations })
}

fn parse(body: &Value, kind: &ResourceType, dialect: Dialect) -> Result<PatchRequest, PatchError> {
    PatchRequest::parse(body, kind, dialect, &mut Deviations::default())
}

fn read(operations: &Value, kind: &ResourceType, dialect: Dialect) -> PatchRequest {
    parse(&message(operations), kind, dialect)
        .unwrap_or_else(|error| panic!("{operations}: {error}"))
}

/// Operations in one line each: `replace emails[type eq "work"].value = "a"`.
fn regular(operations: &Value, kind: &ResourceType) -> Vec<String> {
    let request = read(operations, kind, Dialect::Lenient);
    let lines = request.operations.iter().map(|operation| {
        let kind = match operation.kind {
            OperationKind::Add => "add",
            OperationKind::Remove => "remove",
            OperationKind::Replace => "replace",
        };
        let target = &operation.target;
        let mut line = format!("{kind} ");
        if target.extension.is_some() {
            line.push_str("ext:");
        }
        line.push_str(&target.attribute);
        if let Some(filter) = &target.filter {
            write!(line, "[{filter}]").unwrap();
        }
        if let Some(sub) = &target.sub {
            write!(line, ".{sub}").unwrap();
        }
        if let Some(value) = &operation.value {
            write!(line, " = {value}").unwrap();
        }
        line
    });
    lines.collect()
}

fn check_user(operation: Value, expected: &[&str]) {
    let operations = Value::Array(vec![operation]);
    assert_eq!(regular(&operations, &user_type()), expected, "{operations}");
}

fn check_group(operation: Value, expected: &[&str]) {
    let operations = Value::Array(vec![operation]);
    assert_eq!(regular(&operations, &group_type()), expected, "{operations}");
}

fn apply(kind: &ResourceType, resource: Value, operations: &Value) -> Result<Value, PatchError> {
    let Value::Object(members) = resource else { panic!("a resource is an object") };
    let request = parse(&message(operations), kind, Dialect::Lenient)?;
    Ok(Value::Object(request.apply(&Resource(members), kind, &mut Deviations::default())?.0))
}

fn user(attributes: Value) -> Value {
    let mut user = json!({ "schemas": [urn::USER], "id": "7", "userName": "ada" });
    let Value::Object(attributes) = attributes else { panic!("attributes are an object") };
    user.as_object_mut().unwrap().extend(attributes);
    user
}

/// What the operations make of a user with these attributes.
fn check_apply(attributes: Value, operations: &Value, expected: Value) {
    let after = apply(&user_type(), user(attributes), operations);
    assert_eq!(after.unwrap(), user(expected), "{operations}");
}

#[test]
fn booleans_and_operations_of_entra_id() {
    for value in [json!("False"), json!("false"), json!(["False"]), json!(false)] {
        check_user(
            json!({ "op": "Replace", "path": "Active", "value": value }),
            &["replace active = false"],
        );
    }
    check_user(json!({ "OP": "ADD", "value": { "active": "True" } }), &["add active = true"]);
}

#[test]
fn keys_of_path_less_values_may_be_paths() {
    let department = format!("{ENTERPRISE}:department");
    let value = json!({
        "name.givenName": "Omer",
        (department): "Engines",
        "urn:ietf:params:scim:schemas:core:2.0:User:title": "Dr",
        "emails[type eq \"work\"].value": "o@x.example",
        (ENTERPRISE): { "costCenter": "4", "manager.value": "9" },
        "manager": "8",
    });
    check_user(
        json!({ "op": "replace", "value": value }),
        &[
            "replace name.givenName = \"Omer\"",
            "replace ext:department = \"Engines\"",
            "replace title = \"Dr\"",
            "replace emails[type eq \"work\"].value = \"o@x.example\"",
            "replace ext:costCenter = \"4\"",
            "replace ext:manager.value = \"9\"",
            "replace ext:manager = {\"value\":\"8\"}",
        ],
    );
}

#[test]
fn read_only_names_in_values_are_passed_over() {
    let value = json!({
        "schemas": [urn::USER], "id": "7", "meta": { "version": "1" }, "groups": [{"value": "g"}],
        "userName": "ada",
    });
    check_user(json!({ "op": "replace", "value": value }), &["replace userName = \"ada\""]);
    check_group(
        json!({ "op": "replace", "value": { "id": "9", "displayName": "New" } }),
        &["replace displayName = \"New\""],
    );
}

#[test]
fn unknown_names_are_dropped_and_counted() {
    let operations = json!([
        { "op": "Add", "path": "mailNickname", "value": "x" },
        { "op": "Add", "path": "urn:acme:2.0:User:level", "value": 7 },
        { "op": "replace", "path": "name.shoeSize", "value": 7 },
        { "op": "replace", "path": "emails[kind eq \"work\"].value", "value": "x" },
        { "op": "replace", "value": { "active": false, "urn:acme:2.0:User": {"a": 1}, "x y": 1 } },
    ]);
    let mut noted = Deviations::default();
    let body = message(&operations);
    let request = PatchRequest::parse(&body, &user_type(), Dialect::Lenient, &mut noted).unwrap();
    assert_eq!(request.operations.len(), 1);
    assert_eq!(noted.count(Deviation::UnknownAttribute), 6);
    assert_eq!(noted.count(Deviation::CapitalisedOperation), 2);
}

#[test]
fn managers_in_all_their_forms() {
    let set = ["replace ext:manager = {\"value\":\"9\"}"];
    let path = format!("{ENTERPRISE}:manager");
    for value in [json!("9"), json!({"value": "9"}), json!([{"$ref": null, "value": "9"}])] {
        check_user(json!({ "op": "replace", "path": path, "value": value }), &set);
        check_user(json!({ "op": "replace", "path": "manager", "value": value }), &set);
        let value = json!({ (path.as_str()): value });
        check_user(json!({ "op": "replace", "value": value }), &set);
    }
    for value in [json!(""), json!({"value": ""}), json!({"value": null}), json!(null)] {
        let remove = ["remove ext:manager"];
        check_user(json!({ "op": "Replace", "path": path, "value": value }), &remove);
        check_user(json!({ "op": "Add", "path": "manager", "value": value }), &remove);
    }
}

#[test]
fn old_jobs_of_entra_id() {
    let wrapped = |value: &str| json!([{ "$ref": null, "value": value }]);
    check_user(
        json!({ "op": "Replace", "path": "name.familyName", "value": wrapped("Jobless") }),
        &["replace name.familyName = \"Jobless\""],
    );
    check_user(
        json!({ "op": "Add", "path": format!("{ENTERPRISE}.department"), "value": wrapped("A") }),
        &["add ext:department = \"A\""],
    );
    check_user(
        json!({ "op": "Replace", "path": "active", "value": wrapped("False") }),
        &["replace active = false"],
    );
    check_user(
        json!({ "op": "Add", "path": "emails[type eq \"other\"].Value", "value": wrapped("a@x") }),
        &["add emails[type eq \"other\"].value = \"a@x\""],
    );
}

#[test]
fn removal_of_members_named_in_the_value() {
    let both = ["remove members[value eq \"a\"]", "remove members[value eq \"b\"]"];
    let two = json!([{ "$ref": null, "value": "a" }, { "value": "b" }]);
    for value in [two.clone(), json!({ "members": two }), json!(["a", "b"])] {
        check_group(json!({ "op": "Remove", "path": "members", "value": value }), &both);
    }
    for value in [json!({ "value": "a" }), json!("a"), json!({ "Members": [{"value": "a"}] })] {
        let one = both.get(..1).unwrap();
        check_group(json!({ "op": "remove", "path": "members", "value": value }), one);
    }
    for value in [json!([]), json!({}), json!([{ "value": null }]), json!({ "members": [] })] {
        check_group(json!({ "op": "remove", "path": "members", "value": value }), &[]);
    }
    check_group(json!({ "op": "remove", "path": "members", "value": null }), &["remove members"]);
    check_group(json!({ "op": "remove", "path": "members" }), &["remove members"]);
    check_user(
        json!({ "op": "remove", "path": "addresses", "value": [{"type": "home", "region": "X"}] }),
        &["remove addresses[type eq \"home\" and region eq \"X\"]"],
    );
}

#[test]
fn lists_are_emptied_only_by_an_empty_list() {
    let replace = |value: Value| json!({ "op": "replace", "path": "members", "value": value });
    check_group(replace(json!([])), &["remove members"]);
    check_group(replace(json!(null)), &["remove members"]);
    check_group(replace(json!([{ "value": null }])), &[]);
    check_group(replace(json!([{ "unknown": 1 }])), &[]);
    check_group(json!({ "op": "add", "path": "members", "value": [] }), &[]);
    check_group(
        json!({ "op": "replace", "value": { "members": [], "displayName": "N" } }),
        &["remove members", "replace displayName = \"N\""],
    );
}

#[test]
fn null_inside_a_complex_value_takes_away_that_part() {
    let name = json!({ "givenName": null, "familyName": "L" });
    check_user(
        json!({ "op": "replace", "value": { "name": name } }),
        &["remove name.givenName", "replace name = {\"familyName\":\"L\"}"],
    );
    check_user(json!({ "op": "replace", "path": "name", "value": {} }), &[]);
    check_user(json!({ "op": "replace", "path": "name", "value": { "nick": "x" } }), &[]);
}

#[test]
fn additions_to_one_list_become_one_operation() {
    let operations = json!([
        { "op": "add", "path": "members", "value": [{ "value": "a" }] },
        { "op": "add", "path": "members", "value": [{ "value": "b" }, { "value": "c" }] },
        { "op": "remove", "path": "members[value eq \"d\"]" },
        { "op": "add", "path": "members", "value": [{ "value": "e" }] },
    ]);
    assert_eq!(
        regular(&operations, &group_type()),
        [
            "add members = [{\"value\":\"a\"},{\"value\":\"b\"},{\"value\":\"c\"}]",
            "remove members[value eq \"d\"]",
            "add members = [{\"value\":\"e\"}]",
        ]
    );
}

#[test]
fn an_extension_is_a_target_as_a_whole() {
    let value = json!({ "department": "Engines" });
    check_user(
        json!({ "op": "add", "path": ENTERPRISE, "value": value }),
        &["add ext:department = \"Engines\""],
    );
    let extended = json!({
        "schemas": [urn::USER, ENTERPRISE], (ENTERPRISE): { "department": "E", "costCenter": "4" },
    });
    check_apply(extended.clone(), &json!([{ "op": "remove", "path": ENTERPRISE }]), json!({}));
    let cleared = json!([{ "op": "replace", "value": { (ENTERPRISE): null } }]);
    check_apply(extended, &cleared, json!({}));
}

#[test]
fn a_filtered_path_without_a_hit_creates_one_element() {
    check_apply(
        json!({ "emails": [{ "value": "h@x", "type": "home" }] }),
        &json!([
            { "op": "replace", "path": "emails[type eq \"work\"].value", "value": "w@x" },
            { "op": "Add", "path": "emails[type eq \"Work\"].primary", "value": "True" },
        ]),
        json!({ "emails": [
            { "value": "h@x", "type": "home" },
            { "type": "work", "value": "w@x", "primary": true },
        ] }),
    );
    check_apply(
        json!({}),
        &json!([
            { "op": "Add", "path": "addresses[type eq \"work\"].locality", "value": "Turin" },
            { "op": "Add", "path": "addresses[type eq \"work\"].country", "value": "IT" },
        ]),
        json!({ "addresses": [{ "type": "work", "locality": "Turin", "country": "IT" }] }),
    );
    check_apply(
        json!({}),
        &json!([{ "op": "Add", "path": "roles[primary eq \"True\"].value", "value": "r" }]),
        json!({ "roles": [{ "primary": true, "value": "r" }] }),
    );
}

#[test]
fn what_describes_no_element_creates_none() {
    for path in ["emails[type ne \"work\"].value", "emails[type eq \"a\" or type eq \"b\"].value"] {
        let operations = json!([{ "op": "add", "path": path, "value": "x" }]);
        let error = apply(&user_type(), user(json!({})), &operations).unwrap_err();
        assert_eq!(error.scim_type(), ScimType::NoTarget);
    }
    let replace = json!([
        { "op": "replace", "path": "members[value eq \"u\"]", "value": { "value": "u" } }
    ]);
    let error = apply(&group_type(), json!({ "displayName": "G" }), &replace).unwrap_err();
    assert_eq!(error.scim_type(), ScimType::NoTarget);
}

#[test]
fn a_part_of_an_element_leaves_its_other_parts() {
    check_apply(
        json!({ "emails": [{ "value": "a@x", "type": "work", "primary": true }] }),
        &json!([{ "op": "replace", "path": "emails[type eq \"work\"]", "value": { "value": "b@x" } }]),
        json!({ "emails": [{ "value": "b@x", "type": "work", "primary": true }] }),
    );
}

#[test]
fn a_new_manager_does_not_keep_the_old_ones_name() {
    let manager = |manager: Value| json!({ "schemas": [urn::USER, ENTERPRISE], (ENTERPRISE): { "manager": manager } });
    let old = json!({ "value": "8", "$ref": "../Users/8", "displayName": "Grace" });
    for (path, value) in [("manager", json!("9")), ("manager.value", json!("9"))] {
        let operations = json!([{ "op": "replace", "path": path, "value": value }]);
        check_apply(manager(old.clone()), &operations, manager(json!({ "value": "9" })));
    }
    let same = json!([{ "op": "replace", "path": "manager", "value": "8" }]);
    check_apply(manager(old.clone()), &same, manager(old));
}

#[test]
fn remove_add_replace_in_one_request() {
    check_apply(
        json!({ "displayName": "Old" }),
        &json!([
            { "op": "remove", "path": "displayName" },
            { "op": "add", "path": "displayName", "value": "First" },
            { "op": "replace", "path": "displayName", "value": "Last" },
        ]),
        json!({ "displayName": "Last" }),
    );
    let rename = json!([
        { "op": "remove", "path": "userName" },
        { "op": "add", "path": "userName", "value": "ada" },
    ]);
    let after = apply(&user_type(), user(json!({})), &rename).unwrap();
    assert_eq!(after["userName"], "ada");
}

#[test]
fn the_same_value_is_not_added_twice() {
    let role = json!({ "type": "W", "display": "Silver", "value": "silver", "primary": false });
    check_apply(
        json!({ "roles": [role] }),
        &json!([{ "op": "Add", "path": "roles", "value": [role] }]),
        json!({ "roles": [role] }),
    );
    let emails = json!([{ "value": "a@x", "type": "work" }, { "value": "A@X", "type": "home" }]);
    check_apply(
        json!({ "emails": [{ "value": "a@x", "type": "work" }] }),
        &json!([{ "op": "add", "path": "emails", "value": emails }]),
        json!({ "emails": emails }),
    );
}

#[test]
fn a_role_may_hold_json_as_text() {
    let role = json!({ "value": "{\"id\":\"1\",\"displayName\":\"R\"}" });
    check_apply(
        json!({}),
        &json!([{ "op": "Add", "path": "roles", "value": [role] }]),
        json!({ "roles": [role] }),
    );
}

#[test]
fn many_members_in_and_out_take_one_walk_each() {
    let many = 10_000;
    let members: Vec<Value> = (0..many).map(|n| json!({ "value": format!("u{n}") })).collect();
    let group = json!({ "schemas": [urn::GROUP], "displayName": "G", "members": members });
    let add =
        |n: u32| json!({ "op": "add", "path": "members", "value": [{ "value": format!("u{n}") }] });
    let added = Value::Array((many / 2..many + many / 2).map(add).collect());
    let after = apply(&group_type(), group, &added).unwrap();
    assert_eq!(after["members"].as_array().unwrap().len(), 15_000);
    let remove = |n: u32| json!({ "op": "remove", "path": format!("members[value eq \"U{n}\"]") });
    let removed = Value::Array((0..many + many / 2).map(remove).collect());
    let after = apply(&group_type(), after, &removed).unwrap();
    assert_eq!(after.get("members"), None);
}

#[test]
fn an_immutable_list_loses_no_elements() {
    let mut kind = user_type();
    let attributes = &mut kind.core.attributes;
    let emails = attributes.iter_mut().find(|attribute| attribute.name == "emails").unwrap();
    emails.mutability = Mutability::Immutable;
    let before = user(json!({ "emails": [{ "value": "a" }, { "value": "b" }] }));
    let operations = json!([
        { "op": "remove", "path": "emails[value eq \"a\"]" },
        { "op": "remove", "path": "emails[value eq \"b\"]" },
    ]);
    let error = apply(&kind, before, &operations).unwrap_err();
    assert_eq!(error.to_string(), "emails[…] is immutable and has a value already");
}

#[test]
fn removing_what_is_not_there_is_no_error() {
    for path in
        ["emails[type eq \"fax\"]", "emails[type eq \"fax\"].value", "title", "name.givenName"]
    {
        check_apply(json!({}), &json!([{ "op": "Remove", "path": path }]), json!({}));
    }
}

#[test]
fn refusals_name_their_kind() {
    for (operation, scim_type) in [
        (json!({ "op": "replace", "path": "groups", "value": [] }), ScimType::Mutability),
        (json!({ "op": "replace", "path": "id", "value": "8" }), ScimType::Mutability),
        (json!({ "op": "remove", "path": "userName" }), ScimType::Mutability),
        (json!({ "op": "replace", "path": "active", "value": "yes" }), ScimType::InvalidValue),
        (json!({ "op": "replace", "path": "title" }), ScimType::InvalidValue),
        (json!({ "op": "replace", "value": "x" }), ScimType::InvalidValue),
        (json!({ "op": "remove" }), ScimType::NoTarget),
        (json!({ "op": "move", "path": "title" }), ScimType::InvalidSyntax),
        (json!({ "op": "add", "path": "emails[type eq", "value": 1 }), ScimType::InvalidPath),
        (json!({ "op": "add", "path": "nope[type eq", "value": 1 }), ScimType::InvalidPath),
        (json!({ "op": "add", "path": "title[value pr]", "value": 1 }), ScimType::InvalidPath),
        (json!({ "op": "add", "value": { "emails[": 1 } }), ScimType::InvalidPath),
    ] {
        let operations = json!([{ "op": "replace", "path": "title", "value": "x" }, operation]);
        let error = apply(&user_type(), user(json!({})), &operations).unwrap_err();
        assert_eq!(error.scim_type(), scim_type, "{operations}");
    }
}

#[test]
fn errors_do_not_repeat_what_the_client_sent() {
    for operation in [
        json!({ "op": "add", "path": "emails[value ne \"ada@x.example\"].type", "value": "work" }),
        json!({ "op": "add", "path": "emails[value eq \"ada@x.example\"", "value": "work" }),
        json!({ "op": "replace", "path": "active", "value": "ada@x.example" }),
    ] {
        let error = apply(&user_type(), user(json!({})), &json!([operation])).unwrap_err();
        assert!(!error.to_string().contains("ada@"), "{error}");
    }
}

#[test]
fn messages_may_be_sloppy_but_not_something_else() {
    let operation = json!({ "op": "replace", "path": "title", "value": "x" });
    let read = |body: Value, dialect| parse(&body, &user_type(), dialect);
    for body in [
        json!({ "Operations": [operation] }),
        json!({ "schemas": [], "operations": [operation] }),
        json!({ "Schemas": [urn::PATCH_OP.to_uppercase()], "OPERATIONS": operation }),
    ] {
        assert_eq!(read(body, Dialect::Lenient).unwrap().operations.len(), 1);
    }
    let bare = json!({ "Operations": [operation] });
    assert!(read(bare, Dialect::Strict).is_err());
    let many = vec![operation.clone(); MAX_OPERATIONS + 1];
    for body in [
        json!({ "schemas": [urn::USER], "Operations": [operation] }),
        json!({ "Operations": [] }),
        json!({ "Operations": [1] }),
        json!({ "Operations": many }),
        json!([]),
    ] {
        let error = read(body, Dialect::Lenient).unwrap_err();
        assert_eq!(error.scim_type(), ScimType::InvalidSyntax);
    }
}

#[test]
fn the_strict_dialect_keeps_to_the_letter() {
    for operation in [
        json!({ "op": "Replace", "path": "title", "value": "x" }),
        json!({ "op": "replace", "path": "department", "value": "x" }),
        json!({ "op": "replace", "path": format!("{ENTERPRISE}.department"), "value": "x" }),
        json!({ "op": "replace", "value": { "name.givenName": "x" } }),
        json!({ "op": "replace", "value": { "id": "8" } }),
        json!({ "op": "replace", "value": { "unknown": 1 } }),
        json!({ "op": "replace", "path": "", "value": { "title": "x" } }),
    ] {
        let body = message(&json!([operation]));
        assert!(parse(&body, &user_type(), Dialect::Strict).is_err(), "{body}");
    }
    let remove = json!([{ "op": "remove", "path": "members", "value": [{ "value": "a" }] }]);
    let request = read(&remove, &group_type(), Dialect::Strict);
    assert_eq!(request.operations.first().unwrap().target.filter, None::<Filter>);
}

#[test]
fn what_applying_forgives_is_noted() {
    let before = user(json!({ "emails": [{ "value": "a@x", "type": "home", "primary": true }] }));
    let Value::Object(members) = before else { panic!("a resource is an object") };
    for (operation, kind) in [
        (
            json!({ "op": "add", "path": "emails[type eq \"work\"].value", "value": "b@x" }),
            Deviation::CreatedElement,
        ),
        (
            json!({ "op": "replace", "path": "emails[type eq \"home\"]", "value": { "value": "b@x" } }),
            Deviation::MergedElement,
        ),
    ] {
        let mut noted = Deviations::default();
        let request = read(&json!([operation]), &user_type(), Dialect::Lenient);
        request.apply(&Resource(members.clone()), &user_type(), &mut noted).unwrap();
        assert_eq!(noted.iter().collect::<Vec<_>>(), [(kind, 1)]);
    }
}
