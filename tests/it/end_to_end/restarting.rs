//! A sync in whose middle the application is restarted, twice: an identity provider that does what
//! identity providers do (look up, create, try again after 429 and 5xx) ends with everything there
//! once, and has never been told that somebody who is there is not.
//!
//! `SCIMBRIDGE_SYNC=full` makes it 2 000 users and 200 groups.
#![cfg(test)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use scimbridge::config::load::environment;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use crate::end_to_end::bridge::{Bridge, NATIVE_KEY, filter};
use crate::http::{Answer, send};

const MAPPING: &str = include_str!("../../../mappings/legacy-app.yaml");

/// Users and groups synchronised at a time.
const AT_ONCE: usize = 8;

/// No operation needs more attempts than this.
const MOST_ATTEMPTS: usize = 2000;

struct Size {
    users: usize,
    groups: usize,
    members: usize,
    away: Duration,
}

fn size() -> Size {
    let is_full = environment("SCIMBRIDGE_SYNC").is_some_and(|size| size == "full");
    if is_full {
        Size { users: 2000, groups: 200, members: 10, away: Duration::from_secs(5) }
    } else {
        Size { users: 60, groups: 6, members: 5, away: Duration::from_millis(300) }
    }
}

/// What the identity provider has seen.
#[derive(Default)]
struct Seen {
    done: AtomicUsize,
    refusals: [AtomicUsize; 4],
    wrong: std::sync::Mutex<Vec<String>>,
}

const REFUSALS: [u16; 4] = [429, 502, 503, 504];

impl Seen {
    fn is_refusal(&self, answer: &Answer) -> bool {
        let kind = REFUSALS.iter().position(|status| *status == answer.status);
        let Some(count) = kind.and_then(|kind| self.refusals.get(kind)) else { return false };
        count.fetch_add(1, Ordering::Relaxed);
        let after = answer.header("retry-after").map(str::parse::<u64>);
        if matches!(after, Some(Err(_))) || (after.is_none() && answer.status != 502) {
            self.wrong(format!("a refusal that does not say when: {answer:?}"));
        }
        true
    }

    fn wrong(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }
}

/// An identity provider and its one bridge.
struct Provider<'b> {
    bridge: &'b Bridge,
    seen: &'b Seen,
}

impl Provider<'_> {
    /// Asks until there is an answer that is none of "try again".
    async fn ask(&self, method: &str, target: &str, body: Option<&Value>) -> Answer {
        for _ in 0..MOST_ATTEMPTS {
            let answer = self.bridge.call(method, target, body).await;
            if !self.seen.is_refusal(&answer) {
                return answer;
            }
            // Identity providers wait for as long as they are told; a test has less time.
            sleep(Duration::from_millis(20)).await;
        }
        panic!("{method} {target}: never");
    }

    async fn id(&self, kind: &str, attribute: &str, value: &str) -> Option<String> {
        let asked = filter(&format!("{attribute} eq {}", json!(value)));
        let target = format!("/{kind}?{asked}&excludedAttributes=members,groups");
        let answer = self.ask("GET", &target, None).await;
        if answer.status != 200 {
            self.seen.wrong(format!("GET {target}: {answer:?}"));
            return None;
        }
        answer.json()["Resources"][0]["id"].as_str().map(str::to_owned)
    }

    /// Makes sure that a resource is there. What it shall be is written again when it is there
    /// already: nobody knows how far an earlier attempt came.
    async fn provision(&self, kind: &str, attribute: &str, wanted: &Value) -> String {
        let name = wanted[attribute].as_str().unwrap();
        loop {
            if let Some(id) = self.id(kind, attribute, name).await {
                let operations = json!({ "Operations": [{ "op": "add", "value": wanted }] });
                let answer = self.ask("PATCH", &format!("/{kind}/{id}"), Some(&operations)).await;
                if !matches!(answer.status, 200 | 204) {
                    self.seen.wrong(format!("PATCH {kind} {name}: {answer:?}"));
                }
                return id;
            }
            // Not repeated blindly: nobody knows whether it has been carried out.
            let answer = self.bridge.call("POST", &format!("/{kind}"), Some(wanted)).await;
            match answer.status {
                201 => return answer.json()["id"].as_str().unwrap().to_owned(),
                // An attempt before this one had been carried out.
                409 => {}
                _ if self.seen.is_refusal(&answer) => sleep(Duration::from_millis(20)).await,
                _ => self.seen.wrong(format!("POST {kind} {name}: {answer:?}")),
            }
        }
    }

    async fn check_there(&self, kind: &str, id: &str) {
        let answer =
            self.ask("GET", &format!("/{kind}/{id}?excludedAttributes=members"), None).await;
        if answer.status != 200 {
            self.seen.wrong(format!("GET {kind}/{id}: {answer:?}"));
        }
    }
}

