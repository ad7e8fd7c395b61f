//! What all of `compile` shares: faults, the declared configuration, and the one way in which
//! paths, templates and expressions are compiled and checked (E101 to E117).

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;

use crate::mapping::body_template::BodyTemplate;
use crate::mapping::compile::variables::Variables;
use crate::mapping::diagnostic::{
    Diagnostic, Diagnostics, Position, bad_path, leaves_base, misplaced_secret, query_in_path,
    undeclared_config, unknown_variable, wrong_value,
};
use crate::mapping::expression::{Expression, ExpressionFault, ExpressionFaultKind};
use crate::mapping::file::reader::{At, Entries, Text};
use crate::mapping::file::scalar::{ExprText, LocText, PathText, Tpl};
use crate::mapping::model::{Encoding, Locator};
use crate::mapping::template::{Template, TemplateFault};
use crate::mapping::yaml::{Node, NodeValue};
use crate::native::path::NativePath;

/// What is known of the whole file while its parts are compiled.
pub(crate) struct Context {
    /// Faults found so far.
    pub(crate) faults: Diagnostics,
    /// Declared configuration values, and whether each is a secret.
    pub(crate) config: BTreeMap<String, bool>,
    /// Prefixes of extensions and their URNs, `enterprise` among them.
    pub(crate) namespaces: BTreeMap<String, String>,
    /// Names of the resources.
    pub(crate) resources: Vec<String>,
    /// How bodies are encoded when the request does not say.
    pub(crate) encoding: Encoding,
}

impl Context {
    /// Notes a fault; the value is left out.
    pub(crate) fn fault<T>(&mut self, fault: Diagnostic) -> Option<T> {
        self.faults.push(fault);
        None
    }

    /// Notes that something is missing, unless it may be what was left out because of a fault.
    pub(crate) fn missing<T>(&mut self, fault: Diagnostic) -> Option<T> {
        if !self.faults.has_losses() {
            self.faults.push(fault);
        }
        None
    }

    /// A `JSONPath` (E101).
    pub(crate) fn path(&mut self, path: &PathText) -> Option<NativePath> {
        let PathText(text) = path;
        if text.value.contains("{config.") {
            let message =
                format!("nothing is filled in here: '{}' would be read as it stands", text.value);
            let help = "a place is the same in every installation; `where` and `when` see config";
            return self.fault(Diagnostic::error("E101", text.at, message).with_help(help));
        }
        match NativePath::parse(&text.value) {
            Ok(path) => Some(path),
            Err(fault) => self.fault(bad_path(text.at, &text.value, fault.character)),
        }
    }

    /// A place in an answer (E101).
    pub(crate) fn locator(&mut self, locator: &LocText) -> Option<Locator> {
        let LocText(text) = locator;
        let Some(header) = text.value.strip_prefix("header:") else {
            return self.place(text);
        };
        let (name, pattern) = match header.split_once('#') {
            Some((name, pattern)) => (name, Some(pattern)),
            None => (header, None),
        };
        let name = self.header_name(name, text.at)?;
        let pattern = match pattern {
            Some(pattern) => {
                Some(self.regex(&At { value: pattern.to_owned(), at: text.at }, "header")?)
            }
            None => None,
        };
        Some(Locator::Header(name, pattern))
    }

    /// A place in the body, or a part of the text there: `$.href#[^/]+$`.
    fn place(&mut self, text: &Text) -> Option<Locator> {
        // A `#` may also stand in the path itself, within quotes.
        let halves = text.value.match_indices('#').find_map(|(at, _)| {
            let (path, pattern) = text.value.split_at_checked(at)?;
            Some((NativePath::parse(path).ok()?, pattern.strip_prefix('#')?))
        });
        match halves {
            Some((path, pattern)) if NativePath::parse(&text.value).is_err() => {
                let pattern = At { value: pattern.to_owned(), at: text.at };
                Some(Locator::Part(path, self.regex(&pattern, "place")?))
            }
            _ => self.path(&PathText(text.clone())).map(Locator::Body),
        }
    }

    /// A header name, in lower case.
    pub(crate) fn header_name(&mut self, name: &str, at: Position) -> Option<String> {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(is_token) {
            return self.fault(wrong_value(at, name, "not a header name"));
        }
        Some(name.to_ascii_lowercase())
    }

    /// A regular expression.
    pub(crate) fn regex(&mut self, text: &Text, field: &str) -> Option<Regex> {
        match Regex::new(&text.value) {
            Ok(regex) => Some(regex),
            Err(_) => self.fault(wrong_value(text.at, field, "not a regular expression")),
        }
    }

    /// An expression.
    pub(crate) fn expression(
        &mut self,
        expression: &ExprText,
        variables: &Variables,
    ) -> Option<Expression> {
        let ExprText(text) = expression;
        match Expression::compile(&text.value) {
            Ok(compiled) => {
                self.check(&compiled, variables, text.at);
                Some(compiled)
            }
            Err(fault) => self.fault(expression_fault(text.at, &text.value, &fault)),
        }
    }

    /// A template.
    pub(crate) fn template(&mut self, template: &Tpl, variables: &Variables) -> Option<Template> {
        let Tpl(At { value, at }) = template;
        self.template_at(value, *at, variables)
    }

    /// A template whose faults are told somewhere else.
    pub(crate) fn template_at(
        &mut self,
        value: &Value,
        at: Position,
        variables: &Variables,
    ) -> Option<Template> {
        // A number or a boolean stays one: it is the hole that yields it.
        let source = match value {
            Value::String(text) => text.clone(),
            other => format!("{{{other}}}"),
        };
        match Template::compile(&source) {
            Ok(compiled) => {
                for expression in compiled.expressions() {
                    self.check(expression, variables, at);
                }
                Some(compiled)
            }
            Err(fault) => self.fault(template_fault(at, &fault)),
        }
    }

