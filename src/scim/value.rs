//! Reading one attribute's value: spelling, type and form (RFC 7643 sections 2.3 to 2.5).
//!
//! What comes out is canonical: sub-attributes are spelled as the schema spells them, an
//! unassigned value is null, a multi-valued attribute is an array. The lenient dialect accepts
//! what identity providers are known to send. Canonical values and reference targets are not
//! checked: clients send text of their own there.

use serde_json::{Map, Value};

use crate::scim::deviation::{Deviation, Deviations};
use crate::scim::filter::fold::fold;
use crate::scim::resource::is_unassigned;
use crate::scim::schema::{Attribute, AttributeType, Mutability};
use crate::scim::simple::{binary, boolean, decimal, form_deviation, instant, integer, text};

/// How closely the letter of the RFCs is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// What identity providers really send is understood.
    #[default]
    Lenient,
    /// The letter of the RFC.
    Strict,
}

/// Why a value does not fit its attribute. The value itself is never part of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// The JSON type or the form of the text is wrong.
    #[error("`{path}` must be {expected}")]
    WrongType {
        /// The attribute, with its sub-attribute after a dot.
        path: String,
        /// What would have been right, with its article.
        expected: &'static str,
    },
    /// A complex value has a member that the schema does not know (strict dialect only).
    #[error("`{path}` has no sub-attribute `{name}`")]
    UnknownSubAttribute {
        /// The complex attribute.
        path: String,
        /// The member's name as sent.
        name: String,
    },
    /// Two members of a complex value differ only in letter case (strict dialect only).
    #[error("`{path}` is given more than once")]
    Repeated {
        /// The sub-attribute.
        path: String,
    },
    /// More than one element says `primary: true` (strict dialect only).
    #[error("`{path}` has more than one primary value")]
    SeveralPrimary {
        /// The multi-valued attribute.
        path: String,
    },
}

/// Whether two values of an attribute are the same: texts without letter case, unless the
/// attribute is `caseExact`.
pub fn is_same(attribute: &Attribute, left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::String(left), Value::String(right)) if !attribute.case_exact => {
            fold(left) == fold(right)
        }
        (left, right) => left == right,
    }
}

/// Reads a value of this attribute into its canonical form; unassigned input is `Value::Null`.
/// What only the lenient dialect understands is noted.
///
/// # Errors
/// When the value does not fit the attribute's type.
pub fn read_value(
    attribute: &Attribute,
    value: &Value,
    dialect: Dialect,
    noted: &mut Deviations,
) -> Result<Value, ValueError> {
    let path = Path { attribute: &attribute.name, sub: None };
    Reader { dialect, noted }.value(attribute, path, value)
}

/// The value without its read-only sub-attributes: what a client may not write is ignored
/// (RFC 7644 sections 3.3 and 3.5.1). A value that held nothing else becomes null.
#[must_use]
pub fn without_read_only(attribute: &Attribute, mut value: Value) -> Value {
    if let Some(elements) = value.as_array_mut() {
        for element in elements.iter_mut() {
            drop_read_only(attribute, element);
        }
        elements.retain(|element| !is_unassigned(element));
    } else {
        drop_read_only(attribute, &mut value);
    }
    if is_unassigned(&value) { Value::Null } else { value }
}

fn drop_read_only(attribute: &Attribute, value: &mut Value) {
    if let Some(members) = value.as_object_mut() {
        members.retain(|name, _| {
            attribute.sub_attribute(name).is_none_or(|sub| sub.mutability != Mutability::ReadOnly)
        });
    }
}

/// Where a value stands; text only when something is wrong there.
#[derive(Clone, Copy)]
struct Path<'a> {
    attribute: &'a str,
    sub: Option<&'a str>,
}

impl<'a> Path<'a> {
    fn of(self, sub: &'a Attribute) -> Self {
        Self { attribute: self.attribute, sub: Some(&sub.name) }
    }

    fn text(self) -> String {
        match self.sub {
            Some(sub) => format!("{}.{sub}", self.attribute),
            None => self.attribute.to_owned(),
        }
    }
}

struct Reader<'d> {
    dialect: Dialect,
    noted: &'d mut Deviations,
}

