//! Calls without a good token: counted, and told as one event for each caller and minute, so that
//! a flood of them fills no disk.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;

use crate::audit::event::{Details, Event, Operation, Outcome};

/// Most callers that are told apart in a minute; the others share one event a tenant.
const MOST: usize = 256;

/// Who was refused, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// Whose door it was.
    pub tenant: String,
    /// The caller's address, as far as it is known.
    pub client: Option<IpAddr>,
    /// The answer's status.
    pub status: u16,
    /// What kind of refusal it was.
    pub kind: &'static str,
}

/// Refusals since they were last told.
#[derive(Debug, Default)]
pub(in crate::audit) struct Refusals {
    counts: BTreeMap<Refusal, (Timestamp, u64)>,
}

impl Refusals {
    pub(in crate::audit) fn note(&mut self, refusal: Refusal, at: Timestamp) {
        let has_room = self.counts.len() < MOST || self.counts.contains_key(&refusal);
        let refusal = if has_room { refusal } else { Refusal { client: None, ..refusal } };
        self.counts.entry(refusal).or_insert((at, 0)).1 += 1;
    }

    /// An event for each, the first time of each in it.
    pub(in crate::audit) fn take(&mut self) -> Vec<Event> {
        let counts = std::mem::take(&mut self.counts);
        counts.into_iter().map(|(refusal, (at, count))| event(refusal, at, count)).collect()
    }
}

fn event(refusal: Refusal, at: Timestamp, count: u64) -> Event {
    let Refusal { tenant, client, status, kind } = refusal;
    Event {
        at,
        tenant,
        token: String::new(),
        request_id: String::new(),
        operation: Operation::Refuse,
        resource: String::new(),
        resource_id: String::new(),
        outcome: Outcome::Answered(status),
        details: Details {
            client,
            failure: Some(Cow::Borrowed(kind)),
            count,
            ..Details::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::audit::refusals::{Refusal, Refusals};

    #[test]
    fn a_flood_becomes_a_bounded_number_of_events() {
        let mut refusals = Refusals::default();
        for number in 0..100_000_u32 {
            let client = Some(std::net::Ipv4Addr::from(number % 1000).into());
            let refusal = Refusal { tenant: "t".to_owned(), client, status: 401, kind: "token" };
            refusals.note(refusal, Timestamp::UNIX_EPOCH);
        }
        let events = refusals.take();
        assert_eq!(events.len(), 257);
        assert_eq!(events.iter().map(|event| event.details.count).sum::<u64>(), 100_000);
        assert!(refusals.take().is_empty());
    }
}
