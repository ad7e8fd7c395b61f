//! Reading the configuration file and the environment, and judging them section by section, so
//! that a fault in one hides none in another.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Format as _, Serialized, Toml};
use figment::value::Value;

use crate::config::access::AccessFile;
use crate::config::error::{ConfigError, Fault};
use crate::config::interpolate::Surroundings;
use crate::config::listen_file::{LimitsFile, ListenFile, StopFile};
use crate::config::precautions::AuditFile;
use crate::config::section::{all, section};
use crate::config::settings::{Config, Store};
use crate::config::telemetry::TelemetryFile;
use crate::config::tenant_file::tenants;

/// Where the configuration is looked for when no path is given.
const DEFAULT_FILE: &str = "scimbridge.toml";
const PREFIX: &str = "SCIMBRIDGE_";

const SECTIONS: [&str; 9] =
    ["listen", "store", "tenants", "limits", "log", "telemetry", "stop", "audit", "access"];

/// The process's environment, as far as it is UTF-8.
pub(crate) fn process_environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Loads the file at `path`, or the default one if it is there, and `variables` over it.
pub(crate) fn load(
    path: Option<&Path>,
    variables: &BTreeMap<String, String>,
) -> Result<Config, ConfigError> {
    let default = PathBuf::from(DEFAULT_FILE);
    let path = path.or_else(|| default.is_file().then_some(default.as_path()));
    let text = path.map(read).transpose()?.unwrap_or_default();
    let folder = path.and_then(Path::parent).unwrap_or_else(|| Path::new(""));
    let mut config =
        judge(&text, &Surroundings::new(variables, folder)).map_err(ConfigError::Faulty)?;
    config.sources.extend(path.map(Path::to_owned));
    Ok(config)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })
}

/// The configuration that `text` and the environment make, or everything that is wrong with it.
pub(crate) fn judge(text: &str, surroundings: &Surroundings<'_>) -> Result<Config, Vec<Fault>> {
    let figment = overlaid(Figment::from(Toml::string(text)), surroundings.variables);
    let whole: BTreeMap<String, Value> = figment.extract().map_err(|errors| all("", errors))?;
    let mut faults = Vec::new();
    for name in whole.keys().filter(|name| !SECTIONS.contains(&name.as_str())) {
        let known = SECTIONS.join(", ");
        faults.push(Fault::new(name, format!("is not known; known sections are {known}")));
    }
    let listen: ListenFile = section(&whole, "listen", &mut faults);
    let limits: LimitsFile = section(&whole, "limits", &mut faults);
    let telemetry: TelemetryFile = section(&whole, "telemetry", &mut faults);
    let stop: StopFile = section(&whole, "stop", &mut faults);
    let mut store: Store = section(&whole, "store", &mut faults);
    store.url = surroundings.text_at("store.url", store.url, &mut faults);
    let audit: AuditFile = section(&whole, "audit", &mut faults);
    let config = Config {
        listen: listen.listen(surroundings.folder, &mut faults),
        stop: stop.stop(&mut faults),
        gateway: limits.options(&mut faults),
        store,
        access: section::<AccessFile>(&whole, "access", &mut faults).judge(&mut faults),
        tenants: tenants(&whole, surroundings, &mut faults),
        audit: audit.read(&mut faults),
        log: section(&whole, "log", &mut faults),
        telemetry: telemetry.options(surroundings, &mut faults),
        sources: surroundings.read.borrow().iter().cloned().collect(),
    };
    if faults.is_empty() { Ok(config) } else { Err(faults) }
}

