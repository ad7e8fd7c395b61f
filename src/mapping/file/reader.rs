//! How nodes become typed values: one trait, lists and maps of what can be read, and the members of
//! an object. The simple types are in `scalar.rs`, the tables that make objects in `table.rs`.
//!
//! Reading never stops at a fault: it is noted, the value is left out, and reading goes on.

use crate::mapping::diagnostic::{
    Diagnostics, Position, brace_help, missing_field, not_supported, unknown_field, wrong_type,
    wrong_value,
};
use crate::mapping::file::shape::Shape;
use crate::mapping::yaml::{Key, Node, NodeValue};

/// A value that can be read from a node. `name` is the field or key it stands under.
pub(crate) trait Read: Sized {
    /// Reads it; `None` after a fault, which has been noted.
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self>;

    /// What it takes, for editors and the reference.
    fn shape() -> Shape;
}

/// A value and the place where its faults are told.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    /// The value.
    pub(crate) value: T,
    /// The place.
    pub(crate) at: Position,
}

/// A map in file order.
#[derive(Debug, Clone)]
pub(crate) struct Entries<T>(pub(crate) Vec<(Key, T)>);

/// One value, or a list of them.
#[derive(Debug, Clone)]
pub(crate) struct OneOrMany<T>(pub(crate) Vec<T>);

/// Text with the place where its faults are told.
pub(crate) type Text = At<String>;

/// The members of a mapping that is read as an object.
pub(crate) struct Members<'n> {
    name: &'n str,
    at: Position,
    entries: &'n [(Key, Node)],
}

impl<'n> Members<'n> {
    /// Takes a node as an object of these fields and notes the unknown ones.
    pub(crate) fn of(
        node: &'n Node,
        name: &'n str,
        object: &str,
        known: &[&str],
        faults: &mut Diagnostics,
    ) -> Option<Self> {
        let NodeValue::Map(entries) = &node.value else {
            return mismatch(node, name, object, faults);
        };
        let known: Vec<&str> = known.iter().map(|field| plain_name(field)).collect();
        for (key, _) in entries {
            if !known.contains(&key.name.as_str()) {
                faults.push(unknown_field(key.at, &key.name, object, &known));
            }
        }
        Some(Self { name, at: node.at, entries })
    }

    fn find(&self, field: &str) -> Option<&'n Node> {
        let field = plain_name(field);
        self.entries.iter().find(|(key, _)| key.name == field).map(|(_, node)| node)
    }

    /// A field that must be there.
    pub(crate) fn need<T: Read>(&self, field: &str, faults: &mut Diagnostics) -> Option<T> {
        let Some(node) = self.find(field) else {
            faults.push(missing_field(self.at, self.name, plain_name(field)));
            faults.lose();
            return None;
        };
        T::read(node, plain_name(field), faults)
    }

    /// A field that may be absent; a faulty one counts as absent.
    #[expect(
        clippy::option_option,
        clippy::unnecessary_wraps,
        reason = "the tables treat every kind of field alike"
    )]
    pub(crate) fn may<T: Read>(&self, field: &str, faults: &mut Diagnostics) -> Option<Option<T>> {
        Some(self.find(field).and_then(|node| T::read(node, plain_name(field), faults)))
    }

    /// A field with an empty default.
    pub(crate) fn or<T: Read + Default>(&self, field: &str, faults: &mut Diagnostics) -> Option<T> {
        self.may(field, faults).map(Option::unwrap_or_default)
    }
}

/// `r#type` is how a table has to write the field `type`.
fn plain_name(field: &str) -> &str {
    field.strip_prefix("r#").unwrap_or(field)
}

/// Notes a value of the wrong type.
pub(crate) fn mismatch<T>(
    node: &Node,
    name: &str,
    expected: &str,
    faults: &mut Diagnostics,
) -> Option<T> {
    let fault = wrong_type(node.at, name, expected, &show(node));
    faults.lose();
    faults.push(match unquoted(node) {
        Some(text) => fault.with_help(brace_help(&text)),
        None => fault,
    });
    None
}

