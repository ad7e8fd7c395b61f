//! What an identity provider should see, by rule and not by recording.
//!
//! - An application that cannot be reached, or answers nonsense, is never 404, and never a success.
//! - What passes by itself is 429, 502, 503 or 504. Where the application says when, that is handed
//!   on in whole seconds, an hour at most; where waiting helps, five seconds stand in for it.
//! - What waiting does not mend (an answer of another shape, a lost session) is 502 without
//!   `Retry-After`.
//! - A write goes out twice only when the first one cannot have been carried out.
#![cfg(test)]

use crate::faults::cell::{Answer, Cell};
use crate::faults::fault::{Fault, Scope};
use crate::faults::operation::Operation;

/// Attempts of a call, as the mapping has it.
const ATTEMPTS: usize = 2;

/// Seconds where nobody says how long to wait.
const SOME: Option<&str> = Some("5");

pub(crate) fn expected(cell: Cell) -> Answer {
    let Cell { fault, operation, scope } = cell;
    let is_idempotent = matches!(operation.hit(scope), "GET" | "DELETE");
    let repeated = if is_idempotent { ATTEMPTS } else { 1 };
    let (status, retry_after, hits) = match fault {
        // Nobody is there to count.
        Fault::Refused | Fault::NoSuchHost => (502, SOME, 0),
        Fault::ResetBefore | Fault::ResetAfter | Fault::CutJson => {
            // A GET before the write has left a kept connection behind. A write that goes out on
            // it may have arrived, so only what may arrive twice is sent on another one.
            (502, SOME, repeated)
        }
        // The time is over, and nothing is left for another attempt.
        Fault::Stalled | Fault::SlowDrip => (504, SOME, 1),
        Fault::Page502 => (502, None, repeated),
        Fault::Away503 => (503, SOME, repeated),
        Fault::Away503After7 => (503, Some("7"), 1),
        // 429 says that nothing was done.
        Fault::Busy429 | Fault::Busy429AfterNonsense => (429, SOME, ATTEMPTS),
        // Seven seconds do not fit into the time of the call.
        Fault::Busy429After7 | Fault::Busy429AfterDate => (429, Some("7"), 1),
        Fault::Busy429AfterAges => (429, Some("3600"), 1),
        Fault::Failed500
        | Fault::SessionLost
        | Fault::BrokenJson
        | Fault::LoginPage
        | Fault::Huge
        | Fault::RedirectedAway => (502, None, 1),
        Fault::OtherJson => return other_json(cell),
        Fault::SessionExpired => {
            return success(operation, if scope == Scope::Writes { 2 } else { hits_of(operation) });
        }
    };
    let retry_after = retry_after.filter(|_| operation != Operation::Bulk).map(str::to_owned);
    Answer { status, scim_type: None, retry_after, hits }
}

/// Whoever needs nothing of an answer is content with its status.
fn other_json(cell: Cell) -> Answer {
    let Cell { operation, scope, .. } = cell;
    match operation {
        Operation::PatchMember | Operation::Delete => success(operation, 1),
        // The record is read again, and shown as it is.
        Operation::Replace | Operation::Patch | Operation::Deactivate if scope == Scope::Writes => {
            success(operation, 1)
        }
        Operation::Get
        | Operation::Query
        | Operation::List
        | Operation::Create
        | Operation::Replace
        | Operation::Patch
        | Operation::Deactivate
        | Operation::Bulk => Answer { status: 502, scim_type: None, retry_after: None, hits: 1 },
    }
}

fn success(operation: Operation, hits: usize) -> Answer {
    Answer { status: operation.success(), scim_type: None, retry_after: None, hits }
}

/// All calls of an operation that is hit at its first one and goes well from then on.
fn hits_of(operation: Operation) -> usize {
    match operation {
        Operation::Get
        | Operation::Query
        | Operation::List
        | Operation::Create
        | Operation::PatchMember
        | Operation::Delete
        | Operation::Bulk => 2,
        Operation::Replace | Operation::Patch | Operation::Deactivate => 3,
    }
}
