//! `scimbridge try`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::app::rehearse::{self, Live, LiveError};
use crate::cli::arguments::Try;
use crate::cli::files::{self, FileError};
use crate::cli::output;
use crate::config::error::ConfigError;
use crate::config::load;
use crate::config::settings::Tenant;
use crate::dialogue::rehearsal::{self, End, Rehearsal, RehearsalError};
use crate::dialogue::secrets::{Records, Secrets};
use crate::dialogue::{draft, narrative};
use crate::mapping::model::{Attempt, Mapping};

/// What is said before anything of a real application is shown.
const WARNING: &str =
    "note: this shows records of the real application, which may be personal data";

/// The run cannot begin.
#[derive(Debug, thiserror::Error)]
enum TryError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Live(#[from] LiveError),
    #[error(transparent)]
    Rehearsal(#[from] RehearsalError),
    #[error("the configuration has {0}: say which tenant with --tenant")]
    Tenant(&'static str),
    #[error("--body is not JSON")]
    Body(#[source] serde_json::Error),
    #[error("--header {0:?}: write it as \"Name: value\"")]
    Header(String),
    #[error("--set {0}")]
    Set(String),
}

pub(crate) async fn run(options: &Try) -> ExitCode {
    match Box::pin(play(options)).await {
        Ok(code) => code,
        Err(error) => {
            output::failure(&error);
            ExitCode::from(2)
        }
    }
}

async fn play(options: &Try) -> Result<ExitCode, TryError> {
    let tenant = tenant(options)?;
    let of_tenant = tenant.as_ref().map(|tenant| tenant.mapping.as_path());
    let path = options.mapping.as_deref().or(of_tenant).unwrap_or_else(|| Path::new(""));
    let mapping = Arc::new(files::mapping(path)?);
    let mut attempt = attempt(options, &mapping)?;
    let mut values = tenant.map(|tenant| tenant.config.0).unwrap_or_default();
    values.extend(set(options, &mapping)?);
    let live = if options.live { Some(rehearse::application(&mapping, &values)?) } else { None };
    let records = if options.live { Records::Real } else { Records::Written };
    let (application, open, configured) = match live {
        Some(Live { upstream, open, secrets, now }) => {
            attempt.given.now.get_or_insert(now);
            (Some(upstream), open, secrets)
        }
        None => {
            let is_secret =
                |name: &str| mapping.config.iter().any(|known| known.name == name && known.secret);
            values.retain(|name, _| !is_secret(name));
            (None, values, Vec::new())
        }
    };
    for (name, value) in open {
        attempt.given.config.entry(name).or_insert(value);
    }
    if options.live {
        output::note(WARNING);
    }
    let secrets = Secrets::new(&mapping, &attempt, configured, records);
    let rehearsal = Box::pin(rehearsal::run(&mapping, &attempt, application)).await?;
    if options.as_test {
        return Ok(as_test(&mapping, &attempt, &rehearsal, &secrets).await);
    }
    output::line(narrative::tell(&attempt, &rehearsal, &secrets).trim_end());
    Ok(match rehearsal.end {
        End::Whole | End::HeldBack => ExitCode::SUCCESS,
        End::Unanswered | End::Differs(_) => ExitCode::from(1),
    })
}

async fn as_test(
    mapping: &Arc<Mapping>,
    attempt: &Attempt,
    rehearsal: &Rehearsal,
    secrets: &Secrets,
) -> ExitCode {
    match draft::entry(mapping, attempt, rehearsal, secrets).await {
        Ok(entry) => {
            output::line(entry.trim_end());
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::note(narrative::tell(attempt, rehearsal, secrets).trim_end());
            output::failure(&error);
            ExitCode::from(1)
        }
    }
}

/// The tenant whose values are used.
fn tenant(options: &Try) -> Result<Option<Tenant>, TryError> {
    let Some(path) = &options.config else { return Ok(None) };
    let config = load::load(Some(path))?;
    let is_meant =
        |tenant: &Tenant| options.tenant.as_ref().is_none_or(|name| *name == tenant.name);
    let mut tenants = config.tenants.into_iter().filter(is_meant);
    match (tenants.next(), tenants.next()) {
        (Some(tenant), None) => Ok(Some(tenant)),
        (None, _) => Err(TryError::Tenant("no such tenant")),
        (Some(_), Some(_)) => Err(TryError::Tenant("several tenants")),
    }
}

/// The request, wherever it is written, with what stands in further files.
fn attempt(options: &Try, mapping: &Mapping) -> Result<Attempt, TryError> {
    let mut attempt = match (&options.request, &options.scim) {
        (Some(path), _) => files::load(path, |text| mapping.attempt(text))?,
        (None, scim) => {
            let text = written(options, scim.as_deref().unwrap_or_default())?;
            mapping.attempt(&text).map_err(|faults| files::faulty("the request", &faults))?
        }
    };
    if let Some(path) = &options.given {
        attempt.given = files::load(path, |text| mapping.given(text))?;
    }
    if let Some(path) = &options.answers {
        attempt.native = files::load(path, |text| mapping.calls(text))?;
    }
    Ok(attempt)
}

/// A request of the command line in the form of a file; JSON is YAML, too.
fn written(options: &Try, scim: &str) -> Result<String, TryError> {
    let mut headers = Map::new();
    for header in &options.header {
        let split = header.split_once(':').ok_or_else(|| TryError::Header(header.clone()))?;
        headers.insert(split.0.trim().to_owned(), json!(split.1.trim()));
    }
    let mut request = json!({ "scim": scim, "headers": headers });
    if let Some(body) = &options.body {
        let text = match body.strip_prefix('@') {
            Some(path) => files::text(Path::new(path))?,
            None => body.clone(),
        };
        let body: Value = serde_json::from_str(&text).map_err(TryError::Body)?;
        request.as_object_mut().map(|request| request.insert("body".to_owned(), body));
    }
    Ok(request.to_string())
}

/// The values of `--set`. A secret on the command line would be seen by everybody on the machine.
fn set(options: &Try, mapping: &Mapping) -> Result<Map<String, Value>, TryError> {
    let mut values = Map::new();
    for pair in &options.set {
        let (name, value) =
            pair.split_once('=').ok_or_else(|| TryError::Set("wants NAME=VALUE".to_owned()))?;
        let is_secret = mapping.config.iter().any(|known| known.name == name && known.secret);
        let is_reference = value.starts_with("file:") || value.starts_with("${");
        if is_secret && !is_reference {
            let message = format!("{name}: a secret is given as ${{VARIABLE}} or file:PATH");
            return Err(TryError::Set(message));
        }
        let value = load::resolve(json!(value))
            .map_err(|message| TryError::Set(format!("{name}: {message}")))?;
        values.insert(name.to_owned(), value);
    }
    Ok(values)
}
