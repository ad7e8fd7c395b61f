//! What identity providers really send: the scenarios of `tests/corpus/`, played over TCP against
//! the bridge in front of the legacy application. `tests/corpus/README.md` tells the form of a
//! scenario.
//!
//! Every request of a scenario goes out byte for byte, and what its answer must show is written
//! beside it. All scenarios are played twice against the same bridge, so that nothing may depend
//! on an empty application.
#![cfg(test)]

mod hole;
mod place;
mod rule;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::corpus::hole::{Holes, Unresolved};
use crate::corpus::place::look;
use crate::corpus::rule::fault;
use crate::end_to_end::bridge::{Legacy, token};
use crate::http::{Answer, send};

/// Steps of the corpus, so that none gets lost.
const STEPS: usize = 514;

/// Steps that fail on purpose, as `file #number`, and why. The bridge takes all of them.
const FAILING: [(&str, &str); 0] = [];

/// Capabilities that the legacy application lacks, by their tags in `needs`.
const LACKING: [&str; 0] = [];

#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    passed: usize,
    skipped: usize,
    /// `file #number step [evidence]: what is wrong`
    failures: Vec<String>,
}

/// Where the requests go, and which capabilities are not asked for.
struct Player<'s> {
    address: SocketAddr,
    lacking: BTreeSet<&'s str>,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_every_identity_provider_is_taken_twice() {
    let legacy = Legacy::start().await;
    let player = Player { address: legacy.bridge.address, lacking: BTreeSet::from(LACKING) };
    for round in 1..=2 {
        let outcome = player.corpus(round).await;
        let expected: Vec<&str> = FAILING.iter().map(|(step, _)| *step).collect();
        let unexpected: Vec<&String> = outcome
            .failures
            .iter()
            .filter(|failure| !expected.iter().any(|step| failure.starts_with(step)))
            .collect();
        assert!(unexpected.is_empty(), "round {round}: {unexpected:#?}");
        assert_eq!(outcome.failures.len(), FAILING.len(), "a listed step does not fail any more");
        assert_eq!(outcome.passed + outcome.failures.len() + outcome.skipped, STEPS);
        assert_eq!(outcome.skipped, 0, "the legacy application has every capability");
    }
    legacy.stop().await;
}

/// A player that cannot fail proves nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_so_is_noticed_and_what_is_lacking_is_skipped() {
    let legacy = Legacy::start().await;
    let lacking = BTreeSet::from(["groups", "filter:unquoted"]);
    let player = Player { address: legacy.bridge.address, lacking };
    let scenario: Value = serde_json::from_str(WRONG).unwrap();
    let mut outcome = Outcome::default();
    player.scenario("wrong", &scenario, 1, &mut outcome).await;
    let expected = [
        "wrong #1 status [derived]: status 200, wanted [201]: ",
        "wrong #2 rule [derived]: $.totalResults: wanted equals 7, found 0; \
         header X-Nothing: wanted exists true, found nothing",
        "wrong #3 capture [derived]: nothing to capture as thing at $.id",
        "wrong #4 blocked [derived]: no value for {{thing}}",
    ];
    assert_eq!(outcome.failures.len(), expected.len(), "{outcome:#?}");
    for (failure, expected) in outcome.failures.iter().zip(expected) {
        assert!(failure.starts_with(expected), "{failure}");
    }
    assert_eq!((outcome.passed, outcome.skipped), (1, 1));
    let whole = serde_json::json!({ "needs": ["groups"], "steps": scenario["steps"] });
    let mut outcome = Outcome::default();
    player.scenario("skipped", &whole, 1, &mut outcome).await;
    assert_eq!(outcome, Outcome { skipped: 6, ..Outcome::default() });
    legacy.stop().await;
}

const WRONG: &str = r#"{ "needs": [], "steps": [
  { "step": "status", "evidence": "derived",
    "request": { "method": "GET", "path": "/Users?filter=userName+eq+%22nobody%22" }, "expect": { "status": [201] } },
  { "step": "rule", "evidence": "derived", "request": { "method": "GET", "path": "/Users?filter=userName+eq+%22nobody%22" },
    "expect": { "status": [200], "must": [
      { "path": "$.totalResults", "equals": 7 }, { "header": "X-Nothing", "exists": true },
      { "path": "$.nothing", "exists": true, "needs": ["groups"] } ] } },
  { "step": "capture", "evidence": "derived", "request": { "method": "GET", "path": "/Users?filter=userName+eq+%22nobody%22" },
    "expect": { "status": [200] }, "capture": { "thing": "$.id" } },
  { "step": "blocked", "evidence": "derived", "request": { "method": "GET", "path": "/Users/{{thing}}" },
    "expect": { "status": [404] } },
  { "step": "skipped", "evidence": "derived", "needs": ["filter:unquoted"],
    "request": { "method": "GET", "path": "/Users" }, "expect": { "status": [500] } },
  { "step": "right", "evidence": "derived", "request": { "method": "GET", "path": "/Users/nobody" },
    "expect": { "status": [404], "must": [ { "path": "$.status", "one_of": ["404", 404] } ] } }
] }"#;

