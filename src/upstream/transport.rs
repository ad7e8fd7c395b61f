//! One attempt: a native request becomes an HTTP request, is sent, and its answer is read. Nothing
//! is repeated, followed or renewed here.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Uri};
use secrecy::ExposeSecret;

use crate::mapping::model::Api;
use crate::native::message::{Body, Method, NativeRequest, NativeResponse};
use crate::upstream::connection::Connections;
use crate::upstream::failure::Failure;
use crate::upstream::link::Base;
use crate::upstream::setup::{self, Setup, UpstreamSetupError};
use crate::upstream::sign_in::credential::Credential;
use crate::upstream::{body, header, report};
use crate::watch::watched::NativeCall;

/// The connections and what every request carries.
pub(crate) struct Transport {
    connections: Connections,
    base: Base,
    headers: HeaderMap,
    query: Vec<(String, String)>,
    max_response: u64,
}

impl Transport {
    /// Evaluates what every request carries and prepares the connections.
    pub(crate) fn new(api: &Api, setup: Setup<'_>) -> Result<Self, UpstreamSetupError> {
        let base_url = setup.required("base_url", &api.base_url)?;
        let base = Base::parse(&base_url).map_err(UpstreamSetupError::BaseUrl)?;
        Ok(Self {
            connections: Connections::new(api, &base, setup)?,
            base,
            headers: default_headers(&setup.texts("headers", &api.headers)?)?,
            query: setup.texts("query", &api.query)?,
            max_response: api.max_response,
        })
    }

    /// The same connections to another place, which gets nothing of what the application gets.
    pub(crate) fn beside(&self, base: Base) -> Result<Self, UpstreamSetupError> {
        Ok(Self {
            connections: self.connections.clone(),
            base,
            headers: default_headers(&[])?,
            query: Vec::new(),
            max_response: self.max_response,
        })
    }

    /// Where requests begin.
    pub(crate) fn base(&self) -> &Base {
        &self.base
    }

    /// Makes one attempt.
    pub(crate) async fn send(
        &self,
        request: &NativeRequest,
        credential: &Credential,
        attempt: u32,
    ) -> Result<NativeResponse, Failure> {
        let mut outgoing = self.build(request, credential)?;
        let call = NativeCall::begin(request.method.name(), request.template.clone(), attempt);
        call.tell(outgoing.headers_mut());
        let outcome = self.connections.call(outgoing, self.max_response).await;
        report::finished(call, &outcome);
        outcome
    }

    fn build(
        &self,
        request: &NativeRequest,
        credential: &Credential,
    ) -> Result<Request<Bytes>, Failure> {
        let address = self.address(request, credential)?;
        let mut headers = header::merge(&self.headers, &request.headers)
            .ok_or_else(|| Failure::unsendable("one of its headers cannot be sent"))?;
        let body = body::encode(&*signed_body(&request.body, credential)?);
        match &body {
            Some((kind, _)) => {
                headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(kind));
            }
            None => without_body(&mut headers, request.method),
        }
        sign(&mut headers, credential)?;
        let body = body.map(|(_, bytes)| Bytes::from(bytes)).unwrap_or_default();
        let mut outgoing = Request::new(body);
        *outgoing.method_mut() = method(request.method);
        *outgoing.uri_mut() = address;
        *outgoing.headers_mut() = headers;
        Ok(outgoing)
    }

    /// A parameter of the request replaces a default one, and the credential replaces both: links
    /// to the next page often repeat what they were asked with.
    fn address(&self, request: &NativeRequest, credential: &Credential) -> Result<Uri, Failure> {
        let is_asked = |name: &str| request.query.iter().any(|(asked, _)| asked == name);
        let key = match credential {
            Credential::Query(name, value) => Some((name.as_str(), value.expose_secret())),
            Credential::None
            | Credential::Header(..)
            | Credential::Cookie(_)
            | Credential::Member(..) => None,
        };
        let defaults = self.query.iter().filter(|(name, _)| !is_asked(name));
        let parameters = defaults
            .chain(&request.query)
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| key.is_none_or(|(key, _)| key != *name));
        self.base.address(&request.path, parameters.chain(key)).map_err(Failure::unsendable)
    }
}

fn default_headers(fields: &[(String, String)]) -> Result<HeaderMap, UpstreamSetupError> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let (name, value) = setup::header(&format!("headers.{name}"), name, value)?;
        headers.append(name, value);
    }
    let product = concat!("scimbridge/", env!("CARGO_PKG_VERSION"));
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(product));
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
    Ok(headers)
}

fn without_body(headers: &mut HeaderMap, method: Method) {
    headers.remove(CONTENT_TYPE);
    // Some servers answer 411 to a POST that does not say it is empty (RFC 9110 section 8.6).
    if matches!(method, Method::Post | Method::Put | Method::Patch) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
}

fn signed_body<'b>(body: &'b Body, credential: &Credential) -> Result<Cow<'b, Body>, Failure> {
    match credential {
        Credential::None
        | Credential::Header(..)
        | Credential::Query(..)
        | Credential::Cookie(_) => Ok(Cow::Borrowed(body)),
        Credential::Member(members, value) => {
            body::with_member(body, members, value.expose_secret())
                .map(Cow::Owned)
                .ok_or_else(|| Failure::unsendable("its body has no place for the token"))
        }
    }
}

fn sign(headers: &mut HeaderMap, credential: &Credential) -> Result<(), Failure> {
    match credential {
        Credential::None | Credential::Query(..) | Credential::Member(..) => {}
        Credential::Header(name, value) => drop(headers.insert(name, value.clone())),
        Credential::Cookie(pair) => {
            let cookie = with_cookie(headers.get(COOKIE), pair)
                .ok_or_else(|| Failure::unsendable("its cookie cannot be sent"))?;
            headers.insert(COOKIE, cookie);
        }
    }
    Ok(())
}

/// One `Cookie` field holds all cookies (RFC 6265 section 5.4).
fn with_cookie(others: Option<&HeaderValue>, pair: &HeaderValue) -> Option<HeaderValue> {
    let Some(others) = others else {
        return Some(pair.clone());
    };
    let mut joined =
        HeaderValue::from_bytes(&[others.as_bytes(), b"; ", pair.as_bytes()].concat()).ok()?;
    joined.set_sensitive(true);
    Some(joined)
}

fn method(method: Method) -> http::Method {
    match method {
        Method::Get => http::Method::GET,
        Method::Head => http::Method::HEAD,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
        Method::Patch => http::Method::PATCH,
        Method::Delete => http::Method::DELETE,
    }
}
