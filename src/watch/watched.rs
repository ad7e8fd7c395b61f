//! One request while it is served, and each native call it makes.
//!
//! It travels beside the request instead of through every signature, as the current span of a log
//! does: what it holds decides nothing, and where it is missing (in tests, dry runs and background
//! work) nothing is counted and nothing is sent along.

use std::future::Future;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;

use crate::clock::{Clock as _, SystemClock};
use crate::watch::context::{SpanId, TraceContext, TraceId};
use crate::watch::meters::Meters;
use crate::watch::operation::{Operation, Outcome};
use crate::watch::span::{Attribute, Side, Span, Spans};

/// The request's id, to the application and back to the client.
pub static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Where the request stands in a trace.
pub static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What the systems before us want to find again.
pub static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

tokio::task_local! {
    static CURRENT: Arc<Watched>;
}

/// A request while it is served.
#[derive(Debug)]
pub struct Watched {
    request_id: String,
    context: TraceContext,
    /// What makes its spans different from those of any other request.
    seed: u64,
    begun: Instant,
    recording: Option<Recording>,
    meters: OnceLock<Arc<Meters>>,
    calls: AtomicU32,
    spans: AtomicU64,
}

/// What is kept for a request's own span.
#[derive(Debug)]
struct Recording {
    spans: Arc<dyn Spans>,
    own: SpanId,
    began: Timestamp,
}

impl Watched {
    /// Begins to watch a request. `uuid` is one that no other request has; it stands in where the
    /// caller gives no request id and no trace. A request is recorded where the caller records it,
    /// or where `spans` wants a trace that begins here.
    pub fn new(
        request_id: Option<String>,
        caller: Option<TraceContext>,
        uuid: String,
        spans: Option<Arc<dyn Spans>>,
    ) -> Arc<Self> {
        let own = TraceContext::begun(&uuid);
        let TraceId(unique) = own.trace;
        let folded = (unique ^ (unique >> 64)) & u128::from(u64::MAX);
        let seed = u64::try_from(folded).unwrap_or_default();
        let mut context = caller.unwrap_or(own);
        if let (None, Some(spans)) = (context.parent, &spans) {
            context.sampled = spans.samples(context.trace);
        }
        let spans = spans.filter(|_| context.sampled);
        let own = nth(seed, 0);
        let recording = spans.map(|spans| Recording { spans, own, began: SystemClock.now() });
        Arc::new(Self {
            request_id: request_id.unwrap_or(uuid),
            context,
            seed,
            begun: Instant::now(),
            recording,
            meters: OnceLock::new(),
            calls: AtomicU32::new(0),
            spans: AtomicU64::new(0),
        })
    }

    /// The request's id.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Where it stands in its trace.
    pub fn context(&self) -> &TraceContext {
        &self.context
    }

    /// How long it has been watched.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// From now on it is counted here. Only the first time has an effect.
    pub fn count_in(&self, meters: &Arc<Meters>) {
        if self.meters.set(Arc::clone(meters)).is_ok() {
            meters.in_flight.rise();
        }
    }

    /// Nothing that the caller showed opens the tenant.
    pub fn caller_refused(&self) {
        if let Some(meters) = self.meters.get() {
            meters.refused_callers.add_one();
        }
    }

    /// Runs what serves the request.
    pub async fn around<F: Future>(self: Arc<Self>, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// The request has been answered. `route` is the path with names in place of values.
    pub fn answered(&self, operation: Operation, method: &str, route: &str, status: u16) {
        let calls = self.calls.load(Ordering::Relaxed);
        let took = self.elapsed();
        if let Some(meters) = self.meters.get() {
            meters.answered(operation, Outcome::of_status(status), took, calls);
        }
        let Some(Recording { spans, own, began }) = &self.recording else { return };
        spans.take(Span {
            trace: self.context.trace,
            id: *own,
            parent: self.context.parent,
            side: Side::Server,
            name: format!("{method} {route}"),
            began: *began,
            took,
            attributes: vec![
                ("http.request.method", method.into()),
                ("http.route", route.into()),
                ("http.response.status_code", status.into()),
                ("scim.operation", operation.keyword().into()),
                ("scim.native_calls", calls.into()),
                ("scim.request_id", self.request_id.as_str().into()),
            ],
            // The specification wants servers to call only their own failures so.
            error: (status >= 500).then(|| status.to_string()),
        });
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(meters) = self.meters.get() {
            meters.in_flight.fall();
        }
    }
}

/// The request that is being served, if any.
pub fn current() -> Option<Arc<Watched>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// Work that belongs to the current request although another task does it.
pub fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let watched = current();
    async move {
        match watched {
            Some(watched) => watched.around(work).await,
            None => work.await,
        }
    }
}

