//! What must hold after every start.

use std::collections::BTreeSet;

use scimbridge::audit::event::Outcome;
use scimbridge::audit::port::{AuditStore as _, Search};
use scimbridge::store::open::Store;

use crate::Random;
use crate::client::Client;
use crate::processes::World;
use crate::sync::Sync;

/// Ids and tombstones looked at after each start.
const SAMPLE: usize = 40;

/// What has been looked at.
#[derive(Default)]
pub(crate) struct Checks {
    /// Native writes in the application's log.
    pub(crate) writes: usize,
    /// Events in the audit trail.
    pub(crate) events: usize,
    /// Events that were completed after a crash.
    pub(crate) interrupted: usize,
    pub(crate) ids: usize,
    pub(crate) tombstones: usize,
    /// Requests that have an event.
    requests: BTreeSet<String>,
    last: Option<i64>,
}

impl Checks {
    /// The bridge has been started: nothing of before is lost.
    pub(crate) async fn after_start(&mut self, world: &World, sync: &Sync, random: &mut Random) {
        self.writes_have_events(world).await;
        for token in &world.tokens {
            let client = world.client_with(token);
            let answer = client.ask("GET", "/scim/v2/ServiceProviderConfig", None).await;
            assert_eq!(answer.expect("an answer").status, 200, "a token is lost");
        }
        if world.tokens.is_empty() {
            return;
        }
        let client = world.client(random);
        let ids: Vec<_> = sync.ids.iter().collect();
        for _ in 0..SAMPLE.min(ids.len()) {
            let (user, id) = ids[usize::try_from(random.below(ids.len() as u64)).expect("small")];
            let (status, name) = look(&client, id).await;
            assert_eq!((status, name), (200, Some(Sync::name(*user))), "the id {id} is lost");
            self.ids += 1;
        }
        let gone: Vec<_> = sync.gone.iter().collect();
        for _ in 0..SAMPLE.min(gone.len()) {
            let (user, id) = gone[usize::try_from(random.below(gone.len() as u64)).expect("small")];
            let (status, _) = look(&client, id).await;
            assert_eq!(status, 404, "the tombstone of user {user} is lost");
            self.tombstones += 1;
        }
    }

    async fn writes_have_events(&mut self, world: &World) {
        let store = Store::open(&world.store()).await.expect("the store");
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
        store.close().await;
        let writes = world.native_writes();
        for write in writes.iter().skip(self.writes) {
            let request = write.rsplit(' ').next().expect("an id");
            assert!(self.requests.contains(request), "{write} has no event");
        }
        self.writes = writes.len();
    }
}

async fn look(client: &Client, id: &str) -> (u16, Option<String>) {
    let answer = client.ask("GET", &format!("/scim/v2/Users/{id}"), None).await;
    let answer = answer.expect("an answer");
    (answer.status, answer.body["userName"].as_str().map(str::to_owned))
}
