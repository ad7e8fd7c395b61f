//! `/metrics`, in the text format of Prometheus (version 0.0.4).
//!
//! Nothing here says anything that needs a token: tenants by name, and counts. Every label comes
//! from a list that the bridge or its configuration knows beforehand, never from a request.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::registry::Registry;

use crate::console::application;
use crate::console::exposition::Families;
use crate::console::process::{Process, Usage};
use crate::current::Current;
use crate::exchange::counters::DeviationCounters;
use crate::exchange::traffic::Traffic;
use crate::watch::meters::Meters;

/// What is counted for one tenant.
#[derive(Debug, Clone)]
pub struct Counted {
    /// The tenant's name.
    pub tenant: String,
    /// By those who serve its requests.
    pub meters: Arc<Meters>,
    /// Where its clients left the letter of the RFCs.
    pub deviations: Arc<DeviationCounters>,
    /// Between the bridge and its application, where that is known.
    pub traffic: Option<Arc<Traffic>>,
}

/// Figures that somebody else keeps.
pub trait Figures: fmt::Debug + Send + Sync + 'static {
    /// How they stand now. Names are told without the ending `_total`; labels come from lists that
    /// are known beforehand.
    fn families(&self) -> Vec<Family>;
}

/// Figures of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Begins with `scimbridge_`.
    pub name: &'static str,
    /// What they say: one sentence.
    pub help: &'static str,
    /// The figures.
    pub lines: Lines,
}