impl Player<'_> {
    async fn corpus(&self, round: usize) -> Outcome {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
        let mut outcome = Outcome::default();
        for path in scenarios(&root) {
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            let text = std::fs::read_to_string(&path).unwrap();
            let scenario: Value = serde_json::from_str(&text).unwrap();
            self.scenario(&name, &scenario, round, &mut outcome).await;
        }
        outcome
    }

    async fn scenario(&self, name: &str, scenario: &Value, round: usize, outcome: &mut Outcome) {
        let steps = list(&scenario["steps"]);
        if self.lacks(scenario) {
            outcome.skipped += steps.len();
            return;
        }
        let base = format!("http://{}/scim/v2", self.address);
        let mut holes = Holes::new(&format!("{round}/{name}"), &token("main"), &base);
        for (number, step) in (1..).zip(steps) {
            if self.lacks(step) {
                outcome.skipped += 1;
                continue;
            }
            let problems = self.step(step, &mut holes).await.unwrap_or_else(|hole| vec![hole.0]);
            if problems.is_empty() {
                outcome.passed += 1;
                continue;
            }
            let label = format!("{name} #{number} {}", text(&step["step"]));
            let evidence = text(&step["evidence"]);
            outcome.failures.push(format!("{label} [{evidence}]: {}", problems.join("; ")));
        }
        for request in list(&scenario["cleanup"]) {
            // What was never made cannot be cleaned up.
            self.send(request, &holes).await.ok();
        }
    }

    /// What is wrong with the answer to one step.
    async fn step(&self, step: &Value, holes: &mut Holes) -> Result<Vec<String>, Unresolved> {
        let answer = self.send(&step["request"], holes).await?;
        let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
        let expect = &step["expect"];
        let allowed = list(&expect["status"]);
        let mut problems = Vec::new();
        if allowed.contains(&Value::from(answer.status)) {
            let mut rules = list(&expect["must"]).to_vec();
            if !answer.body.is_empty() {
                rules.extend_from_slice(list(&expect["must_if_body"]));
            }
            for rule in rules.iter().filter(|rule| !self.lacks(rule)) {
                problems.extend(fault(&holes.fill(rule)?, body.as_ref(), &answer));
            }
        } else {
            let shown = String::from_utf8_lossy(&answer.body);
            let wanted = &expect["status"];
            problems.push(format!("status {}, wanted {wanted}: {shown}", answer.status));
        }
        for (name, place) in step["capture"].as_object().into_iter().flatten() {
            let place = holes.text(text(place))?;
            match body.as_ref().and_then(|body| look(body, &place)) {
                Some(value) if !value.is_null() => holes.put(name, value),
                _ if problems.is_empty() => {
                    problems.push(format!("nothing to capture as {name} at {place}"));
                }
                _ => {}
            }
        }
        Ok(problems)
    }

    async fn send(&self, request: &Value, holes: &Holes) -> Result<Answer, Unresolved> {
        let mut headers = Vec::new();
        let given = request["headers"].as_object();
        for (name, value) in given.into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            headers.push((name.clone(), holes.text(text(value))?));
        }
        if !given.is_some_and(|given| given.contains_key("Authorization")) {
            headers.push(("Authorization".to_owned(), format!("Bearer {}", token("main"))));
        }
        let body = match (&request["raw_body"], &request["body"]) {
            (Value::String(raw), _) => holes.text(raw)?,
            (_, Value::Null) => String::new(),
            (_, body) => holes.fill(body)?.to_string(),
        };
        let method = text(&request["method"]);
        if body.is_empty() && ["POST", "PUT", "PATCH"].contains(&method) {
            headers.push(("Content-Length".to_owned(), "0".to_owned()));
        }
        let target = format!("/scim/v2{}", holes.text(text(&request["path"]))?);
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Ok(send(self.address, method, &target, &headers, body.as_bytes()).await)
    }

    fn lacks(&self, part: &Value) -> bool {
        list(&part["needs"]).iter().any(|need| self.lacking.contains(text(need)))
    }
}

/// The files of the corpus, in the order in which they are played.
fn scenarios(root: &Path) -> Vec<PathBuf> {
    let inside = |folder: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let folders = inside(root).into_iter().filter(|path| path.is_dir());
    let mut files: Vec<PathBuf> = folders.flat_map(|folder| inside(&folder)).collect();
    files.sort();
    files
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} stands where a text belongs"))
}
