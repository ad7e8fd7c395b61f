//! Calls through the mapping's `api.proxy`, over reqwest, which knows how proxies are spoken to:
//! whole addresses or tunnels, and passwords of their own.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use reqwest::{Client, Proxy, redirect};
use rustls::ClientConfig;
use url::Url;

use crate::exchange::upstream::UpstreamError;
use crate::mapping::template::Template;
use crate::native::message::NativeResponse;
use crate::upstream::answer;
use crate::upstream::failure::Failure;
use crate::upstream::setup::{self, Setup, UpstreamSetupError};

/// The pool.
#[derive(Clone)]
pub(crate) struct Proxied(Client);

impl Proxied {
    /// No connection yet. One has to be there within `connect`, and is closed after `idle` without
    /// a call. The proxy's URL may hold a password.
    pub(crate) fn new(
        proxy: &Template,
        tls: ClientConfig,
        connect: Duration,
        idle: Duration,
        setup: Setup<'_>,
    ) -> Result<Self, UpstreamSetupError> {
        let unusable = || setup::unusable("proxy", "it is not a URL with http or https");
        let proxy = Url::parse(&setup.required("proxy", proxy)?).map_err(|_| unusable())?;
        if !matches!(proxy.scheme(), "http" | "https") || !proxy.has_host() {
            return Err(unusable());
        }
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            // None from the environment.
            .no_proxy()
            .proxy(Proxy::all(proxy).map_err(|_| unusable())?)
            .tls_backend_preconfigured(tls)
            .connect_timeout(connect)
            .pool_idle_timeout(idle)
            .build();
        client.map(Self).map_err(|error| UpstreamSetupError::Client(error.without_url().into()))
    }

    /// Makes one attempt, and reads at most `limit` bytes of the answer's body.
    pub(crate) async fn call(
        &self,
        request: Request<Bytes>,
        limit: u64,
    ) -> Result<NativeResponse, Failure> {
        let request = reqwest::Request::try_from(request).map_err(unanswered)?;
        let response = self.0.execute(request).await.map_err(unanswered)?;
        answer::read(http::Response::from(response), limit).await
    }
}

fn unanswered(error: reqwest::Error) -> Failure {
    // The address may hold a key or a person's name.
    let error = error.without_url();
    if error.is_connect() {
        Failure::unreached(error.into())
    } else if error.is_builder() {
        Failure::Hopeless(UpstreamError::Unsendable(Some(error.into())))
    } else {
        Failure::Unanswered(UpstreamError::Interrupted(Some(error.into())))
    }
}
