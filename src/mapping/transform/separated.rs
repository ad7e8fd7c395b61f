//! What `split` and `join` share: several texts in one, with a separator between them.

use serde_json::{Map, Value};

use crate::mapping::transform::kind::{TransformError, TransformFault};

/// Most texts that one can be taken apart into.
const MOST: u64 = 16;

/// Several texts in one.
#[derive(Debug)]
pub(crate) struct Separated {
    name: &'static str,
    separator: String,
    at: At,
    parts: usize,
}

/// Where a text with more separators than there are parts is taken apart.
#[derive(Debug, Clone, Copy)]
enum At {
    /// At the first ones.
    First,
    /// At the last ones.
    Last,
}

impl Separated {
    /// With the separator as argument; options are `at` and `parts`, the number of texts.
    pub(crate) fn build(
        name: &'static str,
        argument: &Value,
        options: &Map<String, Value>,
    ) -> Result<Self, TransformFault> {
        let fault = |message: &str| TransformFault::BadArgument { name, message: message.into() };
        let separator = match argument.as_str() {
            Some(separator) if !separator.is_empty() => separator.to_owned(),
            Some(_) | None => return Err(fault("it takes the separator")),
        };
        let at = match options.get("at").map(Value::as_str) {
            None | Some(Some("first")) => At::First,
            Some(Some("last")) => At::Last,
            Some(_) => return Err(fault("at is first or last")),
        };
        let parts = match options.get("parts") {
            None => 2,
            Some(parts) => match parts.as_u64() {
                Some(number @ 2..=MOST) => usize::try_from(number).unwrap_or(2),
                Some(_) | None => return Err(fault("there are 2 to 16 parts")),
            },
        };
        Ok(Self { name, separator, at, parts })
    }

    /// The error of a value of another type.
    pub(crate) fn not_text(&self) -> TransformError {
        TransformError::NotOfType { transform: self.name, expected: "a text or several" }
    }

    /// Several texts that may be one: names of one word and of many, parts that are absent, and
    /// parts that hold the separator.
    pub(crate) fn several(&self) -> Vec<Value> {
        let parts: [&[&str]; 8] = [
            &["Ada", "Lovelace"],
            &["Jan", "van der Berg"],
            &["Ana María", "Öberg"],
            &["Ada"],
            &["", "Lovelace"],
            &["ada", "ADA"],
            &[" Ada ", "x"],
            &["van der Berg", "Jan"],
        ];
        let part = |text: &&str| match *text {
            "" => Value::Null,
            text => Value::from(text.replace(' ', &self.separator)),
        };
        let list = |texts: &&[&str]| {
            let mut list: Vec<Value> = texts.iter().map(part).collect();
            list.resize(self.parts, Value::Null);
            Value::Array(list)
        };
        parts.iter().map(list).collect()
    }

    /// Texts that may be taken apart.
    pub(crate) fn single(&self) -> Vec<Value> {
        let texts = [
            "Ada Lovelace",
            "Jan van der Berg",
            "Ada",
            "Ana  Öberg",
            " Ada ",
            " ",
            "Łucja",
            "a b c d",
        ];
        texts.map(|text| Value::from(text.replace(' ', &self.separator))).to_vec()
    }

    /// One text out of several; absent ones leave no separator behind.
    pub(crate) fn together(&self, parts: &[Value]) -> Result<String, TransformError> {
        if parts.len() > self.parts {
            return Err(TransformError::NoCounterpart { transform: self.name });
        }
        let mut texts = Vec::new();
        for part in parts {
            match part {
                Value::Null => {}
                Value::String(text) if text.is_empty() => {}
                Value::String(text) => texts.push(text.as_str()),
                Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                    return Err(self.not_text());
                }
            }
        }
        Ok(texts.join(&self.separator))
    }

    /// The texts in one text, such that together they are this text again. A single one is the
    /// first, wherever the others would be cut off.
    pub(crate) fn apart(&self, text: &str) -> Value {
        let mut rest = Some(text).filter(|text| !text.is_empty());
        let mut texts: Vec<&str> = Vec::new();
        while texts.len() + 1 < self.parts
            && let Some((head, tail)) = rest.and_then(|rest| self.cut(rest))
        {
            let (done, left) = match self.at {
                At::First => (head, tail),
                At::Last => (tail, head),
            };
            texts.push(done);
            rest = Some(left);
        }
        texts.extend(rest);
        if matches!(self.at, At::Last) {
            texts.reverse();
        }
        let mut parts: Vec<Value> = texts.into_iter().map(Value::from).collect();
        parts.resize(self.parts, Value::Null);
        Value::Array(parts)
    }

    /// The text before a separator and the text behind it, neither of them empty.
    fn cut<'t>(&self, text: &'t str) -> Option<(&'t str, &'t str)> {
        let cuts = |(position, found): (usize, &str)| {
            let (head, rest) = text.split_at_checked(position)?;
            let tail = rest.get(found.len()..)?;
            (!head.is_empty() && !tail.is_empty()).then_some((head, tail))
        };
        match self.at {
            At::First => text.match_indices(self.separator.as_str()).find_map(cuts),
            At::Last => text.rmatch_indices(self.separator.as_str()).find_map(cuts),
        }
    }
}
