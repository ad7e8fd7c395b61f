//! How to reach the application, what an installation supplies, and how failures are read.

use std::time::Duration;

use serde_json::Value;

use crate::mapping::access;
use crate::mapping::access::{RetryMethods, TimeUnit, TlsVersion};
use crate::mapping::compile::context::Context;
use crate::mapping::compile::failure::rules;
use crate::mapping::compile::request::{count, statuses};
use crate::mapping::compile::session::sign_in;
use crate::mapping::compile::variables::{API, API_HEADERS, CONNECTION, FAILURE};
use crate::mapping::diagnostic::{leaves_base, missing_field, wrong_value};
use crate::mapping::file::api::{Api, Breaker, Errors, Retry, Tls};
use crate::mapping::file::reader::{Entries, Text};
use crate::mapping::file::scalar::{Tpl, duration};
use crate::mapping::file::top::ConfigVar;
use crate::mapping::model;
use crate::mapping::model::{ConfigType, Outcome, SignIn, StatusMatch};
use crate::mapping::template::Template;
use crate::native::path::NativePath;

const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const CONCURRENCY: usize = 8;
const MOST_CONCURRENT: usize = 1000;
const MAX_RESPONSE: u64 = 16 * 1024 * 1024;
const ATTEMPTS: u32 = 3;
const MOST_ATTEMPTS: usize = 20;
const RETRY_ON: [u16; 4] = [429, 502, 503, 504];
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));
const FAILURES: u32 = 10;
const MOST_FAILURES: u64 = 1000;
const PAUSE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));
const BROKEN: [u16; 4] = [500, 502, 503, 504];
const MESSAGES: [&str; 3] = ["$.message", "$.error", "$.detail"];

/// Compiles `config`.
pub(crate) fn config(
    Entries(entries): &Entries<ConfigVar>,
    context: &mut Context,
) -> Vec<model::ConfigVar> {
    let mut variables = Vec::new();
    for (key, written) in entries {
        let kind = written.r#type.unwrap_or(ConfigType::String);
        let values = written.default.iter().chain(&written.r#enum);
        for value in values.filter(|value| !is_of(kind, value)) {
            let message = format!("{value} is not of its type");
            context.faults.push(wrong_value(key.at, &key.name, &message));
        }
        variables.push(model::ConfigVar {
            name: key.name.clone(),
            kind,
            default: written.default.clone(),
            required: written.required,
            secret: written.secret,
            allowed: written.r#enum.clone(),
            doc: written.doc.clone(),
        });
    }
    variables
}

fn is_of(kind: ConfigType, value: &Value) -> bool {
    match kind {
        ConfigType::String => value.is_string() || value.is_number(),
        ConfigType::Integer => value.is_i64() || value.is_u64(),
        ConfigType::Boolean => value.is_boolean(),
        ConfigType::Url => value
            .as_str()
            .is_some_and(|url| url.starts_with("https://") || url.starts_with("http://")),
        ConfigType::Duration => value.as_str().is_some_and(|text| duration(text).is_some()),
    }
}

/// Compiles `api`; `errors` is how failures are read. `None` after a fault.
pub(crate) fn api(api: &Api, errors: &model::Errors, context: &mut Context) -> Option<model::Api> {
    let base_url = context.template(&api.base_url, &API);
    if let Value::String(text) = &api.base_url.0.value {
        if text.ends_with('/') {
            let message = "has no trailing slash";
            context.faults.push(wrong_value(api.base_url.0.at, "base_url", message));
        }
        if text.contains(['?', '#']) {
            context.faults.push(leaves_base(api.base_url.0.at, "a query in base_url"));
        }
    }
    let sign_in = match &api.auth {
        None => Some(SignIn::None),
        Some(auth) => sign_in(auth, &errors.message, context),
    };
    let headers = context.headers(&api.headers, &API_HEADERS);
    let query = context.templates(&api.query, &API);
    let concurrency = match &api.concurrency {
        None => Some(CONCURRENCY),
        Some(written) => count(written, "concurrency", MOST_CONCURRENT, context),
    };
    let retry = retry(api.retry.as_ref(), context);
    let breaker = breaker(api.breaker.as_ref(), errors, context);
    let tls = match &api.tls {
        None => Some(None),
        Some(written) => tls(written, context).map(Some),
    };
    let proxy = optional(api.proxy.as_ref(), context);
    Some(model::Api {
        base_url: base_url?,
        sign_in: sign_in?,
        headers,
        query,
        timeout: api.timeout.unwrap_or(TIMEOUT),
        connect_timeout: api.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
        concurrency: concurrency?,
        rate: api.rate,
        retry: retry?,
        breaker: breaker?,
        tls: tls?,
        proxy: proxy?,
        max_response: api.max_response.map_or(MAX_RESPONSE, |size| size.0),
        eventual: api.eventual.unwrap_or_default(),
    })
}

fn retry(written: Option<&Retry>, context: &mut Context) -> Option<model::Retry> {
    let attempts = match written.and_then(|retry| retry.attempts.as_ref()) {
        None => ATTEMPTS,
        Some(attempts) => {
            u32::try_from(count(attempts, "attempts", MOST_ATTEMPTS, context)?).ok()?
        }
    };
    let on = match written.and_then(|retry| retry.on.as_ref()) {
        None => RETRY_ON.to_vec(),
        Some(on) => statuses(on, "on", context),
    };
    let backoff = match written.and_then(|retry| retry.backoff.as_ref()) {
        None => BACKOFF,
        Some(text) => span("backoff", text, context)?,
    };
    let after = match written.and_then(|retry| retry.after.as_ref()) {
        Some(after) => context.locator(after)?,
        None => model::Locator::Header("retry-after".to_owned(), None),
    };
    Some(model::Retry {
        attempts,
        on,
        backoff,
        after,
        after_unit: written.and_then(|retry| retry.after_unit).unwrap_or(TimeUnit::Seconds),
        methods: written.and_then(|retry| retry.methods).unwrap_or(RetryMethods::Idempotent),
    })
}

fn breaker(
    written: Option<&Breaker>,
    errors: &model::Errors,
    context: &mut Context,
) -> Option<access::Breaker> {
    let failures = match written.and_then(|breaker| breaker.failures.as_ref()) {
        None => FAILURES,
        Some(failures) if failures.value <= MOST_FAILURES => u32::try_from(failures.value).ok()?,
        Some(failures) => {
            let message = "is a number from 0 to 1000";
            return context.fault(wrong_value(failures.at, "failures", message));
        }
    };
    let pause = match written.and_then(|breaker| breaker.pause.as_ref()) {
        None => PAUSE,
        Some(text) => span("pause", text, context)?,
    };
    let on = match written.and_then(|breaker| breaker.on.as_ref()) {
        // An application that says something with a 500 is not broken for that.
        None => BROKEN.into_iter().filter(|status| !has_a_meaning(*status, errors)).collect(),
        Some(on) => statuses(on, "on", context),
    };
    Some(access::Breaker { failures, pause, on })
}

fn has_a_meaning(status: u16, errors: &model::Errors) -> bool {
    errors.rules.iter().any(|rule| {
        let fits = match rule.status {
            // Frameworks answer 500 for whatever they did not foresee, but the others for nothing.
            StatusMatch::Any => status == 500,
            StatusMatch::Exactly(exactly) => exactly == status,
            StatusMatch::Class(class) => class == status / 100,
        };
        fits && !matches!(rule.outcome, Outcome::Unavailable | Outcome::TooMany)
    })
}

fn tls(written: &Tls, context: &mut Context) -> Option<access::Tls> {
    let ca = optional(written.ca.as_ref(), context);
    let cert = optional(written.cert.as_ref(), context);
    let key = optional(written.key.as_ref(), context);
    let server_name = optional(written.server_name.as_ref(), context);
    let identity = match (cert?, key?) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (Some(_), None) => return context.missing(missing_field(written.at, "tls", "key")),
        (None, Some(_)) => return context.missing(missing_field(written.at, "tls", "cert")),
    };
    Some(access::Tls {
        ca: ca?,
        identity,
        verify: written.verify.unwrap_or(true),
        server_name: server_name?,
        min: written.min.unwrap_or(TlsVersion::V1_2),
    })
}

