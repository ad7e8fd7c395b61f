//! From an `Authorization` header to a [`Principal`] (RFC 7644 section 2, RFC 6750 section 2.1).
//!
//! Deviation from RFC 6750, on purpose: the scheme may be missing or stand twice, because Okta's
//! header mode sends the bare token and administrators of Entra ID paste the word into the field.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;

use crate::auth::principal::Principal;
use crate::auth::token::{ConfiguredToken, TokenHash, TokenRecord, is_damaged, is_sendable};

/// Every token the bridge knows, at one moment; made anew when one changes.
#[derive(Debug, Default)]
pub struct TokenTable {
    /// By tenant, then by [`TokenHash::front`]. The index sees eight bytes of a hash, which no
    /// caller can steer towards those of a token he does not have; the rest is compared in
    /// constant time.
    tenants: BTreeMap<String, BTreeMap<u64, Vec<Known>>>,
}

#[derive(Debug)]
struct Known {
    hash: TokenHash,
    label: String,
    id: Option<String>,
    expires: Option<Timestamp>,
    revoked: Option<Timestamp>,
}

impl TokenTable {
    /// A table of these tokens. Only one that holds revoked and expired tokens too, as
    /// [`TokenStore::list`](crate::auth::port::TokenStore::list) gives them, can tell a caller
    /// why his token is refused.
    pub fn new(
        issued: impl IntoIterator<Item = TokenRecord>,
        configured: impl IntoIterator<Item = ConfiguredToken>,
    ) -> Self {
        let mut table = Self::default();
        for TokenRecord { id, tenant, label, hash, created: _, expires, revoked } in issued {
            table.add(tenant, Known { hash, label, id: Some(id), expires, revoked });
        }
        for ConfiguredToken { tenant, label, hash } in configured {
            table.add(tenant, Known { hash, label, id: None, expires: None, revoked: None });
        }
        table
    }

    /// Who sends this `Authorization` header to this tenant.
    ///
    /// # Errors
    ///
    /// Says why the call is refused, in words that never hold the token. A token of another
    /// tenant is unknown here.
    pub fn authenticate(
        &self,
        tenant: &str,
        authorization: Option<&str>,
        now: Timestamp,
    ) -> Result<Principal, AuthError> {
        let token = token_in(authorization.unwrap_or_default())?;
        let mut accepted = None;
        // The same token can be issued and configured: then it must not be revoked in either.
        for known in self.known(tenant, TokenHash::of(token)) {
            known.check(now)?;
            accepted.get_or_insert(known);
        }
        match accepted {
            Some(known) => Ok(Principal::new(tenant, &known.label, known.id.as_deref())),
            None if is_damaged(token) => Err(AuthError::Malformed),
            None => Err(AuthError::Unknown),
        }
    }

    fn add(&mut self, tenant: String, known: Known) {
        let tokens = self.tenants.entry(tenant).or_default();
        tokens.entry(known.hash.front()).or_default().push(known);
    }

    fn known(&self, tenant: &str, hash: TokenHash) -> impl Iterator<Item = &Known> {
        self.tenants
            .get(tenant)
            .and_then(|tokens| tokens.get(&hash.front()))
            .into_iter()
            .flatten()
            .filter(move |known| known.hash.matches(&hash))
    }
}

impl Known {
    fn check(&self, now: Timestamp) -> Result<(), AuthError> {
        if self.revoked.is_some() {
            return Err(AuthError::Revoked);
        }
        if self.expires.is_some_and(|expires| expires <= now) {
            return Err(AuthError::Expired);
        }
        Ok(())
    }
}

/// The token in an `Authorization` header's value.
fn token_in(authorization: &str) -> Result<&str, AuthError> {
    let mut words = authorization
        .split_ascii_whitespace()
        .skip_while(|word| word.eq_ignore_ascii_case("Bearer"));
    let token = words.next().ok_or(AuthError::Missing)?;
    if words.next().is_some() || !is_sendable(token) {
        return Err(AuthError::Malformed);
    }
    Ok(token)
}

/// Why a call is not authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// There is no header, or none with a token in it.
    #[error("the Authorization header has no bearer token")]
    Missing,
    /// Another scheme, blanks inside, too long, not ASCII, or one of the bridge's own tokens that
    /// was cut off or mistyped.
    #[error("the bearer token is malformed or was not copied completely")]
    Malformed,
    /// No token of this tenant.
    #[error("the bearer token is not known here")]
    Unknown,
    /// Its time is over.
    #[error("the bearer token has expired")]
    Expired,
    /// An administrator has revoked it.
    #[error("the bearer token has been revoked")]
    Revoked,
}

/// The table in use, replaced as a whole while calls go on.
#[derive(Debug, Default)]
pub struct SharedTokens {
    table: RwLock<Arc<TokenTable>>,
}

impl SharedTokens {
    /// Starts with this table.
    pub fn new(table: TokenTable) -> Self {
        Self { table: RwLock::new(Arc::new(table)) }
    }

