//! What an exchange tells the audit trail.
//!
//! Before the first call that may change something in the application it is durable that the
//! exchange has begun. That is written down while the exchange still reads, so that it seldom has
//! to wait for it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::Method;
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::audit::changes::{self, Keep};
use crate::audit::event::{Changed, Details, Event, NativeCall, Operation, Outcome};
use crate::audit::journal::{Journal, NotRecorded, Ticket};
use crate::audit::redact;
use crate::convert::delta::Delta;
use crate::exchange::request::ScimRequest;
use crate::exchange::response::ScimResponse;
use crate::exchange::tenant::Tenant;
use crate::exchange::upstream::UpstreamError;
use crate::mapping::model::ResourceMapping;
use crate::native::message::{NativeRequest, NativeResponse};
use crate::scim::resource::Resource;

/// Most calls of an event that read, and that write.
const MOST: (usize, usize) = (50, 1000);

/// What has been seen of an exchange.
#[derive(Default)]
pub struct Witness {
    seen: Option<Box<Seen>>,
}

struct Seen {
    journal: Journal,
    keep: Keep,
    began: Instant,
    notes: Mutex<Notes>,
    /// Whether it is durable that the exchange has begun; set once.
    durable: OnceCell<bool>,
}

struct Notes {
    event: Event,
    /// Under which number it has begun, if it has.
    sequence: Option<i64>,
    ticket: Option<Ticket>,
    reads: usize,
    writes: usize,
    /// Whether something was sent that may have changed something.
    has_sent: bool,
}

/// A call on its way.
pub(in crate::exchange) struct Call {
    method: &'static str,
    path: String,
    is_read: bool,
    began: Instant,
}

impl Witness {
    /// The witness of a request; one that sees nothing where nothing of it is kept.
    pub(in crate::exchange) fn of(tenant: &Tenant, request: &ScimRequest) -> Self {
        let journal = &tenant.precautions.journal;
        let operation = operation(request);
        let Some(keep) = journal.keeps(operation) else { return Self::default() };
        let principal = &request.caller.principal;
        let (resource, resource_id) = subject(tenant, request, operation);
        let event = Event {
            at: tenant.clock.now(),
            tenant: tenant.name.clone(),
            token: principal.label().to_owned(),
            request_id: request.request_id.clone(),
            operation,
            resource,
            resource_id,
            outcome: Outcome::Interrupted,
            details: Details {
                token_id: principal.token_id().map(str::to_owned),
                client: request.caller.client,
                ..Details::default()
            },
        };
        let notes =
            Notes { event, sequence: None, ticket: None, reads: 0, writes: 0, has_sent: false };
        Self {
            seen: Some(Box::new(Seen {
                journal: journal.clone(),
                keep,
                began: Instant::now(),
                notes: Mutex::new(notes),
                durable: OnceCell::new(),
            })),
        }
    }

    /// A call is about to be sent.
    pub(in crate::exchange) async fn before(
        &self,
        native: &NativeRequest,
    ) -> Result<Option<Call>, NotRecorded> {
        let Some(seen) = &self.seen else { return Ok(None) };
        let is_read = native.method.is_safe();
        if seen.begins() && !is_read {
            seen.is_durable().await?;
        }
        if !is_read {
            seen.notes().has_sent = true;
        }
        let path = redact::path(&native.path, &native.query);
        Ok(Some(Call { method: native.method.name(), path, is_read, began: Instant::now() }))
    }

    /// A call is over.
    pub(in crate::exchange) fn after(
        &self,
        call: Option<Call>,
        answer: &Result<NativeResponse, UpstreamError>,
    ) {
        let (Some(seen), Some(call)) = (&self.seen, call) else { return };
        let mut notes = seen.notes();
        let (count, most) =
            if call.is_read { (&mut notes.reads, MOST.0) } else { (&mut notes.writes, MOST.1) };
        *count += 1;
        if *count > most {
            notes.event.details.omitted += 1;
            return;
        }
        notes.event.details.native.push(NativeCall {
            method: Cow::Borrowed(call.method),
            path: call.path,
            status: answer.as_ref().ok().map(|response| response.status),
            ms: milliseconds(call.began),
        });
    }

