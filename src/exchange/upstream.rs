//! The port to the application.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::exchange::traffic::Traffic;
use crate::native::message::{NativeRequest, NativeResponse};

/// The application, wherever it is.
#[async_trait]
pub trait Upstream: Send + Sync {
    /// Sends one request and gives the answer, whatever its status. Signing in and repeating are
    /// the implementation's business.
    async fn call(&self, request: NativeRequest) -> Result<NativeResponse, UpstreamError>;

    /// Turns an absolute or relative link of an answer into a path and query below `base_url`.
    /// `asked` is the path of the request whose answer had the link.
    fn follow(&self, asked: &str, link: &str) -> Result<Link, UpstreamError>;

    /// The figures of the calls; `None` where nothing is called over a network.
    fn traffic(&self) -> Option<Arc<Traffic>> {
        None
    }
}

/// A link, relative to `base_url`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Path below `base_url`, percent-encoded.
    pub path: String,
    /// Query parameters, decoded.
    pub query: Vec<(String, String)>,
}

/// There is no answer to work with.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection could be made.
    #[error("the application cannot be reached")]
    Unreachable(#[source] Option<Box<dyn std::error::Error + Send + Sync>>),
    /// The host in `base_url` has no address.
    #[error("the application's host name leads nowhere")]
    Unresolved(#[source] Option<Box<dyn std::error::Error + Send + Sync>>),
    /// The connection broke before the answer was complete.
    #[error("the application broke off before its answer was complete")]
    Interrupted(#[source] Option<Box<dyn std::error::Error + Send + Sync>>),
    /// No answer in time.
    #[error("the application did not answer in time")]
    TimedOut,
    /// The mapping's `rate`, or what the application says of its own, leaves the call no turn in
    /// its time.
    #[error("too many requests to the application are waiting")]
    Throttled {
        /// When there would be one.
        retry_after: Duration,
    },
    /// The calls under way leave it none.
    #[error("the application is too slow for the requests that are waiting")]
    Crowded,
    /// It has failed too often and is left alone for a while.
    #[error("the application does not answer at the moment and is left alone for a while")]
    LeftAlone {
        /// How long.
        retry_after: Duration,
    },
    /// The time of the SCIM request was over before the call could begin.
    #[error("the time for this request was over before all its calls had begun")]
    Late,
    /// The answer is larger than `api.max_response`.
    #[error("the application's answer is larger than allowed")]
    TooLarge,
    /// A link or redirect leads away from the application.
    #[error("the application's answer leads to another origin")]
    OffOrigin,
    /// The bridge could not sign in.
    #[error("the application does not accept the bridge's own credentials")]
    SignIn(#[source] Option<Box<dyn std::error::Error + Send + Sync>>),
    /// The request could not be built.
    #[error("the request to the application could not be built")]
    Unsendable(#[source] Option<Box<dyn std::error::Error + Send + Sync>>),
}
