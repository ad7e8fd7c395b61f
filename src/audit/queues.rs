//! What waits to be written, with bounds.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use crate::audit::event::Event;
use crate::audit::port::{Begun, Ended};

/// Most events of writes that wait for a store which does not take them. Beyond that no further
/// write is begun.
pub(in crate::audit) const MOST_ENDED: usize = 10_000;

/// Most events of reads that wait. Beyond that they are dropped and counted.
const MOST_READS: usize = 10_000;

/// Most events that are written in one step: others wait for the database meanwhile.
const BATCH: usize = 512;

/// Somebody who waits until it is durable that a write has begun; `false` says that it is not.
pub(in crate::audit) type Waiting = oneshot::Sender<bool>;

/// Everything that waits.
#[derive(Default)]
pub(in crate::audit) struct Queues {
    begun: Vec<(Begun, Waiting)>,
    ended: VecDeque<Ended>,
    reads: VecDeque<Event>,
    dropped: u64,
}

/// What is written in one step.
#[derive(Default)]
pub(in crate::audit) struct Batch {
    pub(in crate::audit) begun: Vec<Begun>,
    pub(in crate::audit) waiting: Vec<Waiting>,
    pub(in crate::audit) ended: Vec<Ended>,
    /// How many of `ended`, from its end, are reads.
    pub(in crate::audit) reads: usize,
}

impl Queues {
    pub(in crate::audit) fn begin(&mut self, begun: Begun, waiting: Waiting) {
        if self.ended.len() < MOST_ENDED {
            self.begun.push((begun, waiting));
        } else {
            // Nobody listens any more if this fails.
            waiting.send(false).ok();
        }
    }

    /// `is_vital` says that the application may have been changed: then it is never dropped. There
    /// are no more of those than have begun.
    pub(in crate::audit) fn end(&mut self, ended: Ended, is_vital: bool) {
        // What is over before it was written down as begun need not be written down as begun.
        if let Some(sequence) = ended.sequence {
            self.begun.retain(|(begun, _)| begun.sequence != sequence);
        }
        if is_vital || self.ended.len() < MOST_ENDED / 2 {
            self.ended.push_back(ended);
        } else {
            self.dropped += 1;
        }
    }

    pub(in crate::audit) fn read(&mut self, event: Event) {
        if self.reads.len() < MOST_READS {
            self.reads.push_back(event);
        } else {
            self.dropped += 1;
        }
    }

    /// Whether somebody waits for an answer.
    pub(in crate::audit) fn is_urgent(&self) -> bool {
        !self.begun.is_empty()
    }

    /// Whether there is enough for one step.
    pub(in crate::audit) fn is_full(&self) -> bool {
        self.ended.len() + self.reads.len() >= BATCH
    }

    /// How many events wait.
    pub(in crate::audit) fn waiting(&self) -> usize {
        self.ended.len() + self.reads.len()
    }

    /// What is written next: every beginning, and as much of the rest as fits.
    pub(in crate::audit) fn take(&mut self) -> Batch {
        let (begun, waiting) = std::mem::take(&mut self.begun).into_iter().unzip();
        let mut ended: Vec<Ended> = self.ended.drain(..self.ended.len().min(BATCH)).collect();
        let reads = self.reads.len().min(BATCH - ended.len());
        let own = self.reads.drain(..reads);
        ended.extend(own.map(|event| Ended { sequence: None, event }));
        Batch { begun, waiting, ended, reads }
    }

    /// The beginnings alone, while the store gives trouble.
    pub(in crate::audit) fn take_begun(&mut self) -> Batch {
        let (begun, waiting) = std::mem::take(&mut self.begun).into_iter().unzip();
        Batch { begun, waiting, ..Batch::default() }
    }

    /// What could not be written waits again, in its place.
    pub(in crate::audit) fn put_back(&mut self, mut ended: Vec<Ended>, reads: usize) {
        let reads = ended.split_off(ended.len().saturating_sub(reads));
        for ended in ended.into_iter().rev() {
            self.ended.push_front(ended);
        }
        for Ended { event, .. } in reads.into_iter().rev() {
            if self.reads.len() < MOST_READS {
                self.reads.push_front(event);
            } else {
                self.dropped += 1;
            }
        }
    }

    /// How many reads have been dropped since this was last asked.
    pub(in crate::audit) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}
