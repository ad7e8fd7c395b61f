//! Signed assertions: JSON Web Tokens (RFC 7519) that stand for a grant or for the client (RFC
//! 7523), signed with the key of the configuration.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rustls::SignatureScheme;
use rustls::sign::SigningKey;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use crate::mapping::access::{self, JwtAlgorithm};
use crate::mapping::template::Template;
use crate::upstream::pem;
use crate::upstream::setup::{self, Setup, UpstreamSetupError};

/// A key and what it signs.
pub(crate) struct Assertion {
    key: Arc<dyn SigningKey>,
    algorithm: JwtAlgorithm,
    header: Map<String, Value>,
    issuer: String,
    subject: String,
    audience: String,
    lifetime: Duration,
    /// A JSON object: claims may be secrets.
    claims: SecretString,
}

/// For whom an assertion speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose<'a> {
    /// It is the grant: the subject that the mapping names.
    Grant,
    /// It is the client, which speaks for itself (RFC 7523 section 3).
    Client(&'a str),
}

impl Assertion {
    /// Reads the key and evaluates the claims. `client_id` is the issuer, and `token_url` the
    /// audience, where the mapping names none.
    pub(crate) fn new(
        assertion: &access::Assertion,
        client_id: Option<&str>,
        token_url: &str,
        setup: Setup<'_>,
    ) -> Result<Self, UpstreamSetupError> {
        let field = |name: &str| format!("auth.oauth2.assertion.{name}");
        let given = |name: &str, template: &Option<Template>| match template {
            None => Ok(None),
            Some(template) => setup.required(&field(name), template).map(Some),
        };
        let issuer = given("iss", &assertion.issuer)?.or_else(|| client_id.map(str::to_owned));
        let issuer = issuer.ok_or_else(|| UpstreamSetupError::Empty { field: field("iss") })?;
        let key = pem::key(&field("key"), &assertion.key, setup)?;
        let key = rustls::crypto::ring::sign::any_supported_type(&key).ok();
        let fits = |key: &Arc<dyn SigningKey>| key.choose_scheme(&[scheme(assertion.algorithm)]);
        let key = key.filter(|key| fits(key).is_some());
        let misfit = "it is not a key for this algorithm";
        let mut header = Map::from_iter([("typ".to_owned(), json!("JWT"))]);
        header.extend(values(&field("headers"), &assertion.headers, setup)?);
        header.insert("alg".to_owned(), json!(name(assertion.algorithm)));
        let claims = Value::Object(values(&field("claims"), &assertion.claims, setup)?);
        Ok(Self {
            key: key.ok_or_else(|| setup::unusable(&field("key"), misfit))?,
            algorithm: assertion.algorithm,
            header,
            subject: given("sub", &assertion.subject)?.unwrap_or_else(|| issuer.clone()),
            audience: given("aud", &assertion.audience)?.unwrap_or_else(|| token_url.to_owned()),
            issuer,
            lifetime: assertion.lifetime,
            claims: claims.to_string().into(),
        })
    }

