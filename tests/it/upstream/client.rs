//! A client of the scripted server, and what every test needs to build one.
#![cfg(test)]

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use scimbridge::clock::Clock;
use scimbridge::exchange::upstream::{Upstream, UpstreamError};
use scimbridge::id::IdSource;
use scimbridge::mapping::access::{Breaker, RetryMethods, TimeUnit};
use scimbridge::mapping::body_template::BodyTemplate;
use scimbridge::mapping::model::{Api, Encoding, Locator, Retry, Session, SignIn, TokenPlace};
use scimbridge::mapping::scope::Ambient;
use scimbridge::mapping::template::Template;
use scimbridge::native::message::{Body, Method, NativeRequest, NativeResponse, Urgency};
use scimbridge::native::path::NativePath;
use scimbridge::upstream::client::HttpUpstream;
use scimbridge::upstream::setup::UpstreamSetupError;
use serde_json::{Value, json};

pub(crate) fn template(text: &str) -> Template {
    Template::compile(text).unwrap()
}

pub(crate) fn header(name: &str) -> Locator {
    Locator::Header(name.to_owned(), None)
}

pub(crate) fn body(path: &str) -> Locator {
    Locator::Body(NativePath::parse(path).unwrap())
}

pub(crate) fn api(base_url: &str) -> Api {
    Api {
        base_url: template(base_url),
        sign_in: SignIn::None,
        headers: vec![],
        query: vec![],
        timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(3),
        concurrency: 8,
        rate: None,
        retry: Retry {
            attempts: 3,
            on: vec![429, 502, 503, 504],
            backoff: (Duration::from_millis(1), Duration::from_millis(2)),
            after: header("retry-after"),
            after_unit: TimeUnit::Seconds,
            methods: RetryMethods::Idempotent,
        },
        breaker: Breaker {
            failures: 0,
            pause: (Duration::from_secs(1), Duration::from_secs(1)),
            on: vec![],
        },
        tls: None,
        proxy: None,
        max_response: 1000,
        eventual: Duration::ZERO,
    }
}

/// `POST /login`, a token in the body, `Authorization: Bearer`, 401.
pub(crate) fn session() -> Session {
    Session {
        method: Method::Post,
        path: template("/login"),
        headers: vec![],
        body: Some(BodyTemplate::compile(&json!({ "password": "{config.secret}" })).unwrap()),
        encoding: Encoding::Json,
        token: body("$.token"),
        expires: None,
        lifetime: Duration::from_mins(30),
        send: TokenPlace::Header("Authorization".to_owned(), template("Bearer {token}")),
        renew_on: vec![401],
        renew_when: None,
        messages: vec![],
    }
}

pub(crate) const START: &str = "2026-11-21T18:38:06Z";
pub(crate) const SECRET: &str = "s3cret-Pa55";

/// Draws the same text again and again: every pause is 0.12 of the longest.
pub(crate) struct Constant;

impl IdSource for Constant {
    fn uuid(&self) -> String {
        String::new()
    }

    fn random(&self, _length: usize) -> String {
        "x".to_owned()
    }
}

/// A clock that is set by hand.
pub(crate) struct HandClock(Mutex<Timestamp>);

impl HandClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(START.parse().unwrap())))
    }

    pub(crate) fn forward(&self, seconds: u64) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(Duration::from_secs(seconds)).unwrap();
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

pub(crate) fn build(api: &Api, clock: Arc<HandClock>) -> Result<HttpUpstream, UpstreamSetupError> {
    build_with(api, &json!({ "secret": SECRET, "colon": "a:b", "none": null }), clock)
}

pub(crate) fn build_with(
    api: &Api,
    config: &Value,
    clock: Arc<HandClock>,
) -> Result<HttpUpstream, UpstreamSetupError> {
    let now = clock.now();
    let ambient = Ambient { ids: Arc::new(Constant), now, request_id: String::new() };
    HttpUpstream::new(api, config, &ambient, clock)
}

pub(crate) fn upstream(api: &Api) -> HttpUpstream {
    build(api, HandClock::new()).unwrap()
}

pub(crate) fn request(method: Method, path: &str) -> NativeRequest {
    NativeRequest {
        method,
        path: path.to_owned(),
        template: None,
        query: vec![],
        headers: vec![],
        body: Body::None,
        timeout: None,
        patience: None,
        urgency: Urgency::Usual,
        repeatable: false,
    }
}

pub(crate) fn get(path: &str) -> NativeRequest {
    request(Method::Get, path)
}

pub(crate) fn post(path: &str, body: Value) -> NativeRequest {
    NativeRequest { body: Body::Json(body), ..request(Method::Post, path) }
}

pub(crate) fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// One call of a fresh client.
pub(crate) async fn call(
    api: &Api,
    request: NativeRequest,
) -> Result<NativeResponse, UpstreamError> {
    upstream(api).call(request).await
}

/// An error with all its causes, for people and for programmers.
pub(crate) fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error: &&dyn Error| error.source());
    causes.map(|error| format!("{error} / {error:?}")).collect::<Vec<_>>().join("\n")
}
