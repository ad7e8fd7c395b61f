//! What lets records through that match a query, counts them and keeps those of the page.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use crate::convert::record;
use crate::exchange::error::ExchangeError;
use crate::exchange::hit::{Hit, Sight, Standing, Views, Window};
use crate::exchange::native::Exchange;
use crate::exchange::recent::Fate;
use crate::exchange::retired::{self, RetiredWalk};
use crate::exchange::state::{self, Located};
use crate::exchange::straight::Glimpse;
use crate::mapping::model::{IdSourceRule, Request, ResourceMapping};
use crate::native::listed::Listed;
use crate::scim::attr::AttrPath;
use crate::scim::filter::ast::Filter;
use crate::scim::filter::eval::CompiledFilter;
use crate::scim::segment;
use crate::sidecar::entry::{Entry, EntryState, Retired};

/// How many records are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Amount {
    All,
    UntilFull,
}

/// What is known of a record by the time it is its turn.
enum Piece {
    /// All of it.
    Whole(Listed),
    /// Nothing: nobody will look at it.
    Unread,
    /// It has vanished.
    Gone,
}

/// Records that are read at once.
const AT_ONCE: usize = 4;

/// Records that may be read one by one although scanning is forbidden.
const MOST_READ: usize = 2000;

/// Lets records through that match, counts them, keeps those of the window.
pub struct Sieve<'a> {
    /// The exchange.
    pub exchange: &'a Exchange<'a>,
    /// The type of the resources.
    pub resource: &'a ResourceMapping,
    /// Which matches are kept.
    pub window: Window,
    /// Matches so far.
    pub matched: u64,
    /// Those kept.
    pub page: Vec<Hit>,
    /// Collections behind requests of their own that every view needs.
    pub always: Vec<usize>,
    /// Whether matches need views.
    pub views: Views,
    filter: Option<CompiledFilter>,
    /// Collections behind requests of their own that the filter speaks of.
    external: Vec<usize>,
    /// How to look at no more of a record than the filter does.
    glimpse: Option<Glimpse<'a>>,
    /// Native keys.
    seen: BTreeSet<String>,
    sight: Sight,
    /// Records that have been read one by one.
    read: usize,
    /// What was written a moment ago.
    recent: BTreeMap<String, Fate>,
    /// Records that the side-car took for switched off.
    returned: u64,
}

impl<'a> Sieve<'a> {
    /// A sieve that lets everything through.
    pub fn new(
        exchange: &'a Exchange<'a>,
        resource: &'a ResourceMapping,
        window: Window,
        sight: Sight,
    ) -> Self {
        Self {
            exchange,
            resource,
            window,
            matched: 0,
            page: Vec::new(),
            always: Vec::new(),
            views: Views::Made,
            filter: None,
            external: Vec::new(),
            glimpse: None,
            seen: BTreeSet::new(),
            sight,
            read: 0,
            recent: exchange.recent(resource),
            returned: 0,
        }
    }

    /// Lets only those through that this filter matches; `None` lets everything through.
    pub fn sift(&mut self, filter: Option<&Filter>) -> Result<(), ExchangeError> {
        let Some(filter) = filter else {
            (self.filter, self.external) = (None, Vec::new());
            return Ok(());
        };
        let resource_type = &self.resource.resource_type;
        self.filter =
            Some(CompiledFilter::new(filter, resource_type, self.exchange.tenant.dialect)?);
        let mut paths = Vec::new();
        collect_paths(filter, &mut paths);
        self.external = mentioned(self.resource, &paths);
        self.glimpse = Glimpse::new(self.exchange, self.resource, &paths);
        Ok(())
    }

    /// Begins again: what was seen may be seen once more.
    pub fn forget(&mut self) {
        self.seen.clear();
        self.page.clear();
        (self.matched, self.returned) = (0, 0);
    }

    /// Whether the window has all that it can hold.
    pub fn is_full(&self) -> bool {
        self.page.len() as u64 >= self.window.count
    }

