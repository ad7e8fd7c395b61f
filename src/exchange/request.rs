//! A SCIM request as the engine sees it: after routing and authentication, before parsing.

use http::Method;

/// One request of an identity provider.
#[derive(Debug, Clone)]
pub struct ScimRequest {
    /// HTTP method.
    pub method: Method,
    /// Path segments below the SCIM base, percent-decoded, without empty ones.
    pub segments: Vec<String>,
    /// The raw query, without `?`.
    pub query: String,
    /// The body, already bounded in size.
    pub body: bytes::Bytes,
    /// `Content-Type`, as sent.
    pub content_type: Option<String>,
    /// `If-Match`, as sent.
    pub if_match: Option<String>,
    /// `If-None-Match`, as sent.
    pub if_none_match: Option<String>,
    /// The SCIM base as the client sees it, without trailing slash:
    /// `https://host/base/scim/v2`.
    pub base: String,
    /// Identifies the request in logs.
    pub request_id: String,
}
