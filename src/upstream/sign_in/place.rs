//! Where a session's token goes: into a header, a query parameter or a cookie.

use serde_json::Value;

use crate::mapping::expression::{Ambient, Scope};
use crate::mapping::model::TokenPlace;
use crate::mapping::template::Template;
use crate::upstream::setup::Setup;
use crate::upstream::sign_in::credential::Credential;

/// A place, and the template of what stands there.
pub(crate) struct Place {
    kind: Kind,
    name: String,
    template: Template,
    /// The template sees them beside `token`.
    config: Value,
    ambient: Ambient,
}

enum Kind {
    Header,
    Query,
    Cookie,
}

impl Place {
    /// A place of a mapping.
    pub(crate) fn new(place: &TokenPlace, setup: Setup<'_>) -> Self {
        let (kind, name, template) = match place {
            TokenPlace::Header(name, template) => (Kind::Header, name, template),
            TokenPlace::Query(name, template) => (Kind::Query, name, template),
            TokenPlace::Cookie(name, template) => (Kind::Cookie, name, template),
        };
        Self {
            kind,
            name: name.clone(),
            template: template.clone(),
            config: setup.config.clone(),
            ambient: setup.ambient.clone(),
        }
    }

    /// The token in its place; `None` when it cannot stand there.
    pub(crate) fn put(&self, token: String) -> Option<Credential> {
        let token = Value::String(token);
        let scope = Scope::new(&self.ambient).with("config", &self.config).with("token", &token);
        let text = self.template.text(&scope).ok()??;
        match self.kind {
            Kind::Header => Credential::header(&self.name, &text),
            Kind::Query => Some(Credential::query(&self.name, text)),
            Kind::Cookie => Credential::cookie(&self.name, &text),
        }
    }
}