    /// Takes the records of an answer to a request.
    pub async fn take(
        &mut self,
        from: &Request,
        records: Vec<Listed>,
    ) -> Result<(), ExchangeError> {
        let located = self.locate_listed(from, &records).await?;
        let pieces = records.into_iter().zip(located);
        self.take_pieces(Some(from), pieces, Amount::All).await.map(drop)
    }

    /// Takes records until the window is full; says how many that took.
    pub async fn take_until_full(
        &mut self,
        from: &Request,
        records: Vec<Listed>,
    ) -> Result<usize, ExchangeError> {
        let located = self.locate_listed(from, &records).await?;
        let pieces = records.into_iter().zip(located);
        self.take_pieces(Some(from), pieces, Amount::UntilFull).await
    }

    /// Takes the records of these native keys, each read by itself; says which of them have led
    /// nowhere: to no record, or to one that does not match.
    pub async fn take_keyed(
        &mut self,
        keys: BTreeSet<String>,
    ) -> Result<Vec<String>, ExchangeError> {
        let keys: Vec<String> = keys.into_iter().collect();
        let mut lost = Vec::new();
        let located = self.locate_keys(keys).await?;
        let mut pieces =
            located.into_iter().flatten().map(|it| (Listed::from(Value::Null), Some(it)));
        loop {
            let chunk: Vec<_> = pieces.by_ref().take(AT_ONCE).collect();
            if chunk.is_empty() {
                return Ok(lost);
            }
            for (located, piece) in self.read_pieces(None, chunk).await? {
                let Some(located) = located else { continue };
                let matched = self.matched;
                let key = located.key.clone();
                // What the side-car has of somebody who is not there is no mistake.
                let may_be_lost = match piece {
                    Piece::Gone => located.entry.is_none(),
                    // Those that clients do not see may have the value all the same.
                    Piece::Whole(_) | Piece::Unread => self.resource.visible.is_none(),
                };
                self.pass(located, piece).await?;
                if may_be_lost && self.matched == matched {
                    lost.push(key);
                }
            }
        }
    }

    /// Takes what was written a moment ago and has not come out of the application's list.
    pub async fn take_written(&mut self) -> Result<(), ExchangeError> {
        let mut keys = Vec::new();
        for (key, fate) in &self.recent {
            let Fate::There(native) = fate else { continue };
            if !self.seen.contains(key) {
                keys.push((key.clone(), native.clone()));
            }
        }
        let names: Vec<String> = keys.iter().map(|(key, _)| key.clone()).collect();
        let mut pieces = Vec::new();
        for ((_, native), located) in keys.into_iter().zip(self.locate_keys(names).await?) {
            // Reading everything that was written lately would cost a call for each.
            if let (Some(native), Some(located), Some(filter)) = (native, &located, &self.filter)
                && self.external.is_empty()
            {
                let state = self.exchange.state(self.resource, located, native, &[]).await?;
                if !filter.matches(&state.view) {
                    continue;
                }
            }
            pieces.push((Value::Null.into(), located));
        }
        self.take_pieces(None, pieces.into_iter(), Amount::All).await.map(drop)
    }

    async fn take_pieces(
        &mut self,
        from: Option<&Request>,
        mut pieces: impl Iterator<Item = (Listed, Option<Located>)>,
        amount: Amount,
    ) -> Result<usize, ExchangeError> {
        let mut taken = 0;
        if from.is_some_and(is_whole) && self.recent.is_empty() {
            for (native, located) in pieces {
                if amount == Amount::UntilFull && self.is_full() {
                    break;
                }
                taken += 1;
                if let Some(located) = located {
                    self.pass(located, Piece::Whole(native)).await?;
                }
            }
            return Ok(taken);
        }
        loop {
            let chunk: Vec<_> = pieces.by_ref().take(AT_ONCE).collect();
            if chunk.is_empty() {
                return Ok(taken);
            }
            for (located, piece) in self.read_pieces(from, chunk).await? {
                if amount == Amount::UntilFull && self.is_full() {
                    return Ok(taken);
                }
                taken += 1;
                if let Some(located) = located {
                    self.pass(located, piece).await?;
                }
            }
        }
    }

