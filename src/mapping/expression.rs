//! Expressions: minijinja's, and nothing but expressions.
//!
//! What is undefined is an error inside an expression, except in `is defined`; an expression that
//! is undefined as a whole is null, because SCIM does not tell an absent attribute from a null
//! one. A dotted path is walked without minijinja. Statements, methods, slices, `range` and every
//! kind of input and output are deliberately absent.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use minijinja::value::Serde;
use minijinja::{ErrorKind, Value as Jinja};
use serde_json::{Map, Value};

use crate::id::IdSource;
use crate::mapping::scan::{Usage, dotted_path, usage};
use crate::mapping::scope::Scope;
use crate::mapping::vocabulary::{ENVIRONMENT, ESCAPES, FILTERS, FUNCTIONS, TESTS};

/// Largest result of an expression, as JSON text in bytes.
const MAX_RESULT: usize = 64 * 1024;

/// Longest expression; minijinja compiles chains of operators recursively.
const MAX_WORDS: usize = 500;

/// Most characters that `random(n)` gives.
const MAX_RANDOM: usize = 1024;

/// A compiled expression.
#[derive(Clone)]
pub struct Expression {
    source: String,
    code: Code,
    variables: BTreeSet<String>,
    mentions: BTreeSet<String>,
    names: BTreeSet<String>,
    functions: BTreeSet<String>,
    reads_now: bool,
}

#[derive(Clone)]
enum Code {
    /// A dotted path.
    Path(Vec<String>),
    Compiled(Arc<minijinja::Expression<'static, 'static>>),
}

/// The text is not an expression of this language.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionFault {
    /// What kind of fault.
    pub kind: ExpressionFaultKind,
    /// What is wrong.
    pub message: String,
    /// What could be written instead.
    pub help: Option<String>,
}

/// Kinds of faults in expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpressionFaultKind {
    /// It cannot be read, or uses a form we do not offer.
    Syntax,
    /// A filter, test or function of this name does not exist.
    UnknownName,
}

/// An expression has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// A variable that is not there.
    #[error("the expression {{{expression}}} has no variable {name:?} here")]
    UnknownVariable {
        /// The expression.
        expression: String,
        /// The variable.
        name: String,
    },
    /// It could not be evaluated.
    #[error("the expression {{{expression}}} cannot be evaluated: {reason}")]
    Failed {
        /// The expression.
        expression: String,
        /// What happened, without any value.
        reason: String,
    },
    /// The result is larger than any attribute should be.
    #[error("the expression {{{expression}}} has a result that is too large")]
    TooLarge {
        /// The expression.
        expression: String,
    },
}

impl Expression {
    /// Reads an expression.
    pub fn compile(source: &str) -> Result<Self, ExpressionFault> {
        let source = source.trim();
        let mut expression = Self {
            source: source.to_owned(),
            code: Code::Path(Vec::new()),
            variables: BTreeSet::new(),
            mentions: BTreeSet::new(),
            names: BTreeSet::new(),
            functions: BTreeSet::new(),
            reads_now: false,
        };
        if let Some(path) = dotted_path(source) {
            expression.variables.extend(path.first().cloned());
            expression.mentions.insert(source.to_owned());
            expression.code = Code::Path(path);
        } else {
            expression.compile_with_minijinja()?;
        }
        expression.reads_now = expression.variables.remove("now");
        expression.mentions.remove("now");
        Ok(expression)
    }

