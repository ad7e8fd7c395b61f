//! What only an SQLite database shows: its file, and databases in memory.
#![cfg(test)]

use std::path::Path;

use scimbridge::auth::port::{TokenName, TokenStore as _};
use scimbridge::auth::token::{Token, TokenRecord};
use scimbridge::id::SystemIds;
use scimbridge::sidecar::port::{Sidecar as _, StoreError};
use scimbridge::store::open::Store;

use crate::store_contract::{by_keys, folder, live, open, partition, record};

#[tokio::test]
async fn memories_are_separate_and_end_with_their_store() {
    let people = partition("acme");
    let store = Store::open("sqlite::memory:").await.unwrap();
    let other = Store::open("sqlite::memory:").await.unwrap();
    store.claim(&people, "User", "ada", "1").await.unwrap();
    assert_eq!(by_keys(&other, &people, &["ada"]).await, []);
    store.close().await;
    let refused = store.ready().await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    other.ready().await.unwrap();
}

#[tokio::test]
async fn a_file_holds_the_hash_of_a_token_and_nothing_else_of_it() {
    let folder = folder();
    let store = open(folder.path()).await;
    let token = Token::generate(&SystemIds);
    let issued =
        TokenRecord { hash: token.hash(), ..record("acme", "entra", "1", "2026-01-01T00:00:00Z") };
    store.insert(&issued).await.unwrap();
    // While it is open the log beside it holds the newest pages.
    for _ in 0..2 {
        let bytes = bytes_in(folder.path());
        assert!(contains(&bytes, issued.hash.as_bytes()));
        assert!(!contains(&bytes, token.expose().as_bytes()));
        assert!(!contains(&bytes, &token.expose().as_bytes()[4..20]));
        store.close().await;
    }
}

#[tokio::test]
async fn a_file_outlives_the_process() {
    let folder = folder();
    let issued = record("acme", "entra", "1", "2026-01-01T00:00:00Z");
    let store = open(folder.path()).await;
    store.insert(&issued).await.unwrap();
    store.claim(&partition("acme"), "User", "ada", "1").await.unwrap();
    store.close().await;
    let store = open(folder.path()).await;
    assert_eq!(store.list(None).await.unwrap(), [issued]);
    assert_eq!(by_keys(&store, &partition("acme"), &["ada"]).await, [live("1", "ada")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn openings_of_a_new_file_at_one_moment_share_it() {
    let folder = folder();
    let path = folder.path();
    let (bridge, command, _other, _another) =
        tokio::join!(open(path), open(path), open(path), open(path));
    let people = partition("acme");
    for number in 0..20 {
        let key = format!("key-{number}");
        let (here, there) = (format!("bridge-{number}"), format!("command-{number}"));
        let (one, other) = tokio::join!(
            bridge.claim(&people, "User", &key, &here),
            command.claim(&people, "User", &key, &there),
        );
        assert_eq!(one.unwrap(), other.unwrap());
    }
}

#[tokio::test]
async fn a_file_that_is_gone_is_unavailable() {
    let folder = folder();
    let store = open(folder.path()).await;
    store.ready().await.unwrap();
    std::fs::remove_file(folder.path().join("bridge.db")).unwrap();
    let people = partition("acme");
    let issued = record("acme", "entra", "1", "2026-01-01T00:00:00Z");
    let answers = [
        store.ready().await,
        store.claim(&people, "User", "ada", "1").await.map(drop),
        store.save(&people, "User", &live("1", "ada")).await,
        store.remove(&people, "User", "1").await,
        store.insert(&issued).await,
        store.revoke(TokenName::Id("1"), issued.created).await.map(drop),
        store.key("cursor", [1; 32]).await.map(drop),
    ];
    for (number, answer) in answers.into_iter().enumerate() {
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{number}: {answer:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let folder = folder();
    let store = open(folder.path()).await;
    store.claim(&partition("acme"), "User", "ada", "1").await.unwrap();
    let mut names = Vec::new();
    for file in std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file:?}");
        names.push(file.file_name());
    }
    names.sort();
    assert_eq!(names, ["bridge.db", "bridge.db-shm", "bridge.db-wal"]);
}

fn bytes_in(folder: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(folder).unwrap();
    files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
