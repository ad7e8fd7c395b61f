//! The proof that a call was authenticated.

use crate::auth::scope::Scopes;

/// Who calls; it exists only behind a successful
/// [`authenticate`](crate::auth::authenticate::TokenTable::authenticate), but for the bridge
/// [itself](Principal::own).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    tenant: String,
    label: String,
    token_id: Option<String>,
    scopes: Scopes,
}

impl Principal {
    /// Only `authenticate` makes one.
    pub(in crate::auth) fn new(
        tenant: &str,
        label: &str,
        token_id: Option<&str>,
        scopes: Scopes,
    ) -> Self {
        Self {
            tenant: tenant.to_owned(),
            label: label.to_owned(),
            token_id: token_id.map(str::to_owned),
            scopes,
        }
    }

    /// The bridge itself, which needs no token for a dry run.
    pub fn own(tenant: &str) -> Self {
        Self::new(tenant, "scimbridge", None, Scopes::ALL)
    }

    /// The tenant that the token opens.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// What the administrator calls the token.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The token's record; `None` for a token from the configuration, which has none.
    pub fn token_id(&self) -> Option<&str> {
        self.token_id.as_deref()
    }

    /// What the token may do.
    pub fn scopes(&self) -> Scopes {
        self.scopes
    }

    /// The same, but for what it may do; for tests of what happens to a lesser token.
    #[must_use]
    pub fn restricted(self, scopes: Scopes) -> Self {
        Self { scopes, ..self }
    }
}