/// One attempt of a native call; what is dropped without an outcome was given up.
#[derive(Debug)]
pub struct NativeCall {
    watched: Option<Arc<Watched>>,
    method: &'static str,
    template: Option<Arc<str>>,
    attempt: u32,
    span: Option<(SpanId, Timestamp)>,
    begun: Instant,
    ended: bool,
}

impl NativeCall {
    /// A call of the current request that is about to be sent. `template` is its path with names
    /// in place of values; `attempt` counts from 1.
    pub fn begin(method: &'static str, template: Option<Arc<str>>, attempt: u32) -> Self {
        let watched = current();
        let mut span = None;
        if let Some(watched) = &watched {
            watched.calls.fetch_add(1, Ordering::Relaxed);
            if let (true, Some(meters)) = (attempt > 1, watched.meters.get()) {
                meters.retries.add_one();
            }
            if watched.recording.is_some() {
                let number = watched.spans.fetch_add(1, Ordering::Relaxed) + 1;
                span = Some((nth(watched.seed, number), SystemClock.now()));
            }
        }
        Self { watched, method, template, attempt, span, begun: Instant::now(), ended: false }
    }

    /// Tells the application which request this call belongs to, unless the mapping has said
    /// something else under these names.
    pub fn tell(&self, headers: &mut HeaderMap) {
        let Some(watched) = &self.watched else { return };
        let mut tell = |name: &HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.entry(name).or_insert(value);
            }
        };
        let context = &watched.context;
        tell(&REQUEST_ID, &watched.request_id);
        // A bridge that records nothing is no station of the trace: the caller's span stays the
        // parent of what the application does.
        let span = self.span.map(|(id, _)| id).or(context.parent);
        tell(&TRACEPARENT, &context.header(span.unwrap_or_else(|| nth(watched.seed, 0))));
        if let Some(state) = &context.state {
            tell(&TRACESTATE, state);
        }
    }

    /// Its method.
    pub fn method(&self) -> &'static str {
        self.method
    }

    /// Its path with names in place of values; `-` when nobody knows.
    pub fn path(&self) -> &str {
        self.template.as_deref().unwrap_or("-")
    }

    /// Which attempt it is, counted from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The time since the call began.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The application answered.
    pub fn answered(mut self, status: u16) {
        self.end(Outcome::of_status(status), Some(status));
    }

    /// There is no answer that could be used.
    pub fn failed(mut self, outcome: Outcome) {
        self.end(outcome, None);
    }

    fn end(&mut self, outcome: Outcome, status: Option<u16>) {
        self.ended = true;
        let Some(watched) = &self.watched else { return };
        let took = self.begun.elapsed();
        if let Some(meters) = watched.meters.get() {
            meters.called(self.method, outcome, took);
        }
        let (Some(Recording { spans, own, .. }), Some((id, began))) =
            (&watched.recording, self.span)
        else {
            return;
        };
        let mut attributes: Vec<(&'static str, Attribute)> =
            vec![("http.request.method", self.method.into())];
        let mut name = self.method.to_owned();
        if let Some(template) = &self.template {
            name = format!("{name} {template}");
            attributes.push(("url.template", (&**template).into()));
        }
        if let Some(status) = status {
            attributes.push(("http.response.status_code", status.into()));
        }
        if self.attempt > 1 {
            attributes.push(("http.request.resend_count", (self.attempt - 1).into()));
        }
        let error = match (outcome, status) {
            (Outcome::Success, _) => None,
            (_, Some(status)) => Some(status.to_string()),
            (_, None) => Some(outcome.keyword().to_owned()),
        };
        spans.take(Span {
            trace: watched.context.trace,
            id,
            parent: Some(*own),
            side: Side::Client,
            name,
            began,
            took,
            attributes,
            error,
        });
    }
}

impl Drop for NativeCall {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Outcome::TimedOut, None);
        }
    }
}

