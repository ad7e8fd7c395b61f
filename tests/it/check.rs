//! What `scimbridge check` says of a file beside its faults: rows whose values do not come back,
//! the table of classes, what becomes of filters, what nothing speaks of, and what the tests would
//! notice. And every code that can be told is explained.
#![cfg(test)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use scimbridge::dialogue::inquiry::{Findings, Question, look};
use scimbridge::mapping::diagnostic::Severity;
use serde_json::json;

/// A file in which little is left to say. Tests replace parts of it.
const FILE: &str = r#"
bridge: 1
name: staff
config: { url: { type: url, required: true } }
api: { base_url: "{config.url}" }
resources:
  User:
    id: $.id
    attributes:
      userName:   { path: $.login, required: true }
      externalId: $.external
      active:     { path: $.disabled, via: not }
      userType:   { path: $.kind, via: { map: { E: employee, G: guest } } }
      phoneNumbers: { items: "$.phones[*]", item: { value: $.number } }
      groups: { ref: Group, list: { get: "/people/{id}/groups" }, item: { value: $.id }, mode: read, fetch: request }
    list:   { get: /people, pages: { link: next } }
    get:    { get: "/people/{id}" }
    create: { post: /people }
    update: { patch: "/people/{id}" }
    delete: { delete: "/people/{id}" }
    filters:
      userName eq: login
    examples:
      - native: { id: a, login: ada, external: x-1, disabled: false, kind: E, phones: [ { number: "1" } ] }
        scim: { id: a, userName: ada, externalId: x-1, active: true, userType: employee, phoneNumbers: [ { value: "1" } ] }
  Group:
    id: $.id
    attributes:
      displayName: { path: $.name, required: true }
      members:
        ref: User
        list:   { get: "/groups/{id}/people" }
        item:   { value: $.id }
        add:    { put: "/groups/{id}/people/{member}" }
        remove: { delete: "/groups/{id}/people/{member}" }
    list:   { get: /groups, pages: { link: next } }
    get:    { get: "/groups/{id}" }
    create: { post: /groups }
    update: { patch: "/groups/{id}" }
    filters:
      displayName eq:   name
      members.value eq: { get: "/people/{value}/groups" }
tests:
  - name: somebody is found
    scim: GET /Users?filter=userName eq "ada"
    native: [ { expect: GET /people, query: { login: ada }, reply: 200, with: [ { id: a, login: ada } ] } ]
    status: 200
    response: { totalResults: 1 }
"#;

/// The file with one text replaced.
fn with(from: &str, to: &str) -> String {
    assert!(FILE.contains(from), "{from}");
    FILE.replace(from, to)
}

/// What is told under a code: line and message.
fn told(findings: &Findings, code: &str) -> Vec<String> {
    let found = findings.diagnostics.iter().filter(|found| found.code == code);
    found.map(|found| found.message.clone()).collect()
}

async fn counter_examples(from: &str, to: &str) -> Vec<String> {
    let findings = look(&with(from, to), &[]).await;
    assert!(findings.played.is_some(), "{:?}", findings.diagnostics);
    told(&findings, "E402")
}

#[tokio::test]
async fn rows_that_lose_nothing_have_no_counter_example() {
    let none: Vec<String> = Vec::new();
    assert_eq!(counter_examples("$.external", "$.external").await, none);
    // Letter case is nothing to a user name, and an instant has many spellings.
    let lower = counter_examples("{ path: $.login, r", "{ path: $.login, via: lower, r").await;
    assert_eq!(lower, none);
    let instant = "{ path: $.since, via: { datetime: epoch_s }, type: dateTime }";
    let extension = with("config:", "namespaces: { hr: \"urn:example:hr:2.0:User\" }\nconfig:");
    let text = extension.replace("externalId: $.external", &format!("hr:since: {instant}"));
    assert_eq!(told(&look(&text, &[]).await, "E402"), none);
    // What a row refuses is not lost: a table knows its values, a number its form.
    let number = "{ path: $.external, via: string }";
    assert_eq!(counter_examples("$.external", number).await, none);
}

