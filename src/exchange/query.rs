//! Queries of one resource type (RFC 7644 section 3.4.2), by index or by cursor (RFC 9865).

use std::collections::BTreeSet;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use crate::exchange::cursor::{Cursor, Desk, Position};
use crate::exchange::error::ExchangeError;
use crate::exchange::hit::{Hit, Window};
use crate::exchange::native::Exchange;
use crate::exchange::represent;
use crate::exchange::response::{Body, ScimResponse};
use crate::exchange::{sorted, straight, trail};
use crate::mapping::model::ResourceMapping;
use crate::scim::list::{cursor_page, list_head, list_response};
use crate::scim::query::Query;

/// Answers a query.
pub async fn answer(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    query: &Query,
) -> Result<ScimResponse, ExchangeError> {
    exchange.note_literals(resource, query);
    if let Some(cursor) = &query.cursor {
        return by_cursor(exchange, resource, query, cursor).await;
    }
    let order = sorted::order(exchange, resource, query).await?;
    let window = window(exchange, query);
    let found = sorted::find(exchange, resource, query, order, window).await?;
    let projection = &query.projection;
    let records: Option<Vec<_>> = found.page.iter().map(Hit::unread).collect();
    if let Some(records) = &records {
        let mut text = list_head(records.len(), found.total, query.start_index).into_bytes();
        let written = straight::page(exchange, resource, projection, records, &mut text).await?;
        if written.is_some() {
            text.push(b'}');
            let body = Some(Body::written(text));
            return Ok(ScimResponse { status: 200, headers: Vec::new(), body });
        }
    }
    let resources = present(exchange, resource, query, found.page, &found.answered).await?;
    Ok(ScimResponse::json(200, list_response(resources, found.total, query.start_index)))
}

/// The window that a query by index asks for.
pub fn window(exchange: &Exchange<'_>, query: &Query) -> Window {
    let most = exchange.tenant.max_results;
    Window { start: query.start_index, count: query.count.unwrap_or(most).min(most) }
}

/// How many results a page of a query by cursor has.
pub fn page_size(exchange: &Exchange<'_>, query: &Query) -> u64 {
    window(exchange, query).count.max(1)
}

/// Where the cursors of a query at an endpoint are sealed and opened.
pub fn desk<'t>(exchange: &Exchange<'t>, endpoint: &str, query: &Query) -> Desk<'t> {
    let tenant = exchange.tenant;
    let place = [tenant.name.as_str(), tenant.mapping.name.as_str(), endpoint];
    Desk::new(&*tenant.seal, exchange.ambient.now, place, query)
}

async fn by_cursor(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    query: &Query,
    cursor: &str,
) -> Result<ScimResponse, ExchangeError> {
    let count = page_size(exchange, query);
    let desk = desk(exchange, &resource.name, query);
    let cursor = Cursor::read(&desk, cursor)?;
    let leg = trail::leg(exchange, resource, query, cursor.position, count).await?;
    let next = leg.next.and_then(|position| {
        let write = |position| Cursor { resource: 0, position: Some(position) }.write(&desk);
        // A link that no URL can hold: the next page is counted off instead.
        write(position).or_else(|| write(Position::Behind(leg.given)))
    });
    let resources = present(exchange, resource, query, leg.page, &leg.answered).await?;
    Ok(ScimResponse::json(200, cursor_page(resources, leg.total, next.as_deref())))
}

/// Resources of a page that are completed at once.
const AT_ONCE: usize = 4;

/// Resources as they are sent.
pub async fn present(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    query: &Query,
    page: Vec<Hit>,
    answered: &BTreeSet<usize>,
) -> Result<Vec<Value>, ExchangeError> {
    let mut needed = represent::needed(resource, &query.projection);
    // Members are not read for a client that found its groups by member, unless it names them.
    let is_named = !query.projection.attributes.is_empty();
    needed.retain(|index| is_named || !answered.contains(index));
    // A few at a time, in their order. Boxed one by one: a closure that borrows across an await
    // has no type that is `Send` enough.
    let mut pending: Vec<BoxFuture<'_, Result<Value, ExchangeError>>> =
        Vec::with_capacity(page.len());
    for hit in page {
        pending.push(present_one(exchange, resource, query, hit, &needed).boxed());
    }
    stream::iter(pending).buffered(AT_ONCE).try_collect().await
}

async fn present_one(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    query: &Query,
    hit: Hit,
    needed: &[usize],
) -> Result<Value, ExchangeError> {
    let is_complete = needed.iter().all(|index| hit.external.contains(index));
    let view = match hit.view.filter(|_| is_complete) {
        Some(view) => view,
        None => {
            let native = hit.native.into_value();
            exchange.state(resource, &hit.located, native, needed).await?.view
        }
    };
    Ok(represent::body(exchange, resource, view, &query.projection, &[]))
}
