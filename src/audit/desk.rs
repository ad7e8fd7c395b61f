//! What the way into the audit trail and the tasks behind it share.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::SignedDuration;
use tokio::sync::Notify;

use crate::audit::changes::Keep;
use crate::audit::port::{AuditStore, Instance};
use crate::audit::queues::Queues;
use crate::audit::refusals::Refusals;
use crate::clock::Clock;

/// What is kept, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether reads have events.
    pub reads: bool,
    /// What is kept of values.
    pub keep: Keep,
    /// How long events are kept.
    pub life: SignedDuration,
}

/// Whether another run of the bridge has ended, as far as the operating system can tell: `None`
/// when it cannot.
pub type HasEnded = fn(&str) -> Option<bool>;

/// What lies on the desk: what waits to be written, and what has been.
pub(super) struct Inner {
    pub(super) store: Arc<dyn AuditStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) options: Options,
    pub(super) instance: Mutex<Instance>,
    pub(super) has_ended: HasEnded,
    pub(super) sequence: AtomicI64,
    pub(super) queues: Mutex<Queues>,
    pub(super) refusals: Mutex<Refusals>,
    pub(super) wake: Notify,
    pub(super) is_closing: AtomicBool,
    pub(super) told: Told,
}

/// What metrics want to know.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) written: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) interrupted: AtomicU64,
}

impl Inner {
    pub(super) fn queues(&self) -> MutexGuard<'_, Queues> {
        // No change can stop half-way, so what a panicking caller left behind is whole.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn id(&self) -> String {
        self.instance.lock().unwrap_or_else(PoisonError::into_inner).id.clone()
    }

    pub(super) fn tell_refusals(&self) {
        let events = self.refusals.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut queues = self.queues();
        for event in events {
            queues.read(event);
        }
    }
}
