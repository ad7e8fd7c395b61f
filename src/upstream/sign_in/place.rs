//! Where a session's token goes: into a header, a query parameter, a cookie or the body.

use serde_json::Value;

use crate::mapping::model::TokenPlace;
use crate::mapping::scope::{Ambient, Scope};
use crate::mapping::template::Template;
use crate::upstream::setup::Setup;
use crate::upstream::sign_in::credential::Credential;

/// A place, and the template of what stands there.
pub(crate) struct Place {
    kind: Kind,
    template: Template,
    /// The template sees them beside `token`.
    config: Value,
    ambient: Ambient,
}

enum Kind {
    Header(String),
    Query(String),
    Cookie(String),
    Member(Vec<String>),
}

impl Place {
    /// A place of a mapping.
    pub(crate) fn new(place: &TokenPlace, setup: Setup<'_>) -> Self {
        let (kind, template) = match place {
            TokenPlace::Header(name, template) => (Kind::Header(name.clone()), template),
            TokenPlace::Query(name, template) => (Kind::Query(name.clone()), template),
            TokenPlace::Cookie(name, template) => (Kind::Cookie(name.clone()), template),
            TokenPlace::Body(members, template) => (Kind::Member(members.clone()), template),
        };
        Self {
            kind,
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
        match &self.kind {
            Kind::Header(name) => Credential::header(name, &text),
            Kind::Query(name) => Some(Credential::query(name, text)),
            Kind::Cookie(name) => Credential::cookie(name, &text),
            Kind::Member(members) => Some(Credential::Member(members.clone(), text.into())),
        }
    }
}
