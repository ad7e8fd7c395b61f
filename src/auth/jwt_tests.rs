//! Every rule for tokens of an issuer, with keys made here.
#![cfg(test)]
#![expect(clippy::unwrap_in_result, reason = "what is unwrapped is made here")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    RsaEncoding, RsaKeyPair,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use crate::auth::jwk::{Algorithm, KeySet};
use crate::auth::jwt::{Demands, Issuer, KeySource, is_jwt};
use crate::auth::jwt_error::JwtError;
use crate::auth::scope::Scope;

const NOW: i64 = 1_800_000_000;
const RSA: &str = include_str!("../../tests/vectors/rfc7515_a2_key.pem");

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// Signs, and has a public key.
struct Signer {
    id: &'static str,
    algorithm: &'static str,
    jwk: Value,
    sign: Sign,
}

impl Signer {
    fn ed25519(id: &'static str) -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let x = base64(pair.public_key());
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": x, "use": "sig" });
        let sign = Box::new(move |message: &[u8]| pair.sign(message).as_ref().to_vec());
        Self { id, algorithm: "EdDSA", jwk, sign }
    }

    fn ecdsa(algorithm: &'static str) -> Self {
        let (by, curve) = match algorithm {
            "ES256" => (&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256"),
            _ => (&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384"),
        };
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(by, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(by, pkcs8.as_ref(), &random).unwrap();
        let point = pair.public_key().as_ref()[1..].to_vec();
        let (x, y) = point.split_at(point.len() / 2);
        let jwk = json!({
            "kty": "EC", "crv": curve, "kid": algorithm, "x": base64(x), "y": base64(y),
        });
        let sign = move |message: &[u8]| {
            pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
        };
        Self { id: algorithm, algorithm, jwk, sign: Box::new(sign) }
    }

    fn rsa(algorithm: &'static str) -> Self {
        let by: &'static dyn RsaEncoding = match algorithm {
            "RS256" => &RSA_PKCS1_SHA256,
            "RS384" => &RSA_PKCS1_SHA384,
            "RS512" => &RSA_PKCS1_SHA512,
            _ => &RSA_PSS_SHA256,
        };
        let der = PrivateKeyDer::from_pem_slice(RSA.as_bytes()).unwrap();
        let pair = RsaKeyPair::from_der(der.secret_der())
            .or_else(|_| RsaKeyPair::from_pkcs8(der.secret_der()))
            .unwrap();
        let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
        let jwk = json!({
            "kty": "RSA", "kid": "rsa", "n": base64(public.n), "e": base64(public.e),
        });
        let sign = move |message: &[u8]| {
            let mut signature = vec![0; pair.public().modulus_len()];
            pair.sign(by, &SystemRandom::new(), message, &mut signature).unwrap();
            signature
        };
        Self { id: "rsa", algorithm, jwk, sign: Box::new(sign) }
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", base64(header.to_string()), base64(claims.to_string()));
        format!("{signed}.{}", base64((self.sign)(signed.as_bytes())))
    }

    fn usual(&self, claims: &Value) -> String {
        self.token(&json!({ "alg": self.algorithm, "kid": self.id, "typ": "JWT" }), claims)
    }
}

/// Seconds after which another try is worth it.
const SOON: u64 = 2;

/// Keys that are there, and a count of the times somebody missed one.
struct Keys(Option<Arc<KeySet>>, AtomicUsize);

impl KeySource for Keys {
    fn keys(&self) -> Option<Arc<KeySet>> {
        self.0.clone()
    }

    fn ask(&self, _: Option<f64>) -> Option<u64> {
        // As the real one: the second time within a moment is refused.
        (self.1.fetch_add(1, Ordering::SeqCst) == 0).then_some(SOON)
    }
}

fn keys(signers: &[&Signer]) -> Arc<Keys> {
    let keys: Vec<&Value> = signers.iter().map(|signer| &signer.jwk).collect();
    let set = KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
    Arc::new(Keys(Some(Arc::new(set)), AtomicUsize::new(0)))
}

fn demands() -> Demands {
    Demands {
        issuer: "https://issuer.test/".to_owned(),
        audiences: vec!["bridge".to_owned()],
        algorithms: Algorithm::ALL.to_vec(),
        ..Demands::default()
    }
}

fn claims() -> Value {
    json!({
        "iss": "https://issuer.test/", "aud": "bridge", "exp": NOW + 300, "iat": NOW,
        "azp": "0b1c", "sub": "ada@example.com", "name": "Ada",
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn ask(demands: Demands, keys: Arc<Keys>, token: &str) -> Result<(String, String), JwtError> {
    let now = Timestamp::from_second(NOW).unwrap();
    let principal = Issuer::new(demands, keys).authenticate("acme", token, now)?;
    assert_eq!((principal.tenant(), principal.token_id()), ("acme", None));
    assert!(!format!("{principal:?}").contains("da"), "nobody's name");
    Ok((principal.label().to_owned(), principal.scopes().to_string()))
}

fn check(demands: Demands, claims: &Value, expected: Result<&str, JwtError>) {
    let signer = Signer::ed25519("k1");
    let answer = ask(demands, keys(&[&signer]), &signer.usual(claims));
    let scopes = answer.as_ref().map(|(_, scopes)| scopes.as_str()).map_err(|error| *error);
    assert_eq!(scopes, expected, "{claims}");
}

const ALL: &str = "read,write,users,groups";

#[test]
fn every_allowed_algorithm_is_checked() {
    let rsa = ["RS256", "RS384", "RS512", "PS256"].map(Signer::rsa);
    let ecdsa = ["ES256", "ES384"].map(Signer::ecdsa);
    let edwards = [Signer::ed25519("k1")];
    for signer in rsa.iter().chain(&ecdsa).chain(&edwards) {
        let token = signer.usual(&claims());
        assert!(is_jwt(&token));
        let answer = ask(demands(), keys(&[signer]), &token);
        assert_eq!(answer, Ok(("0b1c".to_owned(), ALL.to_owned())), "{}", signer.algorithm);
        let algorithms = Algorithm::ALL.into_iter().filter(|it| it.name() != signer.algorithm);
        let others = Demands { algorithms: algorithms.collect(), ..demands() };
        assert_eq!(ask(others, keys(&[signer]), &token), Err(JwtError::Algorithm));
        let mut broken = token.into_bytes();
        let last = broken.len() - 10;
        broken[last] = if broken[last] == b'A' { b'B' } else { b'A' };
        let broken = String::from_utf8(broken).unwrap();
        assert_eq!(ask(demands(), keys(&[signer]), &broken), Err(JwtError::Signature));
    }
}

#[test]
fn no_token_chooses_a_weaker_algorithm() {
    let signer = Signer::rsa("RS256");
    let unsigned = |alg: &str| {
        let header = base64(json!({ "alg": alg, "kid": "rsa" }).to_string());
        format!("{header}.{}.", base64(claims().to_string()))
    };
    for name in ["none", "None", "nOnE", "NONE", "HS256", "rs256", "RS1", ""] {
        let answer = ask(demands(), keys(&[&signer]), &unsigned(name));
        assert_eq!(answer, Err(JwtError::Algorithm), "{name}");
    }
    // The public key as the secret of an HMAC, in the forms that libraries have fallen for.
    let modulus = URL_SAFE_NO_PAD.decode(signer.jwk["n"].as_str().unwrap()).unwrap();
    for secret in [modulus, signer.jwk.to_string().into_bytes()] {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
        let signed = unsigned("HS256");
        let signed = signed.trim_end_matches('.');
        let token = format!("{signed}.{}", base64(ring::hmac::sign(&key, signed.as_bytes())));
        assert_eq!(ask(demands(), keys(&[&signer]), &token), Err(JwtError::Algorithm));
    }
    // A signature of one kind under the name of another.
    let header = json!({ "alg": "ES256", "kid": "rsa" });
    let mixed = signer.token(&header, &claims());
    assert_eq!(ask(demands(), keys(&[&signer]), &mixed), Err(JwtError::NoKeys(SOON)));
    assert_eq!(ask(demands(), keys(&[&signer]), &unsigned("RS256")), Err(JwtError::Signature));
}

#[test]
fn symmetric_keys_of_an_issuer_are_passed_over() {
    let set = json!({ "keys": [{ "kty": "oct", "kid": "k1", "k": "c2VjcmV0" }] });
    assert!(KeySet::parse(set.to_string().as_bytes()).is_err());
    assert!(KeySet::parse(b"{}").is_err());
    assert!(KeySet::parse(b"<html>").is_err());
}

#[test]
fn keys_are_found_by_their_id_and_nothing_else() {
    let (one, other) = (Signer::ed25519("k1"), Signer::ed25519("k2"));
    let token = |kid: Value| {
        let header =
            json!({ "alg": "EdDSA", "kid": kid, "jku": "https://evil.test/", "jwk": other.jwk });
        one.token(&header, &claims())
    };
    assert!(ask(demands(), keys(&[&one, &other]), &token(json!("k1"))).is_ok());
    let wrong = ask(demands(), keys(&[&one, &other]), &token(json!("k2")));
    assert_eq!(wrong, Err(JwtError::Signature));
    for kid in ["../k1", "k1\u{0}", "/dev/null", "k1' OR '1'='1", "K1", "", "https://evil.test/k1"]
    {
        let source = keys(&[&one]);
        let issuer = Issuer::new(demands(), Arc::clone(&source) as Arc<dyn KeySource>);
        let now = Timestamp::from_second(NOW).unwrap();
        let ask = || issuer.authenticate("acme", &token(json!(kid)), now).unwrap_err();
        // First the keys are read again, then it is told.
        assert_eq!((ask(), ask()), (JwtError::NoKeys(SOON), JwtError::Key), "{kid:?}");
        assert_eq!(source.1.load(Ordering::SeqCst), 2);
    }
    assert_eq!(ask(demands(), keys(&[&one]), &token(json!(7))), Err(JwtError::Malformed));
    // Without an id every key is tried.
    assert!(ask(demands(), keys(&[&other, &one]), &token(Value::Null)).is_ok());
    // A key that is no longer published.
    assert_eq!(ask(demands(), keys(&[&other]), &token(Value::Null)), Err(JwtError::Signature));
    let none = Arc::new(Keys(None, AtomicUsize::new(0)));
    assert_eq!(ask(demands(), none, &token(json!("k1"))), Err(JwtError::NoKeys(SOON)));
}

#[test]
fn times_have_a_minute_of_leeway() {
    check(demands(), &with("exp", json!(NOW - 59)), Ok(ALL));
    check(demands(), &with("exp", json!(NOW - 60)), Err(JwtError::Expired));
    check(demands(), &with("exp", Value::Null), Err(JwtError::Malformed));
    check(demands(), &with("exp", json!("soon")), Err(JwtError::Malformed));
    check(demands(), &with("exp", json!(1_800_000_000.5)), Ok(ALL));
    check(demands(), &with("nbf", json!(NOW + 60)), Ok(ALL));
    check(demands(), &with("nbf", json!(NOW + 61)), Err(JwtError::NotYet));
    check(demands(), &with("iat", json!(NOW + 61)), Err(JwtError::NotYet));
    let mut endless = claims();
    endless.as_object_mut().unwrap().remove("exp");
    check(demands(), &endless, Err(JwtError::Expired));
}

#[test]
fn issuer_audience_and_claims_are_compared_exactly() {
    check(demands(), &with("iss", json!("https://issuer.test")), Err(JwtError::Issuer));
    check(demands(), &with("iss", json!(["https://issuer.test/"])), Err(JwtError::Issuer));
    check(demands(), &with("aud", json!(["other", "bridge"])), Ok(ALL));
    check(demands(), &with("aud", json!("bridge2")), Err(JwtError::Audience));
    check(demands(), &with("aud", json!([])), Err(JwtError::Audience));
    check(demands(), &with("aud", json!("other bridge")), Err(JwtError::Audience));
    let exact = |value: &str| Demands {
        claims: BTreeMap::from([("appid".to_owned(), value.to_owned())]),
        ..demands()
    };
    check(exact("a1"), &with("appid", json!("a1")), Ok(ALL));
    check(exact("a1"), &with("appid", json!("A1")), Err(JwtError::Claim));
    check(exact("a1"), &claims(), Err(JwtError::Claim));
}

#[test]
fn scopes_and_roles_say_what_a_token_may_do() {
    let required = || Demands { required: vec!["scim".to_owned()], ..demands() };
    check(required(), &with("scp", json!("a scim")), Ok(ALL));
    check(required(), &with("scope", json!("scim a")), Ok(ALL));
    check(required(), &with("roles", json!(["scim"])), Ok(ALL));
    check(required(), &with("roles", json!("a scim")), Err(JwtError::Scope));
    check(required(), &claims(), Err(JwtError::Scope));
    let mapped = || Demands {
        scopes: BTreeMap::from([
            ("scim.read".to_owned(), vec![Scope::Read]),
            ("scim.users".to_owned(), vec![Scope::Write, Scope::Users]),
        ]),
        ..demands()
    };
    check(mapped(), &with("scp", json!("scim.read x")), Ok("read,users,groups"));
    check(mapped(), &with("roles", json!(["scim.users"])), Ok("write,users"));
    check(mapped(), &with("scp", json!("scim.read scim.users")), Ok("read,write,users"));
    check(mapped(), &with("scp", json!("x")), Err(JwtError::Scope));
}

#[test]
fn what_is_no_token_is_told_so() {
    let signer = Signer::ed25519("k1");
    let token = signer.usual(&claims());
    let critical = json!({ "alg": "EdDSA", "kid": "k1", "crit": ["exp"] });
    let long = with("name", json!("x".repeat(20_000)));
    for text in [
        "eyJ",
        "eyJ.eyJ.",
        "..",
        &token.replace('.', "_"),
        &format!("{token}="),
        &signer.token(&critical, &claims()),
        &signer.usual(&long),
        &signer.usual(&json!([])),
        &token.replacen("eyJ", "eyK", 1),
    ] {
        let answer = ask(demands(), keys(&[&signer]), text);
        assert_eq!(
            answer,
            Err(JwtError::Malformed),
            "{}",
            text.chars().take(60).collect::<String>()
        );
    }
}

#[test]
fn a_client_is_called_by_the_id_of_its_application() {
    let signer = Signer::ed25519("k1");
    let label = |claims: &Value| {
        ask(demands(), keys(&[&signer]), &signer.usual(claims)).map(|(label, _)| label)
    };
    let mut nameless = claims();
    nameless.as_object_mut().unwrap().remove("azp");
    assert_eq!(label(&nameless).as_deref(), Ok("jwt"));
    nameless["appid"] = json!("8adf-1");
    assert_eq!(label(&nameless).as_deref(), Ok("8adf-1"));
    assert_eq!(label(&with("azp", json!("a b@c"))).as_deref(), Ok("jwt"));
}
