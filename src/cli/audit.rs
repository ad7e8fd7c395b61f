//! `scimbridge audit …`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep};

use crate::audit::event::{Event, Operation, Outcome};
use crate::audit::port::{AuditStore as _, Ending, Order, Recorded, Search};
use crate::cli::arguments::{Audit, AuditFilter, AuditFormat};
use crate::cli::output;
use crate::clock::{Clock as _, SystemClock};
use crate::config::error::ConfigError;
use crate::config::load::load;
use crate::sidecar::port::StoreError;
use crate::store::open::Store;

/// Events read in one step.
const PAGE: usize = 1000;

/// Between two looks of `tail`.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long `tail` looks back: of two replicas the one that is given the lower number may be the
/// later one to be seen.
const BACK: Duration = Duration::from_secs(10);

/// Why an audit command could not be carried out.
#[derive(Debug, thiserror::Error)]
enum AuditError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "\"{0}\" is no time: write 2026-03-01, 2026-03-01T12:00:00Z, or how long ago, as in 90m, 24h or 7d"
    )]
    NoTime(String),
    #[error("\"{given}\" is no operation; there are {known}")]
    NoOperation { given: String, known: String },
}

pub(crate) async fn run(command: Audit) -> ExitCode {
    let done = match command {
        Audit::Tail { lines, filter } => tail(lines, &filter).await,
        Audit::Search { limit, filter } => search(limit, &filter).await,
        Audit::Export { filter } => export(&filter).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::failure(&error);
            ExitCode::from(2)
        }
    }
}

/// The last events, the newest at the end.
async fn search(limit: usize, filter: &AuditFilter) -> Result<(), AuditError> {
    let store = open(filter).await?;
    let asked = Search { order: Order::NewestFirst, most: limit, ..asked(filter)? };
    let mut found = store.search(&asked).await?;
    found.reverse();
    let mut shown = Shown::new(filter.format.unwrap_or(AuditFormat::Table));
    for recorded in &found {
        shown.show(recorded);
    }
    if found.is_empty() {
        output::note("no event fits");
    } else if found.len() == limit {
        output::note(&format!(
            "only the last {limit} are shown; see --limit, or: scimbridge audit export"
        ));
    }
    store.close().await;
    Ok(())
}

/// Every event, the oldest first, a page at a time.
async fn export(filter: &AuditFilter) -> Result<(), AuditError> {
    let store = open(filter).await?;
    let mut shown = Shown::new(filter.format.unwrap_or(AuditFormat::Jsonl));
    let mut asked = Search { most: PAGE, ..asked(filter)? };
    loop {
        let page = store.search(&asked).await?;
        for recorded in &page {
            shown.show(recorded);
        }
        match page.last() {
            Some(last) if page.len() == PAGE => asked.beyond = Some(last.number),
            _ => break,
        }
    }
    store.close().await;
    Ok(())
}

/// The last events, then every new one, until the command is interrupted.
async fn tail(lines: usize, filter: &AuditFilter) -> Result<(), AuditError> {
    let store = open(filter).await?;
    let asked = asked(filter)?;
    let mut shown = Shown::new(filter.format.unwrap_or(AuditFormat::Table));
    // Where to go on must not hang on what fits the filter.
    let newest = Search { order: Order::NewestFirst, most: 1, ..Search::default() };
    let newest = store.search(&newest).await?;
    let mut low = newest.first().map_or(0, |last| last.number);
    let last = Search { order: Order::NewestFirst, most: lines, ..asked.clone() };
    let mut found = store.search(&last).await?;
    found.reverse();
    for recorded in found.iter().filter(|recorded| recorded.number <= low) {
        shown.show(recorded);
    }
    let mut seen: BTreeMap<i64, Instant> = BTreeMap::new();
    // One listener for all looks: an interruption may come while the store is asked.
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        let mut from = low;
        loop {
            let next = Search { beyond: Some(from), most: PAGE, ..asked.clone() };
            let page = store.search(&next).await?;
            for recorded in &page {
                if seen.insert(recorded.number, Instant::now()).is_none() {
                    shown.show(recorded);
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE => from = last.number,
                _ => break,
            }
        }
        // What was seen long ago need not be looked at again.
        while let Some(first) = seen.first_entry() {
            if first.get().elapsed() < BACK {
                break;
            }
            low = *first.key();
            first.remove();
        }
        tokio::select! {
            () = sleep(INTERVAL) => {}
            _ = &mut interrupted => break,
        }
    }
    store.close().await;
    Ok(())
}

async fn open(filter: &AuditFilter) -> Result<Store, AuditError> {
    let config = load(filter.config.as_deref())?;
    Ok(Store::open(&config.store.url).await?)
}