    /// Templates by name, such as query parameters.
    pub(crate) fn templates(
        &mut self,
        entries: &Entries<Tpl>,
        variables: &Variables,
    ) -> Vec<(String, Template)> {
        let Entries(entries) = entries;
        entries
            .iter()
            .filter_map(|(key, tpl)| Some((key.name.clone(), self.template(tpl, variables)?)))
            .collect()
    }

    /// Headers: templates whose names are header names, `Host` not among them.
    pub(crate) fn headers(
        &mut self,
        entries: &Entries<Tpl>,
        variables: &Variables,
    ) -> Vec<(String, Template)> {
        for (key, _) in &entries.0 {
            if self.header_name(&key.name, key.at).is_some_and(|name| name == "host") {
                self.faults.push(leaves_base(key.at, "a Host header"));
            }
        }
        self.templates(entries, variables)
    }

    /// A path below `base_url` (E116, E117).
    pub(crate) fn url_path(&mut self, template: &Tpl, variables: &Variables) -> Option<Template> {
        self.url_path_at(template, template.0.at, variables)
    }

    /// The same with its faults told somewhere else.
    pub(crate) fn url_path_at(
        &mut self,
        template: &Tpl,
        at: Position,
        variables: &Variables,
    ) -> Option<Template> {
        let Value::String(source) = &template.0.value else {
            return self.fault(leaves_base(at, &format!("the path {}", template.0.value)));
        };
        let compiled = self.template_at(&template.0.value, at, variables)?;
        let literal = compiled.literal_text();
        if literal.contains('?') {
            return self.fault(query_in_path(at));
        }
        let climbs = source.split('/').any(|segment| matches!(segment, "." | ".."));
        let one_slash = source.starts_with('/') && !source.starts_with("//");
        if !one_slash || climbs || literal.contains(['\\', '#', '\r', '\n']) {
            return self.fault(leaves_base(at, &format!("the path {source}")));
        }
        Some(compiled)
    }

    /// A body: a tree whose texts are templates.
    pub(crate) fn body(&mut self, node: &Node, variables: &Variables) -> Option<BodyTemplate> {
        self.body_at(node, None, variables)
    }

    /// The same, with its faults told somewhere else when `at` says so.
    pub(crate) fn body_at(
        &mut self,
        node: &Node,
        at: Option<Position>,
        variables: &Variables,
    ) -> Option<BodyTemplate> {
        let before = self.faults.count();
        self.check_tree(node, at, variables);
        if self.faults.count() > before {
            return None;
        }
        match BodyTemplate::compile(&node.to_json()) {
            Ok(body) => Some(body),
            Err(fault) => self.fault(template_fault(at.unwrap_or(node.at), &fault.fault)),
        }
    }

    /// Checks each text of a tree at its own place.
    fn check_tree(&mut self, node: &Node, at: Option<Position>, variables: &Variables) {
        match &node.value {
            NodeValue::String(text) => {
                let value = Value::String(text.clone());
                self.template_at(&value, at.unwrap_or(node.at), variables);
            }
            NodeValue::Seq(items) => {
                for item in items {
                    self.check_tree(item, at, variables);
                }
            }
            NodeValue::Map(members) => {
                for (_, member) in members {
                    self.check_tree(member, at, variables);
                }
            }
            NodeValue::Null | NodeValue::Bool(_) | NodeValue::Number(_) => {}
        }
    }

    /// Whether an expression uses only what is known here (E112, E114, E115).
    fn check(&mut self, expression: &Expression, variables: &Variables, at: Position) {
        for name in expression.variables() {
            if !variables.knows(name) {
                let hole = format!("{{{}}}", expression.source());
                self.faults.push(unknown_variable(at, &hole, name, &variables.known()));
            }
        }
        for mention in expression.mentions() {
            let mut names = mention.split('.');
            if names.next() == Some("config") {
                self.check_config(names.next(), variables, at);
            }
        }
    }

    fn check_config(&mut self, name: Option<&str>, variables: &Variables, at: Position) {
        // `config` as a whole, or reached by an index, shows everything that is in it.
        let Some(name) = name else {
            let secret = self.config.iter().find(|(_, is_secret)| **is_secret);
            if let Some((secret, _)) = secret
                && !variables.sees_secrets()
            {
                self.faults.push(misplaced_secret(at, secret));
            }
            return;
        };
        match self.config.get(name) {
            None => {
                let known: Vec<&str> = self.config.keys().map(String::as_str).collect();
                self.faults.push(undeclared_config(at, name, &known));
            }
            Some(true) if !variables.sees_secrets() => {
                self.faults.push(misplaced_secret(at, name));
            }
            Some(_) => {}
        }
    }
}

fn template_fault(at: Position, fault: &TemplateFault) -> Diagnostic {
    match fault {
        TemplateFault::Braces { .. } => Diagnostic::error("E110", at, fault.to_string())
            .with_help("{expression} is a hole; write {{ and }} for braces"),
        TemplateFault::Expression { expression, fault } => expression_fault(at, expression, fault),
    }
}

fn expression_fault(at: Position, source: &str, fault: &ExpressionFault) -> Diagnostic {
    let code = match fault.kind {
        ExpressionFaultKind::Syntax => "E111",
        ExpressionFaultKind::UnknownName => "E112",
    };
    let diagnostic = Diagnostic::error(code, at, format!("in {{{source}}}: {}", fault.message));
    match &fault.help {
        Some(help) => diagnostic.with_help(help.clone()),
        None => diagnostic,
    }
}
