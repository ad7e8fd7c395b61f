//! An application without any search and many users, and the index that finds them all the same.
//!
//! `SCIMBRIDGE_TEST_PEOPLE=100000` makes there be more of them.
#![cfg(test)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::end_to_end::binary::Installation;
use crate::end_to_end::bridge::{call, filter, token};
use crate::postgres::{setting, tell};

const MAPPING: &str = r#"
bridge: 1
name: blind
config:
  url: { type: url }
  key: { type: string, secret: true }
api: { base_url: "{config.url}", headers: { X-Api-Key: "{config.key}" } }
resources:
  User:
    id: $.id
    scan_limit: 0
    attributes:
      userName: { path: $.login, required: true }
      emails[type eq "work"].value: $.mail
    list:
      get: /people
      records: $.items[*]
      pages: { offset: offset, size: limit, max: 100, total: $.total }
    get: { get: "/people/{id}" }
"#;

/// Lists and gives people, and counts what it is asked.
struct Blind {
    people: u64,
    calls: AtomicU64,
}

impl Blind {
    async fn start(people: u64) -> (Arc<Self>, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let blind = Arc::new(Self { people, calls: AtomicU64::default() });
        let serving = Arc::clone(&blind);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&serving).serve(stream));
            }
        });
        (blind, address)
    }

    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        loop {
            line.clear();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
            while line != "\r\n" {
                line.clear();
                if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            self.calls.fetch_add(1, Ordering::Relaxed);
            let (status, body) = match self.answer(&target) {
                Some(body) => ("200 OK", body.to_string()),
                None => ("404 Not Found", "{}".to_owned()),
            };
            let length = body.len();
            let kind = "Content-Type: application/json";
            let answer =
                format!("HTTP/1.1 {status}\r\n{kind}\r\nContent-Length: {length}\r\n\r\n{body}");
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    fn answer(&self, target: &str) -> Option<Value> {
        if let Some(id) = target.strip_prefix("/people/") {
            let number: u64 = id.parse().ok()?;
            return (number < self.people).then(|| person(number));
        }
        let number = |name: &str| {
            let (_, rest) = target.split_once(&format!("{name}="))?;
            rest.split('&').next()?.parse::<u64>().ok()
        };
        let (offset, limit) = (number("offset").unwrap_or(0), number("limit").unwrap_or(100));
        let items: Vec<Value> = (offset..self.people.min(offset + limit)).map(person).collect();
        Some(json!({ "total": self.people, "items": items }))
    }

    fn calls(&self) -> u64 {
        self.calls.swap(0, Ordering::Relaxed)
    }
}

fn person(number: u64) -> Value {
    json!({ "id": number.to_string(), "login": format!("Person{number}"),
            "mail": format!("person{number}@example.com"), "title": "Engineer",
            "department": "Analytical engines" })
}

/// The most memory that a process has had, in MiB.
fn peak(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_of_an_application_without_search_are_found_by_one_call() {
    let people = setting("SCIMBRIDGE_TEST_PEOPLE").and_then(|it| it.parse().ok()).unwrap_or(5_000);
    let (blind, address) = Blind::start(people).await;
    let installation = Installation::new(&format!("http://{address}"));
    let index = "[tenants.index]\nusers = [\"userName\", \"emails.value\"]\n";
    installation.configure(MAPPING, index);

    let started = Instant::now();
    let mut command = installation.command(&["index", "build", "--tenant", "main"]);
    let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        most = peak(child.id()).unwrap_or(0).max(most);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(child.wait().unwrap().success());
    let pages = blind.calls();
    assert_eq!(pages, people / 100, "each page once");
    tell(&format!(
        "index of {people} users: {} links, {pages} native calls, {:.1} s, {most} MiB at most",
        people * 2,
        started.elapsed().as_secs_f64()
    ));

    let status = installation.run(&["index", "status"]).await;
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    for attribute in ["username", "emails.value"] {
        let line = status.lines().find(|line| line.contains(attribute)).unwrap_or_default();
        assert!(line.contains(&people.to_string()) && line.ends_with("fresh"), "{status}");
    }

    let bridge = installation.serve().await;
    let asked = async |text: &str| {
        let target = format!("/Users?{}", filter(text));
        let answer = call(bridge.address, &token("main"), "GET", &target, None).await;
        assert_eq!(answer.status, 200, "{text}: {answer:?}");
        (answer.json()["totalResults"].as_u64().unwrap(), blind.calls())
    };
    let last = people - 1;
    assert_eq!(asked(&format!("userName eq \"PERSON{last}\"")).await, (1, 1));
    assert_eq!(asked(&format!("emails.value eq \"person{last}@example.com\"")).await, (1, 1));
    let work = format!("emails[type eq \"work\" and value eq \"person{last}@example.com\"]");
    assert_eq!(asked(&work).await, (1, 1));
    assert_eq!(asked("userName eq \"nobody\"").await, (0, 0));
    let both = "userName eq \"person1\" or userName eq \"person2\"";
    assert_eq!(asked(both).await, (2, 2));
    // What is not indexed would be a scan, which this mapping forbids.
    let target = format!("/Users?{}", filter("userName co \"person\""));
    let refused = call(bridge.address, &token("main"), "GET", &target, None).await;
    assert_eq!((refused.status, blind.calls()), (400, 0));
}