#[tokio::test]
async fn a_row_that_loses_something_tells_a_true_counter_example() {
    let text = with("$.external", "{ path: $.external, via: lower }");
    let findings = look(&text, &[]).await;
    let fault = findings.diagnostics.iter().find(|found| found.code == "E402").expect("it is told");
    let message = "PutGet: \"externalId\" \"Ada\" is written as \"ada\" \
                   and reads back as \"ada\"";
    assert_eq!((fault.line, fault.column, fault.message.as_str()), (11, 7, message));
    let help = "add memo: true to remember what was sent, or lossy: true to accept it";
    assert_eq!(fault.help.as_deref(), Some(help));
    for (from, to, expected) in [
        (
            "via: { map: { E: employee, G: guest } }",
            "via: { map: { E: employee, G: guest }, else_native: X }",
            "PutGet: \"userType\" \"something else\" is written as \"X\" and reads back as null",
        ),
        (
            "via: { map: { E: employee, G: guest } }",
            "via: { map: { E: employee, G: guest }, else: other, else_native: X }",
            "PutGet: \"userType\" \"something else\" is written as \"X\" and reads back as \"other\"",
        ),
        (
            "item: { value: $.number }",
            "item: { value: { path: $.number, via: { map: { a: b }, else_native: c } } }",
            "PutGet: \"phoneNumbers.value\" \"1\" is written as \"c\" and reads back as null",
        ),
    ] {
        assert_eq!(counter_examples(from, to).await, [expected], "{to}");
    }
}

#[tokio::test]
async fn what_is_accepted_is_not_told() {
    let none: Vec<String> = Vec::new();
    for row in ["via: lower, lossy: true", "via: lower, memo: true", "via: lower, mode: read"] {
        let row = format!("{{ path: $.external, {row} }}");
        assert_eq!(counter_examples("$.external", &row).await, none, "{row}");
    }
    let item =
        "item: { value: { path: $.number, via: { map: { a: b }, else_native: c }, lossy: true } }";
    assert_eq!(counter_examples("item: { value: $.number }", item).await, none);
}

#[tokio::test]
async fn classes_say_what_is_lost() {
    let text = with("$.external", "{ path: $.external, via: lower, memo: true }");
    let findings = look(&text, &[Question::Classes]).await;
    let lines = findings.classes.expect("it was asked for");
    let class = |path: &str| {
        let line = lines.iter().find(|line| line.path == path).expect("the row is there");
        format!("{} | {} | {}", line.chain, line.direction, line.class)
    };
    assert_eq!(class("userName"), "copy | both | iso");
    assert_eq!(class("active"), "not | both | iso");
    assert_eq!(class("userType"), "map | both | iso");
    assert_eq!(
        class("externalId"),
        "lower | both | lossy, restored by memo; \
         e.g. \"Ada\" -> \"ada\" -> \"ada\""
    );
    assert_eq!(
        class("members"),
        "collection | both | by key value, effect: ref User, add by PUT, remove by DELETE"
    );
}

