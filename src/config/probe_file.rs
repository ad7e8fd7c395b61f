//! `[tenants.probe]` as written, and what it means.

use std::time::Duration;

use serde::Deserialize;

use crate::config::error::Fault;
use crate::config::settings::Probe;

/// How an application is asked whether it is there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProbeFile {
    path: String,
    status: Option<Vec<u16>>,
    every_seconds: Option<u64>,
    timeout_seconds: Option<u64>,
}

impl ProbeFile {
    /// What it means; `key` is that of the section.
    pub(crate) fn judge(self, key: &str, faults: &mut Vec<Fault>) -> Probe {
        let mut fault = |name: &str, problem: &str| {
            faults.push(Fault::new(format!("{key}.{name}"), problem));
        };
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let fits = |c: char| c.is_ascii_graphic() && !matches!(c, '#' | '"' | '<' | '>' | '\\');
        let leads_elsewhere = path.split('/').any(|segment| matches!(segment, "." | ".."));
        if !path.starts_with('/') || leads_elsewhere || !self.path.chars().all(fits) {
            fault("path", "must be a path below the mapping's base_url, such as \"/health\"");
        }
        let statuses = self.status.unwrap_or_default();
        if statuses.iter().any(|status| !(100..=599).contains(status)) {
            fault("status", "must be statuses from 100 to 599");
        }
        let mut seconds = |name: &str, given: Option<u64>, usual: u64, most: u64| {
            let seconds = given.unwrap_or(usual);
            if !(1..=most).contains(&seconds) {
                fault(name, &format!("must be from 1 to {most}"));
            }
            Duration::from_secs(seconds)
        };
        let every = seconds("every_seconds", self.every_seconds, 30, 3600);
        let timeout = seconds("timeout_seconds", self.timeout_seconds, 5, 60);
        let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Probe { path: path.to_owned(), query, statuses, every, timeout }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::config::probe_file::ProbeFile;
    use crate::config::settings::Probe;

    fn judged(text: &str) -> Result<Probe, Vec<String>> {
        let written: ProbeFile = toml_of(text);
        let mut faults = Vec::new();
        let probe = written.judge("tenants[0].probe", &mut faults);
        let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
        if texts.is_empty() { Ok(probe) } else { Err(texts) }
    }

    fn toml_of(text: &str) -> ProbeFile {
        use figment::Figment;
        use figment::providers::{Format as _, Toml};
        Figment::from(Toml::string(text)).extract().unwrap()
    }

    #[test]
    fn it_is_understood() {
        let probe = judged("path = \"/health?deep=1&x=a%20b\"").unwrap();
        assert_eq!(probe.path, "/health");
        let query = [("deep", "1"), ("x", "a b")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(probe.query, query);
        assert_eq!((probe.every, probe.timeout), (Duration::from_secs(30), Duration::from_secs(5)));
        assert!(probe.accepts(204) && !probe.accepts(301) && !probe.accepts(401));
        let text = "path = \"/\"\nstatus = [401]\nevery_seconds = 3600\ntimeout_seconds = 60";
        let probe = judged(text).unwrap();
        assert!(probe.accepts(401) && !probe.accepts(200));
    }

    #[test]
    fn every_fault_is_told() {
        let text = "path = \"health\"\nstatus = [99]\nevery_seconds = 0\ntimeout_seconds = 61";
        let expected = [
            "tenants[0].probe.path: must be a path below the mapping's base_url, such as \
             \"/health\"",
            "tenants[0].probe.status: must be statuses from 100 to 599",
            "tenants[0].probe.every_seconds: must be from 1 to 3600",
            "tenants[0].probe.timeout_seconds: must be from 1 to 60",
        ];
        assert_eq!(judged(text).unwrap_err(), expected);
        for path in ["/a/../b", "/a b", "/a#b", "//..", "/\u{e9}"] {
            assert!(judged(&format!("path = \"{path}\"")).is_err(), "{path}");
        }
    }
}
