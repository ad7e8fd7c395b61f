//! JSON text read where it stands: values are found and classified, nothing is built.
//!
//! Half of what a parser costs is the tree. A scan leaves texts and numbers where they are and
//! passes over what nobody wants. It is stricter than `serde_json`'s parser, and never more lenient:
//! where it says `None` (broken JSON, deep nesting, numbers that may be out of range, escapes that
//! may be no character) the caller asks the parser instead, whose word counts.

use serde_json::Value;

/// Deepest nesting that is read here; `serde_json`'s own limit is a little higher.
const DEEPEST: usize = 100;

/// Most digits of a whole number that is its own canonical form.
const PLAIN_DIGITS: usize = 18;

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
            Kind::Whole | Kind::Number | Kind::Escaped | Kind::Array | Kind::Object => {
                serde_json::from_str(self.text).ok()
            }
        }
    }
}

/// A place in a text.
#[derive(Debug, Clone)]
pub struct Scanner<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl<'t> Scanner<'t> {
    /// The beginning of a text.
    pub fn new(text: &'t str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    /// Whether nothing but blanks follows.
    pub fn is_at_end(&mut self) -> bool {
        self.blanks();
        self.at == self.text.len()
    }

    /// The next value.
    pub fn value(&mut self) -> Option<Raw<'t>> {
        self.blanks();
        let begin = self.at;
        let kind = match self.peek()? {
            b'"' => self.string()?,
            b'{' => {
                self.object(|scanner, _| scanner.value().map(drop))?;
                Kind::Object
            }
            b'[' => {
                self.array(|scanner| scanner.value().map(drop))?;
                Kind::Array
            }
            b'n' => self.word("null", Kind::Null)?,
            b't' => self.word("true", Kind::Boolean)?,
            b'f' => self.word("false", Kind::Boolean)?,
            _ => self.number()?,
        };
        Some(Raw { text: self.text.get(begin..self.at)?, kind })
    }

