//! The way into the audit trail.
//!
//! One task writes everything. It takes all beginnings and all ends that wait and keeps them in
//! one step, so that writes which arrive together share one wait for the disk. A write that
//! begins waits for that; nothing else ever waits.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, oneshot};

use crate::audit::changes::Keep;
use crate::audit::desk::{HasEnded, Inner, Options, Told};
use crate::audit::event::{Event, Operation};
use crate::audit::keeper::Keeper;
use crate::audit::port::{AuditStore, Begun, Ended, Instance};
use crate::audit::refusals::Refusal;
use crate::clock::Clock;

/// The way into the audit trail; cheap to clone.
#[derive(Clone)]
pub struct Journal {
    inner: Option<Arc<Inner>>,
}

/// Figures of a journal since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Events written.
    pub written: u64,
    /// Events of reads that were dropped because the store did not keep up.
    pub dropped: u64,
    /// Attempts to write that failed.
    pub failures: u64,
    /// Operations of ended processes that were completed as interrupted.
    pub interrupted: u64,
    /// Events that wait to be written.
    pub waiting: u64,
}

/// A write that has begun, or is about to.
#[derive(Debug)]
pub struct Ticket {
    /// Its number.
    pub sequence: i64,
    durable: oneshot::Receiver<bool>,
}

/// It could not be written down that something begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit trail cannot be written, so nothing was changed")]
pub struct NotRecorded;

impl Ticket {
    /// Waits until it is durable that the write has begun.
    pub async fn durable(self) -> Result<(), NotRecorded> {
        match self.durable.await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(NotRecorded),
        }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Journal").field("is_on", &self.is_on()).finish_non_exhaustive()
    }
}

impl Journal {
    /// A journal that keeps nothing, for dry runs and tests.
    pub fn off() -> Self {
        Self { inner: None }
    }

    /// A journal in a store. Nothing is written before [`Self::keep`] runs.
    pub fn new(
        store: Arc<dyn AuditStore>,
        clock: Arc<dyn Clock>,
        options: Options,
        instance: Instance,
        has_ended: HasEnded,
    ) -> Self {
        Self {
            inner: Some(Arc::new(Inner {
                store,
                clock,
                options,
                instance: Mutex::new(instance),
                has_ended,
                sequence: AtomicI64::new(0),
                queues: Mutex::default(),
                refusals: Mutex::default(),
                wake: Notify::new(),
                is_closing: AtomicBool::new(false),
                told: Told::default(),
            })),
        }
    }

    /// Whether it keeps anything.
    pub fn is_on(&self) -> bool {
        self.inner.is_some()
    }

    /// What is kept of this operation; `None` for nothing at all.
    pub fn keeps(&self, operation: Operation) -> Option<Keep> {
        let options = self.inner.as_ref()?.options;
        (options.reads || operation.is_write()).then_some(options.keep)
    }

    /// Notes that a write begins. Its native writes may be sent when the ticket says so.
    pub fn begin(&self, event: Event) -> Option<Ticket> {
        let inner = self.inner.as_ref()?;
        let sequence = inner.sequence.fetch_add(1, Ordering::Relaxed);
        let (waiting, durable) = oneshot::channel();
        inner.queues().begin(Begun { sequence, event }, waiting);
        inner.wake.notify_one();
        Some(Ticket { sequence, durable })
    }

    /// Keeps the event of an operation that is over. `has_sent` says that something was sent that
    /// may have changed the application; such an event is not lost.
    pub fn end(&self, sequence: Option<i64>, event: Event, has_sent: bool) {
        let Some(inner) = &self.inner else { return };
        let is_write = event.operation.is_write();
        let mut queues = inner.queues();
        if is_write || sequence.is_some() {
            queues.end(Ended { sequence, event }, has_sent && is_write);
        } else {
            queues.read(event);
        }
        // Whoever writes looks by itself often enough.
        if queues.is_full() {
            inner.wake.notify_one();
        }
    }

    /// Counts a call that was turned away.
    pub fn refuse(&self, refusal: Refusal) {
        let Some(inner) = &self.inner else { return };
        let at = inner.clock.now();
        inner.refusals.lock().unwrap_or_else(PoisonError::into_inner).note(refusal, at);
    }

    /// What has been written until now.
    pub fn figures(&self) -> Figures {
        let Some(inner) = &self.inner else { return Figures::default() };
        let Told { written, dropped, failures, interrupted } = &inner.told;
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        Figures {
            written: read(written),
            dropped: read(dropped),
            failures: read(failures),
            interrupted: read(interrupted),
            waiting: inner.queues().waiting() as u64,
        }
    }

