//! The commands that show what a mapping does: `try`, against a real application and without one,
//! `docs` and `schema`.
#![cfg(test)]

use std::process::Output;

use serde_json::{Value, json};

use crate::end_to_end::application::{self, Application};
use crate::end_to_end::binary::Installation;
use crate::end_to_end::bridge::NATIVE_KEY;

fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

const LIVE: [&str; 4] = ["try", "--live", "--config", "scimbridge.toml"];

#[tokio::test]
async fn a_live_run_reads_the_application_and_writes_nothing() {
    let application = Application::start(|_| {
        application::json(200, &json!({ "id": 7, "login": "ada", "api_token": "t0p" }))
    });
    let application = application.await;
    let installation = Installation::new(&application.origin);
    let body = r#"{"Operations":[{"op":"replace","path":"title","value":"Analyst"}]}"#;
    let arguments = [&LIVE[..], &["PATCH /Users/7", "--body", body]].concat();
    let (code, story, notes) = told(&installation.run(&arguments).await);
    assert_eq!(code, Some(0), "{story}{notes}");
    assert!(story.contains("{\"title\":\"Analyst\"}\n    -> not sent"), "{story}");
    assert!(notes.contains("personal data"), "{notes}");
    assert!(!story.contains(NATIVE_KEY) && !story.contains("t0p"), "{story}");
    let lines: Vec<String> = application.take().iter().map(application::Call::line).collect();
    assert_eq!(lines, ["GET /api/people/7"]);

    let arguments = [&LIVE[..], &["GET /Users/7", "--as-test"]].concat();
    let (code, entry, notes) = told(&installation.run(&arguments).await);
    assert_eq!(code, Some(0), "{entry}{notes}");
    assert!(entry.starts_with("  - name: \"GET /Users/7\"\n"), "{entry}");
}

#[tokio::test]
async fn without_an_application_the_run_ends_at_the_first_call_without_an_answer() {
    let installation = Installation::new("http://127.0.0.1:9");
    let asked = ["try", "--mapping", "mapping.yaml", "GET /Users/7"];
    let (code, story, _) = told(&installation.run(&asked).await);
    assert_eq!(code, Some(1), "{story}");
    assert!(story.contains("1. GET /people/7\n    -> no answer"), "{story}");

    let answers = "[ { expect: GET /people/7, reply: 200, with: { id: 7, login: ada } } ]";
    std::fs::write(installation.folder().join("answers.yaml"), answers).unwrap();
    let arguments = [&asked[..], &["--answers", "answers.yaml"]].concat();
    let (code, story, _) = told(&installation.run(&arguments).await);
    assert_eq!(code, Some(0), "{story}");
    assert!(story.contains("Answer 200\n"), "{story}");
}

#[tokio::test]
async fn what_cannot_begin_says_why() {
    let installation = Installation::new("http://127.0.0.1:9");
    let asked = ["try", "--mapping", "mapping.yaml"];
    for (further, why) in [
        (&["FETCH /Users"][..], "expected VERB /path"),
        (&["GET /Users", "--answers", "none.yaml"][..], "none.yaml cannot be read"),
        (&["POST /Users", "--body", "{"][..], "--body is not JSON"),
        (
            &["GET /Users", "--set", "key=plain"][..],
            "a secret is given as ${VARIABLE} or file:PATH",
        ),
        (&["GET /Users", "--live", "--set", "url=http://x"][..], "\"key\" is required"),
    ] {
        let (code, story, notes) = told(&installation.run(&[&asked[..], further].concat()).await);
        assert_eq!(code, Some(2), "{story}{notes}");
        assert!(notes.contains(why) && !notes.contains("plain"), "{notes}");
    }
}

#[tokio::test]
async fn the_language_and_a_mapping_are_described() {
    let installation = Installation::new("http://127.0.0.1:9");
    let (code, schema, _) = told(&installation.run(&["schema"]).await);
    assert_eq!(code, Some(0));
    let schema: Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(schema["$ref"], "#/$defs/File");
    let (code, page, _) = told(&installation.run(&["schema", "--markdown"]).await);
    assert!(code == Some(0) && page.starts_with("# Every field"), "{page}");
    let (code, page, _) = told(&installation.run(&["docs", "mapping.yaml"]).await);
    assert!(code == Some(0) && page.contains("| `userName` | `$.login` |"), "{page}");
}
