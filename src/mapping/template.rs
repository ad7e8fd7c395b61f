//! Templates: text with holes. Trees of such texts are `body_template.rs`'s.
//!
//! `{expression}` is a hole, `{{` and `}}` are literal braces. A text that is one hole and nothing
//! else keeps the type of its value. In a path every hole becomes exactly one percent-encoded
//! segment, so no value can leave its place. Statements and loops are deliberately absent.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::mapping::expression::{Expression, ExpressionError, ExpressionFault};
use crate::mapping::scan::quoted_length;
use crate::mapping::scope::Scope;

/// Everything but the unreserved characters of RFC 3986 section 2.3.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text with holes.
#[derive(Debug, Clone)]
pub struct Template {
    parts: Vec<Part>,
    source: Arc<str>,
}

#[derive(Debug, Clone)]
enum Part {
    Literal(String),
    Hole(Expression),
}

/// The text is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateFault {
    /// Its braces are wrong.
    #[error("{message}, at character {character}")]
    Braces {
        /// What is wrong.
        message: &'static str,
        /// Where, counted in characters from 1.
        character: usize,
    },
    /// A hole does not hold an expression.
    #[error("in {{{expression}}}: {fault}")]
    Expression {
        /// The text between the braces.
        expression: String,
        /// What is wrong with it.
        #[source]
        fault: ExpressionFault,
    },
}

/// A template has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// An expression failed.
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    /// A list or object stands where text is needed.
    #[error("the value of {{{expression}}} is no text")]
    NotText {
        /// The expression.
        expression: String,
    },
    /// A value cannot be one segment of a path.
    #[error("the value of {{{expression}}} cannot be part of a path")]
    NotASegment {
        /// The expression.
        expression: String,
    },
}

impl Template {
    /// Reads a template.
    pub fn compile(source: &str) -> Result<Self, TemplateFault> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = source;
        while let Some(character) = rest.chars().next() {
            let after = rest.get(character.len_utf8()..).unwrap_or_default();
            let position = source.len() - rest.len();
            match character {
                '{' | '}' if after.starts_with(character) => {
                    literal.push(character);
                    rest = after.get(1..).unwrap_or_default();
                }
                '{' => {
                    let fault = || braces(source, position, "this { is never closed");
                    let (hole, behind) = split_hole(after).ok_or_else(fault)?;
                    if !literal.is_empty() {
                        parts.push(Part::Literal(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::Hole(compile_hole(hole)?));
                    rest = behind;
                }
                '}' => return Err(braces(source, position, "a single } must be written }}")),
                _ => {
                    literal.push(character);
                    rest = after;
                }
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self { parts, source: source.into() })
    }

    /// A template without holes; braces in the text mean themselves.
    pub fn constant(text: impl Into<String>) -> Self {
        let text = text.into();
        let source = text.as_str().into();
        Self { parts: vec![Part::Literal(text)], source }
    }

    /// The template as it is written in the file: names in place of values.
    pub fn source(&self) -> &Arc<str> {
        &self.source
    }

    /// The value: of any type when the template is one hole, else text, or null when a hole is
    /// null.
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, TemplateError> {
        if let [Part::Hole(expression)] = self.parts.as_slice() {
            return Ok(expression.evaluate(scope)?);
        }
        Ok(self.text(scope)?.map_or(Value::Null, Value::String))
    }

    /// The value as text; `None` when a hole is null.
    pub fn text(&self, scope: &Scope<'_>) -> Result<Option<String>, TemplateError> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Hole(expression) => match scalar(expression, scope)? {
                    Some(value) => text.push_str(&value),
                    None => return Ok(None),
                },
            }
        }
        Ok(Some(text))
    }

    /// The value as a path: literals as they are, each hole one percent-encoded segment.
    pub fn url_path(&self, scope: &Scope<'_>) -> Result<String, TemplateError> {
        let mut path = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => path.push_str(literal),
                Part::Hole(expression) => {
                    let value = scalar(expression, scope)?.filter(|value| is_segment(value));
                    let value = value.ok_or_else(|| not_a_segment(expression))?;
                    path.extend(utf8_percent_encode(&value, ENCODED));
                }
            }
        }
        // Dots of a literal and of a value may have come together.
        match self.expressions().next() {
            Some(hole) if path.split('/').any(is_dots) => Err(not_a_segment(hole)),
            Some(_) | None => Ok(path),
        }
    }

    /// The expressions in its holes, in order.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.parts.iter().filter_map(|part| match part {
            Part::Hole(expression) => Some(expression),
            Part::Literal(_) => None,
        })
    }

    /// How many holes it has.
    pub fn holes(&self) -> usize {
        self.expressions().count()
    }

    /// Whether it is one hole and nothing else.
    pub fn is_single_hole(&self) -> bool {
        matches!(self.parts.as_slice(), [Part::Hole(_)])
    }

    /// Whether this can be one of the paths that the template makes, each hole being a part of one
    /// segment.
    pub fn can_be(&self, path: &str) -> bool {
        fits(&self.parts, path)
    }

    /// What stands outside the holes.
    pub fn literal_text(&self) -> String {
        self.parts
            .iter()
            .filter_map(|part| match part {
                Part::Literal(literal) => Some(literal.as_str()),
                Part::Hole(_) => None,
            })
            .collect()
    }

    /// The paths that its expressions mention, such as `scim.userName`.
    pub fn mentions(&self) -> BTreeSet<String> {
        self.expressions().flat_map(Expression::mentions).cloned().collect()
    }

    /// The variables that its expressions need.
    pub fn variables(&self) -> BTreeSet<String> {
        self.expressions().flat_map(Expression::variables).cloned().collect()
    }
}