impl Reader<'_> {
    fn lenient(&self) -> bool {
        self.dialect == Dialect::Lenient
    }

    fn value(
        &mut self,
        attribute: &Attribute,
        path: Path<'_>,
        value: &Value,
    ) -> Result<Value, ValueError> {
        if is_unassigned(value) {
            return Ok(Value::Null);
        }
        if self.is_blank(attribute, value) {
            return Ok(self.blank());
        }
        if attribute.multi_valued {
            return self.list(attribute, path, value);
        }
        self.single(attribute, path, value)
    }

    /// Templates fill in `""` where they have no value; only text can mean it.
    fn is_blank(&self, attribute: &Attribute, value: &Value) -> bool {
        let textual = matches!(attribute.kind, AttributeType::String | AttributeType::Reference);
        self.lenient() && value == "" && (attribute.multi_valued || !textual)
    }

    fn blank(&mut self) -> Value {
        self.noted.note(Deviation::BlankValue);
        Value::Null
    }

    fn list(
        &mut self,
        attribute: &Attribute,
        path: Path<'_>,
        value: &Value,
    ) -> Result<Value, ValueError> {
        let elements = match value {
            Value::Array(elements) => elements.as_slice(),
            _ if self.lenient() => {
                self.noted.note(Deviation::UnwrappedList);
                std::slice::from_ref(value)
            }
            _ => return Err(wrong_type(path, "an array")),
        };
        let mut read = Vec::with_capacity(elements.len());
        for element in elements {
            let element = self.element(attribute, path, element)?;
            if !is_unassigned(&element) {
                read.push(element);
            }
        }
        self.check_primary(path, &mut read)?;
        Ok(if read.is_empty() { Value::Null } else { Value::Array(read) })
    }

    fn element(
        &mut self,
        attribute: &Attribute,
        path: Path<'_>,
        value: &Value,
    ) -> Result<Value, ValueError> {
        if !self.lenient() {
            return self.single_form(attribute, path, value);
        }
        let blank = value == "" && attribute.kind == AttributeType::Complex;
        // An element without members is one that says nothing; other empty ones are not the RFC's.
        let says_nothing = attribute.kind == AttributeType::Complex && value.is_object();
        if blank || (is_unassigned(value) && !says_nothing) {
            return Ok(self.blank());
        }
        match value.get("value") {
            Some(inner) if attribute.kind != AttributeType::Complex => {
                self.noted.note(Deviation::WrappedValue);
                self.single_form(attribute, path, inner)
            }
            _ => self.single_form(attribute, path, value),
        }
    }

    fn check_primary(&mut self, path: Path<'_>, elements: &mut [Value]) -> Result<(), ValueError> {
        let is_primary = |element: &&mut Value| element.get("primary") == Some(&Value::Bool(true));
        for element in elements.iter_mut().filter(is_primary).skip(1) {
            if !self.lenient() {
                return Err(ValueError::SeveralPrimary { path: path.text() });
            }
            self.noted.note(Deviation::SeveralPrimary);
            if let Some(members) = element.as_object_mut() {
                members.insert("primary".to_owned(), Value::Bool(false));
            }
        }
        Ok(())
    }

    fn single(
        &mut self,
        attribute: &Attribute,
        path: Path<'_>,
        value: &Value,
    ) -> Result<Value, ValueError> {
        if !self.lenient() {
            return self.single_form(attribute, path, value);
        }
        // Older Entra ID jobs wrap single values: `[{"$ref": null, "value": …}]`.
        let inner = match value.as_array().map(Vec::as_slice) {
            Some([element]) => match element.get("value") {
                Some(inner) if attribute.kind != AttributeType::Complex => Some(inner),
                _ => Some(element),
            },
            Some(_) | None => None,
        };
        if inner.is_some() {
            self.noted.note(Deviation::WrappedValue);
        }
        let value = inner.unwrap_or(value);
        if is_unassigned(value) {
            return Ok(Value::Null);
        }
        if self.is_blank(attribute, value) {
            return Ok(self.blank());
        }
        let read = self.single_form(attribute, path, value)?;
        // `{"value": ""}` is how Entra ID takes a manager away.
        let emptied = read.get("value").is_some_and(|inner| inner == "");
        Ok(if emptied { self.blank() } else { read })
    }

    fn single_form(
        &mut self,
        attribute: &Attribute,
        path: Path<'_>,
        value: &Value,
    ) -> Result<Value, ValueError> {
        let lenient = self.lenient();
        let (read, expected) = match attribute.kind {
            AttributeType::Complex => return self.complex(attribute, path, value),
            AttributeType::String => (text(value, lenient), "a string"),
            AttributeType::Reference => (text(value, false), "a string with a URI"),
            AttributeType::Boolean => (boolean(value, lenient), "true or false"),
            AttributeType::Integer => (integer(value, lenient), "an integer"),
            AttributeType::Decimal => (decimal(value, lenient), "a number"),
            AttributeType::DateTime => (instant(value), "a dateTime such as 2011-05-13T04:42:34Z"),
            AttributeType::Binary => (binary(value, lenient), "base64 text"),
        };
        let read = read.ok_or_else(|| wrong_type(path, expected))?;
        if let Some(deviation) = form_deviation(attribute.kind, value, &read) {
            self.noted.note(deviation);
        }
        Ok(read)
    }

    fn complex(
        &mut self,
        attribute: &Attribute,
        path: Path<'_>,
        value: &Value,
    ) -> Result<Value, ValueError> {
        let Some(members) = value.as_object() else {
            if let Some(sub) = attribute.sub_attribute("value")
                && self.lenient()
                && !value.is_array()
            {
                self.noted.note(Deviation::BareComplexValue);
                let members = Map::from_iter([(sub.name.clone(), value.clone())]);
                return self.complex(attribute, path, &Value::Object(members));
            }
            return Err(wrong_type(path, "an object"));
        };
        let mut read = Map::new();
        for (name, value) in members {
            let Some(sub) = attribute.sub_attribute(name) else {
                if self.lenient() {
                    self.noted.note(Deviation::UnknownAttribute);
                    continue;
                }
                return Err(ValueError::UnknownSubAttribute {
                    path: path.text(),
                    name: name.clone(),
                });
            };
            let path = path.of(sub);
            let value = self.value(sub, path, value)?;
            if read.insert(sub.name.clone(), value).is_some() {
                if !self.lenient() {
                    return Err(ValueError::Repeated { path: path.text() });
                }
                self.noted.note(Deviation::RepeatedAttribute);
            }
        }
        read.retain(|_, value| !value.is_null());
        Ok(if read.is_empty() { Value::Null } else { Value::Object(read) })
    }
}

fn wrong_type(path: Path<'_>, expected: &'static str) -> ValueError {
    ValueError::WrongType { path: path.text(), expected }
}

#[cfg(test)]
mod tests {
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

    fn read_as(
        attribute: &Attribute,
        value: &Value,
        dialect: Dialect,
    ) -> Result<Value, ValueError> {
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
}
