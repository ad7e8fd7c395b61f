//! The contracts of the ports `AuditStore` and `GuardStore`, held by every implementation: in
//! memory, on an SQLite file, and on PostgreSQL.
#![cfg(test)]

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use scimbridge::audit::event::{Changed, Details, Event, NativeCall, Operation, Outcome};
use scimbridge::audit::memory::MemoryAudit;
use scimbridge::audit::port::{AuditStore, Begun, Ended, Ending, Instance, Order, Search};
use scimbridge::guard::memory::MemoryGuards;
use scimbridge::guard::port::{GuardStore, Use, Verdict};
use scimbridge::guard::rule::Kind;
use scimbridge::store::open::Store;
use serde_json::json;

use crate::postgres::{Database, tell};

#[tokio::test]
async fn audit_in_memory() {
    audit_contract("memory", &MemoryAudit::default()).await;
}

#[tokio::test]
async fn audit_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("bridge.db").display());
    audit_contract("an SQLite file", &Store::open(&url).await.unwrap()).await;
}

#[tokio::test]
async fn audit_on_postgresql() {
    let Some(database) = Database::new().await else { return };
    audit_contract("PostgreSQL", &Store::open(&database.url).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn guards_in_memory() {
    guard_contract("memory", Arc::new(MemoryGuards::default())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn guards_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("bridge.db").display());
    guard_contract("an SQLite file", Arc::new(Store::open(&url).await.unwrap())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn guards_on_postgresql() {
    let Some(database) = Database::new().await else { return };
    guard_contract("PostgreSQL", Arc::new(Store::open(&database.url).await.unwrap())).await;
}

/// The clauses follow each other on one store: what a search finds depends on all of them.
async fn audit_contract(implementation: &str, store: &dyn AuditStore) {
    events_come_back_as_they_were(store).await;
    what_ends_is_begun_no_longer(store).await;
    the_dead_are_recovered_once(store).await;
    searches_narrow(store).await;
    many_events_come_in_order(store).await;
    the_oldest_are_forgotten_first(store).await;
    tell(&format!("contract of AuditStore on {implementation}: 6 clauses held"));
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn event(seconds: i64, request_id: &str) -> Event {
    Event {
        at: at(seconds),
        tenant: "acme".to_owned(),
        token: "entra".to_owned(),
        request_id: request_id.to_owned(),
        operation: Operation::Patch,
        resource: "User".to_owned(),
        resource_id: "7".to_owned(),
        outcome: Outcome::Answered(200),
        details: Details::default(),
    }
}

fn ended(event: Event) -> Ended {
    Ended { sequence: None, event }
}

async fn ids(store: &dyn AuditStore, search: Search) -> Vec<String> {
    let found = store.search(&search).await.unwrap();
    found.into_iter().map(|recorded| recorded.event.request_id).collect()
}

async fn events_come_back_as_they_were(store: &dyn AuditStore) {
    let details = Details {
        token_id: Some("t1".to_owned()),
        client: Some("2001:db8::1".parse().unwrap()),
        ms: 12,
        scim_type: Some("uniqueness".into()),
        failure: Some("taken".into()),
        native: vec![NativeCall {
            method: "POST".into(),
            path: "/people?x=*".to_owned(),
            status: None,
            ms: 3,
        }],
        omitted: 4,
        changed: vec![Changed {
            path: "userName".to_owned(),
            before: None,
            after: Some(json!("ä\0'\"")),
        }],
        count: 2,
    };
    let outcome = Outcome::Answered(409);
    let resource_id = "ä\0\u{1}'\"\\u0000".to_owned();
    let whole = Event { details, outcome, resource_id, ..event(0, "whole") };
    let bare = Event {
        token: String::new(),
        resource: String::new(),
        resource_id: String::new(),
        operation: Operation::Refuse,
        outcome: Outcome::Interrupted,
        ..event(1, "bare")
    };
    store.record("one", &[], &[ended(whole.clone()), ended(bare.clone())]).await.unwrap();
    let found = store.search(&Search::default()).await.unwrap();
    assert!(found[0].number < found[1].number);
    let found: Vec<Event> = found.into_iter().map(|recorded| recorded.event).collect();
    assert_eq!(found, [whole, bare]);
}

async fn what_ends_is_begun_no_longer(store: &dyn AuditStore) {
    let begun = Begun { sequence: 1, event: event(2, "begun") };
    store.record("one", std::slice::from_ref(&begun), &[]).await.unwrap();
    assert_eq!(ids(store, Search::default()).await, ["whole", "bare"]);
    let over = Ended { sequence: Some(1), event: begun.event };
    store.record("one", &[], &[over]).await.unwrap();
    assert_eq!(store.recover("one").await.unwrap(), 0);
    assert_eq!(ids(store, Search::default()).await, ["whole", "bare", "begun"]);
    // Nothing has to have begun.
    let unknown = Ended { sequence: Some(99), event: event(3, "unknown") };
    store.record("one", &[], &[unknown]).await.unwrap();
    store.record("one", &[], &[]).await.unwrap();
}

async fn the_dead_are_recovered_once(store: &dyn AuditStore) {
    let instance = |id: &str, beats| Instance {
        id: id.to_owned(),
        beats,
        process: format!("process of {id}"),
    };
    assert_eq!(store.beat(&instance("one", 1)).await.unwrap(), []);
    store.beat(&instance("two", 1)).await.unwrap();
    store.beat(&instance("two", 2)).await.unwrap();
    let begun = |sequence, name: &str| Begun {
        sequence,
        event: Event { outcome: Outcome::Interrupted, ..event(4, name) },
    };
    store.record("two", &[begun(1, "cut-1"), begun(2, "cut-2")], &[]).await.unwrap();
    store.record("nobody", &[begun(1, "cut-3")], &[]).await.unwrap();
    let mut others = store.beat(&instance("one", 2)).await.unwrap();
    others.sort_by(|one, other| one.id.cmp(&other.id));
    let unknown = Instance { id: "nobody".to_owned(), beats: -1, process: String::new() };
    assert_eq!(others, [unknown, instance("two", 2)]);
    let (once, again) = tokio::join!(store.recover("two"), store.recover("two"));
    let (once, again) = (once.unwrap(), again.unwrap());
    assert_eq!(once.max(again), 2);
    assert_eq!(once.min(again), 0);
    assert_eq!(store.recover("nobody").await.unwrap(), 1);
    assert_eq!(store.beat(&instance("one", 3)).await.unwrap(), []);
    let interrupted = Search { ending: Ending::Interrupted, ..Search::default() };
    assert_eq!(ids(store, interrupted).await, ["bare", "cut-1", "cut-2", "cut-3"]);
}

async fn searches_narrow(store: &dyn AuditStore) {
    let other = Event {
        tenant: "other".to_owned(),
        token: "okta".to_owned(),
        operation: Operation::Delete,
        resource: "Group".to_owned(),
        resource_id: "9".to_owned(),
        outcome: Outcome::Answered(500),
        ..event(5, "r-1")
    };
    let part = Event { request_id: "r-1-2".to_owned(), ..event(6, "") };
    let next = event(7, "r-10");
    store.record("one", &[], &[ended(other), ended(part), ended(next)]).await.unwrap();
    let all = Search::default();
    let text = |text: &str| Some(text.to_owned());
    let check = async |search: Search, expected: &[&str]| {
        assert_eq!(ids(store, search).await, expected);
    };
    check(Search { tenant: text("other"), ..all.clone() }, &["r-1"]).await;
    check(Search { token: text("okta"), ..all.clone() }, &["r-1"]).await;
    check(Search { operation: Some(Operation::Delete), ..all.clone() }, &["r-1"]).await;
    check(Search { resource: text("Group"), ..all.clone() }, &["r-1"]).await;
    check(Search { resource_id: text("9"), ..all.clone() }, &["r-1"]).await;
    check(Search { request_id: text("r-1"), ..all.clone() }, &["r-1", "r-1-2"]).await;
    check(Search { since: Some(at(6)), ..all.clone() }, &["r-1-2", "r-10"]).await;
    check(Search { since: Some(at(8)), ..all.clone() }, &[]).await;
    check(Search { until: Some(at(1)), ..all.clone() }, &["whole"]).await;
    check(Search { until: Some(at(0)), ..all.clone() }, &[]).await;
    let failed = Search { ending: Ending::Failed, since: Some(at(5)), ..all.clone() };
    check(failed, &["r-1"]).await;
    let newest = Search { order: Order::NewestFirst, most: 2, ..all.clone() };
    check(newest.clone(), &["r-10", "r-1-2"]).await;
    let place = store.search(&newest).await.unwrap()[1].number;
    check(Search { beyond: Some(place), ..newest }, &["r-1", "cut-3"]).await;
    check(Search { beyond: Some(place), ..all }, &["r-10"]).await;
}

async fn many_events_come_in_order(store: &dyn AuditStore) {
    let name = |number: i64| format!("many-{number}");
    let many: Vec<Ended> =
        (0..300).map(|number| ended(event(100 + number, &name(number)))).collect();
    let begun: Vec<Begun> =
        (0..150).map(|number| Begun { sequence: number, event: event(50, "x") }).collect();
    store.record("three", &begun, &many).await.unwrap();
    let since = Search { since: Some(at(100)), ..Search::default() };
    let expected: Vec<String> = (0..300).map(name).collect();
    assert_eq!(ids(store, since).await, expected);
    let over =
        begun.into_iter().map(|begun| Ended { sequence: Some(begun.sequence), event: begun.event });
    store.record("three", &[], &over.collect::<Vec<_>>()).await.unwrap();
    assert_eq!(store.recover("three").await.unwrap(), 0);
}

async fn the_oldest_are_forgotten_first(store: &dyn AuditStore) {
    assert_eq!(store.prune(at(2), 1).await.unwrap(), 1);
    assert_eq!(store.prune(at(2), 100).await.unwrap(), 1);
    assert_eq!(store.prune(at(2), 100).await.unwrap(), 0);
    let most = Search { most: 2, ..Search::default() };
    assert_eq!(ids(store, most).await, ["begun", "unknown"]);
}

async fn guard_contract(implementation: &str, store: Arc<dyn GuardStore>) {
    a_guard_trips_and_is_released(&*store).await;
    resources_count_once_and_not_for_ever(&*store).await;
    concurrent_uses_admit_no_more_than_allowed(&store).await;
    tell(&format!("contract of GuardStore on {implementation}: 3 clauses held"));
}

fn usage<'a>(tenant: &'a str, id: &'a str, seconds: i64, most: u32) -> Use<'a> {
    let since = at(seconds).checked_sub(SignedDuration::from_secs(60)).unwrap();
    let (kind, resource) = (Kind::Deactivation, "User");
    Use { tenant, kind, resource, id, at: at(seconds), since, most }
}

async fn a_guard_trips_and_is_released(store: &dyn GuardStore) {
    let count =
        async |id: &str, seconds| store.count(&usage("trips", id, seconds, 2)).await.unwrap();
    assert_eq!(count("1", 0).await, Verdict::Admitted);
    assert_eq!(count("2", 1).await, Verdict::Admitted);
    assert_eq!(count("3", 2).await, Verdict::Trips);
    assert_eq!(count("3", 3).await, Verdict::Tripped);
    // It stays so, however long nobody does anything.
    assert_eq!(count("4", 3000).await, Verdict::Tripped);
    let trips = store.tripped().await.unwrap();
    let own: Vec<_> = trips.iter().filter(|trip| trip.tenant == "trips").collect();
    assert_eq!(own.len(), 1);
    assert_eq!((own[0].kind, own[0].at), (Kind::Deactivation, at(2)));
    // Another kind and another tenant are not concerned.
    let deletion = Use { kind: Kind::Deletion, ..usage("trips", "1", 3, 2) };
    assert_eq!(store.count(&deletion).await.unwrap(), Verdict::Admitted);
    assert_eq!(store.count(&usage("free", "1", 3, 2)).await.unwrap(), Verdict::Admitted);
    assert!(!store.release("trips", Kind::Deletion).await.unwrap());
    assert!(store.release("trips", Kind::Deactivation).await.unwrap());
    assert!(!store.release("trips", Kind::Deactivation).await.unwrap());
    assert!(store.tripped().await.unwrap().iter().all(|trip| trip.tenant != "trips"));
    assert_eq!(count("3", 4).await, Verdict::Admitted);
}

async fn resources_count_once_and_not_for_ever(store: &dyn GuardStore) {
    let count =
        async |id: &str, seconds| store.count(&usage("window", id, seconds, 1)).await.unwrap();
    assert_eq!(count("1", 0).await, Verdict::Admitted);
    assert_eq!(count("1", 59).await, Verdict::Admitted);
    // A minute after the first time it is forgotten.
    assert_eq!(count("2", 61).await, Verdict::Admitted);
    assert_eq!(count("1", 62).await, Verdict::Trips);
}

async fn concurrent_uses_admit_no_more_than_allowed(store: &Arc<dyn GuardStore>) {
    let callers = (0..24).map(|caller| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            store.count(&usage("race", &caller.to_string(), 0, 5)).await.unwrap()
        })
    });
    let callers: Vec<_> = callers.collect();
    let mut verdicts = Vec::new();
    for caller in callers {
        verdicts.push(caller.await.unwrap());
    }
    let of = |wanted| verdicts.iter().filter(|verdict| **verdict == wanted).count();
    assert_eq!((of(Verdict::Admitted), of(Verdict::Trips)), (5, 1), "{verdicts:?}");
}
