//! A cursor over the text of a filter: blanks, names, words and literals
//! (RFC 7644 section 3.4.2.2, figure 1).

use serde_json::{Number, Value};

use crate::scim::attr::AttrPath;
use crate::scim::deviation::{Deviation, Deviations};
use crate::scim::filter::ast::CompareOp;
use crate::scim::filter::error::FilterError;
use crate::scim::simple::parse_boolean;
use crate::scim::value::Dialect;

/// Where reading stands.
pub(crate) struct Cursor<'t, 'd> {
    text: &'t str,
    /// Counts bytes from 0; always on the edge of a character.
    position: usize,
    dialect: Dialect,
    noted: &'d mut Deviations,
}

impl<'t, 'd> Cursor<'t, 'd> {
    pub(crate) fn new(text: &'t str, dialect: Dialect, noted: &'d mut Deviations) -> Self {
        Self { text, position: 0, dialect, noted }
    }

    /// Notes what the strict dialect would have refused.
    pub(crate) fn note(&mut self, deviation: Deviation) {
        self.noted.note(deviation);
    }

    pub(crate) fn at_end(&self) -> bool {
        self.rest().is_empty()
    }

    /// Takes this text when it comes next.
    pub(crate) fn take(&mut self, text: &str) -> bool {
        let taken = self.rest().starts_with(text);
        if taken {
            self.position += text.len();
        }
        taken
    }

    /// Blanks where the grammar has none.
    pub(crate) fn no_blank(&mut self) {
        if self.dialect == Dialect::Lenient && !self.take_while(is_blank).is_empty() {
            self.note(Deviation::FilterBlanks);
        }
    }

