//! The port: what any store of tokens can do.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::auth::token::TokenRecord;
use crate::sidecar::port::StoreError;

/// A store of issued tokens. Instants are kept to the microsecond. Every method may be called
/// concurrently.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// Keeps a new token; one whose id or hash is already kept is refused.
    async fn insert(&self, record: &TokenRecord) -> Result<(), StoreError>;

    /// The tokens of one tenant, or of all, whether they still open anything or not; ordered by
    /// tenant, then age (the oldest first), then id.
    async fn list(&self, tenant: Option<&str>) -> Result<Vec<TokenRecord>, StoreError>;

    /// Revokes what is so named and not yet revoked. Says whether there was any.
    async fn revoke(&self, name: TokenName<'_>, at: Timestamp) -> Result<bool, StoreError>;

    /// Keeps a new token in the place of others: those that are named by id and not revoked are
    /// refused from `until` on, if they are not anyway. Both happen, or neither.
    async fn replace(
        &self,
        record: &TokenRecord,
        old: &[String],
        until: Timestamp,
    ) -> Result<(), StoreError>;

    /// Notes that a token was used. Nothing is written when the last use that was noted lies less
    /// than [`LAST_USE_INTERVAL`](crate::auth::token::LAST_USE_INTERVAL) before, or when there is
    /// no such token.
    async fn note_use(&self, id: &str, at: Timestamp) -> Result<(), StoreError>;

    /// A number that is another one after every change of what [`Self::list`] gives, but for the
    /// last uses. Reading it costs next to nothing.
    async fn version(&self) -> Result<i64, StoreError>;

    /// The tokens that are neither revoked nor expired, ordered as in [`Self::list`].
    async fn active(&self, now: Timestamp) -> Result<Vec<TokenRecord>, StoreError>;
}

/// How an administrator points at tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenName<'a> {
    /// The token of this id.
    Id(&'a str),
    /// Every token of this label in the tenant.
    Label {
        /// The tenant's name.
        tenant: &'a str,
        /// The label.
        label: &'a str,
    },
}

impl TokenName<'_> {
    /// Whether this token is meant.
    pub fn fits(self, record: &TokenRecord) -> bool {
        match self {
            Self::Id(id) => record.id == id,
            Self::Label { tenant, label } => record.tenant == tenant && record.label == label,
        }
    }
}
