//! An application in memory, for laws: people with a list that narrows, a look-up and a small
//! query language, and a bridge in front of it.
//!
//! It is honest but careless: what it returns for a narrowed list always holds every match, and
//! often more than that.
#![cfg(test)]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use scimbridge::dialogue::stage;
use scimbridge::exchange::engine;
use scimbridge::exchange::request::{Caller, ScimRequest};
use scimbridge::exchange::response::ScimResponse;
use scimbridge::exchange::tenant::Tenant;
use scimbridge::exchange::upstream::{Link, Upstream, UpstreamError};
use scimbridge::mapping::model::{Given, Mapping};
use scimbridge::native::message::{
    Body, Method as NativeMethod, NativeRequest, NativeResponse, Payload,
};
use scimbridge::scim::value::Dialect;
use serde_json::{Value, json};

/// The application's records, and the calls it got.
#[derive(Default)]
pub(crate) struct Application {
    records: Mutex<Vec<Value>>,
    calls: Mutex<Vec<String>>,
}

impl Application {
    pub(crate) fn with(records: Vec<Value>) -> Arc<Self> {
        Arc::new(Self { records: Mutex::new(records), calls: Mutex::default() })
    }

    pub(crate) fn records(&self) -> Vec<Value> {
        self.records.lock().unwrap().clone()
    }

    /// `VERB /path` of each call since the last time.
    pub(crate) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    fn list(&self, query: &[(String, String)]) -> Value {
        let narrows = |record: &Value| {
            query.iter().all(|(name, value)| match name.as_str() {
                "login" => text(record, "login").contains(&value.to_lowercase()),
                "q" => Phrase { text: value }.whole(record),
                _ => true,
            })
        };
        self.records().into_iter().filter(narrows).collect()
    }

    fn answer(&self, request: &NativeRequest) -> Option<Value> {
        let path = percent_decoded(&request.path);
        if path == "/people" {
            return Some(match (&request.method, &request.body) {
                (NativeMethod::Post, Body::Json(record)) => {
                    let mut record = record.clone();
                    let mut records = self.records.lock().unwrap();
                    record["id"] = json!(format!("u{}", records.len() + 1));
                    records.push(record.clone());
                    record
                }
                _ => self.list(&request.query),
            });
        }
        if let Some(mail) = path.strip_prefix("/by-mail/") {
            let is_it = |record: &Value| {
                let mails = record["mails"].as_array().cloned().unwrap_or_default();
                mails.iter().any(|one| text(one, "address") == mail.to_lowercase())
            };
            return Some(self.records().into_iter().filter(is_it).collect());
        }
        let id = path.strip_prefix("/people/")?;
        let mut records = self.records.lock().unwrap();
        let record = records.iter_mut().find(|record| record["id"] == id)?;
        if let (NativeMethod::Patch, Body::Json(Value::Object(changes))) =
            (request.method, &request.body)
        {
            record.as_object_mut()?.extend(changes.clone());
        }
        Some(record.clone())
    }
}

fn text(record: &Value, member: &str) -> String {
    record[member].as_str().unwrap_or_default().to_lowercase()
}

fn percent_decoded(path: &str) -> String {
    percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned()
}

#[async_trait]
impl Upstream for Application {
    async fn call(&self, request: NativeRequest) -> Result<NativeResponse, UpstreamError> {
        let line = format!("{} {}", request.method.name(), percent_decoded(&request.path));
        self.calls.lock().unwrap().push(line);
        let (status, body) = match self.answer(&request) {
            Some(body) => (200, Payload::Json(body)),
            None => (404, Payload::Empty),
        };
        Ok(NativeResponse { status, headers: Vec::new(), body: body.into() })
    }

    fn follow(&self, _asked: &str, _link: &str) -> Result<Link, UpstreamError> {
        Err(UpstreamError::OffOrigin)
    }
}

/// A text of the query language: `title co "x"`, `(… & …)`, `(… | …)`, `!(…)`.
struct Phrase<'t> {
    text: &'t str,
}

impl Phrase<'_> {
    fn whole(mut self, record: &Value) -> bool {
        let holds = self.holds(record);
        assert_eq!(self.text, "", "the application cannot read the rest of its query");
        holds
    }

    fn take(&mut self, token: &str) -> bool {
        let rest = self.text.strip_prefix(token);
        self.text = rest.unwrap_or(self.text);
        rest.is_some()
    }

    fn holds(&mut self, record: &Value) -> bool {
        if self.take("!(") {
            let inner = self.holds(record);
            assert!(self.take(")"));
            return !inner;
        }
        if !self.take("(") {
            return self.term(record);
        }
        let left = self.holds(record);
        let is_and = self.take(" & ");
        assert!(is_and || self.take(" | "), "an operator in {}", self.text);
        let right = self.holds(record);
        assert!(self.take(")"));
        if is_and { left && right } else { left || right }
    }

    fn term(&mut self, record: &Value) -> bool {
        let (name, rest) = self.text.split_once(' ').expect("a member");
        let (operator, rest) = rest.split_once(' ').expect("an operator");
        let mut literals = serde_json::Deserializer::from_str(rest).into_iter::<String>();
        let literal = literals.next().expect("a literal").expect("JSON text").to_lowercase();
        self.text = rest.get(literals.byte_offset()..).expect("the end of a literal");
        let have = record[name].as_str().map(str::to_lowercase);
        have.is_some_and(|have| match operator {
            "eq" => have == literal,
            "sw" => have.starts_with(&literal),
            "co" => have.contains(&literal),
            other => panic!("operator {other}"),
        })
    }
}

/// A tenant in front of an application.
pub(crate) async fn tenant(
    mapping: &str,
    application: &Arc<Application>,
    dialect: Dialect,
) -> Tenant {
    let (mapping, _) = Mapping::load(mapping).unwrap_or_else(|faults| {
        let faults: Vec<String> = faults.iter().map(|fault| fault.render("mapping")).collect();
        panic!("{}", faults.join("\n"));
    });
    let upstream = Arc::clone(application) as Arc<dyn Upstream>;
    let mut tenant = stage::set(&Arc::new(mapping), &Given::default(), upstream).await.unwrap();
    tenant.dialect = dialect;
    tenant
}

/// Sends `VERB /path?query`, blanks and all.
pub(crate) async fn ask(tenant: &Tenant, line: &str, body: Option<&Value>) -> ScimResponse {
    let (method, target) = line.split_once(' ').expect("a method");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        pairs.append_pair(name, value);
    }
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    let request = ScimRequest {
        method: Method::from_bytes(method.as_bytes()).unwrap(),
        segments: segments.map(str::to_owned).collect(),
        query: pairs.finish(),
        body: body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string())),
        content_type: None,
        if_match: None,
        if_none_match: None,
        base: "https://scim.test/v2".to_owned(),
        request_id: "law".to_owned(),
        caller: Caller::own("law"),
    };
    Box::pin(engine::answer(tenant, request)).await
}
