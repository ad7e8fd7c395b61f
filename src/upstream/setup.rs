//! What is evaluated once, when a tenant starts: the templates of `api`. A fault in them shows
//! then and not with the first request.

use http::{HeaderName, HeaderValue};
use serde_json::Value;

use crate::mapping::scope::{Ambient, Scope};
use crate::mapping::template::{Template, TemplateError};
use crate::upstream::failure::Cause;
use crate::upstream::header;

/// The application cannot be reached as the mapping and the configuration describe it.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamSetupError {
    /// `api.base_url` is not usable.
    #[error("api.base_url {0}")]
    BaseUrl(&'static str),
    /// A template fails.
    #[error("api.{field} cannot be evaluated")]
    Template {
        /// Field below `api`.
        field: String,
        /// Why.
        #[source]
        source: TemplateError,
    },
    /// A template gives nothing where something is needed.
    #[error("api.{field} is empty")]
    Empty {
        /// Field below `api`.
        field: String,
    },
    /// A value cannot stand where it is sent.
    #[error("api.{field} cannot be sent: {reason}")]
    Unsendable {
        /// Field below `api`.
        field: String,
        /// Why, without the value.
        reason: &'static str,
    },
    /// A value is no good.
    #[error("api.{field} cannot be used: {reason}")]
    Unusable {
        /// Field below `api`.
        field: String,
        /// Why, without the value.
        reason: &'static str,
    },
    /// A file with a certificate or key cannot be read.
    #[error("api.{field} names a file that cannot be read")]
    File {
        /// Field below `api`.
        field: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Certificates and keys do not go together.
    #[error("api.tls cannot be used")]
    Tls(#[source] rustls::Error),
    /// The HTTP client cannot be built, for want of trusted root certificates for instance.
    #[error("the HTTP client cannot be built")]
    Client(#[source] Cause),
}

/// Evaluates templates of `api` with the configuration.
#[derive(Clone, Copy)]
pub(crate) struct Setup<'a> {
    /// The configuration's values.
    pub(crate) config: &'a Value,
    /// What templates see besides.
    pub(crate) ambient: &'a Ambient,
}

impl<'a> Setup<'a> {
    /// What templates see.
    pub(crate) fn scope(self) -> Scope<'a> {
        Scope::new(self.ambient).with("config", self.config)
    }

    /// A template's text; `None` for null.
    pub(crate) fn text(
        self,
        field: &str,
        template: &Template,
    ) -> Result<Option<String>, UpstreamSetupError> {
        template.text(&self.scope()).map_err(|source| failed(field, source))
    }

    /// A template's text, which must be there.
    pub(crate) fn required(
        self,
        field: &str,
        template: &Template,
    ) -> Result<String, UpstreamSetupError> {
        self.text(field, template)?
            .filter(|text| !text.is_empty())
            .ok_or_else(|| UpstreamSetupError::Empty { field: field.to_owned() })
    }

    /// Names with their texts; those that are null are left out.
    pub(crate) fn texts(
        self,
        field: &str,
        templates: &[(String, Template)],
    ) -> Result<Vec<(String, String)>, UpstreamSetupError> {
        let mut texts = Vec::with_capacity(templates.len());
        for (name, template) in templates {
            if let Some(text) = self.text(&format!("{field}.{name}"), template)? {
                texts.push((name.clone(), text));
            }
        }
        Ok(texts)
    }
}

/// A header field that may be sent.
pub(crate) fn header(
    field: &str,
    name: &str,
    value: &str,
) -> Result<(HeaderName, HeaderValue), UpstreamSetupError> {
    header::field(name, value).ok_or_else(|| unsendable(field, "it is not a usable header"))
}

/// A template failed.
pub(crate) fn failed(field: &str, source: TemplateError) -> UpstreamSetupError {
    UpstreamSetupError::Template { field: field.to_owned(), source }
}

/// A value is no good.
pub(crate) fn unusable(field: &str, reason: &'static str) -> UpstreamSetupError {
    UpstreamSetupError::Unusable { field: field.to_owned(), reason }
}

/// A value cannot be sent.
pub(crate) fn unsendable(field: &str, reason: &'static str) -> UpstreamSetupError {
    UpstreamSetupError::Unsendable { field: field.to_owned(), reason }
}
