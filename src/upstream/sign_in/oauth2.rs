//! Tokens of an OAuth 2.0 token endpoint (RFC 6749 sections 3.2 and 4, RFC 7523).
//!
//! What the endpoint says when it refuses is not shown: of its answer only the error code, if it is
//! one of RFC 6749 section 5.2. A refresh token that the endpoint replaces is kept in memory only.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::time::Instant;
use url::Url;
use url::form_urlencoded::byte_serialize;

use crate::clock::Clock;
use crate::id::IdSource;
use crate::mapping::access::{self, ClientAuth, Grant};
use crate::mapping::template::Template;
use crate::native::message::{Body, Method, NativeRequest, NativeResponse, Urgency};
use crate::upstream::link::Base;
use crate::upstream::sender::{Sender, Twice};
use crate::upstream::setup::{self, Setup, UpstreamSetupError};
use crate::upstream::sign_in::assertion::{Assertion, Purpose};
use crate::upstream::sign_in::credential::Credential;
use crate::upstream::sign_in::token::{SignInError, Token};
use crate::upstream::time::Time;

/// How long a token is good whose answer does not say; it may be refused earlier.
const LIFETIME: Duration = Duration::from_mins(30);

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const CLIENT_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// RFC 6749 section 5.2, and two that servers borrow from section 4.1.2.1.
const CODES: [&str; 8] = [
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "server_error",
    "temporarily_unavailable",
    "unauthorized_client",
    "unsupported_grant_type",
];

/// Types of tokens that take more than sending them.
const NOT_BEARER: [&str; 3] = ["dpop", "mac", "pop"];

/// A token endpoint and what it is asked with.
pub(crate) struct OAuth2 {
    sender: Sender,
    path: String,
    query: Vec<(String, String)>,
    /// `Authorization`, where the client's credentials go there.
    authorization: Credential,
    /// Fields that are always the same.
    form: Vec<(String, SecretString)>,
    changing: Changing,
    /// The client that proves itself by an assertion.
    client: Option<(String, Arc<Assertion>)>,
    leeway: Duration,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

/// What of the grant is another one each time.
enum Changing {
    Nothing,
    /// The refresh token, until it is replaced.
    RefreshToken(Mutex<SecretString>),
    Assertion(Arc<Assertion>),
}

impl OAuth2 {
    /// Evaluates everything but what is signed.
    pub(crate) fn new(
        oauth2: &access::OAuth2,
        setup: Setup<'_>,
        clock: Arc<dyn Clock>,
        application: &Sender,
    ) -> Result<Self, UpstreamSetupError> {
        let url = token_url(oauth2, setup, application.transport.base())?;
        let origin = url.origin().ascii_serialization();
        let base = Base::parse(&origin).map_err(|reason| unusable("token_url", reason))?;
        let client_id = client_id(oauth2, setup)?;
        let assertion = match &oauth2.assertion {
            None => None,
            Some(written) => {
                let client_id = client_id.as_deref();
                Some(Arc::new(Assertion::new(written, client_id, url.as_str(), setup)?))
            }
        };
        let mut form = Form { setup, fields: Vec::new() };
        let changing = form.grant(&oauth2.grant, assertion.as_ref())?;
        let authorization = form.client(&oauth2.client, client_id.as_deref())?;
        form.further(oauth2)?;
        let client = match &oauth2.client {
            ClientAuth::PrivateKeyJwt => client_id.zip(assertion),
            ClientAuth::Body(_) | ClientAuth::Basic(_) => None,
        };
        Ok(Self {
            sender: application.beside(base)?,
            path: url.path().to_owned(),
            query: url.query_pairs().into_owned().collect(),
            authorization,
            form: form.fields,
            changing,
            client,
            leeway: oauth2.leeway,
            clock,
            ids: Arc::clone(&setup.ambient.ids),
        })
    }

    /// Fetches a token.
    pub(crate) async fn fetch(&self, deadline: Instant) -> Result<Token, SignInError> {
        let request = self.request().ok_or(SignInError::NotBuilt)?;
        // Whether it arrives once or twice: what comes back is one token that is used.
        let answer = self
            .sender
            .send(&request, &self.authorization, Twice::Harmless, &mut Time::by(deadline))
            .await
            .map_err(SignInError::NoAnswer)?;
        let told = answer.json().and_then(|body| body.get("error")).and_then(Value::as_str);
        if !answer.is_success() || told.is_some() {
            return Err(denied(answer.status, told));
        }
        self.accept(&answer)
    }

