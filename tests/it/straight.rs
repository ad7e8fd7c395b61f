//! The law that reading straight through says what the general reading says, byte for byte: for
//! mappings, records and projections of every sort.
#![cfg(test)]

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use scimbridge::convert::listing;
use scimbridge::convert::plan::Plan;
use scimbridge::dialogue::stage;
use scimbridge::exchange::response::ScimResponse;
use scimbridge::exchange::tenant::{Plans, Tenant};
use scimbridge::exchange::upstream::{Link, Upstream, UpstreamError};
use scimbridge::mapping::model::{Given, Mapping};
use scimbridge::native::message::{NativeRequest, NativeResponse};
use serde_json::Value;

use crate::simulated::ask;

/// Rows of all sorts; the first ones come from one attribute each, others share it.
const ROWS: &[&str] = &[
    "displayName: $.full",
    r#"title: { path: $.job, empty: ["", "none", null] }"#,
    "active: { path: $.off, via: not, default: true }",
    "name.givenName: $.n.first",
    "name.familyName: $.n.last",
    "name.formatted: $.n.whole.text",
    r#"nickName: "$.names[1]""#,
    r#"profileUrl: "$.links[?@.k=='web'].url""#,
    r#"emails[type eq "work"].value: { path: $.mail, emit: { primary: true } }"#,
    r#"emails[type eq "work"].display: $.label"#,
    r#"emails[type eq "home"].value: $.other"#,
    "enterprise:department: $.dep",
    "enterprise:manager.value: { path: $.boss, ref: User }",
    "enterprise:costCenter: $.n.cost",
    "password: $.secret",
    "timezone: { path: $.zone, returned: request }",
    "locale: { path: $.locale, returned: always }",
    "externalId: $.ext",
    "meta.created: { path: $.at, via: { datetime: epoch_s }, mode: read }",
    r#"phoneNumbers: { items: "$.phones[*]", item: { value: $.number, type: $.kind, primary: $.main } }"#,
    r#"x509Certificates: { items: "$.phones[*]", item: { value: $.kind, display: $.number }, mode: read }"#,
    r#"entitlements: { items: "$.n.marks[*]", item: { value: $.in.v, display: $.d, type: $.in.k } }"#,
    r#"roles: { items: "$.roles[*]", item: { value: $ } }"#,
    r#"ims: { items: "$.n.ims[?@.k=='a']", item: { value: $.v, display: $.d } }"#,
    r#"photos: { items: "$.photos[*]", item: { value: $.url, type: { value: photo } } }"#,
    r#"groups: { ref: Group, items: "$.teams[*]", item: { value: $.id, display: $.name }, mode: read }"#,
];

/// Members of records, each with places for odd values.
const MEMBERS: &[&str] = &[
    "\"full\":#",
    "\"job\":#",
    "\"off\":#",
    "\"mail\":#",
    "\"label\":#",
    "\"other\":#",
    "\"dep\":#",
    "\"boss\":#",
    "\"secret\":#",
    "\"zone\":#",
    "\"locale\":#",
    "\"ext\":#",
    "\"at\":#",
    "\"n\":{\"first\":#,\"last\":#,\"cost\":#}",
    "\"n\":{\"whole\":{\"text\":#},\"ims\":[{\"k\":\"a\",\"v\":#,\"d\":#},{\"k\":\"b\",\"v\":#},{\"k\":\"a\",\"v\":#}]}",
    "\"n\":#",
    "\"n\":{\"marks\":[{\"in\":{\"v\":#,\"k\":#},\"d\":#},{\"in\":#},#,{\"in\":{\"v\":#},\"in\":{\"k\":#}}]}",
    "\"n\":{\"marks\":[{\"\\u0064\":#,\"in\":{\"v\":#}}],\"marks\":#}",
    "\"names\":[#,#]",
    "\"names\":#",
    "\"links\":[{\"k\":\"web\",\"url\":#}]",
    "\"phones\":[{\"number\":#,\"kind\":#},{\"kind\":#,\"number\":#,\"main\":#},#]",
    "\"phones\":#",
    "\"phones\":{\"a\":{\"number\":#}}",
    "\"roles\":[#,#,#]",
    "\"roles\":#",
    "\"photos\":[{\"url\":#},{}]",
    "\"teams\":[{\"id\":#,\"name\":#},{\"id\":#}]",
    "\"unknown\":{\"deep\":[#]}",
    "\"login\":#",
    "\"f\\u0075ll\":#",
];

