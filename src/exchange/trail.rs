//! Following a list from cursor to cursor (RFC 9865).
//!
//! A page goes on where the one before ended, in the application's own list, and reads no more
//! than a scan may; so a filter that the application cannot answer ends in pages that hold fewer
//! results than asked for, not in `tooMany`. What has no list to follow (look-ups, results that
//! the bridge sorts) is found anew for each page. A total is told where it is known without
//! further reading. Deliberately absent: cursors to previous pages.

use std::collections::BTreeSet;

use crate::convert::page::At;
use crate::convert::parameters::Parameters;
use crate::exchange::cursor::{Place, Position};
use crate::exchange::error::ExchangeError;
use crate::exchange::hit::{Hit, Sight, Views, Window};
use crate::exchange::narrowing::{Breadth, Narrowing, narrowing};
use crate::exchange::native::Exchange;
use crate::exchange::search;
use crate::exchange::sieve::Sieve;
use crate::exchange::sorted::{self, Order};
use crate::exchange::walk::Walk;
use crate::mapping::model::{Request, ResourceMapping};
use crate::native::listed::Listed;
use crate::scim::filter::ast::Filter;
use crate::scim::filter::typed::Typed;
use crate::scim::query::Query;

/// A page of one resource type.
#[derive(Default)]
pub struct Leg {
    /// Its resources.
    pub page: Vec<Hit>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<Position>,
    /// How many resources match, where that is known.
    pub total: Option<u64>,
    /// Results up to the end of this page.
    pub given: u64,
    /// Collections behind requests of their own by which the application itself has chosen.
    pub answered: BTreeSet<usize>,
}

/// The page that begins at a position.
pub async fn leg(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    query: &Query,
    position: Option<Position>,
    count: u64,
) -> Result<Leg, ExchangeError> {
    let filter = match search::narrowed(exchange, resource, query.filter.as_ref())? {
        Typed::Nothing => return Ok(Leg { total: Some(0), ..Leg::default() }),
        Typed::All => None,
        Typed::Some(filter) => Some(filter),
    };
    let query = Query { filter, ..query.clone() };
    let order = sorted::order(exchange, resource, &query).await?;
    let narrowing = narrowing(exchange, resource, query.filter.as_ref()).await?;
    let order = match (order, narrowing, position) {
        (Order::AsListed, Some(narrowing), position) => Ok((Vec::new(), narrowing, position)),
        (Order::Native(order), Some(narrowing), position) => Ok((order, narrowing, position)),
        (order @ Order::Here(_), _, position) | (order, None, position) => Err((order, position)),
    };
    match order {
        Ok((_, _, Some(Position::Behind(given)))) => {
            let order = sorted::order(exchange, resource, &query).await?;
            anew(exchange, resource, &query, order, given, count).await
        }
        Ok((order, narrowing, position)) => {
            let filter = query.filter.as_ref();
            let trail = Trail { exchange, resource, filter, order, narrowing, count };
            trail.follow(position).await
        }
        Err((order, position)) => {
            let given = match position {
                None => 0,
                Some(Position::Behind(given) | Position::Off(_, given)) => given,
                // The mapping or the side-car has changed between two pages.
                Some(Position::Listed(place)) => place.given,
            };
            anew(exchange, resource, &query, order, given, count).await
        }
    }
}

/// Finds everything again and gives what follows.
async fn anew(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    query: &Query,
    order: Order,
    given: u64,
    count: u64,
) -> Result<Leg, ExchangeError> {
    let window = Window { start: given.saturating_add(1), count };
    let found = sorted::find(exchange, resource, query, order, window).await?;
    let given = given.saturating_add(found.page.len() as u64);
    let goes_on = !found.page.is_empty() && given < found.total;
    Ok(Leg {
        page: found.page,
        next: goes_on.then_some(Position::Behind(given)),
        total: Some(found.total),
        given,
        answered: found.answered,
    })
}

/// A walk through the application's list that can stop anywhere.
struct Trail<'t> {
    exchange: &'t Exchange<'t>,
    resource: &'t ResourceMapping,
    filter: Option<&'t Filter>,
    order: Vec<(String, String)>,
    narrowing: Narrowing,
    count: u64,
}

/// How a walk through the list ended.
enum End {
    /// Before its end.
    Paused(Place),
    /// At its end.
    Reached,
}