async fn start(address: SocketAddr, folder: &Path) -> legacy_app::Running {
    let deadline = Instant::now() + Duration::from_secs(30);
    let listener = loop {
        match TcpListener::bind(address).await {
            Ok(listener) => break listener,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        sleep(Duration::from_millis(10)).await;
    };
    let database = folder.join("people.db").display().to_string();
    let options = legacy_app::Options { database, api_key: NATIVE_KEY.to_owned() };
    legacy_app::start(listener, options).await.unwrap()
}

/// Everything of a native list, page by page.
async fn native(address: SocketAddr, path: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for page in 1.. {
        let target = format!("{path}?per_page=100&page={page}");
        let answer = send(address, "GET", &target, &[("X-Api-Key", NATIVE_KEY)], b"").await;
        let mut records = answer.json();
        let records = records.as_array_mut().unwrap();
        if records.is_empty() {
            break;
        }
        all.append(records);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_that_restarts_in_the_middle_of_a_sync() {
    let size = size();
    let folder = tempfile::tempdir().unwrap();
    let mut application = start(SocketAddr::from(([127, 0, 0, 1], 0)), folder.path()).await;
    let address = application.address();
    let breaker = "  breaker: { failures: 5, pause: 50ms..200ms }\n  retry: { attempts: 2, backoff: 5ms..10ms }\n\nerrors:";
    let mapping = MAPPING.replacen("\nerrors:", breaker, 1);
    let bridge = Bridge::start(&mapping, &format!("http://{address}")).await;
    let seen = Seen::default();
    let begun = Instant::now();
    let provider = Provider { bridge: &bridge, seen: &seen };
    let sync = async {
        let users = stream::iter(0..size.users).map(|number| {
            let (provider, seen) = (&provider, &seen);
            async move {
                let name = format!("user-{number}");
                let wanted = json!({ "userName": name, "displayName": format!("User {number}") });
                let id = provider.provision("Users", "userName", &wanted).await;
                provider.check_there("Users", &id).await;
                seen.done.fetch_add(1, Ordering::Relaxed);
                id
            }
        });
        let ids: Vec<String> = users.buffered(AT_ONCE).collect().await;
        let groups = stream::iter(0..size.groups).map(|number| {
            let (provider, seen, ids) = (&provider, &seen, &ids);
            async move {
                let members = ids.iter().cycle().skip(number * size.members).take(size.members);
                let members: Vec<Value> = members.map(|id| json!({ "value": id })).collect();
                let name = format!("group-{number}");
                let wanted = json!({ "displayName": name, "members": members });
                let id = provider.provision("Groups", "displayName", &wanted).await;
                provider.check_there("Groups", &id).await;
                seen.done.fetch_add(1, Ordering::Relaxed);
            }
        });
        groups.buffered(AT_ONCE).collect::<Vec<()>>().await;
    };
    let restarts = async {
        for done in [size.users / 3, size.users + size.groups / 3] {
            while seen.done.load(Ordering::Relaxed) < done {
                sleep(Duration::from_millis(2)).await;
            }
            application.stop().await;
            sleep(size.away).await;
            application = start(address, folder.path()).await;
        }
        application
    };
    let ((), application) = tokio::join!(sync, restarts);
    let taken = begun.elapsed();

    assert_eq!(*seen.wrong.lock().unwrap(), Vec::<String>::new());
    let refusals = seen.refusals.each_ref().map(|count| count.load(Ordering::Relaxed));
    println!(
        "{} users and {} groups in {taken:?}; answers with {REFUSALS:?}: {refusals:?}",
        size.users, size.groups
    );
    assert!(refusals[1] + refusals[2] > 0, "the application was never seen to be away");
    assert!(refusals[2] > 0, "the breaker never opened");

    let mut people: BTreeMap<String, usize> = BTreeMap::new();
    for person in native(address, "/api/people").await {
        *people.entry(person["login"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let expected: BTreeMap<String, usize> =
        (0..size.users).map(|number| (format!("user-{number}"), 1)).collect();
    assert_eq!(people, expected);
    let teams = native(address, "/api/teams").await;
    assert_eq!(teams.len(), size.groups);
    for team in teams {
        let path = format!("/api/teams/{}/members", team["id"]);
        assert_eq!(native(address, &path).await.len(), size.members, "{team}");
    }
    bridge.stop().await;
    application.stop().await;
}
