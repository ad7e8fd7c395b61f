//! Identifiers and random text, as a parameter.

/// A source of unpredictable identifiers.
pub trait IdSource: Send + Sync {
    /// A new UUID in its lower-case hyphenated form.
    fn uuid(&self) -> String;

    /// `length` characters from `A-Z a-z 0-9`, each equally likely.
    fn random(&self, length: usize) -> String;
}

/// Identifiers from the operating system's random source.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

impl IdSource for SystemIds {
    fn uuid(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }

    fn random(&self, length: usize) -> String {
        let mut text = String::with_capacity(length);
        while text.len() < length {
            // Bytes 6 and 8 of a version 4 UUID hold its version and variant, not randomness.
            let bytes = uuid::Uuid::new_v4().into_bytes();
            let random = bytes.into_iter().enumerate().filter(|(index, _)| !matches!(index, 6 | 8));
            for (_, byte) in random {
                // Bytes past the last whole multiple of 62 would make some characters likelier.
                if let Some(character) = ALPHABET.get(usize::from(byte % 62))
                    && byte < 248
                    && text.len() < length
                {
                    text.push(char::from(*character));
                }
            }
        }
        text
    }
}
