//! What only a PostgreSQL server shows: that it can go away and come back.
#![cfg(test)]

use scimbridge::sidecar::port::{Sidecar as _, StoreError};
use scimbridge::store::open::Store;

use crate::postgres;
use crate::store_contract::{by_keys, live, partition};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_is_gone_is_unavailable_until_it_is_back() {
    let Some(mut cluster) = postgres::cluster().await else { return };
    let store = Store::open(&cluster.url("postgres")).await.unwrap();
    let people = partition("acme");
    store.claim(&people, "User", "ada", "1").await.unwrap();
    cluster.stop();
    let ids = ["1".to_owned()];
    let entry = live("1", "ada");
    let (ready, read, written) = tokio::join!(
        store.ready(),
        store.by_ids(&people, "User", &ids),
        store.save(&people, "User", &entry),
    );
    for answer in [ready, read.map(drop), written] {
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    }
    cluster.start_again();
    assert_eq!(by_keys(&store, &people, &["ada"]).await, [live("1", "ada")]);
    store.save(&people, "User", &live("1", "ada")).await.unwrap();
    // Restarted between two requests, with connections that were in use a moment ago.
    cluster.stop();
    cluster.start_again();
    assert_eq!(by_keys(&store, &people, &["ada"]).await, [live("1", "ada")]);
}

#[tokio::test]
async fn what_is_wrong_with_a_server_is_said_without_the_password() {
    let url = "postgres://bridge:hunter2@127.0.0.1:1/bridge";
    let refused = Store::open(url).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    assert!(!format!("{refused:?}").contains("hunter2"));
}
