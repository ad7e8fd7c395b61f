//! The order of results (RFC 7644 section 3.4.2.3): the application's where the mapping says how,
//! else the bridge's own, within the bounds of a scan.

use crate::convert::sort;
use crate::exchange::error::ExchangeError;
use crate::exchange::hit::{Hit, Views, Window};
use crate::exchange::narrowing::narrowing;
use crate::exchange::native::Exchange;
use crate::exchange::search::{self, Asked, Found, Reading};
use crate::exchange::sieve::mentioned;
use crate::mapping::model::ResourceMapping;
use crate::scim::deviation::Deviation;
use crate::scim::query::{Query, QueryError, SortOrder};
use crate::scim::sort::{Rank, Sorting};
use crate::scim::value::Dialect;

/// Who brings the results into order.
pub enum Order {
    /// Nobody: they stay as the application lists them.
    AsListed,
    /// The application, by these parameters.
    Native(Vec<(String, String)>),
    /// The bridge.
    Here(Sorting),
}

/// Decides who sorts. What cannot be sorted by is refused by the strict dialect and passed over
/// by the lenient one; RFC 7644 says neither.
pub async fn order(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    query: &Query,
) -> Result<Order, ExchangeError> {
    let Some(path) = &query.sort_by else { return Ok(Order::AsListed) };
    let dialect = exchange.tenant.dialect;
    let Some(sorting) = Sorting::new(path, &resource.resource_type, dialect) else {
        return match dialect {
            Dialect::Lenient => {
                exchange.noting(|noted| noted.note(Deviation::UnsortableAttribute));
                Ok(Order::AsListed)
            }
            Dialect::Strict => Err(unsortable()),
        };
    };
    let references = crate::convert::references::References::default();
    let context = exchange.context(resource, &references);
    let Some(parameters) = sort::parameters(&context, path, query.sort_order)? else {
        return Ok(Order::Here(sorting));
    };
    // What is not in the application's list is not in its order either.
    let is_listed = narrowing(exchange, resource, query.filter.as_ref()).await?.is_some();
    let is_settled = exchange.recent(resource).is_empty();
    if is_listed && is_settled && exchange.retired(resource).await?.off == 0 {
        return Ok(Order::Native(parameters));
    }
    Ok(Order::Here(sorting))
}

/// The refusal of a `sortBy` by which nothing can be sorted.
pub fn unsortable() -> ExchangeError {
    ExchangeError::Query(QueryError::Malformed {
        parameter: "sortBy",
        expected: "an attribute by which resources can be sorted",
    })
}

/// Finds the resources of a window, in order.
pub async fn find(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    query: &Query,
    order: Order,
    window: Window,
) -> Result<Found, ExchangeError> {
    let filter = query.filter.as_ref();
    match order {
        Order::AsListed => search::search(exchange, resource, Asked::new(filter, window)).await,
        Order::Native(order) => {
            let asked = Asked { order, ..Asked::new(filter, window) };
            search::search(exchange, resource, asked).await
        }
        Order::Here(sorting) => {
            let mut found = everything(exchange, resource, query).await?;
            let hits = std::mem::take(&mut found.page);
            let rank = |hit: Hit| (hit.rank(Some(&sorting)), hit);
            let mut ranked: Vec<(Rank, Hit)> = hits.into_iter().map(rank).collect();
            sort_ranked(&mut ranked, query.sort_order);
            found.page = cut(ranked, window).collect();
            Ok(found)
        }
    }
}

/// Every match with what it takes to sort it.
pub async fn everything(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    query: &Query,
) -> Result<Found, ExchangeError> {
    let paths: Vec<_> = query.sort_by.iter().collect();
    let external = mentioned(resource, &paths);
    let reading = Reading::Everything;
    let views = Views::Made;
    let asked =
        Asked { reading, external, views, ..Asked::new(query.filter.as_ref(), Window::ALL) };
    search::search(exchange, resource, asked).await
}

/// Brings matches into order; those of the same rank stay as they were.
pub fn sort_ranked<T>(ranked: &mut [(Rank, T)], order: SortOrder) {
    ranked.sort_by(|(one, _), (other, _)| one.compare(other, order));
}

/// The matches of a window.
pub fn cut<T>(ranked: Vec<(Rank, T)>, window: Window) -> impl Iterator<Item = T> {
    let skip = usize::try_from(window.start - 1).unwrap_or(usize::MAX);
    let count = usize::try_from(window.count).unwrap_or(usize::MAX);
    ranked.into_iter().map(|(_, hit)| hit).skip(skip).take(count)
}
