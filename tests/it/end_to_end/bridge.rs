//! The whole service in this process, with a store in a folder of its own, and a SCIM client.
#![cfg(test)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use scimbridge::app::serve::Service;
use scimbridge::auth::port::TokenStore as _;
use scimbridge::auth::scope::Scopes;
use scimbridge::auth::token::{TokenHash, TokenRecord};
use scimbridge::config::settings::{self, Config, Deletions, Door, Listen, Tenant, Values};
use scimbridge::store::open::Store;
use scimbridge::upstream::otlp;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::http::{Answer, send};

/// The mapping of these tests.
pub(crate) const PEOPLE: &str = include_str!("people.yaml");

/// The mapping of the legacy example application.
pub(crate) const LEGACY: &str = include_str!("../../../mappings/legacy-app.yaml");

const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// What the bridge shows to the application.
pub(crate) const NATIVE_KEY: &str = "native-key";

/// The service, its folder, and the token of its first tenant.
pub(crate) struct Bridge {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    service: Service,
    _folder: TempDir,
}

impl Bridge {
    /// One tenant at the root, whose application is at `origin`.
    pub(crate) async fn start(mapping: &str, origin: &str) -> Self {
        Self::serving(&[("main", "")], mapping, origin).await
    }

    /// Tenants with names and base paths, all with the same mapping and application. The token of
    /// each is [`token`].
    pub(crate) async fn serving(tenants: &[(&str, &str)], mapping: &str, origin: &str) -> Self {
        Self::configured(tenants, mapping, origin, |_| {}).await
    }

    /// The same as [`Self::start`], with its state in this store.
    pub(crate) async fn keeping(store: &str, mapping: &str, origin: &str) -> Self {
        Self::stored(&[("main", "")], mapping, origin, Some(store), |_| {}).await
    }

    /// The same as [`Self::start`], with spans on their way to a collector.
    pub(crate) async fn tracing(mapping: &str, origin: &str, to: otlp::Options) -> Self {
        let set = |config: &mut Config| config.telemetry = Some(to);
        Self::configured(&[("main", "")], mapping, origin, set).await
    }

    /// As [`Self::serving`], with more in the configuration.
    pub(crate) async fn configured(
        tenants: &[(&str, &str)],
        mapping: &str,
        origin: &str,
        set: impl FnOnce(&mut Config),
    ) -> Self {
        Self::stored(tenants, mapping, origin, None, set).await
    }

    async fn stored(
        tenants: &[(&str, &str)],
        mapping: &str,
        origin: &str,
        store: Option<&str>,
        set: impl FnOnce(&mut Config),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mapping.yaml");
        std::fs::write(&file, mapping).unwrap();
        let own = format!("sqlite:{}", folder.path().join("bridge.db").display());
        let url = store.map_or(own, str::to_owned);
        let store = Store::open(&url).await.unwrap();
        for (name, _) in tenants {
            store.insert(&record(name)).await.unwrap();
        }
        store.close().await;
        let mut config = Config {
            listen: Listen { scim: any_port(), admin: any_port(), ..Listen::default() },
            store: settings::Store { url },
            tenants: tenants.iter().map(|(name, base)| tenant(name, base, &file, origin)).collect(),
            ..Config::default()
        };
        set(&mut config);
        let service = Service::start(&config).await.unwrap();
        Self {
            address: service.scim_address(),
            admin: service.admin_address(),
            service,
            _folder: folder,
        }
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.call("GET", target, None).await
    }

    /// One request with the token of `main`.
    pub(crate) async fn call(&self, method: &str, target: &str, body: Option<&Value>) -> Answer {
        call(self.address, &token("main"), method, target, body).await
    }

    /// The resources of a list, and its total.
    pub(crate) async fn list(&self, target: &str) -> (Vec<Value>, u64) {
        let answer = self.get(target).await;
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
        let mut body = answer.json();
        let resources = body["Resources"].as_array_mut().map(std::mem::take).unwrap_or_default();
        (resources, body["totalResults"].as_u64().unwrap())
    }

    /// Makes a resource and gives its id.
    pub(crate) async fn make(&self, target: &str, body: &Value) -> String {
        let answer = self.call("POST", target, Some(body)).await;
        assert_eq!(answer.status, 201, "{body}: {answer:?}");
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn stop(self) {
        self.service.stop(Duration::from_secs(5)).await;
    }
}

/// One request on a connection of its own.
pub(crate) async fn call(
    address: SocketAddr,
    token: &str,
    method: &str,
    target: &str,
    body: Option<&Value>,
) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/scim+json")];
    let body = body.map(ToString::to_string).unwrap_or_default();
    let headers = if body.is_empty() { &headers[..1] } else { &headers[..] };
    send(address, method, target, headers, body.as_bytes()).await
}

/// The token of a tenant.
pub(crate) fn token(tenant: &str) -> String {
    format!("token-of-{tenant}")
}

fn record(tenant: &str) -> TokenRecord {
    TokenRecord {
        id: format!("id-of-{tenant}"),
        tenant: tenant.to_owned(),
        label: "test".to_owned(),
        hash: TokenHash::of(&token(tenant)),
        created: Timestamp::UNIX_EPOCH,
        expires: None,
        revoked: None,
        scopes: Scopes::ALL,
        last_used: None,
    }
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn tenant(name: &str, base_path: &str, mapping: &Path, origin: &str) -> Tenant {
    let config = [("url".to_owned(), json!(origin)), ("key".to_owned(), json!(NATIVE_KEY))];
    Tenant {
        name: name.to_owned(),
        mapping: PathBuf::from(mapping),
        base_path: base_path.to_owned(),
        config: Values(Map::from_iter(config)),
        max_results: None,
        deletions: Deletions::default(),
        door: Door::default(),
        ..Tenant::default()
    }
}

/// The answer is a SCIM error of this status (RFC 7644 section 3.12).
#[track_caller]
pub(crate) fn check_error(answer: &Answer, status: u16, what: &str) {
    assert_eq!(answer.status, status, "{what}: {answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/scim+json"), "{what}");
    let body = answer.json();
    assert_eq!(body["schemas"], json!([ERROR]), "{what}");
    assert_eq!(body["status"], json!(status.to_string()), "{what}");
    assert!(body["detail"].is_string(), "{what}: {body}");
}

/// A filter as it stands in a URL.
pub(crate) fn filter(text: &str) -> String {
    let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    format!("filter={encoded}")
}

/// The legacy example application, and the bridge in front of it.
pub(crate) struct Legacy {
    pub(crate) bridge: Bridge,
    pub(crate) native: SocketAddr,
    application: legacy_app::Running,
}

impl Legacy {
    pub(crate) async fn start() -> Self {
        let application = application().await;
        let native = application.address();
        let bridge = Bridge::start(LEGACY, &format!("http://{native}")).await;
        Self { bridge, native, application }
    }

    /// What the application itself answers.
    pub(crate) async fn native(&self, target: &str) -> Value {
        send(self.native, "GET", target, &[("X-Api-Key", NATIVE_KEY)], b"").await.json()
    }

    pub(crate) async fn stop(self) {
        self.bridge.stop().await;
        self.application.stop().await;
    }
}

/// The legacy example application alone.
pub(crate) async fn application() -> legacy_app::Running {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (database, api_key) = ("sqlite::memory:".to_owned(), NATIVE_KEY.to_owned());
    let options = legacy_app::Options { database, api_key };
    legacy_app::start(listener, options).await.unwrap()
}
