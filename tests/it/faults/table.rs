//! The matrix as a page: `docs/faults.md`. The test fails when the page is not what was measured;
//! with `SCIMBRIDGE_WRITE_DOCS=1` in the environment it writes the page anew.
#![cfg(test)]

use std::fmt::Write as _;
use std::path::Path;

use scimbridge::config::load::environment;

use crate::faults::cell::{Cell, Measured};
use crate::faults::fault::{Fault, Scope};

const VARIABLE: &str = "SCIMBRIDGE_WRITE_DOCS";

const HEAD: &str = "\
# What identity providers see when the application fails

This page is written by a test (`tests/it/faults`), which breaks an application in every way it \
knows under every operation, and judges what comes out: an application that is away or talks \
nonsense is never a 404 and never a success, nothing of what it said, of its address or of the \
credentials is in the answer or in the log, and a write is sent twice only when the first one \
cannot have been carried out. `SCIMBRIDGE_WRITE_DOCS=1 cargo test --test it faults` writes it anew.

The mapping of the test allows two attempts (`api.retry.attempts: 2`), and pauses of seconds do \
not fit into the time of its calls; a mapping with more time waits and tries again before it \
answers. *Calls* counts the native calls, logins left out, that reached the application; in \
brackets those that the fault hit, where others were fine. Results of bulk requests have no \
headers. No row has a `scimType`: those are for requests that a client has to change.

[What operators can do about each of them](operating.md#when-the-application-fails).
";

pub(crate) fn check(measured: &[(Cell, Measured)]) {
    let page = page(measured);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/faults.md");
    if environment(VARIABLE).is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let how = format!("run: {VARIABLE}=1 cargo test --test it faults");
    assert!(committed == page, "docs/faults.md is not what was measured; {how}");
}

fn page(measured: &[(Cell, Measured)]) -> String {
    let mut page = HEAD.to_owned();
    for scope in Scope::ALL {
        page.push_str(match scope {
            Scope::Everything => "\n## Every call fails\n",
            Scope::Writes => "\n## Reading works, writing fails\n",
        });
        for fault in Fault::ALL {
            write!(page, "\n### {}\n\n", fault.name()).unwrap();
            page.push_str("| operations | status | `Retry-After` | calls | `detail` |\n");
            page.push_str("|---|---|---|---|---|\n");
            let own = measured.iter().filter(|(it, _)| it.scope == scope && it.fault == fault);
            for (names, rest) in rows(own) {
                writeln!(page, "| {} | {rest} |", names.join(", ")).unwrap();
            }
        }
    }
    page
}

/// Operations that end alike stand in one row.
fn rows<'m>(cells: impl Iterator<Item = &'m (Cell, Measured)>) -> Vec<(Vec<&'static str>, String)> {
    let mut rows: Vec<(Vec<&str>, String)> = Vec::new();
    for (cell, one) in cells {
        let answer = &one.answer;
        let after = answer.retry_after.as_deref().unwrap_or("–");
        let calls = match (one.calls, answer.hits) {
            (calls, hits) if calls == hits => calls.to_string(),
            (calls, hits) => format!("{calls} ({hits})"),
        };
        let detail = if one.detail.is_empty() { "–" } else { &one.detail };
        let rest = format!("{} | {after} | {calls} | {detail}", answer.status);
        match rows.iter_mut().find(|(_, have)| *have == rest) {
            Some((names, _)) => names.push(cell.operation.name()),
            None => rows.push((vec![cell.operation.name()], rest)),
        }
    }
    rows
}
