//! How values are read, in the lenient dialect and in the strict one.
#![cfg(test)]

use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use serde_json::{Map, Value, json};

use crate::scim::builtin::{core_user, enterprise_user};
use crate::scim::deviation::{Deviation, Deviations};
use crate::scim::schema::{Attribute, AttributeType};
use crate::scim::simple::parse_instant;
use crate::scim::value::{Dialect, ValueError, read_value, without_read_only};

fn user(name: &str) -> Attribute {
    core_user().attribute(name).expect("an attribute of User").clone()
}

fn manager() -> Attribute {
    enterprise_user().attribute("manager").expect("the manager").clone()
}

fn of(kind: AttributeType) -> Attribute {
    Attribute::new("x", kind)
}

fn list_of(kind: AttributeType) -> Attribute {
    Attribute { multi_valued: true, ..of(kind) }
}

fn read_as(attribute: &Attribute, value: &Value, dialect: Dialect) -> Result<Value, ValueError> {
    let mut noted = Deviations::default();
    let read = read_value(attribute, value, dialect, &mut noted);
    assert!(dialect == Dialect::Lenient || noted.is_empty(), "{value}: {noted:?}");
    read
}

#[track_caller]
fn both(attribute: &Attribute, value: &Value, expected: &Value) {
    for dialect in [Dialect::Strict, Dialect::Lenient] {
        assert_eq!(read_as(attribute, value, dialect).as_ref(), Ok(expected), "{dialect:?}");
    }
}

#[track_caller]
fn lenient(attribute: &Attribute, value: &Value, expected: &Value) {
    assert_eq!(read_as(attribute, value, Dialect::Lenient).as_ref(), Ok(expected));
    assert!(read_as(attribute, value, Dialect::Strict).is_err(), "{value} is not the RFC's");
}

#[track_caller]
fn refused(attribute: &Attribute, value: &Value) {
    for dialect in [Dialect::Strict, Dialect::Lenient] {
        let read = read_as(attribute, value, dialect);
        assert!(matches!(read, Err(ValueError::WrongType { .. })), "{value}: {read:?}");
    }
}

#[test]
fn unassigned_is_null() {
    for value in [json!(null), json!([]), json!({})] {
        both(&user("title"), &value, &Value::Null);
        both(&user("name"), &value, &Value::Null);
        both(&user("emails"), &value, &Value::Null);
    }
    both(&user("name"), &json!({ "givenName": null }), &Value::Null);
    both(&user("emails"), &json!([{ "value": null }]), &Value::Null);
    both(&user("title"), &json!(""), &json!(""));
}

#[test]
fn simple_types() {
    for (kind, value) in [
        (AttributeType::String, json!("x")),
        (AttributeType::Boolean, json!(false)),
        (AttributeType::Integer, json!(-5)),
        (AttributeType::Integer, json!(u64::MAX)),
        (AttributeType::Decimal, json!(2.5)),
        (AttributeType::Decimal, json!(2)),
        (AttributeType::DateTime, json!("2008-01-23T04:56:22.123456789012Z")),
        (AttributeType::DateTime, json!("2008-01-23T04:56:22+02:00")),
        (AttributeType::DateTime, json!("2008-01-23T04:56:22")),
        (AttributeType::Binary, json!("QUI=")),
        (AttributeType::Binary, json!("QUI")),
        (AttributeType::Binary, json!("-_-_")),
        (AttributeType::Reference, json!("../Users/1")),
    ] {
        both(&of(kind), &value, &value);
        both(&list_of(kind), &json!([value]), &json!([value]));
    }
}

#[test]
fn other_types_are_refused() {
    for (kind, value) in [
        (AttributeType::String, json!({ "a": 1 })),
        (AttributeType::String, json!(["a", "b"])),
        (AttributeType::Boolean, json!("yes")),
        (AttributeType::Boolean, json!(1)),
        (AttributeType::Integer, json!(1.5)),
        (AttributeType::Integer, json!("three")),
        (AttributeType::Decimal, json!("0x10")),
        (AttributeType::DateTime, json!("2008-01-23")),
        (AttributeType::DateTime, json!("2008-02-30T00:00:00Z")),
        (AttributeType::DateTime, json!("2008-01-23T25:00:00Z")),
        (AttributeType::DateTime, json!("2008-01-23T04:56Z")),
        (AttributeType::DateTime, json!(1_201_064_182)),
        (AttributeType::Binary, json!("***")),
        (AttributeType::Reference, json!(5)),
        (AttributeType::Complex, json!("x")),
    ] {
        refused(&of(kind), &value);
    }
}

