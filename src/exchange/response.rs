//! The engine's answer, before it becomes bytes.

use serde_json::Value;

/// One answer to an identity provider. The gateway adds the media type and the length.
#[derive(Debug, Clone, PartialEq)]
pub struct ScimResponse {
    /// HTTP status.
    pub status: u16,
    /// Headers beyond the media type: `Location`, `ETag`, `Allow`, `Retry-After`, ….
    pub headers: Vec<(&'static str, String)>,
    /// The body; `None` sends none.
    pub body: Option<Value>,
}

impl ScimResponse {
    /// An answer with a body and no further headers.
    pub fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Some(body) }
    }

    /// 204.
    pub fn no_content() -> Self {
        Self { status: 204, headers: Vec::new(), body: None }
    }

    /// 304: the client's own copy is up to date.
    pub fn not_modified() -> Self {
        Self { status: 304, headers: Vec::new(), body: None }
    }

    /// The same answer with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
