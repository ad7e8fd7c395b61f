//! One SCIM request at the transport, from its head to its answer.
//!
//! Head limits, tenant, token, path, method, body, engine, answer: in this order, so that a
//! request costs no more than it has proven to deserve. SCIM is answered here; what is not SCIM
//! is passed on where a tenant says so, and never anything that might be.

use std::any::Any;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, Method, header};
use pingora::http::RequestHeader;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType};
use tokio::time::timeout;
use tracing::Instrument as _;

use crate::current::Current;
use crate::exchange::endpoint::{Endpoint, Knock, Passing, Route};
use crate::exchange::request::{Caller, ScimRequest};
use crate::exchange::response::ScimResponse;
use crate::gateway::flight::{Boarding, Flight};
use crate::gateway::limits::Limits;
use crate::gateway::pass::{self, Names, Pass};
use crate::gateway::refusal::Refusal;
use crate::gateway::serving::Serving;
use crate::gateway::{answer, body, head, head_watch, path};
use crate::id::{IdSource as _, SystemIds};
use crate::watch::context::TraceContext;
use crate::watch::operation::{Operation, Outcome};
use crate::watch::span::Spans;
use crate::watch::watched::{TRACEPARENT, TRACESTATE, Watched};

/// The SCIM service of all tenants.
pub(crate) struct Scim<E> {
    current: Arc<Current<Serving<E>>>,
    flight: Arc<Flight>,
    names: Names,
}

impl<E> Scim<E> {
    /// Serves each request with what is current when it comes, and counts requests in `flight`.
    pub(crate) fn new(current: Arc<Current<Serving<E>>>, flight: Arc<Flight>) -> Self {
        Self { current, flight, names: Names::default() }
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
    /// Set where the request is not SCIM and goes through.
    pass: Option<Pass>,
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
            pass: None,
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
        if let Some(passing) = serving.pass(session.req_header(), peer(session)) {
            passage.tenant = Some(Arc::clone(&passing.tenant));
            passage.pass = Some(Pass::new(passing));
            let silence = pass::client_silence(session, &serving.limits);
            session.set_read_timeout(Some(silence));
            let idle = serving.limits.idle_timeout.as_secs().max(1);
            session.set_keepalive((!passage.boarding.is_last()).then_some(idle));
            return Ok(false);
        }
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
        session: &mut Session,
        passage: &mut Passage,
    ) -> pingora::Result<Box<HttpPeer>> {
        let Some(pass) = &mut passage.pass else {
            return Error::e_explain(ErrorType::InternalError, "SCIM is answered by the filter");
        };
        self.names.peer(pass, session.is_upgrade_req(), &self.current.load().limits).await
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        passage: &mut Passage,
        mut error: Box<Error>,
    ) -> Box<Error> {
        error.set_retry(passage.pass.as_mut().is_some_and(Pass::refused));
        error
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        upstream_request: &mut RequestHeader,
        passage: &mut Passage,
    ) -> pingora::Result<()> {
        let Some(pass) = &passage.pass else { return Ok(()) };
        let origin = pass::Origin {
            client: peer(session),
            scheme: scheme(session),
            host: host(session.req_header()),
            request_id: passage.watched.request_id(),
        };
        pass::forward(upstream_request, &pass.passing, &origin)
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        passage: &mut Passage,
    ) -> FailToProxy {
        let (status, outcome) = pass::verdict(error);
        if let Some(pass) = &mut passage.pass {
            pass.failed = Some(outcome);
        }
        let request_id = passage.watched.request_id();
        let tenant = passage.tenant.as_deref().unwrap_or("-");
        // No more of the error: others write texts with the request's path into it.
        let reason = error.etype().as_str();
        if outcome == Outcome::ClientError {
            tracing::debug!(request_id, tenant, reason, "a client left what was passed on");
        } else {
            tracing::warn!(request_id, tenant, reason, "the application gives no answer");
        }
        if let Some(status) = status.filter(|_| session.response_written().is_none()) {
            match pass::stand_in(session, status, request_id).await {
                Ok(()) => body::discard(session, &self.current.load().limits).await,
                Err(error) => tracing::debug!(%error, "no answer could be written"),
            }
        }
        FailToProxy { error_code: status.unwrap_or_default(), can_reuse_downstream: false }
    }

    fn suppress_error_log(&self, _session: &Session, _passage: &Passage, _error: &Error) -> bool {
        // It would show the path.
        true
    }

    fn request_summary(&self, _session: &Session, passage: &Passage) -> String {
        passage.watched.request_id().to_owned()
    }

    async fn logging(&self, session: &mut Session, _error: Option<&Error>, passage: &mut Passage) {
        let Some(pass) = &passage.pass else { return };
        let status = session.response_written().map_or(0, |head| head.status.as_u16());
        let took = passage.watched.elapsed();
        let outcome = pass.failed.unwrap_or_else(|| Outcome::of_status(status));
        pass.passing.meters.passed(outcome, took);
        tracing::info!(
            request_id = passage.watched.request_id(),
            tenant = passage.tenant.as_deref().unwrap_or("-"),
            method = session.req_header().method.as_str(),
            status,
            milliseconds = took.as_millis(),
            "passed on",
        );
    }
}

impl<E: Endpoint> Serving<E> {
    /// The answer, or the answer that cuts the walk short.
    async fn serve(
        &self,
        session: &mut Session,
        passage: &mut Passage,
    ) -> Result<ScimResponse, ScimResponse> {
        let scheme = scheme(session);
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

    /// Where a request goes that means no tenant and cannot be taken for one that does.
    fn pass(&self, head: &RequestHeader, peer: Option<IpAddr>) -> Option<Passing> {
        if !self.endpoint.passes() {
            return None;
        }
        head::check_size(head.raw_path(), &head.headers, &self.limits).ok()?;
        let host = head::authority(host(head)).ok()?;
        let path = head.uri.path();
        let is_scim = self.endpoint.route(host, &path::leading(&path::split(path))).is_some();
        if is_scim || !head.raw_path_is_utf8() || !pass::is_plain(head) {
            return None;
        }
        let knock = Knock { headers: &head.headers, peer };
        self.endpoint.pass(host, &pass::readings(path), &knock)
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

/// How the client came.
fn scheme(session: &Session) -> &'static str {
    let encrypted = session.digest().is_some_and(|digest| digest.ssl_digest.is_some());
    if encrypted { "https" } else { "http" }
}
