//! Values in a JSON text: where they stand, and what they are.

use serde_json::Value;

/// A value in a text, as it stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw<'t> {
    /// The text of the value, quotes and brackets included.
    pub text: &'t str,
    /// What it is.
    pub kind: Kind,
}

/// What a value is, as far as it matters for passing it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A whole number that `serde_json` would print as it stands.
    Whole,
    /// Any other number.
    Number,
    /// A string without escapes, which `serde_json` would print as it stands.
    Plain,
    /// A string with escapes.
    Escaped,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl<'t> Raw<'t> {
    /// `null`, which stands for a value that is not there too.
    pub const NULL: Self = Self { text: "null", kind: Kind::Null };

    /// The characters of a string without escapes.
    pub fn plain(&self) -> Option<&'t str> {
        match self.kind {
            Kind::Plain => self.text.strip_prefix('"')?.strip_suffix('"'),
            Kind::Null
            | Kind::Boolean
            | Kind::Whole
            | Kind::Number
            | Kind::Escaped
            | Kind::Array
            | Kind::Object => None,
        }
    }

    /// The value, parsed.
    pub fn value(&self) -> Option<Value> {
        match self.kind {
            Kind::Null => Some(Value::Null),
            Kind::Boolean => Some(Value::Bool(self.text == "true")),
            Kind::Plain => self.plain().map(Value::from),
            Kind::Whole => self.text.parse::<i64>().ok().map(Value::from),
            Kind::Number | Kind::Escaped | Kind::Array | Kind::Object => {
                serde_json::from_str(self.text).ok()
            }
        }
    }
}

/// Where a value stands in a text. A long list has many, so that places are no larger than they
/// have to be: texts beyond 4 GB are left to the parser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    begin: u32,
    end: u32,
    kind: Kind,
}

impl Span {
    /// From one byte of a text to another, which does not belong to it; `None` where the text is
    /// too long.
    pub(in crate::native) fn new(begin: usize, end: usize, kind: Kind) -> Option<Self> {
        Some(Self { begin: u32::try_from(begin).ok()?, end: u32::try_from(end).ok()?, kind })
    }

    /// What it is.
    pub fn kind(self) -> Kind {
        self.kind
    }

    /// The value, in the text in which it was found.
    pub fn of(self, text: &str) -> Raw<'_> {
        let range = self.begin as usize..self.end as usize;
        Raw { text: text.get(range).unwrap_or_default(), kind: self.kind }
    }

    /// The characters of a string without escapes, as bytes of the text in which it was found.
    pub fn plain(self, text: &str) -> Option<&[u8]> {
        let range = self.begin as usize + 1..(self.end as usize).checked_sub(1)?;
        text.as_bytes().get(range).filter(|_| self.kind == Kind::Plain)
    }
}