fn asked(filter: &AuditFilter) -> Result<Search, AuditError> {
    let now = SystemClock.now();
    let instant = |text: &Option<String>| -> Result<Option<Timestamp>, AuditError> {
        let Some(text) = text else { return Ok(None) };
        instant(text, now).map(Some).ok_or_else(|| AuditError::NoTime(text.clone()))
    };
    let operation = filter.operation.as_ref().map(|given| {
        let known = || Operation::ALL.map(Operation::keyword).join(", ");
        Operation::named(given)
            .ok_or_else(|| AuditError::NoOperation { given: given.clone(), known: known() })
    });
    let (resource, resource_id) = match filter.resource.as_deref().map(|it| it.split_once('/')) {
        Some(Some((resource, id))) => (Some(resource.to_owned()), Some(id.to_owned())),
        Some(None) => (filter.resource.clone(), None),
        None => (None, None),
    };
    Ok(Search {
        tenant: filter.tenant.clone(),
        since: instant(&filter.since)?,
        until: instant(&filter.until)?,
        operation: operation.transpose()?,
        resource,
        resource_id,
        token: filter.token.clone(),
        request_id: filter.request_id.clone(),
        ending: match (filter.interrupted, filter.failed) {
            (true, _) => Ending::Interrupted,
            (false, true) => Ending::Failed,
            (false, false) => Ending::Any,
        },
        ..Search::default()
    })
}

/// An instant, a day's beginning in UTC, or how long ago it was.
fn instant(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(instant) = text.parse() {
        return Some(instant);
    }
    if let Ok(day) = text.parse::<jiff::civil::Date>() {
        return Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp());
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: i64 = digits.parse().ok()?;
    let seconds = match text.strip_prefix(digits)? {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    let ago = SignedDuration::from_secs(number.checked_mul(seconds)?);
    now.checked_sub(ago).ok()
}

/// Events on their way to the terminal.
struct Shown {
    format: AuditFormat,
    has_head: bool,
}

impl Shown {
    fn new(format: AuditFormat) -> Self {
        Self { format, has_head: false }
    }

    fn show(&mut self, Recorded { number, event }: &Recorded) {
        match self.format {
            AuditFormat::Jsonl => output::line(&event.to_json(*number).to_string()),
            AuditFormat::Table => {
                if !self.has_head {
                    self.has_head = true;
                    output::line(HEAD);
                }
                output::line(&row(event));
            }
        }
    }
}

const HEAD: &str = "time                  tenant        token         client           operation  \
                    resource                      status  ms     native  request";

fn row(event: &Event) -> String {
    let details = &event.details;
    let status = match event.outcome {
        Outcome::Answered(status) => status.to_string(),
        Outcome::Interrupted => "cut".to_owned(),
    };
    let resource = match (event.resource.as_str(), event.resource_id.as_str()) {
        ("", _) => String::new(),
        (resource, "") => resource.to_owned(),
        (resource, id) => format!("{resource}/{id}"),
    };
    let native = details.native.len() as u64 + details.omitted;
    let client = details.client.map(|client| client.to_string()).unwrap_or_default();
    let mut row = format!(
        "{:<20}  {:<12}  {:<12}  {client:<15}  {:<9}  {resource:<28}  {status:<6}  {:<5}  {native:<6}  {}",
        event.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        event.tenant,
        event.token,
        event.operation.keyword(),
        details.ms,
        event.request_id,
    );
    if details.count > 1 {
        row.push_str("  ");
        row.push_str(&details.count.to_string());
        row.push_str(" times");
    }
    let failure = details.failure.as_deref().map(|failure| format!("  {failure}"));
    row.push_str(failure.as_deref().unwrap_or_default());
    if !details.changed.is_empty() {
        let paths: Vec<&str> =
            details.changed.iter().map(|changed| changed.path.as_str()).collect();
        row.push_str("  ");
        row.push_str(&paths.join(","));
    }
    // What came from outside must not move the cursor.
    row.replace(|c: char| c.is_control(), "?").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::cli::audit::instant;

    #[test]
    fn times() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let check = |text: &str, expected: &str| {
            assert_eq!(instant(text, now).unwrap(), expected.parse().unwrap(), "{text}");
        };
        check("2026-02-28", "2026-02-28T00:00:00Z");
        check("2026-02-28T10:00:00+01:00", "2026-02-28T09:00:00Z");
        check("90m", "2026-03-01T10:30:00Z");
        check("7d", "2026-02-22T12:00:00Z");
        for wrong in ["", "yesterday", "7", "7w", "h", "-"] {
            assert_eq!(instant(wrong, now), None, "{wrong}");
        }
    }
}
