//! One SCIM request at the transport, from its head to its answer.
//!
//! Head limits, tenant, token, path, method, body, engine, answer: in this order, so that a
//! request costs no more than it has proven to deserve. Everything is answered here; nothing is
//! passed on.

use std::any::Any;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, Method, header};
use pingora::http::RequestHeader;
use pingora::proxy::{ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType};
use tokio::time::timeout;
use tracing::Instrument as _;

use crate::current::Current;
use crate::exchange::endpoint::{Endpoint, Knock, Route};
use crate::exchange::request::{Caller, ScimRequest};
use crate::exchange::response::ScimResponse;
use crate::gateway::flight::{Boarding, Flight};
use crate::gateway::limits::Limits;
use crate::gateway::refusal::Refusal;
use crate::gateway::serving::Serving;
use crate::gateway::{answer, body, head, head_watch, path};
use crate::id::{IdSource as _, SystemIds};
use crate::watch::context::TraceContext;
use crate::watch::operation::Operation;
use crate::watch::span::Spans;
use crate::watch::watched::{TRACEPARENT, TRACESTATE, Watched};

/// The SCIM service of all tenants.
pub(crate) struct Scim<E> {
    current: Arc<Current<Serving<E>>>,
    flight: Arc<Flight>,
}

impl<E> Scim<E> {
    /// Serves each request with what is current when it comes, and counts requests in `flight`.
    pub(crate) fn new(current: Arc<Current<Serving<E>>>, flight: Arc<Flight>) -> Self {
        Self { current, flight }
    }
}

/// What is known of one request so far, for its log line.
pub(crate) struct Passage {
    boarding: Boarding,
    watched: Arc<Watched>,
    tenant: Option<Arc<str>>,
    resource: String,
    operation: Operation,
    route: String,
    /// Whether the caller was not let in; such a connection is closed.
    is_stranger: bool,
}

/// A request whose head has been accepted.
struct Admitted {
    route: Route,
    caller: Caller,
    method: Method,
    segments: Vec<String>,
    base: String,
}

#[async_trait]
impl<E: Endpoint> ProxyHttp for Scim<E> {
    type CTX = Passage;

    fn new_ctx(&self) -> Passage {
        Passage {
            boarding: self.flight.board(),
            // Of a request whose head nobody has read yet.
            watched: Watched::new(Some(String::new()), None, String::new(), None),
            tenant: None,
            resource: String::new(),
            operation: Operation::Other,
            route: "/".to_owned(),
            is_stranger: false,
        }
    }

    fn on_connection_reuse(
        &self,
        _session: &mut Session,
        _passage: &mut Passage,
        context: Box<dyn Any + Send + Sync>,
    ) {
        head_watch::head_is_complete(&*context);
    }

    async fn request_filter(
        &self,
        session: &mut Session,
        passage: &mut Passage,
    ) -> pingora::Result<bool> {
        let serving = self.current.load();
        session.set_write_timeout(Some(serving.limits.write_timeout));
        passage.watched = watched(&session.req_header().headers, serving.endpoint.spans());
        let served = AssertUnwindSafe(serving.serve(session, passage)).catch_unwind().await;
        let response = match served {
            Ok(Ok(response) | Err(response)) => response,
            Err(_) => {
                tracing::error!(
                    request_id = passage.watched.request_id(),
                    "answering a request panicked"
                );
                Refusal::Internal.response()
            }
        };
        reply(session, passage, response, &serving.limits).await;
        Ok(true)
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _passage: &mut Passage,
    ) -> pingora::Result<Box<HttpPeer>> {
        Error::e_explain(ErrorType::InternalError, "every request is answered by the filter")
    }
}

impl<E: Endpoint> Serving<E> {
    /// The answer, or the answer that cuts the walk short.
    async fn serve(
        &self,
        session: &mut Session,
        passage: &mut Passage,
    ) -> Result<ScimResponse, ScimResponse> {
        let encrypted = session.digest().is_some_and(|digest| digest.ssl_digest.is_some());
        let scheme = if encrypted { "https" } else { "http" };
        let peer = peer(session);
        let admitted = self.admit(session.req_header(), peer, scheme, passage)?;
        let body = if session.is_body_empty() {
            Bytes::new()
        } else {
            head::check_body_type(&session.req_header().headers)?;
            let most = admitted.route.body_bytes.unwrap_or(usize::MAX);
            let limits =
                Limits { body_bytes: self.limits.body_bytes.min(most), ..self.limits.clone() };
            body::read(session, &limits).await?
        };
        let route = admitted.route.clone();
        let request = request(session.req_header(), admitted, body, passage);
        let span = tracing::info_span!(
            "scim",
            request_id = passage.watched.request_id(),
            trace_id = %passage.watched.context().trace,
            tenant = &*route.name,
            method = request.method.as_str(),
            resource = passage.resource,
        );
        let answer = self.endpoint.answer(&route, request).instrument(span);
        let answer = Arc::clone(&passage.watched).around(answer);
        Ok(timeout(self.limits.answer_timeout, answer)
            .await
            .map_err(|_| Refusal::AnswerTimedOut)?)
    }