    /// Completes what ended processes have left behind, then writes until the journal is closed.
    /// The first is over when this returns.
    pub async fn keep(&self) -> Option<Keeper> {
        let inner = Arc::clone(self.inner.as_ref()?);
        Some(Keeper::start(inner).await)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use async_trait::async_trait;
    use jiff::{SignedDuration, Timestamp};

    use crate::audit::changes::Keep;
    use crate::audit::desk::Options;
    use crate::audit::event::{Details, Event, Operation, Outcome};
    use crate::audit::journal::Journal;
    use crate::audit::memory::MemoryAudit;
    use crate::audit::port::{AuditStore, Begun, Ended, Instance, Recorded, Search};
    use crate::clock::FixedClock;
    use crate::sidecar::port::StoreError;

    fn event(operation: Operation, request_id: &str) -> Event {
        Event {
            at: Timestamp::UNIX_EPOCH,
            tenant: "t".to_owned(),
            token: "idp".to_owned(),
            request_id: request_id.to_owned(),
            operation,
            resource: "User".to_owned(),
            resource_id: "7".to_owned(),
            outcome: Outcome::Interrupted,
            details: Details::default(),
        }
    }

    fn done(event: Event) -> Event {
        Event { outcome: Outcome::Answered(200), ..event }
    }

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

    fn journal(store: Arc<Shaky>, id: &str) -> Journal {
        let options =
            Options { reads: true, keep: Keep::Paths, life: SignedDuration::from_hours(24) };
        let clock = Arc::new(FixedClock(Timestamp::UNIX_EPOCH));
        let instance = Instance { id: id.to_owned(), beats: 0, process: id.to_owned() };
        Journal::new(store, clock, options, instance, |process| Some(process == "dead"))
    }

    async fn all(store: &Shaky) -> Vec<(String, Outcome)> {
        let found = store.search(&Search::default()).await.unwrap();
        found.into_iter().map(|it| (it.event.request_id, it.event.outcome)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_is_durable_before_it_is_sent_and_complete_at_the_end() {
        let store = Arc::new(Shaky::default());
        let journal = journal(Arc::clone(&store), "one");
        let keeper = journal.keep().await.unwrap();
        let begun = event(Operation::Patch, "r1");
        let ticket = journal.begin(begun.clone()).unwrap();
        let sequence = ticket.sequence;
        ticket.durable().await.unwrap();
        // Had the process died here, somebody else would complete it.
        assert_eq!(all(&store).await, []);
        journal.end(Some(sequence), done(begun), true);
        journal.end(None, done(event(Operation::Get, "r2")), false);
        keeper.close(Duration::from_secs(5)).await;
        let answered = Outcome::Answered(200);
        assert_eq!(all(&store).await, [("r1".to_owned(), answered), ("r2".to_owned(), answered)]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_dead_process_has_begun_is_interrupted() {
        let store = Arc::new(Shaky::default());
        let begun = Begun { sequence: 3, event: event(Operation::Create, "r1") };
        let dead = Instance { id: "dead".to_owned(), beats: 1, process: "dead".to_owned() };
        store.beat(&dead).await.unwrap();
        store.record("dead", std::slice::from_ref(&begun), &[]).await.unwrap();
        store.record("alive", &[begun], &[]).await.unwrap();
        let journal = journal(Arc::clone(&store), "one");
        let keeper = journal.keep().await.unwrap();
        // The other one is only not known to be dead.
        assert_eq!(all(&store).await, [("r1".to_owned(), Outcome::Interrupted)]);
        assert_eq!(journal.figures().interrupted, 1);
        keeper.close(Duration::from_secs(5)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_store_nothing_begins_and_nothing_that_was_done_is_forgotten() {
        let store = Arc::new(Shaky::default());
        let journal = journal(Arc::clone(&store), "one");
        let keeper = journal.keep().await.unwrap();
        let first = event(Operation::Delete, "r1");
        let ticket = journal.begin(first.clone()).unwrap();
        let sequence = ticket.sequence;
        ticket.durable().await.unwrap();
        store.is_gone.store(true, Ordering::SeqCst);
        journal.end(Some(sequence), done(first), true);
        let refused = journal.begin(event(Operation::Delete, "r2")).unwrap();
        assert!(refused.durable().await.is_err());
        let refused = journal.begin(event(Operation::Delete, "r3")).unwrap();
        assert!(refused.durable().await.is_err());
        assert_eq!(all(&store).await, []);
        store.is_gone.store(false, Ordering::SeqCst);
        keeper.close(Duration::from_mins(1)).await;
        assert_eq!(all(&store).await, [("r1".to_owned(), Outcome::Answered(200))]);
    }
}
