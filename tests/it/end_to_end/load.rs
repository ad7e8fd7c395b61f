//! A steady load of ordinary clients, and what they had to bear.
#![cfg(test)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Client;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::end_to_end::bridge::token;

/// Longest wait for answers to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Clients that ask for one person again and again.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// Begins with clients that keep connections open, and some that make one for every request.
    pub(crate) fn start(url: &str, kept: &Client, fresh: &Client) -> Self {
        let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let clients = [kept, kept, fresh].map(|client| {
            let (client, url) = (client.clone(), url.to_owned());
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            tokio::spawn(async move {
                let mut failures = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let asked = client.get(&url).bearer_auth(token("main")).send().await;
                    match asked {
                        Ok(answer) if answer.status() == 200 => match answer.text().await {
                            Ok(text) if text.contains("\"ada\"") => {}
                            other => failures.push(format!("{other:?}")),
                        },
                        other => failures.push(format!("{other:?}")),
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                failures
            })
        });
        Self { stop, answered, clients: clients.into() }
    }

    /// Waits until this many more requests have been answered.
    pub(crate) async fn more(&self, count: usize) {
        let wanted = self.answered.load(Ordering::Relaxed) + count;
        let deadline = Instant::now() + PATIENCE;
        while self.answered.load(Ordering::Relaxed) < wanted {
            assert!(Instant::now() < deadline, "nothing is answered any more");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends it: how many requests there were. None of them may have failed.
    pub(crate) async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let mut failures = Vec::new();
        for client in self.clients {
            failures.extend(client.await.unwrap());
        }
        println!("{} requests, {} failed", self.answered.load(Ordering::Relaxed), failures.len());
        assert!(failures.is_empty(), "{} failed: {:?}", failures.len(), failures.first());
        self.answered.load(Ordering::Relaxed)
    }
}