    /// Everything that the head alone decides.
    fn admit(
        &self,
        head: &RequestHeader,
        peer: Option<IpAddr>,
        scheme: &str,
        passage: &mut Passage,
    ) -> Result<Admitted, ScimResponse> {
        head::check_size(head.raw_path(), &head.headers, &self.limits)?;
        let host = head::authority(host(head))?;
        if !head.raw_path_is_utf8() {
            return Err(Refusal::NotFound.into());
        }
        let segments = path::split(head.uri.path());
        let route =
            self.endpoint.route(host, &path::leading(&segments)).ok_or(Refusal::NotFound)?;
        passage.tenant = Some(Arc::clone(&route.name));
        if let Some(meters) = self.endpoint.meters(&route) {
            passage.watched.count_in(&meters);
        }
        let knock = Knock { headers: &head.headers, peer };
        let caller = self.endpoint.authenticate(&route, &knock);
        passage.is_stranger = caller.is_err();
        let caller = caller.inspect_err(|_| passage.watched.caller_refused())?;
        let target = path::target(&segments, route.depth);
        let segments = target.segments.ok_or(Refusal::NotFound)?;
        head::resource_name(&segments).clone_into(&mut passage.resource);
        passage.operation = Operation::of(&head.method, &segments);
        passage.route = head::route(&segments);
        let method = head::method(&head.method)?;
        let base = match &route.public_url {
            Some(url) => format!("{url}{}", target.base),
            None => format!("{scheme}://{host}{}", target.base),
        };
        Ok(Admitted { route, caller, method, segments, base })
    }
}

async fn reply(session: &mut Session, passage: &Passage, response: ScimResponse, limits: &Limits) {
    let all_read = session.is_body_done();
    if !all_read || passage.is_stranger || passage.boarding.is_last() {
        session.set_keepalive(None);
    } else if session.get_keepalive().is_some() {
        // Left alone, pingora would wait for the next request without end.
        session.set_keepalive(Some(limits.idle_timeout.as_secs().max(1)));
    }
    let status = response.status;
    let watched = &passage.watched;
    let method = head::method(&session.req_header().method);
    let method = method.as_ref().map_or("-", Method::as_str);
    // Before it is written: whoever has an answer finds it counted.
    watched.answered(passage.operation, method, &passage.route, status);
    let request_id = watched.request_id();
    if let Err(error) = send(session, response, request_id).await {
        tracing::debug!(request_id, %error, "no answer could be written");
        session.set_keepalive(None);
    } else if !all_read {
        body::discard(session, limits).await;
    }
    tracing::info!(
        request_id,
        trace_id = %watched.context().trace,
        tenant = passage.tenant.as_deref().unwrap_or("-"),
        method,
        resource = passage.resource,
        status,
        milliseconds = watched.elapsed().as_millis(),
        "request",
    );
}

/// Writes the answer, or says that it is none, as long as nothing has been written.
async fn send(
    session: &mut Session,
    response: ScimResponse,
    request_id: &str,
) -> pingora::Result<()> {
    let Err(error) = answer::write(session, response, request_id).await else { return Ok(()) };
    if session.response_written().is_some_and(|head| !head.status.is_informational()) {
        return Err(error);
    }
    tracing::error!(request_id, %error, "the answer is not one that HTTP can carry");
    answer::write(session, Refusal::Internal.response(), request_id).await
}

impl From<Refusal> for ScimResponse {
    fn from(refusal: Refusal) -> Self {
        refusal.response()
    }
}

fn request(
    head: &RequestHeader,
    admitted: Admitted,
    body: Bytes,
    passage: &Passage,
) -> ScimRequest {
    let Admitted { route: _, caller, method, segments, base } = admitted;
    // Lossy: a condition that cannot be read must fail, not vanish.
    let owned = |name: HeaderName| {
        let value = head.headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    ScimRequest {
        method,
        segments,
        query: head.uri.query().unwrap_or_default().to_owned(),
        body,
        content_type: owned(header::CONTENT_TYPE),
        if_match: owned(header::IF_MATCH),
        if_none_match: owned(header::IF_NONE_MATCH),
        base,
        request_id: passage.watched.request_id().to_owned(),
        caller,
    }
}

/// The address at the other end; one of IPv4 is told as such on a socket for both, too.
fn peer(session: &Session) -> Option<IpAddr> {
    Some(session.client_addr()?.as_inet()?.ip().to_canonical())
}

/// What is watched of a request, from what its head says about itself.
fn watched(headers: &HeaderMap, spans: Option<Arc<dyn Spans>>) -> Arc<Watched> {
    let one = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    // A field that may stand there once only says nothing when it stands there twice.
    let is_single = headers.get_all(&TRACEPARENT).iter().count() == 1;
    let traceparent = one(&TRACEPARENT).filter(|_| is_single);
    let caller = traceparent.and_then(|text| TraceContext::continued(text, one(&TRACESTATE)));
    Watched::new(head::request_id(headers), caller, SystemIds.uuid(), spans)
}

/// The authority the client addressed: HTTP/2 has it in a pseudo-header. Empty when there is none.
fn host(head: &RequestHeader) -> &str {
    let host = text(head, &header::HOST);
    host.or_else(|| head.uri.authority().map(http::uri::Authority::as_str)).unwrap_or_default()
}

fn text<'a>(head: &'a RequestHeader, name: &HeaderName) -> Option<&'a str> {
    head.headers.get(name)?.to_str().ok()
}
