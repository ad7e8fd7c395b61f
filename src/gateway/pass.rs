//! Passing on to an application what is not SCIM: where to, with which header fields, and what is
//! not passed on because it might be SCIM after all.
//!
//! Bodies are streamed by pingora in both directions, upgrades to WebSocket included; it takes
//! away the fields that belong to one connection (RFC 9110 section 7.6.1). No credential of the
//! bridge's is ever added.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, FORWARDED, HOST, TRANSFER_ENCODING,
};
use http::{HeaderName, HeaderValue, Method};
use percent_encoding::percent_decode_str;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::HttpTask;
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, OrErr as _};
use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::exchange::endpoint::{Backend, Passing};
use crate::gateway::limits::Limits;
use crate::watch::operation::Outcome;

/// Longest time for a connection to the application, and for its name.
const CONNECT: Duration = Duration::from_secs(10);

/// How long an idle connection to the application is kept.
const IDLE: Duration = Duration::from_secs(30);

/// How long a connection that has been upgraded may be silent.
const TUNNEL: Duration = Duration::from_hours(1);

/// How long the addresses of a name are taken as they were.
const ADDRESSES: Duration = Duration::from_secs(10);

/// How many addresses of a name are tried at most.
const ATTEMPTS: usize = 4;

/// What somebody reads who gets no answer of the application.
const NO_ANSWER: &[u8] = b"The application gives no answer.\n";

/// How often a path may be decoded by somebody on the way.
const DECODINGS: usize = 3;

/// Whether a head leaves no doubt about where its request ends (RFC 9112 section 6.1), and asks
/// for a path.
pub(crate) fn is_plain(head: &RequestHeader) -> bool {
    let count = |name: &HeaderName| head.headers.get_all(name).iter().count();
    head.raw_path().starts_with(b"/")
        && head.method != Method::CONNECT
        && count(&CONTENT_LENGTH) + count(&TRANSFER_ENCODING) <= 1
}

/// Everything that somebody may take a path for: decoded once or several times,
/// with backslashes for slashes, without parameters, with dots resolved or left out.
pub(crate) fn readings(path: &str) -> Vec<Vec<String>> {
    let mut readings = Vec::new();
    let mut text = path.to_owned();
    for _ in 0..=DECODINGS {
        let (mut resolved, mut without) = (Vec::new(), Vec::new());
        for segment in text.split(['/', '\\']) {
            let name = segment.split(';').next().unwrap_or_default();
            match name {
                "" | "." => {}
                ".." => drop(resolved.pop()),
                name => {
                    resolved.push(name.to_owned());
                    without.push(name.to_owned());
                }
            }
        }
        readings.extend([resolved, without]);
        let decoded = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if decoded == text {
            break;
        }
        text = decoded;
    }
    readings
}

/// A request on its way through.
pub(crate) struct Pass {
    pub(crate) passing: Passing,
    /// The addresses that there are, and how many of them refused the connection.
    addresses: usize,
    attempts: usize,
    /// How it failed, if it did.
    pub(crate) failed: Option<Outcome>,
}

impl Pass {
    /// One that has not been sent anywhere yet.
    pub(crate) fn new(passing: Passing) -> Self {
        Self { passing, addresses: 0, attempts: 0, failed: None }
    }

    /// Notes that there is no connection, and says whether another address is to be tried: nothing
    /// has been sent yet.
    pub(crate) fn refused(&mut self) -> bool {
        self.attempts += 1;
        self.attempts < self.addresses.min(ATTEMPTS)
    }
}

/// The addresses of applications' names, for a while.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<BTreeMap<(String, u16), Addresses>>);

#[derive(Debug)]
struct Addresses {
    at: Instant,
    all: Arc<[SocketAddr]>,
}

impl Names {
    /// Where to connect to: each attempt takes the next address.
    pub(crate) async fn peer(
        &self,
        pass: &mut Pass,
        is_upgrade: bool,
        limits: &Limits,
    ) -> pingora::Result<Box<HttpPeer>> {
        let backend = &*pass.passing.backend;
        let addresses = self.addresses(backend).await?;
        pass.addresses = addresses.len();
        let address = addresses.get(pass.attempts);
        let address = address.ok_or_else(|| Error::new(ErrorType::ConnectRefused))?;
        let mut peer = HttpPeer::new(address, backend.tls, backend.host.clone());
        peer.options.connection_timeout = Some(CONNECT);
        peer.options.total_connection_timeout = Some(CONNECT);
        let silence = if is_upgrade { TUNNEL } else { backend.silence };
        peer.options.read_timeout = Some(silence);
        peer.options.write_timeout = Some(limits.write_timeout);
        peer.options.idle_timeout = Some(IDLE);
        Ok(Box::new(peer))
    }

