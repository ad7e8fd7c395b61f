//! Native calls as they happen, for people who watch.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::exchange::upstream::{Link, Upstream, UpstreamError};
use crate::native::message::{Body, NativeRequest, NativeResponse};

/// A native call and its answer's status.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The call.
    pub request: NativeRequest,
    /// The status; `None` when there was no answer.
    pub status: Option<u16>,
}

/// An `Upstream` that keeps a record of every call.
pub struct Recorder {
    inner: Arc<dyn Upstream>,
    calls: Mutex<Vec<Recorded>>,
}

impl Recorder {
    /// Records the calls to `inner`.
    pub fn new(inner: Arc<dyn Upstream>) -> Self {
        Self { inner, calls: Mutex::new(Vec::new()) }
    }

    /// The calls since the last time this was asked.
    pub fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Upstream for Recorder {
    async fn call(&self, request: NativeRequest) -> Result<NativeResponse, UpstreamError> {
        let answer = self.inner.call(request.clone()).await;
        let status = answer.as_ref().ok().map(|response| response.status);
        let recorded = Recorded { request, status };
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(recorded);
        answer
    }

    fn follow(&self, asked: &str, link: &str) -> Result<Link, UpstreamError> {
        self.inner.follow(asked, link)
    }
}

/// The call as one line: `PATCH /people/7 {"disabled":true}`.
pub fn line(request: &NativeRequest) -> String {
    let mut text = format!("{} {}", request.method.name(), request.path);
    for (index, (name, value)) in request.query.iter().enumerate() {
        let separator = if index == 0 { '?' } else { '&' };
        text.extend([separator.to_string().as_str(), name, "=", value]);
    }
    match &request.body {
        Body::None => {}
        Body::Json(body) => text.extend([" ", &body.to_string()]),
        Body::Form(fields) => text.extend([" ", &format!("{fields:?}")]),
    }
    text
}