#[tokio::test]
async fn filters_are_explained_by_the_plan_that_answers_them() {
    let findings = look(FILE, &[Question::Filters]).await;
    let lines = findings.filters.expect("it was asked for");
    let found = |resource: &str, filter: &str| {
        let line = lines
            .iter()
            .find(|line| line.resource == resource && line.filter == filter)
            .unwrap_or_else(|| panic!("{filter}: {lines:?}"));
        format!("{}: {}", line.answer.name(), line.by)
    };
    for (resource, filter, expected) in [
        ("User", "userName eq \"ada\"", "pushed down: GET /people?login=ada"),
        ("User", "userName sw \"ada\"", "scanned: GET /people, at most 2000 records"),
        ("User", "id eq \"a\"", "by id: GET /people/a"),
        (
            "User",
            "groups.value eq \"ada\"",
            "scanned: GET /people, at most 2000 records; the groups of each by a request of its own",
        ),
        (
            "User",
            "displayName eq \"ada\"",
            "scanned: GET /people, at most 2000 records; no row maps it, so nobody matches",
        ),
        ("Group", "displayName eq \"ada\"", "pushed down: GET /groups?name=ada"),
        ("Group", "members.value eq \"a\"", "looked up: GET /people/a/groups"),
        ("Group", "id eq \"ada\" and members eq \"a\"", "by id: GET /groups/ada"),
    ] {
        assert_eq!(found(resource, filter), expected, "{filter}");
    }
    let findings = look(
        &with(
            "    filters:\n      userName eq",
            "    scan_limit: 0\n    filters:\n      userName eq",
        ),
        &[Question::Filters],
    )
    .await;
    let lines = findings.filters.expect("it was asked for");
    let refused = lines.iter().find(|line| line.filter == "userName sw \"ada\"");
    let by = refused.map(|line| (line.answer.name(), line.by.as_str()));
    assert_eq!(by, Some(("refused", "scan_limit: 0 forbids to look through the list")));
}

#[tokio::test]
async fn members_that_nothing_reads_are_told_once() {
    let text = with("kind: E, phones", "kind: E, boss: 7, links: { self: x, other: y }, phones");
    assert_eq!(
        told(&look(&text, &[]).await, "W314"),
        ["User: no row reads $.boss, $.links, which an example has"]
    );
    let text = text.replace(
        "    filters:\n      userName",
        "    unmapped: [ $.boss, $.links.self ]\n    filters:\n      userName",
    );
    assert_eq!(
        told(&look(&text, &[]).await, "W314"),
        ["User: no row reads $.links.other, which an example has"]
    );
    assert_eq!(told(&look(FILE, &[]).await, "W314"), Vec::<String>::new());
}

