//! The pool of connections: certificates, the proxy, and how long an idle connection is kept.

use std::time::Duration;

use reqwest::{Client, Proxy, redirect};
use url::Url;

use crate::mapping::model::Api;
use crate::mapping::template::Template;
use crate::upstream::link::Base;
use crate::upstream::setup::{self, Setup, UpstreamSetupError};
use crate::upstream::tls;

/// Most applications close an idle connection after a minute or later. Closing it first means
/// fewer requests that meet a connection that is just being closed.
const IDLE: Duration = Duration::from_secs(30);

/// A client that follows nothing, asks the environment for nothing, and trusts the system's
/// certificates besides those that the mapping names.
pub(crate) fn client(
    api: &Api,
    base: &Base,
    setup: Setup<'_>,
) -> Result<Client, UpstreamSetupError> {
    // The only failure is that a provider is installed already, and then that one is used.
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut builder = Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .connect_timeout(api.connect_timeout)
        .pool_idle_timeout(IDLE);
    if let Some(proxy) = &api.proxy {
        builder = builder.proxy(self::proxy(proxy, setup)?);
    }
    if let Some(tls) = &api.tls {
        builder = builder.tls_backend_preconfigured(tls::config(tls, base.host(), setup)?);
    }
    builder.build().map_err(|error| UpstreamSetupError::Client(error.without_url()))
}

/// A proxy; its URL may hold a password.
fn proxy(template: &Template, setup: Setup<'_>) -> Result<Proxy, UpstreamSetupError> {
    let unusable = || setup::unusable("proxy", "it is not a URL with http or https");
    let url = Url::parse(&setup.required("proxy", template)?).map_err(|_| unusable())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(unusable());
    }
    Proxy::all(url).map_err(|_| unusable())
}
