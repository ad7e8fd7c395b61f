//! How many connections there are, whose they are, and which of them nobody needs.
//!
//! When there is no room for another one, the connection that has been idle longest is closed for
//! it: first among those of the same client, if that client has its fill, otherwise among all. A
//! connection is idle while no whole request head has come over it, so one that sends a byte now
//! and then is idle too. Only when every connection is at work is the new one refused. Addresses
//! of IPv6 count by their network (/64), since a client has all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::gateway::limits::Limits;

/// The open connections of a port.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    state: Mutex<State>,
    gone: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// A number that only grows: connections and the beginnings of idle times are ordered by it.
    next: u64,
    open: BTreeMap<SocketAddr, Entry>,
    clients: BTreeMap<IpAddr, Client>,
    idle: BTreeSet<(u64, SocketAddr)>,
    counts: Counts,
}

/// What has become of connections since the port opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Open now.
    pub open: usize,
    /// Closed while idle, to make room.
    pub evicted: u64,
    /// Refused for want of room.
    pub refused: u64,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    client: IpAddr,
    /// Requests under way.
    busy: usize,
    /// When the last idle time began.
    since: u64,
    evicted: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Client {
    open: usize,
    idle: BTreeSet<(u64, SocketAddr)>,
}

/// One open connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    all: Arc<Connections>,
    peer: SocketAddr,
    number: u64,
    evicted: Arc<Notify>,
}

impl Connection {
    /// Returns when the connection has to make room for another one.
    pub(crate) async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut state = self.all.locked();
        if state.open.get(&self.peer).is_some_and(|entry| entry.number == self.number) {
            state.remove(self.peer);
        }
        if state.open.is_empty() {
            self.all.gone.notify_waiters();
        }
    }
}

impl Connections {
    /// Lets a connection in, if there is room or room can be made.
    pub(crate) fn enter(self: &Arc<Self>, peer: SocketAddr, limits: &Limits) -> Option<Connection> {
        let mut state = self.locked();
        let client = client(peer.ip());
        let has_its_fill = |state: &State| {
            let client = state.clients.get(&client);
            client.is_some_and(|client| client.open >= limits.connections_per_address)
        };
        if has_its_fill(&state) {
            let oldest = state.clients.get(&client).and_then(|client| client.idle.first().copied());
            state.evict(oldest);
        } else if state.open.len() >= limits.connections {
            let oldest = state.idle.first().copied();
            state.evict(oldest);
        }
        if has_its_fill(&state) || state.open.len() >= limits.connections {
            state.counts.refused += 1;
            return None;
        }
        let evicted = Arc::new(Notify::new());
        let number = state.add(peer, client, Arc::clone(&evicted));
        Some(Connection { all: Arc::clone(self), peer, number, evicted })
    }

    /// Closes the connection that has been idle longest.
    pub(crate) fn make_room(&self) {
        let mut state = self.locked();
        let oldest = state.idle.first().copied();
        state.evict(oldest);
    }

    /// A request has come over this connection.
    pub(crate) fn begin(&self, peer: SocketAddr) {
        let mut state = self.locked();
        let Some(entry) = state.open.get_mut(&peer) else { return };
        entry.busy += 1;
        let (place, client) = ((entry.since, peer), entry.client);
        state.idle.remove(&place);
        if let Some(client) = state.clients.get_mut(&client) {
            client.idle.remove(&place);
        }
    }

    /// It has been answered.
    pub(crate) fn end(&self, peer: SocketAddr) {
        let mut state = self.locked();
        let now = state.tick();
        let Some(entry) = state.open.get_mut(&peer) else { return };
        entry.busy = entry.busy.saturating_sub(1);
        if entry.busy == 0 {
            entry.since = now;
            let client = entry.client;
            state.idle.insert((now, peer));
            state.clients.entry(client).or_default().idle.insert((now, peer));
        }
    }

    /// Returns once no connection is open.
    pub(crate) async fn empty(&self) {
        loop {
            let gone = self.gone.notified();
            tokio::pin!(gone);
            // Listening begins before counting, so that an end in between is not missed.
            gone.as_mut().enable();
            if self.locked().open.is_empty() {
                return;
            }
            gone.await;
        }
    }

