//! Everything that `check` can say of one file: what is wrong, what its tests show, and on demand
//! the table of classes, what becomes of filters, and how much the tests would notice.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::dialogue::classes;
use crate::dialogue::coverage;
use crate::dialogue::explain;
use crate::dialogue::mutate::{self, Mutation};
use crate::dialogue::report;
use crate::mapping::diagnostic::{Diagnostic, Severity};
use crate::mapping::model::Mapping;

/// What is asked beside the faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// The table of classes.
    Classes,
    /// What becomes of filters.
    Filters,
    /// How much the tests would notice.
    Mutation,
}

/// What came of a file.
#[derive(Debug, Default)]
pub struct Findings {
    /// Everything that is told with a place, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
    /// What was played; `None` when the file does not load.
    pub played: Option<Played>,
    /// The table of classes, when it was asked for.
    pub classes: Option<Vec<classes::Line>>,
    /// What becomes of filters, when it was asked for.
    pub filters: Option<Vec<explain::Line>>,
    /// How much the tests would notice, when it was asked for.
    pub mutation: Option<Mutation>,
}

/// How many examples and tests were played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Played {
    /// Tests.
    pub tests: usize,
    /// Tests that passed.
    pub passed: usize,
    /// Examples.
    pub examples: usize,
}

/// Looks into a file.
pub async fn look(text: &str, asked: &[Question]) -> Findings {
    let (mapping, mut diagnostics) = match Mapping::load(text) {
        Err(diagnostics) => return Findings { diagnostics, ..Findings::default() },
        Ok((mapping, warnings)) => (Arc::new(mapping), warnings),
    };
    let report = report::run(&mapping).await;
    diagnostics.extend(report.diagnostics);
    diagnostics.extend(coverage::gaps(&mapping));
    let is_asked = |question| asked.contains(&question);
    let mutation = if is_asked(Question::Mutation) { Some(mutate::run(text).await) } else { None };
    if let Some(mutation) = &mutation {
        diagnostics.extend(mutation.survivors.iter().cloned());
    }
    diagnostics.sort_by_key(|found| (found.line, found.column, found.code));
    Findings {
        diagnostics,
        played: Some(Played {
            tests: report.tests,
            passed: report.passed,
            examples: report.examples,
        }),
        classes: is_asked(Question::Classes).then(|| classes::of_mapping(&mapping, &report.laws)),
        filters: is_asked(Question::Filters).then_some(report.filters),
        mutation,
    }
}

impl Findings {
    /// How many there are of one severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|found| found.severity == severity).count()
    }

    /// All of it as JSON, for editors and scripts. Members that were not asked for are absent.
    pub fn to_json(&self, file: &str) -> Value {
        let diagnostics: Vec<Value> = self.diagnostics.iter().map(diagnostic).collect();
        let mut object = Map::new();
        let mut add = |name: &str, value: Value| object.insert(name.to_owned(), value);
        add("file", json!(file));
        add("diagnostics", Value::Array(diagnostics));
        add("loaded", json!(self.played.is_some()));
        if let Some(Played { tests, passed, examples }) = self.played {
            add("tests", json!(tests));
            add("passed", json!(passed));
            add("examples", json!(examples));
        }
        if let Some(lines) = &self.classes {
            add("classes", lines.iter().map(class).collect());
        }
        if let Some(lines) = &self.filters {
            add("filters", lines.iter().map(filter).collect());
        }
        if let Some(mutation) = &self.mutation {
            let (total, caught) = (mutation.total, mutation.caught);
            let percent = mutation.percent();
            add("mutation", json!({ "total": total, "caught": caught, "percent": percent }));
        }
        Value::Object(object)
    }
}

fn diagnostic(found: &Diagnostic) -> Value {
    let Diagnostic { code, severity, line, column, message, help } = found;
    let severity = severity.name();
    let mut object = json!({
        "code": code, "severity": severity, "line": line, "column": column, "message": message
    });
    if let (Some(help), Some(members)) = (help, object.as_object_mut()) {
        members.insert("help".to_owned(), json!(help));
    }
    object
}

fn class(line: &classes::Line) -> Value {
    let classes::Line { resource, path, chain, class, direction } = line;
    json!({
        "resource": resource, "path": path, "chain": chain, "class": class, "direction": direction
    })
}

fn filter(line: &explain::Line) -> Value {
    let explain::Line { resource, filter, answer, by } = line;
    json!({ "resource": resource, "filter": filter, "answer": answer.name(), "by": by })
}