    fn compile_with_minijinja(&mut self) -> Result<(), ExpressionFault> {
        if self.source.is_empty() {
            return Err(syntax("there is nothing between the braces".to_owned(), None));
        }
        let usage = usage(&self.source);
        if usage.words > MAX_WORDS {
            return Err(syntax(format!("an expression has at most {MAX_WORDS} words"), None));
        }
        let compiled =
            ENVIRONMENT.compile_expression_owned(self.source.clone()).map_err(|error| {
                syntax(error.detail().unwrap_or("not an expression").to_owned(), None)
            })?;
        refuse(&usage)?;
        let is_variable = |name: &String| !usage.functions.contains(name);
        self.variables.extend(compiled.undeclared_variables(false).into_iter().filter(is_variable));
        self.mentions.extend(compiled.undeclared_variables(true).into_iter().filter(is_variable));
        self.names.extend(usage.filters);
        self.names.extend(usage.tests);
        self.functions = usage.functions;
        self.code = Code::Compiled(Arc::new(compiled));
        Ok(())
    }

    /// The value in this scope; null when the expression as a whole is undefined.
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, ExpressionError> {
        let value = match &self.code {
            Code::Path(path) => self.walk(path, scope)?,
            Code::Compiled(compiled) => self.run(compiled, scope)?,
        };
        if size(&value) > MAX_RESULT {
            return Err(ExpressionError::TooLarge { expression: self.source.clone() });
        }
        Ok(value)
    }

    /// Whether the value counts as true: anything but false, null, zero and what is empty.
    pub fn is_true(&self, scope: &Scope<'_>) -> Result<bool, ExpressionError> {
        Ok(match self.evaluate(scope)? {
            Value::Null => false,
            Value::Bool(flag) => flag,
            Value::Number(number) => number.as_f64() != Some(0.0),
            Value::String(text) => !text.is_empty(),
            Value::Array(elements) => !elements.is_empty(),
            Value::Object(members) => !members.is_empty(),
        })
    }

    /// The variables it needs, `now` not among them.
    pub fn variables(&self) -> &BTreeSet<String> {
        &self.variables
    }

    /// The same as paths, as far as they are plain: `scim.userName`. What is reached by an index
    /// counts as the whole that is indexed.
    pub fn mentions(&self) -> &BTreeSet<String> {
        &self.mentions
    }

    /// Names of the filters and tests it uses.
    pub fn filters(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// Names of the functions it calls.
    pub fn functions(&self) -> &BTreeSet<String> {
        &self.functions
    }

    /// Whether it escapes its value for a query language, or says by `raw` that it need not.
    pub fn is_escaped(&self) -> bool {
        ESCAPES.iter().any(|name| self.names.contains(*name))
    }

    /// The text it was read from.
    pub fn source(&self) -> &str {
        &self.source
    }

    fn walk(&self, path: &[String], scope: &Scope<'_>) -> Result<Value, ExpressionError> {
        let Some((root, rest)) = path.split_first() else {
            return Ok(Value::Null);
        };
        let value = scope.look_up(root).ok_or_else(|| self.unknown(root))?;
        let mut place = Some(value.as_ref());
        for name in rest {
            place = place.and_then(Value::as_object).and_then(|members| members.get(name));
        }
        Ok(place.cloned().unwrap_or_default())
    }

    fn run(
        &self,
        compiled: &minijinja::Expression<'static, 'static>,
        scope: &Scope<'_>,
    ) -> Result<Value, ExpressionError> {
        let failed = |error: &minijinja::Error| ExpressionError::Failed {
            expression: self.source.clone(),
            reason: reason(error.kind()).to_owned(),
        };
        let result = compiled.eval(self.context(scope)?).map_err(|error| failed(&error))?;
        if result.is_undefined() {
            return Ok(Value::Null);
        }
        serde_json::to_value(&result).map_err(|_| ExpressionError::Failed {
            expression: self.source.clone(),
            reason: "the result has no form in JSON".to_owned(),
        })
    }

    /// What minijinja sees: only what is mentioned, because every value has to be copied.
    fn context(&self, scope: &Scope<'_>) -> Result<Jinja, ExpressionError> {
        let mut variables = BTreeMap::new();
        for name in &self.variables {
            let value = scope.look_up(name).ok_or_else(|| self.unknown(name))?;
            variables.insert(name.as_str(), Jinja::from(Serde(self.needed(name, value))));
        }
        if self.reads_now {
            variables.insert("now", Jinja::from(scope.ambient().now.to_string()));
        }
        for name in &self.functions {
            variables.insert(name.as_str(), function(name, &scope.ambient().ids));
        }
        Ok(Jinja::from_pairs(variables))
    }

    /// The parts of a variable that are mentioned.
    fn needed<'v>(&self, name: &str, value: Cow<'v, Value>) -> Cow<'v, Value> {
        let mut part = Value::Object(Map::new());
        for mention in &self.mentions {
            let Some(rest) = mention.strip_prefix(name) else { continue };
            let Some(path) = rest.strip_prefix('.') else {
                if rest.is_empty() {
                    return value;
                }
                continue;
            };
            if !value.is_object() {
                return value;
            }
            copy_path(path, &value, &mut part);
        }
        Cow::Owned(part)
    }

    fn unknown(&self, name: &str) -> ExpressionError {
        ExpressionError::UnknownVariable { expression: self.source.clone(), name: name.to_owned() }
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Expression").field(&self.source).finish()
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.source)
    }
}

