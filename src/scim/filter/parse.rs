//! The text of a filter to its tree (RFC 7644 section 3.4.2.2, figure 1).
//!
//! `not` binds closer than `and`, `and` closer than `or`. The parser keeps its open brackets in a
//! list instead of calling itself, and looks at each character a fixed number of times. Value
//! paths inside value paths are refused: sub-attributes have no sub-attributes.
//!
//! Deviation from the RFC, in the lenient dialect only: more or fewer blanks, `True`, values in
//! single quotes or without quotes, and the PATCH form `emails[type eq "work"].value eq "x"`.

use crate::scim::attr::AttrPath;
use crate::scim::deviation::{Deviation, Deviations};
use crate::scim::filter::ast::Filter;
use crate::scim::filter::error::FilterError;
use crate::scim::filter::lex::{Cursor, Mark, Operator};
use crate::scim::value::Dialect;

/// Longest filter that is read, in bytes.
pub const MAX_FILTER_LENGTH: usize = 32 * 1024;

/// Most brackets that may be open at once.
pub const MAX_FILTER_DEPTH: usize = 256;

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// When the text does not follow the grammar, or is too long or too deep.
    pub fn parse(text: &str, dialect: Dialect) -> Result<Self, FilterError> {
        Self::parse_noting(text, dialect, &mut Deviations::default())
    }

    /// Reads a filter, and notes what only the lenient dialect understands.
    ///
    /// # Errors
    /// When the text does not follow the grammar, or is too long or too deep.
    pub fn parse_noting(
        text: &str,
        dialect: Dialect,
        noted: &mut Deviations,
    ) -> Result<Self, FilterError> {
        if text.len() > MAX_FILTER_LENGTH {
            return Err(FilterError::TooLong { limit: MAX_FILTER_LENGTH });
        }
        let mut cursor = Cursor::new(text, dialect, noted);
        let mut frames = vec![Frame::new(Bracket::None)];
        loop {
            cursor.no_blank();
            match read_term(&mut cursor, &frames)? {
                Term::Opened(bracket) if frames.len() > MAX_FILTER_DEPTH => {
                    drop(bracket);
                    return Err(FilterError::TooDeep { limit: MAX_FILTER_DEPTH });
                }
                Term::Opened(bracket) => frames.push(Frame::new(bracket)),
                Term::Whole(filter) => {
                    if let Some(whole) = after_term(&mut cursor, &mut frames, filter, dialect)? {
                        return Ok(whole);
                    }
                }
            }
        }
    }
}

/// What an open frame waits to be closed by, and becomes then.
enum Bracket {
    /// The whole filter: closed by the end of the text.
    None,
    /// `(`.
    Group,
    /// `not (`.
    Not,
    /// `attribute[`.
    Elements(AttrPath),
}

/// The terms read since a bracket was opened.
struct Frame {
    bracket: Bracket,
    /// Terms of `or` that are complete.
    alternatives: Vec<Filter>,
    /// Terms of the `and` being read.
    conjunction: Vec<Filter>,
}

impl Frame {
    fn new(bracket: Bracket) -> Self {
        Self { bracket, alternatives: Vec::new(), conjunction: Vec::new() }
    }

    /// Adds a term of `and`; an inner `and` dissolves into this one.
    fn add(&mut self, filter: Filter) {
        match filter {
            Filter::And(terms) => self.conjunction.extend(terms),
            Filter::Compare(..)
            | Filter::Present(_)
            | Filter::Or(_)
            | Filter::Not(_)
            | Filter::ValuePath(..) => self.conjunction.push(filter),
        }
    }

    /// Ends the `and` being read; an inner `or` dissolves into the outer one.
    fn end_conjunction(&mut self) {
        match joined(std::mem::take(&mut self.conjunction), Filter::And) {
            Some(Filter::Or(terms)) => self.alternatives.extend(terms),
            Some(filter) => self.alternatives.push(filter),
            None => {}
        }
    }
}

fn joined(mut terms: Vec<Filter>, join: fn(Vec<Filter>) -> Filter) -> Option<Filter> {
    if terms.len() > 1 { Some(join(terms)) } else { terms.pop() }
}

enum Term {
    Opened(Bracket),
    Whole(Filter),
}

/// Reads what stands between `and`, `or` and brackets: a comparison or the start of a bracket.
fn read_term(cursor: &mut Cursor<'_, '_>, frames: &[Frame]) -> Result<Term, FilterError> {
    if cursor.take("(") {
        return Ok(Term::Opened(Bracket::Group));
    }
    if cursor.take_not() {
        return Ok(Term::Opened(Bracket::Not));
    }
    let path = cursor.path()?;
    let in_elements = |frame: &Frame| matches!(frame.bracket, Bracket::Elements(_));
    if !frames.iter().any(in_elements) && cursor.take("[") {
        return Ok(Term::Opened(Bracket::Elements(path)));
    }
    cursor.blank()?;
    read_comparison(cursor, path).map(Term::Whole)
}

