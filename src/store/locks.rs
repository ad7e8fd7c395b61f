//! The port `SharedLocks` on PostgreSQL: advisory locks of the session, so that they end with the
//! process or its connection, whatever happens to it.
//!
//! One connection of the process holds them all. Its keeper, a task, asks for everything that is
//! wanted at once in one statement and never waits inside of the server, so no number of requests
//! can use up connections, and a lock costs one round trip that it shares with others.
//!
//! What another process holds is tried again after some milliseconds. Whoever tries says so by a
//! second, shared lock, and a process that has just let a lock go and wants it again looks for
//! that first: otherwise a busy replica would never let another one in.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::exchange::locks::{LockError, SharedHold, SharedLocks};
use crate::sidecar::port::StoreError;
use crate::store::error::{OpenError, unavailable};

/// How long a lock is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a statement of the keeper may take.
const SILENCE: Duration = Duration::from_secs(5);

/// How long a server that is being started again is waited for.
const RESTART: Duration = Duration::from_secs(3);

/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(100);

/// While locks are held, a lost connection is noticed within this time.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// For how long a process that has let a lock go lets others take it first.
const COURTESY: Duration = Duration::from_millis(200);

/// The bits by which the lock of those who wait differs from the lock itself.
const WAITING: i64 = 0x5ca1_ab1e_0b57_ac1e;

/// Locks that all processes with one database share.
#[derive(Debug, Clone)]
pub(in crate::store) struct PostgresLocks {
    orders: UnboundedSender<Order>,
}

impl PostgresLocks {
    /// Starts the keeper; it connects when the first lock is wanted and ends with the last clone
    /// and the last lock.
    pub(in crate::store) fn start(options: Arc<PgConnectOptions>) -> Self {
        let (orders, received) = mpsc::unbounded_channel();
        let seed = RandomState::new().build_hasher().finish();
        let keeper = Keeper {
            options,
            session: None,
            number: 0,
            heard: Instant::now(),
            held: BTreeSet::new(),
            wanted: Vec::new(),
            waiting: BTreeSet::new(),
            let_go: BTreeMap::new(),
            seed,
        };
        tokio::spawn(keeper.run(received));
        Self { orders }
    }
}

#[async_trait]
impl SharedLocks for PostgresLocks {
    async fn take(&self, lock: i64) -> Result<Box<dyn SharedHold>, LockError> {
        let (answer, answered) = oneshot::channel();
        let since = Instant::now();
        let order = Order::Take(Wanted { lock, since, answer, orders: self.orders.clone() });
        self.orders.send(order).map_err(|_| gone())?;
        match timeout(PATIENCE, answered).await {
            Ok(Ok(hold)) => Ok(Box::new(hold?)),
            Ok(Err(_)) => Err(gone().into()),
            Err(_) => Err(LockError::Busy),
        }
    }
}

#[derive(Debug)]
enum Order {
    Take(Wanted),
    LetGo { lock: i64, session: u64 },
}

#[derive(Debug)]
struct Wanted {
    lock: i64,
    since: Instant,
    answer: oneshot::Sender<Result<Hold, StoreError>>,
    orders: UnboundedSender<Order>,
}

/// A lock that is held by the keeper's session of this number.
#[derive(Debug)]
struct Hold {
    lock: i64,
    session: u64,
    orders: UnboundedSender<Order>,
}

impl SharedHold for Hold {}

impl Drop for Hold {
    fn drop(&mut self) {
        let order = Order::LetGo { lock: self.lock, session: self.session };
        // When the keeper has gone, its session has, and the lock with it.
        drop(self.orders.send(order));
    }
}

struct Keeper {
    options: Arc<PgConnectOptions>,
    session: Option<PgConnection>,
    /// Of the session, counted from 1.
    number: u64,
    /// When the session was last known to be there.
    heard: Instant,
    held: BTreeSet<i64>,
    wanted: Vec<Wanted>,
    /// Locks of which others are told that they are waited for.
    waiting: BTreeSet<i64>,
    /// Locks that were held, and until when others go first.
    let_go: BTreeMap<i64, Instant>,
    seed: u64,
}

