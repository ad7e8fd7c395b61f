//! What `check` says about a whole file: every test and example, as diagnostics.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::dialogue::examples::{self, Finding};
use crate::dialogue::laws::{self, Surroundings};
use crate::dialogue::player::{self, Verdict};
use crate::dialogue::{explain, script, stage};
use crate::exchange::native::Exchange;
use crate::mapping::diagnostic::{Diagnostic, Position};
use crate::mapping::model::{Mapping, Test};

/// What came of a file's tests and examples.
#[derive(Debug, Default)]
pub struct Report {
    /// What was found.
    pub diagnostics: Vec<Diagnostic>,
    /// Tests played.
    pub tests: usize,
    /// Tests that passed.
    pub passed: usize,
    /// Examples checked.
    pub examples: usize,
    /// What the search for counter-examples found, resource by resource.
    pub laws: Vec<laws::Found>,
    /// What becomes of the filters that identity providers send.
    pub filters: Vec<explain::Line>,
}

/// Plays everything that a mapping file has in writing.
pub async fn run(mapping: &Arc<Mapping>) -> Report {
    let mut report = Report::default();
    for resource in &mapping.resources {
        for example in &resource.examples {
            report.examples += 1;
            let at = Position { line: example.line, column: example.column };
            for finding in examples::check(mapping, resource, example).await {
                report.diagnostics.push(match finding {
                    Finding::Differs(text) => Diagnostic::error("E501", at, text),
                    Finding::GetPut(text) => Diagnostic::error("E401", at, text),
                });
            }
        }
    }
    for test in &mapping.tests {
        report.tests += 1;
        let verdict = player::play(mapping, test).await;
        if verdict.differences.is_empty() {
            report.passed += 1;
        } else {
            report.diagnostics.push(failed(test, &verdict));
        }
    }
    if let Ok(tenant) = stage::bare(mapping).await {
        let exchange = Exchange::new(&tenant, "check".to_owned(), String::new());
        let around = Surroundings { mapping, ambient: &exchange.ambient, config: &tenant.config };
        for resource in &mapping.resources {
            let found = laws::search(&around, resource);
            report.diagnostics.extend(laws::faults(resource, &found));
            report.laws.push(found);
            report.filters.extend(explain::filters(&around, resource));
        }
    }
    report
}

fn failed(test: &Test, verdict: &Verdict) -> Diagnostic {
    let at = Position { line: test.line, column: test.column };
    let text = format!("test \"{}\": {}", test.name, verdict.differences.join("; "));
    Diagnostic::error("E502", at, text).with_help(format!("what happened: {}", transcript(verdict)))
}

/// What really happened, in the form of a test's `native`, `status` and `response`: JSON, which
/// is YAML too and can be pasted.
pub fn transcript(verdict: &Verdict) -> Value {
    let call = |(request, status): &(crate::native::message::NativeRequest, Option<u16>)| {
        let path = script::decoded(&request.path);
        let mut call = Map::new();
        call.insert("expect".to_owned(), json!(format!("{} {path}", request.method.name())));
        if !request.query.is_empty() {
            let pairs = request.query.iter().map(|(name, value)| (name.clone(), json!(value)));
            call.insert("query".to_owned(), Value::Object(pairs.collect()));
        }
        let body = script::body(&request.body);
        if !body.is_null() {
            call.insert("body".to_owned(), body);
        }
        call.insert("reply".to_owned(), json!(status));
        Value::Object(call)
    };
    let calls: Vec<Value> = verdict.made.iter().map(call).collect();
    let status = verdict.response.as_ref().map(|response| response.status);
    let response = verdict.response.as_ref().and_then(|response| response.body.as_deref().cloned());
    json!({ "native": calls, "status": status, "response": response })
}