    fn accept(&self, answer: &NativeResponse) -> Result<Token, SignInError> {
        let member = |name: &str| answer.json().and_then(|body| body.get(name));
        let text =
            |name: &str| member(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if let (Changing::RefreshToken(kept), Some(new)) = (&self.changing, text("refresh_token")) {
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = new.to_owned().into();
        }
        let token = text("access_token").ok_or(SignInError::NoToken)?;
        let kind = text("token_type").unwrap_or("Bearer");
        if NOT_BEARER.iter().any(|other| kind.eq_ignore_ascii_case(other)) {
            return Err(SignInError::NotBearer);
        }
        let credential = Credential::header("authorization", &format!("Bearer {token}"))
            .ok_or(SignInError::NotSendable)?;
        Ok(Token { credential, renew_at: self.renewal(member("expires_in")) })
    }

    /// Some servers write the number of seconds as text.
    fn renewal(&self, expires_in: Option<&Value>) -> Timestamp {
        let seconds = expires_in.and_then(|value| match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        });
        let lifetime = seconds
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .filter(|lifetime| !lifetime.is_zero())
            .unwrap_or(LIFETIME);
        // A token that lives shorter than the leeway would be fetched anew for every call.
        let leeway = self.leeway.min(lifetime / 2);
        let now = self.clock.now();
        now.checked_add(lifetime.saturating_sub(leeway)).unwrap_or(Timestamp::MAX)
    }

    fn request(&self) -> Option<NativeRequest> {
        let fixed = |(name, value): &(String, SecretString)| {
            (name.clone(), value.expose_secret().to_owned())
        };
        let mut form: Vec<_> = self.form.iter().map(fixed).collect();
        let now = self.clock.now();
        let mut add = |name: &str, value: String| form.push((name.to_owned(), value));
        match &self.changing {
            Changing::Nothing => {}
            Changing::RefreshToken(kept) => {
                let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                add("refresh_token", kept.expose_secret().to_owned());
            }
            Changing::Assertion(assertion) => {
                add("assertion", assertion.sign(Purpose::Grant, &self.ids.uuid(), now)?);
            }
        }
        if let Some((client_id, assertion)) = &self.client {
            let purpose = Purpose::Client(client_id);
            add("client_assertion", assertion.sign(purpose, &self.ids.uuid(), now)?);
        }
        Some(NativeRequest {
            method: Method::Post,
            path: self.path.clone(),
            template: None,
            query: self.query.clone(),
            headers: Vec::new(),
            body: Body::Form(form),
            timeout: None,
            patience: None,
            urgency: Urgency::Ahead,
            repeatable: true,
        })
    }
}

/// The form as far as it is always the same.
struct Form<'a> {
    setup: Setup<'a>,
    fields: Vec<(String, SecretString)>,
}

