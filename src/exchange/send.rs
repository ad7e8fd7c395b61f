//! Sending the calls that change a collection.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::convert::failure::Meaning;
use crate::convert::members::{MemberCall, Prepared};
use crate::convert::{key, lookup, request};
use crate::exchange::error::ExchangeError;
use crate::exchange::native::{About, Exchange};
use crate::mapping::model::{Collection, CollectionSource, Outcome, Request, ResourceMapping};
use crate::mapping::scope::Scope;
use crate::native::message::NativeRequest;

/// Calls in flight for one collection.
const AT_ONCE: usize = 4;

/// What a call does to the collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It adds.
    Adds,
    /// It removes.
    Removes,
    /// It changes or replaces.
    Other,
}

/// What came of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The application took it.
    Taken,
    /// There was nothing to do, or it answered with a failure that the mapping accepts.
    Declined,
    /// It knows no such element, or no such resource.
    Unknown,
}

/// Sends member calls and stops at the first failure. Adds are through before changes begin, and
/// changes before removes. Elements of the record itself are written one after another: an
/// application that reads, changes and writes its record loses one of two calls at once.
///
/// An added element that the application does not know is left out: identity providers send
/// references before, or without, their targets, and one must not cost the others. The answer
/// says whether that may have happened. A removed one that it does not know is gone already.
pub async fn all(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    key: &str,
    collection: &Collection,
    calls: Vec<MemberCall<'_>>,
    scope: &Scope<'_>,
) -> Result<bool, ExchangeError> {
    let at_once = match collection.source {
        CollectionSource::Items(_) => 1,
        CollectionSource::List(_) => AT_ONCE,
    };
    let mut doubts = false;
    let (mut is_known, mut has_taken) = (false, false);
    let mut calls = calls.into_iter().peekable();
    while let Some(first) = calls.next() {
        let request = first.request;
        let effect = effect(collection, request);
        let mut group = vec![first];
        while let Some(next) = calls.next_if(|next| std::ptr::eq(next.request, request)) {
            group.push(next);
        }
        // Boxed one by one: a closure that borrows across an await has no type that is `Send`
        // enough.
        let mut pending: Vec<BoxFuture<'_, _>> = Vec::with_capacity(group.len());
        for call in group {
            pending.push(one(exchange, collection, call, effect, scope).boxed());
        }
        let sent: Vec<Sent> = stream::iter(pending).buffered(at_once).try_collect().await?;
        doubts |= effect == Effect::Adds && sent.iter().any(|sent| *sent != Sent::Taken);
        // Nobody can be taken out of what is not there.
        is_known |= effect == Effect::Removes && (has_taken || sent.contains(&Sent::Taken));
        has_taken |= sent.contains(&Sent::Taken);
        if sent.contains(&Sent::Unknown) && !is_known {
            // It may be the resource itself that is not there.
            exchange.record(resource, key).await?;
            is_known = true;
            tracing::warn!(resource = resource.name, "members that the application does not know");
        }
    }
    Ok(doubts)
}

fn effect(collection: &Collection, request: &Request) -> Effect {
    let is = |own: &Option<Request>| own.as_ref().is_some_and(|own| std::ptr::eq(own, request));
    match (is(&collection.add), is(&collection.remove)) {
        (true, _) => Effect::Adds,
        (false, true) => Effect::Removes,
        (false, false) => Effect::Other,
    }
}

/// Sends one call, after its look-ups. What they read may be what the call writes back, so nobody
/// else changes a membership of the same member meanwhile.
pub async fn one(
    exchange: &Exchange<'_>,
    collection: &Collection,
    call: MemberCall<'_>,
    effect: Effect,
    scope: &Scope<'_>,
) -> Result<Sent, ExchangeError> {
    let MemberCall { request, prepared } = call;
    let subject = match prepared {
        Prepared::Ready(native) => return deliver(exchange, request, native, effect).await,
        Prepared::Waiting(subject) => subject,
    };
    let target = collection.reference.as_deref().unwrap_or_default();
    let member = key::text(&subject.member).unwrap_or_default();
    let _held = exchange.tenant.locks.hold_member(target, &member).await?;
    let scope = subject.over(scope.clone());
    if lookup::is_asked_first(request) && !request::is_due(request, &scope)? {
        return Ok(Sent::Declined);
    }
    let picks = match exchange.picks(request, &scope).await {
        Err(ExchangeError::NothingPicked { name }) if is_of_member(request, &name) => {
            return Ok(match effect {
                Effect::Adds => Sent::Unknown,
                // Nobody has to be taken out who is not there.
                Effect::Removes | Effect::Other => Sent::Declined,
            });
        }
        other => other?,
    };
    match subject.build(request, &picks.over(scope))? {
        Some(native) => deliver(exchange, request, native, effect).await,
        None => Ok(Sent::Declined),
    }
}

/// Whether a look-up asks for something of the member's.
fn is_of_member(request: &Request, name: &str) -> bool {
    let lookup = request.with.iter().find(|(have, _)| have == name);
    lookup.is_some_and(|(_, lookup)| {
        let mentions = lookup.mentions();
        let mut roots = mentions.iter().filter_map(|mention| mention.split('.').next());
        roots.any(|root| matches!(root, "member" | "members" | "item" | "items"))
    })
}

async fn deliver(
    exchange: &Exchange<'_>,
    request: &Request,
    native: NativeRequest,
    effect: Effect,
) -> Result<Sent, ExchangeError> {
    match exchange.write(request, native, About::Resource).await {
        Ok(response) if response.is_success() => Ok(Sent::Taken),
        Ok(_) => Ok(Sent::Declined),
        Err(ExchangeError::Native(failure))
            if effect != Effect::Other
                && failure.meaning == Meaning::Outcome(Outcome::NotFound) =>
        {
            Ok(Sent::Unknown)
        }
        Err(error) => Err(error),
    }
}
