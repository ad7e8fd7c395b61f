//! How many requests are being answered, so that a stop can wait for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The count of requests in flight.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    count: AtomicUsize,
    landed: Notify,
    closing: AtomicBool,
}

/// One request in flight, until it is dropped.
#[derive(Debug)]
pub(crate) struct Boarding(Arc<Flight>);

impl Flight {
    /// Counts one more request.
    pub(crate) fn board(self: &Arc<Self>) -> Boarding {
        self.count.fetch_add(1, Ordering::AcqRel);
        Boarding(Arc::clone(self))
    }

    /// From now on every answer is the last one of its connection.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Returns once no request is in flight.
    pub(crate) async fn empty(&self) {
        loop {
            let landed = self.landed.notified();
            tokio::pin!(landed);
            // Listening begins before counting, so that a landing in between is not missed.
            landed.as_mut().enable();
            if self.count.load(Ordering::Acquire) == 0 {
                return;
            }
            landed.await;
        }
    }
}

impl Boarding {
    /// Whether the answer is to be the last one of its connection.
    pub(crate) fn is_last(&self) -> bool {
        self.0.closing.load(Ordering::Acquire)
    }
}

impl Drop for Boarding {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.landed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::time::timeout;

    use crate::gateway::flight::Flight;

    #[tokio::test]
    async fn it_is_empty_when_the_last_has_landed() {
        let flight = Arc::new(Flight::default());
        flight.empty().await;
        let (first, second) = (flight.board(), flight.board());
        drop(first);
        assert!(timeout(Duration::from_millis(20), flight.empty()).await.is_err());
        let waiting = tokio::spawn({
            let flight = Arc::clone(&flight);
            async move { flight.empty().await }
        });
        drop(second);
        waiting.await.unwrap();
    }
}
