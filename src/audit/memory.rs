//! Events in memory, for tests: nothing outlives the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::audit::event::{Event, Outcome};
use crate::audit::port::{AuditStore, Begun, Ended, Ending, Instance, Order, Recorded, Search};
use crate::sidecar::port::StoreError;

/// Events, and what is under way.
#[derive(Debug, Default)]
pub struct MemoryAudit {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    last: i64,
    events: Vec<Recorded>,
    begun: BTreeMap<(String, i64), Event>,
    instances: BTreeMap<String, Instance>,
}

impl Kept {
    fn append(&mut self, event: Event) {
        self.last += 1;
        self.events.push(Recorded { number: self.last, event });
    }
}

impl MemoryAudit {
    fn locked(&self) -> MutexGuard<'_, Kept> {
        // No change below can stop half-way, so what a panicking caller left behind is whole.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl AuditStore for MemoryAudit {
    async fn record(
        &self,
        instance: &str,
        begun: &[Begun],
        ended: &[Ended],
    ) -> Result<(), StoreError> {
        let mut kept = self.locked();
        for Begun { sequence, event } in begun {
            kept.begun.insert((instance.to_owned(), *sequence), event.clone());
        }
        for Ended { sequence, event } in ended {
            if let Some(sequence) = sequence {
                kept.begun.remove(&(instance.to_owned(), *sequence));
            }
            kept.append(event.clone());
        }
        Ok(())
    }

    async fn search(&self, search: &Search) -> Result<Vec<Recorded>, StoreError> {
        let kept = self.locked();
        let fitting = kept.events.iter().filter(|recorded| fits(search, recorded)).cloned();
        Ok(match search.order {
            Order::OldestFirst => fitting.take(search.most).collect(),
            Order::NewestFirst => fitting.rev().take(search.most).collect(),
        })
    }

    async fn prune(&self, before: Timestamp, most: usize) -> Result<usize, StoreError> {
        let mut kept = self.locked();
        let mut left = most;
        kept.events.retain(|recorded| {
            let goes = left > 0 && recorded.event.at < before;
            left -= usize::from(goes);
            !goes
        });
        Ok(most - left)
    }

    async fn beat(&self, instance: &Instance) -> Result<Vec<Instance>, StoreError> {
        let mut kept = self.locked();
        kept.instances.insert(instance.id.clone(), instance.clone());
        let mut all = kept.instances.clone();
        for (id, _) in kept.begun.keys() {
            let unknown = Instance { id: id.clone(), beats: -1, process: String::new() };
            all.entry(id.clone()).or_insert(unknown);
        }
        all.remove(&instance.id);
        Ok(all.into_values().collect())
    }

    async fn recover(&self, instance: &str) -> Result<usize, StoreError> {
        let mut kept = self.locked();
        kept.instances.remove(instance);
        let (gone, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut kept.begun).into_iter().partition(|((id, _), _)| id == instance);
        kept.begun = rest.into_iter().collect();
        let count = gone.len();
        for (_, event) in gone {
            kept.append(event);
        }
        Ok(count)
    }
}

fn fits(search: &Search, Recorded { number, event }: &Recorded) -> bool {
    let is = |wanted: &Option<String>, have: &String| wanted.as_ref().is_none_or(|it| it == have);
    let is_beyond = search.beyond.is_none_or(|place| match search.order {
        Order::OldestFirst => *number > place,
        Order::NewestFirst => *number < place,
    });
    let has_ended = match (search.ending, event.outcome) {
        (Ending::Any, _) | (_, Outcome::Interrupted) => true,
        (Ending::Failed, Outcome::Answered(status)) => status >= 400,
        (Ending::Interrupted, Outcome::Answered(_)) => false,
    };
    let is_of_request = search.request_id.as_ref().is_none_or(|wanted| {
        let rest = event.request_id.strip_prefix(wanted.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    });
    is(&search.tenant, &event.tenant)
        && is(&search.resource, &event.resource)
        && is(&search.resource_id, &event.resource_id)
        && is(&search.token, &event.token)
        && search.since.is_none_or(|since| event.at >= since)
        && search.until.is_none_or(|until| event.at < until)
        && search.operation.is_none_or(|operation| event.operation == operation)
        && is_beyond
        && has_ended
        && is_of_request
}
