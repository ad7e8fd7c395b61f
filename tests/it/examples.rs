//! What lies in `examples/` for those who run the bridge fits the bridge as it is.
#![cfg(test)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::end_to_end::application::{Application, json as reply};
use crate::end_to_end::bridge::{Bridge, PEOPLE};
use crate::http::send;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(example(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every name that a text has of a metric of ours.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c: char| !is_part(c));
    let ours = |word: &&str| word.starts_with("scimbridge_") || word.starts_with("process_");
    words.filter(ours).map(str::to_owned).collect()
}

/// Every name in the exposition of a bridge that has served something.
async fn exposed() -> BTreeSet<String> {
    let application = Application::start(|_| reply(200, &json!({ "id": 7, "login": "a" }))).await;
    let bridge = Bridge::start(PEOPLE, &application.origin).await;
    assert_eq!(bridge.get("/scim/v2/Users/7").await.status, 200);
    let answer = send(bridge.admin, "GET", "/metrics", &[], b"").await;
    bridge.stop().await;
    let text = String::from_utf8(answer.body).unwrap();
    // A family without a figure is still announced.
    let names = text.lines().filter_map(|line| match line.strip_prefix("# TYPE ") {
        Some(announced) => announced.split(' ').next(),
        None => line.split(['{', ' ']).next().filter(|name| *name != "#"),
    });
    names.map(str::to_owned).collect()
}

#[tokio::test]
async fn dashboard_and_alerts_name_metrics_that_exist() {
    let exposed = exposed().await;
    for name in ["monitoring/grafana-dashboard.json", "monitoring/alerts.yaml"] {
        let named = metrics_in(&read(name));
        assert!(named.len() >= 6, "{name}: {named:?}");
        let unknown: Vec<_> = named.difference(&exposed).collect();
        assert!(unknown.is_empty(), "{name} names {unknown:?}, the bridge has {exposed:?}");
    }
    // And the other way round: what is exposed is described.
    let described = metrics_in(
        &std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operating.md"))
            .unwrap(),
    );
    let ending = |name: &str| {
        let endings = ["_bucket", "_sum", "_count"];
        endings.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name).to_owned()
    };
    let missing: Vec<_> =
        exposed.iter().map(|name| ending(name)).filter(|name| !described.contains(name)).collect();
    assert!(missing.is_empty(), "docs/operating.md does not describe {missing:?}");
}

#[test]
fn the_dashboard_is_one() {
    let dashboard: Value =
        serde_json::from_str(&read("monitoring/grafana-dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() >= 8);
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has a number of its own");
    assert!(panels.iter().all(|panel| panel["targets"][0]["expr"].is_string()));
}

fn run(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_scimbridge")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]);
        for command in ["serve", "check", "token", "completions"] {
            assert!(script.contains(command), "{shell} does not know {command}");
        }
    }
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let page = run(&["man"]);
    assert!(page.contains(".TH scimbridge 1"), "{page}");
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().join("man1");
    run(&["man", into.to_str().unwrap()]);
    for page in ["scimbridge.1", "scimbridge-serve.1", "scimbridge-token-issue.1"] {
        let text = std::fs::read_to_string(into.join(page)).expect(page);
        assert!(text.contains(".SH DESCRIPTION") && text.contains(".SH OPTIONS"), "{text}");
    }
}
