//! Finding the resources of one type that match (RFC 7644 section 3.4.2).
//!
//! The filter is pushed down as far as the mapping goes, and everything that comes back is
//! filtered again on the SCIM view. Totals are exact, or the answer is `tooMany`.

use std::collections::BTreeSet;

use crate::convert::failure::Meaning;
use crate::convert::filter::{self, Calls};
use crate::convert::page::{self, At};
use crate::convert::parameters::Parameters;
use crate::convert::record;
use crate::convert::references::Wanted;
use crate::exchange::error::{ExchangeError, Mismatch};
use crate::exchange::hit::{Hit, Sight, Views, Window};
use crate::exchange::links::{Candidates, Scope};
use crate::exchange::narrowing::{Breadth, reference_ids};
use crate::exchange::native::{About, Exchange};
use crate::exchange::sieve::Sieve;
use crate::exchange::walk::{self, Walk};
use crate::mapping::model::{Outcome, PageStyle, Pages, Request, ResourceMapping, Total};
use crate::native::listed::Listed;
use crate::native::message::NativeRequest;
use crate::scim::filter::ast::Filter;
use crate::scim::filter::eval::CompiledFilter;
use crate::scim::filter::typed::{Typed, typed};

/// What is looked for.
#[derive(Clone)]
pub struct Asked<'q> {
    /// Which resources; `None` means all.
    pub filter: Option<&'q Filter>,
    /// Which of them.
    pub window: Window,
    /// How much is read.
    pub reading: Reading,
    /// Whose eyes look at records.
    pub sight: Sight,
    /// Parameters that make the application sort its list.
    pub order: Vec<(String, String)>,
    /// Collections behind requests of their own that every view needs.
    pub external: Vec<usize>,
    /// Whether matches need views.
    pub views: Views,
}

/// How much is read for a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// What lies outside of it is counted at most.
    Window,
    /// Everything, within the bounds of a scan.
    Everything,
}

impl<'q> Asked<'q> {
    /// The matches of a window, in the order of the list.
    pub fn new(filter: Option<&'q Filter>, window: Window) -> Self {
        Self {
            filter,
            window,
            reading: Reading::Window,
            sight: Sight::Clients,
            order: Vec::new(),
            external: Vec::new(),
            views: Views::Left,
        }
    }
}

/// What a search found.
#[derive(Default)]
pub struct Found {
    /// Resources that match, all of them.
    pub total: u64,
    /// Those of the window.
    pub page: Vec<Hit>,
    /// Collections behind requests of their own by which the application itself has chosen.
    pub answered: BTreeSet<usize>,
}

/// Finds resources of one type.
pub async fn search(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    asked: Asked<'_>,
) -> Result<Found, ExchangeError> {
    let mut sieve = Sieve::new(exchange, resource, asked.window, asked.sight);
    (sieve.always, sieve.views) = (asked.external, asked.views);
    let answered = match narrowed(exchange, resource, asked.filter)? {
        Typed::Nothing => return Ok(Found::default()),
        Typed::All if asked.reading == Reading::Window => {
            unfiltered(&mut sieve, asked.order).await?;
            BTreeSet::new()
        }
        Typed::All => {
            scan(&mut sieve, Parameters::default(), asked.order, Breadth::Whole).await?;
            sieve.take_written().await?;
            sieve.take_switched_off().await?;
            BTreeSet::new()
        }
        Typed::Some(filter) => filtered(&mut sieve, &filter, asked.order).await?,
    };
    Ok(Found { total: sieve.matched, page: sieve.page, answered })
}

/// What is left of a filter for this type. It is refused as a whole, even where a part would do.
pub fn narrowed(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    filter: Option<&Filter>,
) -> Result<Typed, ExchangeError> {
    let Some(filter) = filter else { return Ok(Typed::All) };
    let dialect = exchange.tenant.dialect;
    CompiledFilter::new(filter, &resource.resource_type, dialect)?;
    Ok(typed(filter, &resource.name, dialect)?)
}

