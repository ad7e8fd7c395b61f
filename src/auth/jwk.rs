//! The keys of an issuer (RFC 7517, RFC 7518 section 6, RFC 8037) and the signatures they check.
//!
//! Only public keys for signatures are taken: symmetric ones are passed over, so nothing that an
//! issuer publishes can ever serve as the secret of an HMAC.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Deserialize;

/// The most keys that are taken from one set.
const MOST_KEYS: usize = 64;

/// A signature algorithm (RFC 7518 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All that are known. `none` and the HMACs are not among them.
    pub const ALL: [Self; 7] =
        [Self::Rs256, Self::Rs384, Self::Rs512, Self::Ps256, Self::Es256, Self::Es384, Self::EdDsa];

    /// Its name in a header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of this name, letter by letter.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// The keys of an issuer, as it publishes them.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

#[derive(Debug, Clone)]
struct Key {
    id: Option<String>,
    algorithm: Option<String>,
    material: Material,
}

#[derive(Debug, Clone)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

#[derive(Deserialize)]
struct SetFile {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct KeyFile {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a set; keys of a kind that is not known here are passed over.
    ///
    /// # Errors
    /// It is no key set, or none of its keys can be used.
    pub fn parse(json: &[u8]) -> Result<Self, NoKeySet> {
        let set: SetFile = serde_json::from_slice(json).map_err(|_| NoKeySet)?;
        let keys = set.keys.into_iter().take(MOST_KEYS);
        let keys: Vec<Key> = keys.filter_map(key).collect();
        if keys.is_empty() { Err(NoKeySet) } else { Ok(Self { keys }) }
    }

    /// Whether one of the keys of this id, or of all when there is none, has made the signature;
    /// `None` when there is no key for it.
    pub fn verify(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Option<bool> {
        let fitting = self.keys.iter().filter(|key| {
            (id.is_none() || key.id.as_deref() == id)
                && key.material.fits(algorithm)
                && key.algorithm.as_deref().is_none_or(|name| name == algorithm.name())
        });
        let mut verdict = None;
        for key in fitting {
            if key.material.has_signed(algorithm, message, signature) {
                return Some(true);
            }
            verdict = Some(false);
        }
        verdict
    }
}

fn key(json: serde_json::Value) -> Option<Key> {
    let KeyFile { kty, kid, alg, purpose, crv, n, e, x, y } = serde_json::from_value(json).ok()?;
    if purpose.is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let bytes = |text: Option<String>| URL_SAFE_NO_PAD.decode(text?).ok();
    // SEC 1 section 2.3.3: a point that is not compressed begins with 4.
    let point = |length: usize| {
        let (x, y) = (bytes(x.clone())?, bytes(y.clone())?);
        (x.len() == length && y.len() == length).then(|| [vec![4], x, y].concat())
    };
    let material = match (kty.as_str(), crv.as_deref()) {
        ("RSA", _) => Material::Rsa { n: bytes(n)?, e: bytes(e)? },
        ("EC", Some("P-256")) => Material::P256(point(32)?),
        ("EC", Some("P-384")) => Material::P384(point(48)?),
        ("OKP", Some("Ed25519")) => Material::Ed25519(bytes(x.clone())?),
        _ => return None,
    };
    Some(Key { id: kid, algorithm: alg, material })
}

impl Material {
    fn fits(&self, algorithm: Algorithm) -> bool {
        match algorithm {
            Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512 | Algorithm::Ps256 => {
                matches!(self, Self::Rsa { .. })
            }
            Algorithm::Es256 => matches!(self, Self::P256(_)),
            Algorithm::Es384 => matches!(self, Self::P384(_)),
            Algorithm::EdDsa => matches!(self, Self::Ed25519(_)),
        }
    }

    fn has_signed(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let plain = |by: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(by, key).verify(message, signature).is_ok()
        };
        match self {
            Self::Rsa { n, e } => {
                let by: &RsaParameters = match algorithm {
                    Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
                    Algorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
                    Algorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
                    Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
                    Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => return false,
                };
                RsaPublicKeyComponents { n, e }.verify(by, message, signature).is_ok()
            }
            Self::P256(key) => plain(&ECDSA_P256_SHA256_FIXED, key),
            Self::P384(key) => plain(&ECDSA_P384_SHA384_FIXED, key),
            Self::Ed25519(key) => plain(&ED25519, key),
        }
    }
}

/// Not a set of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer is no JSON Web Key Set with a key for signatures that is known here")]
pub struct NoKeySet;
