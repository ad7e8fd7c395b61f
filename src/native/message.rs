//! A request to the application and its answer, as data.

use std::sync::Arc;

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
    pub body: Payload,
}

/// An answer's body.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// No body.
    Empty,
    /// It parsed as JSON, whatever the media type said.
    Json(Value),
    /// Anything else; kept for error rules only and never shown.
    Text(String),
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
        match &self.body {
            Payload::Json(value) => Some(value),
            Payload::Empty | Payload::Text(_) => None,
        }
    }
}