#[tokio::test]
async fn operations_without_a_test_are_infos() {
    let findings = look(FILE, &[]).await;
    assert_eq!(
        told(&findings, "I503"),
        [
            "User: no test shows create, get, list, update, delete, activate, deactivate",
            "Group: no test shows create, get, list, update, add of members, remove of members, \
             filter displayName eq, filter members.value eq",
        ]
    );
    assert_eq!((findings.count(Severity::Error), findings.count(Severity::Info)), (0, 2));
    let more = "
  - { name: one, scim: GET /Users/a, native: [ { expect: GET /people/a, reply: 404 } ], status: 404 }
  - name: off
    scim: PATCH /Users/a
    body: { Operations: [ { op: Replace, path: active, value: \"False\" } ] }
    native: [ { expect: GET /people/a, reply: 404 } ]
    status: 404
  - name: in
    scim: PATCH /Groups/g
    body: { Operations: [ { op: add, path: members, value: [ { value: a } ] } ] }
    native: [ { expect: PUT /groups/g/people/a, reply: 204 } ]
    status: 204
  - name: whose
    scim: GET /Groups?filter=members eq \"a\"
    native: [ { expect: GET /people/a/groups, reply: 404 } ]
    status: 200
";
    let findings = look(&format!("{}{more}", FILE.trim_end()), &[]).await;
    assert_eq!(
        told(&findings, "I503"),
        [
            "User: no test shows create, list, delete, activate",
            "Group: no test shows create, get, list, remove of members, filter displayName eq",
        ]
    );
}

#[tokio::test]
async fn faults_that_no_test_notices_are_told() {
    let findings = look(FILE, &[Question::Mutation]).await;
    let survivors = told(&findings, "I504");
    let mutation = findings.mutation.as_ref().expect("it was asked for");
    assert_eq!(mutation.total, mutation.caught + survivors.len());
    assert!(mutation.caught > 30 && mutation.percent() < 100, "{mutation:?}");
    let unnoticed = |what: &str| survivors.iter().any(|told| told.starts_with(what));
    // Read by the example, asked for by the test.
    for noticed in
        ["`userName eq: login`", "`path: $.login`", "`via: not`", "`externalId", "`get: /people`"]
    {
        assert!(!unnoticed(noticed), "{noticed}: {survivors:?}");
    }
    for blind in [
        "the verb in `post: /people` can become `put` without any test noticing",
        "`delete: /people/{id}` can become `/peopleX/{id}` without any test noticing",
        "`displayName eq: name` can become `nameX` without any test noticing",
        "`members.value eq: {\"get\":\"/people/{value}/groups\"}` can be left out",
    ] {
        assert!(unnoticed(blind), "{blind}: {survivors:#?}");
    }
    // What the schema says already is no fault: `groups` are read-only with or without a word.
    assert!(!unnoticed("`mode: read`"), "{survivors:#?}");
}

#[tokio::test]
async fn json_has_everything_that_was_asked_for() {
    let asked = [Question::Classes, Question::Filters, Question::Mutation];
    let shown = look(FILE, &asked).await.to_json("staff.yaml");
    assert_eq!(shown["file"], "staff.yaml");
    assert_eq!(
        (&shown["tests"], &shown["passed"], &shown["examples"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(shown["diagnostics"][0]["code"], "I503");
    assert_eq!(shown["diagnostics"][0]["severity"], "info");
    assert_eq!(
        (&shown["diagnostics"][0]["line"], &shown["diagnostics"][0]["column"]),
        (&json!(7), &json!(3))
    );
    assert_eq!(shown["classes"][0]["class"], "iso");
    assert_eq!(shown["filters"][0]["answer"], "pushed down");
    assert!(shown["mutation"]["percent"].as_u64().is_some_and(|percent| percent <= 100));
    let broken = look("bridge: [", &[]).await.to_json("broken.yaml");
    assert_eq!(
        (&broken["loaded"], &broken["diagnostics"][0]["code"]),
        (&json!(false), &json!("E001"))
    );
    assert!(broken.get("tests").is_none() && broken.get("classes").is_none());
}

/// Every shipped mapping tells its classes without a counter-example that it does not accept.
#[tokio::test]
async fn shipped_mappings_lose_nothing_in_silence() {
    for name in ["legacy-app", "pocketbase", "jupyterhub"] {
        let path = root().join(format!("mappings/{name}.yaml"));
        let text = std::fs::read_to_string(&path).expect("the mapping is there");
        let findings = look(&text, &[Question::Classes]).await;
        let lossy = findings.classes.as_ref().expect("it was asked for");
        let lossy: Vec<_> = lossy.iter().filter(|line| line.class.contains("e.g.")).collect();
        assert!(lossy.is_empty(), "{name}: {lossy:?}");
        assert_eq!(told(&findings, "E402"), Vec::<String>::new(), "{name}");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// The codes that stand in quotes in a folder's sources, tests left out.
fn codes_in(folder: &Path, codes: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            codes_in(&path, codes);
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("it is text");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in code.split('"').filter(|word| is_code(word)) {
            codes.insert(word.to_owned());
        }
    }
}

fn is_code(word: &str) -> bool {
    let mut letters = word.chars();
    word.len() == 4
        && letters.next().is_some_and(|first| "EWI".contains(first))
        && letters.all(|letter| letter.is_ascii_digit())
}

#[test]
fn every_code_is_explained_and_nothing_else() {
    let mut raised = BTreeSet::new();
    codes_in(&root().join("src/mapping"), &mut raised);
    codes_in(&root().join("src/dialogue"), &mut raised);
    let text = std::fs::read_to_string(root().join("docs/diagnostics.md")).expect("it is there");
    let headings = text.lines().filter_map(|line| line.strip_prefix("### "));
    let explained: BTreeSet<String> = headings
        .filter_map(|heading| heading.split(' ').next())
        .filter(|word| is_code(word))
        .map(str::to_owned)
        .collect();
    let unexplained: Vec<_> = raised.difference(&explained).collect();
    let never_raised: Vec<_> = explained.difference(&raised).collect();
    assert!(unexplained.is_empty(), "not in docs/diagnostics.md: {unexplained:?}");
    assert!(never_raised.is_empty(), "explained and never told: {never_raised:?}");
}
