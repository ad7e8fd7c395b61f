//! A token that is fetched with the first call, kept, and renewed: a little before its end, and
//! once more when the application refuses it. Only one is fetched at a time; whoever else needs
//! one waits for that one.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::exchange::upstream::UpstreamError;
use crate::native::message::NativeResponse;
use crate::upstream::sender::Sender;
use crate::upstream::sign_in::oauth2::OAuth2;
use crate::upstream::sign_in::session::Session;
use crate::upstream::sign_in::token::{SignInError, Token};

/// For this long after a refused login none is tried: applications lock accounts whose password
/// is wrong too often, and a busy bridge would see to that within a second.
const COOLING: Duration = Duration::from_secs(5);

/// A token and where it comes from.
pub(crate) struct Renewing {
    source: Source,
    clock: Arc<dyn Clock>,
    current: RwLock<Option<Arc<Token>>>,
    /// Held while a token is fetched; none is fetched before the time in it.
    refused_until: Mutex<Option<Timestamp>>,
}

/// Where tokens come from.
pub(crate) enum Source {
    /// A login call of the application.
    Session(Box<Session>),
    /// A token endpoint.
    OAuth2(Box<OAuth2>),
}

impl Renewing {
    /// No token yet.
    pub(crate) fn new(source: Source, clock: Arc<dyn Clock>) -> Self {
        Self { source, clock, current: RwLock::new(None), refused_until: Mutex::new(None) }
    }

    /// Whether an answer says that the token is no longer good.
    pub(crate) fn is_asked_for_by(&self, answer: &NativeResponse) -> bool {
        match &self.source {
            Source::Session(session) => session.is_over(answer),
            // RFC 6750 section 3.1.
            Source::OAuth2(_) => answer.status == 401,
        }
    }

    /// The token, after fetching one if there is none or it is about to end.
    pub(crate) async fn token(
        &self,
        sender: &Sender,
        deadline: Instant,
    ) -> Result<Arc<Token>, UpstreamError> {
        self.token_unless(|token| self.clock.now() >= token.renew_at, sender, deadline).await
    }

    /// Another token than the one that was refused.
    pub(crate) async fn renew(
        &self,
        refused: &Arc<Token>,
        sender: &Sender,
        deadline: Instant,
    ) -> Result<Arc<Token>, UpstreamError> {
        self.token_unless(|token| Arc::ptr_eq(token, refused), sender, deadline).await
    }

    async fn token_unless(
        &self,
        unfit: impl Fn(&Arc<Token>) -> bool,
        sender: &Sender,
        deadline: Instant,
    ) -> Result<Arc<Token>, UpstreamError> {
        let fit = || self.current().filter(|token| !unfit(token));
        if let Some(token) = fit() {
            return Ok(token);
        }
        let mut refused_until = self.refused_until.lock().await;
        // Somebody may have fetched one, or tried to, while this call waited.
        if let Some(token) = fit() {
            return Ok(token);
        }
        if refused_until.is_some_and(|until| self.clock.now() < until) {
            return Err(SignInError::Cooling.into());
        }
        let fetched = match &self.source {
            Source::Session(session) => session.log_in(sender, deadline).await,
            Source::OAuth2(oauth2) => oauth2.fetch(deadline).await,
        };
        match fetched {
            Ok(token) => {
                *refused_until = None;
                Ok(self.keep(token))
            }
            Err(error) => {
                if error.may_lock_an_account() {
                    *refused_until = self.clock.now().checked_add(COOLING).ok();
                }
                Err(error.into())
            }
        }
    }

    fn current(&self) -> Option<Arc<Token>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, token: Token) -> Arc<Token> {
        let token = Arc::new(token);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&token));
        token
    }
}