    /// Completes those records that will be looked at.
    async fn read_pieces(
        &mut self,
        from: Option<&Request>,
        chunk: Vec<(Listed, Option<Located>)>,
    ) -> Result<Vec<(Option<Located>, Piece)>, ExchangeError> {
        // What is read for a window alone is bounded by the window.
        if !from.is_some_and(is_whole) && self.is_choosy() {
            self.count_reads(chunk.len())?;
        }
        let mut ahead = self.matched;
        // Boxed one by one: a closure that borrows across an await has no type that is `Send`
        // enough.
        let mut pending: Vec<BoxFuture<'_, _>> = Vec::with_capacity(chunk.len());
        for (native, located) in chunk {
            let is_new = located.as_ref().is_some_and(|it| !self.seen.contains(&it.key));
            let is_wanted = is_new && (self.is_choosy() || self.window.has(ahead));
            ahead += u64::from(is_new);
            pending.push(self.piece(from, native, located, is_wanted).boxed());
        }
        stream::iter(pending).buffered(AT_ONCE).try_collect().await
    }

    /// Refuses to read more records one by one than a scan may read.
    fn count_reads(&mut self, count: usize) -> Result<(), ExchangeError> {
        let limit =
            if self.resource.scan_limit == 0 { MOST_READ } else { self.resource.scan_limit };
        self.read = self.read.saturating_add(count);
        if self.read > limit {
            return Err(ExchangeError::TooMany { limit });
        }
        Ok(())
    }

    async fn piece(
        &self,
        from: Option<&Request>,
        native: Listed,
        located: Option<Located>,
        is_wanted: bool,
    ) -> Result<(Option<Located>, Piece), ExchangeError> {
        let Some(known) = located.as_ref().filter(|_| is_wanted) else {
            return Ok((located, Piece::Unread));
        };
        let key = known.key.as_str();
        let whole = match from {
            Some(from) if !self.recent.contains_key(key) => {
                if is_whole(from) {
                    return Ok((located, Piece::Whole(native)));
                }
                self.exchange.complete(self.resource, from, key, native.into_value()).await?
            }
            Some(_) | None => self.exchange.reread(self.resource, key).await?,
        };
        Ok((located, whole.map_or(Piece::Gone, |it| Piece::Whole(it.into()))))
    }

    /// Whether it takes a look at a record to know whether it counts.
    fn is_choosy(&self) -> bool {
        self.filter.is_some() || self.resource.visible.is_some()
    }

    /// Whether the application's list is, record by record, what clients see.
    pub fn is_plain(&self) -> bool {
        self.resource.visible.is_none() && self.recent.is_empty()
    }

    /// Takes one resource.
    pub async fn offer(&mut self, located: Located, native: Value) -> Result<(), ExchangeError> {
        self.pass(located, Piece::Whole(native.into())).await
    }

