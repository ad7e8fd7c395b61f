//! `[listen]`, `[limits]` and `[stop]` as written, and what they mean.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::config::error::Fault;
use crate::config::settings::{Listen, Stop};
use crate::gateway::limits::Limits;
use crate::gateway::listener::Options;
use crate::gateway::tls::{ClientAuth, TlsFiles};

/// `[listen]`; what is not there has its default.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListenFile {
    scim: Option<SocketAddr>,
    admin: Option<SocketAddr>,
    tls: Option<TlsFile>,
    upgrade: Option<PathBuf>,
}

/// `[listen.tls]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsFile {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    client_auth: Option<ClientAuthFile>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ClientAuthFile {
    Required,
    Optional,
}

impl ListenFile {
    /// What it means, with relative paths from `folder`.
    pub(crate) fn listen(self, folder: &Path, faults: &mut Vec<Fault>) -> Listen {
        let usual = Listen::default();
        let listen = Listen {
            scim: self.scim.unwrap_or(usual.scim),
            admin: self.admin.unwrap_or(usual.admin),
            tls: self.tls.map(|tls| tls.files(folder, faults)),
            upgrade: self.upgrade.map(|path| folder.join(path)),
        };
        if listen.scim == listen.admin && listen.scim.port() != 0 {
            faults.push(Fault::new("listen.admin", "must be another address than listen.scim"));
        }
        listen
    }
}

impl TlsFile {
    fn files(self, folder: &Path, faults: &mut Vec<Fault>) -> TlsFiles {
        if self.client_auth.is_some() && self.client_ca.is_none() {
            let problem = "needs `client_ca`: the certificates that clients' own must come from";
            faults.push(Fault::new("listen.tls.client_auth", problem));
        }
        let auth = match self.client_auth {
            Some(ClientAuthFile::Optional) => ClientAuth::Optional,
            Some(ClientAuthFile::Required) | None => ClientAuth::Required,
        };
        TlsFiles {
            certificate: folder.join(self.certificate),
            key: folder.join(self.key),
            clients: self.client_ca.map(|path| (folder.join(path), auth)),
        }
    }
}

/// `[stop]`.
#[expect(clippy::struct_field_names, reason = "each setting says its unit")]
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StopFile {
    delay_seconds: Option<u64>,
    linger_seconds: Option<u64>,
    grace_seconds: Option<u64>,
}

impl StopFile {
    /// What it means.
    pub(crate) fn stop(&self, faults: &mut Vec<Fault>) -> Stop {
        let usual = Stop::default();
        let mut time = |name: &str, given: Option<u64>, usual: Duration| {
            let Some(seconds) = given else { return usual };
            if seconds > 3600 {
                let problem = "must be from 0 to 3600 seconds";
                faults.push(Fault::new(format!("stop.{name}"), problem));
            }
            Duration::from_secs(seconds)
        };
        Stop {
            delay: time("delay_seconds", self.delay_seconds, usual.delay),
            linger: time("linger_seconds", self.linger_seconds, usual.linger),
            grace: time("grace_seconds", self.grace_seconds, usual.grace),
        }
    }
}

/// `[limits]`; what is not there has its default.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsFile {
    threads: Option<usize>,
    connections: Option<usize>,
    connections_per_address: Option<usize>,
    streams: Option<usize>,
    body_bytes: Option<usize>,
    header_bytes: Option<usize>,
    header_count: Option<usize>,
    target_bytes: Option<usize>,
    head_seconds: Option<u64>,
    idle_seconds: Option<u64>,
    body_seconds: Option<u64>,
    answer_seconds: Option<u64>,
    write_seconds: Option<u64>,
}

impl LimitsFile {
    /// What it means.
    pub(crate) fn options(&self, faults: &mut Vec<Fault>) -> Options {
        let usual = Options::default();
        let limits = usual.limits;
        let mut at_least_one = |name: &str, given: Option<usize>, usual: usize| {
            if given == Some(0) {
                faults.push(Fault::new(format!("limits.{name}"), "must be at least 1"));
            }
            given.unwrap_or(usual)
        };
        let mut limits = Limits {
            connections: at_least_one("connections", self.connections, limits.connections),
            connections_per_address: at_least_one(
                "connections_per_address",
                self.connections_per_address,
                limits.connections_per_address,
            ),
            body_bytes: at_least_one("body_bytes", self.body_bytes, limits.body_bytes),
            header_bytes: at_least_one("header_bytes", self.header_bytes, limits.header_bytes),
            header_count: at_least_one("header_count", self.header_count, limits.header_count),
            target_bytes: at_least_one("target_bytes", self.target_bytes, limits.target_bytes),
            ..limits
        };
        let threads = at_least_one("threads", self.threads, usual.threads);
        let streams = at_least_one("streams", self.streams, limits.streams as usize);
        limits.streams = u32::try_from(streams).unwrap_or(u32::MAX);
        let mut time = |name: &str, given: Option<u64>, usual: Duration| {
            let Some(seconds) = given else { return usual };
            if !(1..=3600).contains(&seconds) {
                let problem = "must be from 1 to 3600 seconds";
                faults.push(Fault::new(format!("limits.{name}"), problem));
            }
            Duration::from_secs(seconds)
        };
        limits.head_timeout = time("head_seconds", self.head_seconds, limits.head_timeout);
        limits.idle_timeout = time("idle_seconds", self.idle_seconds, limits.idle_timeout);
        limits.body_timeout = time("body_seconds", self.body_seconds, limits.body_timeout);
        limits.answer_timeout = time("answer_seconds", self.answer_seconds, limits.answer_timeout);
        limits.write_timeout = time("write_seconds", self.write_seconds, limits.write_timeout);
        Options { threads, limits }
    }
}