fn read_comparison(cursor: &mut Cursor<'_, '_>, path: AttrPath) -> Result<Filter, FilterError> {
    match cursor.operator()? {
        Operator::Present => Ok(Filter::Present(path)),
        Operator::Compare(op) => {
            cursor.blank()?;
            Ok(Filter::Compare(path, op, cursor.literal()?))
        }
    }
}

/// Puts a complete term in its place and reads on to where the next one starts; gives the whole
/// filter when the text ends.
fn after_term(
    cursor: &mut Cursor<'_, '_>,
    frames: &mut Vec<Frame>,
    mut term: Filter,
    dialect: Dialect,
) -> Result<Option<Filter>, FilterError> {
    while let Some(mut frame) = frames.pop() {
        frame.add(term);
        let end = cursor.mark();
        let blanks = cursor.blanks();
        let closed = match &frame.bracket {
            Bracket::None => cursor.at_end(),
            Bracket::Group | Bracket::Not => cursor.take(")"),
            Bracket::Elements(_) => cursor.take("]"),
        };
        // Before `and` and `or` the grammar has one blank, before an end none.
        let wanted = if closed || dialect == Dialect::Strict { "" } else { " " };
        if blanks != wanted {
            cursor.note(Deviation::FilterBlanks);
        }
        if !closed {
            read_joint(cursor, &mut frame, dialect, end)?;
            frames.push(frame);
            return Ok(None);
        }
        frame.end_conjunction();
        let Some(inner) = joined(frame.alternatives, Filter::Or) else {
            return Err(cursor.expected("a term"));
        };
        term = match frame.bracket {
            Bracket::None => return Ok(Some(inner)),
            Bracket::Group => inner,
            Bracket::Not => Filter::Not(Box::new(inner)),
            Bracket::Elements(path) => read_suffix(cursor, path, inner, dialect)?,
        };
    }
    Err(cursor.expected("the end"))
}

/// Reads `and` or `or` with its blanks; the term before it stopped at `end`.
fn read_joint(
    cursor: &mut Cursor<'_, '_>,
    frame: &mut Frame,
    dialect: Dialect,
    end: Mark,
) -> Result<(), FilterError> {
    let expected = "`and`, `or` or the end";
    if dialect == Dialect::Strict && !cursor.take(" ") {
        return Err(cursor.expected_at(end, expected));
    }
    let word = cursor.take_word();
    if word.eq_ignore_ascii_case("or") {
        frame.end_conjunction();
    } else if !word.eq_ignore_ascii_case("and") {
        return Err(cursor.expected_at(end, expected));
    }
    cursor.blank()
}

/// Ends a value path. Entra ID goes on behind it as in PATCH (`emails[…].value eq "x"`), which
/// means one more condition on the same element.
fn read_suffix(
    cursor: &mut Cursor<'_, '_>,
    path: AttrPath,
    inner: Filter,
    dialect: Dialect,
) -> Result<Filter, FilterError> {
    if dialect == Dialect::Strict || !cursor.take(".") {
        return Ok(Filter::ValuePath(path, Box::new(inner)));
    }
    cursor.note(Deviation::ValuePathSuffix);
    let sub = cursor.path()?;
    cursor.blank()?;
    let mut frame = Frame::new(Bracket::None);
    frame.add(inner);
    frame.add(read_comparison(cursor, sub)?);
    let both = Filter::And(frame.conjunction);
    Ok(Filter::ValuePath(path, Box::new(both)))
}

#[cfg(test)]
mod tests {
    use crate::scim::filter::ast::Filter;
    use crate::scim::filter::error::FilterError;
    use crate::scim::filter::parse::{MAX_FILTER_DEPTH, MAX_FILTER_LENGTH};
    use crate::scim::value::Dialect;

    /// Reads `text` and compares its canonical text; both dialects where `strict` is given.
    #[track_caller]
    fn check(dialect: Dialect, text: &str, printed: &str) {
        let filter = Filter::parse(text, dialect).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(filter.to_string(), printed);
        assert_eq!(Filter::parse(printed, Dialect::Strict), Ok(filter));
    }

