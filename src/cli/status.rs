//! `scimbridge status` and `scimbridge reload`: what a running bridge is doing, and making it read
//! its configuration again.
//!
//! A reload is asked for with SIGHUP, so the operating system decides who may: the operators' port
//! has no sign-in, and nothing on it changes anything.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::cli::admin::{self, AdminError};
use crate::cli::arguments::{Reload, Status, StatusFormat};
use crate::cli::output;

/// Longest wait for a reload to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at whether it has ended.
const PAUSE: Duration = Duration::from_millis(50);

/// A command cannot be carried out.
#[derive(Debug, thiserror::Error)]
enum StatusError {
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error("the answer is not that of a bridge")]
    Foreign,
    #[error(
        "process {0} cannot be signalled from here; run this where the bridge runs, as its user"
    )]
    Signal(i32, #[source] std::io::Error),
    #[error("the bridge has not ended the reload in time; ask again with: scimbridge status")]
    TimedOut,
}

/// Prints what the bridge says of itself: 0 all is well, 1 something is not, 2 no answer.
pub(crate) async fn run(options: &Status) -> ExitCode {
    match report(&options.url).await {
        Ok(report) => {
            match options.format {
                StatusFormat::Pretty => pretty(&report),
                StatusFormat::Json => output::line(&format!("{report:#}")),
            }
            let is_refused = at(&report, "/reload/last/result") == "refused";
            ExitCode::from(u8::from(at(&report, "/ready") != true || is_refused))
        }
        Err(error) => failed(&error),
    }
}

/// Makes the bridge read its configuration again, and tells how it went: 0 it is served, 1 it is
/// refused, 2 the bridge could not be asked.
pub(crate) async fn reload(options: &Reload) -> ExitCode {
    let last = match again(&options.url).await {
        Ok(last) => last,
        Err(error) => return failed(&error),
    };
    if at(&last, "/result") == "refused" {
        output::note("refused; the configuration of before is served on:");
        texts(at(&last, "/faults")).for_each(|fault| output::note(&format!("  {fault}")));
        return ExitCode::from(1);
    }
    let changes: Vec<&str> = texts(at(&last, "/changes")).collect();
    let changes =
        if changes.is_empty() { "nothing has changed".to_owned() } else { changes.join(", ") };
    output::line(&format!("reloaded: {changes}"));
    for setting in texts(at(&last, "/needRestart")) {
        output::line(&format!("needs a restart: {setting}"));
    }
    ExitCode::SUCCESS
}

async fn again(url: &str) -> Result<Value, StatusError> {
    let before = report(url).await?;
    let pid = at(&before, "/pid").as_i64().and_then(|pid| i32::try_from(pid).ok());
    let pid = pid.filter(|pid| *pid > 1).ok_or(StatusError::Foreign)?;
    let process = Pid::from_raw(pid).ok_or(StatusError::Foreign)?;
    kill_process(process, Signal::HUP).map_err(|error| StatusError::Signal(pid, error.into()))?;
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let now = report(url).await?;
        if count(&now) != count(&before) {
            return Ok(at(&now, "/reload/last").clone());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(StatusError::TimedOut)
}

/// How many reloads there have been.
fn count(report: &Value) -> u64 {
    let number = |name: &str| at(report, name).as_u64().unwrap_or_default();
    number("/reload/applied") + number("/reload/refused")
}

async fn report(url: &str) -> Result<Value, StatusError> {
    let answer = admin::get(&format!("{}/status", url.trim_end_matches('/'))).await?;
    let report = serde_json::from_str(&answer.body).ok().filter(|_| answer.status == 200);
    report.filter(Value::is_object).ok_or(StatusError::Foreign)
}

fn failed(error: &StatusError) -> ExitCode {
    output::failure(error);
    ExitCode::from(2)
}

fn pretty(report: &Value) {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let ready = if at(report, "/ready") == true { "ready" } else { "not ready" };
    output::line(&format!(
        "scimbridge {}, process {}, {ready}, since {}",
        text(at(report, "/version")),
        at(report, "/pid"),
        text(at(report, "/started")),
    ));
    for (name, result) in at(report, "/checks").as_object().into_iter().flatten() {
        output::line(&format!("  check {name:<20} {}", text(result)));
    }
    let reload = at(report, "/reload");
    let last = at(reload, "/last");
    if last.is_null() {
        output::line("no reload so far");
    } else {
        let (result, when) = (text(at(last, "/result")), text(at(last, "/at")));
        output::line(&format!(
            "last reload {result} at {when} ({} applied, {} refused)",
            at(reload, "/applied"),
            at(reload, "/refused")
        ));
        texts(at(last, "/changes")).for_each(|change| output::line(&format!("  {change}")));
        texts(at(last, "/needRestart"))
            .for_each(|setting| output::line(&format!("  needs a restart: {setting}")));
        texts(at(last, "/faults")).for_each(|fault| output::line(&format!("  {fault}")));
    }
    output::line(&format!("{:<20} {:<20} {:<24} VERSION", "TENANT", "BASE PATH", "MAPPING"));
    for tenant in at(report, "/tenants").as_array().into_iter().flatten() {
        let base = text(at(tenant, "/basePath"));
        output::line(&format!(
            "{:<20} {:<20} {:<24} {}",
            text(at(tenant, "/name")),
            if base.is_empty() { "/" } else { &base },
            text(at(tenant, "/mapping")),
            text(at(tenant, "/mappingVersion")),
        ));
        for (name, detail) in at(tenant, "/details").as_object().into_iter().flatten() {
            output::line(&format!("  {name}: {}", plain(detail)));
        }
    }
}

/// A detail in a line for people.
fn plain(detail: &Value) -> String {
    match detail {
        Value::String(text) => text.clone(),
        Value::Object(fields) => {
            let pairs = fields.iter().map(|(name, value)| format!("{name} {}", plain(value)));
            pairs.collect::<Vec<_>>().join(", ")
        }
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join("; "),
        other => other.to_string(),
    }
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// What is there, or null.
fn at<'v>(value: &'v Value, pointer: &str) -> &'v Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}
