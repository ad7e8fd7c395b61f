//! Native calls as they happen, for people who watch.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::exchange::upstream::{Link, Upstream, UpstreamError};
use crate::native::message::{Body, NativeRequest, NativeResponse};

/// A native call and its answer.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The call.
    pub request: NativeRequest,
    /// The answer; `None` when there was none.
    pub answer: Option<NativeResponse>,
    /// Why there was none, with its causes.
    pub failure: Option<String>,
}

impl Recorded {
    /// The status of the answer.
    pub fn status(&self) -> Option<u16> {
        self.answer.as_ref().map(|answer| answer.status)
    }
}

/// An `Upstream` that keeps a record of every call, in the order in which they began.
pub struct Recorder {
    inner: Arc<dyn Upstream>,
    calls: Mutex<Vec<Recorded>>,
}

impl Recorder {
    /// Records the calls to `inner`.
    pub fn new(inner: Arc<dyn Upstream>) -> Self {
        Self { inner, calls: Mutex::new(Vec::new()) }
    }

    /// The calls since the last time this was asked, when none is under way.
    pub fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Upstream for Recorder {
    async fn call(&self, request: NativeRequest) -> Result<NativeResponse, UpstreamError> {
        let index = {
            let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            calls.push(Recorded { request: request.clone(), answer: None, failure: None });
            calls.len() - 1
        };
        let answer = self.inner.call(request).await;
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(recorded) = calls.get_mut(index) {
            match &answer {
                Ok(answer) => recorded.answer = Some(answer.clone()),
                Err(error) => recorded.failure = Some(causes(error)),
            }
        }
        drop(calls);
        answer
    }

    fn follow(&self, asked: &str, link: &str) -> Result<Link, UpstreamError> {
        self.inner.follow(asked, link)
    }
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.extend([": ", &cause.to_string()]);
        source = cause.source();
    }
    text
}

/// The call as one line: `PATCH /people/7 {"disabled":true}`.
pub fn line(request: &NativeRequest) -> String {
    let mut text = target(request);
    match &request.body {
        Body::None => {}
        Body::Json(body) => text.extend([" ", &body.to_string()]),
        Body::Form(fields) => text.extend([" ", &format!("{fields:?}")]),
    }
    text
}

/// Method, path and query: `GET /people?login=ada`.
pub fn target(request: &NativeRequest) -> String {
    let mut text = format!("{} {}", request.method.name(), request.path);
    for (index, (name, value)) in request.query.iter().enumerate() {
        let separator = if index == 0 { "?" } else { "&" };
        text.extend([separator, name, "=", value]);
    }
    text
}
