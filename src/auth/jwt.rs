//! Bearer tokens of an issuer: JWTs (RFC 7519) in compact form, checked as RFC 8725 asks.
//!
//! What a token's header says decides nothing but which of the allowed algorithms and of the
//! issuer's own keys are used: keys and addresses of keys in it are never looked at. Encrypted
//! tokens are absent.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::auth::jwk::{Algorithm, KeySet};
use crate::auth::jwt_error::JwtError;
use crate::auth::principal::Principal;
use crate::auth::scope::{Scope, Scopes};

/// How far the issuer's clock may be from ours, in seconds.
const LEEWAY: f64 = 60.0;

/// The longest token that is looked at, in bytes.
pub const LONGEST_JWT: usize = 16 * 1024;

/// What a client may be called by: ids of applications, never of people.
const CLIENT_CLAIMS: [&str; 3] = ["azp", "appid", "client_id"];

/// What a client is called whose token does not say.
const NAMELESS: &str = "jwt";

/// Where the keys of an issuer come from; they are read in the background.
pub trait KeySource: Send + Sync {
    /// The keys as they are known; `None` when they never were.
    fn keys(&self) -> Option<Arc<KeySet>>;

    /// Asks for the keys to be read again, because one is missing that a token of this time was
    /// signed with (seconds since 1970, where it says). Answers after how many seconds it is worth
    /// another try; `None` when the keys that are known were read after it was made.
    fn ask(&self, issued: Option<f64>) -> Option<u64>;
}

/// What a tenant asks of the tokens of its issuer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demands {
    /// `iss`, letter by letter.
    pub issuer: String,
    /// One of these must be in `aud`.
    pub audiences: Vec<String>,
    /// What may be in `alg`.
    pub algorithms: Vec<Algorithm>,
    /// Scopes or roles that must all be there.
    pub required: Vec<String>,
    /// What a scope or role allows here; when there are any, the token needs at least one of them,
    /// and may do what those that it has allow together. When there are none, it may do everything.
    pub scopes: BTreeMap<String, Vec<Scope>>,
    /// Claims that must have exactly this text.
    pub claims: BTreeMap<String, String>,
}

/// An issuer of tokens that a tenant accepts.
pub struct Issuer {
    demands: Demands,
    keys: Arc<dyn KeySource>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

/// When a token says it was made. Nobody has checked it: it decides no more than whether another
/// try is worth it.
#[derive(Deserialize)]
struct Issued {
    iat: Option<f64>,
}

/// Whether a text has the form of a JWT. Tokens of the bridge have no dots in them.
pub fn is_jwt(token: &str) -> bool {
    token.starts_with("eyJ") && token.bytes().filter(|byte| *byte == b'.').count() == 2
}

impl Issuer {
    /// The issuer that makes such tokens and has such keys.
    pub fn new(demands: Demands, keys: Arc<dyn KeySource>) -> Self {
        Self { demands, keys }
    }

    /// Who sends this token to this tenant.
    ///
    /// # Errors
    /// Says why it is not accepted.
    pub fn authenticate(
        &self,
        tenant: &str,
        token: &str,
        now: Timestamp,
    ) -> Result<Arc<Principal>, JwtError> {
        if token.len() > LONGEST_JWT {
            return Err(JwtError::Malformed);
        }
        let claims = self.verified(token)?;
        check_times(&claims, now)?;
        if claims.get("iss").and_then(Value::as_str) != Some(&self.demands.issuer) {
            return Err(JwtError::Issuer);
        }
        let mut audiences = texts(claims.get("aud"), |text| vec![text]).into_iter();
        if !audiences.any(|audience| self.demands.audiences.iter().any(|own| own == audience)) {
            return Err(JwtError::Audience);
        }
        let mut wanted = self.demands.claims.iter();
        if !wanted.all(|(name, text)| claims.get(name).and_then(Value::as_str) == Some(text)) {
            return Err(JwtError::Claim);
        }
        let scopes = self.scopes(&claims)?;
        Ok(Arc::new(Principal::new(tenant, client(&claims), None, scopes)))
    }

    /// The claims of a token that the issuer has signed.
    fn verified(&self, token: &str) -> Result<Map<String, Value>, JwtError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(JwtError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(JwtError::Malformed)?;
        let header: Header = decoded(header)?;
        if header.crit.is_some() {
            return Err(JwtError::Malformed);
        }
        let algorithm = Algorithm::named(&header.alg);
        let algorithm = algorithm.filter(|known| self.demands.algorithms.contains(known));
        let algorithm = algorithm.ok_or(JwtError::Algorithm)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| JwtError::Malformed)?;
        let verify = |keys: Arc<KeySet>| {
            keys.verify(header.kid.as_deref(), algorithm, signed.as_bytes(), &signature)
        };
        match self.keys.keys().and_then(verify) {
            Some(true) => decoded(claims),
            Some(false) => Err(JwtError::Signature),
            // The issuer may have a new key.
            None => {
                let issued = decoded(claims).ok().and_then(|Issued { iat }| iat);
                Err(self.keys.ask(issued).map_or(JwtError::Key, JwtError::NoKeys))
            }
        }
    }

    fn scopes(&self, claims: &Map<String, Value>) -> Result<Scopes, JwtError> {
        let words = |text: &'static str| {
            texts(claims.get(text), |text| text.split_ascii_whitespace().collect())
        };
        let mut has = [words("scp"), words("scope")].concat();
        has.extend(texts(claims.get("roles"), |text| vec![text]));
        let Demands { required, scopes, .. } = &self.demands;
        if !required.iter().all(|wanted| has.contains(&wanted.as_str())) {
            return Err(JwtError::Scope);
        }
        if scopes.is_empty() {
            return Ok(Scopes::ALL);
        }
        let allowed: Vec<&Vec<Scope>> = has.iter().filter_map(|name| scopes.get(*name)).collect();
        if allowed.is_empty() {
            return Err(JwtError::Scope);
        }
        Ok(Scopes::of(allowed.into_iter().flatten().copied()))
    }
}

fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<(), JwtError> {
    let now = now.as_duration().as_secs_f64();
    let time = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or(JwtError::Malformed),
    };
    let expires = time("exp")?.ok_or(JwtError::Expired)?;
    if expires + LEEWAY <= now {
        return Err(JwtError::Expired);
    }
    let begins = [time("nbf")?, time("iat")?];
    if begins.into_iter().flatten().any(|begin| begin - LEEWAY > now) {
        return Err(JwtError::NotYet);
    }
    Ok(())
}

fn decoded<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, JwtError> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| JwtError::Malformed)?;
    serde_json::from_slice(&json).map_err(|_| JwtError::Malformed)
}

/// The texts of a claim that is one text or an array of them.
fn texts<'a>(claim: Option<&'a Value>, split: impl Fn(&'a str) -> Vec<&'a str>) -> Vec<&'a str> {
    match claim {
        Some(Value::String(text)) => split(text),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        Some(_) | None => Vec::new(),
    }
}

/// What logs call the client: the id of the application, if it is fit for a log.
fn client(claims: &Map<String, Value>) -> &str {
    let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/');
    let named = CLIENT_CLAIMS.iter().find_map(|name| claims.get(*name).and_then(Value::as_str));
    named.filter(|id| !id.is_empty() && id.len() <= 128 && id.chars().all(fit)).unwrap_or(NAMELESS)
}
