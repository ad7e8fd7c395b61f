//! Queries of every resource type at once (RFC 7644 sections 3.4.2.1 and 3.4.3): `POST /.search`
//! and `GET` on the base itself. The results of one type follow those of the type before it in the
//! mapping file, unless they are sorted together.

use serde_json::Value;

use crate::exchange::cursor::{Cursor, Position};
use crate::exchange::error::ExchangeError;
use crate::exchange::hit::{Hit, Window};
use crate::exchange::native::Exchange;
use crate::exchange::query::{desk, page_size, present, window};
use crate::exchange::response::ScimResponse;
use crate::exchange::search::{self, Asked, Found};
use crate::exchange::{sorted, trail};
use crate::mapping::model::ResourceMapping;
use crate::scim::deviation::Deviation;
use crate::scim::list::{cursor_page, list_response};
use crate::scim::query::Query;
use crate::scim::sort::{Rank, Sorting};
use crate::scim::value::Dialect;

/// What cursors of these queries belong to; no resource type has an empty name.
const EVERYWHERE: &str = "";

/// Answers a query of all resource types.
pub async fn answer(exchange: &Exchange<'_>, query: &Query) -> Result<ScimResponse, ExchangeError> {
    let is_sorted = is_sorted(exchange, query)?;
    match &query.cursor {
        None => {
            let (resources, total) = if is_sorted {
                sorted_page(exchange, query, window(exchange, query)).await?
            } else {
                listed_page(exchange, query, window(exchange, query)).await?
            };
            Ok(ScimResponse::json(200, list_response(resources, total, query.start_index)))
        }
        Some(text) => {
            let count = page_size(exchange, query);
            let cursor = Cursor::read(&desk(exchange, EVERYWHERE, query), text)?;
            if is_sorted {
                sorted_by_cursor(exchange, query, &cursor, count).await
            } else {
                listed_by_cursor(exchange, query, cursor, count).await
            }
        }
    }
}

/// Whether any type has an order by the attribute asked for.
fn is_sorted(exchange: &Exchange<'_>, query: &Query) -> Result<bool, ExchangeError> {
    let Some(path) = &query.sort_by else { return Ok(false) };
    let dialect = exchange.tenant.dialect;
    let mut types = exchange.tenant.mapping.resources.iter().map(|it| &it.resource_type);
    let has_order = types.any(|it| Sorting::new(path, it, dialect).is_some());
    match dialect {
        Dialect::Strict if !has_order => return Err(sorted::unsortable()),
        Dialect::Lenient if !has_order => {
            exchange.noting(|noted| noted.note(Deviation::UnsortableAttribute));
        }
        Dialect::Strict | Dialect::Lenient => {}
    }
    Ok(has_order)
}

async fn listed_page(
    exchange: &Exchange<'_>,
    query: &Query,
    window: Window,
) -> Result<(Vec<Value>, u64), ExchangeError> {
    let (mut resources, mut total) = (Vec::new(), 0_u64);
    for resource in &exchange.tenant.mapping.resources {
        let rest = Window {
            start: window.start.saturating_sub(total).max(1),
            count: window.count.saturating_sub(resources.len() as u64),
        };
        let asked = Asked::new(query.filter.as_ref(), rest);
        let Found { page, answered, total: matched } =
            search::search(exchange, resource, asked).await?;
        // A window that begins behind the last of this type has none of it.
        resources.extend(present(exchange, resource, query, page, &answered).await?);
        total = total.saturating_add(matched);
    }
    Ok((resources, total))
}

async fn sorted_page(
    exchange: &Exchange<'_>,
    query: &Query,
    window: Window,
) -> Result<(Vec<Value>, u64), ExchangeError> {
    let mut ranked: Vec<(Rank, (&ResourceMapping, Hit))> = Vec::new();
    for resource in &exchange.tenant.mapping.resources {
        let found = sorted::everything(exchange, resource, query).await?;
        let dialect = exchange.tenant.dialect;
        let path = query.sort_by.as_ref();
        let sorting = path.and_then(|path| Sorting::new(path, &resource.resource_type, dialect));
        ranked.extend(
            found.page.into_iter().map(|hit| (hit.rank(sorting.as_ref()), (resource, hit))),
        );
    }
    let total = ranked.len() as u64;
    sorted::sort_ranked(&mut ranked, query.sort_order);
    let mut resources = Vec::new();
    for (resource, hit) in sorted::cut(ranked, window) {
        let none = std::collections::BTreeSet::new();
        resources.extend(present(exchange, resource, query, vec![hit], &none).await?);
    }
    Ok((resources, total))
}

async fn sorted_by_cursor(
    exchange: &Exchange<'_>,
    query: &Query,
    cursor: &Cursor,
    count: u64,
) -> Result<ScimResponse, ExchangeError> {
    let given = match cursor.position {
        Some(Position::Behind(given)) => given,
        Some(Position::Listed(_) | Position::Off(..)) | None => 0,
    };
    let window = Window { start: given.saturating_add(1), count };
    let (resources, total) = sorted_page(exchange, query, window).await?;
    let given = given.saturating_add(resources.len() as u64);
    let goes_on = !resources.is_empty() && given < total;
    let next = Cursor { resource: 0, position: Some(Position::Behind(given)) };
    let next = goes_on.then(|| next.write(&desk(exchange, EVERYWHERE, query))).flatten();
    Ok(ScimResponse::json(200, cursor_page(resources, Some(total), next.as_deref())))
}

async fn listed_by_cursor(
    exchange: &Exchange<'_>,
    query: &Query,
    cursor: Cursor,
    count: u64,
) -> Result<ScimResponse, ExchangeError> {
    let mut resources = Vec::new();
    let mut position = cursor.position;
    let mut next = None;
    let all = exchange.tenant.mapping.resources.iter().enumerate();
    for (index, resource) in all.skip(cursor.resource) {
        let rest = count.saturating_sub(resources.len() as u64);
        let write = |position| {
            Cursor { resource: index, position }.write(&desk(exchange, EVERYWHERE, query))
        };
        if rest == 0 {
            next = write(None);
            break;
        }
        let leg = trail::leg(exchange, resource, query, position.take(), rest).await?;
        resources.extend(present(exchange, resource, query, leg.page, &leg.answered).await?);
        if let Some(position) = leg.next {
            next = write(Some(position)).or_else(|| write(Some(Position::Behind(leg.given))));
            break;
        }
    }
    Ok(ScimResponse::json(200, cursor_page(resources, None, next.as_deref())))
}
