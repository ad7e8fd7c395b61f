//! What an identity provider sees when the application is away, slow, broken, lying or busy: the
//! whole matrix of faults and operations, judged by rules that are written down here, and printed
//! into `docs/faults.md`.
#![cfg(test)]

mod application;
mod cell;
mod fault;
mod operation;
mod rules;
mod table;

use futures_util::future::join_all;

use crate::faults::cell::{Cell, Measured, Ready};
use crate::faults::fault::{Fault, Scope};
use crate::faults::operation::Operation;

/// Measures every cell, in the order of the table: all of a fault at the same time.
async fn measured() -> Vec<(Cell, Measured)> {
    let mut all = Vec::new();
    for scope in Scope::ALL {
        for fault in Fault::ALL {
            // Everything is set up before a clock begins to run.
            let mut ready = Vec::new();
            for operation in Operation::ALL.into_iter().filter(|it| it.is_hit_by(scope)) {
                ready.push(Cell { fault, operation, scope }.ready().await);
            }
            all.extend(join_all(ready.into_iter().map(Ready::measure)).await);
        }
    }
    all
}

#[tokio::test]
async fn every_fault_has_its_answer() {
    let measured = measured().await;
    let mut offences = Vec::new();
    for (cell, measured) in &measured {
        let expected = rules::expected(*cell);
        if measured.answer != expected {
            offences.push(format!(
                "{cell:?}\n  expected {expected:?}\n  but got  {:?}",
                measured.answer
            ));
        }
        offences.extend(measured.offences.iter().map(|what| format!("{cell:?}: {what}")));
    }
    assert!(offences.is_empty(), "{} offences\n{}", offences.len(), offences.join("\n"));
    table::check(&measured);
}
