//! A request to the application and its answer, as data.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde_json::Value;

/// An HTTP method the mapping language knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
}

impl Method {
    /// The method's name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether the method changes nothing (RFC 9110 section 9.2.1).
    pub fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Head)
    }

    /// Whether sending it twice does what sending it once does (RFC 9110 section 9.2.2).
    pub fn is_idempotent(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Put | Self::Delete)
    }
}

/// Which calls go first where they have to wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// Reads, and whatever takes access away from somebody.
    Ahead,
    /// Other changes.
    Usual,
    /// Changes that came in bulk.
    Behind,
}

/// A call to the application, relative to the mapping's `base_url`.
#[derive(Debug, Clone, PartialEq)]
pub struct NativeRequest {
    /// The method.
    pub method: Method,
    /// Path below `base_url`, with a leading slash, percent-encoded.
    pub path: String,
    /// The path as the mapping writes it, with names in place of values; for those who watch.
    pub template: Option<Arc<str>>,
    /// Query parameters, not yet encoded, in order.
    pub query: Vec<(String, String)>,
    /// Headers beyond those every request of the mapping carries.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Body,
    /// Time for the whole call; `None` means the mapping's `api.timeout`.
    pub timeout: Option<std::time::Duration>,
    /// What is left of the time of the SCIM request that it is made for. It may wait for its turn
    /// for so long, and is over by then; `None` means as long as the call itself may take.
    pub patience: Option<std::time::Duration>,
    /// Which calls it lets go first.
    pub urgency: Urgency,
    /// Whether it may arrive twice although its method may not: it has a key by which the
    /// application knows the second one.
    pub repeatable: bool,
}

/// What is sent with a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Nothing at all.
    None,
    /// `application/json`, or a media type built on it.
    Json(Value),
    /// `application/x-www-form-urlencoded`.
    Form(Vec<(String, String)>),
}

/// The application's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct NativeResponse {
    /// HTTP status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Content,
}

/// An answer's body as it came, which is understood when somebody looks at it: what is passed on
/// piece by piece needs no tree.
#[derive(Debug, Clone, Default)]
pub struct Content {
    bytes: Option<Bytes>,
    payload: OnceLock<Payload>,
}

/// An answer's body, understood.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// No body.
    Empty,
    /// It parsed as JSON, whatever the media type said.
    Json(Value),
    /// Anything else; kept for error rules only and never shown.
    Text(String),
}

impl Content {
    /// The body as text; `None` when it is none, or is no text.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match (&self.bytes, self.payload.get()) {
            (Some(bytes), _) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            (None, Some(Payload::Json(value))) => Some(Cow::Owned(value.to_string())),
            (None, Some(Payload::Text(text))) => Some(Cow::Borrowed(text)),
            (None, Some(Payload::Empty) | None) => None,
        }
    }

    /// The body as it came, or as it would have; `None` when there is none.
    pub fn to_bytes(&self) -> Option<Bytes> {
        match &self.bytes {
            Some(bytes) => Some(bytes.clone()),
            None => self.text().map(|text| Bytes::from(text.into_owned())),
        }
    }
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self { bytes: Some(bytes), payload: OnceLock::new() }
    }
}

impl From<Payload> for Content {
    fn from(payload: Payload) -> Self {
        Self { bytes: None, payload: OnceLock::from(payload) }
    }
}

impl Deref for Content {
    type Target = Payload;

    fn deref(&self) -> &Payload {
        self.payload.get_or_init(|| Payload::of(self.bytes.as_deref().unwrap_or_default()))
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl PartialEq<Payload> for Content {
    fn eq(&self, other: &Payload) -> bool {
        **self == *other
    }
}

impl Payload {
    /// Understands a body.
    pub fn of(bytes: &[u8]) -> Self {
        if bytes.trim_ascii().is_empty() {
            return Self::Empty;
        }
        // Broken JSON stays text whatever the media type says: the engine judges it.
        match serde_json::from_slice(bytes) {
            Ok(value) => Self::Json(value),
            Err(_) => Self::Text(String::from_utf8_lossy(bytes).into_owned()),
        }
    }
}

impl NativeResponse {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of this name; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// The values of all headers of this name as one list (RFC 9110 section 5.3); `name` in lower
    /// case.
    pub fn header_list(&self, name: &str) -> Option<String> {
        let own = self.headers.iter().filter(|(have, _)| have == name);
        let values: Vec<&str> = own.map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// The body as JSON, if it is.
    pub fn json(&self) -> Option<&Value> {
        match &*self.body {
            Payload::Json(value) => Some(value),
            Payload::Empty | Payload::Text(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::native::message::{Content, Payload};

    #[test]
    fn bodies_are_understood() {
        let of = Payload::of;
        assert_eq!(of(b""), Payload::Empty);
        assert_eq!(of(b" \r\n"), Payload::Empty);
        assert_eq!(of(b"[1]"), Payload::Json(json!([1])));
        assert_eq!(of(b"null"), Payload::Json(json!(null)));
        assert_eq!(of(b"{\"a\":"), Payload::Text("{\"a\":".to_owned()));
        assert_eq!(of(b"\xff"), Payload::Text("\u{fffd}".to_owned()));
        assert!(matches!(of("[".repeat(200_000).as_bytes()), Payload::Text(_)));
    }

    #[test]
    fn a_body_keeps_its_text() {
        let sent = Content::from(bytes::Bytes::from_static(b"[ 1 ]"));
        assert_eq!(sent, Payload::Json(json!([1])));
        assert_eq!(sent.text().unwrap(), "[ 1 ]");
        assert_eq!(Content::from(Payload::Json(json!([1]))).text().unwrap(), "[1]");
        assert_eq!(Content::from(Payload::Empty).text(), None);
        assert_eq!(Content::from(bytes::Bytes::from_static(b"\xff")).text(), None);
    }
}
