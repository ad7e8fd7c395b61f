//! What seals cursors: AES-256-GCM under a key of the installation.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::hmac;

use crate::exchange::cursor::Seal;

/// Bytes of a key.
pub const KEY_LENGTH: usize = 32;

/// Seals and opens with one key. Processes that share the key open each other's cursors.
pub struct SealKey {
    text: LessSafeKey,
    nonce: hmac::Key,
}

impl SealKey {
    /// Seals with this key, which has to be random and kept secret. `None` when the cipher does
    /// not take it.
    pub fn new(key: &[u8; KEY_LENGTH]) -> Option<Self> {
        let root = Salt::new(HKDF_SHA256, b"scimbridge cursor").extract(key);
        let text = UnboundKey::from(root.expand(&[b"text"], &AES_256_GCM).ok()?);
        let nonce = hmac::Key::from(root.expand(&[b"nonce"], hmac::HMAC_SHA256).ok()?);
        Some(Self { text: LessSafeKey::new(text), nonce })
    }

    /// The nonce is computed from what is sealed, so no two texts share one, and no randomness
    /// is asked for.
    fn nonce(&self, purpose: &[u8], text: &[u8]) -> Option<[u8; NONCE_LEN]> {
        let mut context = hmac::Context::with_key(&self.nonce);
        context.update(&purpose.len().to_le_bytes());
        context.update(purpose);
        context.update(text);
        context.sign().as_ref().first_chunk().copied()
    }
}

impl Seal for SealKey {
    fn seal(&self, purpose: &[u8], text: &[u8]) -> Vec<u8> {
        // Only a text of many gigabytes cannot be sealed; a cursor that is empty begins again.
        let Some(nonce) = self.nonce(purpose, text) else { return Vec::new() };
        let mut body = text.to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        if self.text.seal_in_place_append_tag(unique, Aad::from(purpose), &mut body).is_err() {
            return Vec::new();
        }
        [nonce.as_slice(), &body].concat()
    }

    fn open(&self, purpose: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = body.to_vec();
        let text = self.text.open_in_place(nonce, Aad::from(purpose), &mut body).ok()?;
        Some(text.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use crate::app::seal::SealKey;
    use crate::exchange::cursor::Seal;

    fn key(byte: u8) -> SealKey {
        SealKey::new(&[byte; 32]).unwrap()
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_for_its_purpose_and_key_alone(
            purpose in vec(any::<u8>(), 0..40),
            text in vec(any::<u8>(), 0..200),
            at in any::<proptest::sample::Index>(),
        ) {
            let sealed = key(1).seal(&purpose, &text);
            prop_assert_eq!(key(1).open(&purpose, &sealed), Some(text.clone()));
            prop_assert_eq!(key(2).open(&purpose, &sealed), None);
            let other = [purpose.as_slice(), b"x"].concat();
            prop_assert_eq!(key(1).open(&other, &sealed), None);
            let mut changed = sealed.clone();
            changed[at.index(sealed.len())] ^= 1;
            prop_assert_eq!(key(1).open(&purpose, &changed), None);
            prop_assert_eq!(key(1).open(&purpose, &sealed[..sealed.len() - 1]), None);
            let is_visible = text.len() > 3 && sealed.windows(text.len()).any(|part| part == text);
            prop_assert!(!is_visible);
        }
    }

    #[test]
    fn what_was_never_sealed_does_not_open() {
        for bytes in [b"".as_slice(), b"short", &[0; 64]] {
            assert_eq!(key(1).open(b"", bytes), None);
        }
    }
}
