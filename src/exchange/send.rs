//! Sending the calls that change a collection.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::convert::failure::Meaning;
use crate::convert::members::MemberCall;
use crate::exchange::error::ExchangeError;
use crate::exchange::native::{About, Exchange};
use crate::mapping::model::{Collection, CollectionSource, Outcome, Request, ResourceMapping};

/// Calls in flight for one collection.
const AT_ONCE: usize = 4;

/// What came of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// The application took it.
    Taken,
    /// It answered with a failure that the mapping accepts.
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
/// says whether that may have happened.
pub async fn all(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    key: &str,
    collection: &Collection,
    calls: Vec<MemberCall<'_>>,
) -> Result<bool, ExchangeError> {
    let at_once = match collection.source {
        CollectionSource::Items(_) => 1,
        CollectionSource::List(_) => AT_ONCE,
    };
    let mut doubts = false;
    let mut is_known = false;
    let mut calls = calls.into_iter().peekable();
    while let Some(first) = calls.next() {
        let request = first.request;
        let is_add = collection.add.as_ref().is_some_and(|add| std::ptr::eq(add, request));
        let mut group = vec![first];
        while let Some(next) = calls.next_if(|next| std::ptr::eq(next.request, request)) {
            group.push(next);
        }
        // Boxed one by one: a closure that borrows across an await has no type that is `Send`
        // enough.
        let mut pending: Vec<BoxFuture<'_, _>> = Vec::with_capacity(group.len());
        for call in group {
            pending.push(one(exchange, request, call, is_add).boxed());
        }
        let sent: Vec<Sent> = stream::iter(pending).buffered(at_once).try_collect().await?;
        doubts |= is_add && sent.iter().any(|sent| *sent != Sent::Taken);
        if sent.contains(&Sent::Unknown) && !is_known {
            // It may be the resource itself that is not there.
            exchange.record(resource, key).await?;
            is_known = true;
            tracing::warn!(resource = resource.name, "members that the application does not know");
        }
    }
    Ok(doubts)
}

async fn one(
    exchange: &Exchange<'_>,
    request: &Request,
    call: MemberCall<'_>,
    is_add: bool,
) -> Result<Sent, ExchangeError> {
    match exchange.call(call.native, &request.accept, About::Resource).await {
        Ok(response) if response.is_success() => Ok(Sent::Taken),
        Ok(_) => Ok(Sent::Declined),
        Err(ExchangeError::Native(failure))
            if is_add && failure.meaning == Meaning::Outcome(Outcome::NotFound) =>
        {
            Ok(Sent::Unknown)
        }
        Err(error) => Err(error),
    }
}
