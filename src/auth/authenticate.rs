//! From an `Authorization` header to a [`Principal`] (RFC 7644 section 2, RFC 6750 section 2.1).
//!
//! Deviation from RFC 6750, on purpose: the scheme may be missing or stand twice, because Okta's
//! header mode sends the bare token and administrators of Entra ID paste the word into the field.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::auth::jwt_error::JwtError;
use crate::auth::principal::Principal;
use crate::auth::scope::Scopes;
use crate::auth::token::{ConfiguredToken, TokenHash, TokenRecord, is_damaged, is_sendable};
use crate::auth::usage::LastUse;

/// Every token the bridge knows, at one moment; made anew when one changes.
#[derive(Debug, Default)]
pub struct TokenTable {
    /// By tenant, then by [`TokenHash::front`]. The index sees eight bytes of a hash, which no
    /// caller can steer towards those of a token he does not have; the rest is compared in
    /// constant time.
    tenants: BTreeMap<String, BTreeMap<u64, Vec<Arc<Known>>>>,
    /// Those of the store, in its order.
    issued: Vec<Arc<Known>>,
}

/// A token, as far as the bridge knows it.
#[derive(Debug)]
pub struct Known {
    hash: TokenHash,
    principal: Arc<Principal>,
    created: Option<Timestamp>,
    expires: Option<Timestamp>,
    revoked: Option<Timestamp>,
    used: Arc<LastUse>,
}

impl TokenTable {
    /// A table of these tokens. Only one that holds revoked and expired tokens too, as
    /// [`TokenStore::list`](crate::auth::port::TokenStore::list) gives them, can tell a caller
    /// why his token is refused.
    pub fn new(
        issued: impl IntoIterator<Item = TokenRecord>,
        configured: impl IntoIterator<Item = ConfiguredToken>,
    ) -> Self {
        Self::after(&Self::default(), issued, configured)
    }

    /// The same, after another one: when tokens were used is carried over.
    pub fn after(
        before: &Self,
        issued: impl IntoIterator<Item = TokenRecord>,
        configured: impl IntoIterator<Item = ConfiguredToken>,
    ) -> Self {
        let uses = before.issued.iter().filter_map(|known| Some((known.id()?, &known.used)));
        let uses: BTreeMap<&str, &Arc<LastUse>> = uses.collect();
        let mut table = Self::default();
        for record in issued {
            let used = uses.get(record.id.as_str()).map(|used| Arc::clone(used));
            let known = Arc::new(Known::issued(record, used));
            table.issued.push(Arc::clone(&known));
            table.add(known);
        }
        for ConfiguredToken { tenant, label, hash } in configured {
            let principal = Arc::new(Principal::new(&tenant, &label, None, Scopes::ALL));
            let used = Arc::new(LastUse::new(None));
            let (created, expires, revoked) = (None, None, None);
            table.add(Arc::new(Known { hash, principal, created, expires, revoked, used }));
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
    ) -> Result<Arc<Principal>, AuthError> {
        let token = bearer(authorization.unwrap_or_default())?;
        if !is_sendable(token) {
            return Err(AuthError::Malformed);
        }
        let mut accepted = None;
        // The same token can be issued and configured: then it must not be revoked in either.
        for known in self.known(tenant, TokenHash::of(token)) {
            known.check(now)?;
            accepted.get_or_insert(known);
        }
        match accepted {
            Some(known) => {
                known.used.note(now);
                Ok(Arc::clone(&known.principal))
            }
            None if is_damaged(token) => Err(AuthError::Malformed),
            None => Err(AuthError::Unknown),
        }
    }

    /// Whether this `Authorization` header shows a token of any tenant, be it revoked or expired.
    pub fn knows(&self, authorization: Option<&str>) -> bool {
        let Ok(token) = bearer(authorization.unwrap_or_default()) else { return false };
        let hash = TokenHash::of(token);
        self.tenants.keys().any(|tenant| self.known(tenant, hash).next().is_some())
    }

    /// The tokens of the store, in its order.
    pub fn issued(&self) -> &[Arc<Known>] {
        &self.issued
    }

    fn add(&mut self, known: Arc<Known>) {
        let tokens = self.tenants.entry(known.tenant().to_owned()).or_default();
        tokens.entry(known.hash.front()).or_default().push(known);
    }

    fn known(&self, tenant: &str, hash: TokenHash) -> impl Iterator<Item = &Arc<Known>> {
        self.tenants
            .get(tenant)
            .and_then(|tokens| tokens.get(&hash.front()))
            .into_iter()
            .flatten()
            .filter(move |known| known.hash.matches(&hash))
    }
}

impl Known {
    fn issued(record: TokenRecord, used: Option<Arc<LastUse>>) -> Self {
        let TokenRecord { id, tenant, label, hash, created, expires, revoked, scopes, last_used } =
            record;
        let used = used.unwrap_or_else(|| Arc::new(LastUse::new(last_used)));
        used.learn(last_used);
        let principal = Arc::new(Principal::new(&tenant, &label, Some(&id), scopes));
        Self { hash, principal, created: Some(created), expires, revoked, used }
    }

