//! What exchanges leave in the audit trail, in front of a simulated application: events of
//! writes and reads, what is left out of them, and what happens when nothing can be written down.
#![cfg(test)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use scimbridge::audit::changes::Keep;
use scimbridge::audit::desk::Options;
use scimbridge::audit::event::{Event, Operation, Outcome};
use scimbridge::audit::journal::Journal;
use scimbridge::audit::keeper::Keeper;
use scimbridge::audit::memory::MemoryAudit;
use scimbridge::audit::port::{AuditStore, Begun, Ended, Instance, Recorded, Search};
use scimbridge::exchange::precautions::{Guard, GuardCounters, Protected};
use scimbridge::exchange::tenant::Tenant;
use scimbridge::guard::memory::MemoryGuards;
use scimbridge::guard::port::GuardStore;
use scimbridge::guard::rule::{Kind, Rule};
use scimbridge::scim::value::Dialect;
use scimbridge::sidecar::port::StoreError;
use serde_json::{Value, json};

use crate::simulated::{Application, ask, tenant};

const MAPPING: &str = r#"
bridge: 1
name: people
config:
  url: { type: url, default: "http://127.0.0.1:1" }
api: { base_url: "{config.url}" }
resources:
  User:
    id: $.id
    attributes:
      userName: $.login
      active: { path: $.live, default: true }
      password: $.secret
      name.familyName: $.surname
    list: { get: /people }
    get: { get: "/people/{id}" }
    create: { post: /people }
    update: { patch: "/people/{id}" }
    delete: { delete: "/people/{id}" }
    filters:
      userName eq: login
"#;

/// A store that can be taken away.
#[derive(Default)]
struct Shaky {
    store: MemoryAudit,
    is_gone: AtomicBool,
}

impl Shaky {
    fn check(&self) -> Result<(), StoreError> {
        if self.is_gone.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("gone".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl AuditStore for Shaky {
    async fn record(
        &self,
        instance: &str,
        begun: &[Begun],
        ended: &[Ended],
    ) -> Result<(), StoreError> {
        self.check()?;
        self.store.record(instance, begun, ended).await
    }

    async fn search(&self, search: &Search) -> Result<Vec<Recorded>, StoreError> {
        self.store.search(search).await
    }

    async fn prune(&self, before: Timestamp, most: usize) -> Result<usize, StoreError> {
        self.store.prune(before, most).await
    }

    async fn beat(&self, instance: &Instance) -> Result<Vec<Instance>, StoreError> {
        self.check()?;
        self.store.beat(instance).await
    }

    async fn recover(&self, instance: &str) -> Result<usize, StoreError> {
        self.check()?;
        self.store.recover(instance).await
    }
}

struct World {
    application: Arc<Application>,
    tenant: Tenant,
    store: Arc<Shaky>,
    keeper: Keeper,
}

impl World {
    async fn new(keep: Keep) -> Self {
        let people = ["ada", "admin", "eva", "joe"].iter().enumerate();
        let people = people.map(|(at, login)| {
            json!({ "id": format!("u{}", at + 1), "login": login, "surname": "Byron", "live": true })
        });
        let application = Application::with(people.collect());
        let mut tenant = tenant(MAPPING, &application, Dialect::Lenient).await;
        let store = Arc::new(Shaky::default());
        let options = Options { reads: true, keep, life: SignedDuration::from_hours(24) };
        let instance = Instance { id: "one".to_owned(), beats: 0, process: String::new() };
        let shared = Arc::clone(&store) as Arc<dyn AuditStore>;
        let clock = Arc::clone(&tenant.clock);
        let journal = Journal::new(shared, clock, options, instance, |_| None);
        let keeper = journal.keep().await.unwrap();
        tenant.precautions.journal = journal;
        Self { application, tenant, store, keeper }
    }

    /// Every event there is, in the order in which they ended.
    async fn events(self) -> Vec<Event> {
        self.keeper.close(Duration::from_mins(1)).await;
        let found = self.store.search(&Search::default()).await.unwrap();
        found.into_iter().map(|recorded| recorded.event).collect()
    }

    fn guarded(&mut self, rule: Rule) -> Arc<MemoryGuards> {
        let store = Arc::new(MemoryGuards::default());
        self.tenant.precautions.guard = Some(Guard {
            rule,
            store: Arc::clone(&store) as _,
            counters: GuardCounters::default(),
        });
        store
    }
}

fn patch(path: &str, value: &Value) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{ "op": "replace", "path": path, "value": value }],
    })
}

fn user(name: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": name,
        "password": "hunter2",
        "name": { "familyName": "Lovelace" },
    })
}