/// The `number`-th span of a request: spread over all numbers by `SplitMix64`, without asking the
/// operating system for randomness each time.
fn nth(seed: u64, number: u64) -> SpanId {
    let mut mixed = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    SpanId((mixed ^ (mixed >> 31)).max(1))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http::HeaderMap;

    use crate::watch::context::{SpanId, TraceContext, TraceId};
    use crate::watch::meters::Meters;
    use crate::watch::operation::{Operation, Outcome};
    use crate::watch::span::{Side, Span, Spans};
    use crate::watch::watched::{NativeCall, Watched, carried};

    const UUID: &str = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736";
    const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[derive(Debug, Default)]
    struct Kept(Mutex<Vec<Span>>);

    impl Spans for Kept {
        fn samples(&self, trace: TraceId) -> bool {
            trace.0.is_multiple_of(2)
        }

        fn take(&self, span: Span) {
            self.0.lock().unwrap().push(span);
        }
    }

    fn told(call: &NativeCall) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        call.tell(&mut headers);
        let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        headers.iter().map(text).collect()
    }

    fn begin() -> NativeCall {
        NativeCall::begin("GET", Some("/people/{id}".into()), 1)
    }

    #[tokio::test]
    async fn without_a_recorder_the_callers_span_is_handed_on() {
        let caller = TraceContext::continued(CALLER, Some("a=1"));
        let watched = Watched::new(Some("mine".to_owned()), caller, UUID.to_owned(), None);
        let headers = watched.around(async { told(&begin()) }).await;
        let expected = [("x-request-id", "mine"), ("traceparent", CALLER), ("tracestate", "a=1")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(headers, expected);
    }

    #[tokio::test]
    async fn a_trace_begins_here_where_there_is_none() {
        let watched = Watched::new(None, None, UUID.to_owned(), None);
        let headers = watched.around(async { told(&begin()) }).await;
        assert_eq!(headers[0], ("x-request-id".to_owned(), UUID.to_owned()));
        let (trace, flags) = (UUID.replace('-', ""), "-00");
        let (name, value) = &headers[1];
        assert!(name == "traceparent" && value.starts_with(&format!("00-{trace}-")), "{value}");
        assert!(value.ends_with(flags) && headers.len() == 2, "{value}");
    }

    #[tokio::test]
    async fn what_the_mapping_says_stays() {
        let watched = Watched::new(None, None, UUID.to_owned(), None);
        let headers = watched.around(async {
            let mut headers = HeaderMap::new();
            headers.insert("x-request-id", "fixed".parse().unwrap());
            begin().tell(&mut headers);
            headers
        });
        assert_eq!(headers.await.get("x-request-id").unwrap(), "fixed");
    }

    #[tokio::test]
    async fn outside_of_a_request_nothing_is_told() {
        assert_eq!(told(&begin()), []);
    }

    #[tokio::test]
    async fn calls_are_parts_of_their_request() {
        let (kept, meters) = (Arc::new(Kept::default()), Arc::new(Meters::default()));
        let spans = Some(Arc::clone(&kept) as Arc<dyn Spans>);
        let caller = TraceContext::continued(CALLER, None);
        let watched = Watched::new(None, caller, UUID.to_owned(), spans);
        watched.count_in(&meters);
        watched.count_in(&Arc::default());
        let work = async {
            let call = begin();
            let parent = told(&call).remove(1).1;
            call.answered(200);
            let elsewhere = tokio::spawn(carried(async {
                NativeCall::begin("POST", None, 2).failed(Outcome::Interrupted);
                drop(begin());
            }));
            elsewhere.await.unwrap();
            parent
        };
        let parent = Arc::clone(&watched).around(work).await;
        assert_eq!(meters.in_flight.get(), 1);
        watched.answered(Operation::Patch, "PATCH", "/Users/{id}", 503);
        drop(watched);
        assert_eq!((meters.in_flight.get(), meters.retries.get()), (0, 1));
        let calls: Vec<_> = meters.calls().map(|(name, it)| (name, it.sum)).collect();
        assert_eq!(calls, [("patch", 3.0)]);

        let spans = kept.0.lock().unwrap();
        let seen: Vec<_> =
            spans.iter().map(|span| (span.name.as_str(), span.error.as_deref())).collect();
        let expected = [
            ("GET /people/{id}", None),
            ("POST", Some("interrupted")),
            ("GET /people/{id}", Some("timed_out")),
            ("PATCH /Users/{id}", Some("503")),
        ];
        assert_eq!(seen, expected);
        let server = &spans[3];
        assert_eq!(server.parent, Some(SpanId(0xb7ad_6b71_6920_3331)));
        for (index, call) in spans[..3].iter().enumerate() {
            assert_eq!((call.parent, call.side), (Some(server.id), Side::Client));
            assert!(spans[index + 1..].iter().all(|other| other.id != call.id));
        }
        assert!(parent.contains(&spans[0].id.to_string()), "{parent}");
        assert!(spans.iter().all(|span| span.trace == server.trace));
    }

    #[tokio::test]
    async fn a_trace_that_begins_here_is_recorded_as_wanted() {
        for (uuid, recorded) in [(UUID, 1), ("4bf92f35-77b3-4da6-a3ce-929d0e0e4737", 0)] {
            let kept = Arc::new(Kept::default());
            let watched = Watched::new(None, None, uuid.to_owned(), Some(Arc::clone(&kept) as _));
            watched.answered(Operation::List, "GET", "/Users", 200);
            assert_eq!(kept.0.lock().unwrap().len(), recorded);
        }
        let caller = TraceContext::continued(&CALLER.replace("-01", "-00"), None);
        let kept = Arc::new(Kept::default());
        let watched = Watched::new(None, caller, UUID.to_owned(), Some(Arc::clone(&kept) as _));
        watched.answered(Operation::List, "GET", "/Users", 200);
        assert!(kept.0.lock().unwrap().is_empty(), "the caller does not record this one");
    }
}
