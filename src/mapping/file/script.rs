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
    /// A request that is tried out: a test of which nobody knows yet what comes of it.
    Attempt "attempt" {
        /// What it shows.
        may name: String,
        /// What is there before.
        may given: Given,
        /// `VERB /path?query`, blanks and all.
        need scim: Text,
        /// What the identity provider sends.
        or headers: Entries<String>,
        /// What the identity provider sends.
        may body: Value,
        /// Recorded answers of the application.
        or native: Vec<Call>,
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