    async fn pass(&mut self, located: Located, piece: Piece) -> Result<(), ExchangeError> {
        // Whoever has left the application may still be among those who are switched off.
        if matches!(piece, Piece::Gone) && self.is_choosy() {
            return Ok(());
        }
        // A list that changes while it is read may show a record twice.
        if !self.seen.insert(located.key.clone()) {
            return Ok(());
        }
        let is_in_window = self.window.has(self.matched);
        let native = match piece {
            Piece::Whole(native) if self.is_choosy() || is_in_window => native,
            // What has vanished since still has its place among those that nobody looks at.
            Piece::Whole(_) | Piece::Unread | Piece::Gone => {
                self.matched += u64::from(!self.is_choosy());
                return Ok(());
            }
        };
        let is_visible =
            self.resource.visible.is_none() || self.exchange.is_visible(self.resource, &native)?;
        if !is_visible && self.sight == Sight::Clients {
            return Ok(());
        }
        let external: BTreeSet<usize> = self.external.iter().chain(&self.always).copied().collect();
        let indexes: Vec<usize> = external.iter().copied().collect();
        // What could not be scanned is made here, one after the other: views of several records
        // at once may ask for the same things.
        let can_wait = self.views == Views::Left && external.is_empty() && native.is_scanned();
        let (native, view) = match self.matches(&located, &native).await? {
            Some(false) => return Ok(()),
            Some(true) if can_wait => (native, None),
            is_match => {
                let native = native.into_value();
                let state = self.exchange.state(self.resource, &located, native, &indexes).await?;
                let filter = self.filter.as_ref().filter(|_| is_match.is_none());
                if filter.is_some_and(|filter| !filter.matches(&state.view)) {
                    return Ok(());
                }
                (Listed::from(state.native), Some(state.view))
            }
        };
        if self.window.has(self.matched) {
            let standing = if is_visible { Standing::Shown } else { Standing::Hidden };
            let id = view.as_ref().map(|_| located.id.clone());
            let located = self.show(located).await?;
            let (native, view) = match view {
                Some(_) if id.as_ref() != Some(&located.id) => {
                    let native = native.into_value();
                    let state = self.exchange.state(self.resource, &located, native, &indexes);
                    let state = state.await?;
                    (Listed::from(state.native), Some(state.view))
                }
                view => (native, view),
            };
            self.page.push(Hit { located, native, view, external, standing });
        }
        self.matched += 1;
        Ok(())
    }

    /// Whether a record matches; `None` when it takes its view to know.
    async fn matches(
        &self,
        located: &Located,
        native: &Listed,
    ) -> Result<Option<bool>, ExchangeError> {
        let Some(filter) = &self.filter else { return Ok(Some(true)) };
        let glimpse = self.glimpse.as_ref().filter(|_| self.external.is_empty());
        let Some(glimpse) = glimpse else { return Ok(None) };
        let view = glimpse.of(self.exchange, self.resource, located, native).await?;
        Ok(view.map(|view| filter.matches(&view)))
    }

    /// Notes that clients know a resource by its issued id from now on.
    async fn show(&self, located: Located) -> Result<Located, ExchangeError> {
        let is_issued = self.resource.id.source == IdSourceRule::Issued;
        if located.entry.is_some() || !is_issued || self.sight == Sight::Everything {
            return Ok(located);
        }
        let Located { id, key, .. } = located;
        let partition = self.exchange.tenant.partition();
        let sidecar = &self.exchange.tenant.sidecar;
        let entry = sidecar.claim(&partition, &self.resource.name, &key, &id).await?;
        Ok(Located { id: entry.id.clone(), key, entry: Some(entry) })
    }

    /// Takes resources that live in the side-car alone.
    pub async fn take_switched_off(&mut self) -> Result<(), ExchangeError> {
        if !retired::has_switched_off(self.resource) {
            return Ok(());
        }
        let all = self.exchange.retired(self.resource).await?.off;
        // Nobody looks at those outside of the window, unless one of them has been seen already.
        if !self.is_choosy() && self.returned == 0 {
            return self.take_window_of_switched_off(all).await;
        }
        let mut walk = RetiredWalk::new(Retired::Off);
        while let Some(page) = walk.next(self.exchange, self.resource).await? {
            for entry in &page {
                self.offer_kept(entry).await?;
            }
        }
        Ok(())
    }

    async fn take_window_of_switched_off(&mut self, all: u64) -> Result<(), ExchangeError> {
        let before = self.matched;
        let total = before.saturating_add(all);
        let mut skip = (self.window.start - 1).saturating_sub(before);
        self.matched = before.saturating_add(skip).min(total);
        while self.matched < total && self.window.has(self.matched) {
            let rest = self.window.count.saturating_sub(self.page.len() as u64);
            let limit = u32::try_from(rest).unwrap_or(u32::MAX);
            let entries = self.exchange.switched_off(self.resource, skip, limit).await?;
            if entries.is_empty() {
                break;
            }
            skip += entries.len() as u64;
            for entry in &entries {
                self.offer_kept(entry).await?;
            }
        }
        self.matched = total;
        Ok(())
    }

