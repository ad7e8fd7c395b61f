//! The tasks behind a journal: one writes in batches, the other looks after what is not urgent
//! (other instances, calls that were turned away, what is too old).

use std::error::Error as _;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::audit::desk::{Inner, Told};
use crate::audit::port::Instance;
use crate::audit::queues::{Batch, MOST_ENDED};

/// How long ends and reads wait for company.
const PATIENCE: Duration = Duration::from_millis(500);

/// Between two attempts while the store does not take anything.
const PAUSE: Duration = Duration::from_millis(500);

/// How often refusals are told.
const REFUSALS: Duration = Duration::from_mins(1);

/// How often an instance shows that it lives.
const BEAT: Duration = Duration::from_secs(10);

/// For how many beats of ours another instance may be silent before it counts as gone.
const SILENCE: u32 = 6;

/// Events forgotten in one step.
const PRUNED: usize = 500;

/// The tasks behind a journal.
pub struct Keeper {
    inner: Arc<Inner>,
    writer: JoinHandle<()>,
    tender: JoinHandle<()>,
}

impl Keeper {
    /// Completes what ended processes have left behind, then starts the tasks.
    pub(super) async fn start(inner: Arc<Inner>) -> Self {
        let mut watch = Watch::default();
        watch.look(&inner).await;
        let writer = tokio::spawn({
            let inner = Arc::clone(&inner);
            async move { write(&inner).await }
        });
        let tender = tokio::spawn({
            let inner = Arc::clone(&inner);
            async move { tend(&inner, watch).await }
        });
        Self { inner, writer, tender }
    }

    /// Writes what still waits, for at most `grace`, and ends.
    pub async fn close(self, grace: Duration) {
        self.tender.abort();
        self.inner.tell_refusals();
        self.inner.is_closing.store(true, Ordering::Release);
        self.inner.wake.notify_one();
        if timeout(grace, self.writer).await.is_err() {
            let waiting = self.inner.queues().waiting();
            tracing::error!(waiting, "the audit trail could not be completed before the end");
            return;
        }
        let id = self.inner.instance.lock().unwrap_or_else(PoisonError::into_inner).id.clone();
        if let Err(error) = self.inner.store.recover(&id).await {
            tracing::debug!(%error, "the instance is not signed off");
        }
    }
}

/// Writes what waits until there is nothing left and the journal is closed.
async fn write(inner: &Inner) {
    let id = inner.id();
    let mut is_well = true;
    loop {
        let is_closing = inner.is_closing.load(Ordering::Acquire);
        let batch = {
            let mut queues = inner.queues();
            // Whoever waits is not made to wait for what the store has refused before.
            if is_well || !queues.is_urgent() { queues.take() } else { queues.take_begun() }
        };
        if batch.begun.is_empty() && batch.ended.is_empty() {
            if is_closing {
                return;
            }
            rest(inner).await;
            continue;
        }
        let was_well = is_well;
        is_well = step(inner, &id, batch, was_well).await;
        if !is_well && !inner.queues().is_urgent() {
            timeout(PAUSE, inner.wake.notified()).await.ok();
        } else if is_well && !is_closing {
            rest(inner).await;
        }
    }
}

/// Waits until there is something that should not wait longer.
async fn rest(inner: &Inner) {
    let until = Instant::now() + PATIENCE;
    loop {
        {
            let queues = inner.queues();
            if queues.is_urgent() || queues.is_full() {
                return;
            }
        }
        if inner.is_closing.load(Ordering::Acquire) {
            return;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || timeout(left, inner.wake.notified()).await.is_err() {
            return;
        }
    }
}

/// Writes one batch; says whether the store took it.
async fn step(inner: &Inner, id: &str, batch: Batch, was_well: bool) -> bool {
    let Batch { begun, waiting, ended, reads } = batch;
    let result = inner.store.record(id, &begun, &ended).await;
    let is_well = result.is_ok();
    if let Err(error) = &result
        && was_well
    {
        let most = MOST_ENDED;
        // Whether the disk is full or the server away is what the administrator must know, no
        // later than clients are refused.
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        tracing::error!(%error, cause, most, "the audit trail cannot be written: writes are refused, reads go on");
    }
    for waiting in waiting {
        // Somebody who has given up does not mind.
        waiting.send(is_well).ok();
    }
    let Told { written, dropped, failures, .. } = &inner.told;
    let mut queues = inner.queues();
    match result {
        Ok(()) => {
            written.fetch_add(ended.len() as u64, Ordering::Relaxed);
            if !was_well {
                tracing::info!("the audit trail is written again");
            }
        }
        Err(_) => {
            failures.fetch_add(1, Ordering::Relaxed);
            queues.put_back(ended, reads);
        }
    }
    let lost = queues.take_dropped();
    if lost > 0 {
        dropped.fetch_add(lost, Ordering::Relaxed);
        tracing::warn!(lost, "events without writes were dropped: the store does not keep up");
    }
    is_well
}

/// Looks after everything that is not urgent, until it is aborted.
#[expect(clippy::infinite_loop, reason = "the task is aborted when the journal is closed")]
async fn tend(inner: &Inner, mut watch: Watch) {
    let mut told = Instant::now();
    loop {
        sleep(BEAT).await;
        watch.look(inner).await;
        if told.elapsed() >= REFUSALS {
            told = Instant::now();
            inner.tell_refusals();
        }
        prune(inner).await;
    }
}

/// Forgets what is older than wanted, a little at a time.
async fn prune(inner: &Inner) {
    let Ok(before) = inner.clock.now().checked_sub(inner.options.life) else { return };
    loop {
        match inner.store.prune(before, PRUNED).await {
            Ok(count) if count == PRUNED => sleep(Duration::from_millis(50)).await,
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(%error, "old events cannot be forgotten");
                return;
            }
        }
    }
}

/// Who else there is, and since when they have been silent.
#[derive(Default)]
struct Watch {
    seen: Vec<(Instance, u32)>,
}

impl Watch {
    /// Shows that we live, and completes what others have left behind who do not.
    async fn look(&mut self, inner: &Inner) {
        let own = {
            let mut own = inner.instance.lock().unwrap_or_else(PoisonError::into_inner);
            own.beats += 1;
            own.clone()
        };
        let others = match inner.store.beat(&own).await {
            Ok(others) => others,
            Err(error) => {
                // While nobody can write, nobody is silent.
                self.seen.clear();
                tracing::debug!(%error, "other instances cannot be looked for");
                return;
            }
        };
        let before = std::mem::take(&mut self.seen);
        for other in others {
            let known = before.iter().find(|(known, _)| *known == other);
            let silent = known.map_or(0, |(_, silent)| silent + 1);
            let has_ended = (inner.has_ended)(&other.process).unwrap_or(silent >= SILENCE);
            if !has_ended {
                self.seen.push((other, silent));
                continue;
            }
            match inner.store.recover(&other.id).await {
                Ok(0) => {}
                Ok(count) => {
                    inner.told.interrupted.fetch_add(count as u64, Ordering::Relaxed);
                    tracing::warn!(
                        count,
                        "a bridge ended in the middle of writes; see: scimbridge audit search --interrupted"
                    );
                }
                Err(error) => tracing::warn!(%error, "interrupted writes cannot be completed"),
            }
        }
    }
}
