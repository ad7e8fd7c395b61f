//! JSON text read where it stands: values are found and classified, nothing is built.
//!
//! Half of what a parser costs is the tree. A scan leaves texts and numbers where they are and
//! passes over what nobody wants. It is stricter than `serde_json`'s parser, and never more lenient:
//! where it says `None` (broken JSON, deep nesting, numbers that may be out of range, escapes that
//! may be no character) the caller asks the parser instead, whose word counts.

use serde_json::Value;

use crate::native::span::{Kind, Raw, Span};

/// Deepest nesting that is read here; `serde_json`'s own limit is a little higher.
const DEEPEST: usize = 100;

/// Most digits of a whole number that is its own canonical form.
const PLAIN_DIGITS: usize = 18;

/// How many bytes of a name are compared at once.
const HEAD: usize = 16;

/// How the name of a member is usually spelled: in quotes, with a colon behind it.
#[derive(Debug, Clone)]
pub struct Spelling {
    length: usize,
    /// Its first bytes, as many as are compared at once, and what of them it is.
    head: u128,
    mask: u128,
    /// What is behind them.
    rest: Vec<u8>,
}

impl Spelling {
    /// Of a name.
    pub fn of(name: &str) -> Self {
        let text = format!("{}:", Value::from(name)).into_bytes();
        let mut head = [0; HEAD];
        let mut mask = [0; HEAD];
        for ((head, mask), byte) in head.iter_mut().zip(&mut mask).zip(&text) {
            (*head, *mask) = (*byte, u8::MAX);
        }
        Self {
            length: text.len(),
            head: u128::from_le_bytes(head),
            mask: u128::from_le_bytes(mask),
            rest: text.get(HEAD..).unwrap_or_default().to_vec(),
        }
    }

    /// Whether a text begins with it; near the end of a text, it is not said to.
    #[inline]
    fn begins(&self, text: &[u8]) -> bool {
        text.split_first_chunk().is_some_and(|(head, rest)| {
            u128::from_le_bytes(*head) & self.mask == self.head
                && (self.rest.is_empty() || rest.starts_with(&self.rest))
        })
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

    /// The text that is read.
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// Whether nothing but blanks follows.
    pub fn is_at_end(&mut self) -> bool {
        self.first().is_none()
    }

    /// The next value.
    pub fn value(&mut self) -> Option<Raw<'t>> {
        self.pass().map(|span| span.of(self.text))
    }

    /// Passes over the next value.
    #[inline]
    pub fn pass(&mut self) -> Option<Span> {
        let (begin, kind) = self.find()?;
        self.span(begin, kind)
    }

    /// Where the value begins that it passes over, and what it is.
    fn find(&mut self) -> Option<(usize, Kind)> {
        let first = self.first()?;
        let begin = self.at;
        let kind = if first == b'"' { self.string()? } else { self.other(first)? };
        Some((begin, kind))
    }

    /// Passes over a value that is no string.
    #[inline(never)]
    fn other(&mut self, first: u8) -> Option<Kind> {
        match first {
            b'{' => self.object(|scanner, _| scanner.pass().map(drop))?,
            b'[' => self.array(|scanner| scanner.pass().map(drop))?,
            b'n' => return self.word(b"null", Kind::Null),
            b't' => return self.word(b"true", Kind::Boolean),
            b'f' => return self.word(b"false", Kind::Boolean),
            _ => return self.number(),
        };
        Some(if first == b'{' { Kind::Object } else { Kind::Array })
    }

    /// Reads the value that comes next as a text of its own.
    pub fn apart<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<(&'t str, T)> {
        self.first()?;
        let mut own = Self { text: self.text.get(self.at..)?, at: 0, depth: self.depth };
        let found = read(&mut own)?;
        self.at += own.at;
        Some((own.text.get(..own.at)?, found))
    }

    /// Whether an object comes next.
    pub fn is_object(&mut self) -> bool {
        self.first() == Some(b'{')
    }

    /// Whether an array comes next.
    pub fn is_array(&mut self) -> bool {
        self.first() == Some(b'[')
    }