fn fits(parts: &[Part], text: &str) -> bool {
    match parts.split_first() {
        None => text.is_empty(),
        Some((Part::Literal(literal), rest)) => {
            text.strip_prefix(literal.as_str()).is_some_and(|text| fits(rest, text))
        }
        Some((Part::Hole(_), rest)) => {
            let segment = text.find('/').unwrap_or(text.len());
            let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
            ends.take_while(|end| *end <= segment)
                .any(|end| text.get(end..).is_some_and(|text| fits(rest, text)))
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Literal(text) => formatter.write_str(&text.replace('{', "{{").replace('}', "}}")),
            // Two opening braces in a row would be a literal one.
            Part::Hole(expression) if expression.source().starts_with('{') => {
                write!(formatter, "{{ {expression}}}")
            }
            Part::Hole(expression) => write!(formatter, "{{{expression}}}"),
        })
    }
}

fn braces(source: &str, position: usize, message: &'static str) -> TemplateFault {
    let before = source.get(..position).unwrap_or_default();
    TemplateFault::Braces { message, character: before.chars().count() + 1 }
}

fn compile_hole(source: &str) -> Result<Expression, TemplateFault> {
    Expression::compile(source)
        .map_err(|fault| TemplateFault::Expression { expression: source.to_owned(), fault })
}

/// The text up to the brace that closes the hole, and the text behind it.
fn split_hole(source: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    let mut position = 0;
    while let Some(rest) = source.get(position..)
        && let Some(character) = rest.chars().next()
    {
        match character {
            '\'' | '"' => {
                position += quoted_length(rest);
                continue;
            }
            '{' => depth += 1,
            '}' if depth == 0 => return Some((source.get(..position)?, rest.get(1..)?)),
            '}' => depth -= 1,
            _ => {}
        }
        position += character.len_utf8();
    }
    None
}

/// A hole's value as text; `None` for null.
fn scalar(expression: &Expression, scope: &Scope<'_>) -> Result<Option<String>, TemplateError> {
    match expression.evaluate(scope)? {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(flag.to_string())),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::String(text) => Ok(Some(text)),
        Value::Array(_) | Value::Object(_) => {
            Err(TemplateError::NotText { expression: expression.source().to_owned() })
        }
    }
}

fn not_a_segment(expression: &Expression) -> TemplateError {
    TemplateError::NotASegment { expression: expression.source().to_owned() }
}

fn is_segment(value: &str) -> bool {
    // Servers decode and then read the path again, some of them twice: what a decoded value could
    // do there is refused, whatever its encoding would be.
    !value.is_empty() && !is_dots(value) && !value.chars().any(char::is_control)
}