/// The variables of ours over the file. A name without `__` is ours only when it names the
/// tenants: `SCIMBRIDGE_TOKEN` and the like belong to whoever chose them.
fn overlaid(file: Figment, variables: &BTreeMap<String, String>) -> Figment {
    let mut figment = file;
    for (name, value) in variables {
        let Some(name) = name.strip_prefix(PREFIX) else { continue };
        let key = name.to_ascii_lowercase().replace("__", ".");
        if !key.contains('.') && key != "tenants" {
            continue;
        }
        // Parsing cannot fail: what is no TOML value is text.
        let value: Value = value.parse().unwrap_or_else(|never| match never {});
        figment = figment.merge(Serialized::default(&key, value));
    }
    figment
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::time::Duration;

    use serde_json::json;

    use crate::auth::scope::Scope;
    use crate::config::error::ConfigError;
    use crate::config::file::{SECTIONS, judge, load};
    use crate::config::interpolate::Surroundings;
    use crate::config::settings::{Config, LogFormat};
    use crate::mapping::deletion::Deletion;
    use crate::scim::value::Dialect;

    const WHOLE: &str = r#"
        [listen]
        scim = "127.0.0.1:9080"
        [store]
        url = "sqlite:x.db"
        [[tenants]]
        name = "acme"
        mapping = "mappings/jupyterhub.yaml"
        base_path = "/acme/"
        token_env = "ACME_SCIM_TOKEN"
        public_url = "https://scim.example.com/"
        dialect = "strict"
        [tenants.config]
        url = "http://127.0.0.1:8000/hub/api"
        token = "${HUB_TOKEN}"
        tags = ["a", "b-${HUB_TOKEN}-${HUB_TOKEN}"]
        retries = 3
        [limits]
        body_bytes = 5
        body_seconds = 7
        [log]
        format = "json"
    "#;

    fn with(text: &str, variables: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let variables: BTreeMap<String, String> =
            variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let surroundings = Surroundings::new(&variables, Path::new("conf"));
        judge(text, &surroundings)
            .map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    fn refused(text: &str, expected: &[&str]) {
        assert_eq!(with(text, &[]).unwrap_err(), expected, "{text}");
    }

    fn tenant(rest: &str) -> String {
        format!("[[tenants]]\nname = \"a\"\nmapping = \"m.yaml\"\n{rest}")
    }

    #[test]
    fn everything_can_be_said() {
        let config = with(WHOLE, &[("HUB_TOKEN", "s3cret")]).unwrap();
        assert_eq!(config.listen.scim.port(), 9080);
        assert_eq!(config.listen.admin.port(), 8081);
        assert_eq!(config.store.url, "sqlite:x.db");
        assert_eq!(config.gateway.limits.body_bytes, 5);
        assert_eq!(config.gateway.limits.body_timeout, Duration::from_secs(7));
        assert_eq!(config.log.format, LogFormat::Json);
        let tenant = &config.tenants[0];
        assert_eq!(tenant.mapping, Path::new("conf/mappings/jupyterhub.yaml"));
        assert_eq!(tenant.base_path, "/acme");
        assert_eq!(tenant.base_segments().collect::<Vec<_>>(), ["acme"]);
        assert_eq!(tenant.public_url.as_deref(), Some("https://scim.example.com"));
        assert_eq!(tenant.dialect, Dialect::Strict);
        let expected = json!({
            "url": "http://127.0.0.1:8000/hub/api",
            "token": "s3cret",
            "tags": ["a", "b-s3cret-s3cret"],
            "retries": 3,
        });
        assert_eq!(json!(tenant.config.0), expected);
    }

    const EXAMPLE: &str = include_str!("../../examples/scimbridge.toml");

    /// The example with every setting that it shows as a comment.
    fn example_in_full() -> String {
        let mut second_tenant = false;
        let lines = EXAMPLE.lines().map(|line| {
            second_tenant = line.starts_with("# [[") || second_tenant && line.starts_with('#');
            let shown = line.strip_prefix("# ").filter(|_| !second_tenant).unwrap_or_default();
            let name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let is_setting = shown.split_once(" = ").is_some_and(|(key, _)| key.chars().all(name));
            if is_setting || shown.starts_with("[tenants.") { shown } else { line }
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_example_is_a_configuration() {
        let variables = [("LEGACY_APP_KEY", "k"), ("COLLECTOR_TOKEN", "t")];
        let short = with(EXAMPLE, &variables).unwrap();
        let full = with(&example_in_full(), &variables).unwrap();
        assert_eq!((short.tenants.len(), short.telemetry.is_none()), (1, true));
        assert!(full.telemetry.is_some() && full.tenants[0].public_url.is_some());
        // What is commented out shows the default.
        assert_eq!((&full.stop, &full.log), (&short.stop, &short.log));
        assert_eq!((full.listen.upgrade.is_some(), full.listen.scim), (true, short.listen.scim));
        assert_eq!((&full.gateway, full.tenants[0].dialect), (&short.gateway, Dialect::Lenient));
    }

    #[test]
    fn the_example_shows_every_section() {
        for section in SECTIONS {
            let shown = format!("[{section}]");
            assert!(EXAMPLE.contains(&shown), "examples/scimbridge.toml has no {shown}");
        }
    }

    #[test]
    fn nothing_need_be_said() {
        let config = with("", &[]).unwrap();
        assert_eq!(config.listen.scim.to_string(), "127.0.0.1:8080");
        assert_eq!(config.tenants, []);
    }

    #[test]
    fn the_environment_lies_over_the_file() {
        let config = with(
            WHOLE,
            &[
                ("HUB_TOKEN", "x"),
                ("SCIMBRIDGE_LISTEN__SCIM", "0.0.0.0:1"),
                ("SCIMBRIDGE_STORE__URL", "postgres://h/db"),
                ("SCIMBRIDGE_LIMITS__BODY_BYTES", "77"),
                ("SCIMBRIDGE_LOG__LEVEL", "debug"),
                ("SCIMBRIDGE_TENANTS", r#"[{name="env", mapping="/m.yaml", config={url="u"}}]"#),
                ("SCIMBRIDGE_TOKEN", "somebody else's"),
            ],
        )
        .unwrap();
        assert_eq!(config.listen.scim.to_string(), "0.0.0.0:1");
        assert_eq!(config.store.url, "postgres://h/db");
        assert_eq!(config.gateway.limits.body_bytes, 77);
        assert_eq!((config.log.level.as_str(), config.log.format), ("debug", LogFormat::Json));
        let names: Vec<_> = config.tenants.iter().map(|tenant| tenant.name.as_str()).collect();
        assert_eq!(names, ["env"]);
        assert_eq!(config.tenants[0].mapping, Path::new("/m.yaml"));
    }

    #[test]
    fn faults_of_all_sections_are_told_together() {
        refused(
            r#"
            [listen]
            scim = "nowhere"
            [store]
            uri = "x"
            [unknown]
            [limits]
            body_bytes = 0
            body_seconds = 0
            [log]
            format = "xml"
            [[tenants]]
            name = "A b"
            [[tenants]]
            name = "B"
            mapping = "m.yaml"
            base_path = "acme"
            token_env = "a-token"
            public_url = "ftp://x"
            config = { a = "${MISSING}", b = "${", c = "file:no-such-file" }
            "#,
            &[
                "unknown: is not known; known sections are listen, store, tenants, limits, \
                 log, telemetry, stop, audit, access",
                "listen.scim: invalid socket address syntax",
                "store.uri: is not known here; known are url",
                "limits.body_bytes: must be at least 1",
                "limits.body_seconds: must be from 1 to 3600 seconds",
                "tenants[0]: `mapping` is missing",
                "tenants[1].name: must be made of lower-case letters, digits and hyphens",
                "tenants[1].base_path: must be empty or like `/acme`: letters, digits, hyphens, \
                 `.` and `_`",
                "tenants[1].token_env: must be the name of an environment variable, not the token \
                 itself",
                "tenants[1].public_url: must be an http or https URL without query and fragment",
                "tenants[1].config.a: the environment variable `MISSING` is not set; set it, or \
                 write the value",
                "tenants[1].config.b: a `${` has no `}`; write the name of a variable between \
                 them",
                "tenants[1].config.c: the file conf/no-such-file cannot be read: No such file or \
                 directory (os error 2)",
                "log.format: must be one of pretty, json",
            ],
        );
    }

    #[test]
    fn names_and_base_paths_belong_to_one_tenant() {
        refused(
            &format!("{}\n{}", tenant(""), tenant("")),
            &[
                "tenants[1].name: `a` belongs to an earlier tenant already",
                "tenants[1].base_path: `` belongs to an earlier tenant already",
            ],
        );
    }

    #[test]
    fn faults_of_access_have_their_places() {
        let jwt = "issuer = \"x\"\naudience = []\nalgorithms = [\"none\"]\n\
                   scopes = { a = \"admin\" }";
        let rest = format!(
            "host = \"a:80\"\nallow_from = [\"10.0.0.0/8\", \"10.0.0.0/33\"]\n\
             limits = {{ max_results = 0, body_bytes = 0, requests_in_flight = 0 }}\n\
             [tenants.jwt]\n{jwt}\n[access]\ntrusted_proxies = [\"proxy\"]\n\
             failures_per_minute = 0"
        );
        let algorithms = "tenants[0].jwt.algorithms: must be some of RS256, RS384, RS512, PS256, \
                          ES256, ES384, EdDSA";
        refused(
            &tenant(&rest),
            &[
                "access.trusted_proxies[0]: must be an address or a network such as \
                 203.0.113.0/24 or 2001:db8::/32",
                "access.failures_per_minute: must be from 1 to 60000",
                "tenants[0].limits.max_results: must be from 1 to 10000",
                "tenants[0].host: must be a host name such as `acme.scim.example.com`, without a \
                 port",
                "tenants[0].allow_from[1]: must be an address or a network such as \
                 203.0.113.0/24 or 2001:db8::/32",
                "tenants[0].limits.body_bytes: must be at least 1",
                "tenants[0].limits.requests_in_flight: must be at least 1",
                "tenants[0].jwt.issuer: must be an https URL (http only on this machine), unless \
                 jwks_url is given",
                "tenants[0].jwt.audience: must name an audience at least, and none may be empty",
                algorithms,
                "tenants[0].jwt.scopes.a: \"admin\" is no scope; the scopes are read, write, \
                 users and groups",
            ],
        );
    }

    #[test]
    fn doors_are_understood() {
        let rest = "host = \"ACME.test.\"\npaused = true\nallow_from = [\"203.0.113.9\"]\n\
                    delete = { User = \"deactivate\" }\n[tenants.jwt]\n\
                    issuer = \"https://sts.test/\"\naudience = \"bridge\"\n\
                    scopes = { \"scim.read\" = \"read\" }";
        let config = with(&tenant(rest), &[]).unwrap();
        let tenant = &config.tenants[0];
        assert_eq!(tenant.door.host.as_deref(), Some("acme.test"));
        assert!(tenant.door.paused);
        let allowed = tenant.door.allow_from.clone().unwrap();
        assert_eq!(allowed[0].to_string(), "203.0.113.9/32");
        assert_eq!(tenant.deletions.by_type["User"], Deletion::Deactivate);
        let jwt = tenant.door.jwt.clone().unwrap();
        assert_eq!(jwt.demands.algorithms.len(), 7);
        assert_eq!(jwt.demands.scopes["scim.read"], [Scope::Read]);
        assert_eq!(jwt.place.jwks_url, None);
        assert_eq!(config.access.failures_per_minute, 30);
    }

    #[test]
    fn hosts_and_issuers_belong_to_one_tenant() {
        let at = |name: &str, rest: &str| {
            format!("[[tenants]]\nname = \"{name}\"\nmapping = \"m.yaml\"\n{rest}\n")
        };
        let host = "host = \"x.test\"\nbase_path = \"/a\"";
        refused(
            &[at("a", host), at("b", host), at("c", "base_path = \"/a\"")].concat(),
            &["tenants[1].base_path: `/a` at host `x.test` belongs to an earlier tenant already"],
        );
        let jwt = |path: &str, rest: &str| {
            format!(
                "base_path = \"{path}\"\n[tenants.jwt]\nissuer = \"https://i.test/\"\n\
                 audience = \"x\"\n{rest}"
            )
        };
        refused(
            &[at("a", &jwt("/a", "")), at("b", &jwt("/b", "claims = { azp = \"1\" }"))].concat(),
            &["tenants[1].jwt: an earlier tenant accepts the same issuer's tokens: give each \
                 an audience of its own, or another value of the same claim in `claims`"],
        );
        let claims = |path: &str, azp: &str| jwt(path, &format!("claims = {{ azp = \"{azp}\" }}"));
        let text = [at("a", &claims("/a", "1")), at("b", &claims("/b", "2"))].concat();
        assert!(with(&text, &[]).is_ok());
    }

    #[test]
    fn the_ports_differ() {
        let text = "[listen]\nscim = \"127.0.0.1:1\"\nadmin = \"127.0.0.1:1\"";
        refused(text, &["listen.admin: must be another address than listen.scim"]);
    }

    #[test]
    fn no_fault_shows_a_value() {
        for text in [
            "[store]\nurl = \"hunter2",
            "[listen]\nscim = { hunter2 = 1 }",
            "[limits]\nbody_bytes = \"hunter2\"",
            "[log]\nformat = \"hunter2\"",
            &tenant("dialect = \"hunter2\""),
            &tenant("token_env = \"hunter2!\""),
            &tenant("public_url = \"hunter2\""),
            &tenant("config = \"hunter2\""),
        ] {
            let faults = with(text, &[]).unwrap_err();
            assert!(!faults.is_empty());
            assert!(!faults.concat().contains("hunter2"), "{faults:?}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let text = "[store]\nurl = \"postgres://u:s3cret@h/db\"\n";
        let config = with(&format!("{text}{}", tenant("config.token = \"s3cret\"")), &[]).unwrap();
        let shown = format!("{config:?}");
        assert!(!shown.contains("s3cret") && shown.contains("token"), "{shown}");
    }

    #[test]
    fn files_are_found_beside_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bridge.toml");
        std::fs::write(folder.path().join("secret"), "s3cret${X}\n").unwrap();
        std::fs::write(&path, tenant("config.token = \"file:secret\"")).unwrap();
        let config = load(Some(&path), &BTreeMap::new()).unwrap();
        assert_eq!(config.tenants[0].config.0["token"], json!("s3cret${X}"));
        assert_eq!(config.tenants[0].mapping, folder.path().join("m.yaml"));
        let missing = load(Some(&folder.path().join("no.toml")), &BTreeMap::new());
        assert!(matches!(missing, Err(ConfigError::Unreadable { .. })));
    }
}