fn syntax(message: String, help: Option<String>) -> ExpressionFault {
    ExpressionFault { kind: ExpressionFaultKind::Syntax, message, help }
}

/// Faults that minijinja would find only when it evaluates, or not at all.
fn refuse(usage: &Usage) -> Result<(), ExpressionFault> {
    if usage.slices {
        let message = "a slice hides what the expression depends on".to_owned();
        return Err(syntax(message, Some("use |left(n)".to_owned())));
    }
    if let Some(name) = usage.methods.first() {
        let message = format!("values have no methods, and so no {name:?}");
        return Err(syntax(message, Some("use a filter: value|lower".to_owned())));
    }
    known("filter", &usage.filters, &FILTERS)?;
    known("test", &usage.tests, &TESTS)?;
    known("function", &usage.functions, &FUNCTIONS)
}

fn known(what: &str, used: &BTreeSet<String>, names: &[&str]) -> Result<(), ExpressionFault> {
    let Some(unknown) = used.iter().find(|name| !names.contains(&name.as_str())) else {
        return Ok(());
    };
    let nearest = names
        .iter()
        .map(|name| (similarity(unknown, name), name))
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .filter(|(similarity, _)| *similarity > 0.6);
    Err(ExpressionFault {
        kind: ExpressionFaultKind::UnknownName,
        message: format!("unknown {what} {unknown:?}"),
        help: nearest.map(|(_, name)| format!("did you mean {name:?}?")),
    })
}

/// Between 0 and 1. Who writes `lowercase` means `lower`, whatever the distance.
fn similarity(unknown: &str, name: &str) -> f64 {
    let begins = name.len() > 2 && unknown.starts_with(name);
    if begins { 0.95 } else { strsim::jaro_winkler(unknown, name) }
}

/// The parts of minijinja's messages that hold no value.
fn reason(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::UndefinedError => "something it needs is not there",
        ErrorKind::OutOfFuel => "it takes too many steps",
        ErrorKind::MissingArgument | ErrorKind::TooManyArguments => "wrong number of arguments",
        ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction => {
            "a filter, test or function is unknown"
        }
        _ => "a value is not of the kind it expects",
    }
}

fn function(name: &str, ids: &Arc<dyn IdSource>) -> Jinja {
    let ids = Arc::clone(ids);
    match name {
        "uuid" => Jinja::from_function(move || ids.uuid()),
        _ => Jinja::from_function(move |length: usize| ids.random(length.min(MAX_RANDOM))),
    }
}

/// Copies what is at a dotted path, with everything around it that the path leads through.
fn copy_path(path: &str, from: &Value, to: &mut Value) {
    let (name, rest) = match path.split_once('.') {
        Some((name, rest)) => (name, Some(rest)),
        None => (path, None),
    };
    let (Some(value), Some(members)) =
        (from.as_object().and_then(|members| members.get(name)), to.as_object_mut())
    else {
        return;
    };
    match rest {
        Some(rest) if value.is_object() => {
            let inner = members.entry(name).or_insert_with(|| Value::Object(Map::new()));
            copy_path(rest, value, inner);
        }
        Some(_) | None => {
            members.insert(name.to_owned(), value.clone());
        }
    }
}

