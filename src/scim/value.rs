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