    async fn addresses(&self, backend: &Backend) -> pingora::Result<Arc<[SocketAddr]>> {
        let key = (backend.host.clone(), backend.port);
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(addresses) = known().get(&key)
            && addresses.at.elapsed() < ADDRESSES
        {
            return Ok(Arc::clone(&addresses.all));
        }
        let looked = timeout(CONNECT, lookup_host((backend.host.as_str(), backend.port))).await;
        let looked = looked.or_err(ErrorType::ConnectTimedout, "its name is not resolved")?;
        let looked = looked.or_err(ErrorType::ConnectNoRoute, "its name cannot be resolved")?;
        let all: Arc<[SocketAddr]> = looked.collect();
        known().insert(key, Addresses { at: Instant::now(), all: Arc::clone(&all) });
        Ok(all)
    }
}

/// What the application is told of the request besides what the client sent.
pub(crate) struct Origin<'a> {
    pub(crate) client: Option<IpAddr>,
    pub(crate) scheme: &'static str,
    pub(crate) host: &'a str,
    pub(crate) request_id: &'a str,
}

/// Makes the head that the application gets.
pub(crate) fn forward(
    head: &mut RequestHeader,
    passing: &Passing,
    origin: &Origin<'_>,
) -> pingora::Result<()> {
    let joined = |name: &HeaderName, head: &RequestHeader, between: &str| {
        let values = head.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.collect::<Vec<_>>().join(between)
    };
    let client = origin.client.map(|client| client.to_canonical().to_string());
    let mut chain = client.unwrap_or_else(|| "unknown".to_owned());
    if passing.is_by_proxy {
        let before = joined(&FORWARDED_FOR, head, ", ");
        if !before.is_empty() {
            chain = format!("{before}, {chain}");
        }
    } else {
        // Whoever calls can write what he likes; only what the bridge has seen is passed on.
        let invented = |name: &&HeaderName| {
            let name = name.as_str();
            name.starts_with("x-forwarded-") || name == "x-real-ip" || name == FORWARDED.as_str()
        };
        let invented: Vec<HeaderName> = head.headers.keys().filter(invented).cloned().collect();
        for name in &invented {
            head.remove_header(name);
        }
    }
    head.insert_header(&FORWARDED_FOR, chain)?;
    for (name, value) in [("X-Forwarded-Proto", origin.scheme), ("X-Forwarded-Host", origin.host)] {
        if !head.headers.contains_key(name) {
            head.insert_header(name, value)?;
        }
    }
    // HTTP/2 lets a client send crumbs, HTTP/1.1 does not (RFC 9113 section 8.2.3).
    if head.headers.get_all(COOKIE).iter().count() > 1 {
        let cookies = joined(&COOKIE, head, "; ");
        head.insert_header(COOKIE, cookies)?;
    }
    head.insert_header("X-Request-Id", origin.request_id)?;
    let host = passing.backend.host_header.as_deref().unwrap_or(origin.host);
    head.insert_header(HOST, host)
}

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What becomes of a request that cannot be passed on: the status of the answer, or none where
/// nobody is left to read it; and how it ended.
pub(crate) fn verdict(error: &Error) -> (Option<u16>, Outcome) {
    match (error.esource(), error.etype()) {
        (ErrorSource::Downstream, ErrorType::ReadTimedout) => (Some(408), Outcome::ClientError),
        (ErrorSource::Downstream, ErrorType::InvalidHTTPHeader) => {
            (Some(400), Outcome::ClientError)
        }
        (ErrorSource::Downstream, _) => (None, Outcome::ClientError),
        (_, ErrorType::ConnectTimedout | ErrorType::ReadTimedout | ErrorType::WriteTimedout) => {
            (Some(504), Outcome::TimedOut)
        }
        (
            _,
            ErrorType::ConnectRefused
            | ErrorType::ConnectNoRoute
            | ErrorType::ConnectError
            | ErrorType::ConnectProxyFailure
            | ErrorType::TLSHandshakeFailure
            | ErrorType::TLSHandshakeTimedout
            | ErrorType::InvalidCert
            | ErrorType::SocketError
            | ErrorType::BindError,
        ) => (Some(502), Outcome::Unreachable),
        _ => (Some(502), Outcome::Interrupted),
    }
}