#[expect(clippy::option_option, reason = "outside: a fault; inside: not given")]
fn optional(written: Option<&Tpl>, context: &mut Context) -> Option<Option<Template>> {
    match written {
        None => Some(None),
        Some(written) => context.template(written, &CONNECTION).map(Some),
    }
}

/// `250ms..10s`.
fn span(field: &str, text: &Text, context: &mut Context) -> Option<(Duration, Duration)> {
    let parts = text.value.split_once("..");
    let parts = parts.and_then(|(first, most)| Some((duration(first)?, duration(most)?)));
    match parts {
        Some((first, most)) if first <= most => Some((first, most)),
        Some(_) | None => {
            let message = "expected two durations such as 250ms..10s";
            context.fault(wrong_value(text.at, field, message))
        }
    }
}

/// Compiles `errors`.
pub(crate) fn errors(written: Option<&Errors>, context: &mut Context) -> model::Errors {
    let message = match written.and_then(|errors| errors.message.as_ref()) {
        None => MESSAGES.iter().filter_map(|path| NativePath::parse(path).ok()).collect(),
        Some(paths) => paths.0.iter().filter_map(|path| context.path(path)).collect(),
    };
    let failed = written.and_then(|errors| errors.failed.as_ref());
    let failed = failed.and_then(|failed| context.expression(failed, &FAILURE));
    let written = written.map(|errors| errors.rules.as_slice()).unwrap_or_default();
    let rules = rules(written, context);
    model::Errors { message, failed, rules }
}

#[cfg(test)]
mod tests {
    use crate::mapping::compile::api::is_of;
    use crate::mapping::model::ConfigType;
    use serde_json::json;

    #[test]
    fn defaults_are_of_their_type() {
        for (kind, value, fits) in [
            (ConfigType::Url, json!("https://example.com"), true),
            (ConfigType::Url, json!("example.com"), false),
            (ConfigType::Integer, json!(7), true),
            (ConfigType::Integer, json!("7"), false),
            (ConfigType::Duration, json!("10s"), true),
            (ConfigType::Duration, json!(10), false),
            (ConfigType::Boolean, json!("true"), false),
        ] {
            assert_eq!(is_of(kind, &value), fits, "{kind:?} {value}");
        }
    }
}
