//! One cell of the matrix: an operation of a fresh bridge over an application with a fault.
#![cfg(test)]

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;
use scimbridge::clock::FixedClock;
use scimbridge::dialogue::stage;
use scimbridge::exchange::engine;
use scimbridge::exchange::request::{Caller, ScimRequest};
use scimbridge::exchange::response::{Body, ScimResponse};
use scimbridge::exchange::tenant::Tenant;
use scimbridge::exchange::upstream::Upstream;
use scimbridge::id::SystemIds;
use scimbridge::mapping::model::{Given, Mapping};
use scimbridge::mapping::scope::Ambient;
use scimbridge::upstream::client::HttpUpstream;
use serde_json::{Value, json};
use tracing::instrument::WithSubscriber as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::faults::application::Application;
use crate::faults::fault::{Fault, SECRETS, Scope};
use crate::faults::operation::Operation;

const MAPPING: &str = include_str!("staff.yaml");
const NOW: &str = "2026-11-21T18:38:06Z";
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    pub(crate) fault: Fault,
    pub(crate) operation: Operation,
    pub(crate) scope: Scope,
}

/// What the identity provider gets, and what that takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) scim_type: Option<String>,
    /// As it is sent: whole seconds or nothing. The results of bulk requests have no headers.
    pub(crate) retry_after: Option<String>,
    /// Native calls that were hit by the fault.
    pub(crate) hits: usize,
}

pub(crate) struct Measured {
    pub(crate) answer: Answer,
    /// All native calls, logins left out.
    pub(crate) calls: usize,
    pub(crate) detail: String,
    /// What must never be.
    pub(crate) offences: Vec<String>,
}

/// A cell whose bridge and application are there.
pub(crate) struct Ready {
    cell: Cell,
    application: Application,
    tenant: Tenant,
}

impl Ready {
    pub(crate) async fn measure(self) -> (Cell, Measured) {
        let Self { cell, application, tenant } = self;
        let log = Log::default();
        let filter = EnvFilter::new("off,scimbridge=trace");
        let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(log.clone());
        let subscriber = subscriber.with_ansi(false).finish();
        let asked = engine::answer(&tenant, cell.request());
        let response = asked.with_subscriber(subscriber).await;
        (cell, cell.judge(response, &log, application.calls()))
    }
}

impl Cell {
    fn judge(self, response: ScimResponse, log: &Log, (hits, others): (usize, usize)) -> Measured {
        let mut offences = self.leaks(&response, log);
        let header = response.headers.iter().find(|(name, _)| *name == "Retry-After");
        let mut retry_after = header.map(|(_, value)| value.clone());
        let (mut status, mut body) =
            (response.status, response.body.map(Body::into_value).unwrap_or_default());
        if self.operation == Operation::Bulk {
            let result = body["Operations"][0].take();
            status = result["status"].as_str().unwrap_or_default().parse().unwrap_or(0);
            body = result["response"].clone();
            retry_after = None;
        }
        if status >= 400 {
            let shape = json!([body["schemas"], body["status"], body["detail"].is_string()]);
            if shape != json!([[ERROR], status.to_string(), true]) {
                offences.push(format!("no SCIM error: {body}"));
            }
        }
        let scim_type = body["scimType"].as_str().map(str::to_owned);
        let detail = body["detail"].as_str().unwrap_or_default().to_owned();
        let answer = Answer { status, scim_type, retry_after, hits };
        Measured { answer, calls: hits + others, detail, offences }
    }

    pub(crate) async fn ready(self) -> Ready {
        let application = Application::start(self.fault, self.scope).await;
        let mapping = mapping(self.fault);
        let now: Timestamp = NOW.parse().unwrap();
        let ambient = Ambient { ids: Arc::new(SystemIds), now, request_id: "start".to_owned() };
        let config = json!({ "url": application.origin, "key": "native-key" });
        let clock = Arc::new(FixedClock(now));
        let upstream = HttpUpstream::new(&mapping.api, &config, &ambient, clock).unwrap();
        let given = Given { now: Some(NOW.to_owned()), ..Given::default() };
        let upstream = Arc::new(upstream) as Arc<dyn Upstream>;
        let tenant = stage::set(&mapping, &given, upstream).await.unwrap();
        Ready { cell: self, application, tenant }
    }

    fn request(self) -> ScimRequest {
        let (method, segments, query) = self.operation.target();
        let body = self.operation.body().map(|body| body.to_string()).unwrap_or_default();
        ScimRequest {
            method,
            segments: segments.iter().map(|&segment| segment.to_owned()).collect(),
            query: query.to_owned(),
            body: Bytes::from(body),
            content_type: None,
            if_match: None,
            if_none_match: None,
            base: "https://scim.test".to_owned(),
            request_id: "request-1".to_owned(),
            caller: Caller::own("test"),
        }
    }

    /// Words of the application's, of its address or of a credential, where nobody should read
    /// them. A record that was read and shown is no leak.
    fn leaks(self, response: &ScimResponse, log: &Log) -> Vec<String> {
        let body = response.body.as_deref().map(Value::to_string).unwrap_or_default();
        let answer = format!("{:?} {body}", response.headers);
        let shown =
            if response.status < 300 && self.operation != Operation::Bulk { "" } else { &answer };
        let log = log.text();
        let mut leaks = Vec::new();
        for secret in SECRETS {
            for (place, text) in [("the answer", shown), ("the log", log.as_str())] {
                if text.contains(secret) {
                    leaks.push(format!("{secret} stands in {place}: {text}"));
                }
            }
        }
        leaks
    }
}

/// There are few, and reading them takes longer than a cell.
fn mapping(fault: Fault) -> Arc<Mapping> {
    static KNOWN: Mutex<BTreeMap<String, Arc<Mapping>>> = Mutex::new(BTreeMap::new());
    let mut text = MAPPING.replace("TIMEOUT", fault.timeout());
    if fault.has_session() {
        let session =
            r#"{ session: { post: /login, body: { key: "{config.key}" }, token: $.token } }"#;
        text = text.replace(r#"{ bearer: "{config.key}" }"#, session);
    }
    let mut known = KNOWN.lock().unwrap();
    let read = || Arc::new(Mapping::load(&text).unwrap().0);
    Arc::clone(known.entry(text.clone()).or_insert_with(read))
}

#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