impl Keeper {
    async fn run(mut self, mut orders: UnboundedReceiver<Order>) {
        loop {
            let order = if self.wanted.is_empty() && self.held.is_empty() {
                orders.recv().await
            } else {
                match timeout(self.pause(), orders.recv()).await {
                    Ok(order) => order,
                    Err(_) => {
                        self.turn(Vec::new()).await;
                        continue;
                    }
                }
            };
            let Some(order) = order else { break };
            let mut released = Vec::new();
            self.accept(order, &mut released);
            while let Ok(order) = orders.try_recv() {
                self.accept(order, &mut released);
            }
            self.turn(released).await;
        }
        if let Some(session) = self.session {
            drop(timeout(SILENCE, session.close()).await);
        }
    }

    fn accept(&mut self, order: Order, released: &mut Vec<i64>) {
        match order {
            Order::Take(wanted) => self.wanted.push(wanted),
            // One of an earlier session went with it.
            Order::LetGo { lock, session } if session == self.number => {
                if self.held.remove(&lock) {
                    released.push(lock);
                }
            }
            Order::LetGo { .. } => {}
        }
    }

    /// How long to wait for orders: until locks are tried again, or the connection is.
    fn pause(&mut self) -> Duration {
        let Some(newest) = self.wanted.iter().map(|wanted| wanted.since).max() else {
            return HEARTBEAT;
        };
        // Not all replicas at the same moments.
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let jitter = Duration::from_micros(500 + (self.seed >> 33) % 2_000);
        jitter + (newest.elapsed() / 16).min(Duration::from_millis(30))
    }

    /// Lets go of some locks and tries to get those that are wanted.
    async fn turn(&mut self, released: Vec<i64>) {
        if let Err(error) = self.exchange(released).await {
            self.lose(&error);
        }
    }

    async fn exchange(&mut self, released: Vec<i64>) -> Result<(), StoreError> {
        self.let_go(released).await?;
        self.wanted.retain(|wanted| !wanted.answer.is_closed());
        if self.wanted.is_empty() {
            self.stop_waiting().await?;
            return self.listen().await;
        }
        self.connect().await?;
        let got = self.attempt().await?;
        for wanted in std::mem::take(&mut self.wanted) {
            // A lock is given to one only, although the session could have it twice.
            if !got.contains(&wanted.lock) || !self.held.insert(wanted.lock) {
                self.wanted.push(wanted);
                continue;
            }
            let Wanted { lock, answer, orders, .. } = wanted;
            // Whoever has given up meanwhile drops the lock by getting it back.
            drop(answer.send(Ok(Hold { lock, session: self.number, orders })));
        }
        let now = Instant::now();
        self.let_go.retain(|_, until| *until > now);
        self.stop_waiting().await?;
        self.say_waiting().await
    }

    async fn let_go(&mut self, released: Vec<i64>) -> Result<(), StoreError> {
        if released.is_empty() || self.session.is_none() {
            return Ok(());
        }
        self.call("SELECT pg_advisory_unlock(lock) FROM unnest($1) AS lock", &released).await?;
        let until = Instant::now() + COURTESY;
        self.let_go.extend(released.into_iter().map(|lock| (lock, until)));
        Ok(())
    }

    /// The wanted locks that are to be had.
    async fn attempt(&mut self) -> Result<BTreeSet<i64>, StoreError> {
        let free: BTreeSet<i64> = self
            .wanted
            .iter()
            .map(|wanted| wanted.lock)
            .filter(|lock| !self.held.contains(lock))
            .collect();
        if free.is_empty() {
            self.listen().await?;
            return Ok(BTreeSet::new());
        }
        let locks: Vec<i64> = free.into_iter().collect();
        let waiting: Vec<i64> = locks.iter().map(|lock| lock ^ WAITING).collect();
        let now = Instant::now();
        let is_polite = |lock| self.let_go.get(lock).is_some_and(|until| *until > now);
        let polite: Vec<bool> = locks.iter().map(is_polite).collect();
        // Of a lock that was let go a moment ago: whether somebody waits, that is, whether their
        // shared lock keeps us from having it alone for a moment.
        let query = sqlx::query(
            "SELECT lock, CASE \
               WHEN NOT polite THEN pg_try_advisory_lock(lock) \
               WHEN NOT pg_try_advisory_lock(waiting) THEN FALSE \
               WHEN pg_advisory_unlock(waiting) THEN pg_try_advisory_lock(lock) \
               ELSE FALSE END AS is_ours \
             FROM unnest($1, $2, $3) AS wanted (lock, waiting, polite)",
        );
        let session = self.session.as_mut().ok_or_else(gone)?;
        let asking = query.bind(locks).bind(waiting).bind(polite).fetch_all(session);
        let rows = timeout(SILENCE, asking).await.map_err(|_| slow())?.map_err(unavailable)?;
        self.heard = Instant::now();
        let mut got = BTreeSet::new();
        for row in rows {
            if row.try_get("is_ours").map_err(unavailable)? {
                got.insert(row.try_get("lock").map_err(unavailable)?);
            }
        }
        Ok(got)
    }