    /// Blanks that the grammar may want here or not; none in the strict dialect, which takes them
    /// where it wants them.
    pub(crate) fn blanks(&mut self) -> &'t str {
        if self.dialect == Dialect::Lenient { self.take_while(is_blank) } else { "" }
    }

    /// The one blank of the grammar; any number of them in the lenient dialect.
    pub(crate) fn blank(&mut self) -> Result<(), FilterError> {
        if !self.take(" ") {
            if self.dialect == Dialect::Strict {
                return Err(self.expected("a blank"));
            }
            self.note(Deviation::FilterBlanks);
        }
        self.no_blank();
        Ok(())
    }

    /// `not` with the parenthesis that follows it.
    pub(crate) fn take_not(&mut self) -> bool {
        let start = self.position;
        if self.take_word().eq_ignore_ascii_case("not") {
            self.take(" ");
            self.no_blank();
            if self.take("(") {
                return true;
            }
        }
        self.position = start;
        false
    }

    /// A run of letters, perhaps empty.
    pub(crate) fn take_word(&mut self) -> &'t str {
        self.take_while(|c| c.is_ascii_alphabetic())
    }

    /// A comparison operator.
    pub(crate) fn operator(&mut self) -> Result<Operator, FilterError> {
        let start = self.mark();
        let word = self.take_word();
        if word.eq_ignore_ascii_case("pr") {
            return Ok(Operator::Present);
        }
        let known = CompareOp::ALL.iter().find(|op| op.keyword().eq_ignore_ascii_case(word));
        let known = known.map(|op| Operator::Compare(*op));
        known.ok_or_else(|| self.expected_at(start, "an operator"))
    }

    /// An attribute's name.
    pub(crate) fn path(&mut self) -> Result<AttrPath, FilterError> {
        let start = self.mark();
        let name = self.take_while(|c| !is_blank(c) && !"[]()\"".contains(c));
        name.parse().map_err(|_| self.expected_at(start, "an attribute name"))
    }

    /// The value to compare with.
    pub(crate) fn literal(&mut self) -> Result<Value, FilterError> {
        let start = self.mark();
        let read = if self.rest().starts_with('"') {
            self.quoted()
        } else if self.dialect == Dialect::Lenient && self.take("'") {
            self.note(Deviation::UnquotedLiteral);
            self.single_quoted()
        } else {
            let token = self.take_while(|c| !is_blank(c) && c != ')' && c != ']');
            let read = self.bare(token);
            if read.as_ref().is_some_and(|value| !is_json(token, value)) {
                self.note(Deviation::UnquotedLiteral);
            }
            read
        };
        read.ok_or_else(|| self.expected_at(start, "a value"))
    }

    /// Where reading stands now, for [`Cursor::expected_at`].
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.position)
    }

    /// The error that says what should stand here.
    pub(crate) fn expected(&self, expected: &'static str) -> FilterError {
        self.expected_at(self.mark(), expected)
    }

    /// The error that says what should stand there.
    pub(crate) fn expected_at(&self, Mark(bytes): Mark, expected: &'static str) -> FilterError {
        let before = self.text.get(..bytes).unwrap_or_default();
        FilterError::Syntax { position: before.chars().count() + 1, expected }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.position..).unwrap_or_default()
    }

    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.position += end;
        rest.get(..end).unwrap_or_default()
    }

    /// A JSON string.
    fn quoted(&mut self) -> Option<Value> {
        let rest = self.rest();
        let mut escaped = false;
        let (last, _) = rest.char_indices().skip(1).find(|(_, c)| {
            let closes = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            closes
        })?;
        let text = rest.get(..=last)?;
        self.position += text.len();
        serde_json::from_str::<String>(text).ok().map(Value::String)
    }

    /// `'text'`, which hand-written tools send; the closing quote stands before a blank, a
    /// bracket or the end, so that `'O'Malley'` can be read.
    fn single_quoted(&mut self) -> Option<Value> {
        let rest = self.rest();
        let (last, _) = rest.match_indices('\'').find(|(at, quote)| {
            let after = rest.get(at + quote.len()..).unwrap_or_default();
            after.is_empty() || after.starts_with(|c| is_blank(c) || c == ')' || c == ']')
        })?;
        self.position += last + 1;
        rest.get(..last).map(Value::from)
    }

    /// `true`, `false`, `null` and JSON numbers; in the lenient dialect other text too.
    fn bare(&self, token: &str) -> Option<Value> {
        match token {
            "" => return None,
            "true" => return Some(Value::Bool(true)),
            "false" => return Some(Value::Bool(false)),
            "null" => return Some(Value::Null),
            _ => {}
        }
        let lenient = self.dialect == Dialect::Lenient;
        if let Ok(number) = serde_json::from_str::<Number>(token) {
            // A long identifier without quotes must not lose its last digits.
            let identifier =
                lenient && number.is_f64() && token.chars().all(|c| c.is_ascii_digit());
            return Some(if identifier { token.into() } else { Value::Number(number) });
        }
        if lenient && let Some(truth) = parse_boolean(token) {
            return Some(Value::Bool(truth));
        }
        (lenient && is_plain_text(token)).then(|| token.into())
    }
}

/// Whether a token without quotes is the JSON text of the value it was taken for.
fn is_json(token: &str, value: &Value) -> bool {
    match value {
        Value::Bool(truth) => token == if *truth { "true" } else { "false" },
        Value::String(_) => false,
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => true,
    }
}

/// A place in the text.
#[derive(Clone, Copy)]
pub(crate) struct Mark(usize);

/// An operator as written.
#[derive(Clone, Copy)]
pub(crate) enum Operator {
    Present,
    Compare(CompareOp),
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// Whether an unquoted token is text without quotes, as Entra ID and authentik send it, and not
/// a botched number, object or list.
fn is_plain_text(token: &str) -> bool {
    if token.contains(['"', '\\']) || matches!(token, "NaN" | "Infinity") {
        return false;
    }
    if !token.starts_with(|first: char| first.is_ascii_digit()) {
        return !token.starts_with(['+', '-', '.', '{', '[', ',', ';', '\'', '(']);
    }
    // Dates and UUIDs may consist of nothing but digits and hyphens.
    let hyphens = token.matches('-').count();
    let of_a_number = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    hyphens > 1 || (!token.starts_with("0x") && !token.chars().all(of_a_number))
}