impl Form<'_> {
    fn grant(
        &mut self,
        grant: &Grant,
        assertion: Option<&Arc<Assertion>>,
    ) -> Result<Changing, UpstreamSetupError> {
        match grant {
            Grant::ClientCredentials => {
                self.add("grant_type", "client_credentials".to_owned());
                Ok(Changing::Nothing)
            }
            Grant::RefreshToken(token) => {
                self.add("grant_type", "refresh_token".to_owned());
                let token = self.setup.required("auth.oauth2.refresh_token", token)?;
                Ok(Changing::RefreshToken(Mutex::new(token.into())))
            }
            Grant::Password { username, password } => {
                self.add("grant_type", "password".to_owned());
                self.add("username", self.setup.required("auth.oauth2.username", username)?);
                self.add("password", self.setup.required("auth.oauth2.password", password)?);
                Ok(Changing::Nothing)
            }
            Grant::JwtBearer => {
                self.add("grant_type", JWT_BEARER.to_owned());
                let empty =
                    || UpstreamSetupError::Empty { field: "auth.oauth2.assertion".to_owned() };
                Ok(Changing::Assertion(Arc::clone(assertion.ok_or_else(empty)?)))
            }
        }
    }

    fn client(
        &mut self,
        client: &ClientAuth,
        client_id: Option<&str>,
    ) -> Result<Credential, UpstreamSetupError> {
        match client {
            ClientAuth::Body(secret) => {
                if let Some(client_id) = client_id {
                    self.add("client_id", client_id.to_owned());
                }
                if let Some(secret) = text("client_secret", secret.as_ref(), self.setup)? {
                    self.add("client_secret", secret);
                }
                Ok(Credential::None)
            }
            ClientAuth::Basic(secret) => {
                let secret = text("client_secret", secret.as_ref(), self.setup)?;
                basic(client_id.unwrap_or_default(), &secret.unwrap_or_default())
            }
            ClientAuth::PrivateKeyJwt => {
                self.add("client_id", client_id.unwrap_or_default().to_owned());
                self.add("client_assertion_type", CLIENT_ASSERTION.to_owned());
                Ok(Credential::None)
            }
        }
    }

    fn further(&mut self, oauth2: &access::OAuth2) -> Result<(), UpstreamSetupError> {
        for (name, template) in [("scope", &oauth2.scope), ("audience", &oauth2.audience)] {
            if let Some(value) = text(name, template.as_ref(), self.setup)? {
                self.add(name, value);
            }
        }
        for (name, value) in self.setup.texts("auth.oauth2.params", &oauth2.params)? {
            self.add(&name, value);
        }
        Ok(())
    }

    fn add(&mut self, name: &str, value: String) {
        self.fields.push((name.to_owned(), value.into()));
    }
}

/// Name and secret, each encoded as in a form, so that a colon in them is none (RFC 6749 section
/// 2.3.1).
fn basic(client_id: &str, secret: &str) -> Result<Credential, UpstreamSetupError> {
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = STANDARD.encode(format!("{}:{}", encode(client_id), encode(secret)));
    let reason = "it is not a usable header";
    Credential::header("authorization", &format!("Basic {pair}"))
        .ok_or_else(|| setup::unsendable("auth.oauth2.client_id", reason))
}

/// The client's name; only where it proves itself in no way may it have none.
fn client_id(
    oauth2: &access::OAuth2,
    setup: Setup<'_>,
) -> Result<Option<String>, UpstreamSetupError> {
    let given = text("client_id", oauth2.client_id.as_ref(), setup)?;
    let given = given.filter(|client_id| !client_id.is_empty());
    let optional = match (&oauth2.client, &oauth2.grant) {
        (ClientAuth::Basic(_) | ClientAuth::PrivateKeyJwt, _)
        | (ClientAuth::Body(_), Grant::ClientCredentials) => false,
        (
            ClientAuth::Body(_),
            Grant::RefreshToken(_) | Grant::Password { .. } | Grant::JwtBearer,
        ) => true,
    };
    if given.is_none() && !optional {
        return Err(UpstreamSetupError::Empty { field: "auth.oauth2.client_id".to_owned() });
    }
    Ok(given)
}

fn token_url(
    oauth2: &access::OAuth2,
    setup: Setup<'_>,
    application: &Base,
) -> Result<Url, UpstreamSetupError> {
    let text = setup.required("auth.oauth2.token_url", &oauth2.token_url)?;
    let url = Url::parse(&text).map_err(|_| unusable("token_url", "it is not an absolute URL"))?;
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        let reason = "it must not contain credentials or a fragment";
        return Err(unusable("token_url", reason));
    }
    let may_be_plain = is_loopback(&url) || application.is_plain();
    match url.scheme() {
        "https" => Ok(url),
        "http" if may_be_plain => Ok(url),
        _ => Err(unusable("token_url", "it must be https")),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A field's text; one that is null is left out.
fn text(
    field: &str,
    template: Option<&Template>,
    setup: Setup<'_>,
) -> Result<Option<String>, UpstreamSetupError> {
    match template {
        None => Ok(None),
        Some(template) => setup.text(&format!("auth.oauth2.{field}"), template),
    }
}

fn unusable(field: &str, reason: &'static str) -> UpstreamSetupError {
    setup::unusable(&format!("auth.oauth2.{field}"), reason)
}

fn denied(status: u16, told: Option<&str>) -> SignInError {
    let code = CODES.iter().find(|code| Some(**code) == told);
    match (code, told) {
        (Some(code), _) => SignInError::Denied { status, code },
        (None, Some(_)) => SignInError::Denied { status, code: "of its own" },
        (None, None) => SignInError::Refused(status),
    }
}
