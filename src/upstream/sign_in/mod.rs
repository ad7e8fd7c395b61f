//! How the bridge signs in to the application: with something that never changes, or with a
//! token that is fetched and renewed. The styles are those of `api.auth`.

mod assertion;
pub(crate) mod credential;
mod fixed;
mod login;
mod oauth2;
mod place;
pub(crate) mod renewing;
mod session;
pub(crate) mod token;

use std::sync::Arc;

use crate::clock::Clock;
use crate::mapping::model;
use crate::upstream::sender::Sender;
use crate::upstream::setup::{Setup, UpstreamSetupError};
use crate::upstream::sign_in::credential::Credential;
use crate::upstream::sign_in::oauth2::OAuth2;
use crate::upstream::sign_in::renewing::{Renewing, Source};
use crate::upstream::sign_in::session::Session;

/// A way of signing in, ready for use.
pub(crate) enum SignIn {
    /// The same credential with every request.
    Fixed(Credential),
    /// A token that is fetched and renewed.
    Renewing(Box<Renewing>),
}

impl SignIn {
    /// Evaluates the templates of `api.auth`. Token endpoints are reached as `sender` reaches the
    /// application.
    pub(crate) fn new(
        sign_in: &model::SignIn,
        setup: Setup<'_>,
        clock: Arc<dyn Clock>,
        sender: &Sender,
    ) -> Result<Self, UpstreamSetupError> {
        let credential = match sign_in {
            model::SignIn::None => Credential::None,
            model::SignIn::Bearer(token) => fixed::bearer(token, setup)?,
            model::SignIn::Basic { username, password } => fixed::basic(username, password, setup)?,
            model::SignIn::Header { name, value } => fixed::header(name, value, setup)?,
            model::SignIn::Query { name, value } => fixed::query(name, value, setup)?,
            model::SignIn::OAuth2(oauth2) => {
                let source = OAuth2::new(oauth2, setup, Arc::clone(&clock), sender)?;
                return Ok(Self::renewing(Source::OAuth2(Box::new(source)), clock));
            }
            model::SignIn::Session(session) => {
                let source = Session::new(session, setup, Arc::clone(&clock))?;
                return Ok(Self::renewing(Source::Session(Box::new(source)), clock));
            }
        };
        Ok(Self::Fixed(credential))
    }

    fn renewing(source: Source, clock: Arc<dyn Clock>) -> Self {
        Self::Renewing(Box::new(Renewing::new(source, clock)))
    }
}
