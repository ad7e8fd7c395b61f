//! The port that the transport drives: who is meant, who calls, what is answered.
//!
//! RFC 7644 section 2 (authentication) and section 3.12 (errors). The three steps are separate so
//! that no body is read before a tenant is known and its token has been checked. Splitting the
//! path, limits and media types are the transport's business.

use std::sync::Arc;

use async_trait::async_trait;

use crate::exchange::request::ScimRequest;
use crate::exchange::response::ScimResponse;
use crate::scim::error::error_body;

/// The tenants of the bridge, as the transport sees them.
#[async_trait]
pub trait Endpoint: Send + Sync + 'static {
    /// The proof of who calls.
    type Caller: Send + Sync;

    /// The tenant that a request means; `None` when there is none.
    ///
    /// `host` is the validated authority the client addressed. `segments` are the path's
    /// non-empty segments from its very beginning, percent-decoded, up to the first one that
    /// cannot be part of any identifier.
    fn route(&self, host: &str, segments: &[String]) -> Option<Route>;

    /// Checks the `Authorization` header, as sent, before anything of the body is read.
    ///
    /// # Errors
    /// The answer to give instead, see [`unauthorized`].
    fn authenticate(
        &self,
        route: &Route,
        authorization: Option<&str>,
    ) -> Result<Self::Caller, ScimResponse>;

    /// Answers one request. `request.method` is never `HEAD`: the transport turns it into `GET`
    /// and leaves the body out.
    async fn answer(
        &self,
        route: &Route,
        caller: Self::Caller,
        request: ScimRequest,
    ) -> ScimResponse;
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
}

impl Route {
    /// A tenant directly below the root that is seen under the client's own authority.
    pub fn new(tenant: usize, name: impl Into<Arc<str>>) -> Self {
        Self { tenant, name: name.into(), depth: 0, public_url: None }
    }
}

/// 401 with the challenge that RFC 6750 section 3 asks for.
pub fn unauthorized(detail: &str) -> ScimResponse {
    ScimResponse::json(401, error_body(401, None, detail))
        .with_header("WWW-Authenticate", r#"Bearer realm="scim""#)
}
