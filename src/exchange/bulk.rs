//! POST of `/Bulk` (RFC 7644 section 3.7).
//!
//! Every operation is answered as the single request that it stands for, so whatever holds for
//! those holds here. Operations that have nothing to do with each other run at the same time,
//! unless `failOnErrors` is there: then one runs after the other, so that none is done that the
//! client did not want any more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::exchange::request::ScimRequest;
use crate::exchange::response::{Body, ScimResponse};
use crate::exchange::tenant::Tenant;
use crate::exchange::{render, represent};
use crate::mapping::model::ResourceMapping;
use crate::scim::bulk::error::{BulkError, OperationError};
use crate::scim::bulk::plan::{Part, Step, plan};
use crate::scim::bulk::reference;
use crate::scim::bulk::request::{BulkRequest, Call, MAX_PAYLOAD_SIZE, Operation, Verb};
use crate::scim::bulk::response::{OperationResult, bulk_response};
use crate::scim::urn;

/// Answers a single request, which must be over at a moment.
pub type Single = for<'t> fn(&'t Tenant, ScimRequest, Instant) -> BoxFuture<'t, ScimResponse>;

/// The most operations under way at a time.
const WIDTH: usize = 4;

/// Carries out a bulk request.
pub async fn answer(
    exchange: &Exchange<'_>,
    request: &ScimRequest,
    single: Single,
) -> Result<ScimResponse, ExchangeError> {
    if request.method != Method::POST {
        return Err(ExchangeError::MethodNotAllowed { allow: "POST" });
    }
    if request.body.len() > MAX_PAYLOAD_SIZE {
        return Err(BulkError::TooLarge { most: MAX_PAYLOAD_SIZE }.into());
    }
    let body: Value = serde_json::from_slice(&request.body).map_err(ExchangeError::Syntax)?;
    let bulk = exchange.bulk_request(&body)?;
    let resources = exchange.tenant.mapping.resources.iter();
    let types: Vec<_> = resources.map(|resource| &resource.resource_type).collect();
    let steps = plan(&bulk.operations, &types);
    let mut run = Run::new(exchange, request, &bulk, &steps);
    let width = if bulk.fail_on_errors.is_some() { 1 } else { WIDTH };
    let mut under_way = FuturesUnordered::new();
    loop {
        while under_way.len() < width
            && let Some(task) = run.next()
        {
            let prepared = run.prepare(&task);
            under_way.push(async move {
                let response = match prepared {
                    Ok(request) => {
                        single(exchange.tenant, request, exchange.course.deadline()).await
                    }
                    Err(error) => render::error(&error.into()),
                };
                (task, response)
            });
        }
        let Some((task, response)) = under_way.next().await else { break };
        run.settle(&task, response);
    }
    Ok(ScimResponse::json(200, bulk_response(run.results.into_values())))
}

/// A step and the operation it belongs to.
#[derive(Clone, Copy)]
struct Task<'r> {
    /// Among the steps, from 0.
    position: usize,
    step: &'r Step,
    operation: &'r Operation,
}

/// How long operations are begun at most, and this part of the request's time is left at least: what is
/// under way by then must be over before the gateway gives the whole request up.
const PATIENCE: Duration = Duration::from_secs(40);
const SPARE: u32 = 5;

/// A bulk request on its way.
struct Run<'r> {
    exchange: &'r Exchange<'r>,
    request: &'r ScimRequest,
    bulk: &'r BulkRequest,
    /// What is not begun, by position.
    tasks: BTreeMap<usize, Task<'r>>,
    /// How many steps each of them still waits for.
    waits: BTreeMap<usize, usize>,
    waited_for: BTreeMap<usize, Vec<usize>>,
    ready: BTreeSet<usize>,
    /// Ids of created resources, by bulkId.
    ids: BTreeMap<String, String>,
    /// By operation, so that they come out in the order of the request.
    results: BTreeMap<usize, OperationResult>,
    errors: usize,
    /// No operation begins later.
    last_begin: Instant,
}

