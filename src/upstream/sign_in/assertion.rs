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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jiff::Timestamp;
    use rcgen::KeyPair;
    use ring::signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PSS_2048_8192_SHA256,
        RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey,
        VerificationAlgorithm,
    };
    use serde_json::{Value, json};

    use crate::id::SystemIds;
    use crate::mapping::access::{self, JwtAlgorithm};
    use crate::mapping::scope::Ambient;
    use crate::mapping::template::Template;
    use crate::upstream::setup::Setup;
    use crate::upstream::sign_in::assertion::{Assertion, Purpose, fixed, name};

    /// RFC 7515 appendix A.2.
    const RSA: &str = include_str!("../../../tests/vectors/rfc7515_a2_key.pem");
    const CONTENT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogIm\
                           h0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    const SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm\
                             4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--\
                             f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383Lc\
                             OLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUi\
                             pUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

    fn now() -> Timestamp {
        "2026-11-21T18:38:06Z".parse().unwrap()
    }

    fn template(text: &str) -> Template {
        Template::compile(text).unwrap()
    }

    fn assertion(key: &str, algorithm: JwtAlgorithm) -> Result<Assertion, String> {
        let ambient = Ambient { ids: Arc::new(SystemIds), now: now(), request_id: String::new() };
        let written = access::Assertion {
            key: template("{config.key}"),
            algorithm,
            issuer: None,
            subject: Some(template("ada@example.com")),
            audience: None,
            lifetime: std::time::Duration::from_mins(5),
            claims: vec![("level".to_owned(), template("{config.level}"))],
            headers: vec![("kid".to_owned(), template("k1"))],
        };
        let config = json!({ "key": key, "level": 5 });
        let setup = Setup { config: &config, ambient: &ambient };
        Assertion::new(&written, Some("bridge"), "https://id.example/token", setup)
            .map_err(|error| error.to_string())
    }

    fn sign(key: &str, algorithm: JwtAlgorithm, purpose: Purpose<'_>) -> Vec<String> {
        let signed = assertion(key, algorithm).unwrap().sign(purpose, "one", now()).unwrap();
        signed.split('.').map(str::to_owned).collect()
    }

    fn json_of(part: &str) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    fn verify(
        key: &str,
        public: &[u8],
        algorithm: JwtAlgorithm,
        by: &'static dyn VerificationAlgorithm,
    ) {
        let parts = sign(key, algorithm, Purpose::Grant);
        let content = format!("{}.{}", parts[0], parts[1]);
        let signature = URL_SAFE_NO_PAD.decode(&parts[2]).unwrap();
        UnparsedPublicKey::new(by, public).verify(content.as_bytes(), &signature).unwrap();
        assert_eq!(json_of(&parts[0])["alg"], name(algorithm));
    }

    #[test]
    fn the_example_of_rfc_7515() {
        let assertion = assertion(RSA, JwtAlgorithm::Rs256).unwrap();
        let signature = assertion.signature(CONTENT.as_bytes()).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.encode(signature), SIGNATURE);
    }

    #[test]
    fn signatures_are_good() {
        for (algorithm, by, generate) in [
            (
                JwtAlgorithm::Es256,
                &ECDSA_P256_SHA256_FIXED as &'static dyn VerificationAlgorithm,
                &rcgen::PKCS_ECDSA_P256_SHA256,
            ),
            (JwtAlgorithm::Es384, &ECDSA_P384_SHA384_FIXED, &rcgen::PKCS_ECDSA_P384_SHA384),
            (JwtAlgorithm::EdDsa, &ED25519, &rcgen::PKCS_ED25519),
        ] {
            // Numbers of a signature that happen to be short come once in some hundred.
            for _ in 0..20 {
                let pair = KeyPair::generate_for(generate).unwrap();
                verify(&pair.serialize_pem(), pair.public_key_raw(), algorithm, by);
            }
        }
        let public = rsa_public();
        let rsa = |algorithm, by| verify(RSA, &public, algorithm, by);
        rsa(JwtAlgorithm::Rs384, &ring::signature::RSA_PKCS1_2048_8192_SHA384);
        rsa(JwtAlgorithm::Rs512, &ring::signature::RSA_PKCS1_2048_8192_SHA512);
        rsa(JwtAlgorithm::Ps256, &RSA_PSS_2048_8192_SHA256);
        rsa(JwtAlgorithm::Ps384, &RSA_PSS_2048_8192_SHA384);
        rsa(JwtAlgorithm::Ps512, &RSA_PSS_2048_8192_SHA512);
    }

    fn rsa_public() -> Vec<u8> {
        use ring::signature::KeyPair as _;
        use rustls::pki_types::PrivateKeyDer;
        use rustls::pki_types::pem::PemObject;
        let der = PrivateKeyDer::from_pem_slice(RSA.as_bytes()).unwrap();
        let pair = ring::signature::RsaKeyPair::from_der(der.secret_der()).unwrap();
        pair.public_key().as_ref().to_vec()
    }

    #[test]
    fn claims_by_purpose() {
        let parts = sign(RSA, JwtAlgorithm::Rs256, Purpose::Grant);
        assert_eq!(json_of(&parts[0]), json!({ "typ": "JWT", "kid": "k1", "alg": "RS256" }));
        let expected = json!({
            "level": 5,
            "iss": "bridge",
            "sub": "ada@example.com",
            "aud": "https://id.example/token",
            "iat": 1_795_286_286,
            "exp": 1_795_286_586,
            "jti": "one",
        });
        assert_eq!(json_of(&parts[1]), expected);
        let parts = sign(RSA, JwtAlgorithm::Rs256, Purpose::Client("bridge"));
        assert_eq!(json_of(&parts[1])["sub"], "bridge");
    }

    #[test]
    fn keys_that_are_none() {
        let misfit = "api.auth.oauth2.assertion.key cannot be used: it is not a key for this \
                      algorithm";
        for algorithm in [JwtAlgorithm::Es256, JwtAlgorithm::EdDsa] {
            assert_eq!(assertion(RSA, algorithm).unwrap_err(), misfit);
        }
        let broken = RSA.replace("MII", "MIJ");
        assert_eq!(assertion(&broken, JwtAlgorithm::Rs256).unwrap_err(), misfit);
        let escaped = RSA.replace('\n', "\\n");
        assert!(assertion(&escaped, JwtAlgorithm::Rs256).is_ok());
        for (key, told) in [
            ("-----BEGIN NOTHING-----", "holds no unencrypted private key in PEM"),
            ("/nowhere/key.pem", "names a file that cannot be read"),
            ("", "is empty"),
        ] {
            let error = assertion(key, JwtAlgorithm::Rs256).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn numbers_of_fixed_length() {
        let der = [0x30, 7, 2, 2, 0, 0x80, 2, 1, 1];
        assert_eq!(fixed(&der, 2), Some(vec![0, 0x80, 0, 1]));
        assert_eq!(fixed(&der, 1), Some(vec![0x80, 1]));
        for bad in [&[][..], &[0x30], &[0x30, 3, 2, 9, 1], &[0x30, 4, 2, 1, 1, 3, 1, 1]] {
            assert_eq!(fixed(bad, 2), None, "{bad:?}");
        }
        assert_eq!(fixed(&[0x30, 8, 2, 1, 1, 2, 1, 1, 0], 2), None);
        assert_eq!(fixed(&[0x30, 8, 2, 3, 1, 1, 1, 2, 1, 1], 2), None);
    }
}
