//! The engine's answer, before it becomes bytes.

use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::Value;

/// One answer to an identity provider. The gateway adds the media type and the length.
#[derive(Debug, Clone, PartialEq)]
pub struct ScimResponse {
    /// HTTP status.
    pub status: u16,
    /// Headers beyond the media type: `Location`, `ETag`, `Allow`, `Retry-After`, ….
    pub headers: Vec<(&'static str, String)>,
    /// The body; `None` sends none.
    pub body: Option<Body>,
}

/// A body: JSON as text or as a value, whichever was made; the other one is made of it when
/// somebody asks.
#[derive(Debug, Clone)]
pub struct Body(Box<Forms>);

#[derive(Debug, Clone)]
struct Forms {
    text: Option<Bytes>,
    value: OnceLock<Value>,
}

impl Body {
    /// A body out of text that is known to be JSON.
    pub fn written(text: impl Into<Bytes>) -> Self {
        Self(Box::new(Forms { text: Some(text.into()), value: OnceLock::new() }))
    }

    /// The body as a value.
    pub fn into_value(self) -> Value {
        self.get();
        self.0.value.into_inner().unwrap_or_default()
    }

    /// The body as text.
    ///
    /// # Errors
    ///
    /// The value has no JSON.
    pub fn into_text(self) -> serde_json::Result<Bytes> {
        match self.0.text {
            Some(text) => Ok(text),
            None => serde_json::to_vec(&self.0.value.into_inner()).map(Bytes::from),
        }
    }

    fn get(&self) -> &Value {
        self.0.value.get_or_init(|| {
            let text = self.0.text.as_deref().unwrap_or_default();
            serde_json::from_slice(text).unwrap_or_default()
        })
    }
}

impl From<Value> for Body {
    fn from(value: Value) -> Self {
        Self(Box::new(Forms { text: None, value: OnceLock::from(value) }))
    }
}

impl Deref for Body {
    type Target = Value;

    fn deref(&self) -> &Value {
        self.get()
    }
}

impl fmt::Display for Body {
    /// As JSON.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(formatter)
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl PartialEq<Value> for Body {
    fn eq(&self, other: &Value) -> bool {
        self.get() == other
    }
}

impl ScimResponse {
    /// An answer with a body and no further headers.
    pub fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Some(body.into()) }
    }

    /// 204.
    pub fn no_content() -> Self {
        Self { status: 204, headers: Vec::new(), body: None }
    }

    /// 304: the client's own copy is up to date.
    pub fn not_modified() -> Self {
        Self { status: 304, headers: Vec::new(), body: None }
    }

    /// The text that a member of the body is.
    pub fn text(&self, member: &str) -> Option<&str> {
        self.body.as_deref()?.get(member)?.as_str()
    }

    /// The same answer with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
