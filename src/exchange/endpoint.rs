//! The port that the transport drives: who is meant, who calls, what is answered.
//!
//! RFC 7644 section 2 (authentication) and section 3.12 (errors). The three steps are separate so
//! that no body is read before a tenant is known and its token has been checked. Splitting the
//! path, limits and media types are the transport's business.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderMap, header};

use crate::exchange::request::{Caller, ScimRequest};
use crate::exchange::response::ScimResponse;
use crate::scim::error::error_body;
use crate::watch::meters::Meters;
use crate::watch::span::Spans;

/// An application that gets what is not SCIM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Whether it is called over TLS.
    pub tls: bool,
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `Host` as the application gets it; `None` means as the client sent it.
    pub host_header: Option<String>,
    /// How long it may be silent, before its answer and in the middle of it.
    pub silence: Duration,
}

/// A request that goes through to an application.
#[derive(Debug, Clone)]
pub struct Passing {
    /// The tenant whose application it is, for logs.
    pub tenant: Arc<str>,
    /// Where it goes.
    pub backend: Arc<Backend>,
    /// Where it is counted.
    pub meters: Arc<Meters>,
    /// Whether it comes from a proxy that is believed when it says whom it speaks for.
    pub is_by_proxy: bool,
}

/// The tenants of the bridge, as the transport sees them.
#[async_trait]
pub trait Endpoint: Send + Sync + 'static {
    /// The tenant that a request means; `None` when there is none.
    ///
    /// `host` is the validated authority the client addressed. `segments` are the path's
    /// non-empty segments from its very beginning, percent-decoded, up to the first one that
    /// cannot be part of any identifier.
    fn route(&self, host: &str, segments: &[String]) -> Option<Route>;

    /// Where a request goes that means no tenant; `None` when it goes nowhere.
    ///
    /// `readings` are the segments that somebody may take its path for. When one of them begins
    /// with a tenant's base path, in whatever case, the request is SCIM in disguise; when it
    /// shows a token of ours, it is SCIM gone astray. Neither goes to an application.
    fn pass(&self, _host: &str, _readings: &[Vec<String>], _knock: &Knock<'_>) -> Option<Passing> {
        None
    }

    /// Whether there is any application that gets such requests.
    fn passes(&self) -> bool {
        false
    }

    /// Whether any application that gets such requests is called over TLS.
    fn passes_tls(&self) -> bool {
        false
    }

    /// Checks who knocks, before anything of the body is read.
    ///
    /// # Errors
    /// The answer to give instead, see [`unauthorized`].
    fn authenticate(&self, route: &Route, knock: &Knock<'_>) -> Result<Caller, ScimResponse>;

    /// Answers one request. `request.method` is never `HEAD`: the transport turns it into `GET`
    /// and leaves the body out.
    async fn answer(&self, route: &Route, request: ScimRequest) -> ScimResponse;

    /// Where a tenant's requests are counted; `None` counts nothing.
    fn meters(&self, _route: &Route) -> Option<Arc<Meters>> {
        None
    }

    /// Where spans of distributed traces go; `None` records nothing.
    fn spans(&self) -> Option<Arc<dyn Spans>> {
        None
    }
}

/// What is known of a caller before he is authenticated.
#[derive(Debug, Clone, Copy)]
pub struct Knock<'a> {
    /// The header fields, as sent.
    pub headers: &'a HeaderMap,
    /// The address at the other end of the connection: the client's, or that of a proxy.
    pub peer: Option<IpAddr>,
}

impl<'a> Knock<'a> {
    /// The `Authorization` header; the first one, if there are several, and `None` when it holds
    /// anything but visible ASCII.
    pub fn authorization(&self) -> Option<&'a str> {
        self.headers.get(header::AUTHORIZATION)?.to_str().ok()
    }
}

/// The tenant that a request means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where the endpoint keeps the tenant, from 0; the transport only hands it back.
    pub tenant: usize,
    /// The tenant's name, for logs.
    pub name: Arc<str>,
    /// How many leading segments are the tenant's base path.
    pub depth: usize,
    /// What stands in place of `scheme://host` in `Location`, when the client's own view of the
    /// bridge is not to be used; without a trailing slash.
    pub public_url: Option<Arc<str>>,
    /// The most bytes of a body, where that is less than for other tenants.
    pub body_bytes: Option<usize>,
}

impl Route {
    /// A tenant directly below the root that is seen under the client's own authority.
    pub fn new(tenant: usize, name: impl Into<Arc<str>>) -> Self {
        Self { tenant, name: name.into(), depth: 0, public_url: None, body_bytes: None }
    }
}

/// A refusal; `retry_after` are the seconds after which the client may try again.
pub fn refused(status: u16, detail: &str, retry_after: Option<u64>) -> ScimResponse {
    let response = ScimResponse::json(status, error_body(status, None, detail));
    match retry_after {
        Some(seconds) => response.with_header("Retry-After", seconds.to_string()),
        None => response,
    }
}

/// 401 with the challenge that RFC 6750 section 3 asks for.
pub fn unauthorized(detail: &str) -> ScimResponse {
    ScimResponse::json(401, error_body(401, None, detail))
        .with_header("WWW-Authenticate", r#"Bearer realm="scim""#)
}
