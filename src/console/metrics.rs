//! `/metrics`, in the text format of Prometheus (version 0.0.4).
//!
//! One family so far: where clients leave the letter of the RFCs. Nothing here says anything that
//! needs a token: tenants by name, and counts.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;

use crate::current::Current;
use crate::exchange::counters::DeviationCounters;

const DEVIATIONS: &str = "scimbridge_dialect_deviations_total";

/// What is counted for one tenant.
#[derive(Debug, Clone)]
pub struct Counted {
    /// The tenant's name.
    pub tenant: String,
    /// Where its clients left the letter of the RFCs.
    pub deviations: Arc<DeviationCounters>,
}

/// The path, ready to be merged into the operators' port.
pub fn routes(tenants: Arc<Current<Vec<Counted>>>) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(tenants)
}

async fn metrics(State(tenants): State<Arc<Current<Vec<Counted>>>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text(&tenants.load()))
}

/// All kinds are told, also those that never occurred: a rate needs its zero.
fn text(tenants: &[Counted]) -> String {
    let mut text = format!(
        "# HELP {DEVIATIONS} Requests' deviations from the letter of RFC 7643 and 7644, by kind.\n\
         # TYPE {DEVIATIONS} counter\n"
    );
    for Counted { tenant, deviations } in tenants {
        let tenant = label(tenant);
        for (kind, count) in deviations.counts() {
            let kind = kind.keyword();
            let line = format!("{DEVIATIONS}{{tenant=\"{tenant}\",kind=\"{kind}\"}} {count}\n");
            text.push_str(&line);
        }
    }
    text
}

/// A label's value; the format escapes three characters.
fn label(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::console::metrics::{Counted, text};
    use crate::exchange::counters::DeviationCounters;
    use crate::scim::deviation::{Deviation, Deviations};

    #[test]
    fn deviations_are_counted_by_tenant_and_kind() {
        let deviations = Arc::new(DeviationCounters::default());
        let mut noted = Deviations::default();
        noted.note(Deviation::StringBoolean);
        noted.note(Deviation::StringBoolean);
        deviations.add(&noted);
        deviations.add(&noted);
        let text = text(&[Counted { tenant: "a\"b".to_owned(), deviations }]);
        let line = r#"scimbridge_dialect_deviations_total{tenant="a\"b",kind="stringBoolean"} 4"#;
        assert!(text.lines().any(|one| one == line), "{text}");
        assert_eq!(text.lines().count(), 2 + Deviation::ALL.len());
    }
}
