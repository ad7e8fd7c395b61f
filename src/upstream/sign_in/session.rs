//! A login call whose answer has a token.
//!
//! The bridge logs in with the first call, keeps the token, renews it a little before its end,
//! and once more when the application refuses it. Only one login is under way at a time; whoever
//! else needs a token waits for that one.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::exchange::upstream::UpstreamError;
use crate::mapping::model::{self, Encoding, Locator};
use crate::native::message::{Body, Method, NativeRequest, NativeResponse};
use crate::upstream::sender::{Sender, Twice};
use crate::upstream::setup::{self, Setup, UpstreamSetupError};
use crate::upstream::sign_in::credential::Credential;
use crate::upstream::sign_in::place::Place;
use crate::upstream::{locate, moment};

/// Most time between a token's renewal and its end.
const LEEWAY: Duration = Duration::from_mins(1);

/// For this long after a refused login none is tried: applications lock accounts whose password
/// is wrong too often, and a busy bridge would see to that within a second.
const COOLING: Duration = Duration::from_secs(5);

/// The login call and what came of it.
pub(crate) struct Session {
    login: Login,
    token: Locator,
    expires: Option<Locator>,
    lifetime: Duration,
    place: Place,
    renew_on: Vec<u16>,
    clock: Arc<dyn Clock>,
    current: RwLock<Option<Arc<Token>>>,
    /// Held while logging in; no login is tried before the time in it.
    refused_until: Mutex<Option<Timestamp>>,
}

/// A token in the form in which it is sent.
pub(crate) struct Token {
    credential: Credential,
    renew_at: Timestamp,
}

impl Token {
    /// What requests are signed with.
    pub(crate) fn credential(&self) -> &Credential {
        &self.credential
    }
}

impl Session {
    /// Evaluates the login call.
    pub(crate) fn new(
        session: &model::Session,
        setup: Setup<'_>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, UpstreamSetupError> {
        Ok(Self {
            login: Login::new(session, setup)?,
            token: session.token.clone(),
            expires: session.expires.clone(),
            lifetime: session.lifetime,
            place: Place::new(&session.send, setup),
            renew_on: session.renew_on.clone(),
            clock,
            current: RwLock::new(None),
            refused_until: Mutex::new(None),
        })
    }

    /// Whether an answer of this status says that the token is no longer good.
    pub(crate) fn renews_on(&self, status: u16) -> bool {
        self.renew_on.contains(&status)
    }