async fn filtered(
    sieve: &mut Sieve<'_>,
    filter: &Filter,
    order: Vec<(String, String)>,
) -> Result<BTreeSet<usize>, ExchangeError> {
    let (exchange, resource) = (sieve.exchange, sieve.resource);
    sieve.sift(Some(filter))?;
    let mut ids = Wanted::new();
    reference_ids(exchange, resource, filter, &mut ids);
    let references = exchange.resolve(Wanted::new(), ids).await?;
    let context = exchange.context(resource, &references);
    let plan = filter::plan(&context, filter)?;
    if !plan.answered.is_empty() {
        sieve.sift(plan.residual.as_ref())?;
    }
    match plan.calls {
        Calls::Nothing => return Ok(plan.answered),
        Calls::ById(id) => {
            by_id(sieve, &id).await?;
            return Ok(plan.answered);
        }
        Calls::LookUp(request, call) => look_up(sieve, request, call).await?,
        Calls::List(parameters) => {
            let breadth = Breadth::of(&parameters);
            match exchange.candidates(resource, filter, breadth.index()).await? {
                Candidates::Keys(keys) => {
                    follow(sieve, filter, breadth.index(), keys).await?;
                    sieve.take_written().await?;
                    sieve.take_switched_off().await?;
                    return Ok(BTreeSet::new());
                }
                Candidates::Unknown => scan(sieve, parameters, order.clone(), breadth).await?,
                Candidates::Doubtful => {
                    let read = scan(sieve, parameters, order.clone(), breadth).await;
                    read.map_err(|error| until_swept(exchange, resource, error))?;
                    exchange.settle(resource, filter, &sieve.page).await?;
                }
            }
        }
    }
    if plan.may_miss && sieve.matched == 0 && resource.list.is_some() {
        sieve.forget();
        sieve.sift(Some(filter))?;
        scan(sieve, Parameters::default(), order, Breadth::Whole).await?;
    }
    sieve.sift(Some(filter))?;
    sieve.take_written().await?;
    sieve.take_switched_off().await?;
    Ok(plan.answered)
}

/// A list that is too long to be read because of a doubt is left to the next sweep: to ask more
/// narrowly would not help the client, and to ask again will.
fn until_swept(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    error: ExchangeError,
) -> ExchangeError {
    match error {
        ExchangeError::TooMany { .. } => {
            exchange.tenant.index.counters.note_doubt(&resource.name);
            ExchangeError::Busy
        }
        other => other,
    }
}

/// Follows links, and takes those away that have led nowhere.
async fn follow(
    sieve: &mut Sieve<'_>,
    filter: &Filter,
    scope: Scope,
    keys: BTreeSet<String>,
) -> Result<(), ExchangeError> {
    sieve.sift(Some(filter))?;
    let lost = sieve.take_keyed(keys).await?;
    // Of several terms nobody knows which one has failed.
    if matches!(filter, Filter::Compare(..)) && !lost.is_empty() {
        sieve.exchange.forget_links(sieve.resource, filter, scope, &lost).await?;
    }
    Ok(())
}

