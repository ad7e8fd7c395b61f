//! Examples and exchanges in writing, as written.

use serde_json::Value;

use crate::mapping::file::reader::{At, Entries, Text};
use crate::mapping::file::table::object;

object! {
    /// A native/SCIM pair.
    Example "example" @at {
        may name: String,
        need native: Value,
        need scim: Value,
        may sidecar: Value,
    }
}

object! {
    /// An exchange in writing.
    Test "test" @at {
        need name: String,
        may given: Given,
        need scim: Text,
        or headers: Entries<String>,
        may body: Value,
        or native: Vec<Call>,
        need status: At<u64>,
        may response: Value,
        or absent: Vec<String>,
    }
}

object! {
    /// What is there before a test begins.
    Given "given" {
        or config: Entries<Value>,
        may sidecar: Value,
        or uuid: Vec<String>,
        may now: String,
        or random: Vec<String>,
    }
}

object! {
    /// An expected native call and its answer.
    Call "call" @at {
        need expect: Text,
        may query: Entries<Value>,
        or headers: Entries<String>,
        may body: Value,
        need reply: At<u64>,
        or reply_headers: Entries<String>,
        may with: Value,
    }
}