    /// Tells others which locks are waited for here.
    async fn say_waiting(&mut self) -> Result<(), StoreError> {
        let wanted = self.wanted.iter().map(|wanted| wanted.lock);
        let new: BTreeSet<i64> = wanted
            .filter(|lock| !self.waiting.contains(lock) && !self.held.contains(lock))
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        let locks: Vec<i64> = new.iter().map(|lock| lock ^ WAITING).collect();
        // Somebody may be looking at this very moment; then the next turn says it.
        let query = sqlx::query(
            "SELECT lock, pg_try_advisory_lock_shared(lock) AS is_said FROM unnest($1) AS lock",
        );
        let session = self.session.as_mut().ok_or_else(gone)?;
        let asking = query.bind(locks).fetch_all(session);
        let rows = timeout(SILENCE, asking).await.map_err(|_| slow())?.map_err(unavailable)?;
        for row in rows {
            let lock: i64 = row.try_get("lock").map_err(unavailable)?;
            if row.try_get("is_said").map_err(unavailable)? {
                self.waiting.insert(lock ^ WAITING);
            }
        }
        Ok(())
    }

    /// Takes back what others were told about locks that are no longer waited for.
    async fn stop_waiting(&mut self) -> Result<(), StoreError> {
        let wanted: BTreeSet<i64> = self.wanted.iter().map(|wanted| wanted.lock).collect();
        let over: Vec<i64> = self.waiting.difference(&wanted).copied().collect();
        if over.is_empty() {
            return Ok(());
        }
        let locks: Vec<i64> = over.iter().map(|lock| lock ^ WAITING).collect();
        let unlock = "SELECT pg_advisory_unlock_shared(lock) FROM unnest($1) AS lock";
        self.call(unlock, &locks).await?;
        self.waiting.retain(|lock| wanted.contains(lock));
        Ok(())
    }

    async fn call(&mut self, statement: &'static str, locks: &[i64]) -> Result<(), StoreError> {
        let session = self.session.as_mut().ok_or_else(gone)?;
        let query = sqlx::query(statement);
        let query = if locks.is_empty() { query } else { query.bind(locks.to_vec()) };
        let done = timeout(SILENCE, query.execute(session)).await;
        done.map_err(|_| slow())?.map_err(unavailable)?;
        self.heard = Instant::now();
        Ok(())
    }

    /// Sees whether the session is still there, when locks are held and nothing else has shown it
    /// for a while.
    async fn listen(&mut self) -> Result<(), StoreError> {
        if self.held.is_empty() || self.heard.elapsed() < HEARTBEAT {
            return Ok(());
        }
        self.call("SELECT 1", &[]).await
    }

    /// Makes sure of a session. A server that is being started again is waited for.
    async fn connect(&mut self) -> Result<(), StoreError> {
        let since = Instant::now();
        while self.session.is_none() {
            match timeout(SILENCE, self.options.connect()).await {
                Ok(Ok(session)) => {
                    self.session = Some(session);
                    self.number += 1;
                }
                Ok(Err(_)) if since.elapsed() < RESTART => sleep(PAUSE).await,
                Ok(Err(error)) => return Err(unavailable(error)),
                Err(_) => return Err(slow()),
            }
        }
        Ok(())
    }

    /// The session is over: whatever it held may be taken by others from now on.
    fn lose(&mut self, error: &StoreError) {
        let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        if self.held.is_empty() {
            tracing::warn!(cause, "locks that replicas share cannot be had");
        } else {
            let held = self.held.len();
            tracing::error!(
                cause,
                held,
                "locks that replicas share were lost while they were held"
            );
        }
        self.session = None;
        self.held.clear();
        self.waiting.clear();
        self.let_go.clear();
        for wanted in self.wanted.drain(..) {
            drop(wanted.answer.send(Err(gone())));
        }
    }
}

fn gone() -> StoreError {
    unavailable(OpenError::NoLocks)
}

fn slow() -> StoreError {
    unavailable(OpenError::Slow(SILENCE))
}