async fn by_id(sieve: &mut Sieve<'_>, id: &str) -> Result<(), ExchangeError> {
    let found = async {
        let located = sieve.exchange.locate(sieve.resource, id).await?;
        let native = sieve.exchange.native(sieve.resource, &located).await?.native;
        Ok((located, native))
    };
    match found.await {
        Ok((located, native)) => sieve.offer(located, native).await,
        Err(ExchangeError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Another request than the list: one record, or a short list, perhaps with further pages.
async fn look_up(
    sieve: &mut Sieve<'_>,
    request: &Request,
    call: NativeRequest,
) -> Result<(), ExchangeError> {
    let (exchange, resource) = (sieve.exchange, sieve.resource);
    let asked = call.path.clone();
    let response = match exchange.ask(request, call, About::Resource).await {
        Err(ExchangeError::Native(failure))
            if failure.meaning == Meaning::Outcome(Outcome::NotFound) =>
        {
            return Ok(());
        }
        other => other?,
    };
    let body = response.json().ok_or_else(|| Mismatch::of(request, "JSON"))?;
    let records = match &request.record {
        Some(path) => record::looked_up(request, path, body),
        None => record::records(request, &response),
    };
    let records = records.ok_or_else(|| Mismatch::records(request))?;
    let read = records.len() as u64;
    sieve.take(request, records.into_iter().map(Listed::from).collect()).await?;
    // The answer may be the first page of several.
    let pages = request.pages.as_ref().or_else(|| linked(resource.list.as_ref()?.pages.as_ref()?));
    let Some(pages) = pages else { return Ok(()) };
    let seen = page::Seen { response: &response, records: &[], read, size: pages.max, total: None };
    let next = page::next(pages, &At::Start, &seen, &exchange.ambient);
    let Some(at @ At::Link(_)) = next else { return Ok(()) };
    let mut walk = Walk::from_link(request, pages, at, asked);
    while let Some(records) = walk.next(exchange, resource).await? {
        sieve.take(request, records).await?;
        Breadth::Narrowed.check(resource, walk.read)?;
    }
    Ok(())
}

fn linked(pages: &Pages) -> Option<&Pages> {
    let is_linked = matches!(
        pages.style,
        PageStyle::LinkHeader(_) | PageStyle::LinkBody(_) | PageStyle::LinkPlace(_)
    );
    is_linked.then_some(pages)
}

/// Reads the list with these parameters to its end.
async fn scan(
    sieve: &mut Sieve<'_>,
    parameters: Parameters,
    order: Vec<(String, String)>,
    breadth: Breadth,
) -> Result<(), ExchangeError> {
    let (exchange, resource) = (sieve.exchange, sieve.resource);
    breadth.check(resource, 0)?;
    let Some(list) = &resource.list else {
        let operation = format!("this filter on {}", resource.name);
        return Err(ExchangeError::NotSupported { operation });
    };
    let mut walk = Walk::new(list, parameters, list.pages.as_ref());
    walk.order = order;
    while let Some(records) = walk.next(exchange, resource).await? {
        breadth.check(resource, walk.read.max(walk.total.unwrap_or(0)))?;
        sieve.take(list, records).await?;
    }
    Ok(())
}

/// A plain list: entered where the page begins when the application can do that and every one of
/// its records is a resource; else counted from the start.
async fn unfiltered(
    sieve: &mut Sieve<'_>,
    order: Vec<(String, String)>,
) -> Result<(), ExchangeError> {
    let (exchange, resource) = (sieve.exchange, sieve.resource);
    let list = listed(resource)?;
    let is_whole = sieve.is_plain() && exchange.retired(resource).await?.is_none();
    let seekable =
        list.pages.as_ref().filter(|pages| walk::can_seek(pages) && pages.total.is_some());
    if let (true, Some(pages)) = (is_whole, seekable) {
        if seek(sieve, list, pages, &order).await? == Seek::Found {
            return Ok(());
        }
        sieve.forget();
    }
    let mut walk = Walk::new(list, Parameters::default(), list.pages.as_ref());
    walk.order = order;
    let end = sieve.window.start.saturating_sub(1).saturating_add(sieve.window.count);
    // A total ends the walk behind the window; without one all is read, in pages as large as can
    // be.
    if is_whole
        && list.pages.as_ref().is_some_and(|pages| matches!(pages.total, Some(Total::Here(_))))
    {
        walk.size = usize::try_from(end).unwrap_or(usize::MAX).clamp(1, walk.size);
    }
    while let Some(records) = walk.next(exchange, resource).await? {
        sieve.take(list, records).await?;
        // With a total, what lies behind the page need not be read.
        if let Some(total) = walk.total.filter(|_| is_whole && sieve.matched >= end) {
            sieve.matched = total;
            return Ok(());
        }
    }
    sieve.take_written().await?;
    sieve.take_switched_off().await
}

/// The list request.
pub fn listed(resource: &ResourceMapping) -> Result<&Request, ExchangeError> {
    resource.list.as_ref().ok_or_else(|| {
        let operation = format!("listing {}", resource.name);
        ExchangeError::NotSupported { operation }
    })
}

/// Whether a list could be entered in its middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seek {
    Found,
    /// The application's pages are shorter than asked for, so nobody knows where they begin.
    Lost,
}

async fn seek(
    sieve: &mut Sieve<'_>,
    list: &Request,
    pages: &Pages,
    order: &[(String, String)],
) -> Result<Seek, ExchangeError> {
    let (exchange, resource) = (sieve.exchange, sieve.resource);
    let Window { start, count } = sieve.window;
    let skip = start - 1;
    let wanted = usize::try_from(count).unwrap_or(usize::MAX).clamp(1, pages.max.max(1));
    let mut walk = Walk::new(list, Parameters::default(), Some(pages));
    walk.order = order.to_vec();
    if pages.size.is_some() {
        walk.size = wanted;
    }
    let size = walk.size as u64;
    let (at, before) = match &pages.style {
        PageStyle::Offset(_, first) => (At::Offset(first.saturating_add(skip)), skip),
        PageStyle::Page(_, first) => {
            (At::Page(first.saturating_add(skip / size)), skip / size * size)
        }
        PageStyle::LinkHeader(_)
        | PageStyle::LinkBody(_)
        | PageStyle::LinkPlace(_)
        | PageStyle::Cursor(..)
        | PageStyle::Marker(..) => (At::Start, 0),
    };
    walk.at = Some(at);
    walk.read = before;
    let mut unneeded = skip - before;
    // The sieve counts from the first record it is given.
    sieve.matched = before;
    let mut total = walk::looked_up_total(exchange, resource, pages).await?;
    walk.total = total;
    while let Some(mut records) = walk.next(exchange, resource).await? {
        total = walk.total.or(total);
        let is_numbered = matches!(pages.style, PageStyle::Page(..));
        let is_last = total.is_none_or(|total| walk.read >= total);
        if is_numbered && before > 0 && records.len() < walk.size && !is_last {
            return Ok(Seek::Lost);
        }
        let drop = usize::try_from(unneeded).unwrap_or(usize::MAX).min(records.len());
        records.drain(..drop);
        unneeded -= drop as u64;
        sieve.matched += drop as u64;
        sieve.take(list, records).await?;
        if sieve.is_full() {
            break;
        }
    }
    sieve.matched = total.ok_or_else(|| Mismatch::of(list, "a total"))?;
    Ok(Seek::Found)
}
