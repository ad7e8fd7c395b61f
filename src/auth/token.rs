//! Bearer tokens (RFC 6750) as the bridge makes and remembers them.
//!
//! An issued token is `scb_`, 43 random characters (about 250 bits) and a check sum of six: the
//! prefix and the sum let secret scanners find a leaked token and tell a damaged copy from an
//! unknown one. A fast hash is enough to store it: nobody guesses that much randomness.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::auth::scope::Scopes;
use crate::id::IdSource;

const PREFIX: &str = "scb_";
const RANDOM_LENGTH: usize = 43;
const CHECK_SUM_LENGTH: usize = 6;

/// How often the store learns of a token's last use.
pub const LAST_USE_INTERVAL: SignedDuration = SignedDuration::from_hours(1);

/// The longest token that is looked at, in bytes.
pub const LONGEST_TOKEN: usize = 512;

/// A token in the clear; it exists only between its making and its showing.
pub struct Token(String);

impl Token {
    /// A new token.
    pub fn generate(ids: &dyn IdSource) -> Self {
        let random = ids.random(RANDOM_LENGTH);
        let sum = check_sum(&random);
        Self(format!("{PREFIX}{random}{sum}"))
    }

    /// The token's text, to be shown once to the administrator.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the bridge keeps of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(…)")
    }
}

/// Whether a text says it is a token of the bridge but was cut off or mistyped.
pub fn is_damaged(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(PREFIX) else { return false };
    if rest.len() != RANDOM_LENGTH + CHECK_SUM_LENGTH {
        return true;
    }
    rest.split_at_checked(RANDOM_LENGTH).is_none_or(|(random, sum)| check_sum(random) != sum)
}

/// CRC-32 in six digits of base 62, the highest first.
fn check_sum(random: &str) -> String {
    let mut rest = crc32fast::hash(random.as_bytes()) as usize;
    let mut digits = Vec::with_capacity(CHECK_SUM_LENGTH);
    for _ in 0..CHECK_SUM_LENGTH {
        digits.extend(('0'..='9').chain('A'..='Z').chain('a'..='z').nth(rest % 62));
        rest /= 62;
    }
    digits.into_iter().rev().collect()
}

/// The SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a token's text.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// A hash that was kept; `None` unless it has 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The hash's bytes, to be kept.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its first eight bytes, for an index.
    pub fn front(&self) -> u64 {
        self.0.first_chunk().map_or(0, |front| u64::from_be_bytes(*front))
    }

    /// Whether both are the same, in a time that does not depend on where they differ.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenHash(…)")
    }
}

/// What the store keeps of an issued token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// A UUID.
    pub id: String,
    /// The one tenant it opens.
    pub tenant: String,
    /// What the administrator calls it; several tokens of a tenant may share a label.
    pub label: String,
    /// The token's hash; unique.
    pub hash: TokenHash,
    /// When it was issued.
    pub created: Timestamp,
    /// From when on it is refused; `None` means never.
    pub expires: Option<Timestamp>,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was last used, to the hour; `None` when it never was.
    pub last_used: Option<Timestamp>,
}

/// A token that the configuration gives as a plain secret; only its hash is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredToken {
    /// The one tenant it opens.
    pub tenant: String,
    /// What logs call it.
    pub label: String,
    /// The secret's hash.
    pub hash: TokenHash,
}

impl ConfiguredToken {
    /// Hashes the secret; blanks around it are not part of it.
    ///
    /// # Errors
    ///
    /// A secret that no caller could ever send is refused.
    pub fn new(tenant: &str, label: &str, secret: &str) -> Result<Self, UnusableSecret> {
        // Files and shells leave a line end behind a secret.
        let secret = secret.trim();
        if secret.is_empty() {
            return Err(UnusableSecret::Empty);
        }
        if !is_sendable(secret) {
            return Err(UnusableSecret::NotSendable);
        }
        let hash = TokenHash::of(secret);
        Ok(Self { tenant: tenant.to_owned(), label: label.to_owned(), hash })
    }
}

/// Whether a text can be a token at all: visible ASCII and not too long.
pub fn is_sendable(text: &str) -> bool {
    text.len() <= LONGEST_TOKEN && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A configured secret that cannot serve as a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableSecret {
    /// Nothing but blanks.
    #[error("the token is empty")]
    Empty,
    /// It has blanks, control characters or letters beyond ASCII, or is too long.
    #[error("the token must be at most {LONGEST_TOKEN} visible ASCII characters without blanks")]
    NotSendable,
}

#[cfg(test)]
mod tests {
    use crate::auth::token::{
        ConfiguredToken, PREFIX, Token, TokenHash, UnusableSecret, check_sum, is_damaged,
        is_sendable,
    };
    use crate::id::SystemIds;

    #[test]
    fn an_issued_token_has_prefix_random_part_and_check_sum() {
        let token = Token::generate(&SystemIds);
        assert_eq!(token.expose().len(), 53);
        assert!(token.expose().starts_with("scb_"));
        assert!(is_sendable(token.expose()));
        assert!(!is_damaged(token.expose()));
        assert_ne!(token.expose(), Token::generate(&SystemIds).expose());
    }

    #[test]
    fn check_sums_are_crc_32_in_base_62() {
        // CRC-32 of `123456789` is the catalogue's check value, 0xCBF43926.
        assert_eq!(check_sum("123456789"), "3jZRME");
        assert_eq!(check_sum(""), "000000");
    }

    #[test]
    fn every_single_mistyped_character_is_noticed() {
        let token = Token::generate(&SystemIds);
        for place in PREFIX.len()..token.expose().len() {
            let mut bytes = token.expose().as_bytes().to_vec();
            bytes[place] = if bytes[place] == b'x' { b'y' } else { b'x' };
            assert!(is_damaged(&String::from_utf8(bytes).unwrap()), "character {place}");
        }
    }

    #[test]
    fn cut_off_tokens_are_damaged_and_foreign_ones_are_not() {
        let token = Token::generate(&SystemIds);
        assert!(is_damaged(token.expose().split_at(52).0));
        assert!(is_damaged("scb_"));
        assert!(is_damaged("scb_ä"));
        assert!(!is_damaged("another-kind-of-token"));
    }

    #[test]
    fn debug_shows_neither_token_nor_hash() {
        let token = Token::generate(&SystemIds);
        assert_eq!(format!("{token:?} {:?}", token.hash()), "Token(…) TokenHash(…)");
    }

    #[test]
    fn hashes_survive_being_kept() {
        let hash = TokenHash::of("abc");
        assert_eq!(hash.front(), 0xba78_16bf_8f01_cfea);
        assert_eq!(TokenHash::from_bytes(hash.as_bytes()), Some(hash));
        assert_eq!(TokenHash::from_bytes(&hash.as_bytes()[..31]), None);
        assert!(hash.matches(&TokenHash::of("abc")));
        assert!(!hash.matches(&TokenHash::of("abd")));
    }

    #[test]
    fn configured_secrets_must_be_sendable() {
        let hash = |secret: &str| ConfiguredToken::new("acme", "env", secret).map(|it| it.hash);
        assert_eq!(hash(" s3cret\n"), Ok(TokenHash::of("s3cret")));
        assert_eq!(hash(" \n"), Err(UnusableSecret::Empty));
        assert_eq!(hash("two words"), Err(UnusableSecret::NotSendable));
        assert_eq!(hash(&"x".repeat(513)), Err(UnusableSecret::NotSendable));
    }
}