    /// Reads an object: `member` is given every name, and reads the value.
    pub fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Span) -> Option<()>,
    ) -> Option<Span> {
        self.members(|scanner| {
            let name = scanner.name()?;
            member(scanner, name)
        })
    }

    /// The same, where `member` reads each [name](Self::name), too.
    pub fn members(&mut self, member: impl FnMut(&mut Self) -> Option<()>) -> Option<Span> {
        self.within(*b"{}", Kind::Object, member)
    }

    /// Reads an array: `element` reads each of its values.
    pub fn array(&mut self, element: impl FnMut(&mut Self) -> Option<()>) -> Option<Span> {
        self.within(*b"[]", Kind::Array, element)
    }

    /// Reads what stands between brackets, with commas between the parts.
    #[inline]
    fn within(
        &mut self,
        [open, close]: [u8; 2],
        kind: Kind,
        mut part: impl FnMut(&mut Self) -> Option<()>,
    ) -> Option<Span> {
        (self.is_next(open) && self.depth < DEEPEST).then_some(())?;
        let begin = self.at - 1;
        self.depth += 1;
        let mut is_over = self.is_next(close);
        while !is_over {
            part(self)?;
            is_over = !self.is_next(b',');
            (!is_over || self.is_next(close)).then_some(())?;
        }
        self.depth -= 1;
        self.span(begin, kind)
    }

    /// The name of the member that comes next; its value comes then.
    pub fn name(&mut self) -> Option<Span> {
        (self.first()? == b'"').then_some(())?;
        let name = self.pass()?;
        self.is_next(b':').then_some(name)
    }

    /// Whether the name of the next member is spelled like this, with no blanks around it. If it
    /// is, its value comes next.
    #[inline]
    pub fn is_named(&mut self, spelling: &Spelling) -> bool {
        let is_it = self.text.as_bytes().get(self.at..).is_some_and(|rest| spelling.begins(rest));
        self.at += if is_it { spelling.length } else { 0 };
        is_it
    }

    /// What begins at a place and ends here.
    fn span(&self, begin: usize, kind: Kind) -> Option<Span> {
        Span::new(begin, self.at, kind)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is no blank.
    #[inline]
    fn first(&mut self) -> Option<u8> {
        match self.peek()? {
            b' ' | b'\n' | b'\r' | b'\t' => self.behind_blanks(),
            other => Some(other),
        }
    }

    /// The same where there are blanks, which is the exception.
    #[inline(never)]
    fn behind_blanks(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
        self.peek()
    }

    #[inline]
    fn is_next(&mut self, wanted: u8) -> bool {
        let is_it = self.first() == Some(wanted);
        self.at += usize::from(is_it);
        is_it
    }

    fn word<const N: usize>(&mut self, word: &[u8; N], kind: Kind) -> Option<Kind> {
        let rest = self.text.as_bytes().get(self.at..)?;
        (rest.first_chunk() == Some(word)).then(|| {
            self.at += N;
            kind
        })
    }

    /// A string, from its opening to behind its closing quote.
    #[inline]
    fn string(&mut self) -> Option<Kind> {
        let (bytes, begin) = (self.text.as_bytes(), self.at);
        let mut rest = bytes.get(begin + 1..)?;
        while let Some((word, behind)) = rest.split_first_chunk() {
            if let Some(place) = marked(*word) {
                self.at = bytes.len() - rest.len() + place;
                if word.get(place) == Some(&b'"') {
                    self.at += 1;
                    return Some(Kind::Plain);
                }
                return self.rest_of_string(begin);
            }
            rest = behind;
        }
        self.at = bytes.len() - rest.len();
        self.rest_of_string(begin)
    }

    /// The rest of a string that is not plain, or near the end of the text.
    #[inline(never)]
    fn rest_of_string(&mut self, begin: usize) -> Option<Kind> {
        let bytes = self.text.as_bytes();
        let (mut has_escape, mut has_code) = (false, false);
        loop {
            self.at = mark(bytes, self.at)?;
            match (bytes.get(self.at)?, bytes.get(self.at + 1)) {
                (b'"', _) => break,
                (b'\\', Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't')) => {}
                (b'\\', Some(b'u')) => has_code = true,
                _ => return None,
            }
            has_escape = true;
            self.at += 2;
        }
        self.at += 1;
        // Whether it is a character, or half of one, is for the parser to say.
        if has_code {
            serde_json::from_str::<String>(self.text.get(begin..self.at)?).ok()?;
        }
        Some(if has_escape { Kind::Escaped } else { Kind::Plain })
    }

    #[inline(never)]
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

/// Where the first byte stands, from a place on, at which a string ends or is not plain any more:
/// a quote, a backslash or a control character.
fn mark(bytes: &[u8], from: usize) -> Option<usize> {
    let is_mark = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    bytes.get(from..)?.iter().position(is_mark).map(|place| from + place)
}

/// The same among eight bytes at once, of which the first is the lowest. Subtracting borrows from
/// the bytes behind the first find, and never from those before it.
fn marked(bytes: [u8; 8]) -> Option<usize> {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    let word = u64::from_le_bytes(bytes);
    // With one bit turned, the quote stands right behind the control characters.
    let low = (word ^ (EACH * 2)).wrapping_sub(EACH * 0x21);
    let slashes = (word ^ (EACH * u64::from(b'\\'))).wrapping_sub(EACH);
    let marks = (low | slashes) & !word & (EACH << 7);
    (marks != 0).then(|| marks.trailing_zeros() as usize / 8)
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

    #[test]
    fn strings_end_where_they_end_whatever_their_length() {
        for length in 0..40 {
            for odd in
                ["", "\\\"", "\\\\", "\\u00e9", "é", "\u{7f}", "\u{1f}", "\u{0}", "\u{20}", "!#[]"]
            {
                for place in [0, length / 2, length] {
                    let (before, behind) = ("a".repeat(place), "b".repeat(length - place));
                    let text = format!("\"{before}{odd}{behind}\"");
                    let value = serde_json::from_str::<Value>(&text).ok();
                    assert_eq!(scanned(&text).and_then(|raw| raw.value()), value, "{text}");
                    let text = format!("{text},\"more\"");
                    let first = Scanner::new(&text).value().and_then(|raw| raw.value());
                    assert_eq!(first, value, "{text}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn strings_are_read_as_the_parser_reads_them(text in r#"[a-c"\\n\x00-\x1f\x20-\x23é\u{7f}\u{80}😀]{0,24}"#) {
            let text = format!("\"{text}\"");
            let value = serde_json::from_str::<Value>(&text).ok();
            prop_assert_eq!(scanned(&text).and_then(|raw| raw.value()), value);
        }

        #[test]
        fn what_is_read_here_the_parser_reads_too(text in r#"[\[\]{}:,"\\aeu0-9. -]{0,12}"#) {
            if let Some(raw) = scanned(&text) {
                let value: Value = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(raw.value(), Some(value));
            }
        }
    }
}
