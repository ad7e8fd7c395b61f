//! What a failure of the application means to a SCIM client.

use std::time::Duration;

use serde_json::{Value, json};

use crate::convert::locate::locate;
use crate::convert::moment;
use crate::mapping::access::TimeUnit;
use crate::mapping::expression::Expression;
use crate::mapping::model::{ErrorRule, Errors, Locator, Outcome, Request, StatusMatch};
use crate::mapping::scope::{Ambient, Scope};
use crate::native::message::{NativeResponse, Payload};

/// Longest text of the application's that is shown to a SCIM client.
const MAX_DETAIL: usize = 300;

/// Nobody is asked to wait for longer, whatever the application says: some say nonsense.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

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

/// What one request says of its failures; it comes before what the file says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Own<'m> {
    /// Failure statuses that mean done.
    pub accept: &'m [u16],
    /// True on a 2xx answer that is a failure in disguise.
    pub failed: Option<&'m Expression>,
    /// First match wins.
    pub rules: &'m [ErrorRule],
}

impl<'m> Own<'m> {
    /// What a request of the mapping says.
    pub fn of(request: &'m Request) -> Self {
        let Request { accept, failed, errors, .. } = request;
        Self { accept, failed: failed.as_ref(), rules: errors }
    }
}

/// Judges an answer; `Ok` when it is a success.
pub fn judge(
    errors: &Errors,
    ambient: &Ambient,
    response: &NativeResponse,
    own: Own<'_>,
) -> Result<(), Failure> {
    if own.accept.contains(&response.status) {
        return Ok(());
    }
    // Mostly nobody has to look into an answer to know that it is a success.
    if response.is_success() && own.failed.is_none() && errors.failed.is_none() {
        return Ok(());
    }
    let body = response.json().unwrap_or(&Value::Null);
    let message = errors.message.iter().find_map(|path| path.read(body)?.as_str());
    let header = |(name, _): &(String, String)| (name.clone(), json!(response.header_list(name)));
    let headers: Value = response.headers.iter().map(header).collect();
    let (status, told) = (json!(response.status), json!(message));
    let scope = Scope::new(ambient)
        .with("status", &status)
        .with("body", body)
        .with("headers", &headers)
        .with("message", &told);
    let mut signs = own.failed.into_iter().chain(&errors.failed);
    let disguised = signs.any(|failed| failed.is_true(&scope).unwrap_or(false));
    if response.is_success() && !disguised {
        return Ok(());
    }
    let mut rules = own.rules.iter().chain(&errors.rules);
    let rule = rules.find(|rule| applies(rule, response, message, &scope));
    if rule.is_some_and(|rule| rule.outcome == Outcome::Ok) {
        return Ok(());
    }
    let meaning =
        rule.map_or_else(|| built_in(response, disguised), |rule| Meaning::Outcome(rule.outcome));
    let text =
        rule.and_then(|rule| rule.detail.as_ref()).and_then(|text| text.text(&scope).ok()?);
    // What an application says of its own innards is for nobody, unless a rule knows what it is.
    let is_told = rule.is_some() || response.status < 500;
    let shown = text
        .as_deref()
        .or(message)
        .filter(|_| is_told && meaning != Meaning::Broken && meaning != Meaning::Credentials);
    Err(Failure {
        meaning,
        detail: shown.map(clean),
        status: response.status,
        retry_after: retry_after(response, ambient),
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
    let text = match (message, &*response.body) {
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
        503 => Meaning::Outcome(Outcome::Unavailable),
        _ => Meaning::Broken,
    }
}

/// One line of bounded length, without control characters.
fn clean(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<&str> = line.split_whitespace().collect();
    words.join(" ").chars().take(MAX_DETAIL).collect()
}

/// What `Retry-After` says, as seconds or as a date (RFC 9110 section 10.2.3).
fn retry_after(response: &NativeResponse, ambient: &Ambient) -> Option<u64> {
    let header = Locator::Header("retry-after".to_owned(), None);
    let text = locate(&header, response)?;
    let wait = moment::until(text.as_str()?, TimeUnit::Seconds, ambient.now)?.min(LONGEST_WAIT);
    // A part of a second is a second: who comes too early has to come again.
    Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use regex::{Regex, RegexBuilder};
    use serde_json::{Value, json};

    use crate::convert::failure::{Failure, MAX_DETAIL, Meaning, Own, judge};
    use crate::id::SystemIds;
    use crate::mapping::expression::Expression;
    use crate::mapping::model::{ErrorRule, Errors, Outcome, StatusMatch};
    use crate::mapping::scope::Ambient;
    use crate::mapping::template::Template;
    use crate::native::message::{NativeResponse, Payload};
    use crate::native::path::NativePath;

    fn errors(failed: Option<&str>, rules: Vec<ErrorRule>) -> Errors {
        Errors {
            message: vec![NativePath::parse("$.message").unwrap()],
            failed: failed.map(|failed| Expression::compile(failed).unwrap()),
            rules,
        }
    }

    fn text(pattern: &str) -> Regex {
        RegexBuilder::new(pattern).case_insensitive(true).build().unwrap()
    }

    fn rule(status: StatusMatch, outcome: Outcome) -> ErrorRule {
        ErrorRule { status, text: None, when: None, outcome, detail: None }
    }

    fn answer(status: u16, body: Payload) -> NativeResponse {
        NativeResponse { status, headers: Vec::new(), body: body.into() }
    }

    fn told(status: u16, message: &str) -> NativeResponse {
        answer(status, Payload::Json(json!({ "message": message })))
    }

    fn judged(errors: &Errors, response: &NativeResponse) -> Result<(), Failure> {
        let ambient = Ambient {
            ids: Arc::new(SystemIds),
            now: jiff::Timestamp::UNIX_EPOCH,
            request_id: "r".to_owned(),
        };
        judge(errors, &ambient, response, Own { accept: &[410], ..Own::default() })
    }

    fn meaning(errors: &Errors, response: &NativeResponse) -> Option<Meaning> {
        judged(errors, response).err().map(|failure| failure.meaning)
    }

    #[test]
    fn without_rules_the_table_decides() {
        let plain = errors(None, Vec::new());
        let check = |status: u16, expected: Option<Meaning>| {
            assert_eq!(meaning(&plain, &answer(status, Payload::Empty)), expected, "{status}");
        };
        for status in [200, 201, 204, 299] {
            check(status, None);
        }
        // It is accepted by the request.
        check(410, None);
        for (status, outcome) in [
            (400, Outcome::InvalidValue),
            (422, Outcome::InvalidValue),
            (404, Outcome::NotFound),
            (409, Outcome::Uniqueness),
            (412, Outcome::PreconditionFailed),
            (429, Outcome::TooMany),
            (503, Outcome::Unavailable),
        ] {
            check(status, Some(Meaning::Outcome(outcome)));
        }
        for status in [401, 403] {
            check(status, Some(Meaning::Credentials));
        }
        for status in [100, 302, 405, 418, 500, 502, 504] {
            check(status, Some(Meaning::Broken));
        }
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let taken = ErrorRule {
            text: Some(text("already (exists|taken)")),
            ..rule(StatusMatch::Exactly(400), Outcome::Uniqueness)
        };
        let gone = ErrorRule {
            when: Some(Expression::compile("body.code == 7").unwrap()),
            ..rule(StatusMatch::Any, Outcome::NotFound)
        };
        let rules = vec![taken, gone, rule(StatusMatch::Class(5), Outcome::Unavailable)];
        let errors = errors(None, rules);
        let check = |response: &NativeResponse, expected: Outcome| {
            let expected = Some(Meaning::Outcome(expected));
            assert_eq!(meaning(&errors, response), expected, "{response:?}");
        };
        check(&told(400, "Name ALREADY taken"), Outcome::Uniqueness);
        check(&told(400, "Name too long"), Outcome::InvalidValue);
        check(&told(409, "already taken"), Outcome::Uniqueness);
        check(&answer(418, Payload::Json(json!({ "code": 7 }))), Outcome::NotFound);
        check(&told(503, "back soon"), Outcome::Unavailable);
        check(&answer(500, Payload::Empty), Outcome::Unavailable);
    }

    #[test]
    fn a_rule_looks_at_plain_text_where_there_is_no_message() {
        let taken = ErrorRule {
            text: Some(text("duplicate")),
            ..rule(StatusMatch::Any, Outcome::Uniqueness)
        };
        let errors = errors(None, vec![taken]);
        let plain = answer(500, Payload::Text("Duplicate key: secret-row".to_owned()));
        let failure = judged(&errors, &plain).unwrap_err();
        assert_eq!(failure.meaning, Meaning::Outcome(Outcome::Uniqueness));
        assert_eq!(failure.detail, None);
        let json = answer(500, Payload::Json(json!({ "error": "duplicate" })));
        assert_eq!(meaning(&errors, &json), Some(Meaning::Broken));
        let other = answer(500, Payload::Text("full".to_owned()));
        assert_eq!(meaning(&errors, &other), Some(Meaning::Broken));
    }

    #[test]
    fn a_rule_can_call_a_failure_done_and_a_success_a_failure() {
        let ok = ErrorRule { text: Some(text("no change")), ..rule(StatusMatch::Any, Outcome::Ok) };
        let errors = errors(Some("'error' in body"), vec![ok]);
        assert_eq!(meaning(&errors, &told(400, "No change")), None);
        let disguised = answer(200, Payload::Json(json!({ "error": 1 })));
        let expected = Some(Meaning::Outcome(Outcome::InvalidValue));
        assert_eq!(meaning(&errors, &disguised), expected);
        assert_eq!(meaning(&errors, &answer(200, Payload::Json(json!({ "id": 1 })))), None);
        assert_eq!(meaning(&errors, &answer(204, Payload::Empty)), None);
    }

    #[test]
    fn the_message_is_shown_clean_and_never_of_what_is_broken() {
        let detail = ErrorRule {
            detail: Some(Template::compile("status {status}").unwrap()),
            ..rule(StatusMatch::Exactly(409), Outcome::Uniqueness)
        };
        let errors = errors(None, vec![detail]);
        let check = |status: u16, message: &str, expected: Option<&str>| {
            let failure = judged(&errors, &told(status, message)).unwrap_err();
            assert_eq!(failure.detail.as_deref(), expected, "{status} {message}");
        };
        check(400, "too\r\n long\u{7}", Some("too long"));
        check(409, "ours", Some("status 409"));
        check(500, "at db1.internal", None);
        check(503, "db1.internal is down", None);
        check(401, "token expired", None);
        check(400, &"x".repeat(1000), Some(&"x".repeat(MAX_DETAIL)));
    }

    #[test]
    fn waiting_and_repeated_headers_are_read() {
        let once = ErrorRule {
            when: Some(Expression::compile("headers.warning == 'a, b'").unwrap()),
            ..rule(StatusMatch::Any, Outcome::Forbidden)
        };
        let errors = errors(None, vec![once]);
        let headers = |pairs: &[(&str, &str)]| {
            let owned = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            NativeResponse { headers: owned.collect(), ..answer(429, Payload::Json(Value::Null)) }
        };
        let waiting = judged(&errors, &headers(&[("retry-after", " 12 ")])).unwrap_err();
        assert_eq!(waiting.retry_after, Some(12));
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:01:30 GMT", Some(90)),
            ("0.2", Some(1)),
            ("999999999", Some(3600)),
            ("soon", None),
            ("-5", None),
        ] {
            let told = headers(&[("retry-after", text)]);
            assert_eq!(judged(&errors, &told).unwrap_err().retry_after, seconds, "{text}");
        }
        let repeated = headers(&[("warning", "a"), ("x", "y"), ("warning", "b")]);
        assert_eq!(meaning(&errors, &repeated), Some(Meaning::Outcome(Outcome::Forbidden)));
    }
}
