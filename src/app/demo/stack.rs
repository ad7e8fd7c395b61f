//! The legacy application, the bridge before it, and a SCIM client before the bridge, all over
//! TCP on the loopback.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::app::bridge::{Bridge, Served};
use crate::app::door::Door;
use crate::app::key::{self, KeyError};
use crate::app::settings;
use crate::auth::shared::SharedTokens;
use crate::auth::token::{ConfiguredToken, Token};
use crate::clock::{Clock, SystemClock};
use crate::dialogue::recorder::Recorder;
use crate::exchange::precautions::Precautions;
use crate::exchange::tenant::{KeptAttributes, Plans, Rosters, Tenant};
use crate::exchange::upstream::Upstream;
use crate::gateway::listener::{Gateway, Options, Running};
use crate::id::{IdSource, SystemIds};
use crate::mapping::access::{Breaker, RetryMethods, TimeUnit};
use crate::mapping::model::{Api, Locator, Mapping, Retry, SignIn};
use crate::mapping::scope::Ambient;
use crate::mapping::template::Template;
use crate::scim::value::Dialect;
use crate::store::open::Store;
use crate::upstream::client::HttpUpstream;

/// The mapping file that the demo serves, as shipped.
pub const MAPPING: &str = include_str!("../../../mappings/legacy-app.yaml");

/// Longest wait for requests in flight when the demo ends.
const GRACE: Duration = Duration::from_secs(5);

/// Everything that runs.
pub struct Demo {
    application: legacy_app::Running,
    gateway: Running,
    /// The native calls.
    pub recorder: Arc<Recorder>,
    /// A SCIM client with the token.
    pub client: HttpUpstream,
    /// The SCIM base URL.
    pub base: String,
    /// The bearer token.
    pub token: String,
    /// Where the application's own API is.
    pub native_base: String,
    /// The application's own key.
    pub native_key: String,
}

/// The demo cannot run.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A port cannot be had.
    #[error("no port could be opened")]
    Port(#[from] std::io::Error),
    /// The legacy application does not start.
    #[error("the legacy application does not start")]
    Application(#[from] legacy_app::Error),
    /// The shipped mapping is broken.
    #[error("the shipped mapping cannot be loaded: {0}")]
    Mapping(String),
    /// The token cannot be used.
    #[error("the token must be printable ASCII without blanks, 512 characters at most")]
    Token,
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made")]
    Client(#[from] crate::upstream::setup::UpstreamSetupError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] crate::sidecar::port::StoreError),
    /// Cursors cannot be sealed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Demo {
    /// Starts everything. The bridge listens on `listener`; `token` is issued when `None`.
    pub async fn start(listener: TcpListener, token: Option<String>) -> Result<Self, DemoError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ids: Arc<dyn IdSource> = Arc::new(SystemIds);
        let native_key = ids.random(24);
        let options = legacy_app::Options {
            database: "sqlite::memory:".to_owned(),
            api_key: native_key.clone(),
        };
        let inner = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let application = legacy_app::start(inner, options).await?;
        let native_base = format!("http://{}", application.address());

        let loaded = Mapping::load(MAPPING).map_err(|faults| {
            let faults: Vec<String> = faults.iter().map(|fault| fault.message.clone()).collect();
            DemoError::Mapping(faults.join("; "))
        });
        let mapping = Arc::new(loaded?.0);
        let supplied = Map::from_iter([
            ("url".to_owned(), json!(native_base)),
            ("key".to_owned(), json!(native_key)),
        ]);
        let settings = settings::fill(&mapping.config, &supplied)
            .map_err(|faults| DemoError::Mapping(faults.join("; ")))?;
        let ambient = ambient(&ids, &clock);
        let upstream =
            HttpUpstream::new(&mapping.api, &settings.all, &ambient, Arc::clone(&clock))?;
        let recorder = Arc::new(Recorder::new(Arc::new(upstream)));
        let store = Store::open("sqlite::memory:").await?;
        let seal = key::cursors(&store, &*ids).await?;
        let tenant = Tenant {
            name: "demo".to_owned(),
            mapping,
            config: settings.open,
            upstream: Arc::clone(&recorder) as Arc<dyn Upstream>,
            sidecar: Arc::new(store.clone()),
            links: Arc::new(store),
            index: Arc::default(),
            clock: Arc::clone(&clock),
            ids: Arc::clone(&ids),
            dialect: Dialect::Lenient,
            deviations: Arc::default(),
            max_results: settings::MAX_RESULTS,
            seal: Arc::new(seal),
            locks: Arc::default(),
            recent: Arc::default(),
            precautions: Precautions::default(),
            plans: Plans::default(),
            kept: KeptAttributes::default(),
            rosters: Rosters::default(),
        };
        let token = token.unwrap_or_else(|| Token::generate(&*ids).expose().to_owned());
        let known = ConfiguredToken::new("demo", "demo", &token).map_err(|_| DemoError::Token)?;
        let tokens = Arc::new(SharedTokens::default());
        tokens.set_configured(vec![known]);
        let served = Served {
            tenant: Arc::new(tenant),
            base_path: Vec::new(),
            public_url: None,
            backend: None,
            probe: None,
            meters: Arc::default(),
            door: Door::default(),
        };
        let bridge = Bridge::new(vec![served], tokens, Arc::clone(&clock));
        let gateway = Gateway::start(listener, &Options::default(), Arc::new(bridge))?;
        let base = format!("http://{}/scim/v2", gateway.address());
        let client = client(&base, &token, &ambient, clock)?;
        Ok(Self { application, gateway, recorder, client, base, token, native_base, native_key })
    }

    /// Ends everything.
    pub async fn stop(self) {
        self.gateway.stop(GRACE).await;
        self.application.stop().await;
    }
}

fn ambient(ids: &Arc<dyn IdSource>, clock: &Arc<dyn Clock>) -> Ambient {
    Ambient { ids: Arc::clone(ids), now: clock.now(), request_id: "demo".to_owned() }
}

/// The SCIM client of the tour: the same HTTP client that calls applications, pointed at the
/// bridge.
fn client(
    base: &str,
    token: &str,
    ambient: &Ambient,
    clock: Arc<dyn Clock>,
) -> Result<HttpUpstream, crate::upstream::setup::UpstreamSetupError> {
    let api = Api {
        base_url: Template::constant(base),
        sign_in: SignIn::Bearer(Template::constant(token)),
        headers: vec![("Accept".to_owned(), Template::constant("application/scim+json"))],
        query: Vec::new(),
        timeout: Duration::from_secs(30),
        connect_timeout: Duration::from_secs(3),
        concurrency: 1,
        rate: None,
        retry: Retry {
            attempts: 1,
            on: Vec::new(),
            backoff: (Duration::ZERO, Duration::ZERO),
            after: Locator::Header("retry-after".to_owned(), None),
            after_unit: TimeUnit::Seconds,
            methods: RetryMethods::Idempotent,
        },
        breaker: Breaker::never(),
        tls: None,
        proxy: None,
        max_response: 1024 * 1024,
        eventual: Duration::ZERO,
    };
    HttpUpstream::new(&api, &Value::Null, ambient, clock)
}