impl Trail<'_> {
    async fn follow(self, position: Option<Position>) -> Result<Leg, ExchangeError> {
        let list = search::listed(self.resource)?;
        let window = Window { start: 1, count: self.count };
        let mut sieve = Sieve::new(self.exchange, self.resource, window, Sight::Clients);
        sieve.views = Views::Left;
        let mut total = None;
        let (mut off, begun) = match position {
            Some(Position::Off(skip, given)) => (skip, given),
            other => {
                let place = match other {
                    Some(Position::Listed(place)) => place,
                    Some(Position::Off(..) | Position::Behind(_)) | None => self.start(list),
                };
                let begun = place.given;
                let end = self.walk(&mut sieve, list, place, &mut total).await?;
                if let End::Paused(place) = end {
                    let given = place.given;
                    let (page, answered) = (sieve.page, self.narrowing.answered);
                    let next = Some(Position::Listed(place));
                    return Ok(Leg { page, next, total, given, answered });
                }
                // Over several pages nobody knows what an earlier one has shown.
                if begun == 0 {
                    sieve.sift(self.filter)?;
                    sieve.take_written().await?;
                }
                (0, begun)
            }
        };
        // Behind the list stand the resources that live in the side-car alone.
        sieve.sift(self.filter)?;
        let all = self.exchange.retired(self.resource).await?.off;
        while off < all && !sieve.is_full() {
            let rest = self.count.saturating_sub(sieve.page.len() as u64);
            let limit = u32::try_from(rest).unwrap_or(u32::MAX);
            let entries = self.exchange.switched_off(self.resource, off, limit).await?;
            if entries.is_empty() {
                off = all;
            }
            for entry in entries {
                off += 1;
                sieve.offer_kept(&entry).await?;
            }
        }
        let given = begun.saturating_add(sieve.page.len() as u64);
        let next = (off < all).then_some(Position::Off(off, given));
        let total = if next.is_none() { Some(given) } else { None };
        Ok(Leg { page: sieve.page, next, total, given, answered: self.narrowing.answered })
    }

    /// The beginning of the list.
    fn start(&self, list: &Request) -> Place {
        let at = At::Start;
        let largest = list.pages.as_ref().map_or(1, |pages| pages.max);
        // Without a filter a page of theirs is a page of ours, where its size can be asked for.
        let is_plain =
            self.filter.is_none() && list.pages.as_ref().is_some_and(|pages| pages.size.is_some());
        let size = match usize::try_from(self.count) {
            Ok(count) if is_plain => count.clamp(1, largest),
            Ok(_) | Err(_) => largest,
        };
        Place { at, read: 0, skip: 0, size, asked: String::new(), given: 0, widened: false }
    }

    async fn walk(
        &self,
        sieve: &mut Sieve<'_>,
        list: &Request,
        place: Place,
        total: &mut Option<u64>,
    ) -> Result<End, ExchangeError> {
        let given = place.given;
        let widened = place.widened;
        if let End::Paused(place) = self.pages(sieve, list, place, total).await? {
            return Ok(End::Paused(place));
        }
        let found = given.saturating_add(sieve.page.len() as u64);
        if widened || found > 0 || !self.narrowing.may_miss {
            return Ok(End::Reached);
        }
        sieve.forget();
        let place = Place { widened: true, ..self.start(list) };
        self.pages(sieve, list, place, total).await
    }

    async fn pages(
        &self,
        sieve: &mut Sieve<'_>,
        list: &Request,
        place: Place,
        total: &mut Option<u64>,
    ) -> Result<End, ExchangeError> {
        let (exchange, resource) = (self.exchange, self.resource);
        let parameters =
            if place.widened { Parameters::default() } else { self.narrowing.parameters.clone() };
        let breadth = Breadth::of(&parameters);
        if place.widened {
            sieve.sift(self.filter)?;
        } else {
            sieve.sift(self.narrowing.residual.as_ref())?;
        }
        if self.filter.is_some() {
            breadth.check(resource, 0)?;
        }
        let mut walk = Walk::new(list, parameters, list.pages.as_ref());
        walk.order.clone_from(&self.order);
        (walk.at, walk.read, walk.size) = (Some(place.at.clone()), place.read, place.size);
        walk.asked.clone_from(&place.asked);
        let is_whole = self.filter.is_none()
            && sieve.is_plain()
            && exchange.retired(resource).await?.is_none();
        let mut skip = place.skip;
        loop {
            let before = here(&walk, &place);
            let Some(mut records) = walk.next(exchange, resource).await? else {
                return Ok(End::Reached);
            };
            *total = walk.total.filter(|_| is_whole).or(*total);
            let done = skip.min(records.len());
            skip = 0;
            let rest: Vec<Listed> = records.split_off(done);
            let left = rest.len();
            let taken = sieve.take_until_full(list, rest).await?;
            let given = place.given.saturating_add(sieve.page.len() as u64);
            let paused = match (before, here(&walk, &place)) {
                (Some(before), _) if taken < left => Place { skip: done + taken, ..before },
                (_, Some(after)) => after,
                (_, None) => return Ok(End::Reached),
            };
            let has_read = walk.read.saturating_sub(place.read);
            let is_enough = has_read >= breadth.limit(resource).max(1) as u64;
            if taken < left || sieve.is_full() || is_enough {
                return Ok(End::Paused(Place { given, ..paused }));
            }
        }
    }
}

/// Where a walk stands; `None` at its end.
fn here(walk: &Walk<'_>, place: &Place) -> Option<Place> {
    let at = walk.at.clone()?;
    Some(Place { at, read: walk.read, skip: 0, asked: walk.asked.clone(), ..place.clone() })
}
