//! `scimbridge check` inside the tests: every mapping file loads, its examples read as they say and
//! its tests pass; and a file whose examples or tests are wrong is told so, in its line.
#![cfg(test)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use scimbridge::dialogue::report::{self, Report};
use scimbridge::mapping::diagnostic::Severity;
use scimbridge::mapping::model::Mapping;

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The report on a file that loads.
async fn report(name: &str, text: &str) -> Report {
    let (mapping, _) = Mapping::load(text).unwrap_or_else(|faults| {
        let faults: Vec<String> = faults.iter().map(|fault| fault.render(name)).collect();
        panic!("{}", faults.join("\n"));
    });
    report::run(&Arc::new(mapping)).await
}

/// The mapping files of a folder, folders inside it left out.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "yaml")).collect();
    files.sort();
    files
}

async fn check_all(folder: &str) {
    let files = files(folder);
    assert!(!files.is_empty(), "{folder} has mapping files");
    let mut complaints = Vec::new();
    for path in files {
        let name = path.display().to_string();
        let report = report(&name, &text(&path)).await;
        complaints.extend(report.diagnostics.iter().map(|found| found.render(&name)));
        assert!(report.tests > 0, "{name} has no test");
        assert!(report.passed == report.tests || !report.diagnostics.is_empty(), "{name}");
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[tokio::test]
async fn shipped_mappings_keep_their_word() {
    check_all("mappings").await;
}

#[tokio::test]
async fn mappings_that_are_only_tested_keep_their_word() {
    check_all("tests/mappings").await;
}

#[tokio::test]
async fn exchanges_in_writing_hold() {
    check_all("tests/dialogues").await;
}

/// What is found, as `code line`.
async fn found(name: &str, text: &str) -> Vec<String> {
    let report = report(name, text).await;
    let errors = report.diagnostics.iter().inspect(|found| {
        assert_eq!(found.severity, Severity::Error, "{found}");
    });
    errors.map(|found| format!("{} {}", found.code, found.line)).collect()
}

/// The line, from 1, in which this stands, and nowhere else.
fn line_of(text: &str, what: &str) -> usize {
    let hits: Vec<usize> =
        text.lines().zip(1..).filter(|(line, _)| line.contains(what)).map(|(_, at)| at).collect();
    assert_eq!(hits.len(), 1, "{what}");
    hits[0]
}

#[tokio::test]
async fn an_example_that_reads_otherwise_is_told_in_its_line() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mappings/broken/E501_example.yaml");
    let text = text(&path);
    let line = line_of(&text, "- native: { id: 9fe1d3");
    assert_eq!(found("E501", &text).await, [format!("E501 {line}")]);
}

/// The file lacks the `memo` of the name's two halves: the law tells it, and so does the test that
/// depends on it.
#[tokio::test]
async fn a_row_that_does_not_come_back_is_told_in_its_line() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mappings/broken/E402_putget.yaml");
    let text = text(&path);
    let report = report("E402", &text).await;
    let laws: Vec<_> = report.diagnostics.iter().filter(|found| found.code == "E402").collect();
    let [fault] = laws.as_slice() else { panic!("{laws:?}") };
    assert_eq!((fault.line, fault.column), (line_of(&text, "via: { split:"), 7));
    let wanted = "PutGet: \"name.givenName + name.familyName\" [\"Jan\",\"van der Berg\"] is written \
                  as \"Jan van der Berg\" and reads back as [\"Jan van der\",\"Berg\"]";
    assert_eq!(fault.message, wanted);
    let tests: Vec<_> = report.diagnostics.iter().filter(|found| found.code == "E502").collect();
    assert_eq!((tests.len(), report.tests - report.passed), (1, 1), "{tests:?}");
}

/// The file inverts `active`, so its example and two of its tests no longer hold.
#[tokio::test]
async fn tests_that_fail_are_told_in_their_lines() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mappings/broken/E502_test.yaml");
    let text = text(&path);
    let report = report("E502", &text).await;
    let failed: Vec<_> = report.diagnostics.iter().filter(|found| found.code == "E502").collect();
    assert!(!failed.is_empty());
    assert_eq!(report.passed + failed.len(), report.tests);
    for found in failed {
        let name = found.message.split('"').nth(1).expect("the test's name");
        assert_eq!(found.line, line_of(&text, &format!("- name: {name}")), "{found}");
        let happened = found.help.as_deref().expect("what happened instead");
        assert!(happened.contains("\"native\"") && happened.contains("\"status\""), "{happened}");
    }
}

const FORGETFUL: &str = r#"
bridge: 1
name: forgetful
config: { url: { type: url, required: true } }
api: { base_url: "{config.url}" }
resources:
  User:
    id: $.id
    attributes:
      userName:     { path: $.login, required: true }
      phoneNumbers:
        items: "$.phones[*]"
        item: { value: $.number, display: { path: $.shown, write: $.label } }
    list:   { get: /people }
    create: { post: /people }
    update: { patch: "/people/{id}" }
    delete: { delete: "/people/{id}" }
    examples:
      - native: { id: a, login: ada, phones: [ { number: "1" }, { kind: home } ] }
        scim:   { id: a, userName: ada, phoneNumbers: [ { value: "1" } ] }
      - native: { id: b, login: bob, phones: [ { number: "1", shown: one } ] }
        scim:   { id: b, userName: bob, phoneNumbers: [ { value: "1", display: one } ] }
"#;

/// What is written elsewhere than it is read is written again with every change of the list.
#[tokio::test]
async fn an_example_that_does_not_survive_writing_is_told_in_its_line() {
    let line = line_of(FORGETFUL, "login: bob");
    assert_eq!(found("E401", FORGETFUL).await, [format!("E401 {line}")]);
}