/// A label's name and value.
pub type Label = (&'static str, String);

/// A figure and its labels.
pub type Line<T> = (Vec<Label>, T);

/// Figures with their labels.
#[derive(Debug, Clone, PartialEq)]
pub enum Lines {
    /// They only grow.
    Counters(Vec<Line<u64>>),
    /// They rise and fall.
    Gauges(Vec<Line<f64>>),
}

/// The path, ready to be merged into the operators' port.
pub fn routes(tenants: Arc<Current<Vec<Counted>>>, more: Vec<Arc<dyn Figures>>) -> Router {
    let mut registry = Registry::default();
    let everything = Everything { tenants, more, process: Process::new() };
    registry.register_collector(Box::new(everything));
    Router::new().route("/metrics", get(metrics)).with_state(Arc::new(registry))
}

async fn metrics(State(registry): State<Arc<Registry>>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => {
            ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
        }
        Err(fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Reads everything when it is asked.
#[derive(Debug)]
struct Everything {
    tenants: Arc<Current<Vec<Counted>>>,
    more: Vec<Arc<dyn Figures>>,
    process: Process,
}

impl Collector for Everything {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families::new(encoder);
        let tenants = self.tenants.load();
        requests(&mut families, &tenants)?;
        passed(&mut families, &tenants)?;
        native(&mut families, &tenants)?;
        let known = tenants.iter().filter_map(|it| Some((&*it.tenant, it.traffic.as_deref()?)));
        application::traffic(&mut families, &known.collect::<Vec<_>>())?;
        clients(&mut families, &tenants)?;
        for family in self.more.iter().flat_map(|figures| figures.families()) {
            told(&mut families, &family)?;
        }
        process(&mut families, &self.process)
    }
}

fn requests(families: &mut Families<'_>, tenants: &[Counted]) -> fmt::Result {
    families.histograms(
        "scimbridge_request_duration_seconds",
        "Time from a request's head until its answer is ready.",
        tenants.iter().flat_map(|counted| {
            counted.meters.requests().map(move |(operation, outcome, reading)| {
                let labels = vec![
                    ("tenant", &*counted.tenant),
                    ("operation", operation),
                    ("outcome", outcome),
                ];
                (labels, reading)
            })
        }),
    )?;
    families.gauges(
        "scimbridge_requests_in_flight",
        "Requests being answered.",
        tenants.iter().map(|counted| {
            (vec![("tenant", &*counted.tenant)], gauge(counted.meters.in_flight.get()))
        }),
    )?;
    families.histograms(
        "scimbridge_native_calls_per_request",
        "Calls to the application, attempts included, that one request caused.",
        tenants.iter().flat_map(|counted| {
            counted.meters.calls().map(move |(operation, reading)| {
                (vec![("tenant", &*counted.tenant), ("operation", operation)], reading)
            })
        }),
    )
}

fn passed(families: &mut Families<'_>, tenants: &[Counted]) -> fmt::Result {
    families.histograms(
        "scimbridge_passed_request_duration_seconds",
        "Time from a request's head until the end of the application's answer, of what is not SCIM.",
        tenants.iter().flat_map(|counted| {
            counted.meters.passings().map(move |(outcome, reading)| {
                (vec![("tenant", &*counted.tenant), ("outcome", outcome)], reading)
            })
        }),
    )
}

fn native(families: &mut Families<'_>, tenants: &[Counted]) -> fmt::Result {
    families.histograms(
        "scimbridge_native_call_duration_seconds",
        "Time of one attempt of a call to the application.",
        tenants.iter().flat_map(|counted| {
            counted.meters.native().map(move |(method, outcome, reading)| {
                (
                    vec![("tenant", &*counted.tenant), ("method", method), ("outcome", outcome)],
                    reading,
                )
            })
        }),
    )?;
    families.counters(
        "scimbridge_native_retries",
        "Calls to the application that were made again.",
        tenants
            .iter()
            .map(|counted| (vec![("tenant", &*counted.tenant)], counted.meters.retries.get())),
    )
}

fn clients(families: &mut Families<'_>, tenants: &[Counted]) -> fmt::Result {
    families.counters(
        "scimbridge_authentication_failures",
        "Requests without a token that opens the tenant.",
        tenants.iter().map(|counted| {
            (vec![("tenant", &*counted.tenant)], counted.meters.refused_callers.get())
        }),
    )?;
    // All kinds are told, also those that never occurred: a rate needs its zero.
    families.counters(
        "scimbridge_dialect_deviations",
        "Requests' deviations from the letter of RFC 7643 and 7644, by kind.",
        tenants.iter().flat_map(|counted| {
            counted.deviations.counts().map(move |(kind, count)| {
                (vec![("tenant", &*counted.tenant), ("kind", kind.keyword())], count)
            })
        }),
    )
}

fn told(families: &mut Families<'_>, family: &Family) -> fmt::Result {
    fn shown(labels: &[Label]) -> Vec<(&'static str, &str)> {
        labels.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }
    let Family { name, help, lines } = family;
    match lines {
        Lines::Counters(lines) => {
            let lines = lines.iter().map(|(labels, count)| (shown(labels), *count));
            families.counters(name, help, lines)
        }
        Lines::Gauges(lines) => {
            let lines = lines.iter().map(|(labels, value)| (shown(labels), *value));
            families.gauges(name, help, lines)
        }
    }
}

fn process(families: &mut Families<'_>, process: &Process) -> fmt::Result {
    families.gauges(
        "scimbridge_build_info",
        "1, with the version that runs.",
        [(vec![("version", env!("CARGO_PKG_VERSION"))], 1.0)],
    )?;
    families.gauges(
        "process_start_time_seconds",
        "When the process began to serve, in seconds since 1970.",
        [(Vec::new(), process.began())],
    )?;
    let Some(Usage { resident, open_files, threads }) = Process::usage() else { return Ok(()) };
    for (name, help, value) in [
        ("process_resident_memory_bytes", "Memory in use.", resident),
        ("process_open_fds", "Open files and connections.", open_files),
        ("process_threads", "Threads.", threads),
    ] {
        families.gauges(
            name,
            help,
            [(Vec::new(), gauge(i64::try_from(value).unwrap_or(i64::MAX)))],
        )?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts of what is in memory stay below 2^53")]
fn gauge(value: i64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use prometheus_client::encoding::prometheus_text::encode;
    use prometheus_client::registry::Registry;

    use crate::console::metrics::{Counted, Everything, Family, Figures, Lines};
    use crate::console::process::Process;
    use crate::current::Current;
    use crate::scim::deviation::{Deviation, Deviations};
    use crate::watch::operation::{Operation, Outcome};

    #[derive(Debug)]
    struct Own;

    impl Figures for Own {
        fn families(&self) -> Vec<Family> {
            let label = || vec![("name", "a\nb".to_owned())];
            let family = |name, lines| Family { name, help: "Figures of others.", lines };
            vec![
                family("scimbridge_own", Lines::Counters(vec![(label(), 3)])),
                family("scimbridge_level", Lines::Gauges(vec![(label(), 0.5)])),
            ]
        }
    }

    fn counted(tenant: &str) -> Counted {
        let tenant = tenant.to_owned();
        Counted {
            tenant,
            meters: Arc::default(),
            deviations: Arc::default(),
            traffic: Some(Arc::default()),
        }
    }

    fn text(counted: Counted) -> String {
        let mut registry = Registry::default();
        let tenants = Arc::new(Current::new(vec![counted]));
        let more: Vec<Arc<dyn Figures>> = vec![Arc::new(Own)];
        registry.register_collector(Box::new(Everything {
            tenants,
            more,
            process: Process::new(),
        }));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    #[track_caller]
    fn has(text: &str, line: &str) {
        assert!(text.lines().any(|one| one == line), "{line}\n{text}");
    }

    #[test]
    fn deviations_are_counted_by_tenant_and_kind() {
        let mut noted = Deviations::default();
        noted.note(Deviation::StringBoolean);
        noted.note(Deviation::StringBoolean);
        let counted = counted("a\"b");
        counted.deviations.add(&noted);
        counted.deviations.add(&noted);
        let text = text(counted);
        has(&text, r#"scimbridge_dialect_deviations_total{tenant="a\"b",kind="stringBoolean"} 4"#);
        let family = text.lines().filter(|line| line.starts_with("scimbridge_dialect_deviations"));
        assert_eq!(family.count(), Deviation::ALL.len());
    }

    #[test]
    fn times_are_told_by_tenant_operation_and_outcome() {
        let counted = counted("acme");
        let meters = &counted.meters;
        meters.answered(Operation::Patch, Outcome::Success, Duration::from_millis(7), 2);
        meters.called("GET", Outcome::Unreachable, Duration::from_millis(40));
        let text = text(counted);
        let request = r#"tenant="acme",operation="patch",outcome="success""#;
        for (bound, count) in [("0.005", 0), ("0.01", 1), ("60", 1), ("+Inf", 1)] {
            let labels = format!("{request},le=\"{bound}\"");
            has(&text, &format!("scimbridge_request_duration_seconds_bucket{{{labels}}} {count}"));
        }
        has(&text, &format!("scimbridge_request_duration_seconds_count{{{request}}} 1"));
        let calls = r#"tenant="acme",operation="patch""#;
        has(&text, &format!("scimbridge_native_calls_per_request_sum{{{calls}}} 2.0"));
        let call = r#"tenant="acme",method="GET",outcome="unreachable""#;
        has(&text, &format!("scimbridge_native_call_duration_seconds_sum{{{call}}} 0.04"));
        has(&text, r#"scimbridge_native_retries_total{tenant="acme"} 0"#);
        has(&text, r#"scimbridge_requests_in_flight{tenant="acme"} 0.0"#);
        has(&text, r#"scimbridge_breaker_state{tenant="acme",state="closed"} 1.0"#);
        has(&text, r#"scimbridge_breaker_state{tenant="acme",state="open"} 0.0"#);
        has(&text, r#"scimbridge_native_not_sent_total{tenant="acme",reason="left_alone"} 0"#);
        has(&text, "# TYPE scimbridge_native_budget_left gauge");
        has(&text, "# TYPE scimbridge_native_retries_total counter");
        has(&text, "# TYPE scimbridge_requests_in_flight gauge");
        has(&text, r#"scimbridge_own_total{name="a\nb"} 3"#);
        has(&text, r#"scimbridge_level{name="a\nb"} 0.5"#);
        let version = env!("CARGO_PKG_VERSION");
        has(&text, &format!("scimbridge_build_info{{version=\"{version}\"}} 1.0"));
    }
}