    /// The table as it is now.
    pub fn load(&self) -> Arc<TokenTable> {
        // The lock guards one pointer, which a panic cannot leave half-written.
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another table in place; calls that are under way keep theirs.
    pub fn replace(&self, table: TokenTable) {
        let table = Arc::new(table);
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = table;
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::auth::authenticate::{AuthError, SharedTokens, TokenTable};
    use crate::auth::principal::Principal;
    use crate::auth::token::{ConfiguredToken, Token, TokenHash, TokenRecord};
    use crate::id::SystemIds;

    const NOW: &str = "2026-01-02T03:04:05Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn record(tenant: &str, label: &str, secret: &str) -> TokenRecord {
        TokenRecord {
            id: format!("id-of-{label}"),
            tenant: tenant.to_owned(),
            label: label.to_owned(),
            hash: TokenHash::of(secret),
            created: at("2026-01-01T00:00:00Z"),
            expires: None,
            revoked: None,
        }
    }

    fn table() -> TokenTable {
        let mut expired = record("acme", "expired", "old");
        expired.expires = Some(at(NOW));
        let mut lasting = record("acme", "lasting", "young");
        lasting.expires = Some(at("2026-01-02T03:04:06Z"));
        let mut revoked = record("acme", "revoked", "gone");
        revoked.revoked = Some(at("2027-01-01T00:00:00Z"));
        TokenTable::new(
            [record("acme", "entra", "s3cret"), expired, lasting, revoked],
            [
                ConfiguredToken::new("globex", "env", "plain").unwrap(),
                ConfiguredToken::new("acme", "env", "gone").unwrap(),
            ],
        )
    }

    /// Sends a header to tenant `acme`; the answer is the token's label.
    fn check(authorization: &str, expected: Result<&str, AuthError>) {
        let answer = table().authenticate("acme", Some(authorization), at(NOW));
        let label = answer.as_ref().map(Principal::label).map_err(|error| *error);
        assert_eq!(label, expected, "{authorization}");
    }

    #[test]
    fn headers_as_identity_providers_send_them() {
        check("Bearer s3cret", Ok("entra"));
        check("bearer s3cret", Ok("entra"));
        check("BEARER  s3cret ", Ok("entra"));
        check("Bearer Bearer s3cret", Ok("entra"));
        check("Bearer bearer\ts3cret", Ok("entra"));
        check("s3cret", Ok("entra"));
        check("  s3cret", Ok("entra"));
    }

    #[test]
    fn headers_without_a_token() {
        check("", Err(AuthError::Missing));
        check("Bearer", Err(AuthError::Missing));
        check(" Bearer  bearer ", Err(AuthError::Missing));
        assert_eq!(table().authenticate("acme", None, at(NOW)), Err(AuthError::Missing));
    }

    #[test]
    fn headers_that_hold_something_else() {
        check("Basic czNjcmV0", Err(AuthError::Malformed));
        check("Bearer s3cret s3cret", Err(AuthError::Malformed));
        check("Bearer s3crét", Err(AuthError::Malformed));
        check("Bearer scb_s3cret", Err(AuthError::Malformed));
        check(&format!("Bearer {}", "x".repeat(513)), Err(AuthError::Malformed));
        check(&format!("Bearer {}", "x".repeat(512)), Err(AuthError::Unknown));
        check("Bearer S3cret", Err(AuthError::Unknown));
        check(Token::generate(&SystemIds).expose(), Err(AuthError::Unknown));
    }

    #[test]
    fn tokens_end_by_time_and_by_revocation() {
        check("Bearer old", Err(AuthError::Expired));
        check("Bearer young", Ok("lasting"));
        // It is configured too.
        check("Bearer gone", Err(AuthError::Revoked));
    }

    #[test]
    fn a_token_opens_its_own_tenant_only() {
        check("Bearer plain", Err(AuthError::Unknown));
        let table = table();
        let principal = table.authenticate("globex", Some("Bearer plain"), at(NOW)).unwrap();
        assert_eq!(principal, Principal::new("globex", "env", None));
        let elsewhere = table.authenticate("globex", Some("Bearer s3cret"), at(NOW));
        assert_eq!(elsewhere, Err(AuthError::Unknown));
        let nowhere = table.authenticate("initech", Some("Bearer s3cret"), at(NOW));
        assert_eq!(nowhere, Err(AuthError::Unknown));
    }

    #[test]
    fn a_principal_names_the_record() {
        let answer = table().authenticate("acme", Some("Bearer s3cret"), at(NOW)).unwrap();
        assert_eq!(answer.tenant(), "acme");
        assert_eq!(answer.token_id(), Some("id-of-entra"));
    }

    #[test]
    fn a_replaced_table_holds_from_the_next_call_on() {
        let shared = SharedTokens::new(table());
        let before = shared.load();
        shared.replace(TokenTable::default());
        let sent = Some("Bearer s3cret");
        assert!(before.authenticate("acme", sent, at(NOW)).is_ok());
        assert_eq!(shared.load().authenticate("acme", sent, at(NOW)), Err(AuthError::Unknown));
    }
}
