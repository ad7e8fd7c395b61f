//! The link index: its port's contract, and what it saves.
#![cfg(test)]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use scimbridge::app::indexing::index;
use scimbridge::clock::FixedClock;
use scimbridge::config::settings::Index as Written;
use scimbridge::exchange::index::is_kept;
use scimbridge::exchange::response::Body;
use scimbridge::exchange::sweep::{Freshness, Swept, freshness, sweep};
use scimbridge::exchange::tenant::Tenant;
use scimbridge::exchange::upstream::{Link as NativeLink, Upstream, UpstreamError};
use scimbridge::native::message::{Method as NativeMethod, NativeRequest, NativeResponse, Payload};
use scimbridge::scim::filter::ast::Filter;
use scimbridge::scim::value::Dialect;
use scimbridge::sidecar::entry::{Entry, Partition};
use scimbridge::sidecar::links::{Claim, Done, Link, Links, Shelf, Sweep};
use scimbridge::sidecar::memory_links::MemoryLinks;
use scimbridge::store::open::Store;
use serde_json::{Value, json};

use crate::postgres::{Database, tell};
use crate::simulated::{Application, ask, tenant};

#[tokio::test]
async fn links_in_memory() {
    links_contract("memory", &MemoryLinks::default()).await;
}

#[tokio::test]
async fn links_on_sqlite() {
    links_contract("SQLite in memory", &Store::open("sqlite::memory:").await.unwrap()).await;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("bridge.db").display());
    links_contract("an SQLite file", &Store::open(&url).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn links_on_postgresql() {
    let Some(database) = Database::new().await else { return };
    links_contract("PostgreSQL", &Store::open(&database.url).await.unwrap()).await;
}

/// Each clause works in a tenant of its own.
async fn links_contract(implementation: &str, store: &dyn Links) {
    values_are_found(store).await;
    links_go(store).await;
    one_sweeps_at_a_time(store).await;
    sweeps_take_what_they_have_not_seen(store).await;
    tell(&format!("contract of Links on {implementation}: 4 clauses held"));
}

fn partition(tenant: &str) -> Partition {
    Partition { tenant: tenant.to_owned(), mapping: "people".to_owned() }
}

fn link(attribute: &str, value: &str, key: &str) -> Link {
    Link { attribute: attribute.to_owned(), value: value.to_owned(), key: key.to_owned() }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

async fn found(store: &dyn Links, place: &Partition, attribute: &str, value: &str) -> Vec<String> {
    store.linked(place, "User", attribute, value, 9).await.unwrap()
}

async fn values_are_found(store: &dyn Links) {
    let here = partition("found");
    let links =
        [link("a", "x", "2"), link("a", "x", "10"), link("a", "y", "1"), link("b", "x", "3")];
    store.link(&here, "User", &links, at(1)).await.unwrap();
    store.link(&here, "User", &links[..1], at(2)).await.unwrap();
    store.link(&here, "User", &[], at(2)).await.unwrap();
    store.link(&here, "Group", &[link("a", "x", "7")], at(1)).await.unwrap();
    assert_eq!(found(store, &here, "a", "x").await, ["10", "2"]);
    assert_eq!(store.linked(&here, "User", "a", "x", 1).await.unwrap(), ["10"]);
    assert_eq!(found(store, &here, "b", "x").await, ["3"]);
    assert_eq!(found(store, &here, "b", "X").await, Vec::<String>::new());
    assert_eq!(found(store, &partition("nobody"), "a", "x").await, Vec::<String>::new());
    assert_eq!(store.count(&here, "User", "a").await.unwrap(), 3);
}

async fn links_go(store: &dyn Links) {
    let here = partition("go");
    let links =
        [link("a", "x", "1"), link("a", "y", "1"), link("b", "x", "1"), link("a", "x", "2")];
    store.link(&here, "User", &links, at(1)).await.unwrap();
    store.unlink(&here, "User", "1", &links[1..2]).await.unwrap();
    assert_eq!(found(store, &here, "a", "x").await, ["2"]);
    assert_eq!(found(store, &here, "a", "y").await, ["1"]);
    store.forget(&here, "User", &links[3]).await.unwrap();
    store.forget(&here, "User", &links[3]).await.unwrap();
    assert_eq!(found(store, &here, "a", "x").await, Vec::<String>::new());
    store.unlink(&here, "User", "1", &[]).await.unwrap();
    assert_eq!(store.count(&here, "User", "a").await.unwrap(), 0);
}

async fn one_sweeps_at_a_time(store: &dyn Links) {
    let here = partition("one");
    let begin = async |holder: &str, now: i64| {
        let claim = Claim { holder, now: at(now), until: at(now + 10) };
        store.begin_sweep(&here, "User", Shelf::Native, &claim).await.unwrap()
    };
    assert!(begin("ada", 0).await);
    assert!(begin("ada", 5).await);
    assert!(!begin("bob", 14).await);
    assert!(begin("bob", 15).await, "nobody has heard of the other one");
    assert!(!begin("ada", 16).await);
    assert_eq!(store.sweep(&here, "User", Shelf::Native).await.unwrap(), None);
    store.end_sweep(&here, "User", Shelf::Native, None).await.unwrap();
    assert!(begin("ada", 17).await);
    assert_eq!(store.sweep(&here, "User", Shelf::Native).await.unwrap(), None);
}

async fn sweeps_take_what_they_have_not_seen(store: &dyn Links) {
    let here = partition("sweep");
    let old = [link("a", "old", "1"), link("b", "old", "1")];
    store.link(&here, "User", &old, at(1)).await.unwrap();
    store.link(&here, "User", &[link("a", "new", "2")], at(5)).await.unwrap();
    let claim = Claim { holder: "ada", now: at(4), until: at(99) };
    assert!(store.begin_sweep(&here, "User", Shelf::Native, &claim).await.unwrap());
    let sweep = Sweep { fingerprint: "f".to_owned(), began: at(4), ended: at(6), records: 2 };
    let attributes = ["a".to_owned()];
    let done = Done { sweep: &sweep, attributes: &attributes, stale: at(4) };
    store.end_sweep(&here, "User", Shelf::Native, Some(&done)).await.unwrap();
    assert_eq!(found(store, &here, "a", "old").await, Vec::<String>::new());
    assert_eq!(found(store, &here, "a", "new").await, ["2"]);
    assert_eq!(found(store, &here, "b", "old").await, ["1"]);
    assert_eq!(store.sweep(&here, "User", Shelf::Native).await.unwrap(), Some(sweep));
    assert_eq!(store.sweep(&here, "User", Shelf::Kept).await.unwrap(), None);
    let claim = Claim { holder: "bob", now: at(7), until: at(9) };
    assert!(store.begin_sweep(&here, "User", Shelf::Native, &claim).await.unwrap());
}

/// An application that can neither search nor keep an external id.
const MAPPING: &str = r#"
bridge: 1
name: blind
config: { url: { type: url } }
api: { base_url: "{config.url}" }
resources:
  User:
    id: $.id
    attributes:
      userName: { path: $.login, required: true }
      title: $.title
      externalId: { sidecar: true }
    list: { get: /people, records: "$[*]" }
    get: { get: "/people/{id}" }
    create: { post: /people }
    update: { patch: "/people/{id}" }
    delete: { delete: "/people/{id}" }
"#;

fn person(index: usize) -> Value {
    json!({ "id": format!("u{index}"), "login": format!("Person{index}"), "title": "t" })
}

async fn blind(people: usize, attributes: &[&str]) -> (Tenant, Arc<Application>) {
    let application = Application::with((0..people).map(person).collect());
    let mut tenant = tenant(MAPPING, &application, Dialect::Lenient).await;
    let attributes = attributes.iter().map(|&it| it.to_owned()).collect();
    let written = Written {
        attributes: [("users".to_owned(), attributes)].into(),
        refresh: std::time::Duration::from_hours(1),
    };
    tenant.index = Arc::new(index(&tenant.mapping, MAPPING, Some(&written)).unwrap());
    (tenant, application)
}

async fn build(tenant: &Tenant) -> Swept {
    let user = tenant.mapping.resource("User").unwrap();
    sweep(tenant, user, "test", &|_| {}).await.unwrap()
}

/// The ids that a filter finds, and what it costs.
async fn find(
    tenant: &Tenant,
    application: &Application,
    filter: &str,
) -> (Vec<String>, Vec<String>) {
    application.calls();
    let answer = ask(tenant, &format!("GET /Users?filter={filter}"), None).await;
    let body = answer.body.map(Body::into_value).unwrap_or_default();
    assert_eq!(answer.status, 200, "{filter}: {body}");
    let ids = body["Resources"].as_array().cloned().unwrap_or_default();
    assert_eq!(body["totalResults"], ids.len(), "{filter}");
    let ids = ids.iter().filter_map(|it| it["id"].as_str().map(str::to_owned)).collect();
    (ids, application.calls())
}

const SCAN: [&str; 1] = ["GET /people"];

#[tokio::test]
async fn a_match_by_an_indexed_attribute_is_one_call() {
    let (tenant, application) = blind(200, &["userName"]).await;
    let by_name = r#"userName eq "PERSON7""#;
    assert_eq!(find(&tenant, &application, by_name).await.1, SCAN, "there is no index yet");
    let Swept::Done(done) = build(&tenant).await else { panic!("nobody else sweeps") };
    assert_eq!(done.records, 200);
    for (filter, ids, calls) in [
        (by_name, &["u7"] as &[&str], &["GET /people/u7"] as &[&str]),
        (r#"userName eq "nobody""#, &[], &[]),
        (r#"userName eq "person7" and title eq "x""#, &[], &["GET /people/u7"]),
        (r#"title eq "t" and (userName eq "person7")"#, &["u7"], &["GET /people/u7"]),
        (
            r#"userName eq "person7" or userName eq "person8" or userName eq "x""#,
            &["u7", "u8"],
            &["GET /people/u7", "GET /people/u8"],
        ),
        (r#"userName eq "person7" or title eq "x""#, &["u7"], &SCAN),
        (r#"not (userName eq "person7") and title eq "x""#, &[], &SCAN),
        (r#"userName sw "person19" and title eq "x""#, &[], &SCAN),
        (r#"userName ne "person7" and title eq "x""#, &[], &SCAN),
    ] {
        let (found, cost) = find(&tenant, &application, filter).await;
        assert_eq!((found.as_slice(), cost.as_slice()), (&*owned(ids), &*owned(calls)), "{filter}");
    }
    let counters = &tenant.index.counters;
    assert!(counters.hits() >= 4 && counters.misses() == 1 && counters.stale() == 0);
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[tokio::test]
async fn links_follow_our_own_writes() {
    let (tenant, application) = blind(20, &["userName"]).await;
    build(&tenant).await;
    let rename = json!({ "Operations": [{ "op": "replace", "path": "userName", "value": "Ada" }] });
    assert_eq!(ask(&tenant, "PATCH /Users/u7", Some(&rename)).await.status, 200);
    assert_eq!(find(&tenant, &application, r#"userName eq "ada""#).await.0, ["u7"]);
    let (found, calls) = find(&tenant, &application, r#"userName eq "person7""#).await;
    assert_eq!((found.len(), calls), (0, owned(&["GET /people/u7"])));
    assert_eq!(tenant.index.counters.stale(), 1);
    let (_, calls) = find(&tenant, &application, r#"userName eq "person7""#).await;
    assert_eq!(calls, [""; 0], "a link that led nowhere is followed once");

    let new = json!({ "userName": "Grace", "title": "t" });
    let made = ask(&tenant, "POST /Users", Some(&new)).await;
    assert_eq!(made.status, 201, "{:?}", made.body);
    let id = made.body.unwrap()["id"].as_str().unwrap().to_owned();
    let (found, calls) = find(&tenant, &application, r#"userName eq "grace""#).await;
    assert_eq!((found, calls), (vec![id.clone()], vec![format!("GET /people/{id}")]));

    let put = json!({ "userName": "Hopper", "title": "t" });
    assert_eq!(ask(&tenant, &format!("PUT /Users/{id}"), Some(&put)).await.status, 200);
    assert_eq!(find(&tenant, &application, r#"userName eq "hopper""#).await.0, [id]);
}

#[tokio::test]
async fn a_link_to_a_record_that_is_gone_goes() {
    let (tenant, application) = blind(20, &["userName"]).await;
    build(&tenant).await;
    let fewer = Application::with((8..20).map(person).collect());
    let tenant = Tenant { upstream: Arc::clone(&fewer) as _, ..tenant };
    drop(application);
    assert_eq!(find(&tenant, &fewer, r#"userName eq "person7""#).await.1, ["GET /people/u7"]);
    assert_eq!(find(&tenant, &fewer, r#"userName eq "person7""#).await.1, [""; 0]);
    assert_eq!(tenant.index.counters.stale(), 1);
}

#[tokio::test]
async fn an_index_that_is_too_old_or_of_another_mapping_is_not_asked() {
    let (tenant, application) = blind(20, &["userName"]).await;
    build(&tenant).await;
    let user = tenant.mapping.resource("User").unwrap();
    assert_eq!(freshness(&tenant, user).await.unwrap().0, Freshness::Fresh);
    let later = |minutes: i64| {
        Arc::new(FixedClock(Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)))
    };
    let mapping = Arc::clone(&tenant.mapping);
    let user = mapping.resource("User").unwrap();
    for (minutes, expected) in
        [(44, Freshness::Fresh), (50, Freshness::Due), (61, Freshness::Stale)]
    {
        let (clock, links) = (later(minutes), Arc::clone(&tenant.links));
        let (mut later, calls) = blind(20, &["userName"]).await;
        (later.clock, later.links) = (clock, links);
        assert_eq!(freshness(&later, user).await.unwrap().0, expected, "{minutes}");
        let cost = find(&later, &calls, r#"userName eq "person7""#).await.1;
        assert_eq!(cost == SCAN, expected == Freshness::Stale, "{minutes}: {cost:?}");
    }
    let (mut other, calls) = blind(20, &["userName", "title"]).await;
    other.links = Arc::clone(&tenant.links);
    assert_eq!(freshness(&other, user).await.unwrap().0, Freshness::Stale);
    assert_eq!(find(&other, &calls, r#"userName eq "person7""#).await.1, SCAN);
    drop(application);
}

#[tokio::test]
async fn somebody_who_was_being_made_is_looked_for_in_the_list() {
    let (tenant, application) = blind(20, &["userName"]).await;
    build(&tenant).await;
    // The process ended behind the call that made the record.
    let unborn = [link("username", "person3", "")];
    let place = tenant.partition();
    tenant.links.link(&place, "User", &unborn, Timestamp::UNIX_EPOCH).await.unwrap();
    assert_eq!(find(&tenant, &application, r#"userName eq "person3""#).await.1, SCAN);
    assert_eq!(find(&tenant, &application, r#"userName eq "person4""#).await.1, ["GET /people/u4"]);
    // Whoever has been found is known from then on.
    assert_eq!(find(&tenant, &application, r#"userName eq "person3""#).await.1, ["GET /people/u3"]);
}

/// An application that answers creations as it is told, and makes what it is asked for.
struct Moody {
    application: Arc<Application>,
    /// What happens to the next creations: a status, or no answer at all.
    moods: Mutex<VecDeque<Option<u16>>>,
}

#[async_trait]
impl Upstream for Moody {
    async fn call(&self, request: NativeRequest) -> Result<NativeResponse, UpstreamError> {
        if request.method != NativeMethod::Post {
            return self.application.call(request).await;
        }
        let mood = self.moods.lock().unwrap().pop_front().unwrap();
        match mood {
            Some(status) => {
                let body = Payload::Json(json!({})).into();
                Ok(NativeResponse { status, headers: Vec::new(), body })
            }
            None => {
                self.application.call(request).await?;
                Err(UpstreamError::Interrupted(None))
            }
        }
    }

    fn follow(&self, asked: &str, link: &str) -> Result<NativeLink, UpstreamError> {
        self.application.follow(asked, link)
    }
}

async fn moody(moods: &[Option<u16>]) -> (Tenant, Arc<Application>) {
    let (tenant, application) = blind(20, &["userName"]).await;
    build(&tenant).await;
    let moods = Mutex::new(moods.iter().copied().collect());
    let upstream = Moody { application: Arc::clone(&application), moods };
    (Tenant { upstream: Arc::new(upstream), ..tenant }, application)
}

#[tokio::test]
async fn who_was_certainly_not_made_is_not_looked_for() {
    let (tenant, application) = moody(&[Some(401), Some(403), Some(409), Some(429)]).await;
    for status in [502, 502, 409, 429] {
        let new = json!({ "userName": "Grace", "title": "t" });
        assert_eq!(ask(&tenant, "POST /Users", Some(&new)).await.status, status);
        let (found, calls) = find(&tenant, &application, r#"userName eq "grace""#).await;
        assert_eq!((found.len(), calls), (0, Vec::new()), "{status}");
    }
}

#[tokio::test]
async fn who_was_made_without_an_answer_is_found_although_the_repetition_is_refused() {
    let (tenant, application) = moody(&[None, Some(409)]).await;
    let new = json!({ "userName": "Grace", "title": "t" });
    assert_eq!(ask(&tenant, "POST /Users", Some(&new)).await.status, 502);
    assert_eq!(ask(&tenant, "POST /Users", Some(&new)).await.status, 409);
    let (found, calls) = find(&tenant, &application, r#"userName eq "grace""#).await;
    assert_eq!((found, calls), (owned(&["u21"]), owned(&SCAN)));
    let (found, calls) = find(&tenant, &application, r#"userName eq "grace""#).await;
    assert_eq!((found, calls), (owned(&["u21"]), owned(&["GET /people/u21"])));
}

#[tokio::test]
async fn a_doubt_about_a_list_that_is_too_long_waits_for_a_sweep() {
    let (tenant, _application) = blind(2_100, &["userName"]).await;
    build(&tenant).await;
    let place = tenant.partition();
    let unborn = [link("username", "grace", "")];
    tenant.links.link(&place, "User", &unborn, at(-600)).await.unwrap();
    assert!(!tenant.index.counters.take_doubt("User"));
    let answer = ask(&tenant, r#"GET /Users?filter=userName eq "grace""#, None).await;
    assert_eq!(answer.status, 503, "a client that is told 400 would never ask again");
    let counters = &tenant.index.counters;
    assert!(!counters.take_doubt("Group") && counters.take_doubt("User"));
    build(&tenant).await;
    let answer = ask(&tenant, r#"GET /Users?filter=userName eq "grace""#, None).await;
    assert_eq!((answer.status, &answer.body.unwrap()["totalResults"]), (200, &json!(0)));
}

#[tokio::test]
async fn what_the_side_car_keeps_is_found_without_a_scan() {
    let (tenant, application) = blind(200, &[]).await;
    let place = tenant.partition();
    // From before there was an index.
    let attributes = json!({ "externalId": "E-3" }).as_object().unwrap().clone();
    let entry = Entry { id: "u3".to_owned(), key: "u3".to_owned(), attributes, ..Entry::default() };
    tenant.sidecar.save(&place, "User", &entry).await.unwrap();
    let new = json!({ "userName": "Grace", "externalId": "E-9", "title": "t" });
    let made = ask(&tenant, "POST /Users", Some(&new)).await;
    assert_eq!(made.status, 201, "{:?}", made.body);
    let id = made.body.unwrap()["id"].as_str().unwrap().to_owned();
    let change = |value: &str| json!({ "Operations": [{ "op": "replace", "path": "externalId", "value": value }] });
    assert_eq!(ask(&tenant, "PATCH /Users/u5", Some(&change("E-5"))).await.status, 200);
    assert_eq!(ask(&tenant, "PATCH /Users/u6", Some(&change("E-6"))).await.status, 200);
    assert_eq!(ask(&tenant, "PATCH /Users/u6", Some(&change("E-7"))).await.status, 200);
    for (value, ids) in [
        ("E-3", vec!["u3"]),
        ("E-9", vec![id.as_str()]),
        ("E-5", vec!["u5"]),
        ("E-6", vec![]),
        ("E-7", vec!["u6"]),
        ("E-1", vec![]),
    ] {
        for filter in [
            format!(r#"externalId eq "{value}""#),
            format!(r#"title eq "t" and externalId eq "{value}""#),
        ] {
            let (found, calls) = find(&tenant, &application, &filter).await;
            assert_eq!(found, ids, "{filter}");
            assert!(calls.len() <= 1 && calls != SCAN, "{filter}: {calls:?}");
        }
    }
    let both = r#"externalId eq "E-5" or externalId eq "E-7""#;
    assert_eq!(find(&tenant, &application, both).await.0, ["u5", "u6"]);
    assert_eq!(
        ask(&tenant, "GET /Users?sortBy=externalId&filter=externalId pr", None).await.status,
        200
    );
    let sorted = find(&tenant, &application, "externalId pr&sortBy=externalId").await.0;
    assert_eq!(sorted, ["u3", "u5", "u6", id.as_str()]);
}

#[tokio::test]
async fn filters_that_the_side_car_answers_are_known() {
    let (tenant, _) = blind(0, &[]).await;
    let user = tenant.mapping.resource("User").unwrap();
    for (filter, expected) in [
        (r#"externalId eq "x""#, true),
        (r#"title eq "t" and externalId eq "x""#, true),
        (r#"externalId eq "x" or title eq "t""#, false),
        (r#"externalId sw "x""#, false),
        (r#"not (externalId eq "x")"#, false),
        (r#"userName eq "x""#, false),
    ] {
        let parsed = Filter::parse(filter, Dialect::Lenient).unwrap();
        assert_eq!(is_kept(user, &parsed), expected, "{filter}");
    }
}

#[tokio::test]
async fn what_cannot_be_indexed_is_said() {
    let (tenant, _) = blind(0, &[]).await;
    let refused = |name: &str, path: &str| {
        let attributes = [(name.to_owned(), vec![path.to_owned()])].into();
        let refresh = std::time::Duration::from_hours(1);
        index(&tenant.mapping, MAPPING, Some(&Written { attributes, refresh })).unwrap_err()
    };
    assert_eq!(refused("people", "userName"), "people: the mapping has no such resource type");
    assert_eq!(refused("users", "active"), "users: \"active\" is no attribute that holds text");
}
