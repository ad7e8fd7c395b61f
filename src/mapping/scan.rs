//! A look at an expression's words, before minijinja compiles it.
//!
//! minijinja notices an unknown filter or function only when it evaluates, has methods we do not
//! offer, and hides behind a slice what an expression depends on. This scan finds all of them.
//! It reads words only; whether they stand in a sensible order is minijinja's business.

use std::collections::BTreeSet;

/// What an expression uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Names after `|`.
    pub(crate) filters: BTreeSet<String>,
    /// Names after `is`.
    pub(crate) tests: BTreeSet<String>,
    /// Names that are called.
    pub(crate) functions: BTreeSet<String>,
    /// Names that are called on a value, as in `name.upper()`.
    pub(crate) methods: BTreeSet<String>,
    /// How many words there are.
    pub(crate) words: usize,
    /// Whether there is a slice, as in `name[:8]`.
    pub(crate) slices: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word<'a> {
    Name(&'a str),
    /// A text or a number.
    Literal,
    Mark(char),
}

const KEYWORDS: [&str; 13] = [
    "and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False", "None",
];

/// Whether the name is a word of the expression language itself.
pub(crate) fn is_keyword(name: &str) -> bool {
    KEYWORDS.contains(&name)
}

/// The names of an expression that is nothing but a dotted path.
pub(crate) fn dotted_path(source: &str) -> Option<Vec<String>> {
    let names: Vec<String> = source.split('.').map(str::to_owned).collect();
    let first_is_free = names.first().is_some_and(|first| !is_keyword(first));
    (first_is_free && names.iter().all(|name| is_name(name))).then_some(names)
}

fn is_name(text: &str) -> bool {
    text.starts_with(begins_name) && text.chars().all(continues_name)
}

fn begins_name(character: char) -> bool {
    character.is_ascii_alphabetic() || character == '_'
}

fn continues_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// Everything the expression uses by name.
pub(crate) fn usage(source: &str) -> Usage {
    let words = words(source);
    let mut usage = Usage { words: words.len(), ..Usage::default() };
    let mut open = Vec::new();
    for (index, word) in words.iter().enumerate() {
        match word {
            Word::Mark(mark @ ('(' | '[' | '{')) => open.push(*mark),
            Word::Mark(')' | ']' | '}') => {
                open.pop();
            }
            Word::Mark(':') => usage.slices |= open.last() == Some(&'['),
            Word::Name(name) => {
                let (before, _) = words.split_at(index);
                let called = words.get(index + 1) == Some(&Word::Mark('('));
                note(&mut usage, name, before, called);
            }
            Word::Literal | Word::Mark(_) => {}
        }
    }
    usage
}

fn note(usage: &mut Usage, name: &str, before: &[Word<'_>], called: bool) {
    let names = match before {
        [.., Word::Mark('|')] => &mut usage.filters,
        [.., Word::Mark('.')] if called => &mut usage.methods,
        [.., Word::Mark('.')] | [.., Word::Mark('.'), Word::Name("is")] => return,
        [.., Word::Name("is")] if name != "not" => &mut usage.tests,
        [.., Word::Name("is"), Word::Name("not")] => &mut usage.tests,
        _ if called && !is_keyword(name) => &mut usage.functions,
        _ => return,
    };
    names.insert(name.to_owned());
}

fn words(source: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut rest = source;
    while let Some(character) = rest.chars().next() {
        let length = match character {
            '\'' | '"' => {
                words.push(Word::Literal);
                quoted_length(rest)
            }
            '0'..='9' => {
                words.push(Word::Literal);
                number_length(rest)
            }
            _ if begins_name(character) => {
                let length = rest.find(|other| !continues_name(other)).unwrap_or(rest.len());
                words.extend(rest.get(..length).map(Word::Name));
                length
            }
            _ => {
                if !character.is_whitespace() {
                    words.push(Word::Mark(character));
                }
                character.len_utf8()
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    words
}

/// Bytes of the quoted text that begins here, its quotes included; an open one goes to the end.
pub(crate) fn quoted_length(source: &str) -> usize {
    let mut quote = None;
    let mut escaped = false;
    for (index, character) in source.char_indices() {
        match quote {
            None => quote = Some(character),
            Some(_) if escaped => escaped = false,
            Some(_) if character == '\\' => escaped = true,
            Some(quote) if character == quote => return index + character.len_utf8(),
            Some(_) => {}
        }
    }
    source.len()
}

/// Bytes of the number that begins here: a dot belongs to it only before another digit.
fn number_length(source: &str) -> usize {
    let mut characters = source.char_indices().peekable();
    while let Some((index, character)) = characters.next() {
        let goes_on = continues_name(character)
            || (character == '.'
                && characters.peek().is_some_and(|(_, next)| next.is_ascii_digit()));
        if !goes_on {
            return index;
        }
    }
    source.len()
}

#[cfg(test)]
mod tests {
    use crate::mapping::scan::{Usage, dotted_path, usage};

    fn print(usage: &Usage) -> String {
        let mut parts = Vec::new();
        for (mark, names) in [
            ("|", &usage.filters),
            ("is ", &usage.tests),
            ("()", &usage.functions),
            (".", &usage.methods),
        ] {
            parts.extend(names.iter().map(|name| format!("{mark}{name}")));
        }
        if usage.slices {
            parts.push("[:]".to_owned());
        }
        parts.join(" ")
    }

    fn check(source: &str, expected: &str) {
        assert_eq!(print(&usage(source)), expected, "{source}");
    }

    #[test]
    fn finds_what_is_used() {
        check("scim.userName|lower|replace(' ', '|nothing')", "|lower |replace");
        check("body is mapping and body.a is defined and not body.a", "is defined is mapping");
        check("x is not none and (y is divisibleby(2))", "is divisibleby is none");
        check("random(24) ~ uuid ()", "()random ()uuid");
        check("name.upper()", ".upper");
        check("not (a) and (b) in (c) if (d) else (e)", "");
        check("a.is.lower", "");
    }

    #[test]
    fn tells_slices_from_objects() {
        check("name[:8]", "[:]");
        check("a[{'x': 1}['x']]", "");
        check("{'x': a[0], 'y': [1, 2]}", "");
        check("{'x': a[1:]}", "[:]");
        check("':[:'", "");
        check("a['x:y'] ~ 1.5 ~ 2", "");
    }

    #[test]
    fn recognises_plain_paths() {
        assert_eq!(dotted_path("scim.name.givenName").map(|names| names.len()), Some(3));
        for source in ["", "a.", ".a", "a b", "a|b", "true", "not.a", "a.0", "1", "'a'"] {
            assert_eq!(dotted_path(source), None, "{source}");
        }
    }
}