#[test]
fn types_that_clients_confuse() {
    lenient(&of(AttributeType::Boolean), &json!("True"), &json!(true));
    lenient(&of(AttributeType::Boolean), &json!("FALSE"), &json!(false));
    lenient(&of(AttributeType::Boolean), &json!(""), &Value::Null);
    lenient(&of(AttributeType::Integer), &json!("5"), &json!(5));
    lenient(&of(AttributeType::Decimal), &json!("2.5"), &json!(2.5));
    lenient(&of(AttributeType::DateTime), &json!(""), &Value::Null);
    lenient(&of(AttributeType::String), &json!(5), &json!("5"));
    lenient(&of(AttributeType::String), &json!(true), &json!("true"));
    lenient(&of(AttributeType::String), &json!([{ "$ref": null, "value": "a" }]), &json!("a"));
    lenient(&of(AttributeType::Boolean), &json!([true]), &json!(true));
}

#[test]
fn complex_values() {
    both(
        &user("name"),
        &json!({ "GIVENNAME": "g", "familyname": null }),
        &json!({ "givenName": "g" }),
    );
    lenient(&user("name"), &json!({ "givenName": "g", "x": 1 }), &json!({ "givenName": "g" }));
    lenient(
        &user("name"),
        &json!({ "givenName": "a", "GivenName": "b" }),
        &json!({ "givenName": "b" }),
    );
    lenient(&user("name"), &json!(""), &Value::Null);
    refused(&user("name"), &json!("Barbara"));
    refused(&user("name"), &json!({ "givenName": {"a": 1} }));
}

#[test]
fn managers_as_entra_id_sends_them() {
    let boss = json!({ "value": "7" });
    both(&manager(), &boss, &boss);
    lenient(&manager(), &json!("7"), &boss);
    lenient(&manager(), &json!([{ "$ref": null, "value": "7" }]), &boss);
    lenient(
        &manager(),
        &json!([{ "$ref": "../Users/7", "value": 7 }]),
        &json!({ "$ref": "../Users/7", "value": "7" }),
    );
    let cleared = read_as(&manager(), &json!({ "value": "" }), Dialect::Lenient);
    assert_eq!(cleared, Ok(Value::Null));
}

#[test]
fn lists() {
    let emails = user("emails");
    let one = json!([{ "value": "a@x", "type": "work" }]);
    both(&emails, &one, &one);
    lenient(&emails, &json!({ "Value": "a@x", "TYPE": "work" }), &one);
    lenient(&emails, &json!("a@x"), &json!([{ "value": "a@x" }]));
    lenient(&emails, &json!(["a@x", "", null]), &json!([{ "value": "a@x" }]));
    lenient(&list_of(AttributeType::String), &json!("a"), &json!(["a"]));
    lenient(&list_of(AttributeType::String), &json!([{ "value": "a" }, 5]), &json!(["a", "5"]));
    refused(&list_of(AttributeType::Integer), &json!([[1, 2]]));
    refused(&user("addresses"), &json!(["Berlin"]));
}

#[test]
fn json_inside_of_a_string_stays_text() {
    let roles = json!([{ "value": "{\"id\":\"1\",\"displayName\":\"Admin\"}" }]);
    both(&user("roles"), &roles, &roles);
}

#[test]
fn the_first_primary_value_is_the_primary_one() {
    let two = json!([{ "value": "a", "primary": true }, { "value": "b", "primary": "True" }]);
    let read = read_as(&user("roles"), &two, Dialect::Lenient);
    let first = json!([{ "value": "a", "primary": true }, { "value": "b", "primary": false }]);
    assert_eq!(read, Ok(first));
    let two = json!([{ "value": "a", "primary": true }, { "value": "b", "primary": true }]);
    let read = read_as(&user("roles"), &two, Dialect::Strict);
    assert_eq!(read, Err(ValueError::SeveralPrimary { path: "roles".to_owned() }));
}

#[test]
fn an_error_names_the_place_and_not_the_value() {
    let value = json!([{ "primary": "secret" }]);
    let error = read_as(&user("emails"), &value, Dialect::Lenient).unwrap_err();
    assert_eq!(error.to_string(), "`emails.primary` must be true or false");
}