    /// The text of what is read there.
    pub fn span(&mut self, read: impl FnOnce(&mut Self) -> Option<()>) -> Option<&'t str> {
        self.blanks();
        let begin = self.at;
        read(self)?;
        self.text.get(begin..self.at)
    }

    /// Whether an object comes next.
    pub fn is_object(&mut self) -> bool {
        self.blanks();
        self.peek() == Some(b'{')
    }

    /// Reads an object: `member` is given every name, as it stands, and reads the value.
    pub fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Raw<'t>) -> Option<()>,
    ) -> Option<()> {
        self.enter(b'{')?;
        if self.is_next(b'}') {
            return self.leave();
        }
        loop {
            self.blanks();
            let begin = self.at;
            if self.peek()? != b'"' {
                return None;
            }
            let kind = self.string()?;
            let name = Raw { text: self.text.get(begin..self.at)?, kind };
            if !self.is_next(b':') {
                return None;
            }
            member(self, name)?;
            if self.is_next(b'}') {
                return self.leave();
            }
            if !self.is_next(b',') {
                return None;
            }
        }
    }

    /// Reads an array: `element` reads each of its values.
    pub fn array(&mut self, mut element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.enter(b'[')?;
        if self.is_next(b']') {
            return self.leave();
        }
        loop {
            element(self)?;
            if self.is_next(b']') {
                return self.leave();
            }
            if !self.is_next(b',') {
                return None;
            }
        }
    }

    fn enter(&mut self, open: u8) -> Option<()> {
        self.depth += 1;
        (self.is_next(open) && self.depth <= DEEPEST).then_some(())
    }

    fn leave(&mut self) -> Option<()> {
        self.depth = self.depth.checked_sub(1)?;
        Some(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn is_next(&mut self, wanted: u8) -> bool {
        self.blanks();
        let is_it = self.peek() == Some(wanted);
        self.at += usize::from(is_it);
        is_it
    }

    fn word(&mut self, word: &str, kind: Kind) -> Option<Kind> {
        let rest = self.text.as_bytes().get(self.at..)?;
        rest.starts_with(word.as_bytes()).then(|| {
            self.at += word.len();
            kind
        })
    }

    /// A string, from its opening to behind its closing quote.
    fn string(&mut self) -> Option<Kind> {
        let begin = self.at;
        let mut bytes = self.text.as_bytes().get(begin + 1..)?.iter();
        let mut kind = Kind::Plain;
        let mut has_code = false;
        loop {
            match *bytes.next()? {
                b'"' => break,
                b'\\' => {
                    kind = Kind::Escaped;
                    match *bytes.next()? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                        b'u' => has_code = true,
                        _ => return None,
                    }
                }
                0..=0x1f => return None,
                _ => {}
            }
        }
        self.at = self.text.len() - bytes.len();
        // Whether it is a character, or half of one, is for the parser to say.
        if has_code {
            serde_json::from_str::<String>(self.text.get(begin..self.at)?).ok()?;
        }
        Some(kind)
    }

    fn number(&mut self) -> Option<Kind> {
        let begin = self.at;
        let is_negative = self.peek() == Some(b'-');
        self.at += usize::from(is_negative);
        let first = self.at;
        let digits = self.digits();
        let has_zero = self.text.as_bytes().get(first) == Some(&b'0');
        if digits == 0 || (digits > 1 && has_zero) {
            return None;
        }
        if !matches!(self.peek(), Some(b'.' | b'e' | b'E')) {
            let is_plain = digits <= PLAIN_DIGITS && !(is_negative && has_zero);
            return Some(if is_plain { Kind::Whole } else { Kind::Number });
        }
        while let Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-') = self.peek() {
            self.at += 1;
        }
        let text = self.text.get(begin..self.at)?;
        serde_json::from_str::<Value>(text).ok().map(|_| Kind::Number)
    }

    fn digits(&mut self) -> usize {
        let begin = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at - begin
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use crate::native::scan::{Kind, Raw, Scanner};

    fn scanned(text: &str) -> Option<Raw<'_>> {
        let mut scanner = Scanner::new(text);
        let raw = scanner.value()?;
        scanner.is_at_end().then_some(raw)
    }

    #[track_caller]
    fn check(text: &str, kind: Kind, value: &Value) {
        let raw = scanned(text).unwrap();
        assert_eq!((raw.text, raw.kind), (text.trim(), kind));
        assert_eq!(raw.value().as_ref(), Some(value));
        if matches!(raw.kind, Kind::Null | Kind::Boolean | Kind::Whole | Kind::Plain) {
            assert_eq!(raw.text, value.to_string());
        }
    }

    #[test]
    fn values_are_found_and_classified() {
        check(" null ", Kind::Null, &json!(null));
        check("true", Kind::Boolean, &json!(true));
        check("0", Kind::Whole, &json!(0));
        check("-12", Kind::Whole, &json!(-12));
        check("-0", Kind::Number, &json!(-0.0));
        check("999999999999999999", Kind::Whole, &json!(999_999_999_999_999_999_u64));
        check("1e2", Kind::Number, &json!(100.0));
        check("1.50", Kind::Number, &json!(1.5));
        check(r#""ada é""#, Kind::Plain, &json!("ada é"));
        check(r#""a\u0041\/\ud83d\ude00""#, Kind::Escaped, &json!("aA/😀"));
        check(r#"[1, {"a": []}]"#, Kind::Array, &json!([1, { "a": [] }]));
        check("{}", Kind::Object, &json!({}));
    }

    #[test]
    fn what_is_no_json_is_left_to_the_parser() {
        for text in [
            "",
            "nul",
            "01",
            "-",
            "1.",
            "1e",
            "1e999",
            "+1",
            ".5",
            "\"",
            "\"\u{1}\"",
            r#""\x""#,
            r#""\ud800""#,
            r#""\u12""#,
            "[1,]",
            "[1 2]",
            "[",
            "{,}",
            r#"{"a"}"#,
            r#"{"a":1,}"#,
            "{a:1}",
            "]",
            "1 2",
            "\u{feff}1",
            "NaN",
            "'a'",
        ] {
            assert_eq!(scanned(text), None, "{text}");
            assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
        }
        assert_eq!(scanned(&"[".repeat(100_000)), None);
    }

    proptest! {
        #[test]
        fn what_is_read_here_the_parser_reads_too(text in r#"[\[\]{}:,"\\aeu0-9. -]{0,12}"#) {
            if let Some(raw) = scanned(&text) {
                let value: Value = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(raw.value(), Some(value));
            }
        }
    }
}