    /// What has become of them.
    pub(crate) fn counts(&self) -> Counts {
        let state = self.locked();
        Counts { open: state.open.len(), ..state.counts }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        // No change above can stop half-way, so what a panicking caller left behind is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tick(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn add(&mut self, peer: SocketAddr, client: IpAddr, evicted: Arc<Notify>) -> u64 {
        // A port that a client uses again before we have seen the end of its last connection.
        self.remove(peer);
        let number = self.tick();
        self.open.insert(peer, Entry { number, client, busy: 0, since: number, evicted });
        self.idle.insert((number, peer));
        let client = self.clients.entry(client).or_default();
        client.open += 1;
        client.idle.insert((number, peer));
        number
    }

    fn evict(&mut self, place: Option<(u64, SocketAddr)>) {
        if let Some(entry) = place.and_then(|(_, peer)| self.remove(peer)) {
            entry.evicted.notify_one();
            self.counts.evicted += 1;
        }
    }

    fn remove(&mut self, peer: SocketAddr) -> Option<Entry> {
        let entry = self.open.remove(&peer)?;
        self.idle.remove(&(entry.since, peer));
        if let Some(client) = self.clients.get_mut(&entry.client) {
            client.idle.remove(&(entry.since, peer));
            client.open = client.open.saturating_sub(1);
            if client.open == 0 {
                self.clients.remove(&entry.client);
            }
        }
        Some(entry)
    }
}

fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use futures_util::FutureExt as _;

    use crate::gateway::connections::{Connection, Connections, Counts};
    use crate::gateway::limits::Limits;

    fn limits() -> Limits {
        Limits { connections: 4, connections_per_address: 2, ..Limits::default() }
    }

    fn peer(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn enter(all: &Arc<Connections>, text: &str) -> Option<Connection> {
        all.enter(peer(text), &limits())
    }

    fn is_evicted(connection: &Connection) -> bool {
        connection.evicted().now_or_never().is_some()
    }

    #[test]
    fn the_longest_idle_makes_room() {
        let all = Arc::default();
        let first = enter(&all, "10.0.0.1:1").unwrap();
        let second = enter(&all, "10.0.0.2:1").unwrap();
        let third = enter(&all, "10.0.0.3:1").unwrap();
        let fourth = enter(&all, "10.0.0.4:1").unwrap();
        all.begin(peer("10.0.0.1:1"));
        all.begin(peer("10.0.0.2:1"));
        all.end(peer("10.0.0.2:1"));
        let fifth = enter(&all, "10.0.0.5:1").unwrap();
        let evicted = [&first, &second, &third, &fourth, &fifth].map(is_evicted);
        assert_eq!(evicted, [false, false, true, false, false]);
        assert_eq!(all.counts(), Counts { open: 4, evicted: 1, refused: 0 });
    }

    #[test]
    fn a_client_that_has_its_fill_makes_room_itself() {
        let all = Arc::default();
        let other = enter(&all, "10.0.0.2:1").unwrap();
        let first = enter(&all, "10.0.0.1:1").unwrap();
        let second = enter(&all, "[::ffff:10.0.0.1]:2").unwrap();
        let third = enter(&all, "10.0.0.1:3").unwrap();
        assert_eq!([&other, &first, &second, &third].map(is_evicted), [false, true, false, false]);
        all.begin(peer("[::ffff:10.0.0.1]:2"));
        all.begin(peer("10.0.0.1:3"));
        assert!(enter(&all, "10.0.0.1:4").is_none());
        all.end(peer("10.0.0.1:3"));
        assert!(enter(&all, "10.0.0.1:4").is_some());
        assert_eq!(all.counts().refused, 1);
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let all = Arc::default();
        let first = enter(&all, "[2001:db8::1]:1").unwrap();
        let _second = enter(&all, "[2001:db8::2]:1").unwrap();
        let _elsewhere = enter(&all, "[2001:db8:0:1::1]:1").unwrap();
        let _third = enter(&all, "[2001:db8::3]:1").unwrap();
        assert!(is_evicted(&first));
    }

    #[tokio::test]
    async fn it_is_empty_when_the_last_is_gone() {
        let all: Arc<Connections> = Arc::default();
        all.empty().await;
        let first = enter(&all, "10.0.0.1:1").unwrap();
        assert!(all.empty().now_or_never().is_none());
        let waiting = tokio::spawn({
            let all = Arc::clone(&all);
            async move { all.empty().await }
        });
        tokio::task::yield_now().await;
        drop(first);
        waiting.await.unwrap();
    }
}
