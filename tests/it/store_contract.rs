//! The contracts of the ports of the store, held by every implementation: in memory, on SQLite
//! in memory, on an SQLite file, and on PostgreSQL.
#![cfg(test)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use scimbridge::auth::memory::MemoryTokens;
use scimbridge::auth::port::{TokenName, TokenStore};
use scimbridge::auth::scope::Scopes;
use scimbridge::auth::token::{TokenHash, TokenRecord};
use scimbridge::exchange::locks::{LockError, SharedLocks};
use scimbridge::sidecar::entry::{
    Entry, EntryState, Partition, Retired, RetiredCount, RetiredPage,
};
use scimbridge::sidecar::memory::MemorySidecar;
use scimbridge::sidecar::port::{Sidecar, StoreError};
use scimbridge::store::open::Store;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::postgres::{Database, administer, tell};

/// Holds a store to every clause of its port, and says how many that were.
macro_rules! hold {
    ($port:literal, $implementation:expr, $store:expr; $($clause:ident),* $(,)?) => {{
        let mut held = 0;
        $($clause($store).await; held += 1;)*
        tell(&format!("contract of {} on {}: {held} clauses held", $port, $implementation));
    }};
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sidecar_in_memory() {
    sidecar_contract("memory", Arc::new(MemorySidecar::default())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sidecar_on_sqlite() {
    sidecar_contract("SQLite in memory", Arc::new(in_memory().await)).await;
    let folder = folder();
    sidecar_contract("an SQLite file", Arc::new(open(folder.path()).await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sidecar_on_postgresql() {
    let Some(database) = Database::new().await else { return };
    sidecar_contract("PostgreSQL", Arc::new(Store::open(&database.url).await.unwrap())).await;
}

#[tokio::test]
async fn tokens_in_memory() {
    token_contract("memory", &MemoryTokens::default()).await;
}

#[tokio::test]
async fn tokens_on_sqlite() {
    token_contract("SQLite in memory", &in_memory().await).await;
    let folder = folder();
    token_contract("an SQLite file", &open(folder.path()).await).await;
}

#[tokio::test]
async fn tokens_on_postgresql() {
    let Some(database) = Database::new().await else { return };
    token_contract("PostgreSQL", &Store::open(&database.url).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keys_on_sqlite() {
    let folder = folder();
    let url = format!("sqlite:{}", folder.path().join("bridge.db").display());
    key_contract("an SQLite file", &url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keys_on_postgresql() {
    let Some(database) = Database::new().await else { return };
    key_contract("PostgreSQL", &database.url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn shared_locks_on_postgresql() {
    let Some(database) = Database::new().await else { return };
    hold!("SharedLocks", "PostgreSQL", &database.url;
        one_holds_a_lock_at_a_time,
        nobody_is_kept_out_by_a_busy_neighbour,
        locks_end_with_their_connection,
        waiting_that_is_given_up_leaves_nothing_behind,
    );
    assert!(in_memory().await.locks().is_none());
}

/// Each clause works in a tenant of its own.
async fn sidecar_contract(implementation: &str, store: Arc<dyn Sidecar>) {
    hold!("Sidecar", implementation, &store;
        claims_give_one_entry_per_key,
        concurrent_claims_give_one_id,
        a_taken_id_cannot_be_proposed,
        partitions_and_types_are_separate,
        states_and_attributes_round_trip,
        saving_replaces_by_id_and_by_key,
        concurrent_saves_leave_one_entry_of_a_key,
        removing_frees_id_and_key,
        retired_entries_come_in_order,
        all_entries_come_in_pages,
        long_lists_are_answered_whole,
        names_are_compared_exactly,
        abandoned_calls_lose_nothing,
    );
}

async fn token_contract(implementation: &str, store: &dyn TokenStore) {
    hold!("TokenStore", implementation, store;
        tokens_are_listed_and_revoked,
        tokens_are_replaced_whole_or_not_at_all,
        uses_are_noted_once_an_hour,
        every_change_of_tokens_has_a_version,
    );
}

async fn key_contract(implementation: &str, url: &str) {
    hold!("keys", implementation, url;
        keys_are_what_was_proposed_first,
        concurrent_proposals_give_one_key,
    );
}

async fn claims_give_one_entry_per_key(store: &Arc<dyn Sidecar>) {
    let store = &**store;
    let people = partition("claims");
    assert_eq!(by_keys(store, &people, &["ada"]).await, []);
    let claimed = store.claim(&people, "User", "ada", "1").await.unwrap();
    assert_eq!(claimed, live("1", "ada"));
    assert_eq!(store.claim(&people, "User", "ada", "2").await.unwrap(), claimed);
    assert_eq!(by_ids(store, &people, &["1", "2"]).await, std::slice::from_ref(&claimed));
    assert_eq!(by_keys(store, &people, &["ada", "bob"]).await, [claimed]);
    assert_eq!(by_ids(store, &people, &[]).await, []);

    let deleted = Entry { state: EntryState::Deleted, ..live("3", "eve") };
    store.save(&people, "User", &deleted).await.unwrap();
    assert_eq!(store.claim(&people, "User", "eve", "4").await.unwrap(), deleted);
}

async fn concurrent_claims_give_one_id(store: &Arc<dyn Sidecar>) {
    let callers = (0..24).map(|caller| {
        let store = store.clone();
        tokio::spawn(async move {
            let proposed = format!("proposed-{caller}");
            store.claim(&partition("race"), "User", "ada", &proposed).await.unwrap().id
        })
    });
    let callers: Vec<_> = callers.collect();
    let mut ids = Vec::new();
    for caller in callers {
        ids.push(caller.await.unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(by_keys(&**store, &partition("race"), &["ada"]).await[0].id, ids[0]);
}

async fn a_taken_id_cannot_be_proposed(store: &Arc<dyn Sidecar>) {
    let store = &**store;
    let people = partition("taken");
    store.claim(&people, "User", "ada", "1").await.unwrap();
    let refused = store.claim(&people, "User", "bob", "1").await;
    assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
    assert_eq!(by_ids(store, &people, &["1"]).await, [live("1", "ada")]);
    assert_eq!(by_keys(store, &people, &["bob"]).await, []);
}

async fn partitions_and_types_are_separate(store: &Arc<dyn Sidecar>) {
    let store = &**store;
    let here = partition("here");
    let tenant = partition("there");
    let mapping = Partition { mapping: "other".to_owned(), ..here.clone() };
    let places = [(&here, "User"), (&tenant, "User"), (&mapping, "User"), (&here, "Group")];
    for (number, (partition, resource)) in places.into_iter().enumerate() {
        let id = format!("id-{number}");
        let entry = store.claim(partition, resource, "same", &id).await.unwrap();
        assert_eq!(entry.id, id);
        store.claim(partition, resource, &format!("key-{number}"), "same").await.unwrap();
    }
    store.remove(&here, "User", "same").await.unwrap();
    for (number, (partition, resource)) in places.into_iter().enumerate() {
        let found = store.by_ids(partition, resource, &["same".to_owned()]).await.unwrap();
        let expected = (number > 0).then(|| live("same", &format!("key-{number}")));
        assert_eq!(found, Vec::from_iter(expected));
    }
}

async fn states_and_attributes_round_trip(store: &Arc<dyn Sidecar>) {
    let store = &**store;
    let people = partition("states");
    let record = json!({ "z": 1, "a": [null, true, -2.5, 18_446_744_073_709_551_615_u64], "é": "😀\u{0}'\"" });
    let states = [
        EntryState::Live,
        EntryState::Off(record.clone()),
        EntryState::Off(Value::Null),
        EntryState::Deleted,
    ];
    for (number, state) in states.into_iter().enumerate() {
        let mut entry = Entry { state, ..live(&number.to_string(), &format!("key-{number}")) };
        entry.attributes.insert("urn:example:2.0:User".to_owned(), record.clone());
        entry.attributes.insert("active".to_owned(), json!(false));
        store.save(&people, "User", &entry).await.unwrap();
        let found = by_ids(store, &people, &[&entry.id]).await;
        assert_eq!(found, [entry.clone()]);
        // Equality of JSON objects forgets the order, which we promise to keep.
        assert_eq!(json!(found[0].attributes).to_string(), json!(entry.attributes).to_string());
    }
}

async fn saving_replaces_by_id_and_by_key(store: &Arc<dyn Sidecar>) {
    let store = &**store;
    let people = partition("saving");
    for (id, key) in [("1", "ada"), ("2", "bob"), ("3", "eve")] {
        store.save(&people, "User", &live(id, key)).await.unwrap();
    }
    store.save(&people, "User", &live("1", "ada.l")).await.unwrap();
    assert_eq!(by_ids(store, &people, &["1"]).await, [live("1", "ada.l")]);
    assert_eq!(by_keys(store, &people, &["ada"]).await, []);

    store.save(&people, "User", &live("4", "bob")).await.unwrap();
    assert_eq!(by_keys(store, &people, &["bob"]).await, [live("4", "bob")]);
    assert_eq!(by_ids(store, &people, &["2"]).await, []);

    // Id of one, key of another: both give way.
    store.save(&people, "User", &live("1", "eve")).await.unwrap();
    let found = by_ids(store, &people, &["1", "2", "3", "4"]).await;
    assert_eq!(found, [live("1", "eve"), live("4", "bob")]);
}

/// Entries of one key under many ids, written at one moment: one is left, and every key has one.
async fn concurrent_saves_leave_one_entry_of_a_key(store: &Arc<dyn Sidecar>) {
    let people = partition("saving together");
    let writers = (0..24).map(|writer| {
        let (store, people) = (store.clone(), people.clone());
        tokio::spawn(async move {
            for (id, key) in [(writer, "ada"), (writer, "bob"), (writer + 100, "ada")] {
                store.save(&people, "User", &live(&id.to_string(), key)).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    for key in ["ada", "bob"] {
        assert!(by_keys(&**store, &people, &[key]).await.len() <= 1, "{key}");
    }
    assert_eq!(by_keys(&**store, &people, &["ada"]).await.len(), 1);
}

async fn removing_frees_id_and_key(store: &Arc<dyn Sidecar>) {
    let store = &**store;
    let people = partition("removing");
    store.claim(&people, "User", "ada", "1").await.unwrap();
    store.remove(&people, "User", "1").await.unwrap();
    store.remove(&people, "User", "1").await.unwrap();
    assert_eq!(by_ids(store, &people, &["1"]).await, []);
    assert_eq!(store.claim(&people, "User", "bob", "1").await.unwrap(), live("1", "bob"));
    assert_eq!(store.claim(&people, "User", "ada", "2").await.unwrap(), live("2", "ada"));
}

async fn all_entries_come_in_pages(store: &Arc<dyn Sidecar>) {
    let people = partition("pages");
    for id in ["b", "10", "B", "2"] {
        store.save(&people, "User", &live(id, id)).await.unwrap();
    }
    let deleted = Entry { state: EntryState::Deleted, ..live("a", "a") };
    store.save(&people, "User", &deleted).await.unwrap();
    let read = async |after, limit| store.page(&people, "User", after, limit).await.unwrap();
    assert_eq!(read(None, 3).await, [live("10", "10"), live("2", "2"), live("B", "B")]);
    assert_eq!(read(Some("B"), 3).await, [deleted, live("b", "b")]);
    assert_eq!(read(Some("b"), 3).await, []);
}

async fn retired_entries_come_in_order(store: &Arc<dyn Sidecar>) {
    let store = &**store;
    let people = partition("retired");
    let off = |id: &str| Entry { state: EntryState::Off(json!({ "id": id })), ..live(id, id) };
    let deleted = |id: &str| Entry { state: EntryState::Deleted, ..live(id, id) };
    for entry in [off("b"), deleted("10"), live("c", "c"), deleted("a"), off("B"), off("2")] {
        store.save(&people, "User", &entry).await.unwrap();
    }
    store.save(&people, "Group", &deleted("1")).await.unwrap();
    let read = async |way, after, skip, limit| {
        let page = RetiredPage { way, after, skip, limit };
        store.retired(&people, "User", page).await.unwrap()
    };
    assert_eq!(read(Retired::Off, None, 0, 9).await, [off("2"), off("B"), off("b")]);
    assert_eq!(read(Retired::Deleted, None, 0, 9).await, [deleted("10"), deleted("a")]);
    assert_eq!(read(Retired::Off, None, 0, 2).await, [off("2"), off("B")]);
    assert_eq!(read(Retired::Off, Some("2"), 0, 1).await, [off("B")]);
    assert_eq!(read(Retired::Off, Some("2"), 1, 9).await, [off("b")]);
    assert_eq!(read(Retired::Off, Some("b"), 0, 9).await, []);
    assert_eq!(read(Retired::Off, None, 3, 9).await, []);
    let count = store.count_retired(&people, "User").await.unwrap();
    assert_eq!(count, RetiredCount { off: 3, deleted: 2 });
    let count = store.count_retired(&people, "Nobody").await.unwrap();
    assert!(count.is_none());
}

async fn long_lists_are_answered_whole(store: &Arc<dyn Sidecar>) {
    let store = &**store;
    let people = partition("long");
    let mut wanted = Vec::new();
    for number in 0..1_100 {
        wanted.push(format!("{number:04}"));
        if number % 100 == 0 {
            store
                .claim(&people, "User", &format!("{number:04}"), &format!("{number:04}"))
                .await
                .unwrap();
        }
    }
    // Asked for twice, far apart, an entry still comes once.
    wanted.push("0000".to_owned());
    let expected: Vec<String> = (0..11).map(|hundred| format!("{hundred:02}00")).collect();
    let ids = |entries: Vec<Entry>| {
        let mut ids: Vec<String> = entries.into_iter().map(|entry| entry.id).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(store.by_ids(&people, "User", &wanted).await.unwrap()), expected);
    assert_eq!(ids(store.by_keys(&people, "User", &wanted).await.unwrap()), expected);
}

async fn names_are_compared_exactly(store: &Arc<dyn Sidecar>) {
    let store = &**store;
    let people = partition("exact");
    let names = ["ada", "Ada", "ada ", "ada\u{0}x", "a'da\"", "", "äda", "a%"];
    for (number, name) in names.into_iter().enumerate() {
        let claimed = store.claim(&people, "User", name, &format!("{number}{name}")).await.unwrap();
        assert_eq!(claimed, live(&format!("{number}{name}"), name));
    }
    for (number, name) in names.into_iter().enumerate() {
        let id = format!("{number}{name}");
        assert_eq!(by_keys(store, &people, &[name]).await, [live(&id, name)]);
        assert_eq!(by_ids(store, &people, &[&id]).await, [live(&id, name)]);
    }
}

/// A request that takes too long is dropped, and what it asks of the store with it, anywhere.
async fn abandoned_calls_lose_nothing(store: &Arc<dyn Sidecar>) {
    let store = &**store;
    let people = partition("abandoned");
    let kept = store.claim(&people, "User", "ada", "1").await.unwrap();
    for turns in (0..8).cycle().take(160) {
        let changed = live(&format!("changed-{turns}"), "bob");
        tokio::select! {
            biased;
            found = by_keys(store, &people, &["ada"]) => {
                assert_eq!(found, std::slice::from_ref(&kept));
            }
            () = yielding(turns) => {}
        }
        tokio::select! {
            biased;
            claimed = store.claim(&people, "User", "eve", "2") => {
                assert_eq!(claimed.unwrap(), live("2", "eve"));
            }
            () = yielding(turns) => {}
        }
        tokio::select! {
            biased;
            saved = store.save(&people, "User", &changed) => saved.unwrap(),
            () = yielding(turns) => {}
        }
    }
    assert_eq!(by_ids(store, &people, &["1"]).await, [kept]);
    assert_eq!(store.claim(&people, "User", "eve", "2").await.unwrap(), live("2", "eve"));
    // Of `bob` nothing can be said: a write that began is done, now or a little later.
    store.save(&people, "User", &live("3", "kim")).await.unwrap();
    assert_eq!(by_keys(store, &people, &["kim"]).await, [live("3", "kim")]);
}

async fn yielding(turns: usize) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

async fn tokens_are_listed_and_revoked(store: &dyn TokenStore) {
    let ada = record("acme", "entra", "1", "2026-01-01T00:00:00.123456Z");
    let old = TokenRecord {
        expires: Some(at("2026-06-01T00:00:00Z")),
        ..record("acme", "entra", "2", "2025-01-01T00:00:00Z")
    };
    let bob = record("Globex", "okta", "3", "2024-01-01T00:00:00Z");
    let twin = record("Globex", "entra", "4", "2024-01-01T00:00:00Z");
    for record in [&ada, &twin, &bob, &old] {
        store.insert(record).await.unwrap();
    }
    let all = [bob.clone(), twin.clone(), old.clone(), ada.clone()];
    assert_eq!(store.list(None).await.unwrap(), all);
    assert_eq!(store.list(Some("acme")).await.unwrap(), [old.clone(), ada.clone()]);
    assert_eq!(store.list(Some("ACME")).await.unwrap(), []);

    let same_id = TokenRecord { hash: TokenHash::of("new"), ..ada.clone() };
    let same_hash = TokenRecord { id: "new".to_owned(), ..ada.clone() };
    for taken in [same_id, same_hash] {
        let refused = store.insert(&taken).await;
        assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
    }

    assert_eq!(store.active(at("2026-05-31T23:59:59.999999Z")).await.unwrap(), all);
    let lasting = [bob.clone(), twin.clone(), ada.clone()];
    assert_eq!(store.active(at("2026-06-01T00:00:00Z")).await.unwrap(), lasting);

    let first = at("2026-02-01T00:00:00Z");
    let later = at("2026-02-02T00:00:00Z");
    assert!(!store.revoke(TokenName::Id("9"), first).await.unwrap());
    assert!(store.revoke(TokenName::Id("3"), first).await.unwrap());
    assert!(!store.revoke(TokenName::Id("3"), later).await.unwrap());
    let label = TokenName::Label { tenant: "acme", label: "entra" };
    assert!(store.revoke(label, first).await.unwrap());
    assert!(!store.revoke(label, later).await.unwrap());
    assert_eq!(store.active(later).await.unwrap(), std::slice::from_ref(&twin));
    let revoked = |record: TokenRecord| TokenRecord { revoked: Some(first), ..record };
    let all = [revoked(bob), twin, revoked(old), revoked(ada)];
    assert_eq!(store.list(None).await.unwrap(), all);
}

async fn tokens_are_replaced_whole_or_not_at_all(store: &dyn TokenStore) {
    let until = at("2026-03-01T00:00:00Z");
    let scopes: Scopes = "read,users".parse().unwrap();
    let old = [
        TokenRecord { scopes, ..record("initech", "okta", "r1", "2025-01-01T00:00:00Z") },
        TokenRecord {
            expires: Some(at("2026-02-01T00:00:00Z")),
            ..record("initech", "okta", "r2", "2025-01-02T00:00:00Z")
        },
        TokenRecord {
            revoked: Some(until),
            ..record("initech", "okta", "r3", "2025-01-03T00:00:00Z")
        },
    ];
    for record in &old {
        store.insert(record).await.unwrap();
    }
    let other = record("initech", "okta", "r4", "2025-01-04T00:00:00Z");
    store.insert(&other).await.unwrap();
    let ids: Vec<String> = ["r1", "r2", "r3", "none"].map(str::to_owned).to_vec();
    let taken = TokenRecord { id: "r9".to_owned(), ..old[0].clone() };
    let refused = store.replace(&taken, &ids, until).await;
    assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
    let before = [old.to_vec(), vec![other.clone()]].concat();
    assert_eq!(store.list(Some("initech")).await.unwrap(), before);

    let new = TokenRecord { scopes, ..record("initech", "okta", "r5", "2026-01-01T00:00:00Z") };
    store.replace(&new, &ids, until).await.unwrap();
    let [first, second, third] = old;
    let first = TokenRecord { expires: Some(until), ..first };
    let after = [first, second, third, other, new];
    assert_eq!(store.list(Some("initech")).await.unwrap(), after);
}

async fn uses_are_noted_once_an_hour(store: &dyn TokenStore) {
    let token = record("hooli", "entra", "u1", "2026-01-01T00:00:00Z");
    store.insert(&token).await.unwrap();
    let version = store.version().await.unwrap();
    for (used, expected) in [
        ("2026-01-01T10:00:00Z", "2026-01-01T10:00:00Z"),
        ("2026-01-01T10:59:59.999999Z", "2026-01-01T10:00:00Z"),
        ("2026-01-01T09:00:00Z", "2026-01-01T10:00:00Z"),
        ("2026-01-01T11:00:00Z", "2026-01-01T11:00:00Z"),
    ] {
        store.note_use("u1", at(used)).await.unwrap();
        store.note_use("nobody", at(used)).await.unwrap();
        let last_used = Some(at(expected));
        let expected = [TokenRecord { last_used, ..token.clone() }];
        assert_eq!(store.list(Some("hooli")).await.unwrap(), expected, "{used}");
    }
    assert_eq!(store.version().await.unwrap(), version, "a use is no change");
}

async fn every_change_of_tokens_has_a_version(store: &dyn TokenStore) {
    let mut seen = vec![store.version().await.unwrap()];
    let mut check = async |changes: bool| {
        let version = store.version().await.unwrap();
        assert_eq!(!seen.contains(&version), changes, "{version} after {seen:?}");
        seen.push(version);
    };
    check(false).await;
    store.insert(&record("umbrella", "a", "v1", "2026-01-01T00:00:00Z")).await.unwrap();
    check(true).await;
    let next = record("umbrella", "a", "v2", "2026-01-02T00:00:00Z");
    store.replace(&next, &["v1".to_owned()], at("2026-02-01T00:00:00Z")).await.unwrap();
    check(true).await;
    store.revoke(TokenName::Id("v1"), at("2026-01-03T00:00:00Z")).await.unwrap();
    check(true).await;
    store.revoke(TokenName::Id("v1"), at("2026-01-03T00:00:00Z")).await.unwrap();
    check(false).await;
    assert!(store.insert(&next).await.is_err());
    check(false).await;
}

async fn keys_are_what_was_proposed_first(url: &str) {
    let store = Store::open(url).await.unwrap();
    assert_eq!(store.key("first", [1; 32]).await.unwrap(), [1; 32]);
    assert_eq!(store.key("first", [2; 32]).await.unwrap(), [1; 32]);
    assert_eq!(store.key("First", [3; 32]).await.unwrap(), [3; 32]);
    store.close().await;
    let store = Store::open(url).await.unwrap();
    assert_eq!(store.key("first", [4; 32]).await.unwrap(), [1; 32]);
}

async fn concurrent_proposals_give_one_key(url: &str) {
    // Two processes, each with several connections.
    let stores = [Store::open(url).await.unwrap(), Store::open(url).await.unwrap()];
    let callers = (0..24_u8).map(|caller| {
        let store = stores[usize::from(caller % 2)].clone();
        tokio::spawn(async move { store.key("race", [caller; 32]).await.unwrap() })
    });
    let callers: Vec<_> = callers.collect();
    let kept = stores[0].key("race", [99; 32]).await.unwrap();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), kept);
    }
}

/// The locks of a process of its own.
async fn locks(url: &str) -> Arc<dyn SharedLocks> {
    Store::open(url).await.unwrap().locks().unwrap()
}

async fn one_holds_a_lock_at_a_time(url: &str) {
    let processes = [locks(url).await, locks(url).await, locks(url).await];
    let inside = Arc::new([const { AtomicUsize::new(0) }; 3]);
    let mut holders = tokio::task::JoinSet::new();
    for number in 0..90 {
        let (locks, inside) = (processes[number % 3].clone(), inside.clone());
        holders.spawn(async move {
            let lock = number / 3 % 3;
            let hold = locks.take(i64::try_from(lock).unwrap()).await.unwrap();
            assert_eq!(inside[lock].fetch_add(1, Ordering::SeqCst), 0);
            yielding(5).await;
            assert_eq!(inside[lock].fetch_sub(1, Ordering::SeqCst), 1);
            drop(hold);
        });
    }
    assert_eq!(holders.join_all().await.len(), 90);
}

/// One process wants a lock again and again; another one gets it nevertheless.
async fn nobody_is_kept_out_by_a_busy_neighbour(url: &str) {
    let (busy, modest) = (locks(url).await, locks(url).await);
    let begun = Arc::new(tokio::sync::Notify::new());
    let begins = begun.clone();
    let running = tokio::spawn(async move {
        loop {
            let hold = busy.take(77).await.unwrap();
            begins.notify_one();
            tokio::time::sleep(Duration::from_millis(1)).await;
            drop(hold);
        }
    });
    begun.notified().await;
    for _ in 0..20 {
        drop(modest.take(77).await.unwrap());
    }
    running.abort();
}

async fn locks_end_with_their_connection(url: &str) {
    let (one, other) = (locks(url).await, locks(url).await);
    let lost = one.take(5).await.unwrap();
    let waiting = tokio::spawn({
        let other = other.clone();
        async move { other.take(5).await.map(drop) }
    });
    // As when the process dies, or the network between them does.
    let end = "SELECT pg_terminate_backend(pid) FROM pg_locks \
               WHERE locktype = 'advisory' AND granted AND classid = 0 AND objid = 5 \
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    administer(url, end.to_owned()).await;
    waiting.await.unwrap().unwrap();
    // The first to notice may be told so; then there is a new connection.
    let again = match one.take(5).await {
        Ok(hold) => hold,
        Err(LockError::Store(StoreError::Unavailable(_))) => one.take(5).await.unwrap(),
        Err(error) => panic!("{error}"),
    };
    // What was lost is not let go a second time.
    drop(lost);
    assert!(tokio::time::timeout(Duration::from_millis(200), other.take(5)).await.is_err());
    drop(again);
    drop(other.take(5).await.unwrap());
}

async fn waiting_that_is_given_up_leaves_nothing_behind(url: &str) {
    let (one, other) = (locks(url).await, locks(url).await);
    for turns in (0..8).cycle().take(64) {
        let hold = one.take(9).await.unwrap();
        tokio::select! {
            biased;
            taken = other.take(9) => drop(taken.unwrap()),
            () = yielding(turns * 20) => {}
        }
        drop(hold);
        tokio::select! {
            biased;
            taken = one.take(9) => drop(taken.unwrap()),
            () = yielding(turns) => {}
        }
    }
    drop(one.take(9).await.unwrap());
    drop(other.take(9).await.unwrap());
}

pub(crate) fn folder() -> TempDir {
    // Characters that mean something in an address are plain ones in a path.
    tempfile::Builder::new().prefix("100% mine#1 ").tempdir().unwrap()
}

async fn in_memory() -> Store {
    Store::open("sqlite::memory:").await.unwrap()
}

pub(crate) async fn open(folder: &Path) -> Store {
    let url = format!("sqlite:{}", folder.join("bridge.db").display());
    Store::open(&url).await.unwrap()
}

pub(crate) fn partition(tenant: &str) -> Partition {
    Partition { tenant: tenant.to_owned(), mapping: "people".to_owned() }
}

pub(crate) fn live(id: &str, key: &str) -> Entry {
    Entry { id: id.to_owned(), key: key.to_owned(), ..Entry::default() }
}

/// Users of these ids, ordered by id: the port promises no order.
async fn by_ids(store: &dyn Sidecar, partition: &Partition, ids: &[&str]) -> Vec<Entry> {
    ordered(store.by_ids(partition, "User", &owned(ids)).await.unwrap())
}

/// Users of these native keys, ordered by id.
pub(crate) async fn by_keys(
    store: &dyn Sidecar,
    partition: &Partition,
    keys: &[&str],
) -> Vec<Entry> {
    ordered(store.by_keys(partition, "User", &owned(keys)).await.unwrap())
}

fn ordered(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by(|one, other| one.id.cmp(&other.id));
    entries
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn record(tenant: &str, label: &str, id: &str, created: &str) -> TokenRecord {
    TokenRecord {
        id: id.to_owned(),
        tenant: tenant.to_owned(),
        label: label.to_owned(),
        hash: TokenHash::of(id),
        created: at(created),
        expires: None,
        revoked: None,
        scopes: Scopes::ALL,
        last_used: None,
    }
}