#[test]
fn read_only_sub_attributes_can_be_taken_out() {
    let value = json!({ "value": "7", "displayName": "Boss" });
    assert_eq!(without_read_only(&manager(), value), json!({ "value": "7" }));
    let value = json!({ "displayName": "Boss" });
    assert_eq!(without_read_only(&manager(), value), Value::Null);
    let groups = json!([{ "value": "1" }]);
    assert_eq!(without_read_only(&user("groups"), groups), Value::Null);
}

#[test]
fn instants_are_the_same_in_every_zone() {
    let utc = parse_instant("2015-06-01T08:00:00Z");
    assert!(utc.is_some());
    assert_eq!(parse_instant("2015-06-01T10:00:00+02:00"), utc);
    assert_eq!(parse_instant("2015-06-01T08:00:00.000"), utc);
    assert_eq!(parse_instant("2015-06-01T08:00:00Z[Europe/Berlin]"), None);
}

fn anything() -> impl Strategy<Value = Value> {
    let text = prop_oneof![Just(""), Just("True"), Just("5"), Just("QUI="), Just("x")];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    let name = proptest::sample::select(vec!["value", "VALUE", "primary", "type", "givenName"]);
    leaf.prop_recursive(3, 16, 4, move |inner| {
        let members = proptest::collection::vec((name.clone(), inner.clone()), 0..4);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::from),
            members.prop_map(|members| {
                let members = members.into_iter().map(|(name, value)| (name.to_owned(), value));
                members.collect::<Map<_, _>>().into()
            }),
        ]
    })
}

#[track_caller]
fn noted(attribute: &Attribute, value: &Value, expected: &[Deviation]) {
    let mut noted = Deviations::default();
    read_value(attribute, value, Dialect::Lenient, &mut noted).expect("a forgiven value");
    let kinds: Vec<Deviation> = noted.iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, expected, "{value}");
}

#[test]
fn what_is_forgiven_is_noted() {
    noted(&user("active"), &json!("True"), &[Deviation::StringBoolean]);
    noted(&user("active"), &json!(""), &[Deviation::BlankValue]);
    noted(&user("title"), &json!(5), &[Deviation::ScalarAsText]);
    noted(&user("title"), &json!([{ "value": "x" }]), &[Deviation::WrappedValue]);
    noted(&of(AttributeType::Integer), &json!("5"), &[Deviation::StringNumber]);
    noted(&of(AttributeType::Binary), &json!("QU I="), &[Deviation::SpacedBinary]);
    let bare = [Deviation::UnwrappedList, Deviation::BareComplexValue];
    noted(&user("emails"), &json!("a@x"), &bare);
    noted(&user("name"), &json!({ "nick": 1 }), &[Deviation::UnknownAttribute]);
    let twice = json!({ "givenName": "A", "GivenName": "B" });
    noted(&user("name"), &twice, &[Deviation::RepeatedAttribute]);
    let two = json!([{ "value": "a", "primary": true }, { "value": "b", "primary": true }]);
    noted(&user("emails"), &two, &[Deviation::SeveralPrimary]);
}

proptest! {
    /// The lenient dialect notes exactly what the strict one refuses or reads otherwise.
    #[test]
    fn what_is_not_noted_means_the_same_in_the_strict_dialect(value in anything()) {
        let [user, enterprise] = [core_user(), enterprise_user()];
        for attribute in user.attributes.iter().chain(&enterprise.attributes) {
            let mut noted = Deviations::default();
            let lenient = read_value(attribute, &value, Dialect::Lenient, &mut noted);
            let strict = read_as(attribute, &value, Dialect::Strict);
            if noted.is_empty() {
                assert_eq!(lenient, strict, "{}", attribute.name);
            } else if lenient.is_ok() {
                assert_ne!(lenient, strict, "{}", attribute.name);
            }
        }
    }

    #[test]
    fn what_has_been_read_is_canonical(value in anything()) {
        let [user, enterprise] = [core_user(), enterprise_user()];
        for attribute in user.attributes.iter().chain(&enterprise.attributes) {
            for dialect in [Dialect::Strict, Dialect::Lenient] {
                let Ok(canonical) = read_as(attribute, &value, dialect) else { continue };
                for again in [Dialect::Strict, dialect] {
                    assert_eq!(read_as(attribute, &canonical, again).as_ref(), Ok(&canonical));
                }
            }
        }
    }
}
