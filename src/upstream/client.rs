//! One native call from start to answer: sign in, send, sign in again where the application asks
//! for it, and follow a redirect that stays below `base_url`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;
use crate::exchange::traffic::Traffic;
use crate::exchange::upstream::{Link, Upstream, UpstreamError};
use crate::mapping::model::Api;
use crate::mapping::scope::Ambient;
use crate::native::message::{NativeRequest, NativeResponse};
use crate::upstream::link::Target;
use crate::upstream::sender::Sender;
use crate::upstream::setup::{Setup, UpstreamSetupError};
use crate::upstream::sign_in::SignIn;
use crate::upstream::time::Time;
use crate::upstream::together::{Part, Together, joined};
use crate::upstream::transport::Transport;

/// Most redirects in a row.
const MAX_REDIRECTS: u32 = 3;

/// Longest time for a call, whatever the mapping says.
const LONGEST: Duration = Duration::from_hours(1);

/// An application behind HTTP.
pub struct HttpUpstream {
    sender: Sender,
    sign_in: SignIn,
    together: Together,
    timeout: Duration,
}

impl HttpUpstream {
    /// Evaluates everything of `api` that does not depend on a request. `config` is the object of
    /// configuration values, secrets included; `ambient` gives the randomness of pauses, and what
    /// templates see besides.
    ///
    /// # Errors
    ///
    /// When a template fails, or gives something that cannot be sent.
    pub fn new(
        api: &Api,
        config: &Value,
        ambient: &Ambient,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, UpstreamSetupError> {
        let setup = Setup { config, ambient };
        let transport = Transport::new(api, setup)?;
        let ids = Arc::clone(&ambient.ids);
        let sender = Sender::new(transport, api, Arc::default(), Arc::clone(&clock), ids);
        let sign_in = SignIn::new(&api.sign_in, setup, clock, &sender)?;
        Ok(Self { sender, sign_in, together: Together::default(), timeout: api.timeout })
    }

    /// Makes a call, or joins another one that asks for the same. It is over by `latest`.
    async fn shared(
        &self,
        request: Arc<NativeRequest>,
        latest: Instant,
    ) -> Result<NativeResponse, UpstreamError> {
        if !request.method.is_safe() {
            let _write = self.together.write();
            return self.redirected(request, latest).await;
        }
        match self.together.part(&request) {
            Part::Alone => self.redirected(request, latest).await,
            Part::Lead(lead) => {
                let answer = self.redirected(request, latest).await?;
                lead.share(&answer);
                Ok(answer)
            }
            Part::Join(offer) => {
                let answer = timeout_at(latest, joined(offer)).await;
                if let Some(answer) = answer.map_err(|_| UpstreamError::TimedOut)? {
                    self.sender.traffic().note_shared();
                    return Ok(answer);
                }
                self.redirected(request, latest).await
            }
        }
    }

    async fn redirected(
        &self,
        mut request: Arc<NativeRequest>,
        latest: Instant,
    ) -> Result<NativeResponse, UpstreamError> {
        let timeout = request.timeout.unwrap_or(self.timeout).min(LONGEST);
        let mut time = Time::new(timeout, latest);
        let mut redirects = 0;
        loop {
            let answer = self.signed(&request, &mut time).await?;
            let Some(location) = redirect(&answer) else {
                return Ok(answer);
            };
            match self.sender.transport.base().resolve(&request.path, location) {
                Target::Elsewhere => return Err(UpstreamError::OffOrigin),
                Target::Below(Link { path, query })
                    if request.method.is_safe() && redirects < MAX_REDIRECTS =>
                {
                    redirects += 1;
                    let request = Arc::make_mut(&mut request);
                    request.path = path;
                    request.query = query;
                }
                // A login page, mostly. That is an answer for the engine to judge.
                Target::Below(_) | Target::Beside => return Ok(answer),
            }
        }
    }

    async fn signed(
        &self,
        request: &NativeRequest,
        time: &mut Time,
    ) -> Result<NativeResponse, UpstreamError> {
        let twice = self.sender.twice(request);
        let renewing = match &self.sign_in {
            SignIn::Fixed(credential) => {
                return self.sender.send(request, credential, twice, time).await;
            }
            SignIn::Renewing(renewing) => renewing,
        };
        let until = time.until();
        let token = timeout_at(until, renewing.token(&self.sender, until)).await;
        let token = token.unwrap_or(Err(UpstreamError::TimedOut))?;
        let answer = self.sender.send(request, &token.credential, twice, time).await?;
        if !renewing.is_asked_for_by(&answer) {
            return Ok(answer);
        }
        // The application refused the request, so every method may be sent again.
        let until = time.until();
        let token = timeout_at(until, renewing.renew(&token, &self.sender, until)).await;
        let token = token.unwrap_or(Err(UpstreamError::TimedOut))?;
        self.sender.send(request, &token.credential, twice, time).await
    }
}

#[async_trait]
impl Upstream for HttpUpstream {
    async fn call(&self, request: NativeRequest) -> Result<NativeResponse, UpstreamError> {
        let everything = request.patience.or(request.timeout).unwrap_or(self.timeout).min(LONGEST);
        self.shared(Arc::new(request), Instant::now() + everything).await
    }

    fn traffic(&self) -> Option<Arc<Traffic>> {
        Some(Arc::clone(self.sender.traffic()))
    }

    fn follow(&self, asked: &str, link: &str) -> Result<Link, UpstreamError> {
        match self.sender.transport.base().resolve(asked, link) {
            Target::Below(link) => Ok(link),
            Target::Beside | Target::Elsewhere => Err(UpstreamError::OffOrigin),
        }
    }
}

impl fmt::Debug for HttpUpstream {
    // Almost everything in here is a secret or leads to one.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HttpUpstream")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Where an answer sends its reader (RFC 9110 section 15.4).
fn redirect(answer: &NativeResponse) -> Option<&str> {
    matches!(answer.status, 301 | 302 | 303 | 307 | 308).then(|| answer.header("location"))?
}