fn is_dots(segment: &str) -> bool {
    segment == "." || segment == ".."
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use crate::id::SystemIds;
    use crate::mapping::scope::{Ambient, Scope};
    use crate::mapping::template::{Template, TemplateFault};

    #[test]
    fn a_path_that_a_template_can_make_is_known() {
        for (template, path, expected) in [
            ("/people", "/people", true),
            ("/people", "/people/7", false),
            ("/people/{id}", "/people/7", true),
            ("/people/{id}", "/people/", false),
            ("/people/{id}", "/people/7/teams", false),
            ("/people/{id}/teams", "/people/7/teams", true),
            ("/users({id})/x-{n}", "/users(7)/x-Ł", true),
            ("/users({id})", "/users(7", false),
        ] {
            let compiled = Template::compile(template).expect("it is a template");
            assert_eq!(compiled.can_be(path), expected, "{template} {path}");
        }
    }

    fn ambient() -> Ambient {
        let now = jiff::Timestamp::UNIX_EPOCH;
        Ambient { ids: Arc::new(SystemIds), now, request_id: "r".to_owned() }
    }

    fn scope(ambient: &Ambient) -> Scope<'_> {
        Scope::new(ambient)
            .with_owned("id", json!("a/b"))
            .with_owned("n", json!(5))
            .with_owned("yes", json!(true))
            .with_owned("none_here", json!(null))
            .with_owned("list", json!([1, 2]))
            .with_owned("dot", json!("."))
    }

    fn check(source: &str, expected: Value) {
        let template = Template::compile(source).unwrap();
        assert_eq!(template.evaluate(&scope(&ambient())), Ok(expected), "{source}");
        let again = Template::compile(&template.to_string()).unwrap();
        assert_eq!(again.to_string(), template.to_string(), "{source}");
    }

    #[test]
    fn holes_and_literals() {
        check("", json!(""));
        check("plain", json!("plain"));
        check("{n}", json!(5));
        check("{list}", json!([1, 2]));
        check("{none_here}", json!(null));
        check("n={n} {yes}", json!("n=5 true"));
        check("x{none_here}", json!(null));
        check("{{n}} }}{{", json!("{n} }{"));
        check("{'}' ~ n}", json!("}5"));
        check("{ {'a': {'b': n}}['a'] }", json!({ "b": 5 }));
        check("a{\"\\\"}\"}b", json!("a\"}b"));
        check(">{n}\u{e9}", json!(">5\u{e9}"));
        assert!(Template::compile("x{list}").unwrap().text(&scope(&ambient())).is_err());
        let constant = Template::constant("{n}");
        assert_eq!(constant.evaluate(&scope(&ambient())), Ok(json!("{n}")));
    }

    #[test]
    fn faults_say_where() {
        for (source, character) in [("\u{e9}a{n", 3), ("a}b", 2), ("{'}", 1), ("}}}", 3)] {
            let fault = Template::compile(source).unwrap_err();
            let TemplateFault::Braces { character: found, .. } = fault else {
                panic!("{source}: {fault}");
            };
            assert_eq!(found, character, "{source}");
        }
        for source in ["{}", "{n ~}", "{n|lowercase}", "{n[1:]}"] {
            let fault = Template::compile(source).unwrap_err();
            assert!(matches!(fault, TemplateFault::Expression { .. }), "{source}: {fault}");
        }
    }

    fn path(source: &str) -> Option<String> {
        Template::compile(source).unwrap().url_path(&scope(&ambient())).ok()
    }

    #[test]
    fn a_hole_is_one_segment_of_a_path() {
        assert_eq!(path("/u/{id}/x.json").as_deref(), Some("/u/a%2Fb/x.json"));
        assert_eq!(path("/u/{n}").as_deref(), Some("/u/5"));
        assert_eq!(path("/u/{'%2e%2e'}").as_deref(), Some("/u/%252e%252e"));
        assert_eq!(path("/u/{'a b?#&=+~-._'}").as_deref(), Some("/u/a%20b%3F%23%26%3D%2B~-._"));
        for refused in ["none_here", "dot", "'..'", "''", "list", "'\\n'", "'a\\u0000'"] {
            assert_eq!(path(&format!("/u/{{{refused}}}")), None, "{refused}");
        }
        assert_eq!(path("/u/.{dot}"), None);
        assert_eq!(path("/u/.{'./x'}").as_deref(), Some("/u/..%2Fx"));
    }

    #[test]
    fn tells_the_checker_what_it_is_made_of() {
        let template = Template::compile("a {x.y|lucene} b {z}").unwrap();
        assert_eq!(template.literal_text(), "a  b ");
        assert_eq!(template.holes(), 2);
        assert!(!template.is_single_hole());
        assert_eq!(template.variables().into_iter().collect::<Vec<_>>(), ["x", "z"]);
        assert_eq!(template.mentions().into_iter().collect::<Vec<_>>(), ["x.y", "z"]);
        assert!(Template::compile("{z}").unwrap().is_single_hole());
    }

    proptest! {
        #[test]
        fn no_value_leaves_its_segment(value in any::<String>()) {
            let ambient = ambient();
            let scope = Scope::new(&ambient).with_owned("v", json!(value));
            if let Ok(path) = Template::compile("/a/{v}/b").unwrap().url_path(&scope) {
                let url = url::Url::parse(&format!("https://host{path}?q=1#f")).unwrap();
                let segments: Vec<&str> = url.path_segments().unwrap().collect();
                prop_assert_eq!(segments.len(), 3, "{}", path);
                prop_assert_eq!((segments[0], segments[2]), ("a", "b"));
                let decoded = percent_decode_str(segments[1]).decode_utf8().unwrap();
                prop_assert_eq!(decoded.as_ref(), value.as_str());
                prop_assert_eq!((url.query(), url.fragment()), (Some("q=1"), Some("f")));
            }
        }

        #[test]
        fn no_text_panics(source in "[{}'\"a|\\\\ .:\u{e9}]{0,24}") {
            if let Ok(template) = Template::compile(&source) {
                let again = Template::compile(&template.to_string()).unwrap();
                prop_assert_eq!(again.to_string(), template.to_string());
            }
        }
    }
}
