//! Building an index: one reading of the application's list, page by page, in constant memory.
//!
//! A sweep only ever adds links, so it may end anywhere and begin again, and what is written
//! meanwhile stays. Links that it has not seen go when it is through. One bridge sweeps at a time.

use jiff::{SignedDuration, Timestamp};

use crate::convert::parameters::Parameters;
use crate::convert::record;
use crate::convert::references::References;
use crate::convert::to_scim::{self, Kept};
use crate::exchange::error::ExchangeError;
use crate::exchange::index;
use crate::exchange::native::Exchange;
use crate::exchange::search;
use crate::exchange::tenant::Tenant;
use crate::exchange::walk::Walk;
use crate::mapping::model::ResourceMapping;
use crate::native::listed::Listed;
use crate::sidecar::links::{Claim, Done, Shelf, Sweep};

/// How long a sweep that is not heard of any more keeps others from beginning.
const LEASE: SignedDuration = SignedDuration::from_mins(2);

/// What was written by another bridge while a sweep was under way is not taken for old, though its
/// clock be behind.
pub const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// How far a sweep has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Records read.
    pub records: u64,
    /// Records in all, where the application says so.
    pub total: Option<u64>,
}

/// How a sweep ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swept {
    /// It is through.
    Done(Sweep),
    /// Another one is under way.
    Busy,
}

/// How an index stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// It answers.
    Fresh,
    /// It answers, and should be made anew before it is too old.
    Due,
    /// It does not answer: too old, or made under another mapping or of other attributes.
    Stale,
    /// There is none.
    Missing,
}

/// How the index of a type stands, and its last sweep.
pub async fn freshness(
    tenant: &Tenant,
    resource: &ResourceMapping,
) -> Result<(Freshness, Option<Sweep>), ExchangeError> {
    let partition = tenant.partition();
    let sweep = tenant.links.sweep(&partition, &resource.name, Shelf::Native).await?;
    let Some(sweep) = sweep else { return Ok((Freshness::Missing, None)) };
    let age = tenant.clock.now().duration_since(sweep.began);
    let refresh = tenant.index.refresh;
    let freshness = match () {
        () if sweep.fingerprint != tenant.index.fingerprint || age > refresh => Freshness::Stale,
        () if age > refresh / 4 * 3 => Freshness::Due,
        () => Freshness::Fresh,
    };
    Ok((freshness, Some(sweep)))
}

/// Builds the index of a type anew. `holder` is who does it; `tell` is told after each page.
///
/// # Errors
/// What the application or the store says. What has been read stays, and the next sweep begins
/// again.
pub async fn sweep(
    tenant: &Tenant,
    resource: &ResourceMapping,
    holder: &str,
    tell: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Swept, ExchangeError> {
    let (partition, name) = (tenant.partition(), &resource.name);
    let began = tenant.clock.now();
    if !claim(tenant, resource, holder, began).await? {
        return Ok(Swept::Busy);
    }
    let exchange = Exchange::new(tenant, format!("index-{holder}"), String::new());
    let outcome = read(&exchange, resource, holder, tell).await;
    let Some(records) = outcome.as_ref().ok().copied().flatten() else {
        tenant.links.end_sweep(&partition, name, Shelf::Native, None).await?;
        return outcome.map(|_| Swept::Busy);
    };
    let fingerprint = tenant.index.fingerprint.clone();
    let sweep = Sweep { fingerprint, began, ended: tenant.clock.now(), records };
    let attributes = exchange.indexed(resource).iter().map(|it| it.name.clone());
    let attributes: Vec<String> = attributes.collect();
    let stale = began.checked_sub(SKEW).unwrap_or(Timestamp::MIN);
    let done = Done { sweep: &sweep, attributes: &attributes, stale };
    tenant.links.end_sweep(&partition, name, Shelf::Native, Some(&done)).await?;
    Ok(Swept::Done(sweep))
}

async fn claim(
    tenant: &Tenant,
    resource: &ResourceMapping,
    holder: &str,
    now: Timestamp,
) -> Result<bool, ExchangeError> {
    let until = now.checked_add(LEASE).unwrap_or(Timestamp::MAX);
    let claim = Claim { holder, now, until };
    let partition = tenant.partition();
    Ok(tenant.links.begin_sweep(&partition, &resource.name, Shelf::Native, &claim).await?)
}

/// Reads the list to its end; how many records there were. `None` when another sweep has taken
/// over.
async fn read(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    holder: &str,
    tell: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Option<u64>, ExchangeError> {
    let tenant = exchange.tenant;
    let (partition, indexed) = (tenant.partition(), exchange.indexed(resource));
    let list = search::listed(resource)?;
    let none = References::default();
    let context = exchange.context(resource, &none);
    let mut walk = Walk::new(list, Parameters::default(), list.pages.as_ref());
    let mut claimed = tenant.clock.now();
    while let Some(records) = walk.next(exchange, resource).await? {
        let records = records.into_iter().map(Listed::into_value).collect();
        let now = tenant.clock.now();
        let mut links = Vec::new();
        for native in exchange.complete_all(resource, list, records).await? {
            let key = record::listed_key(&resource.id, list, &native)?;
            let view = to_scim::view(&context, &key, &native, Kept::default());
            links.extend(index::links(indexed, &view, &key));
        }
        tenant.links.link(&partition, &resource.name, &links, now).await?;
        if now.duration_since(claimed) > LEASE / 4 {
            if !claim(tenant, resource, holder, now).await? {
                return Ok(None);
            }
            claimed = now;
        }
        tell(Progress { records: walk.read, total: walk.total });
    }
    Ok(Some(walk.read))
}