/// Finds a word in its table.
pub(crate) fn word<T, const N: usize>(
    node: &Node,
    name: &str,
    table: [(&'static str, T); N],
    later: &[&str],
    faults: &mut Diagnostics,
) -> Option<T> {
    let words: Vec<String> =
        table.iter().map(|(word, _)| *word).chain(later.iter().copied()).map(quote).collect();
    let NodeValue::String(text) = &node.value else {
        // `on_clear: null` means the word.
        if matches!(node.value, NodeValue::Null) {
            let null = table.into_iter().find(|(word, _)| *word == "null");
            if let Some((_, value)) = null {
                return Some(value);
            }
        }
        return mismatch(node, name, &words.join("|"), faults);
    };
    if later.contains(&text.as_str()) {
        faults.push(not_supported(node.at, &format!("\"{name}: {text}\"")));
        faults.lose();
        return None;
    }
    match table.into_iter().find(|(word, _)| word == text) {
        Some((_, value)) => Some(value),
        None => mismatch(node, name, &words.join("|"), faults),
    }
}

fn quote(word: &str) -> String {
    format!("'{word}'")
}

/// The template that somebody forgot to quote: `{id}` reads as `{"id": null}`.
fn unquoted(node: &Node) -> Option<String> {
    let NodeValue::Map(members) = &node.value else { return None };
    let names: Vec<&str> = members.iter().map(|(key, _)| key.name.as_str()).collect();
    let bare = members.iter().all(|(_, value)| value.value == NodeValue::Null);
    (bare && !names.is_empty()).then(|| format!("{{{}}}", names.join(", ")))
}

/// A value as JSON on one line, shortened.
fn show(node: &Node) -> String {
    const LONGEST: usize = 60;
    let text = match &node.value {
        NodeValue::Map(members) => {
            let member = |(key, value): &(Key, Node)| format!("\"{}\": {}", key.name, show(value));
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        NodeValue::Seq(items) => {
            format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", "))
        }
        NodeValue::Null | NodeValue::Bool(_) | NodeValue::Number(_) | NodeValue::String(_) => {
            node.to_json().to_string()
        }
    };
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST).chain("…".chars()).collect()
}

impl<T: Read> Read for At<T> {
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
        Some(Self { value: T::read(node, name, faults)?, at: node.at })
    }

    fn shape() -> Shape {
        T::shape()
    }
}

impl<T: Read> Read for Box<T> {
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
        T::read(node, name, faults).map(Self::new)
    }

    fn shape() -> Shape {
        T::shape()
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
        let NodeValue::Seq(items) = &node.value else {
            return mismatch(node, name, "a list", faults);
        };
        Some(items.iter().filter_map(|item| T::read(item, name, faults)).collect())
    }

    fn shape() -> Shape {
        Shape::List(Box::new(T::shape()))
    }
}

impl<T: Read> Read for OneOrMany<T> {
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
        if let NodeValue::Seq(items) = &node.value {
            if items.is_empty() {
                faults.push(wrong_value(node.at, name, "the list is empty"));
            }
            return Vec::read(node, name, faults).map(Self);
        }
        T::read(node, name, faults).map(|only| Self(vec![only]))
    }

    fn shape() -> Shape {
        Shape::OneOrMany(Box::new(T::shape()))
    }
}

impl<T: Read> Read for Entries<T> {
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
        let NodeValue::Map(members) = &node.value else {
            return mismatch(node, name, "a map", faults);
        };
        let entry = |(key, value): &(Key, Node)| {
            T::read(value, &key.name, faults).map(|value| (key.clone(), value))
        };
        Some(Self(members.iter().filter_map(entry).collect()))
    }

    fn shape() -> Shape {
        Shape::Map(Box::new(T::shape()))
    }
}

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}
