//! The connections to an application: straight (`direct.rs`), or where the mapping names a proxy
//! through that (`proxied.rs`). Both trust the same certificates.

use std::time::Duration;

use bytes::Bytes;
use http::Request;

use crate::mapping::model::Api;
use crate::native::message::NativeResponse;
use crate::upstream::direct::Direct;
use crate::upstream::failure::Failure;
use crate::upstream::link::Base;
use crate::upstream::proxied::Proxied;
use crate::upstream::setup::{Setup, UpstreamSetupError};
use crate::upstream::tls;

/// Most applications close an idle connection after a minute or later. Closing it first means
/// fewer requests that meet a connection that is just being closed.
const IDLE: Duration = Duration::from_secs(30);

/// The way to an application. Clones share what is connected.
#[derive(Clone)]
pub(crate) enum Connections {
    /// Straight there.
    Direct(Direct),
    /// Through a proxy.
    Proxied(Proxied),
}

impl Connections {
    /// As `api` says. Nothing is followed, and nothing asked of the environment.
    pub(crate) fn new(
        api: &Api,
        base: &Base,
        setup: Setup<'_>,
    ) -> Result<Self, UpstreamSetupError> {
        let tls = match &api.tls {
            None => tls::usual()?,
            Some(tls) => tls::config(tls, base.host(), setup)?,
        };
        let connect = api.connect_timeout;
        Ok(match &api.proxy {
            None => Self::Direct(Direct::new(tls, connect, IDLE)),
            Some(proxy) => Self::Proxied(Proxied::new(proxy, tls, connect, IDLE, setup)?),
        })
    }

    /// Makes one attempt, and reads at most `limit` bytes of the answer's body.
    pub(crate) async fn call(
        &self,
        request: Request<Bytes>,
        limit: u64,
    ) -> Result<NativeResponse, Failure> {
        match self {
            Self::Direct(direct) => direct.call(request, limit).await,
            Self::Proxied(proxied) => proxied.call(request, limit).await,
        }
    }
}
