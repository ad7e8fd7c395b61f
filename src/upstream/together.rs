//! Identical reads in flight share one call.
//!
//! A read joins another one that is under way if both ask for the very same. None joins across a
//! write: when one begins and when it ends, whatever its resource, the reads under way are no
//! longer offered to those who come after. So whoever has seen a write through reads what it did.
//! Only answers are shared: whoever joined a read that failed makes a call of its own.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::watch::{Receiver, Sender};

use crate::native::message::{Body, NativeRequest, NativeResponse};

/// Reads under way.
#[derive(Default)]
pub(crate) struct Together {
    offered: Mutex<BTreeSet<Arc<Offer>>>,
}

/// A read that others may join. Two are the same if they ask for the same.
struct Offer {
    asked: Arc<NativeRequest>,
    /// The answer, once it is there, for whoever has joined; nobody has where this is empty.
    answer: OnceLock<Sender<Answer>>,
}

/// The answer of a read, once it is there.
type Answer = Option<Arc<NativeResponse>>;

/// What a read does.
pub(crate) enum Part<'t> {
    /// It makes the call, and others may join.
    Lead(Lead<'t>),
    /// It waits for the call of another one. Where there will be no answer, the sender is gone.
    Join(Receiver<Answer>),
    /// It is not for sharing.
    Alone,
}

/// A read under way that others may join; dropping it ends that.
pub(crate) struct Lead<'t> {
    together: &'t Together,
    offer: Arc<Offer>,
}

/// A write under way; its end is told when it is dropped.
pub(crate) struct Write<'t>(&'t Together);

impl Together {
    /// What the part of a request is.
    pub(crate) fn part(&self, request: &Arc<NativeRequest>) -> Part<'_> {
        if !request.method.is_safe() || request.body != Body::None {
            return Part::Alone;
        }
        let offer = Arc::new(Offer { asked: Arc::clone(request), answer: OnceLock::new() });
        let mut offered = self.offered();
        if let Some(other) = offered.get(&offer) {
            let answer = other.answer.get_or_init(|| Sender::new(None));
            return Part::Join(answer.subscribe());
        }
        offered.insert(Arc::clone(&offer));
        Part::Lead(Lead { together: self, offer })
    }

    /// Says that a write begins, and in the end that it is over.
    pub(crate) fn write(&self) -> Write<'_> {
        self.offered().clear();
        Write(self)
    }

    fn offered(&self) -> MutexGuard<'_, BTreeSet<Arc<Offer>>> {
        self.offered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Offer {
    /// What makes two reads the same.
    fn key(&self) -> impl Ord {
        let asked = &*self.asked;
        // An urgent read does not wait for one that lets others go first.
        (asked.urgency, asked.method, &asked.path, &asked.query, &asked.headers)
    }
}

impl Ord for Offer {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Offer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Offer {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Offer {}

impl Lead<'_> {
    /// Gives the answer to those who have joined.
    pub(crate) fn share(self, answer: &NativeResponse) {
        // Nobody can join any more once it is withdrawn, so that those who have are all there.
        self.withdraw();
        if let Some(joined) = self.offer.answer.get() {
            joined.send_replace(Some(Arc::new(answer.clone())));
        }
    }

    fn withdraw(&self) {
        let mut offered = self.together.offered();
        // After a write another read may stand in this place.
        if offered.get(&self.offer).is_some_and(|other| Arc::ptr_eq(other, &self.offer)) {
            offered.remove(&self.offer);
        }
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        self.withdraw();
    }
}

impl Drop for Write<'_> {
    fn drop(&mut self) {
        self.0.offered().clear();
    }
}

/// The answer of a read that was joined; `None` when it failed.
pub(crate) async fn joined(mut answer: Receiver<Answer>) -> Option<NativeResponse> {
    let answer = answer.wait_for(Option::is_some).await.ok()?;
    answer.as_deref().cloned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::native::message::{Body, Method, NativeRequest, NativeResponse, Payload, Urgency};
    use crate::upstream::together::{Part, Together, joined};

    fn read(path: &str) -> NativeRequest {
        NativeRequest {
            method: Method::Get,
            path: path.to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Body::None,
            timeout: None,
            patience: None,
            urgency: Urgency::Ahead,
            repeatable: false,
            template: None,
        }
    }

    fn answer(status: u16) -> NativeResponse {
        NativeResponse { status, headers: Vec::new(), body: Payload::Empty.into() }
    }

    fn is_lead(part: &Part<'_>) -> bool {
        matches!(part, Part::Lead(_))
    }

    #[tokio::test]
    async fn the_same_read_is_made_once() {
        let together = Together::default();
        let Part::Lead(lead) = together.part(&Arc::new(read("/1"))) else { panic!() };
        let Part::Join(offer) = together.part(&Arc::new(read("/1"))) else { panic!() };
        for other in [
            read("/2"),
            NativeRequest { method: Method::Head, ..read("/1") },
            NativeRequest { urgency: Urgency::Behind, ..read("/1") },
            NativeRequest { query: vec![("a".to_owned(), "b".to_owned())], ..read("/1") },
            NativeRequest { headers: vec![("a".to_owned(), "b".to_owned())], ..read("/1") },
        ] {
            assert!(is_lead(&together.part(&Arc::new(other.clone()))), "{other:?}");
        }
        let search = NativeRequest { method: Method::Post, body: Body::Form(vec![]), ..read("/1") };
        assert!(matches!(together.part(&Arc::new(search)), Part::Alone));
        lead.share(&answer(404));
        assert_eq!(joined(offer).await, Some(answer(404)));
        assert!(is_lead(&together.part(&Arc::new(read("/1")))));
        assert!(together.offered().is_empty());
    }

    #[tokio::test]
    async fn a_failure_is_not_shared() {
        let together = Together::default();
        let lead = together.part(&Arc::new(read("/1")));
        let Part::Join(offer) = together.part(&Arc::new(read("/1"))) else { panic!() };
        drop(lead);
        assert_eq!(joined(offer).await, None);
    }

    #[tokio::test]
    async fn no_read_joins_across_a_write() {
        let together = Together::default();
        let Part::Lead(before) = together.part(&Arc::new(read("/1"))) else { panic!() };
        let write = together.write();
        let Part::Lead(during) = together.part(&Arc::new(read("/1"))) else { panic!() };
        // The first one must not take away what the second one offers.
        drop(before);
        assert!(matches!(together.part(&Arc::new(read("/1"))), Part::Join(_)));
        drop(write);
        assert!(is_lead(&together.part(&Arc::new(read("/1")))));
        drop(during);
    }
}
