//! What must hold after every start.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use scimbridge::audit::event::Outcome;
use scimbridge::audit::port::{AuditStore as _, Search};
use scimbridge::sidecar::entry::{Entry, EntryState, Partition};
use scimbridge::sidecar::port::Sidecar as _;
use scimbridge::store::open::Store;
use serde_json::json;
use tokio::time::sleep;

use crate::Random;
use crate::client::Client;
use crate::processes::World;
use crate::sync::{Sync, list, nick};

/// Tombstones that are also looked at through the bridge after each start.
const SAMPLE: usize = 10;

/// How long it may take until a silent bridge is taken for one that has ended.
const PATIENCE: Duration = Duration::from_secs(100);

/// Entries read at a time.
const PAGE: u32 = 1000;

/// What has been looked at.
#[derive(Default)]
pub(crate) struct Checks {
    /// Native writes in the application's log.
    pub(crate) writes: usize,
    /// Events in the audit trail.
    pub(crate) events: usize,
    /// Events that were completed after a crash.
    pub(crate) interrupted: usize,
    pub(crate) tokens: usize,
    pub(crate) ids: usize,
    pub(crate) tombstones: usize,
    /// Requests that have an event.
    requests: BTreeSet<String>,
    last: Option<i64>,
    /// Native writes whose requests have begun in the trail, and are not completed yet.
    unconfirmed: Vec<String>,
}

impl Checks {
    /// The bridge has been started: nothing of before is lost.
    pub(crate) async fn after_start(&mut self, world: &World, sync: &Sync, random: &mut Random) {
        let store = Store::open(&world.store).await.expect("the store");
        self.writes_have_events(world, &store).await;
        for token in &world.tokens {
            let client = world.client_with(token);
            let answer = client.ask("GET", "/scim/v2/ServiceProviderConfig", None).await;
            assert_eq!(answer.expect("an answer").status, 200, "a token is lost");
            self.tokens += 1;
        }
        if !world.tokens.is_empty() {
            self.everybody_is_known(sync, &entries(&store).await);
            self.everybody_is_shown(sync, &world.client(random), random).await;
        }
        store.close().await;
    }

    /// Every id that was told, and every tombstone, stands in the side-car as it was.
    fn everybody_is_known(&mut self, sync: &Sync, entries: &BTreeMap<String, Entry>) {
        for (user, id) in &sync.ids {
            let entry = entries.get(id).unwrap_or_else(|| panic!("the id of user {user} is lost"));
            self.ids += 1;
            // The deletion that was under way may have happened.
            if sync.unsettled.contains(user) {
                continue;
            }
            assert_eq!(entry.state, EntryState::Live, "user {user}");
            assert_eq!(entry.attributes.get("nickName"), Some(&json!(nick(*user))), "{user}");
        }
        for (user, id) in &sync.gone {
            let state = entries.get(id).map(|entry| &entry.state);
            assert_eq!(state, Some(&EntryState::Deleted), "the tombstone of user {user} is lost");
            self.tombstones += 1;
        }
    }

    /// Clients find everybody under the id they were told, and nobody who is deleted.
    async fn everybody_is_shown(&self, sync: &Sync, client: &Client, random: &mut Random) {
        let users = list(client, "Users").await;
        let shown: BTreeMap<_, _> = users.iter().map(|it| (it["id"].as_str(), it)).collect();
        assert_eq!(shown.len(), users.len(), "an id is there twice");
        let settled = sync.ids.iter().filter(|(user, _)| !sync.unsettled.contains(user));
        for (user, id) in settled {
            let found = shown.get(&Some(id.as_str())).map(|it| &it["userName"]);
            assert_eq!(found, Some(&json!(Sync::name(*user))), "the id {id} is lost");
        }
        let gone: Vec<_> = sync.gone.iter().collect();
        for (user, id) in &gone {
            assert!(!shown.contains_key(&Some(id.as_str())), "user {user} is back");
        }
        for _ in 0..SAMPLE.min(gone.len()) {
            let (user, id) = gone[usize::try_from(random.below(gone.len() as u64)).expect("small")];
            let answer = client.ask("GET", &format!("/scim/v2/Users/{id}"), None).await;
            assert_eq!(answer.expect("an answer").status, 404, "user {user} is back");
        }
    }

    /// On SQLite, what was interrupted is completed before the bridge answers. Of a bridge on a
    /// PostgreSQL only its silence tells that it has ended: what it has begun stands in the store,
    /// and is completed later.
    async fn writes_have_events(&mut self, world: &World, store: &Store) {
        // In this order: what has begun may be completed between two of these lines.
        let writes = world.native_writes();
        let begun = world.begun().await;
        self.read_events(store).await;
        self.unconfirmed.extend(writes.iter().skip(self.writes).cloned());
        self.unconfirmed.retain(|write| !self.requests.contains(request(write)));
        for write in &self.unconfirmed {
            assert!(begun.contains(request(write)), "{write} has no event");
        }
        self.writes = writes.len();
    }

    /// In the end every native write has its event.
    pub(crate) async fn after_all(&mut self, world: &World, sync: &Sync, random: &mut Random) {
        let begun = Instant::now();
        self.after_start(world, sync, random).await;
        while !self.unconfirmed.is_empty() {
            assert!(begun.elapsed() < PATIENCE, "without an event: {:?}", self.unconfirmed);
            sleep(Duration::from_secs(1)).await;
            self.after_start(world, sync, random).await;
        }
    }

    async fn read_events(&mut self, store: &Store) {
        loop {
            let search = Search { beyond: self.last, ..Search::default() };
            let page = store.search(&search).await.expect("events");
            let Some(last) = page.last() else { break };
            self.last = Some(last.number);
            for recorded in page {
                self.events += 1;
                self.interrupted += usize::from(recorded.event.outcome == Outcome::Interrupted);
                self.requests.insert(recorded.event.request_id);
            }
        }
    }
}

/// The request that a line of the application's log belongs to.
fn request(write: &str) -> &str {
    write.rsplit(' ').next().expect("an id")
}

/// What the side-car knows of users, by id.
async fn entries(store: &Store) -> BTreeMap<String, Entry> {
    let partition = Partition { tenant: "main".to_owned(), mapping: "legacy-app".to_owned() };
    let mut all = BTreeMap::<String, Entry>::new();
    loop {
        let after = all.last_key_value().map(|(id, _)| id.as_str());
        let page = store.page(&partition, "User", after, PAGE).await.expect("entries");
        let is_last = page.len() < PAGE as usize;
        all.extend(page.into_iter().map(|entry| (entry.id.clone(), entry)));
        if is_last {
            return all;
        }
    }
}