    /// Takes a resource that lives in the side-car alone.
    pub async fn offer_kept(&mut self, entry: &Entry) -> Result<(), ExchangeError> {
        let EntryState::Off(native) = &entry.state else { return Ok(()) };
        self.offer(retired::located(entry), native.clone()).await
    }

    /// Which resource each record of an answer is; `None` for records that clients may not see.
    async fn locate_listed(
        &mut self,
        from: &Request,
        records: &[Listed],
    ) -> Result<Vec<Option<Located>>, ExchangeError> {
        let rule = &self.resource.id;
        let key = |native: &Listed| match native.key() {
            Some(key) => Ok(key.to_owned()),
            None => record::listed_key(rule, from, native),
        };
        let keys: Result<Vec<String>, _> = records.iter().map(key).collect();
        self.locate_keys(keys?).await
    }

    /// Which resource each key leads to. Issued ids that nobody has seen yet are proposals.
    async fn locate_keys(
        &mut self,
        keys: Vec<String>,
    ) -> Result<Vec<Option<Located>>, ExchangeError> {
        let (exchange, resource) = (self.exchange, self.resource);
        let mut entries = Vec::new();
        if exchange.keeps_any(resource).await? {
            let partition = exchange.tenant.partition();
            entries = exchange.tenant.sidecar.by_keys(&partition, &resource.name, &keys).await?;
        }
        let is_off = |entry: &&Entry| Retired::Off.is(&entry.state);
        self.returned += entries.iter().filter(is_off).count() as u64;
        let mut entries: BTreeMap<String, Entry> =
            entries.into_iter().map(|entry| (entry.key.clone(), entry)).collect();
        let is_issued = resource.id.source == IdSourceRule::Issued;
        let located = keys.into_iter().map(|key| {
            if self.recent.get(&key) == Some(&Fate::Gone) {
                return None;
            }
            match entries.remove(&key) {
                Some(Entry { state: EntryState::Deleted, .. }) if self.sight == Sight::Clients => {
                    None
                }
                // It came back natively: the application's word is newer than ours.
                Some(entry) => {
                    let entry = Entry { state: EntryState::Live, ..entry };
                    Some(Located { id: entry.id.clone(), key, entry: Some(entry) })
                }
                None if is_issued => {
                    Some(Located { id: exchange.ambient.ids.uuid(), key, entry: None })
                }
                None => Some(Located { id: key.clone(), key, entry: None }),
            }
        });
        let located = located.map(|located| located.filter(|it| self.can_be_asked_for(&it.id)));
        Ok(located.collect())
    }

    /// Whether an id can stand in a URL. Clients are shown no location that leads nowhere; for
    /// the bridge's own questions such a record exists like any other.
    fn can_be_asked_for(&self, id: &str) -> bool {
        let can_be = self.sight == Sight::Everything || segment::is_possible(id);
        if !can_be {
            let resource = &self.resource.name;
            tracing::warn!(resource, "a record is left out, because its id cannot stand in a URL");
        }
        can_be
    }
}

/// Whether the records in an answer to a request are all there is of them.
fn is_whole(from: &Request) -> bool {
    !from.hydrate && from.embed.is_empty()
}

/// Collections behind requests of their own whose attribute one of the paths names.
pub fn mentioned(resource: &ResourceMapping, paths: &[&AttrPath]) -> Vec<usize> {
    let is_meant = |index: &usize| {
        resource.collections.get(*index).is_some_and(|collection| {
            paths.iter().any(|path| path.attr.eq_ignore_ascii_case(&collection.place.attribute))
        })
    };
    state::external(resource).filter(is_meant).collect()
}

fn collect_paths<'f>(filter: &'f Filter, paths: &mut Vec<&'f AttrPath>) {
    match filter {
        Filter::Compare(path, ..) | Filter::Present(path) | Filter::ValuePath(path, _) => {
            paths.push(path);
        }
        Filter::And(terms) | Filter::Or(terms) => {
            for term in terms {
                collect_paths(term, paths);
            }
        }
        Filter::Not(inner) => collect_paths(inner, paths),
    }
}