    /// The token, after logging in if there is none or it is about to end.
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
        // Somebody may have logged in, or tried to, while this call waited.
        if let Some(token) = fit() {
            return Ok(token);
        }
        if refused_until.is_some_and(|until| self.clock.now() < until) {
            return Err(LoginError::Cooling.into());
        }
        match self.log_in(sender, deadline).await {
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

    async fn log_in(&self, sender: &Sender, deadline: Instant) -> Result<Token, LoginError> {
        let request = self.login.request().ok_or(LoginError::NotBuilt)?;
        // A login may arrive twice: it changes nothing but which token counts.
        let answer = sender
            .send(&request, &Credential::None, Twice::Harmless, deadline)
            .await
            .map_err(LoginError::NoAnswer)?;
        if !answer.is_success() {
            return Err(LoginError::Refused(answer.status));
        }
        let token = locate::text(&self.token, &answer).filter(|token| !token.is_empty());
        let token = token.ok_or(LoginError::NoToken)?;
        let credential = self.place.put(token).ok_or(LoginError::NotSendable)?;
        Ok(Token { credential, renew_at: self.renewal(&answer) })
    }

    fn renewal(&self, answer: &NativeResponse) -> Timestamp {
        let now = self.clock.now();
        let expires = self.expires.as_ref().and_then(|place| locate::text(place, answer));
        // An end in the past tells of a wrong clock, not of a token that was never good.
        let lifetime = expires
            .and_then(|expires| moment::until(&expires, now))
            .filter(|left| !left.is_zero())
            .unwrap_or(self.lifetime);
        let leeway = LEEWAY.min(lifetime / 10);
        now.checked_add(lifetime.saturating_sub(leeway)).unwrap_or(Timestamp::MAX)
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

/// The login call.
struct Login {
    method: Method,
    path: String,
    headers: Vec<(String, SecretString)>,
    /// JSON text, whatever the encoding: it holds the password.
    body: Option<SecretString>,
    encoding: Encoding,
}

impl Login {
    fn new(session: &model::Session, setup: Setup<'_>) -> Result<Self, UpstreamSetupError> {
        let path = session.path.url_path(&setup.scope());
        let path = path.map_err(|source| setup::failed("auth.session path", source))?;
        let mut headers = Vec::with_capacity(session.headers.len());
        for (name, value) in setup.texts("auth.session.headers", &session.headers)? {
            setup::header(&format!("auth.session.headers.{name}"), &name, &value)?;
            headers.push((name, value.into()));
        }
        let field = "auth.session.body";
        let body = session.body.as_ref().map(|body| body.evaluate(&setup.scope())).transpose();
        let body = body.map_err(|source| setup::failed(field, source))?;
        if let (Some(value), Encoding::Form) = (&body, session.encoding)
            && form(value).is_none()
        {
            return Err(setup::unsendable(field, "a form is an object of texts and numbers"));
        }
        let body = body.map(|value| value.to_string().into());
        Ok(Self { method: session.method, path, headers, body, encoding: session.encoding })
    }

    fn request(&self) -> Option<NativeRequest> {
        let field = |(name, value): &(String, SecretString)| {
            (name.clone(), value.expose_secret().to_owned())
        };
        Some(NativeRequest {
            method: self.method,
            path: self.path.clone(),
            query: Vec::new(),
            headers: self.headers.iter().map(field).collect(),
            body: match &self.body {
                Some(text) => self.encode(serde_json::from_str(text.expose_secret()).ok()?)?,
                None => Body::None,
            },
            timeout: None,
        })
    }

    fn encode(&self, body: Value) -> Option<Body> {
        match self.encoding {
            Encoding::Json => Some(Body::Json(body)),
            Encoding::Form => form(&body).map(Body::Form),
        }
    }
}

/// An object as form fields, without those that are null.
fn form(body: &Value) -> Option<Vec<(String, String)>> {
    let mut fields = Vec::new();
    for (name, value) in body.as_object()? {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Array(_) | Value::Object(_) => return None,
        };
        fields.push((name.clone(), text));
    }
    Some(fields)
}

/// Why there is no session. Shows nothing of the application's answer.
#[derive(Debug, thiserror::Error)]
enum LoginError {
    #[error("the login call had no answer")]
    NoAnswer(#[source] UpstreamError),
    #[error("the login was answered with status {0}")]
    Refused(u16),
    #[error("the answer to the login has no token where the mapping looks for it")]
    NoToken,
    #[error("the token cannot be sent where the mapping puts it")]
    NotSendable,
    #[error("the login call could not be built")]
    NotBuilt,
    #[error("the last login was refused, and the next one waits a few seconds")]
    Cooling,
}

impl LoginError {
    fn may_lock_an_account(&self) -> bool {
        match self {
            // Too many requests, or too slow a one, say nothing about the password.
            Self::Refused(status) => (400..500).contains(status) && !matches!(status, 408 | 429),
            Self::NoAnswer(_)
            | Self::NoToken
            | Self::NotSendable
            | Self::NotBuilt
            | Self::Cooling => false,
        }
    }
}

impl From<LoginError> for UpstreamError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::NoAnswer(error) => error,
            error @ (LoginError::Refused(_)
            | LoginError::NoToken
            | LoginError::NotSendable
            | LoginError::NotBuilt
            | LoginError::Cooling) => Self::SignIn(Some(Box::new(error))),
        }
    }
}
