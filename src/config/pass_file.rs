//! `[tenants.passthrough]` as written, and what it means.

use std::time::Duration;

use serde::Deserialize;
use url::{Host, Url};

use crate::config::error::Fault;
use crate::config::interpolate::Surroundings;
use crate::config::settings::Tenant;
use crate::exchange::endpoint::Backend;

/// Where what is not SCIM goes to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PassFile {
    url: String,
    host: Option<String>,
    silence_seconds: Option<u64>,
}

/// The most that `silence_seconds` can be.
const MOST_SECONDS: u64 = 3600;

impl PassFile {
    /// What it means for a tenant with this base path; `key` is that of the section.
    pub(crate) fn judge(
        self,
        key: &str,
        base_path: &str,
        surroundings: &Surroundings<'_>,
        faults: &mut Vec<Fault>,
    ) -> Option<Backend> {
        let before = faults.len();
        let url = surroundings.text_at(&format!("{key}.url"), self.url, faults);
        let mut fault = |name: &str, problem: &str| {
            faults.push(Fault::new(format!("{key}{name}"), problem));
        };
        if base_path.is_empty() {
            let problem = "needs the tenant to have a `base_path`, such as \"/scim/v2\", by \
                           which SCIM and the application are told apart";
            fault("", problem);
        }
        let origin = origin(&url);
        if origin.is_none() {
            fault(".url", "must be an http or https URL without path, query and user");
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if self.host.as_deref().is_some_and(|it| it.is_empty() || !it.chars().all(fits)) {
            fault(".host", "must be a name, perhaps with a port");
        }
        let silence = self.silence_seconds.unwrap_or(60);
        if !(1..=MOST_SECONDS).contains(&silence) {
            fault(".silence_seconds", &format!("must be from 1 to {MOST_SECONDS}"));
        }
        let (tls, host, port) = origin.filter(|_| faults.len() == before)?;
        let silence = Duration::from_secs(silence);
        Some(Backend { tls, host, port, host_header: self.host, silence })
    }
}

/// Whether over TLS, and name and port.
fn origin(text: &str) -> Option<(bool, String, u16)> {
    let url = Url::parse(text).ok()?;
    let is_origin = matches!(url.scheme(), "http" | "https")
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    let host = match url.host()? {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    let port = url.port_or_known_default()?;
    is_origin.then_some((url.scheme() == "https", host, port))
}

/// At one host everything that is not SCIM has one place to go to.
pub(crate) fn check(tenants: &[(Tenant, String)], faults: &mut Vec<Fault>) {
    for (index, (tenant, key)) in tenants.iter().enumerate() {
        if tenant.passthrough.is_none() {
            continue;
        }
        let host = &tenant.door.host;
        let mut earlier = tenants.iter().take(index).map(|(tenant, _)| tenant);
        let is_second = earlier.any(|it| it.passthrough.is_some() && it.door.host == *host);
        if is_second {
            let problem = "an earlier tenant has it already; give one of them a `host`";
            faults.push(Fault::new(format!("{key}.passthrough"), problem));
        }
        let takes_all = |it: &&(Tenant, String)| {
            it.0.base_path.is_empty() && (it.0.door.host.is_none() || it.0.door.host == *host)
        };
        let other = tenants.iter().filter(|it| it.0.name != tenant.name).find(takes_all);
        if let Some((other, _)) = other {
            let problem =
                format!("nothing is left to pass on: tenant `{}` has no `base_path`", other.name);
            faults.push(Fault::new(format!("{key}.passthrough"), problem));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::time::Duration;

    use crate::config::file::judge;
    use crate::config::interpolate::Surroundings;
    use crate::config::settings::Config;

    fn with(text: &str) -> Result<Config, Vec<String>> {
        let variables = BTreeMap::from([("APP".to_owned(), "http://app.test".to_owned())]);
        let judged = judge(text, &Surroundings::new(&variables, Path::new("conf")));
        judged.map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    fn tenant(name: &str, rest: &str) -> String {
        format!("[[tenants]]\nname = \"{name}\"\nmapping = \"m.yaml\"\n{rest}\n")
    }

    const PASS: &str = "passthrough = { url = \"http://app.test\" }";

    #[test]
    fn it_is_understood() {
        let rest = "base_path = \"/scim\"\n[tenants.passthrough]\nurl = \"https://[::1]\"\n\
                    host = \"app:81\"\nsilence_seconds = 5";
        let config = with(&tenant("a", rest)).unwrap();
        let backend = config.tenants[0].passthrough.clone().unwrap();
        assert_eq!((backend.tls, backend.host.as_str(), backend.port), (true, "::1", 443));
        assert_eq!(backend.host_header.as_deref(), Some("app:81"));
        assert_eq!(backend.silence, Duration::from_secs(5));
        let rest = "base_path = \"/scim\"\npassthrough = { url = \"${APP}:81\" }";
        let config = with(&tenant("a", rest)).unwrap();
        let backend = config.tenants[0].passthrough.clone().unwrap();
        assert_eq!((backend.tls, backend.host.as_str(), backend.port), (false, "app.test", 81));
        assert_eq!(backend.silence, Duration::from_mins(1));
    }

    #[test]
    fn every_fault_is_told() {
        let rest = "[tenants.passthrough]\nurl = \"http://u@app.test/x\"\nhost = \"a b\"\n\
                    silence_seconds = 0";
        let expected = [
            "tenants[0].passthrough: needs the tenant to have a `base_path`, such as \"/scim/v2\", \
             by which SCIM and the application are told apart",
            "tenants[0].passthrough.url: must be an http or https URL without path, query and user",
            "tenants[0].passthrough.host: must be a name, perhaps with a port",
            "tenants[0].passthrough.silence_seconds: must be from 1 to 3600",
        ];
        assert_eq!(with(&tenant("a", rest)).unwrap_err(), expected);
    }

    #[test]
    fn at_one_host_there_is_one_place_to_go_to() {
        let at = |path: &str, rest: &str| format!("base_path = \"{path}\"\n{rest}{PASS}");
        let two = [tenant("a", &at("/a", "")), tenant("b", &at("/b", ""))].concat();
        assert_eq!(
            with(&two).unwrap_err(),
            ["tenants[1].passthrough: an earlier tenant has it already; give one of them a `host`"]
        );
        let hosts = [tenant("a", &at("/a", "")), tenant("b", &at("/b", "host = \"b.test\"\n"))];
        assert!(with(&hosts.concat()).is_ok());
        let left = "tenants[0].passthrough: nothing is left to pass on: tenant `b` has no \
                    `base_path`";
        let shadowed = [tenant("a", &at("/a", "host = \"a.test\"\n")), tenant("b", "")].concat();
        assert_eq!(with(&shadowed).unwrap_err(), [left]);
        let beside = [tenant("a", &at("/a", "")), tenant("b", "host = \"b.test\"")].concat();
        assert!(with(&beside).is_ok());
    }
}
