//! Spans leave for a collector: OTLP over HTTP with protobuf, in batches, with our own client.
//!
//! Whoever finishes a span only puts it into a bounded queue; a thread of the SDK sends what is
//! there every few seconds. When the collector is away or slow the queue fills and spans are
//! dropped: a request never waits for those who watch it. Metrics and logs do not go this way.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry::trace::{SpanContext, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, trace};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor as _,
};
use reqwest::{Client, redirect};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::runtime::Handle;

use crate::watch::context::{SpanId, TraceId};
use crate::watch::span::{Attribute, Side, Span, Spans};

/// Where the standard wants traces, below the endpoint.
const TRACES: &str = "/v1/traces";

/// Most spans that wait to be sent; beyond them new ones are dropped.
const QUEUE: usize = 4096;

/// Most spans in one message.
const BATCH: usize = 512;

/// How long spans wait for others to go with.
const DELAY: Duration = Duration::from_secs(5);

/// Longest time for one message.
const PATIENCE: Duration = Duration::from_secs(10);

/// Largest part of a collector's answer that is read: it says at most what it did not take.
const ANSWER_BYTES: usize = 64 * 1024;

/// How spans leave.
#[derive(Debug, Clone)]
pub struct Options {
    /// The collector, without the path of traces.
    pub endpoint: String,
    /// Headers of each message; their values may be secrets.
    pub headers: Vec<(String, SecretString)>,
    /// What the bridge is called there.
    pub service_name: String,
    /// Of the traces that begin here, the part that is recorded, from 0 to 1.
    pub sample_ratio: f64,
}

impl PartialEq for Options {
    fn eq(&self, other: &Self) -> bool {
        let headers = |options: &Self| -> Vec<(String, String)> {
            let pair = |(name, value): &(String, SecretString)| {
                (name.clone(), value.expose_secret().to_owned())
            };
            options.headers.iter().map(pair).collect()
        };
        // The ratio is what somebody wrote, so that comparing bits is comparing texts.
        (&self.endpoint, &self.service_name, self.sample_ratio.to_bits(), headers(self))
            == (&other.endpoint, &other.service_name, other.sample_ratio.to_bits(), headers(other))
    }
}

/// Spans cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// The HTTP client cannot be built.
    #[error("the HTTP client for telemetry cannot be built")]
    Client(#[source] reqwest::Error),
    /// The settings are no good.
    #[error("telemetry cannot be sent as configured")]
    Exporter(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Spans on their way to a collector.
pub struct OtlpSpans {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
    /// Traces whose lower half is below this are recorded.
    threshold: u64,
}

impl OtlpSpans {
    /// Begins to take spans. Must be called on a runtime, on which messages are then sent.
    ///
    /// # Errors
    /// The settings cannot be used.
    pub fn start(options: &Options) -> Result<Self, OtlpError> {
        let client = Post::new()?;
        let headers = options.headers.iter();
        let headers = headers.map(|(name, value)| (name.clone(), value.expose_secret().to_owned()));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}{TRACES}", options.endpoint.trim_end_matches('/')))
            .with_timeout(PATIENCE)
            .with_headers(headers.collect())
            .build()
            .map_err(|error| OtlpError::Exporter(error.into()))?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(DELAY)
            .build();
        let mut processor =
            BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
        processor.set_resource(
            &Resource::builder_empty()
                .with_attributes([
                    KeyValue::new("service.name", options.service_name.clone()),
                    KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                ])
                .build(),
        );
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        Ok(Self { processor, scope, threshold: threshold(options.sample_ratio) })
    }

    /// Sends what is still there, and ends.
    pub async fn stop(self: Arc<Self>) {
        // The SDK blocks until its thread has sent everything.
        let stopped = tokio::task::spawn_blocking(move || self.processor.shutdown()).await;
        if let Ok(Err(error)) = stopped {
            tracing::warn!(%error, "the last spans could not be sent");
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a ratio from 0 to 1 of all numbers; the cast stops at both ends"
)]
fn threshold(ratio: f64) -> u64 {
    if ratio >= 1.0 { u64::MAX } else { (ratio * u64::MAX as f64) as u64 }
}

impl Spans for OtlpSpans {
    fn samples(&self, trace: TraceId) -> bool {
        let low = u64::try_from(trace.0 & u128::from(u64::MAX)).unwrap_or_default();
        self.threshold == u64::MAX || low < self.threshold
    }

    fn take(&self, span: Span) {
        self.processor.on_end(self.data(span));
    }
}

impl OtlpSpans {
    fn data(&self, span: Span) -> SpanData {
        let TraceId(trace) = span.trace;
        let id = |SpanId(id)| trace::SpanId::from(id);
        let context = SpanContext::new(
            trace::TraceId::from(trace),
            id(span.id),
            TraceFlags::SAMPLED,
            false,
            TraceState::default(),
        );
        let began = SystemTime::from(span.began);
        let attributes = span.attributes.into_iter().map(|(name, value)| match value {
            Attribute::Text(text) => KeyValue::new(name, text),
            Attribute::Number(number) => KeyValue::new(name, number),
        });
        let mut attributes: Vec<KeyValue> = attributes.collect();
        let status = match span.error {
            None => Status::Unset,
            Some(error) => {
                attributes.push(KeyValue::new("error.type", error));
                Status::error("")
            }
        };
        SpanData {
            span_context: context,
            parent_span_id: span.parent.map_or(trace::SpanId::INVALID, id),
            parent_span_is_remote: span.side == Side::Server && span.parent.is_some(),
            span_kind: match span.side {
                Side::Server => SpanKind::Server,
                Side::Client => SpanKind::Client,
            },
            name: span.name.into(),
            start_time: began,
            end_time: began.checked_add(span.took).unwrap_or(began),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status,
            instrumentation_scope: self.scope.clone(),
        }
    }
}

impl fmt::Debug for OtlpSpans {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("OtlpSpans").finish_non_exhaustive()
    }
}

/// Sends messages, on the runtime it was made on: the SDK's thread has none.
#[derive(Debug)]
struct Post {
    client: Client,
    runtime: Handle,
}

impl Post {
    fn new() -> Result<Self, OtlpError> {
        // The only failure is that a provider is installed already, and then that one is used.
        drop(rustls::crypto::ring::default_provider().install_default());
        let builder = Client::builder().redirect(redirect::Policy::none()).no_proxy();
        let client = builder.timeout(PATIENCE).build().map_err(OtlpError::Client)?;
        Ok(Self { client, runtime: Handle::current() })
    }
}

#[async_trait]
impl HttpClient for Post {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        let sending = send(self.client.clone(), request);
        self.runtime.spawn(sending).await?
    }
}

async fn send(client: Client, request: reqwest::Request) -> Result<Response<Bytes>, HttpError> {
    let mut answer = client.execute(request).await.map_err(reqwest::Error::without_url)?;
    let mut response = Response::builder().status(answer.status());
    if let Some(headers) = response.headers_mut() {
        headers.clone_from(answer.headers());
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
        if body.len() + chunk.len() > ANSWER_BYTES {
            return Err("the collector's answer is larger than allowed".into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(response.body(body.into())?)
}

#[cfg(test)]
mod tests {
    use crate::upstream::otlp::threshold;

    #[test]
    fn a_ratio_is_a_part_of_all_traces() {
        assert_eq!(threshold(0.0), 0);
        assert_eq!(threshold(1.0), u64::MAX);
        assert_eq!(threshold(0.5), 1 << 63);
    }
}
