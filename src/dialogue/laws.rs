//! The laws of rows: what is written reads as what was wanted (`PutGet`, over nothing and over each
//! example's record), and what was read and is written back changes nothing (`GetPut`). A search,
//! not a proof: it tells a true counter-example or none.

use serde_json::Value;

use crate::convert::context::Context;
use crate::dialogue::samples;
use crate::dialogue::trial::{Trial, Verdict};
use crate::mapping::diagnostic::{
    Diagnostic, Position, other_type, put_get, unwritable, written_back,
};
use crate::mapping::model::{Mapping, ResourceMapping};
use crate::mapping::scope::Ambient;

/// Most example records that each row is tried on.
const MOST_RECORDS: usize = 20;

/// What can be done about a row that loses something.
const ROW_HELP: &str = "add memo: true to remember what was sent, or lossy: true to accept it";

/// The same for an item, which has no memo.
const ITEM_HELP: &str = "add lossy: true to accept it";

/// What the laws are tried in.
pub struct Surroundings<'a> {
    /// The mapping.
    pub mapping: &'a Mapping,
    /// Behind expressions.
    pub ambient: &'a Ambient,
    /// Configuration.
    pub config: &'a Value,
}

/// What came of the search in one resource.
#[derive(Debug, Default)]
pub struct Found {
    /// For each row, by index.
    pub rows: Vec<Verdict>,
    /// For each item of each collection, by index.
    pub items: Vec<Vec<Verdict>>,
}

/// Searches the rows of one resource.
pub fn search(around: &Surroundings<'_>, resource: &ResourceMapping) -> Found {
    let references = samples::references(around.mapping);
    let context = Context {
        mapping: around.mapping,
        resource,
        ambient: around.ambient,
        config: around.config,
        references: &references,
    };
    let written = samples::resources(around.mapping, resource);
    let records: Vec<Value> =
        resource.examples.iter().take(MOST_RECORDS).map(|example| example.native.clone()).collect();
    let trial = Trial { context, written, records };
    Found {
        rows: resource.rows.iter().map(|row| trial.row(row)).collect(),
        items: resource
            .collections
            .iter()
            .map(|list| list.items.iter().map(|item| trial.item(list, item)).collect())
            .collect(),
    }
}

/// The counter-examples that the file does not accept, as diagnostics.
pub fn faults(resource: &ResourceMapping, found: &Found) -> Vec<Diagnostic> {
    let mut faults = Vec::new();
    for (row, verdict) in resource.rows.iter().zip(&found.rows).filter(|(row, _)| !row.lossy) {
        let at = Position { line: row.line, column: row.column };
        let help = if row.memo { None } else { Some(ROW_HELP) };
        faults.extend(told(at, &row.label, verdict, help));
    }
    for (list, verdicts) in resource.collections.iter().zip(&found.items) {
        for (item, verdict) in list.items.iter().zip(verdicts).filter(|(item, _)| !item.lossy) {
            let at = Position { line: item.line, column: item.column };
            let label = format!("{}.{}", list.label, item.sub);
            faults.extend(told(at, &label, verdict, Some(ITEM_HELP)));
        }
    }
    faults
}

/// `help` is `None` when something else gives back what is lost.
fn told(at: Position, label: &str, verdict: &Verdict, help: Option<&str>) -> Vec<Diagnostic> {
    let counter = verdict.put_get.as_ref().zip(help);
    let put = counter.map(|(counter, help)| put_get(at, label, &counter.texts(), help));
    let written =
        verdict.get_put.as_ref().map(|native| written_back(at, label, &native.to_string()));
    let retyped = verdict.retyped.as_ref();
    let retyped =
        retyped.map(|(have, new)| other_type(at, label, &have.to_string(), &new.to_string()));
    let refused = verdict.refused.as_ref().map(|value| unwritable(at, label, &value.to_string()));
    put.into_iter().chain(written).chain(retyped).chain(refused).collect()
}
