//! `[telemetry]`: whether and where spans of distributed traces are sent.
//!
//! Two variables of the OpenTelemetry standard are read as well, below what the file says:
//! `OTEL_EXPORTER_OTLP_ENDPOINT` and `OTEL_SERVICE_NAME`.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::Deserialize;

use crate::config::error::Fault;
use crate::config::interpolate::Surroundings;
use crate::upstream::otlp::Options;

/// The section as written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TelemetryFile {
    otlp_endpoint: Option<String>,
    headers: BTreeMap<String, String>,
    service_name: Option<String>,
    sample_ratio: Option<f64>,
}

impl TelemetryFile {
    /// How spans are sent; `None` when nobody asks for it.
    pub(crate) fn options(
        self,
        surroundings: &Surroundings<'_>,
        faults: &mut Vec<Fault>,
    ) -> Option<Options> {
        let variable = |name: &str| {
            surroundings.variables.get(name).filter(|value| !value.is_empty()).cloned()
        };
        let mut headers = Vec::new();
        for (name, value) in self.headers {
            match surroundings.resolve(value.into()) {
                Ok(value) => {
                    let value = value.as_str().unwrap_or_default().to_owned();
                    headers.push((name, SecretString::from(value)));
                }
                Err(problem) => {
                    faults.push(Fault::new(format!("telemetry.headers.{name}"), problem));
                }
            }
        }
        let sample_ratio = self.sample_ratio.unwrap_or(1.0);
        if !(0.0..=1.0).contains(&sample_ratio) {
            faults.push(Fault::new("telemetry.sample_ratio", "must be from 0 to 1"));
        }
        let asked = self.otlp_endpoint.or_else(|| variable("OTEL_EXPORTER_OTLP_ENDPOINT"));
        let endpoint = asked.filter(|endpoint| !endpoint.is_empty())?;
        if !is_web(&endpoint) {
            let problem = "must be an http or https URL without user, query and fragment, as in \
                           `http://127.0.0.1:4318`; `/v1/traces` is added to it";
            faults.push(Fault::new("telemetry.otlp_endpoint", problem));
        }
        let service_name = self.service_name.or_else(|| variable("OTEL_SERVICE_NAME"));
        let service_name = service_name.unwrap_or_else(|| "scimbridge".to_owned());
        Some(Options { endpoint, headers, service_name, sample_ratio })
    }
}

fn is_web(text: &str) -> bool {
    let Ok(url) = url::Url::parse(text) else { return false };
    let web = matches!(url.scheme(), "http" | "https") && url.has_host();
    web && url.username().is_empty() && url.query().is_none() && url.fragment().is_none()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use secrecy::ExposeSecret as _;

    use crate::config::interpolate::Surroundings;
    use crate::config::telemetry::TelemetryFile;
    use crate::upstream::otlp::Options;

    fn judged(file: TelemetryFile, variables: &[(&str, &str)]) -> (Option<Options>, Vec<String>) {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let variables: BTreeMap<String, String> = variables.iter().map(own).collect();
        let surroundings = Surroundings::new(&variables, Path::new(""));
        let mut faults = Vec::new();
        let options = file.options(&surroundings, &mut faults);
        (options, faults.iter().map(ToString::to_string).collect())
    }

    fn at(endpoint: &str) -> TelemetryFile {
        TelemetryFile { otlp_endpoint: Some(endpoint.to_owned()), ..TelemetryFile::default() }
    }

    #[test]
    fn nothing_is_sent_unless_somebody_asks() {
        assert!(judged(TelemetryFile::default(), &[]).0.is_none());
        assert!(judged(at(""), &[]).0.is_none());
        let standard =
            [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"), ("OTEL_SERVICE_NAME", "s")];
        let options = judged(TelemetryFile::default(), &standard).0.unwrap();
        assert_eq!(
            (options.endpoint.as_str(), options.service_name.as_str()),
            ("http://c:4318", "s")
        );
        let options = judged(at("http://other:4318"), &standard).0.unwrap();
        assert_eq!(options.endpoint, "http://other:4318");
    }

    #[test]
    fn headers_may_be_secrets_from_elsewhere() {
        let mut file = at("https://c");
        file.headers.insert("authorization".to_owned(), "Bearer ${KEY}".to_owned());
        let options = judged(file, &[("KEY", "hunter2")]).0.unwrap();
        assert_eq!(options.headers[0].1.expose_secret(), "Bearer hunter2");
        assert!(!format!("{options:?}").contains("hunter2"));
    }

    #[test]
    fn faults_name_the_setting() {
        let mut file = at("collector:4318");
        file.headers.insert("x".to_owned(), "${MISSING}".to_owned());
        file.sample_ratio = Some(2.0);
        let (_, faults) = judged(file, &[]);
        assert_eq!(faults.len(), 3, "{faults:?}");
        for (fault, key) in faults.iter().zip(["headers.x", "sample_ratio", "otlp_endpoint"]) {
            assert!(fault.starts_with(&format!("telemetry.{key}: ")), "{fault}");
        }
        assert!(judged(at("http://u:p@c"), &[]).1.len() == 1);
    }
}
