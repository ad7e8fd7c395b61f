//! Examples and exchanges in writing, as written.

use serde_json::Value;

use crate::mapping::file::reader::{At, Entries, Text};
use crate::mapping::file::table::object;

object! {
    /// A native/SCIM pair.
    Example "example" @at {
        /// What it shows.
        may name: String = "its number",
        /// The record.
        need native: Value,
        /// What it reads as, exactly, and which changes nothing when it is written back.
        need scim: Value,
        /// What the bridge keeps of it.
        may sidecar: Value,
    }
}

object! {
    /// An exchange in writing.
    Test "test" @at {
        /// What it shows.
        need name: String,
        /// What is there before.
        may given: Given,
        /// `VERB /path?query`, blanks and all.
        need scim: Text,
        /// What the identity provider sends.
        or headers: Entries<String>,
        /// What the identity provider sends.
        may body: Value,
        /// The calls that must follow, in order; any other call fails the test.
        or native: Vec<Call>,
        /// The SCIM status.
        need status: At<u64>,
        /// Members that must be there; further ones may.
        may response: Value,
        /// Members that must not.
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
        /// Values of the configuration.
        or config: Entries<Value> = "defaults, or something of the type",
        /// Resource type, SCIM id, and what is kept: attributes, `key`, `off`, `deleted`. `ids` is
        /// short for pairs of key and id.
        may sidecar: Value,
        /// UUIDs that are handed out, in order.
        or uuid: Vec<String>,
        /// The time, RFC 3339.
        may now: String = "1970-01-01T00:00:00Z",
        /// Random texts that are handed out, in order.
        or random: Vec<String>,
    }
}

object! {
    /// An expected native call and its answer.
    Call "call" @at {
        /// `VERB /path`.
        need expect: Text,
        /// All parameters; `any` stands for any value.
        may query: Entries<Value> = "not compared",
        /// Headers that must be there.
        or headers: Entries<String> = "not compared",
        /// The body, exactly.
        may body: Value = "not compared",
        /// Status of the answer.
        need reply: At<u64>,
        /// Headers of the answer.
        or reply_headers: Entries<String>,
        /// Body of the answer; a text is an answer that is not JSON.
        may with: Value,
    }
}
