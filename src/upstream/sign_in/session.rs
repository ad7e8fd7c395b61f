//! A login call of the application's whose answer has a token.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::convert::moment;
use crate::mapping::access::TimeUnit;
use crate::mapping::expression::Expression;
use crate::mapping::model::{self, Locator};
use crate::mapping::scope::{Ambient, Scope};
use crate::native::message::NativeResponse;
use crate::native::path::NativePath;
use crate::upstream::locate;
use crate::upstream::sender::{Sender, Twice};
use crate::upstream::setup::{Setup, UpstreamSetupError};
use crate::upstream::sign_in::credential::Credential;
use crate::upstream::sign_in::login::Login;
use crate::upstream::sign_in::place::Place;
use crate::upstream::sign_in::token::{SignInError, Token};
use crate::upstream::time::Time;

/// Most time between a token's renewal and its end.
const LEEWAY: Duration = Duration::from_mins(1);

/// The login call, what to read in its answer, and how the end of a session shows.
pub(crate) struct Session {
    login: Login,
    token: Locator,
    expires: Option<Locator>,
    lifetime: Duration,
    place: Place,
    renew_on: Vec<u16>,
    renew_when: Option<Expression>,
    messages: Vec<NativePath>,
    config: Value,
    ambient: Ambient,
    clock: Arc<dyn Clock>,
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
            renew_when: session.renew_when.clone(),
            messages: session.messages.clone(),
            config: setup.config.clone(),
            ambient: setup.ambient.clone(),
            clock,
        })
    }

    /// Whether an answer says that the session has ended.
    pub(crate) fn is_over(&self, answer: &NativeResponse) -> bool {
        self.renew_on.contains(&answer.status)
            || self.renew_when.as_ref().is_some_and(|when| self.holds(when, answer))
    }

    /// A condition that asks for something that is not there does not hold.
    fn holds(&self, when: &Expression, answer: &NativeResponse) -> bool {
        let nothing = Value::Null;
        let body = answer.json().unwrap_or(&nothing);
        let message = self.messages.iter().find_map(|path| path.read(body)?.as_str());
        let header = |(name, _): &(String, String)| (name.clone(), json!(answer.header_list(name)));
        let headers: Value = answer.headers.iter().map(header).collect();
        let scope = Scope::new(&self.ambient)
            .with("config", &self.config)
            .with("body", body)
            .with("headers", &headers)
            .with_owned("message", json!(message))
            .with_owned("status", json!(answer.status));
        when.is_true(&scope).unwrap_or(false)
    }

    /// Logs in.
    pub(crate) async fn log_in(
        &self,
        sender: &Sender,
        deadline: Instant,
    ) -> Result<Token, SignInError> {
        let request = self.login.request().ok_or(SignInError::NotBuilt)?;
        // A login may arrive twice: it changes nothing but which token counts.
        let answer = sender
            .send(&request, &Credential::None, Twice::Harmless, &mut Time::by(deadline))
            .await
            .map_err(SignInError::NoAnswer)?;
        if !answer.is_success() {
            return Err(SignInError::Refused(answer.status));
        }
        let token = locate::text(&self.token, &answer).filter(|token| !token.is_empty());
        let token = token.ok_or(SignInError::NoToken)?;
        let credential = self.place.put(token).ok_or(SignInError::NotSendable)?;
        Ok(Token { credential, renew_at: self.renewal(&answer) })
    }

    fn renewal(&self, answer: &NativeResponse) -> Timestamp {
        let now = self.clock.now();
        let expires = self.expires.as_ref().and_then(|place| locate::text(place, answer));
        // An end in the past tells of a wrong clock, not of a token that was never good.
        let lifetime = expires
            .and_then(|expires| moment::until(&expires, TimeUnit::Seconds, now))
            .filter(|left| !left.is_zero())
            .unwrap_or(self.lifetime);
        let leeway = LEEWAY.min(lifetime / 10);
        now.checked_add(lifetime.saturating_sub(leeway)).unwrap_or(Timestamp::MAX)
    }
}
