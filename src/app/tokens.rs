//! Tokens while the bridge runs: those of the store and those of the configuration in one table,
//! refreshed every second, so that issuing and revoking take effect without a restart.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::authenticate::{SharedTokens, TokenTable};
use crate::auth::port::TokenStore as _;
use crate::auth::token::ConfiguredToken;
use crate::current::Current;
use crate::sidecar::port::StoreError;
use crate::store::open::Store;

/// How often the table is read again.
const INTERVAL: Duration = Duration::from_secs(1);

/// Reads the store's tokens into the table.
pub async fn refresh(
    store: &Store,
    configured: &[ConfiguredToken],
    shared: &SharedTokens,
) -> Result<(), StoreError> {
    let issued = store.list(None).await?;
    shared.replace(TokenTable::new(issued, configured.iter().cloned()));
    Ok(())
}

/// Keeps the table fresh for ever. While the store is away the last table stays in use: nobody
/// is locked out by a database that is being restored.
#[expect(clippy::infinite_loop, reason = "the task is aborted when the bridge stops")]
pub async fn keep_fresh(
    store: Store,
    configured: Arc<Current<Vec<ConfiguredToken>>>,
    shared: Arc<SharedTokens>,
) {
    let mut ticks = tokio::time::interval(INTERVAL);
    let mut was_well = true;
    loop {
        ticks.tick().await;
        let result = refresh(&store, &configured.load(), &shared).await;
        match &result {
            Err(error) if was_well => tracing::warn!(%error, "tokens cannot be refreshed"),
            Ok(()) if !was_well => tracing::info!("tokens are refreshed again"),
            Ok(()) | Err(_) => {}
        }
        was_well = result.is_ok();
    }
}
