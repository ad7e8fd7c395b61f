//! The tokens in use by a running bridge: those of the store and those of the configuration, which
//! change at different times, in one table.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::auth::authenticate::TokenTable;
use crate::auth::token::{ConfiguredToken, TokenRecord};
use crate::current::Current;

/// The table in use, replaced as a whole while calls go on.
#[derive(Debug, Default)]
pub struct SharedTokens {
    table: Current<TokenTable>,
    sources: Mutex<Sources>,
}

#[derive(Debug, Default)]
struct Sources {
    issued: Vec<TokenRecord>,
    configured: Vec<ConfiguredToken>,
}

impl SharedTokens {
    /// The table as it is now.
    pub fn load(&self) -> Arc<TokenTable> {
        self.table.load()
    }

    /// Puts other issued tokens in place; calls that are under way keep their table.
    pub fn set_issued(&self, issued: Vec<TokenRecord>) {
        let mut sources = self.sources();
        sources.issued = issued;
        self.rebuild(&sources);
    }

    /// Puts other configured tokens in place.
    pub fn set_configured(&self, configured: Vec<ConfiguredToken>) {
        let mut sources = self.sources();
        sources.configured = configured;
        self.rebuild(&sources);
    }

    fn sources(&self) -> MutexGuard<'_, Sources> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rebuild(&self, sources: &Sources) {
        let (issued, configured) = (sources.issued.iter(), sources.configured.iter());
        let table = TokenTable::after(&self.load(), issued.cloned(), configured.cloned());
        self.table.replace(table);
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::auth::authenticate::AuthError;
    use crate::auth::shared::SharedTokens;
    use crate::auth::token::ConfiguredToken;

    #[test]
    fn a_replaced_table_holds_from_the_next_call_on() {
        let shared = SharedTokens::default();
        let sent = Some("Bearer s3cret");
        shared.set_configured(vec![ConfiguredToken::new("acme", "env", "s3cret").unwrap()]);
        let before = shared.load();
        shared.set_issued(Vec::new());
        let now = Timestamp::UNIX_EPOCH;
        assert!(shared.load().authenticate("acme", sent, now).is_ok());
        shared.set_configured(Vec::new());
        assert!(before.authenticate("acme", sent, now).is_ok());
        let refused = shared.load().authenticate("acme", sent, now).unwrap_err();
        assert_eq!(refused, AuthError::Unknown);
    }
}
