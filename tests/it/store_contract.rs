//! The contracts of the ports `Sidecar` and `TokenStore`, held by every implementation: in
//! memory, on SQLite in memory and on an SQLite file; then what only a file can show.
#![cfg(test)]

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use scimbridge::auth::memory::MemoryTokens;
use scimbridge::auth::port::{TokenName, TokenStore};
use scimbridge::auth::token::{Token, TokenHash, TokenRecord};
use scimbridge::id::SystemIds;
use scimbridge::sidecar::entry::{
    Entry, EntryState, Partition, Retired, RetiredCount, RetiredPage,
};
use scimbridge::sidecar::memory::MemorySidecar;
use scimbridge::sidecar::port::{Sidecar, StoreError};
use scimbridge::store::sqlite::SqliteStore;
use serde_json::{Value, json};
use tempfile::TempDir;

#[tokio::test]
async fn sidecar_in_memory() {
    sidecar_contract(Arc::new(MemorySidecar::default())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sidecar_on_sqlite_in_memory() {
    sidecar_contract(Arc::new(SqliteStore::open("sqlite::memory:").await.unwrap())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sidecar_on_an_sqlite_file() {
    let folder = folder();
    sidecar_contract(Arc::new(open(folder.path()).await)).await;
}

#[tokio::test]
async fn tokens_in_memory() {
    token_contract(&MemoryTokens::default()).await;
}

#[tokio::test]
async fn tokens_on_sqlite_in_memory() {
    token_contract(&SqliteStore::open("sqlite::memory:").await.unwrap()).await;
}

#[tokio::test]
async fn tokens_on_an_sqlite_file() {
    let folder = folder();
    token_contract(&open(folder.path()).await).await;
}

/// Each part works in a tenant of its own.
async fn sidecar_contract(store: Arc<dyn Sidecar>) {
    claims_give_one_entry_per_key(&*store).await;
    concurrent_claims_give_one_id(store.clone()).await;
    a_taken_id_cannot_be_proposed(&*store).await;
    partitions_and_types_are_separate(&*store).await;
    states_and_attributes_round_trip(&*store).await;
    saving_replaces_by_id_and_by_key(&*store).await;
    removing_frees_id_and_key(&*store).await;
    retired_entries_come_in_order(&*store).await;
    long_lists_are_answered_whole(&*store).await;
    names_are_compared_exactly(&*store).await;
    abandoned_calls_lose_nothing(&*store).await;
}

async fn claims_give_one_entry_per_key(store: &dyn Sidecar) {
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

async fn concurrent_claims_give_one_id(store: Arc<dyn Sidecar>) {
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
    assert_eq!(by_keys(&*store, &partition("race"), &["ada"]).await[0].id, ids[0]);
}

async fn a_taken_id_cannot_be_proposed(store: &dyn Sidecar) {
    let people = partition("taken");
    store.claim(&people, "User", "ada", "1").await.unwrap();
    let refused = store.claim(&people, "User", "bob", "1").await;
    assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
    assert_eq!(by_ids(store, &people, &["1"]).await, [live("1", "ada")]);
    assert_eq!(by_keys(store, &people, &["bob"]).await, []);
}

async fn partitions_and_types_are_separate(store: &dyn Sidecar) {
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

async fn states_and_attributes_round_trip(store: &dyn Sidecar) {
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

async fn saving_replaces_by_id_and_by_key(store: &dyn Sidecar) {
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

async fn removing_frees_id_and_key(store: &dyn Sidecar) {
    let people = partition("removing");
    store.claim(&people, "User", "ada", "1").await.unwrap();
    store.remove(&people, "User", "1").await.unwrap();
    store.remove(&people, "User", "1").await.unwrap();
    assert_eq!(by_ids(store, &people, &["1"]).await, []);
    assert_eq!(store.claim(&people, "User", "bob", "1").await.unwrap(), live("1", "bob"));
    assert_eq!(store.claim(&people, "User", "ada", "2").await.unwrap(), live("2", "ada"));
}

async fn retired_entries_come_in_order(store: &dyn Sidecar) {
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

async fn long_lists_are_answered_whole(store: &dyn Sidecar) {
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

async fn names_are_compared_exactly(store: &dyn Sidecar) {
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
async fn abandoned_calls_lose_nothing(store: &dyn Sidecar) {
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

async fn token_contract(store: &dyn TokenStore) {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keys_are_what_was_proposed_first() {
    let folder = folder();
    let memory = SqliteStore::open("sqlite::memory:").await.unwrap();
    for store in [memory, open(folder.path()).await] {
        assert_eq!(store.key("cursor", [1; 32]).await.unwrap(), [1; 32]);
        assert_eq!(store.key("cursor", [2; 32]).await.unwrap(), [1; 32]);
        assert_eq!(store.key("Cursor", [3; 32]).await.unwrap(), [3; 32]);
        store.close().await;
    }
    let store = open(folder.path()).await;
    assert_eq!(store.key("cursor", [4; 32]).await.unwrap(), [1; 32]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_proposals_give_one_key() {
    let folder = folder();
    // Two processes, each with several connections.
    let stores = [open(folder.path()).await, open(folder.path()).await];
    let callers = (0..24_u8).map(|caller| {
        let store = stores[usize::from(caller % 2)].clone();
        tokio::spawn(async move { store.key("cursor", [caller; 32]).await.unwrap() })
    });
    let callers: Vec<_> = callers.collect();
    let kept = stores[0].key("cursor", [99; 32]).await.unwrap();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), kept);
    }
}

#[tokio::test]
async fn memories_are_separate_and_end_with_their_store() {
    let people = partition("acme");
    let store = SqliteStore::open("sqlite::memory:").await.unwrap();
    let other = SqliteStore::open("sqlite::memory:").await.unwrap();
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

fn folder() -> TempDir {
    // Characters that mean something in an address are plain ones in a path.
    tempfile::Builder::new().prefix("100% mine#1 ").tempdir().unwrap()
}

async fn open(folder: &Path) -> SqliteStore {
    let url = format!("sqlite:{}", folder.join("bridge.db").display());
    SqliteStore::open(&url).await.unwrap()
}

fn partition(tenant: &str) -> Partition {
    Partition { tenant: tenant.to_owned(), mapping: "people".to_owned() }
}

fn live(id: &str, key: &str) -> Entry {
    Entry { id: id.to_owned(), key: key.to_owned(), ..Entry::default() }
}

/// Users of these ids, ordered by id: the port promises no order.
async fn by_ids(store: &dyn Sidecar, partition: &Partition, ids: &[&str]) -> Vec<Entry> {
    ordered(store.by_ids(partition, "User", &owned(ids)).await.unwrap())
}

/// Users of these native keys, ordered by id.
async fn by_keys(store: &dyn Sidecar, partition: &Partition, keys: &[&str]) -> Vec<Entry> {
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

fn record(tenant: &str, label: &str, id: &str, created: &str) -> TokenRecord {
    TokenRecord {
        id: id.to_owned(),
        tenant: tenant.to_owned(),
        label: label.to_owned(),
        hash: TokenHash::of(id),
        created: at(created),
        expires: None,
        revoked: None,
    }
}

fn bytes_in(folder: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(folder).unwrap();
    files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
