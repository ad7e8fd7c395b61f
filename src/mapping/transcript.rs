//! What stands at the end of a mapping file: pairs of records and resources, and exchanges in
//! writing.

use serde_json::{Map, Value};

use crate::native::message::Method;

/// A native/SCIM pair.
#[derive(Debug, Clone)]
pub struct Example {
    /// A name, or `example N`.
    pub name: String,
    /// The native record.
    pub native: Value,
    /// The SCIM resource. `enterprise` and the file's own prefixes are already their URNs.
    pub scim: Value,
    /// What the side-car holds of it.
    pub sidecar: Value,
    /// Line in the file.
    pub line: usize,
    /// Column in the file.
    pub column: usize,
}

/// An exchange in writing.
#[derive(Debug, Clone)]
pub struct Test {
    /// Its name.
    pub name: String,
    /// What is there before.
    pub given: Given,
    /// `VERB /path?query`.
    pub scim: String,
    /// Request headers.
    pub headers: Vec<(String, String)>,
    /// SCIM body; prefixes are already URNs.
    pub body: Option<Value>,
    /// The native calls, in order.
    pub native: Vec<Call>,
    /// Expected status.
    pub status: u16,
    /// Every member given must be there.
    pub response: Option<Value>,
    /// Members that must not be there.
    pub absent: Vec<String>,
    /// Line in the file.
    pub line: usize,
    /// Column in the file.
    pub column: usize,
}

/// A request that is tried out.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// What it shows.
    pub name: Option<String>,
    /// What is there before.
    pub given: Given,
    /// `VERB /path?query`.
    pub scim: String,
    /// Request headers.
    pub headers: Vec<(String, String)>,
    /// SCIM body; prefixes are already URNs.
    pub body: Option<Value>,
    /// Recorded answers, in order.
    pub native: Vec<Call>,
}

/// What is there before a test begins.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// Configuration values.
    pub config: Map<String, Value>,
    /// Side-car: resource type -> SCIM id -> `key`, `off`, attributes.
    pub sidecar: Value,
    /// UUIDs handed out, in order.
    pub uuid: Vec<String>,
    /// The time, RFC 3339.
    pub now: Option<String>,
    /// Random texts handed out, in order.
    pub random: Vec<String>,
}

/// An expected native call and its answer.
#[derive(Debug, Clone)]
pub struct Call {
    /// Method.
    pub method: Method,
    /// Path, as written, not encoded.
    pub path: String,
    /// Query; `any` matches any value; `None` is not compared.
    pub query: Option<Map<String, Value>>,
    /// Headers that must be there.
    pub headers: Vec<(String, String)>,
    /// Exact body; `None` is not compared.
    pub body: Option<Value>,
    /// Status of the answer.
    pub reply: u16,
    /// Headers of the answer.
    pub reply_headers: Vec<(String, String)>,
    /// Body of the answer.
    pub with: Option<Value>,
    /// Line in the file.
    pub line: usize,
}
