//! What may stand in a place of a mapping file, as data. Every type that can be read tells its shape,
//! tables of fields tell theirs field by field; the JSON Schema for editors and the reference for
//! people are made from nothing else.

use serde_json::Value;

/// What may stand in a place.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    /// Anything.
    Any,
    /// A single value.
    Scalar(Scalar),
    /// One of these words.
    Words(Vec<&'static str>),
    /// A list.
    List(Box<Self>),
    /// One, or a list of at least one.
    OneOrMany(Box<Self>),
    /// A map with names of the author's choice.
    Map(Box<Self>),
    /// An object with fields. A function, because objects hold objects of their own kind.
    Object(fn() -> Object),
    /// Any of these.
    Either(Vec<Self>),
}

/// A single value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scalar {
    /// What the reference calls it.
    pub(crate) name: &'static str,
    /// The types it has in JSON.
    pub(crate) types: &'static [&'static str],
    /// What its text matches.
    pub(crate) pattern: Option<&'static str>,
}

/// An object and its fields, in the order of its table.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    /// Its name in the reference.
    pub(crate) name: &'static str,
    /// What it is.
    pub(crate) doc: String,
    /// Its fields.
    pub(crate) fields: Vec<Field>,
}

/// A field of an object.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it means.
    pub(crate) doc: String,
    /// What holds without it, as a mapping file would say it.
    pub(crate) default: Option<&'static str>,
    /// Whether it must be there.
    pub(crate) required: bool,
    /// What it holds.
    pub(crate) shape: Shape,
}

impl Shape {
    /// Text of any kind; a number will do.
    pub(crate) const TEXT: Self = Self::scalar("text", &["string", "number"], None);
    /// A whole number from zero.
    pub(crate) const NUMBER: Self = Self::scalar("number", &["integer"], None);

    /// A single value.
    pub(crate) const fn scalar(
        name: &'static str,
        types: &'static [&'static str],
        pattern: Option<&'static str>,
    ) -> Self {
        Self::Scalar(Scalar { name, types, pattern })
    }

    /// Text in a form of its own.
    pub(crate) const fn text(name: &'static str, pattern: &'static str) -> Self {
        Self::scalar(name, &["string"], Some(pattern))
    }
}

impl Object {
    /// An object of a table; `name` and `lines` as the table's macro sees them.
    pub(crate) fn new(name: &'static str, lines: &[&str], fields: Vec<Field>) -> Self {
        Self { name: name.strip_suffix("Object").unwrap_or(name), doc: paragraph(lines), fields }
    }
}

impl Field {
    /// A field of a table; `name` and `lines` as the table's macro sees them.
    pub(crate) fn new(
        name: &'static str,
        lines: &[&str],
        default: Option<&'static str>,
        required: bool,
        shape: Shape,
    ) -> Self {
        let name = name.strip_prefix("r#").unwrap_or(name);
        Self { name, doc: paragraph(lines), default, required, shape }
    }

    /// The default as a value, unless it is said in words.
    pub(crate) fn default_value(&self) -> Option<Value> {
        let default = self.default?;
        match serde_json::from_str(default) {
            // `null` and `1.2` are words where words are asked for.
            Ok(_) if matches!(self.shape, Shape::Words(_)) => Some(Value::from(default)),
            Ok(value) => Some(value),
            Err(_) if default.contains(' ') => None,
            Err(_) => Some(Value::from(default)),
        }
    }
}

/// The lines of a comment as one line.
fn paragraph(lines: &[&str]) -> String {
    let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    lines.join(" ").trim().to_owned()
}
