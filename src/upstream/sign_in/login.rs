//! The login call of a session.

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::mapping::model::{self, Encoding};
use crate::native::message::{Body, Method, NativeRequest, Urgency};
use crate::upstream::setup::{self, Setup, UpstreamSetupError};

/// The login call.
pub(crate) struct Login {
    method: Method,
    path: String,
    headers: Vec<(String, SecretString)>,
    /// JSON text, whatever the encoding: it holds the password.
    body: Option<SecretString>,
    encoding: Encoding,
}

impl Login {
    /// Evaluates the call.
    pub(crate) fn new(
        session: &model::Session,
        setup: Setup<'_>,
    ) -> Result<Self, UpstreamSetupError> {
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

    /// The call; `None` when its body cannot be encoded.
    pub(crate) fn request(&self) -> Option<NativeRequest> {
        let field = |(name, value): &(String, SecretString)| {
            (name.clone(), value.expose_secret().to_owned())
        };
        Some(NativeRequest {
            method: self.method,
            path: self.path.clone(),
            template: None,
            query: Vec::new(),
            headers: self.headers.iter().map(field).collect(),
            body: match &self.body {
                Some(text) => self.encode(serde_json::from_str(text.expose_secret()).ok()?)?,
                None => Body::None,
            },
            timeout: None,
            patience: None,
            urgency: Urgency::Ahead,
            repeatable: false,
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
