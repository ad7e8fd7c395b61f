//! What expressions can use besides operators: filters, tests and functions.
//!
//! minijinja's built-in filters and tests, the escapes for query languages, `left`, `random` and
//! `uuid`. `range` is deliberately absent, and so is everything that only templates need.

use std::sync::LazyLock;

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value};

/// Instructions that one evaluation may take.
const FUEL: u64 = 10_000;

/// Names after `|`, ours and minijinja's, in order.
pub(crate) const FILTERS: [&str; 57] = [
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "chain",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "json",
    "last",
    "left",
    "length",
    "like",
    "lines",
    "list",
    "lower",
    "lucene",
    "map",
    "max",
    "min",
    "odata",
    "pprint",
    "raw",
    "regex",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "rsql",
    "safe",
    "select",
    "selectattr",
    "slice",
    "soql",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
    "zip",
];

/// Filters that make a value safe inside a larger query, `raw` among them.
pub(crate) const ESCAPES: [&str; 8] =
    ["json", "like", "lucene", "odata", "raw", "regex", "rsql", "soql"];

/// Names after `is`, in order.
pub(crate) const TESTS: [&str; 36] = [
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "safe",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "test",
    "true",
    "undefined",
    "upper",
];

/// Names that can be called, in order.
pub(crate) const FUNCTIONS: [&str; 2] = ["random", "uuid"];

/// The environment that every expression is compiled and evaluated in.
pub(crate) static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(environment);

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    for name in ["range", "dict", "debug", "namespace"] {
        environment.remove_global(name);
    }
    environment.add_filter("left", left);
    environment.add_filter("lucene", |value: &Value| escape(value, lucene));
    environment.add_filter("odata", |value: &Value| escape(value, |text| text.replace('\'', "''")));
    environment.add_filter("soql", |value: &Value| escape(value, soql));
    environment.add_filter("like", |value: &Value| escape(value, like));
    environment.add_filter("rsql", |value: &Value| escape(value, rsql));
    environment.add_filter("regex", |value: &Value| escape(value, regex::escape));
    environment.add_filter("json", json);
    environment.add_filter("raw", |value: &Value| value.clone());
    environment
}

/// Text of a scalar through `change`; null stays null, so that the parameter can be dropped.
fn escape(value: &Value, change: impl Fn(&str) -> String) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::None => Ok(value.clone()),
        ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::String => Ok(Value::from(change(value.as_str().unwrap_or_default()))),
        // minijinja prints `True`, as Python does.
        ValueKind::Bool => Ok(Value::from(change(if value.is_true() { "true" } else { "false" }))),
        ValueKind::Number => Ok(Value::from(change(&value.to_string()))),
        _ => Err(Error::new(ErrorKind::InvalidOperation, "only single values can be escaped")),
    }
}

fn left(value: &Value, count: usize) -> Result<Value, Error> {
    escape(value, |text| text.chars().take(count).collect())
}

/// A term of Lucene's query language, which Elasticsearch and Solr speak too.
fn lucene(text: &str) -> String {
    // As a whole word these four are operators, escaped they are terms.
    let word = matches!(text, "AND" | "OR" | "NOT" | "TO");
    let mut escaped = String::from(if word { "\\" } else { "" });
    for character in text.chars() {
        if r#"+-&|!(){}[]^"~*?:\/<>="#.contains(character) || character.is_whitespace() {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// The inside of a SOQL text, between `'` and `'`.
fn soql(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '\\' | '\'' | '"' => escaped.extend(['\\', character]),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            '\u{8}' => escaped.push_str("\\b"),
            '\u{c}' => escaped.push_str("\\f"),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// A pattern of SQL's LIKE that matches the text itself.
fn like(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        if matches!(character, '\\' | '%' | '_') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// A complete argument of RSQL or FIQL, its quotes included: unquoted ones cannot hold `;`.
fn rsql(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The value as JSON text, complete with quotes.
fn json(value: &Value) -> Result<Value, Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    serde_json::to_string(value)
        .map(Value::from)
        .map_err(|_| Error::new(ErrorKind::InvalidOperation, "the value has no form in JSON"))
}

#[cfg(test)]
mod tests {
    use minijinja::context;
    use proptest::prelude::*;

    use crate::mapping::vocabulary::{ENVIRONMENT, ESCAPES, FILTERS, TESTS};

    fn eval(source: &str, value: &str) -> String {
        let expression = ENVIRONMENT.compile_expression(source).unwrap();
        expression.eval(context!(value)).unwrap().to_string()
    }

    #[test]
    fn the_lists_name_what_is_there() {
        for (names, kind) in [(FILTERS.as_slice(), "filter"), (TESTS.as_slice(), "test")] {
            assert!(names.is_sorted(), "{kind}");
            for name in names {
                assert_eq!(eval(&format!("value is {kind}"), name), "True", "{name}");
            }
        }
        assert!(ESCAPES.iter().all(|name| FILTERS.contains(name)));
        for gone in ["range(3)", "debug()", "dict()", "namespace()"] {
            let expression = ENVIRONMENT.compile_expression(gone).unwrap();
            assert!(expression.eval(()).is_err(), "{gone}");
        }
    }

    #[test]
    fn escapes_for_each_language() {
        for (filter, value, expected) in [
            ("left(2)", "\u{e9}l\u{e8}ve", "\u{e9}l"),
            ("left(9)", "ab", "ab"),
            ("lucene", "a b:(c)", r"a\ b\:\(c\)"),
            ("lucene", "NOT", r"\NOT"),
            ("odata", "O'Neil", "O''Neil"),
            ("soql", "O'N\\\n", r"O\'N\\\n"),
            ("like", "50%_\\", r"50\%\_\\"),
            ("rsql", "a\";b==c", r#""a\";b==c""#),
            ("json", "a\"b", r#""a\"b""#),
            ("regex", "a.b*", r"a\.b\*"),
            ("raw", "a'b", "a'b"),
        ] {
            assert_eq!(eval(&format!("value|{filter}"), value), expected, "{filter}");
        }
        assert_eq!(eval("none|lucene", ""), "None");
        assert_eq!(eval("true|lucene", ""), "true");
        assert_eq!(eval("5|odata", ""), "5");
        assert!(ENVIRONMENT.compile_expression("x|lucene").unwrap().eval(()).is_err());
        assert!(ENVIRONMENT.compile_expression("[1]|lucene").unwrap().eval(()).is_err());
    }

    proptest! {
        #[test]
        fn quotes_cannot_be_left(value in ".*") {
            prop_assert!(!eval("value|odata", &value).replace("''", "").contains('\''));
            for filter in ["soql", "rsql"] {
                let escaped = eval(&format!("value|{filter}"), &value);
                let quoted = escaped.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
                let inside = if filter == "rsql" { quoted.unwrap() } else { &escaped };
                let mut characters = inside.chars();
                while let Some(character) = characters.next() {
                    match character {
                        '\\' => prop_assert!(characters.next().is_some()),
                        other => prop_assert!(other != '"'),
                    }
                }
            }
        }
    }
}