    /// A resource is to become another one.
    pub(in crate::exchange) fn changes(
        &self,
        resource: &ResourceMapping,
        before: &Resource,
        wanted: &Resource,
        deltas: &BTreeMap<usize, Delta>,
    ) {
        let Some(seen) = &self.seen else { return };
        let mut changed = changes::between(&resource.resource_type, before, wanted, seen.keep);
        for (index, delta) in deltas {
            let Some(collection) = resource.collections.get(*index) else { continue };
            let place = &collection.place;
            let path = match &place.extension {
                Some(urn) => format!("{urn}:{}", place.attribute),
                None => place.attribute.clone(),
            };
            if changed.iter().any(|known| known.path == path) {
                continue;
            }
            let removed: Vec<Value> =
                delta.remove.iter().map(|(element, _)| element.clone()).collect();
            let added = delta.change.iter().map(|(element, _)| element).chain(&delta.add);
            let added: Vec<Value> = added.cloned().collect();
            changed.push(changes::of_elements(path, &added, &removed, seen.keep));
        }
        let mut notes = seen.notes();
        let known = &mut notes.event.details.changed;
        let is_new = |new: &Changed| !known.iter().any(|known| known.path == new.path);
        changed.retain(is_new);
        known.extend(changed);
    }

    /// The exchange is over. `failure` is what kind of one it was.
    pub(in crate::exchange) fn finish(
        mut self,
        response: &ScimResponse,
        failure: Option<&'static str>,
    ) {
        let Some(mut seen) = self.seen.take() else { return };
        let milliseconds = milliseconds(seen.began);
        let notes = seen.notes.get_mut().unwrap_or_else(PoisonError::into_inner);
        notes.event.outcome = Outcome::Answered(response.status);
        let is_new = notes.event.operation == Operation::Create && failure.is_none();
        // Only then, since a body that was written as text has to be read for it.
        if let Some(id) = is_new.then(|| response.text("id")).flatten() {
            id.clone_into(&mut notes.event.resource_id);
        }
        let details = &mut notes.event.details;
        details.ms = milliseconds;
        details.failure = failure.map(Cow::Borrowed);
        details.scim_type = failure
            .and_then(|_| response.text("scimType"))
            .map(|keyword| Cow::Owned(keyword.to_owned()));
        seen.end();
    }
}

impl Drop for Witness {
    /// The exchange panicked, or the process ends: what is known is kept.
    fn drop(&mut self) {
        if let Some(seen) = self.seen.take() {
            seen.end();
        }
    }
}

impl Seen {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        // What a panicking caller left behind is whole.
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to write down that a write has begun; says whether this is one.
    fn begins(&self) -> bool {
        let mut notes = self.notes();
        if !notes.event.operation.is_write() {
            return false;
        }
        if notes.sequence.is_none() {
            let ticket = self.journal.begin(notes.event.clone());
            notes.sequence = ticket.as_ref().map(|ticket| ticket.sequence);
            notes.ticket = ticket;
        }
        true
    }

    async fn is_durable(&self) -> Result<(), NotRecorded> {
        let waited = self.durable.get_or_init(|| async {
            let ticket = self.notes().ticket.take();
            match ticket {
                Some(ticket) => ticket.durable().await.is_ok(),
                None => false,
            }
        });
        if *waited.await { Ok(()) } else { Err(NotRecorded) }
    }

    fn end(self: Box<Self>) {
        let notes = self.notes.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.journal.end(notes.sequence, notes.event, notes.has_sent);
    }
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// What a request asks for. Where the engine refuses it, what it would have been.
fn operation(request: &ScimRequest) -> Operation {
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    let is = |name: &str, segment: &str| name.eq_ignore_ascii_case(segment);
    let discovers = |segment: &str| {
        ["ServiceProviderConfig", "ServiceProviderConfigs", "ResourceTypes", "Schemas"]
            .into_iter()
            .any(|name| is(name, segment))
    };
    match (&request.method, segments.as_slice()) {
        (_, [first, ..]) if discovers(first) => Operation::Discover,
        (_, [first]) if is("Bulk", first) => Operation::Bulk,
        (&Method::POST, [first]) if is(".search", first) => Operation::Search,
        (&Method::POST, [_, search]) if *search == ".search" => Operation::Search,
        (&Method::POST, _) => Operation::Create,
        (&Method::PUT, _) => Operation::Replace,
        (&Method::PATCH, _) => Operation::Patch,
        (&Method::DELETE, _) => Operation::Delete,
        (_, [_, _, ..]) => Operation::Get,
        (_, [_] | []) => Operation::Query,
    }
}

/// The resource type and the id that a request names, as far as there are such.
fn subject(tenant: &Tenant, request: &ScimRequest, operation: Operation) -> (String, String) {
    let mut segments = request.segments.iter();
    let named = segments.next().and_then(|first| {
        tenant.mapping.resources.iter().find(|resource| {
            resource.resource_type.endpoint.trim_start_matches('/').eq_ignore_ascii_case(first)
        })
    });
    let Some(resource) = named else { return (String::new(), String::new()) };
    let id = segments.next().filter(|_| operation != Operation::Search);
    // An id that somebody made up is not kept whole.
    let id = id.filter(|id| id.len() <= 512).cloned().unwrap_or_default();
    (resource.name.clone(), id)
}
