//! How the bridge signs in to the application: with something that never changes, or with a
//! session. The styles are those of `api.auth`; OAuth 2.0 is not built yet.

pub(crate) mod credential;
mod fixed;
mod place;
pub(crate) mod session;

use std::sync::Arc;

use crate::clock::Clock;
use crate::mapping::model;
use crate::upstream::setup::{Setup, UpstreamSetupError};
use crate::upstream::sign_in::credential::Credential;
use crate::upstream::sign_in::session::Session;

/// A way of signing in, ready for use.
pub(crate) enum SignIn {
    /// The same credential with every request.
    Fixed(Credential),
    /// A token that is fetched and renewed.
    Session(Box<Session>),
}

impl SignIn {
    /// Evaluates the templates of `api.auth`.
    pub(crate) fn new(
        sign_in: &model::SignIn,
        setup: Setup<'_>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, UpstreamSetupError> {
        let credential = match sign_in {
            model::SignIn::None => Credential::None,
            model::SignIn::Bearer(token) => fixed::bearer(token, setup)?,
            model::SignIn::Basic { username, password } => fixed::basic(username, password, setup)?,
            model::SignIn::Header { name, value } => fixed::header(name, value, setup)?,
            model::SignIn::Query { name, value } => fixed::query(name, value, setup)?,
            model::SignIn::Session(session) => {
                return Ok(Self::Session(Box::new(Session::new(session, setup, clock)?)));
            }
        };
        Ok(Self::Fixed(credential))
    }
}
