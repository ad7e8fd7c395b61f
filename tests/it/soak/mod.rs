//! Faults at random between bridge and application, many connections, and a model of what must be
//! there: every answer is judged.
//!
//! `SCIMBRIDGE_SOAK_MINUTES=30 cargo test --release --test it -- soak --nocapture` is the long form;
//! without the variable it takes a few seconds. The bridge is a process of its own, so that its
//! memory can be told.
#![cfg(test)]

mod model;
mod proxy;
mod worker;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use scimbridge::config::load::environment;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::end_to_end::binary::Installation;
use crate::end_to_end::bridge::NATIVE_KEY;
use crate::soak::proxy::Proxy;
use crate::soak::worker::{Tally, Worker};

const MAPPING: &str = include_str!("../../../mappings/legacy-app.yaml");

/// Connections of identity providers.
const CONNECTIONS: usize = 64;

/// The short form.
const SHORT: Duration = Duration::from_secs(8);

fn length() -> Duration {
    let minutes = environment("SCIMBRIDGE_SOAK_MINUTES");
    minutes.map_or(SHORT, |minutes| Duration::from_secs_f64(minutes.parse::<f64>().unwrap() * 60.0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_is_wrong_while_faults_happen_at_random() {
    let length = length();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("people.db").display().to_string();
    let options = legacy_app::Options { database, api_key: NATIVE_KEY.to_owned() };
    let application = legacy_app::start(listener, options).await.unwrap();
    let proxy = Proxy::start(application.address()).await;
    let installation = Installation::new(&proxy.origin);
    let api = "  timeout: 3s\n  concurrency: 16\n  retry: { attempts: 2, backoff: 5ms..20ms }\n  \
               breaker: { failures: 10, pause: 50ms..200ms }\n\nerrors:";
    let mapping = MAPPING.replacen("\nerrors:", api, 1);
    std::fs::write(installation.folder().join("mapping.yaml"), mapping).unwrap();
    let file = installation.folder().join("scimbridge.toml");
    let configuration = std::fs::read_to_string(&file).unwrap();
    let quiet = configuration.replace("\"debug\"", "\"error,scimbridge::app=info\"");
    std::fs::write(&file, quiet).unwrap();
    let bridge = installation.serve().await;

    let tally = Arc::new(Tally::default());
    let begun = Instant::now();
    let mut workers = JoinSet::new();
    for number in 0..CONNECTIONS {
        let worker = Worker::new(number, bridge.address, Arc::clone(&tally));
        workers.spawn(worker.work(begun + length));
    }
    let mut memory = Vec::new();
    // The first tenth fills pools and caches.
    for part in [length / 10, length * 4 / 10, length / 2] {
        sleep(part.saturating_sub(Duration::from_millis(100))).await;
        #[cfg(target_os = "linux")]
        memory.push(bridge.memory("VmRSS") / 1024);
    }
    workers.join_all().await;
    let wrong = tally.wrong.lock().unwrap().clone();
    let answers = tally.answers.load(Ordering::Relaxed);
    let refused = tally.refused.load(Ordering::Relaxed);
    println!(
        "{:?}: {answers} answers, {refused} of them refusals, {} faults in {} native calls, {} \
         wrong; RSS at start, middle, end: {memory:?} KiB",
        begun.elapsed(),
        proxy.faults.load(Ordering::Relaxed),
        proxy.calls.load(Ordering::Relaxed),
        wrong.len(),
    );
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong[..wrong.len().min(10)].join("\n"));
    assert!(answers > refused && refused > 0, "{answers} answers, {refused} refusals");
    application.stop().await;
}
