//! What identity providers do on the wire, beyond the reach of exchanges in writing; and the tables
//! of `docs/idp/README.md`, which name every form of every identity provider with its test.
//!
//! The comment of a test says whose form it is, as the names in
//! `tests/dialogues/identity_providers_*.yaml` do.
#![cfg(test)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::end_to_end::bridge::{Legacy, check_error, token};
use crate::http::{Answer, send};

const NOBODY: &str = "/scim/v2/Users?filter=userName+eq+%22nobody%22";

async fn get(legacy: &Legacy, target: &str, authorization: &str) -> Answer {
    let headers = [("Authorization", authorization)];
    send(legacy.bridge.address, "GET", target, &headers, b"").await
}

/// The connection test is passed, whatever stands before the token.
async fn check_token(before: &str) {
    let legacy = Legacy::start().await;
    let answer = get(&legacy, NOBODY, &format!("{before}{}", token("main"))).await;
    assert_eq!((answer.status, &answer.json()["totalResults"]), (200, &json!(0)), "{answer:?}");
    let answer = get(&legacy, NOBODY, &format!("{before}wrong")).await;
    check_error(&answer, 401, before);
    legacy.stop().await;
}

/// Each of these is the list of users.
async fn check_targets(targets: &[&str]) {
    let legacy = Legacy::start().await;
    legacy.bridge.make("/scim/v2/Users", &json!({ "userName": "ada" })).await;
    let bearer = format!("Bearer {}", token("main"));
    for target in targets {
        let answer = get(&legacy, target, &bearer).await;
        assert_eq!((answer.status, &answer.json()["totalResults"]), (200, &json!(1)), "{target}");
    }
    legacy.stop().await;
}

// Okta: a token without a scheme, from the field for a header
#[tokio::test]
async fn a_token_without_a_scheme() {
    check_token("").await;
}

// Entra ID: a token that was pasted with the word Bearer
#[tokio::test]
async fn the_word_bearer_twice() {
    check_token("Bearer Bearer ").await;
}

// Any: the scheme in small letters
#[tokio::test]
async fn a_scheme_in_small_letters() {
    check_token("bearer ").await;
}

// Entra ID: a base URL with a slash at its end, the feature flag left in a query, blanks as plus signs
#[tokio::test]
async fn urls_of_entra_id() {
    check_targets(&[
        "/scim/v2//Users",
        "/scim/v2/Users?aadOptscim062020",
        "/scim/v2/Users?filter=userName+eq+%22ada%22&aadOptscim062020",
        "/scim/Users",
    ])
    .await;
}

// OneLogin: an ampersand or a question mark with nothing behind it
#[tokio::test]
async fn urls_of_onelogin() {
    check_targets(&["/scim/v2/Users?filter=userName+eq+%22ada%22&", "/scim/v2/Users?"]).await;
}

// Any: quotes and brackets that are not encoded, as scripts write them
#[tokio::test]
async fn urls_of_scripts() {
    check_targets(&[
        r#"/scim/v2/Users?filter=userName%20eq%20"ada""#,
        "/scim/v2/Users/?filter=userName%20eq%20%22ada%22",
        r#"/scim/v2/Users?filter=not%20(emails[type%20eq%20"work"])"#,
    ])
    .await;
}

// Okta: `Content-Type` and `Accept-Charset` on a GET
#[tokio::test]
async fn headers_of_okta() {
    let legacy = Legacy::start().await;
    let bearer = format!("Bearer {}", token("main"));
    let headers = [
        ("Authorization", bearer.as_str()),
        ("User-Agent", "Okta SCIM Client 1.0.0"),
        ("Accept", "application/scim+json"),
        ("Accept-Charset", "utf-8"),
        ("Accept-Encoding", "gzip,deflate"),
        ("Content-Type", "application/scim+json; charset=utf-8"),
    ];
    let target = "/scim/v2/Users?startIndex=1&count=2";
    let answer = send(legacy.bridge.address, "GET", target, &headers, b"").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    let numbers = ["totalResults", "startIndex", "itemsPerPage"].map(|name| body[name].is_u64());
    assert_eq!(numbers, [true; 3], "{body}");
    legacy.stop().await;
}