impl<'r> Run<'r> {
    fn new(
        exchange: &'r Exchange<'r>,
        request: &'r ScimRequest,
        bulk: &'r BulkRequest,
        steps: &'r [Step],
    ) -> Self {
        let now = Instant::now();
        let left = exchange.course.deadline().saturating_duration_since(now);
        let mut run = Self {
            exchange,
            request,
            bulk,
            tasks: BTreeMap::new(),
            waits: BTreeMap::new(),
            waited_for: BTreeMap::new(),
            ready: BTreeSet::new(),
            ids: BTreeMap::new(),
            results: BTreeMap::new(),
            errors: 0,
            last_begin: now + left.saturating_sub(left / SPARE).min(PATIENCE),
        };
        for (position, step) in steps.iter().enumerate() {
            let Some(operation) = bulk.operations.get(step.operation) else { continue };
            run.tasks.insert(position, Task { position, step, operation });
            run.waits.insert(position, step.after.len());
            if step.after.is_empty() {
                run.ready.insert(position);
            }
            for earlier in &step.after {
                run.waited_for.entry(*earlier).or_default().push(position);
            }
        }
        run
    }

    /// The next task to begin; `None` while none can be begun. After too many errors, only what
    /// has been begun is completed.
    fn next(&mut self) -> Option<Task<'r>> {
        let most = self.bulk.fail_on_errors.map_or(usize::MAX, usize::from);
        while let Some(position) = self.ready.pop_first() {
            let Some(task) = self.tasks.remove(&position) else { continue };
            match &task.step.part {
                Part::Whole | Part::Without(_) if self.errors < most => return Some(task),
                Part::Rest(_) if self.id(task.operation).is_some() => return Some(task),
                Part::Whole | Part::Without(_) => {}
                // There is nothing to complete, but others wait for it to be over.
                Part::Rest(_) => self.release(position),
            }
        }
        None
    }

    /// The id of the resource that an operation has created.
    fn id(&self, operation: &Operation) -> Option<&String> {
        self.ids.get(operation.bulk_id.as_ref()?)
    }

    /// The single request of a task.
    fn prepare(&self, task: &Task<'r>) -> Result<ScimRequest, OperationError> {
        // Completing what is begun comes first; the rest is told in time.
        if Instant::now() > self.last_begin && !matches!(task.step.part, Part::Rest(_)) {
            return Err(OperationError::Late);
        }
        let call = task.operation.call.as_ref().map_err(Clone::clone)?;
        let mut data = call.data.clone();
        let (verb, segments, unresolved) = match &task.step.part {
            Part::Whole => (call.verb, call.segments.clone(), OperationError::Unresolved),
            Part::Without(bulk_ids) => {
                reference::take_out(&mut data, bulk_ids).ok_or(OperationError::Circular)?;
                (call.verb, call.segments.clone(), OperationError::Unresolved)
            }
            Part::Rest(bulk_ids) => {
                let rest = reference::take_out(&mut data, bulk_ids);
                let add = json!({ "op": "add", "value": rest.ok_or(OperationError::Circular)? });
                data = json!({ "schemas": [urn::PATCH_OP], "Operations": [add] });
                let id = self.id(task.operation).ok_or(OperationError::Circular)?;
                let segments = call.segments.iter().take(1).chain([id]).cloned().collect();
                (Verb::Patch, segments, OperationError::Circular)
            }
        };
        reference::replace(&mut data, &self.ids);
        let segments = self.resolved(&segments).ok_or(OperationError::Unresolved)?;
        if !reference::all(&data).is_disjoint(&call.references) {
            return Err(unresolved);
        }
        // What a POST creates has had no version before.
        let if_match = call.version.clone().filter(|_| call.verb != Verb::Post);
        let body = if data.is_null() { Bytes::new() } else { Bytes::from(data.to_string()) };
        Ok(ScimRequest {
            method: method(verb),
            segments,
            query: String::new(),
            body,
            content_type: self.request.content_type.clone(),
            if_match,
            if_none_match: None,
            base: self.request.base.clone(),
            // An application may be told the request id so that it does nothing twice.
            request_id: format!("{}-{}", self.request.request_id, task.step.operation + 1),
            caller: self.request.caller.clone(),
        })
    }

    /// A path with ids in the place of references; `None` when one of them has none.
    fn resolved(&self, segments: &[String]) -> Option<Vec<String>> {
        let resolve = |segment: &String| match reference::of(segment) {
            Some(bulk_id) => self.ids.get(bulk_id).cloned(),
            None => Some(segment.clone()),
        };
        segments.iter().map(resolve).collect()
    }

    /// Takes in the answer to a task.
    fn settle(&mut self, task: &Task<'r>, response: ScimResponse) {
        let id = response.body.as_ref().and_then(|body| body.get("id")).and_then(Value::as_str);
        let id = id.map(str::to_owned);
        let mut result = self.result(task, response);
        if result.is_success() {
            if result.verb == Some(Verb::Post)
                && let (Some(bulk_id), Some(id)) = (&result.bulk_id, id)
            {
                self.ids.insert(bulk_id.clone(), id);
            }
        } else {
            self.errors += 1;
        }
        let operation = task.step.operation;
        match &task.step.part {
            // As long as its references are missing the operation has not succeeded.
            Part::Without(_) if result.is_success() => {
                let error = render::error(&OperationError::Circular.into());
                result.status = error.status;
                result.response = error.body.map(Body::into_value);
            }
            Part::Whole | Part::Without(_) => {}
            Part::Rest(_) => {
                let created = self.results.get(&operation).and_then(|it| it.location.clone());
                result.location = created.or(result.location);
                if result.is_success() {
                    result.status = 201;
                }
            }
        }
        self.results.insert(operation, result);
        self.release(task.position);
    }

    /// Lets those begin that have waited for nothing else any more.
    fn release(&mut self, position: usize) {
        for waiting in self.waited_for.remove(&position).unwrap_or_default() {
            if let Some(count) = self.waits.get_mut(&waiting) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.ready.insert(waiting);
                }
            }
        }
    }

    fn result(&self, task: &Task<'r>, response: ScimResponse) -> OperationResult {
        let header = |wanted: &str| {
            let mut headers = response.headers.iter();
            headers.find(|(name, _)| *name == wanted).map(|(_, value)| value.clone())
        };
        let call = task.operation.call.as_ref().ok();
        let location = header("Location").or_else(|| self.location(call?));
        let version = header("ETag");
        let status = response.status;
        let verb = task.operation.verb;
        let bulk_id = task.operation.bulk_id.clone();
        let mut result =
            OperationResult { verb, bulk_id, location, version, status, response: None };
        if !result.is_success() {
            result.response = response.body.map(Body::into_value);
        }
        result
    }

    /// Where the resource of an operation is that creates none.
    fn location(&self, call: &Call) -> Option<String> {
        let segments = self.resolved(&call.segments)?;
        match (call.verb, segments.as_slice()) {
            (Verb::Put | Verb::Patch | Verb::Delete, [endpoint, id]) => {
                let resources = &self.exchange.tenant.mapping.resources;
                let is_it = |it: &&ResourceMapping| {
                    let name = it.resource_type.endpoint.trim_start_matches('/');
                    name.eq_ignore_ascii_case(endpoint)
                };
                let resource = resources.iter().find(is_it)?;
                Some(represent::location(self.exchange, resource, id))
            }
            (Verb::Post | Verb::Put | Verb::Patch | Verb::Delete, _) => None,
        }
    }
}

fn method(verb: Verb) -> Method {
    match verb {
        Verb::Post => Method::POST,
        Verb::Put => Method::PUT,
        Verb::Patch => Method::PATCH,
        Verb::Delete => Method::DELETE,
    }
}
