//! The real application for a dry run, with the values of an installation.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::app::settings;
use crate::clock::{Clock, SystemClock};
use crate::exchange::upstream::Upstream;
use crate::id::{IdSource, SystemIds};
use crate::mapping::model::Mapping;
use crate::mapping::scope::Ambient;
use crate::upstream::client::HttpUpstream;
use crate::upstream::setup::UpstreamSetupError;

/// An application that can be called, and what is known of the installation.
pub struct Live {
    /// The application.
    pub upstream: Arc<dyn Upstream>,
    /// The values that requests may show.
    pub open: Map<String, Value>,
    /// Texts that are shown nowhere.
    pub secrets: Vec<String>,
    /// The time, as a test writes it.
    pub now: String,
}

/// The application cannot be called.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The mapping's variables are not filled as it asks.
    #[error("the mapping's configuration: {0}")]
    Settings(String),
    /// It cannot be addressed.
    #[error("the application cannot be called as configured")]
    Upstream(#[from] UpstreamSetupError),
}

/// Prepares the application of a mapping with these values.
///
/// # Errors
/// When a value is missing or does not fit.
pub fn application(mapping: &Mapping, supplied: &Map<String, Value>) -> Result<Live, LiveError> {
    let settings = settings::fill(&mapping.config, supplied)
        .map_err(|faults| LiveError::Settings(faults.join("; ")))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ids: Arc<dyn IdSource> = Arc::new(SystemIds);
    let now = clock.now();
    let ambient = Ambient { ids, now, request_id: "try".to_owned() };
    let upstream = HttpUpstream::new(&mapping.api, &settings.all, &ambient, clock)?;
    let open = settings.open.as_object().cloned().unwrap_or_default();
    let hidden = settings.all.as_object().into_iter().flatten();
    let hidden = hidden.filter(|(name, value)| !open.contains_key(*name) && !value.is_null());
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let secrets = hidden.map(|(_, value)| text(value)).collect();
    Ok(Live { upstream: Arc::new(upstream), open, secrets, now: now.to_string() })
}