    #[test]
    fn the_grammar_is_read_in_both_dialects() {
        for (text, printed) in [
            (r#"userName EQ "Ada""#, r#"userName eq "Ada""#),
            ("a pr and b pr or c pr", "a pr and b pr or c pr"),
            ("a pr and (b pr or c pr)", "a pr and (b pr or c pr)"),
            ("(a pr and (b pr)) and c pr", "a pr and b pr and c pr"),
            ("a pr or (b pr or (c pr and d pr))", "a pr or b pr or c pr and d pr"),
            ("NOT(a pr) and not (b pr)", "not (a pr) and not (b pr)"),
            ("not pr", "not pr"),
            (r#"e[type eq "]" and (x pr)]"#, r#"e[type eq "]" and x pr]"#),
            (r#"a eq "\uD83D\uDE00\"\\""#, r#"a eq "😀\"\\""#),
            ("a eq 12e-3 or a ne null", "a eq 0.012 or a ne null"),
            ("urn:x:2.0:User:a.b ge 1", "urn:x:2.0:User:a.b ge 1"),
        ] {
            check(Dialect::Strict, text, printed);
            check(Dialect::Lenient, text, printed);
        }
    }

    #[test]
    fn what_clients_send_is_read_in_the_lenient_dialect_only() {
        for (text, printed) in [
            ("  a  eq\t\"x\"  ", r#"a eq "x""#),
            ("active eq True", "active eq true"),
            ("a eq 'Ada Lovelace'", r#"a eq "Ada Lovelace""#),
            ("a eq 'O'Malley'", r#"a eq "O'Malley""#),
            ("(userName eq alice)", r#"userName eq "alice""#),
            (
                "id eq 2f0e4a8c-1111-2222-3333-444455556666 and a pr",
                r#"id eq "2f0e4a8c-1111-2222-3333-444455556666" and a pr"#,
            ),
            ("a gt 2015-10-10T14:38:21Z", r#"a gt "2015-10-10T14:38:21Z""#),
            ("( a pr )and not  ( b pr )", "a pr and not (b pr)"),
            (
                r#"emails[ type eq"work" ].value eq "x""#,
                r#"emails[type eq "work" and value eq "x"]"#,
            ),
        ] {
            check(Dialect::Lenient, text, printed);
            assert!(Filter::parse(text, Dialect::Strict).is_err(), "{text}");
        }
    }

    #[test]
    fn a_long_number_keeps_its_digits_in_the_lenient_dialect() {
        let text = r#"id eq "123456789012345678901234""#;
        check(Dialect::Lenient, "id eq 123456789012345678901234", text);
    }

    #[test]
    fn nonsense_is_refused_in_both_dialects() {
        for text in [
            "",
            " ",
            "a",
            "a eq",
            "a eq ",
            "and a pr",
            "a pr and",
            "()",
            "(a pr",
            "a pr)",
            "a[]",
            "a[b pr",
            "a[b[c pr]]",
            "a[b pr]]",
            "(a pr]",
            "a[b pr)",
            "a eq \"x",
            r#"a eq "\ud83d""#,
            "a eq 01",
            "a eq +1",
            "a eq 1.",
            "a eq 1e999",
            "a eq {}",
            "a eq [1]",
            "a eq NaN",
            "a eq \"x\" \"y\"",
            "a pr xor b pr",
            "a pr, b pr",
            "not a pr",
            "a == 1",
            "a eq \"\u{1}\"",
        ] {
            for dialect in [Dialect::Strict, Dialect::Lenient] {
                let read = Filter::parse(text, dialect);
                assert!(matches!(read, Err(FilterError::Syntax { .. })), "{text}: {read:?}");
            }
        }
    }

    #[test]
    fn an_error_says_where() {
        let error = Filter::parse(r#"a eq "é" and"#, Dialect::Strict).unwrap_err();
        assert_eq!(error, FilterError::Syntax { position: 13, expected: "a blank" });
        let error = Filter::parse("active is true", Dialect::Lenient).unwrap_err();
        assert_eq!(error, FilterError::Syntax { position: 8, expected: "an operator" });
    }

    #[test]
    fn length_and_depth_are_bounded() {
        let nested = |depth: usize| format!("{}a pr{}", "(".repeat(depth), ")".repeat(depth));
        assert!(Filter::parse(&nested(MAX_FILTER_DEPTH), Dialect::Strict).is_ok());
        let too_deep = Filter::parse(&nested(MAX_FILTER_DEPTH + 1), Dialect::Strict);
        assert_eq!(too_deep, Err(FilterError::TooDeep { limit: MAX_FILTER_DEPTH }));
        let too_long = Filter::parse(&"x".repeat(MAX_FILTER_LENGTH + 1), Dialect::Strict);
        assert_eq!(too_long, Err(FilterError::TooLong { limit: MAX_FILTER_LENGTH }));
    }
}
