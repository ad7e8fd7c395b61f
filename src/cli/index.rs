//! `scimbridge index …`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;

use crate::app::indexing::is_called;
use crate::app::sweeps::{OpenError, open};
use crate::cli::arguments::Index;
use crate::cli::output;
use crate::config::error::ConfigError;
use crate::config::load::load;
use crate::exchange::error::ExchangeError;
use crate::exchange::sweep::{Freshness, Progress, Swept, freshness, sweep};
use crate::exchange::tenant::Tenant;
use crate::id::{IdSource as _, SystemIds};
use crate::mapping::model::ResourceMapping;

/// Width of the bar.
const BAR: u8 = 30;

/// Records between two lines where nobody watches.
const STEP: u64 = 10_000;

/// Why an index command could not be carried out.
#[derive(Debug, thiserror::Error)]
enum IndexError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the list of {resource} cannot be read")]
    Sweep { resource: String, source: ExchangeError },
    #[error(
        "nothing of this is indexed; say what in [tenants.index], as in: users = [\"userName\"]"
    )]
    Nothing,
    #[error("the index of {0} is being built by another process; try again when it is through")]
    Busy(String),
}

pub(crate) async fn run(command: Index) -> ExitCode {
    let done = match command {
        Index::Build { tenant, resource, config } => {
            build(&tenant, resource.as_deref(), config.as_deref()).await
        }
        Index::Status { tenant, config } => status(tenant.as_deref(), config.as_deref()).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::failure(&error);
            ExitCode::from(2)
        }
    }
}

async fn build(
    tenant: &str,
    resource: Option<&str>,
    config: Option<&Path>,
) -> Result<(), IndexError> {
    let (store, tenants) = open(&load(config)?, Some(tenant)).await?;
    let holder = SystemIds.uuid();
    let mut is_any = false;
    for tenant in &tenants {
        for kind in indexed(tenant).filter(|kind| resource.is_none_or(|it| is_called(kind, it))) {
            is_any = true;
            let shown = Shown::default();
            let tell = |progress| shown.tell(&kind.name, progress);
            let swept = sweep(tenant, kind, &holder, &tell).await;
            shown.end();
            let failed = |source| IndexError::Sweep { resource: kind.name.clone(), source };
            match swept.map_err(failed)? {
                Swept::Done(done) => {
                    let took = done.ended.duration_since(done.began).as_secs_f64();
                    let (name, records) = (&kind.name, done.records);
                    output::line(&format!("{name}: {records} records in {took:.1} s"));
                }
                Swept::Busy => return Err(IndexError::Busy(kind.name.clone())),
            }
        }
    }
    store.close().await;
    if is_any { Ok(()) } else { Err(IndexError::Nothing) }
}

async fn status(tenant: Option<&str>, config: Option<&Path>) -> Result<(), IndexError> {
    let (store, tenants) = open(&load(config)?, tenant).await?;
    output::line(
        "tenant            type      attribute             links       built                 state",
    );
    for tenant in &tenants {
        for kind in indexed(tenant) {
            let failed = |source| IndexError::Sweep { resource: kind.name.clone(), source };
            let (freshness, last) = freshness(tenant, kind).await.map_err(failed)?;
            let state = match freshness {
                Freshness::Fresh => "fresh",
                Freshness::Due => "due",
                Freshness::Stale => "stale, not asked",
                Freshness::Missing => "not built",
            };
            let built = last.map_or_else(
                || "never".to_owned(),
                |last| last.ended.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            );
            let attributes = tenant.index.attributes.get(&kind.name).into_iter().flatten();
            for attribute in attributes {
                let partition = tenant.partition();
                let count = tenant.links.count(&partition, &kind.name, &attribute.name).await;
                let count = count.map_err(OpenError::Store)?;
                output::line(&format!(
                    "{:<16}  {:<8}  {:<20}  {count:<10}  {built:<20}  {state}",
                    tenant.name, kind.name, attribute.name
                ));
            }
        }
    }
    store.close().await;
    Ok(())
}

fn indexed(tenant: &Tenant) -> impl Iterator<Item = &ResourceMapping> {
    let is_indexed =
        |kind: &&ResourceMapping| tenant.index.attributes.contains_key(kind.name.as_str());
    tenant.mapping.resources.iter().filter(is_indexed)
}

/// What has been shown of a sweep on its way.
#[derive(Default)]
struct Shown {
    /// The records of the last line, where nobody watches.
    last: Mutex<u64>,
}

impl Shown {
    fn tell(&self, kind: &str, progress: Progress) {
        let Progress { records, total } = progress;
        if output::is_watched() {
            output::over(&format!("{kind} {}", bar(records, total)));
            return;
        }
        let Ok(mut last) = self.last.lock() else { return };
        if records / STEP > *last / STEP {
            *last = records;
            let total = total.map(|total| format!(" of {total}")).unwrap_or_default();
            output::note(&format!("{kind}: {records}{total} records read"));
        }
    }

    /// Leaves the line of the bar.
    #[expect(clippy::unused_self, reason = "it ends what was shown")]
    fn end(&self) {
        if output::is_watched() {
            output::over("");
        }
    }
}

/// A bar where the end is known, else what was read.
fn bar(records: u64, total: Option<u64>) -> String {
    let Some(total) = total.filter(|total| *total > 0) else {
        return format!("{records} records read");
    };
    let part = |of: u64| records.min(total).saturating_mul(of) / total;
    let done = usize::try_from(part(u64::from(BAR))).unwrap_or_default();
    let (left, percent) = (usize::from(BAR).saturating_sub(done), part(100));
    format!("[{}{}] {percent:>3} % of {total} records", "#".repeat(done), " ".repeat(left))
}

#[cfg(test)]
mod tests {
    use crate::cli::index::bar;

    #[test]
    fn bars() {
        assert_eq!(bar(50, None), "50 records read");
        assert_eq!(bar(0, Some(10)), format!("[{}]   0 % of 10 records", " ".repeat(30)));
        assert_eq!(bar(12, Some(10)), format!("[{}] 100 % of 10 records", "#".repeat(30)));
        let half = format!("[{}{}]  50 % of 10 records", "#".repeat(15), " ".repeat(15));
        assert_eq!(bar(5, Some(10)), half);
    }
}
