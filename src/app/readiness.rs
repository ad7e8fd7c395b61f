//! What must hold before the bridge says that it is ready.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::console::health::{Check, Readiness};
use crate::store::open::Store;

/// Ready when the store answers: mappings have been loaded before the port opened.
pub struct StoreReadiness {
    store: Store,
}

impl StoreReadiness {
    /// Asks this store.
    pub fn new(store: Store) -> Self {
        Self { store }
    }
}

#[async_trait]
impl Readiness for StoreReadiness {
    async fn checks(&self) -> BTreeMap<String, Check> {
        let store = match self.store.ready().await {
            Ok(()) => Check::Passed,
            Err(error) => Check::Failed(error.to_string()),
        };
        BTreeMap::from([("store".to_owned(), store)])
    }
}
