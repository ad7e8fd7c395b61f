//! Records are tables of fields: which members a record has, what they may hold, and how a partial
//! body changes them. Members that no table names are ignored without a word.

use serde_json::{Map, Value};

use crate::refusal::FieldFault;

/// One member of a record, or of an element of one of its lists.
pub(crate) struct Field {
    name: &'static str,
    shape: Shape,
    presence: Presence,
}

enum Shape {
    /// A string or null.
    Text,
    /// `true` or `false`; null counts as `false`.
    Flag,
    /// An integer or null.
    Number,
    /// Objects with these members; null counts as none.
    List(&'static [Field]),
}

enum Presence {
    Optional,
    /// Neither null nor white space.
    Required,
}

impl Field {
    pub(crate) const fn text(name: &'static str) -> Self {
        Self { name, shape: Shape::Text, presence: Presence::Optional }
    }

    pub(crate) const fn required_text(name: &'static str) -> Self {
        Self { name, shape: Shape::Text, presence: Presence::Required }
    }

    pub(crate) const fn flag(name: &'static str) -> Self {
        Self { name, shape: Shape::Flag, presence: Presence::Optional }
    }

    pub(crate) const fn number(name: &'static str) -> Self {
        Self { name, shape: Shape::Number, presence: Presence::Optional }
    }

    pub(crate) const fn list(name: &'static str, members: &'static [Self]) -> Self {
        Self { name, shape: Shape::List(members), presence: Presence::Optional }
    }

    fn unset(&self) -> Value {
        match self.shape {
            Shape::Text | Shape::Number => Value::Null,
            Shape::Flag => Value::Bool(false),
            Shape::List(_) => Value::Array(Vec::new()),
        }
    }

    fn read(&self, value: &Value) -> Result<Value, FieldFault> {
        if value.is_null() {
            // A flag that was cleared is neither: false would be a statement.
            let is_flag = matches!(self.shape, Shape::Flag);
            return Ok(if is_flag { Value::Null } else { self.unset() });
        }
        let (fits, problem) = match self.shape {
            Shape::Text => (value.is_string(), "must be a string"),
            Shape::Flag => (value.is_boolean(), "must be a boolean"),
            Shape::Number => (value.is_i64(), "must be an integer"),
            Shape::List(members) => return self.read_list(members, value),
        };
        if fits { Ok(value.clone()) } else { Err(FieldFault::invalid(self.name, problem)) }
    }

    fn read_list(&self, members: &[Self], value: &Value) -> Result<Value, FieldFault> {
        let fault = || FieldFault::invalid(self.name, "must be a list of objects");
        let items = value.as_array().ok_or_else(fault)?;
        let mut read = Vec::with_capacity(items.len());
        for item in items {
            let item = item.as_object().ok_or_else(fault)?;
            let mut element = unset(members);
            if let Some(first) = amend(members, &mut element, item).into_iter().next() {
                return Err(first.within(self.name));
            }
            read.push(Value::Object(element));
        }
        Ok(Value::Array(read))
    }

    fn is_missing_in(&self, record: &Map<String, Value>) -> bool {
        let text = record.get(self.name).and_then(Value::as_str);
        matches!(self.presence, Presence::Required)
            && text.is_none_or(|text| text.trim().is_empty())
    }
}

/// A record in which nothing is set; its members stand in the order of the table.
pub(crate) fn unset(fields: &[Field]) -> Map<String, Value> {
    fields.iter().map(|field| (field.name.to_owned(), field.unset())).collect()
}

/// Puts the members of `body` into `record` and lists everything that does not fit. Members that
/// `body` does not name stay as they are.
pub(crate) fn amend(
    fields: &[Field],
    record: &mut Map<String, Value>,
    body: &Map<String, Value>,
) -> Vec<FieldFault> {
    let mut faults = Vec::new();
    for field in fields {
        match body.get(field.name).map(|value| field.read(value)) {
            Some(Ok(value)) => {
                record.insert(field.name.to_owned(), value);
            }
            Some(Err(fault)) => {
                faults.push(fault);
                continue;
            }
            None => {}
        }
        if field.is_missing_in(record) {
            faults.push(FieldFault::blank(field.name));
        }
    }
    faults
}

/// A member that is text, when it is set.
pub(crate) fn text_of<'a>(record: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    record.get(name).and_then(Value::as_str)
}

/// What two texts have in common that differ only in letter case.
pub(crate) fn caseless(text: &str) -> String {
    text.to_lowercase()
}
