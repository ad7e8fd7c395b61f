//! Keys that an installation makes for itself and keeps in its store, so that another process,
//! or the same one started again, seals and opens with the same ones. Exchanging a key is
//! deliberately absent.

use sha2::{Digest, Sha256};

use crate::app::seal::{KEY_LENGTH, SealKey};
use crate::id::IdSource;
use crate::sidecar::port::StoreError;
use crate::store::open::Store;

/// The name under which the store keeps the key of cursors.
const CURSOR: &str = "cursor";

/// Characters of random text in a key: 381 bits, of which the digest leaves 256.
const RANDOM: usize = 64;

/// There is no key to seal cursors with.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The store does not give it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cipher does not take it.
    #[error("cursors cannot be sealed")]
    Unusable,
}

/// What seals the cursors of all processes that have this store.
pub async fn cursors(store: &Store, ids: &dyn IdSource) -> Result<SealKey, KeyError> {
    let key = store.key(CURSOR, propose(ids)).await?;
    SealKey::new(&key).ok_or(KeyError::Unusable)
}

/// A new key.
fn propose(ids: &dyn IdSource) -> [u8; KEY_LENGTH] {
    Sha256::digest(ids.random(RANDOM)).into()
}

#[cfg(test)]
mod tests {
    use crate::app::key::{cursors, propose};
    use crate::exchange::cursor::Seal;
    use crate::id::SystemIds;
    use crate::store::open::Store;

    #[test]
    fn no_two_proposals_are_the_same() {
        assert_ne!(propose(&SystemIds), propose(&SystemIds));
    }

    #[tokio::test]
    async fn processes_with_one_store_open_each_others_cursors() {
        let store = Store::open("sqlite::memory:").await.unwrap();
        let one = cursors(&store, &SystemIds).await.unwrap();
        let other = cursors(&store, &SystemIds).await.unwrap();
        let sealed = one.seal(b"people", b"page 2");
        assert_eq!(other.open(b"people", &sealed).as_deref(), Some(b"page 2".as_slice()));

        let elsewhere = Store::open("sqlite::memory:").await.unwrap();
        let stranger = cursors(&elsewhere, &SystemIds).await.unwrap();
        assert_eq!(stranger.open(b"people", &sealed), None);
    }
}