/// Answers in the place of the application.
///
/// # Errors
/// The client is gone.
pub(crate) async fn stand_in(
    session: &mut Session,
    status: u16,
    request_id: &str,
) -> pingora::Result<()> {
    let mut head = ResponseHeader::build(status, Some(4))?;
    head.insert_header(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))?;
    head.insert_header(CACHE_CONTROL, "no-store")?;
    head.insert_header("X-Request-Id", request_id)?;
    head.insert_header(CONTENT_LENGTH, NO_ANSWER.len())?;
    let is_head = session.req_header().method == Method::HEAD;
    let mut tasks = vec![HttpTask::Header(Box::new(head), is_head)];
    if !is_head {
        tasks.push(HttpTask::Body(Some(Bytes::from_static(NO_ANSWER)), true));
    }
    session.set_keepalive(None);
    session.write_response_tasks(tasks).await.map(drop)
}

/// How long a client's part of a request may take to come.
pub(crate) fn client_silence(session: &Session, limits: &Limits) -> Duration {
    if session.is_upgrade_req() { TUNNEL } else { limits.body_timeout }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use pingora::http::RequestHeader;

    use crate::exchange::endpoint::{Backend, Passing};
    use crate::gateway::pass::{Origin, forward, is_plain, readings};

    fn may_be_scim(path: &str) -> bool {
        let is = |reading: &Vec<String>| {
            reading.first().is_some_and(|first| first.eq_ignore_ascii_case("scim"))
        };
        readings(path).iter().any(is)
    }

    #[test]
    fn no_spelling_of_a_path_hides_it() {
        for path in [
            "/scim/v2/Users",
            "/SCIM/v2",
            "//scim",
            "/./scim",
            "/a/../scim",
            "/%73cim",
            "/%2Fscim",
            "/%2e/scim",
            "/%252e%252e/scim",
            "/%2573cim",
            "\\scim",
            "/%5cscim",
            "/scim;a=b/v2",
            "/.;/scim",
            "/scim/../x",
            "/a/%2e%2e/scim",
            "/../scim",
        ] {
            assert!(may_be_scim(path), "{path}");
        }
        for path in ["/", "/app/scim", "/scimitar", "/a%2Fb", "/x/../y", "/100%"] {
            assert!(!may_be_scim(path), "{path}");
        }
    }

    #[test]
    fn heads_that_are_read_in_two_ways_are_not_passed_on() {
        let plain = |method: &str, path: &[u8], fields: &[(&'static str, &str)]| {
            let mut head = RequestHeader::build(method, path, None).unwrap();
            for (name, value) in fields {
                head.append_header(*name, *value).unwrap();
            }
            is_plain(&head)
        };
        let (length, coding) = (("Content-Length", "4"), ("Transfer-Encoding", "chunked"));
        assert!(plain("GET", b"/", &[]) && plain("BREW", b"/x?y", &[length]));
        assert!(plain("POST", b"/", &[coding]));
        assert!(!plain("POST", b"/", &[length, coding]));
        assert!(!plain("POST", b"/", &[length, length]) && !plain("POST", b"/", &[coding, coding]));
        assert!(!plain("OPTIONS", b"*", &[]) && !plain("CONNECT", b"/", &[]));
        assert!(!plain("GET", b"http://elsewhere.test/", &[]));
    }

    #[test]
    fn crumbs_become_a_cookie_and_ids_are_put_in() {
        let backend = Backend {
            tls: false,
            host: "app.test".to_owned(),
            port: 80,
            host_header: None,
            silence: Duration::from_secs(1),
        };
        let passing = Passing {
            tenant: "acme".into(),
            backend: Arc::new(backend),
            meters: Arc::default(),
            is_by_proxy: false,
        };
        let mut head = RequestHeader::build("GET", b"/", None).unwrap();
        head.append_header("Cookie", "a=1").unwrap();
        head.append_header("Cookie", "b=2").unwrap();
        let client = "::ffff:192.0.2.1".parse().ok();
        let origin = Origin { client, scheme: "https", host: "front.test", request_id: "id-1" };
        forward(&mut head, &passing, &origin).unwrap();
        let fields: Vec<(&str, &str)> = head
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        let mut expected = [
            ("cookie", "a=1; b=2"),
            ("host", "front.test"),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-host", "front.test"),
            ("x-forwarded-proto", "https"),
            ("x-request-id", "id-1"),
        ];
        let mut fields = fields;
        fields.sort_unstable();
        expected.sort_unstable();
        assert_eq!(fields, expected);
    }
}