    /// The tenant it opens.
    pub fn tenant(&self) -> &str {
        self.principal.tenant()
    }

    /// What the administrator calls it.
    pub fn label(&self) -> &str {
        self.principal.label()
    }

    /// The record's id; `None` for a token from the configuration.
    pub fn id(&self) -> Option<&str> {
        self.principal.token_id()
    }

    /// When it was issued; `None` for a token from the configuration.
    pub fn created(&self) -> Option<Timestamp> {
        self.created
    }

    /// From when on it is refused.
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// Whether an administrator has ended it.
    pub fn is_revoked(&self) -> bool {
        self.revoked.is_some()
    }

    /// When it was last used.
    pub fn used(&self) -> &LastUse {
        &self.used
    }

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
///
/// # Errors
/// There is none, or more than one word.
pub fn bearer(authorization: &str) -> Result<&str, AuthError> {
    let mut words = authorization
        .split_ascii_whitespace()
        .skip_while(|word| word.eq_ignore_ascii_case("Bearer"));
    let token = words.next().ok_or(AuthError::Missing)?;
    if words.next().is_some() { Err(AuthError::Malformed) } else { Ok(token) }
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
    /// A token of an issuer that does not say what it must.
    #[error("the bearer token of the issuer is not accepted: {0}")]
    Issued(#[from] JwtError),
}

impl AuthError {
    /// One of each kind.
    pub const ALL: [Self; 6] = [
        Self::Missing,
        Self::Malformed,
        Self::Unknown,
        Self::Expired,
        Self::Revoked,
        Self::Issued(JwtError::Malformed),
    ];

    /// Its name in metrics; all faults of an issuer's tokens have one.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Issued(_) => "jwt",
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::auth::authenticate::{AuthError, TokenTable};
    use crate::auth::principal::Principal;
    use crate::auth::scope::{Scope, Scopes};
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
            scopes: Scopes::of([Scope::Read]),
            last_used: None,
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
        let label = answer.as_ref().map(|it| it.label()).map_err(|error| *error);
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
        assert_eq!(*principal, Principal::new("globex", "env", None, Scopes::ALL));
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
        assert_eq!(answer.scopes().to_string(), "read,users,groups");
    }

    #[test]
    fn a_use_is_noted_and_outlives_the_table() {
        let before = table();
        before.authenticate("acme", Some("Bearer s3cret"), at(NOW)).unwrap();
        let after = TokenTable::after(&before, [record("acme", "entra", "s3cret")], []);
        let used = after.issued()[0].used();
        assert_eq!((used.latest(), used.due()), (Some(at(NOW)), Some(at(NOW))));
        assert!(table().issued().iter().all(|known| known.used().latest().is_none()));
    }
}