const VALUES: &[&str] = &[
    "null",
    "true",
    "false",
    "\"\"",
    "\"none\"",
    "\"Ada\"",
    "\"Ada\"",
    "\"Zoë / 日本\"",
    "7",
    "8",
    "0",
    "-1",
    "1.50",
    "1e3",
    "-0",
    "12345678901234567890",
    "1700000000",
    "[]",
    "{}",
    "[1]",
    "{\"value\":1}",
    "\"a\\u0041\\/\\n\"",
    "\"q\\\"\\\\\"",
    "\"\\ud83d\\ude00\"",
    " \"blank\" ",
    "\"7\"",
    "[[[]]]",
    "\"a/b\"",
];

const PROJECTIONS: &[&str] = &[
    "",
    "",
    "attributes=userName,emails",
    "attributes=timezone,name",
    "excludedAttributes=emails,meta",
    "excludedAttributes=phoneNumbers,roles,urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
    "attributes=urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
    "attributes=name.givenName",
    "attributes=manager,groups",
    "excludedAttributes=department",
    "attributes=meta&excludedAttributes=id",
];

fn mapping(rows: &[&str]) -> String {
    let mut text = String::from(
        "bridge: 1\nname: straight\nconfig: { url: { default: \"http://h\", type: url } }\n\
         api: { base_url: \"{config.url}\" }\nresources:\n  User:\n    id: { path: $.id, type: integer }\n\
         \x20   attributes:\n      userName: { path: $.login, required: true }\n",
    );
    for row in rows {
        text.extend(["      ", row, "\n"]);
    }
    text.push_str(
        "    list: { get: /users }\n    get: { get: \"/users/{id}\" }\n    create: { post: /users }\n\
         \x20   update: { patch: \"/users/{id}\" }\n  Group:\n    id: { path: $.id, type: integer }\n\
         \x20   attributes: { displayName: $.name }\n    get: { get: \"/groups/{id}\" }\n",
    );
    text
}

/// Queries of lists; `totalResults` and what is left out are as important as what is shown.
const QUERIES: &[&str] = &[
    "",
    "startIndex=2&count=1",
    "count=0",
    "attributes=userName,emails",
    "excludedAttributes=emails,meta",
    "attributes=name.givenName",
    "sortBy=displayName",
    "filter=userName pr",
    "filter=displayName eq \"Ada\"",
    "filter=active eq true and not (title pr)",
    "filter=emails[type eq \"work\" and value co \"a\"]",
    "filter=emails.value pr or name.familyName sw \"A\"",
    "filter=urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq \"7\"",
    "filter=groups.$ref pr",
    "filter=meta.created pr",
    "filter=id eq \"8\"",
    "filter=timezone pr",
    "filter=password pr",
    "filter=groups.value eq \"8\"&startIndex=2",
];

