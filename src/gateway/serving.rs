//! What the SCIM port serves at one moment; a reload replaces it as a whole.

use std::sync::Arc;

use crate::gateway::limits::Limits;
use crate::gateway::tls::Tls;

/// What is served, under which limits.
#[derive(Debug)]
pub struct Serving<E> {
    /// The tenants.
    pub endpoint: Arc<E>,
    /// What a request may cost.
    pub limits: Limits,
    /// What connections are accepted with; `None` means without TLS.
    pub tls: Option<Tls>,
}