/// About as many bytes as the value has as JSON text.
fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 4,
        Value::String(text) => text.len() + 2,
        Value::Array(elements) => {
            elements.iter().map(|element| size(element) + 1).sum::<usize>() + 2
        }
        Value::Object(members) => {
            members.iter().map(|(name, value)| name.len() + size(value) + 4).sum::<usize>() + 2
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;
    use serde_json::{Value, json};

    use crate::id::IdSource;
    use crate::mapping::expression::{Expression, ExpressionFaultKind};
    use crate::mapping::scope::{Ambient, Scope};

    struct Fixed;

    impl IdSource for Fixed {
        fn uuid(&self) -> String {
            "6f1c".to_owned()
        }

        fn random(&self, length: usize) -> String {
            "r".repeat(length)
        }
    }

    fn ambient() -> Ambient {
        let now = "2024-01-01T00:00:00Z".parse::<Timestamp>().unwrap();
        Ambient { ids: Arc::new(Fixed), now, request_id: "req-1".to_owned() }
    }

    fn evaluate(source: &str) -> Result<Value, String> {
        let scim = json!({
            "userName": "Ada", "active": false, "name": { "givenName": "A", "x": 1 }, "n": 5,
            "emails": [{ "value": "a@b.c" }], "empty": null
        });
        let body = json!({ "success": false, "id": "app.error" });
        let long = json!("x".repeat(50_000));
        let ambient = ambient();
        let scope = Scope::new(&ambient)
            .with("scim", &body)
            .with("scim", &scim)
            .with("body", &body)
            .with("long", &long)
            .with_owned("members", json!(["a", "b"]));
        let expression = Expression::compile(source).map_err(|fault| fault.to_string())?;
        expression.evaluate(&scope).map_err(|error| error.to_string())
    }

    fn check(source: &str, expected: Value) {
        assert_eq!(evaluate(source), Ok(expected), "{source}");
    }

    fn check_fails(source: &str, part: &str) {
        let error = evaluate(source).unwrap_err();
        assert!(error.contains(part), "{source}: {error}");
    }

    #[test]
    fn values_keep_their_type() {
        check("scim.userName", json!("Ada"));
        check(" scim.n ", json!(5));
        check("scim.name", json!({ "givenName": "A", "x": 1 }));
        check("scim.active", json!(false));
        check("members", json!(["a", "b"]));
        check("scim.n + 1", json!(6));
        check("scim.emails[0].value", json!("a@b.c"));
        check("scim.userName|lower|replace('a', '-')", json!("-d-"));
        check("members|join(',')", json!("a,b"));
        check("{'a': scim.n, 'b': [scim.name.givenName]}", json!({ "a": 5, "b": ["A"] }));
        check("body.id in ['app.error', 'x']", json!(true));
        check("body is mapping and body.success is defined and not body.success", json!(true));
        check("scim.title is defined", json!(false));
        check("scim.title|default('none')", json!("none"));
        check("'yes' if scim.active else 'no'", json!("no"));
        check("members|map('upper')|list", json!(["A", "B"]));
    }

    #[test]
    fn absent_is_null_as_a_whole_and_an_error_inside() {
        check("scim.title", json!(null));
        check("scim.title.deeper", json!(null));
        check("scim['title']", json!(null));
        check_fails("scim.title ~ 'x'", "not there");
        check_fails("scim.title|lower", "not there");
        check_fails("nobody", "no variable \"nobody\"");
        check_fails("nobody ~ 'x'", "no variable \"nobody\"");
    }

    #[test]
    fn time_and_chance_come_from_outside() {
        check("now", json!("2024-01-01T00:00:00Z"));
        check("now|left(4)", json!("2024"));
        check("request_id", json!("req-1"));
        check("'x' ~ uuid() ~ random(3)", json!("x6f1crrr"));
        check("random(99999)|length", json!(1024));
    }

    #[test]
    fn work_and_results_are_bounded() {
        check_fails("long ~ long", "too large");
        check_fails("members * 100000", "");
        check_fails(&format!("0{}", " + 1".repeat(9_999)), "at most 500 words");
        check_fails(&"(".repeat(10_000), "at most 500 words");
        check(&format!("0{}", " + 1".repeat(249)), json!(249));
        check_fails(&"(".repeat(500), "");
    }

    #[test]
    fn errors_hold_no_values() {
        check_fails("scim.userName + 1", "kind");
        assert!(!evaluate("scim.userName + 1").unwrap_err().contains("Ada"));
        assert!(!evaluate("scim.userName|int").unwrap_err().contains("Ada\""));
    }

    fn check_fault(source: &str, kind: ExpressionFaultKind, help: &str) {
        let fault = Expression::compile(source).unwrap_err();
        assert_eq!(fault.kind, kind, "{source}: {fault}");
        assert_eq!(fault.help.as_deref().unwrap_or_default(), help, "{source}: {fault}");
    }

    #[test]
    fn faults_are_found_before_anything_runs() {
        check_fault("value ~", ExpressionFaultKind::Syntax, "");
        check_fault("", ExpressionFaultKind::Syntax, "");
        check_fault("a b", ExpressionFaultKind::Syntax, "");
        check_fault("scim.userName[:8]", ExpressionFaultKind::Syntax, "use |left(n)");
        check_fault("a.upper()", ExpressionFaultKind::Syntax, "use a filter: value|lower");
        let unknown = ExpressionFaultKind::UnknownName;
        check_fault("a|lowercase", unknown, "did you mean \"lower\"?");
        check_fault("a|defualt('x')", unknown, "did you mean \"default\"?");
        check_fault("a is definde", unknown, "did you mean \"defined\"?");
        check_fault("range(3)", unknown, "did you mean \"random\"?");
        check_fault("a|qqq", unknown, "");
    }

    fn check_mentions(source: &str, expected: &[&str]) {
        let expression = Expression::compile(source).unwrap();
        let mentions: Vec<&str> = expression.mentions().iter().map(String::as_str).collect();
        assert_eq!(mentions, expected, "{source}");
    }

    #[test]
    fn says_what_it_depends_on() {
        check_mentions("scim.userName", &["scim.userName"]);
        check_mentions("scim.userName|lower ~ config.domain", &["config.domain", "scim.userName"]);
        check_mentions("scim.emails[0].value", &["scim.emails"]);
        check_mentions("scim['userName']", &["scim"]);
        check_mentions("uuid() ~ now", &[]);
        check_mentions("x if y.z else members|join(sep)", &["members", "sep", "x", "y.z"]);
        let expression = Expression::compile("value|lucene ~ random(3) ~ a.b").unwrap();
        assert!(expression.is_escaped());
        assert!(expression.filters().contains("lucene"));
        assert!(expression.functions().contains("random"));
        assert_eq!(expression.variables().len(), 2);
    }

    #[test]
    fn truth() {
        let ambient = ambient();
        for (value, expected) in [
            (json!(null), false),
            (json!(false), false),
            (json!(0), false),
            (json!(""), false),
            (json!([]), false),
            (json!({}), false),
            (json!("false"), true),
            (json!(0.5), true),
        ] {
            let scope = Scope::new(&ambient).with("value", &value);
            let plain = Expression::compile("value").unwrap();
            assert_eq!(plain.is_true(&scope), Ok(expected), "{value}");
            let negated = Expression::compile("not value").unwrap();
            assert_eq!(negated.is_true(&scope), Ok(!expected), "{value}");
        }
    }
}