/// Requests that write. Some name what only those are shown who name it.
const WRITES: &[(&str, &str)] = &[
    ("POST /Users", r#"{"userName":"ada"}"#),
    ("POST /Users", r#"{"userName":"ada","displayName":"Ada","timezone":"UTC","roles":["a"]}"#),
    ("PATCH /Users/7", r#"{"Operations":[{"op":"replace","value":{"displayName":"Eva"}}]}"#),
    ("PATCH /Users/7", r#"{"Operations":[{"op":"replace","path":"timezone","value":"UTC"}]}"#),
    ("PATCH /Users/7", r#"{"Operations":[{"op":"replace","path":"active","value":"False"}]}"#),
];

/// An application that has one record, whatever is asked for, and a list of three such; who is to
/// be suspended gets a job, with an id of its own.
struct One(String);

impl One {
    fn list(&self) -> String {
        let Self(record) = self;
        let other = |id: &str| record.replacen("\"id\":7", &format!("\"id\":{id}"), 1);
        format!("[{record} , {}\n,{}]", other("8"), other(" 9"))
    }
}

#[async_trait]
impl Upstream for One {
    async fn call(&self, request: NativeRequest) -> Result<NativeResponse, UpstreamError> {
        let is_list = request.path == "/users" && request.method.is_safe();
        let text = match request.path.ends_with("/suspend") {
            true => r#"{"id":4711,"login":"job"}"#.to_owned(),
            false if is_list => self.list(),
            false => self.0.clone(),
        };
        let body = Bytes::from(text).into();
        Ok(NativeResponse { status: 200, headers: Vec::new(), body })
    }

    fn follow(&self, _asked: &str, _link: &str) -> Result<Link, UpstreamError> {
        Err(UpstreamError::OffOrigin)
    }
}

fn loaded(text: &str) -> Arc<Mapping> {
    let (mapping, _) = Mapping::load(text).unwrap_or_else(|faults| {
        let faults: Vec<String> = faults.iter().map(|fault| fault.render("mapping")).collect();
        panic!("{}\n{text}", faults.join("\n"));
    });
    Arc::new(mapping)
}

async fn tenant(mapping: &Arc<Mapping>, record: &str) -> Tenant {
    let upstream: Arc<dyn Upstream> = Arc::new(One(record.to_owned()));
    stage::set(mapping, &Given::default(), upstream).await.unwrap()
}

/// Everything of an answer that a client sees: status, headers, body.
type Seen = (u16, Vec<(&'static str, String)>, Option<String>);

fn seen(response: ScimResponse) -> Seen {
    let text = response.body.map(|body| body.into_text().unwrap());
    let text = text.map(|text| String::from_utf8(text.to_vec()).unwrap());
    (response.status, response.headers, text)
}

/// Both readings of a record.
async fn both(
    mapping: &Arc<Mapping>,
    record: &str,
    line: &str,
    body: Option<&str>,
) -> [ScimResponse; 2] {
    let straight = tenant(mapping, record).await;
    let general = Tenant { plans: Plans::none(), ..tenant(mapping, record).await };
    let body: Option<Value> = body.map(|body| serde_json::from_str(body).unwrap());
    [ask(&straight, line, body.as_ref()).await, ask(&general, line, body.as_ref()).await]
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A record: some members, odd values in them, blanks in between.
fn record() -> impl Strategy<Value = String> {
    let members = prop::collection::vec(select(MEMBERS), 0..14);
    let values = prop::collection::vec(select(VALUES), 40);
    (members, values, any::<bool>()).prop_map(|(members, values, is_wide)| {
        let comma = if is_wide { " ,\n " } else { "," };
        let mut values = values.into_iter().cycle();
        let mut text =
            format!("{{\"id\":7{comma}{}", members.join(comma)).trim_end_matches(',').to_owned();
        while text.contains('#') {
            text = text.replacen('#', values.next().unwrap_or("null"), 1);
        }
        text.trim_end().trim_end_matches(',').to_owned() + "}"
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_straight_reading_says_what_the_general_one_says(
        rows in subsequence(ROWS, 0..=ROWS.len()).prop_shuffle(),
        record in record(),
        query in select(PROJECTIONS),
    ) {
        let mapping = loaded(&mapping(&rows));
        let line = format!("GET /Users/7?{query}");
        let [straight, general] = run(both(&mapping, &record, &line, None)).map(seen);
        prop_assert_eq!(straight, general, "{}\n{}\n{}", rows.join("\n"), record, query);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_list_read_straight_says_what_the_general_one_says(
        rows in subsequence(ROWS, 0..=ROWS.len()).prop_shuffle(),
        record in record(),
        query in select(QUERIES),
    ) {
        let mapping = loaded(&mapping(&rows));
        let line = format!("GET /Users?{query}");
        let [straight, general] = run(both(&mapping, &record, &line, None)).map(seen);
        prop_assert_eq!(straight, general, "{}\n{}\n{}", rows.join("\n"), record, query);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_answer_to_a_write_says_what_the_general_one_says(
        rows in subsequence(ROWS, 0..=ROWS.len()).prop_shuffle(),
        record in record(),
        (line, body) in select(WRITES),
        query in select(PROJECTIONS),
    ) {
        let mapping = loaded(&mapping(&rows));
        let line = format!("{line}?{query}");
        let [straight, general] = run(both(&mapping, &record, &line, Some(body))).map(seen);
        prop_assert_eq!(straight, general, "{}\n{}\n{} {}", rows.join("\n"), record, line, body);
    }
}

#[test]
fn a_write_that_was_done_is_not_denied_for_the_id_of_something_else() {
    let switches = "    activate: { post: \"/users/{id}/resume\" }\n    \
                    deactivate: { post: \"/users/{id}/suspend\" }\n    create:";
    let text = mapping(&["active: { path: $.off, via: not }"]);
    let mapping = loaded(&text.replacen("    create:", switches, 1));
    let body = r#"{"Operations":[{"op":"replace","path":"active","value":false}]}"#;
    let record = r#"{"id":7,"login":"ada","off":false}"#;
    let answers = run(both(&mapping, record, "PATCH /Users/7", Some(body)));
    assert_eq!(answers.each_ref().map(|answer| answer.status), [200, 200], "{answers:?}");
    let [straight, general] = answers.map(seen);
    assert_eq!(straight, general);
}

/// Without this the law could hold because nothing is ever read straight.
#[test]
fn rows_of_all_sorts_have_a_plan() {
    let mapping = loaded(&mapping(ROWS));
    let users = mapping.resource("User").unwrap();
    assert!(Plan::new(&mapping, users).is_some());
    let mapping = loaded(&std::fs::read_to_string("mappings/legacy-app.yaml").unwrap());
    assert!(mapping.resources.iter().all(|it| Plan::new(&mapping, it).is_some()));
}

#[test]
fn lists_are_found_in_the_text_wherever_they_stand() {
    let check = |records: &str, answer: &str, expected: Option<&[&str]>| {
        let text =
            mapping(&[]).replacen("{ get: /users }", &format!("{{ get: /users{records} }}"), 1);
        let mapping = loaded(&text);
        let users = mapping.resource("User").unwrap();
        let plan = Plan::new(&mapping, users).unwrap();
        let body = Bytes::from(answer.to_owned()).into();
        let response = NativeResponse { status: 200, headers: Vec::new(), body };
        let found = listing::records(&plan, users, users.list.as_ref().unwrap(), &response);
        let found = found
            .map(|found| found.iter().map(|it| it.key().unwrap().to_owned()).collect::<Vec<_>>());
        assert_eq!(
            found.as_deref(),
            expected
                .map(|keys| keys.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>())
                .as_deref(),
            "{records} {answer}"
        );
    };
    check("", r#"[{"id":1},{"id":2}]"#, Some(&["1", "2"]));
    check("", " [ ] ", Some(&[]));
    check("", r#"[{"id":1},{"no":2}]"#, None);
    check("", r#"[{"id":1}"#, None);
    check("", r#"[{"id":1}] x"#, None);
    check("", r#"{"id":1}"#, None);
    let inner = ", records: $.a.b";
    check(inner, r#"{"a":{"c":[],"b":[{"id":1}]},"d":{}}"#, Some(&["1"]));
    check(inner, r#"{"a":{"b":[{"id":1}],"b":[{"id":2}]}}"#, Some(&["2"]));
    check(inner, r#"{"a":{"b":[{"id":1}]},"a":{}}"#, None);
    check(inner, r#"{"a":{"b":{"id":1}}}"#, None);
    check(inner, r#"{"a":{"b":null}}"#, None);
}

/// The examples of every shipped mapping, both ways.
#[test]
fn shipped_mappings_are_read_alike() {
    for file in std::fs::read_dir("mappings").unwrap() {
        let mapping = loaded(&std::fs::read_to_string(file.unwrap().path()).unwrap());
        for resource in &mapping.resources {
            let Some(plan) = Plan::new(&mapping, resource) else { continue };
            for example in &resource.examples {
                let text = example.native.to_string();
                let read = plan.read(&mut scimbridge::native::scan::Scanner::new(&text));
                let key = plan.key(resource, &read.unwrap()).unwrap();
                let line = format!("GET {}/{key}", resource.resource_type.endpoint);
                let [straight, general] = run(async {
                    let straight = tenant(&mapping, &text).await;
                    let general = Tenant { plans: Plans::none(), ..tenant(&mapping, &text).await };
                    [ask(&straight, &line, None).await, ask(&general, &line, None).await]
                });
                assert_eq!(seen(straight), seen(general), "{} {line}", mapping.name);
            }
        }
    }
}