// Google Workspace: bodies as `application/json`
#[tokio::test]
async fn bodies_as_application_json() {
    let legacy = Legacy::start().await;
    let bearer = format!("Bearer {}", token("main"));
    let headers = [
        ("Authorization", bearer.as_str()),
        ("User-Agent", "Google-Auto-Provisioning"),
        ("Content-Type", "application/json"),
    ];
    let body = json!({ "userName": "gia" }).to_string();
    let target = "/scim/v2/Users";
    let answer = send(legacy.bridge.address, "POST", target, &headers, body.as_bytes()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    legacy.stop().await;
}

// Okta: a wrong token is 401 as a SCIM error, with the status as text
#[tokio::test]
async fn a_wrong_token_is_a_scim_error() {
    let legacy = Legacy::start().await;
    check_error(&get(&legacy, NOBODY, "Bearer wrong").await, 401, "a wrong token");
    legacy.stop().await;
}

// JumpCloud: a test user and a test group come and go
#[tokio::test]
async fn a_test_user_and_a_test_group() {
    let legacy = Legacy::start().await;
    let bridge = &legacy.bridge;
    assert_eq!(bridge.list("/scim/v2/Users").await.1, 0);
    let user = bridge.make("/scim/v2/Users", &json!({ "userName": "test@example.org" })).await;
    let group = bridge.make("/scim/v2/Groups", &json!({ "displayName": "test" })).await;
    for target in [format!("/scim/v2/Groups/{group}"), format!("/scim/v2/Users/{user}")] {
        assert_eq!(bridge.call("DELETE", &target, None).await.status, 204, "{target}");
        check_error(&bridge.get(&target).await, 404, &target);
    }
    assert_eq!(bridge.list("/scim/v2/Users").await.1, 0);
    legacy.stop().await;
}

// SailPoint: the resource types and schemas are there one by one
#[tokio::test]
async fn discovery_one_by_one() {
    let legacy = Legacy::start().await;
    for target in [
        "/scim/v2/ServiceProviderConfig",
        "/scim/v2/ResourceTypes",
        "/scim/v2/ResourceTypes/User",
        "/scim/v2/ResourceTypes/Group",
        "/scim/v2/Schemas",
        "/scim/v2/Schemas/urn:ietf:params:scim:schemas:core:2.0:User",
    ] {
        assert_eq!(legacy.bridge.get(target).await.status, 200, "{target}");
    }
    legacy.stop().await;
}

// authentik: the largest number of operations is a number above zero
#[tokio::test]
async fn bulk_operations_are_told() {
    let legacy = Legacy::start().await;
    let config = legacy.bridge.get("/scim/v2/ServiceProviderConfig").await.json();
    let bulk = &config["bulk"]["maxOperations"];
    assert!(bulk.as_u64().is_some_and(|operations| operations > 0), "{config}");
    assert_eq!(config["patch"]["supported"], true);
    legacy.stop().await;
}

// Entra ID: more than a thousand members in one PATCH
#[tokio::test]
async fn a_thousand_members_at_once() {
    let legacy = Legacy::start().await;
    let bridge = &legacy.bridge;
    let user = bridge.make("/scim/v2/Users", &json!({ "userName": "ada" })).await;
    let group = bridge.make("/scim/v2/Groups", &json!({ "displayName": "Owls" })).await;
    // The same member again and again is one call; a thousand people would take a minute to make.
    let members: Vec<Value> = (0..1100).map(|_| json!({ "value": user })).collect();
    let operation = json!({ "op": "Add", "path": "members", "value": members });
    let body = json!({ "Operations": [operation] });
    let target = format!("/scim/v2/Groups/{group}");
    let answer = bridge.call("PATCH", &target, Some(&body)).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    let members = bridge.get(&target).await.json()["members"].take();
    assert_eq!(members.as_array().map(Vec::len), Some(1));
    legacy.stop().await;
}

/// The tables between the marks in `docs/idp/README.md` are these.
#[test]
fn the_tables_are_complete() {
    let text = include_str!("../../docs/idp/README.md");
    for (mark, expected) in [("forms", forms()), ("requests", requests())] {
        let begin = format!("<!-- {mark} -->\n");
        let (_, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("no {begin}"));
        let (table, _) = rest.split_once("<!-- end -->").unwrap();
        assert!(table == expected, "docs/idp/README.md has another table of {mark}:\n{expected}");
    }
}

/// A row for each form: `Provider: form` is the name of an exchange or the comment of a test.
fn forms() -> String {
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut add = |name: &str, test: String| {
        let (provider, form) = name.split_once(": ").unwrap_or_else(|| panic!("{name}"));
        let row = format!("| {provider} | {form} | {test} |\n");
        rows.entry(provider.to_owned()).or_default().push(row);
    };
    for path in files("tests/dialogues") {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        if !file.starts_with("identity_providers_") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let names = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- name: \""))
            .collect::<Vec<_>>();
        assert_eq!(names.len(), text.matches("- name: ").count(), "{file}: every name is quoted");
        for name in names {
            add(name.trim_end_matches('"'), format!("[{file}](../../tests/dialogues/{file})"));
        }
    }
    let source = include_str!("identity_providers.rs");
    let lines: Vec<&str> = source.lines().collect();
    for window in lines.windows(3) {
        let [comment, "#[tokio::test]", function] = window else { continue };
        let name = function.strip_prefix("async fn ").and_then(|rest| rest.split('(').next());
        let test = format!("[{}](../../tests/it/identity_providers.rs)", name.unwrap());
        add(comment.strip_prefix("// ").expect("whose form it is"), test);
    }
    table("| identity provider | form | tested in |\n|---|---|---|\n", rows.into_values().flatten())
}

/// A row for each identity provider of the corpus.
fn requests() -> String {
    const EVIDENCE: [&str; 4] = ["documented", "captured", "reported", "derived"];
    let mut rows: BTreeMap<String, (usize, BTreeMap<String, usize>)> = BTreeMap::new();
    for folder in entries("tests/corpus").into_iter().filter(|path| path.is_dir()) {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let text = std::fs::read_to_string(&path).unwrap();
            let scenario: Value = serde_json::from_str(&text).unwrap();
            let row = rows.entry(scenario["idp"].as_str().unwrap().to_owned()).or_default();
            row.0 += 1;
            for step in scenario["steps"].as_array().unwrap() {
                *row.1.entry(step["evidence"].as_str().unwrap().to_owned()).or_default() += 1;
            }
        }
    }
    let head = "| folder | scenarios | requests | documented | captured | reported | derived |\n|---|---|---|---|---|---|---|\n";
    let rows = rows.into_iter().map(|(idp, (scenarios, evidence))| {
        let all: usize = evidence.values().sum();
        let counts =
            EVIDENCE.map(|kind| evidence.get(kind).map_or(String::new(), usize::to_string));
        format!("| `{idp}` | {scenarios} | {all} | {} |\n", counts.join(" | "))
    });
    table(head, rows)
}

fn table(head: &str, rows: impl Iterator<Item = String>) -> String {
    rows.fold(head.to_owned(), |table, row| table + &row)
}

fn files(folder: &str) -> Vec<PathBuf> {
    entries(folder).into_iter().filter(|path| path.is_file()).collect()
}

fn entries(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}
