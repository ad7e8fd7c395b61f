//! Plays a test: the request through the real engine, the calls against the script, the answer
//! against what was written.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use serde_json::Value;

use crate::dialogue::script::ScriptedUpstream;
use crate::dialogue::stage;
use crate::exchange::engine;
use crate::exchange::request::{Caller, ScimRequest};
use crate::exchange::response::ScimResponse;
use crate::exchange::upstream::Upstream;
use crate::mapping::model::{Mapping, Test};
use crate::native::message::NativeRequest;

/// What came of a test.
#[derive(Debug)]
pub struct Verdict {
    /// What differed; empty when the test passed.
    pub differences: Vec<String>,
    /// The native calls that were made, with the status of their answers.
    pub made: Vec<(NativeRequest, Option<u16>)>,
    /// The SCIM answer; `None` when the request could not be made.
    pub response: Option<ScimResponse>,
}

/// Plays one test.
pub async fn play(mapping: &Arc<Mapping>, test: &Test) -> Verdict {
    let script = Arc::new(ScriptedUpstream::new(test.native.clone()));
    let upstream = Arc::clone(&script) as Arc<dyn Upstream>;
    let failed = |why: String| Verdict { differences: vec![why], made: Vec::new(), response: None };
    let tenant = match stage::set(mapping, &test.given, upstream).await {
        Ok(tenant) => tenant,
        Err(error) => return failed(format!("the side-car cannot be filled: {error}")),
    };
    let Some(request) = request(&test.scim, &test.headers, test.body.as_ref()) else {
        return failed(format!("\"{}\" is not a method and a path", test.scim));
    };
    let response = engine::answer(&tenant, request).await;
    let mut differences = script.differences();
    differences.extend(answer_differences(test, &response));
    Verdict { differences, made: script.made(), response: Some(response) }
}

/// `VERB /path?query` as a request. The query is written as people read it, not encoded.
pub fn request(
    scim: &str,
    headers: &[(String, String)],
    body: Option<&Value>,
) -> Option<ScimRequest> {
    let (method, target) = scim.split_once(' ')?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    let header = |wanted: &str| {
        let is_it = |(name, _): &&(String, String)| name.eq_ignore_ascii_case(wanted);
        headers.iter().find(is_it).map(|(_, value)| value.clone())
    };
    Some(ScimRequest {
        method: Method::from_bytes(method.as_bytes()).ok()?,
        segments: segments.map(str::to_owned).collect(),
        query: encoded(query),
        body: body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string())),
        content_type: header("content-type"),
        if_match: header("if-match"),
        if_none_match: header("if-none-match"),
        base: "https://scim.test/scim/v2".to_owned(),
        request_id: "test".to_owned(),
        caller: Caller::own("test"),
    })
}

fn encoded(query: &str) -> String {
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        pairs.append_pair(name, value);
    }
    pairs.finish()
}

fn answer_differences(test: &Test, response: &ScimResponse) -> Vec<String> {
    let mut found = Vec::new();
    let body = response.body.as_deref().unwrap_or(&Value::Null);
    if response.status != test.status {
        let detail = body.get("detail").and_then(Value::as_str).unwrap_or_default();
        found.push(format!("status wanted {}, got {} {detail}", test.status, response.status));
    }
    if let Some(wanted) = &test.response {
        found.extend(missing("", wanted, body));
    }
    for name in &test.absent {
        let value = name.split('.').try_fold(body, |value, part| value.get(part));
        if value.is_some_and(|value| !value.is_null()) {
            found.push(format!("response has {name}, which must be absent"));
        }
    }
    found
}

/// The first place at which `have` does not hold what `wanted` has.
fn missing(path: &str, wanted: &Value, have: &Value) -> Option<String> {
    match (wanted, have) {
        (Value::Object(members), Value::Object(_)) => members.iter().find_map(|(name, wanted)| {
            let have = have.get(name).unwrap_or(&Value::Null);
            missing(&format!("{path}.{name}"), wanted, have)
        }),
        (Value::Array(wanted), Value::Array(have)) if wanted.len() == have.len() => {
            let pairs = wanted.iter().zip(have).enumerate();
            let mut pairs = pairs.map(|(index, (wanted, have))| (index, wanted, have));
            pairs.find_map(|(index, wanted, have)| {
                missing(&format!("{path}[{index}]"), wanted, have)
            })
        }
        (wanted, have) if wanted == have => None,
        (wanted, have) => Some(format!("response{path}: wanted {wanted}, got {have}")),
    }
}
