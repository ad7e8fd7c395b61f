//! A dry run as an entry of `tests:`, which passes as it is when it is pasted into the mapping file.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::dialogue::recorder::Recorded;
use crate::dialogue::rehearsal::{End, Rehearsal};
use crate::dialogue::secrets::Secrets;
use crate::dialogue::{player, script};
use crate::mapping::model::{Attempt, Given, Mapping};
use crate::native::message::{NativeResponse, Payload};

/// Headers of answers that mappings look at; others are kept only where a test needs them.
const USUAL: [&str; 4] = ["etag", "link", "location", "retry-after"];

/// Why there is no test.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// The run was not played to its end.
    #[error("the run did not come to its end, so nobody knows what a test would expect")]
    NotWhole,
    /// The entry does not pass.
    #[error("the run cannot be told as a test: {0}")]
    DoesNotPass(String),
}

/// How much is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fullness {
    /// What most tests need.
    Usual,
    /// Everything.
    All,
}

/// The entry, two blanks indented. It has been played and has passed.
///
/// # Errors
/// When the run did not end, or cannot be repeated from what it shows.
pub async fn entry(
    mapping: &Arc<Mapping>,
    attempt: &Attempt,
    rehearsal: &Rehearsal,
    secrets: &Secrets,
) -> Result<String, DraftError> {
    if rehearsal.end != End::Whole {
        return Err(DraftError::NotWhole);
    }
    let mut differences = String::new();
    for fullness in [Fullness::Usual, Fullness::All] {
        let text = write(attempt, rehearsal, secrets, fullness);
        match check(mapping, &text).await {
            None => return Ok(text),
            Some(found) => differences = found,
        }
    }
    Err(DraftError::DoesNotPass(secrets.text(&differences)))
}

/// What differs when the entry is played.
async fn check(mapping: &Arc<Mapping>, text: &str) -> Option<String> {
    let tests = match mapping.further_tests(text) {
        Ok(tests) => tests,
        Err(faults) => {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            return Some(faults.join("; "));
        }
    };
    let mut differences = Vec::new();
    for test in &tests {
        differences.extend(Box::pin(player::play(mapping, test)).await.differences);
    }
    (!differences.is_empty()).then(|| differences.join("; "))
}

fn write(
    attempt: &Attempt,
    rehearsal: &Rehearsal,
    secrets: &Secrets,
    fullness: Fullness,
) -> String {
    let mut text = String::new();
    let mut field = |name: &str, value: &Value| {
        let lead = if text.is_empty() { "  - " } else { "    " };
        // Writing to a text does not fail.
        let _ = writeln!(text, "{lead}{name}: {}", flow(&secrets.value(value)));
    };
    let name = attempt.name.clone().unwrap_or_else(|| attempt.scim.clone());
    field("name", &json!(name));
    let given = given(&attempt.given, fullness);
    if !given.is_empty() {
        field("given", &Value::Object(given));
    }
    field("scim", &json!(attempt.scim));
    if !attempt.headers.is_empty() {
        field("headers", &script::fields_of(&attempt.headers));
    }
    if let Some(body) = &attempt.body {
        field("body", body);
    }
    if !rehearsal.calls.is_empty() {
        text.push_str("    native:\n");
        for recorded in &rehearsal.calls {
            let _ = writeln!(text, "      - {}", flow(&call(recorded, secrets, fullness)));
        }
    }
    let _ = writeln!(text, "    status: {}", rehearsal.response.status);
    if let Some(body) = &rehearsal.response.body {
        let _ = writeln!(text, "    response: {}", flow(&secrets.value(body)));
    }
    text
}

fn given(given: &Given, fullness: Fullness) -> Map<String, Value> {
    let mut members = Map::new();
    if !given.config.is_empty() && fullness == Fullness::All {
        members.insert("config".to_owned(), Value::Object(given.config.clone()));
    }
    if given.sidecar.as_object().is_some_and(|sidecar| !sidecar.is_empty()) {
        members.insert("sidecar".to_owned(), given.sidecar.clone());
    }
    if !given.uuid.is_empty() {
        members.insert("uuid".to_owned(), json!(given.uuid));
    }
    if let Some(now) = &given.now
        && fullness == Fullness::All
    {
        members.insert("now".to_owned(), json!(now));
    }
    if !given.random.is_empty() {
        members.insert("random".to_owned(), json!(given.random));
    }
    members
}

fn call(recorded: &Recorded, secrets: &Secrets, fullness: Fullness) -> Value {
    let request = &recorded.request;
    let path = script::decoded(&request.path);
    let mut call = Map::new();
    let expect = secrets.text(&format!("{} {path}", request.method.name()));
    call.insert("expect".to_owned(), json!(expect));
    if !request.query.is_empty() {
        call.insert("query".to_owned(), secrets.value(&script::fields_of(&request.query)));
    }
    let body = script::body(&request.body);
    if !body.is_null() {
        call.insert("body".to_owned(), secrets.value(&body));
    }
    if let Some(answer) = &recorded.answer {
        call.insert("reply".to_owned(), json!(answer.status));
        let headers = headers(answer, secrets, fullness);
        if !headers.is_empty() {
            call.insert("reply_headers".to_owned(), Value::Object(headers));
        }
        match &*answer.body {
            Payload::Empty => {}
            Payload::Json(value) => {
                call.insert("with".to_owned(), secrets.value(value));
            }
            Payload::Text(text) => {
                call.insert("with".to_owned(), json!(secrets.text(text)));
            }
        }
    }
    Value::Object(call)
}

fn headers(answer: &NativeResponse, secrets: &Secrets, fullness: Fullness) -> Map<String, Value> {
    let is_kept =
        |name: &str| fullness == Fullness::All || USUAL.contains(&name.to_lowercase().as_str());
    let kept = answer.headers.iter().filter(|(name, _)| is_kept(name));
    kept.map(|(name, value)| (name.clone(), json!(secrets.header(name, value)))).collect()
}

/// A value as YAML on one line, in the manner of mapping files.
fn flow(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(elements) if elements.is_empty() => "[]".to_owned(),
        Value::Array(elements) => {
            format!("[ {} ]", elements.iter().map(flow).collect::<Vec<_>>().join(", "))
        }
        Value::Object(members) if members.is_empty() => "{}".to_owned(),
        Value::Object(members) => {
            let member =
                |(name, value): (&String, &Value)| format!("{}: {}", key(name), flow(value));
            format!("{{ {} }}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
    }
}

fn key(name: &str) -> String {
    let is_word = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_value = ["null", "true", "false"].iter().any(|word| name.eq_ignore_ascii_case(word));
    if is_word && !is_value { name.to_owned() } else { quoted(name) }
}

/// JSON's quotes are YAML's, as long as everything that YAML does not print is escaped.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    for character in json!(text).to_string().chars() {
        let is_invisible = character.is_control()
            || matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
        if is_invisible {
            let _ = write!(quoted, "\\u{:04x}", u32::from(character));
        } else {
            quoted.push(character);
        }
    }
    quoted
}
