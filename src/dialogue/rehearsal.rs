//! A dry run of one SCIM request: through the real engine, against recorded answers or the reads of a
//! real application, with everything written down that came of it.

use std::sync::Arc;

use crate::dialogue::noted::{Note, NotedSidecar};
use crate::dialogue::player;
use crate::dialogue::pushdown::{self, Answered};
use crate::dialogue::read_only::{ReadOnly, Reads};
use crate::dialogue::recorder::{Recorded, Recorder};
use crate::dialogue::script::ScriptedUpstream;
use crate::dialogue::stage;
use crate::exchange::engine;
use crate::exchange::request::ScimRequest;
use crate::exchange::response::ScimResponse;
use crate::exchange::upstream::Upstream;
use crate::mapping::model::{Attempt, Mapping};
use crate::sidecar::port::{Sidecar, StoreError};

/// What came of a dry run.
#[derive(Debug)]
pub struct Rehearsal {
    /// How the request's filter is answered.
    pub filter: Option<Answered>,
    /// The native calls, in the order in which they began.
    pub calls: Vec<Recorded>,
    /// What was written to the side-car.
    pub notes: Vec<Note>,
    /// The SCIM answer.
    pub response: ScimResponse,
    /// How it ended.
    pub end: End,
}

/// How a dry run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Every call had its answer.
    Whole,
    /// There was something to write, and nothing is written.
    HeldBack,
    /// A call has no answer: none is recorded, or the application gave none.
    Unanswered,
    /// The calls are not those whose answers were recorded.
    Differs(Vec<String>),
}

/// It could not begin.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// The request line is none.
    #[error("\"{0}\" is not a method and a path")]
    NotARequest(String),
    /// `given` cannot be made true.
    #[error("the side-car cannot be filled")]
    Sidecar(#[from] StoreError),
}

/// Plays a request. With an application, reads go there, and recorded answers are for the writes.
///
/// # Errors
/// When there is nothing to begin with.
pub async fn run(
    mapping: &Arc<Mapping>,
    attempt: &Attempt,
    application: Option<Arc<dyn Upstream>>,
) -> Result<Rehearsal, RehearsalError> {
    // A tenant is large, and whoever waits for this should not be.
    Box::pin(play(mapping, attempt, application)).await
}

async fn play(
    mapping: &Arc<Mapping>,
    attempt: &Attempt,
    application: Option<Arc<dyn Upstream>>,
) -> Result<Rehearsal, RehearsalError> {
    let request = player::request(&attempt.scim, &attempt.headers, attempt.body.as_ref())
        .ok_or_else(|| RehearsalError::NotARequest(attempt.scim.clone()))?;
    let script = Arc::new(ScriptedUpstream::new(attempt.native.clone()));
    let live = application.map(|application| {
        let reads = if is_read(&request) { Reads::Everything } else { Reads::of(mapping) };
        Arc::new(ReadOnly::new(application, Arc::clone(&script), reads))
    });
    let upstream = match &live {
        Some(live) => Arc::clone(live) as Arc<dyn Upstream>,
        None => Arc::clone(&script) as Arc<dyn Upstream>,
    };
    let recorder = Arc::new(Recorder::new(upstream));
    let mut tenant =
        stage::set(mapping, &attempt.given, Arc::clone(&recorder) as Arc<dyn Upstream>).await?;
    let noted = Arc::new(NotedSidecar::new(tenant.sidecar));
    tenant.sidecar = Arc::clone(&noted) as Arc<dyn Sidecar>;
    let filter = pushdown::of_request(mapping, &attempt.given, &request).await;
    let response = engine::answer(&tenant, request).await;
    let calls = recorder.take();
    let is_held_back = live.is_some_and(|live| live.has_held_back());
    let end = if is_held_back { End::HeldBack } else { end(&calls, script.differences()) };
    Ok(Rehearsal { filter, calls, notes: noted.notes(), response, end })
}

/// Whether a SCIM request asks for nothing but an answer.
fn is_read(request: &ScimRequest) -> bool {
    let is_search = request.segments.last().is_some_and(|segment| segment == ".search");
    request.method.is_safe() || (request.method == http::Method::POST && is_search)
}

fn end(calls: &[Recorded], differences: Vec<String>) -> End {
    let is_known = |difference: &String| difference.starts_with("unexpected call");
    let others: Vec<String> =
        differences.into_iter().filter(|difference| !is_known(difference)).collect();
    if !others.is_empty() {
        return End::Differs(others);
    }
    let is_unanswered = calls.iter().any(|call| call.answer.is_none());
    if is_unanswered { End::Unanswered } else { End::Whole }
}