fn calls(event: &Event) -> Vec<String> {
    let native = event.details.native.iter();
    native.map(|call| format!("{} {} {:?}", call.method, call.path, call.status)).collect()
}

fn changed(event: &Event) -> Vec<&str> {
    event.details.changed.iter().map(|changed| changed.path.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn every_operation_has_an_event_without_values() {
    let world = World::new(Keep::Paths).await;
    ask(&world.tenant, "POST /Users", Some(&user("lin"))).await;
    ask(&world.tenant, r#"GET /Users?filter=userName eq "ada""#, None).await;
    ask(&world.tenant, "PATCH /Users/u1", Some(&patch("name.familyName", &json!("King")))).await;
    ask(&world.tenant, "PATCH /Users/u99", Some(&patch("active", &json!(false)))).await;
    ask(&world.tenant, "GET /Users/u1", None).await;
    let mut events = world.events().await;
    // Reads are in no hurry, writes are.
    events.sort_by_key(|event| !event.operation.is_write());
    let told: Vec<_> = events
        .iter()
        .map(|event| {
            (event.operation, event.resource.as_str(), event.resource_id.as_str(), event.outcome)
        })
        .collect();
    let answered = Outcome::Answered;
    let expected = [
        (Operation::Create, "User", "u5", answered(201)),
        (Operation::Patch, "User", "u1", answered(200)),
        (Operation::Patch, "User", "u99", answered(404)),
        (Operation::Query, "User", "", answered(200)),
        (Operation::Get, "User", "u1", answered(200)),
    ];
    assert_eq!(told, expected);
    let [create, change, missing, query, _] = events.as_slice() else { panic!("five events") };
    assert_eq!(calls(create), ["POST /people Some(200)"]);
    assert_eq!(changed(create), ["userName", "password", "name.familyName", "active"]);
    assert_eq!(changed(change), ["name.familyName"]);
    assert_eq!(missing.details.failure.as_deref(), Some("not-found"));
    assert_eq!(calls(query), ["GET /people?login=* Some(200)"]);
    let all = serde_json::to_string(&events.iter().map(|it| it.to_json(1)).collect::<Vec<_>>());
    let all = all.unwrap();
    for secret in ["ada", "lin\"", "King", "Lovelace", "hunter2"] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}

#[tokio::test(start_paused = true)]
async fn values_are_kept_on_demand_but_never_passwords() {
    let world = World::new(Keep::Values).await;
    ask(&world.tenant, "POST /Users", Some(&user("lin"))).await;
    ask(&world.tenant, "PATCH /Users/u1", Some(&patch("name.familyName", &json!("King")))).await;
    let events = world.events().await;
    let of = |event: usize, path: &str| {
        let changed = &events[event].details.changed;
        let found = changed.iter().find(|changed| changed.path == path).unwrap().clone();
        (found.before, found.after)
    };
    assert_eq!(of(0, "userName"), (None, Some(json!("lin"))));
    assert_eq!(of(0, "password"), (None, None));
    assert_eq!(of(1, "name.familyName"), (Some(json!("Byron")), Some(json!("King"))));
    let all = events.iter().map(|event| event.to_json(1).to_string()).collect::<String>();
    assert!(!all.contains("hunter2"), "{all}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_that_cannot_be_written_down() {
    let world = World::new(Keep::Paths).await;
    world.store.is_gone.store(true, Ordering::SeqCst);
    let before = world.application.records();
    let created = ask(&world.tenant, "POST /Users", Some(&user("lin"))).await;
    let rename = patch("name.familyName", &json!("King"));
    let patched = ask(&world.tenant, "PATCH /Users/u1", Some(&rename)).await;
    let deleted = ask(&world.tenant, "DELETE /Users/u1", None).await;
    for answer in [created, patched, deleted] {
        assert_eq!(answer.status, 503);
        assert!(answer.headers.iter().any(|(name, _)| *name == "Retry-After"));
    }
    assert_eq!(world.application.records(), before);
    // Reads go on.
    assert_eq!(ask(&world.tenant, "GET /Users/u1", None).await.status, 200);
    world.store.is_gone.store(false, Ordering::SeqCst);
    assert_eq!(ask(&world.tenant, "PATCH /Users/u1", Some(&rename)).await.status, 200);
    let events = world.events().await;
    let failures: Vec<_> = events.iter().map(|event| event.details.failure.as_deref()).collect();
    assert_eq!(failures, [Some("audit"), Some("audit"), Some("audit"), None, None]);
}

#[tokio::test(start_paused = true)]
async fn operations_of_a_bulk_request_have_events_of_their_own() {
    let world = World::new(Keep::Paths).await;
    let bulk = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "failOnErrors": 5,
        "Operations": [
            { "method": "POST", "path": "/Users", "bulkId": "q", "data": user("lin") },
            { "method": "PATCH", "path": "/Users/u1", "data": patch("active", &json!(false)) },
            { "method": "DELETE", "path": "/Users/u99" },
        ],
    });
    assert_eq!(ask(&world.tenant, "POST /Bulk", Some(&bulk)).await.status, 200);
    let events = world.events().await;
    let told: Vec<_> =
        events.iter().map(|event| (event.operation, event.resource_id.as_str())).collect();
    let expected = [
        (Operation::Create, "u5"),
        (Operation::Patch, "u1"),
        (Operation::Delete, "u99"),
        (Operation::Bulk, ""),
    ];
    assert_eq!(told, expected);
    let of_all = &events[3].request_id;
    assert!(events[..3].iter().all(|event| event.request_id.starts_with(&format!("{of_all}-"))));
}

#[tokio::test(start_paused = true)]
async fn a_guard_holds_back_until_it_is_released() {
    let mut world = World::new(Keep::Paths).await;
    let rule = Rule { deactivations: Some("1/1h".parse().unwrap()), deletions: None };
    let guards = world.guarded(rule);
    let off = patch("active", &json!(false));
    assert_eq!(ask(&world.tenant, "PATCH /Users/u1", Some(&off)).await.status, 200);
    // Whoever is inactive already does not count, nor does anything else.
    assert_eq!(ask(&world.tenant, "PATCH /Users/u1", Some(&off)).await.status, 200);
    let rename = patch("name.familyName", &json!("King"));
    assert_eq!(ask(&world.tenant, "PATCH /Users/u3", Some(&rename)).await.status, 200);
    world.application.calls();
    let refused = ask(&world.tenant, "PATCH /Users/u3", Some(&off)).await;
    assert_eq!(refused.status, 429);
    assert!(refused.headers.contains(&("Retry-After", "900".to_owned())));
    let detail = refused.body.unwrap()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("1/1h deactivations") && detail.contains("guard release"), "{detail}");
    assert!(world.application.calls().iter().all(|call| call.starts_with("GET ")));
    let bulk = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [{ "method": "PUT", "path": "/Users/u3", "data": {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": "eva", "active": false,
        } }],
    });
    let answer = ask(&world.tenant, "POST /Bulk", Some(&bulk)).await.body.unwrap();
    assert_eq!(answer["Operations"][0]["status"], "429");
    assert_eq!(guards.tripped().await.unwrap().len(), 1);
    assert!(guards.release(&world.tenant.name, Kind::Deactivation).await.unwrap());
    assert_eq!(ask(&world.tenant, "PATCH /Users/u3", Some(&off)).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn protected_people_are_read_and_nothing_else() {
    let mut world = World::new(Keep::Paths).await;
    let written = [("users".to_owned(), vec![r#"userName eq "admin""#.to_owned()])];
    let written = written.into_iter().collect();
    let protected = Protected::new(&world.tenant.mapping, Dialect::Lenient, &written);
    world.tenant.precautions.protected = protected.unwrap();
    let before = world.application.records();
    let rename = patch("name.familyName", &json!("King"));
    let whole = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "mallory",
    });
    let requests = [
        ("PATCH /Users/u2", Some(&rename)),
        ("PUT /Users/u2", Some(&whole)),
        ("DELETE /Users/u2", None),
    ];
    for (line, body) in requests {
        let answer = ask(&world.tenant, line, body).await;
        assert_eq!(answer.status, 403, "{line}: {answer:?}");
    }
    assert_eq!(world.application.records(), before);
    assert_eq!(ask(&world.tenant, "GET /Users/u2", None).await.status, 200);
    assert_eq!(ask(&world.tenant, "PATCH /Users/u1", Some(&rename)).await.status, 200);
}

#[tokio::test]
async fn filters_for_protected_resources_are_judged_at_the_start() {
    let application = Application::with(Vec::new());
    let tenant = tenant(MAPPING, &application, Dialect::Lenient).await;
    let written = [
        ("users", vec!["userName eq", r#"userName eq "x""#, "active gt true"]),
        ("robots", vec!["id pr"]),
    ];
    let written = written
        .map(|(name, filters)| (name.to_owned(), filters.into_iter().map(str::to_owned).collect()));
    let faults = Protected::new(&tenant.mapping, Dialect::Lenient, &written.into_iter().collect());
    let faults = faults.err().unwrap();
    assert_eq!(faults.len(), 3, "{faults:?}");
    assert_eq!(faults[0], "robots: the mapping has only users");
    assert!(
        faults[1].starts_with("users[0]: ") && faults[2].starts_with("users[2]: "),
        "{faults:?}"
    );
}
