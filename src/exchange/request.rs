//! A SCIM request as the engine sees it: after routing and authentication, before parsing.

use std::net::IpAddr;
use std::sync::Arc;

use http::Method;

use crate::auth::principal::Principal;

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
    /// Who sends it.
    pub caller: Caller,
}

/// Who sends a request, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Whose token it is.
    pub principal: Arc<Principal>,
    /// The client's address, as far as it can be believed; `None` where there is no network, as
    /// in a dry run.
    pub client: Option<IpAddr>,
}

impl Caller {
    /// The bridge itself, as in dry runs and the tests of a mapping file: everything is allowed.
    pub fn own(tenant: &str) -> Self {
        Self { principal: Arc::new(Principal::own(tenant)), client: None }
    }
}