    /// A new assertion; `id` makes it different from every other one. `None` when it cannot be
    /// signed.
    pub(crate) fn sign(&self, purpose: Purpose<'_>, id: &str, now: Timestamp) -> Option<String> {
        let mut claims: Map<String, Value> =
            serde_json::from_str(self.claims.expose_secret()).ok()?;
        let (issuer, subject) = match purpose {
            Purpose::Grant => (self.issuer.as_str(), self.subject.as_str()),
            Purpose::Client(client_id) => (client_id, client_id),
        };
        claims.insert("iss".to_owned(), json!(issuer));
        claims.insert("sub".to_owned(), json!(subject));
        claims.insert("aud".to_owned(), json!(self.audience));
        claims.insert("iat".to_owned(), json!(now.as_second()));
        claims.insert("exp".to_owned(), json!(now.checked_add(self.lifetime).ok()?.as_second()));
        claims.insert("jti".to_owned(), json!(id));
        let encode = |part: Map<String, Value>| {
            URL_SAFE_NO_PAD.encode(Value::Object(part).to_string().as_bytes())
        };
        let content = format!("{}.{}", encode(self.header.clone()), encode(claims));
        let signature = self.signature(content.as_bytes())?;
        Some(format!("{content}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn signature(&self, content: &[u8]) -> Option<Vec<u8>> {
        let signer = self.key.choose_scheme(&[scheme(self.algorithm)])?;
        let signature = signer.sign(content).ok()?;
        match self.algorithm {
            JwtAlgorithm::Es256 => fixed(&signature, 32),
            JwtAlgorithm::Es384 => fixed(&signature, 48),
            JwtAlgorithm::Rs256
            | JwtAlgorithm::Rs384
            | JwtAlgorithm::Rs512
            | JwtAlgorithm::Ps256
            | JwtAlgorithm::Ps384
            | JwtAlgorithm::Ps512
            | JwtAlgorithm::EdDsa => Some(signature),
        }
    }
}

impl fmt::Debug for Assertion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Assertion")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

fn values(
    field: &str,
    templates: &[(String, Template)],
    setup: Setup<'_>,
) -> Result<Map<String, Value>, UpstreamSetupError> {
    let value = |(name, template): &(String, Template)| {
        let value = template.evaluate(&setup.scope());
        let value = value.map_err(|source| setup::failed(&format!("{field}.{name}"), source))?;
        Ok((name.clone(), value))
    };
    templates.iter().map(value).collect()
}

fn name(algorithm: JwtAlgorithm) -> &'static str {
    match algorithm {
        JwtAlgorithm::Rs256 => "RS256",
        JwtAlgorithm::Rs384 => "RS384",
        JwtAlgorithm::Rs512 => "RS512",
        JwtAlgorithm::Ps256 => "PS256",
        JwtAlgorithm::Ps384 => "PS384",
        JwtAlgorithm::Ps512 => "PS512",
        JwtAlgorithm::Es256 => "ES256",
        JwtAlgorithm::Es384 => "ES384",
        JwtAlgorithm::EdDsa => "EdDSA",
    }
}

fn scheme(algorithm: JwtAlgorithm) -> SignatureScheme {
    match algorithm {
        JwtAlgorithm::Rs256 => SignatureScheme::RSA_PKCS1_SHA256,
        JwtAlgorithm::Rs384 => SignatureScheme::RSA_PKCS1_SHA384,
        JwtAlgorithm::Rs512 => SignatureScheme::RSA_PKCS1_SHA512,
        JwtAlgorithm::Ps256 => SignatureScheme::RSA_PSS_SHA256,
        JwtAlgorithm::Ps384 => SignatureScheme::RSA_PSS_SHA384,
        JwtAlgorithm::Ps512 => SignatureScheme::RSA_PSS_SHA512,
        JwtAlgorithm::Es256 => SignatureScheme::ECDSA_NISTP256_SHA256,
        JwtAlgorithm::Es384 => SignatureScheme::ECDSA_NISTP384_SHA384,
        JwtAlgorithm::EdDsa => SignatureScheme::ED25519,
    }
}

/// The two numbers of an ECDSA signature side by side (RFC 7518 section 3.4), out of the ASN.1
/// that TLS wants: a sequence of two integers, each shorter than 128 bytes.
fn fixed(der: &[u8], size: usize) -> Option<Vec<u8>> {
    let [0x30, _, rest @ ..] = der else { return None };
    let (first, rest) = integer(rest)?;
    let (second, rest) = integer(rest)?;
    let mut signature = Vec::with_capacity(2 * size);
    for number in [first, second] {
        signature.extend(std::iter::repeat_n(0, size.checked_sub(number.len())?));
        signature.extend_from_slice(number);
    }
    rest.is_empty().then_some(signature)
}

/// An integer without leading zeros, and what follows it.
fn integer(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let [0x02, length, rest @ ..] = der else { return None };
    let (mut number, rest) = rest.split_at_checked(usize::from(*length))?;
    while let [0, shorter @ ..] = number {
        number = shorter;
    }
    Some((number, rest))
}
