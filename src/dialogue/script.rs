//! An application that follows a script: it checks each call against the next line and answers
//! what stands there.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::{Map, Number, Value};

use crate::exchange::upstream::{Link, Upstream, UpstreamError};
use crate::mapping::model::Call;
use crate::native::message::{Body, NativeRequest, NativeResponse, Payload};

/// An `Upstream` that plays the calls of a test, in order.
pub struct ScriptedUpstream {
    calls: Vec<Call>,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    next: usize,
    made: Vec<(NativeRequest, Option<u16>)>,
    differences: Vec<String>,
}

impl ScriptedUpstream {
    /// Follows these calls.
    pub fn new(calls: Vec<Call>) -> Self {
        Self { calls, progress: Mutex::default() }
    }

    /// What differed from the script, missing calls included.
    pub fn differences(&self) -> Vec<String> {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = self.calls.iter().skip(progress.next);
        let missing =
            missing.map(|call| format!("missing call: {} {}", call.method.name(), call.path));
        progress.differences.iter().cloned().chain(missing).collect()
    }

    /// Whether every call of the script has been made.
    pub fn is_over(&self) -> bool {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).next >= self.calls.len()
    }

    /// The calls that were made, with the status of their answers.
    pub fn made(&self) -> Vec<(NativeRequest, Option<u16>)> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).made.clone()
    }
}

#[async_trait]
impl Upstream for ScriptedUpstream {
    async fn call(&self, request: NativeRequest) -> Result<NativeResponse, UpstreamError> {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let index = progress.next;
        progress.next += 1;
        let Some(call) = self.calls.get(index) else {
            let line =
                format!("unexpected call: {} {}", request.method.name(), decoded(&request.path));
            progress.differences.push(line);
            progress.made.push((request, None));
            return Err(UpstreamError::Unreachable(None));
        };
        progress.differences.extend(differences(call, &request));
        progress.made.push((request, Some(call.reply)));
        Ok(answer(call))
    }

    /// A script does not know where the application is, so an absolute link is read as one to
    /// the list it came from.
    fn follow(&self, asked: &str, link: &str) -> Result<Link, UpstreamError> {
        let (target, query) = link.split_once('?').unwrap_or((link, ""));
        let path = match target.split_once("://") {
            Some((_, rest)) => {
                let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/");
                if path.ends_with(asked) { asked } else { path }
            }
            None => target,
        };
        let query = url::form_urlencoded::parse(query.as_bytes());
        Ok(Link { path: path.to_owned(), query: query.into_owned().collect() })
    }
}

fn answer(call: &Call) -> NativeResponse {
    let body = match &call.with {
        None => Payload::Empty,
        // A text in a script is an answer that is not JSON.
        Some(Value::String(text)) => Payload::Text(text.clone()),
        Some(value) => Payload::Json(value.clone()),
    };
    let header = |(name, value): &(String, String)| (name.to_lowercase(), value.clone());
    let headers = call.reply_headers.iter().map(header).collect();
    NativeResponse { status: call.reply, headers, body: body.into() }
}

fn differences(call: &Call, request: &NativeRequest) -> Vec<String> {
    let name = format!("{} {}", call.method.name(), call.path);
    let sent = format!("{} {}", request.method.name(), decoded(&request.path));
    let mut found = Vec::new();
    if name != sent {
        found.push(format!("expected call {name}, got {sent}"));
        return found;
    }
    if let Some(wanted) = &call.query
        && let Some(difference) = query_difference(wanted, &request.query)
    {
        found.push(format!("{name}: {difference}"));
    }
    for (header, wanted) in &call.headers {
        let is_it = |(name, _): &&(String, String)| name.eq_ignore_ascii_case(header);
        let value = request.headers.iter().find(is_it).map(|(_, value)| value);
        if value != Some(wanted) {
            found.push(format!("{name}: header {header} wanted {wanted:?}, sent {value:?}"));
        }
    }
    if let Some(wanted) = &call.body {
        let body = body(&request.body);
        if normal(wanted) != normal(&body) {
            found.push(format!("{name}: body wanted {wanted}, sent {body}"));
        }
    }
    found
}

/// A request's body as a tree; a body that is not there is null.
pub fn body(body: &Body) -> Value {
    match body {
        Body::None => Value::Null,
        Body::Json(value) => value.clone(),
        Body::Form(fields) => fields_of(fields),
    }
}

/// Parameters or form fields as a tree. One that is there several times is a list.
pub fn fields_of(fields: &[(String, String)]) -> Value {
    let mut members = Map::new();
    for (name, _) in fields {
        let values = fields.iter().filter(|(have, _)| have == name).map(|(_, value)| value);
        let mut values: Vec<Value> = values.map(|value| Value::from(value.as_str())).collect();
        let value =
            if values.len() > 1 { Value::Array(values) } else { values.pop().unwrap_or_default() };
        members.insert(name.clone(), value);
    }
    Value::Object(members)
}

/// How a query differs. A parameter that is sent several times is a list.
fn query_difference(wanted: &Map<String, Value>, sent: &[(String, String)]) -> Option<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    for (name, value) in sent {
        let values: Vec<&str> =
            sent.iter().filter(|(have, _)| have == name).map(|(_, value)| value.as_str()).collect();
        let Some(wanted) = wanted.get(name) else {
            return Some(format!("unexpected parameter {name}={value}"));
        };
        let is_met = match wanted {
            Value::Array(wanted) => wanted.iter().map(text).eq(values.iter().copied()),
            Value::String(word) if word == "any" => true,
            wanted => values == [text(wanted).as_str()],
        };
        if !is_met {
            let sent =
                if values.len() == 1 { value.clone() } else { format!("[{}]", values.join(", ")) };
            return Some(format!("parameter {name} wanted {}, sent {sent}", text(wanted)));
        }
    }
    let missing = wanted.keys().find(|name| !sent.iter().any(|(have, _)| have == *name));
    missing.map(|name| format!("missing parameter {name}"))
}

/// The same value with every number in one form, so that 5 and 5.0 are equal.
fn normal(value: &Value) -> Value {
    match value {
        Value::Number(number) => {
            number.as_f64().and_then(Number::from_f64).map_or_else(|| value.clone(), Value::Number)
        }
        Value::Array(elements) => elements.iter().map(normal).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), normal(value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

/// A path as people write it.
pub fn decoded(path: &str) -> String {
    percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned()
}
