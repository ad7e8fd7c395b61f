//! What a failure of the application means to a SCIM client.

use serde_json::{Value, json};

use crate::convert::record;
use crate::mapping::expression::{Ambient, Scope};
use crate::mapping::model::{ErrorRule, Errors, Locator, Outcome, StatusMatch};
use crate::native::message::{NativeResponse, Payload};

/// Longest text of the application's that is shown to a SCIM client.
const MAX_DETAIL: usize = 300;

/// A failure, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What it means.
    pub meaning: Meaning,
    /// The application's own message, cleaned and cut; only where the mapping says where it is.
    pub detail: Option<String>,
    /// The application's status.
    pub status: u16,
    /// Seconds to wait, as the application says.
    pub retry_after: Option<u64>,
}

/// What a failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// One of the language's outcomes.
    Outcome(Outcome),
    /// The application refuses the bridge's own credentials.
    Credentials,
    /// The application is broken: 5xx, or an answer that is not what the mapping describes.
    Broken,
}

/// Judges an answer; `Ok` when it is a success. `accept` are failure statuses that mean done.
pub fn judge(
    errors: &Errors,
    ambient: &Ambient,
    response: &NativeResponse,
    accept: &[u16],
) -> Result<(), Failure> {
    if accept.contains(&response.status) {
        return Ok(());
    }
    let body = response.json().cloned().unwrap_or(Value::Null);
    let message = errors.message.iter().find_map(|path| path.read(&body)?.as_str());
    let headers: Value =
        response.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let (status, text) = (json!(response.status), json!(message));
    let scope = Scope::new(ambient)
        .with("status", &status)
        .with("body", &body)
        .with("headers", &headers)
        .with("message", &text);
    let disguised =
        errors.failed.as_ref().is_some_and(|failed| failed.is_true(&scope).unwrap_or(false));
    if response.is_success() && !disguised {
        return Ok(());
    }
    let rule = errors.rules.iter().find(|rule| applies(rule, response, message, &scope));
    if rule.is_some_and(|rule| rule.outcome == Outcome::Ok) {
        return Ok(());
    }
    let meaning =
        rule.map_or_else(|| built_in(response, disguised), |rule| Meaning::Outcome(rule.outcome));
    let own = rule.and_then(|rule| rule.detail.as_ref()).and_then(|text| text.text(&scope).ok()?);
    let shown = own
        .as_deref()
        .or(message)
        .filter(|_| meaning != Meaning::Broken && meaning != Meaning::Credentials);
    Err(Failure {
        meaning,
        detail: shown.map(clean),
        status: response.status,
        retry_after: retry_after(response),
    })
}

fn applies(
    rule: &ErrorRule,
    response: &NativeResponse,
    message: Option<&str>,
    scope: &Scope<'_>,
) -> bool {
    let status = match rule.status {
        StatusMatch::Any => true,
        StatusMatch::Exactly(status) => status == response.status,
        StatusMatch::Class(class) => class == response.status / 100,
    };
    // Without a message the pattern looks at a plain-text body: some APIs have nothing else.
    let text = match (message, &response.body) {
        (Some(message), _) => message,
        (None, Payload::Text(text)) => text,
        (None, Payload::Empty | Payload::Json(_)) => "",
    };
    status
        && rule.text.as_ref().is_none_or(|pattern| pattern.is_match(text))
        && rule.when.as_ref().is_none_or(|when| when.is_true(scope).unwrap_or(false))
}

/// The table of last resort.
fn built_in(response: &NativeResponse, disguised: bool) -> Meaning {
    match response.status {
        _ if disguised && response.is_success() => Meaning::Outcome(Outcome::InvalidValue),
        400 | 422 => Meaning::Outcome(Outcome::InvalidValue),
        401 | 403 => Meaning::Credentials,
        404 | 410 => Meaning::Outcome(Outcome::NotFound),
        409 => Meaning::Outcome(Outcome::Uniqueness),
        412 => Meaning::Outcome(Outcome::PreconditionFailed),
        429 => Meaning::Outcome(Outcome::TooMany),
        _ => Meaning::Broken,
    }
}

/// One line of bounded length, without control characters.
fn clean(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<&str> = line.split_whitespace().collect();
    words.join(" ").chars().take(MAX_DETAIL).collect()
}

fn retry_after(response: &NativeResponse) -> Option<u64> {
    let header = Locator::Header("retry-after".to_owned(), None);
    record::locate(&header, response)?.as_str()?.trim().parse().ok()
}
