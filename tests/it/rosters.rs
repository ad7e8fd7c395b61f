//! Laws of large groups: whether their members are told and compared piece by piece or as trees,
//! clients see the same answers and the application the same calls.
#![cfg(test)]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::select;
use scimbridge::convert::{listing, record};
use scimbridge::dialogue::stage;
use scimbridge::exchange::response::ScimResponse;
use scimbridge::exchange::tenant::{Rosters, Tenant};
use scimbridge::exchange::upstream::{Link, Upstream, UpstreamError};
use scimbridge::mapping::model::{CollectionSource, Given, Mapping};
use scimbridge::native::listed::Listed;
use scimbridge::native::message::{Method, NativeRequest, NativeResponse, Payload};
use scimbridge::scim::value::Dialect;
use serde_json::{Value, json};

use crate::simulated::ask;

/// What people are identified by, and who of them are there for whom.
const PEOPLE: &[&str] =
    &["id: $.id", "id: { path: $.id, as: issued }", "id: $.id\n    delete: deactivate"];

/// What is said of members.
const ITEMS: &[&str] = &[
    "item: { value: $.id }",
    "item: { value: $.id, display: $.name }",
    "item: { value: $.id, display: { path: $.name, returned: request }, type: { value: User } }",
    "item: { value: $.id } | fetch: request",
    "item: { value: $.id } | batch: { add: 3, remove: all }",
    "item: { value: $.id, display: { path: $.name, pattern: \"A.*\" } }",
];

/// What else the mapping has of groups.
const OTHERS: &[&str] = &[
    "displayName: $.name",
    "displayName: { path: $.name, required: true, default: \"{scim.members | length}\" }",
    "displayName: $.name\n      externalId: { path: $.ref, to_native: \"scim.members | length\" }",
];

const PATHS: &[&str] = &[
    "",
    "",
    "?attributes=members",
    "?attributes=members.value,displayName",
    "?excludedAttributes=members",
    "?excludedAttributes=members.display,meta",
    "?excludedAttributes=members.value,members.$ref",
];

const IDS: &[&str] = &["a", "b", "c", "d", "e", "f", "gone", "A", "x/y", "", "ä\\u0022"];

/// How members are listed.
const LISTS: &[&str] = &[
    "records: $.all, pages: { offset: from, size: count, max: 3 }",
    "records: $.all, pages: { offset: from, size: count, max: 3, total: $.total }",
    "records: $.all",
    "records: \"$.all[*]\"",
    "records: \"$.all[?@.id]\"",
];

fn mapping(people: &str, list: &str, item: &str, other: &str, replace: &str) -> Arc<Mapping> {
    let text = format!(
        r#"
bridge: 1
name: rosters
config: {{ url: {{ default: "http://h", type: url }} }}
api: {{ base_url: "{{config.url}}" }}
resources:
  User:
    {people}
    attributes: {{ userName: {{ path: $.login, required: true }}, active: $.on }}
    get: {{ get: "/people/{{id}}" }}
    create: {{ post: /people }}
    update: {{ patch: "/people/{{id}}" }}
  Group:
    id: $.id
    attributes:
      {other}
      members:
        ref: User
        list: {{ get: "/groups/{{id}}/members", {list} }}
        {item}
        add: {{ post: "/groups/{{id}}/members", body: {{ ids: "{{members}}" }} }}
        remove: {{ post: "/groups/{{id}}/gone", body: {{ ids: "{{members}}" }} }}
    list: {{ get: /groups }}
    get: {{ get: "/groups/{{id}}" }}
    update: {{ patch: "/groups/{{id}}" }}
    replace: {replace}
"#,
        item = item.replace(" | ", "\n        "),
    );
    let (mapping, _) = Mapping::load(&text).unwrap_or_else(|faults| {
        let faults: Vec<String> = faults.iter().map(|fault| fault.render("mapping")).collect();
        panic!("{}\n{text}", faults.join("\n"));
    });
    Arc::new(mapping)
}

/// What may stand in a list.
const PIECES: &[&str] = &[
    "{\"id\":\"a\"}",
    " {\"id\":7, \"id\":8} ",
    "{}",
    "[]",
    "null",
    "7",
    "\"\\ud83d\\ude00\"",
    "1e3",
];

/// An application with one group. Whoever is called `gone` is nobody there.
struct Application {
    members: Vec<Value>,
    calls: Mutex<Vec<String>>,
}

impl Application {
    fn answer(&self, request: &NativeRequest) -> (u16, Value) {
        let group = json!({ "id": "9", "name": "Owls", "ref": "r" });
        let number = |name: &str, otherwise: usize| {
            let value = request.query.iter().find(|(have, _)| have == name);
            value.map_or(otherwise, |(_, value)| value.parse().unwrap())
        };
        match (request.method, request.path.as_str()) {
            (Method::Get, "/groups") => (200, json!([group])),
            (Method::Get, "/groups/9") => (200, group),
            (Method::Get, _) => {
                let rest = self.members.iter().skip(number("from", 0));
                let page: Vec<&Value> = rest.take(number("count", usize::MAX)).collect();
                (200, json!({ "all": page, "total": self.members.len() }))
            }
            (Method::Post, "/groups/9/members")
                if format!("{:?}", request.body).contains("gone") =>
            {
                (404, Value::Null)
            }
            _ => (200, group),
        }
    }
}

#[async_trait]
impl Upstream for Application {
    async fn call(&self, request: NativeRequest) -> Result<NativeResponse, UpstreamError> {
        let line = format!("{:?} {} {:?}", request.method, request.path, request.body);
        self.calls.lock().unwrap().push(line);
        let (status, body) = self.answer(&request);
        Ok(NativeResponse { status, headers: Vec::new(), body: Payload::Json(body).into() })
    }

    fn follow(&self, _asked: &str, _link: &str) -> Result<Link, UpstreamError> {
        Err(UpstreamError::OffOrigin)
    }
}

async fn tenant(mapping: &Arc<Mapping>, members: &[Value]) -> (Tenant, Arc<Application>) {
    let application = Arc::new(Application { members: members.to_vec(), calls: Mutex::default() });
    let issued: Value = IDS.iter().map(|id| ((*id).to_owned(), format!("of-{id}"))).collect();
    let sidecar = if format!("{:?}", mapping.resource("User").unwrap().id.source) == "Issued" {
        json!({ "ids": { "User": issued } })
    } else {
        json!({ "User": { "c": { "deleted": true } } })
    };
    let given = Given { sidecar, ..Given::default() };
    let upstream = Arc::clone(&application) as Arc<dyn Upstream>;
    (stage::set(mapping, &given, upstream).await.unwrap(), application)
}

/// What clients see of an answer, and the calls that it took.
type Seen = (u16, Vec<(&'static str, String)>, Option<Value>, Vec<String>);

fn seen(response: ScimResponse, application: &Application) -> Seen {
    let calls = std::mem::take(&mut *application.calls.lock().unwrap());
    // What is sent is the text.
    let text = response.body.map(|body| body.into_text().unwrap());
    let body = text.map(|text| serde_json::from_slice(&text).unwrap());
    (response.status, response.headers, body, calls)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Native members, some of them odd, some of them twice.
fn present() -> impl Strategy<Value = Vec<Value>> {
    let name = select(vec![json!("Ada"), json!("Bob"), json!(""), json!(null), json!([7])]);
    let member = (select(IDS), name).prop_map(|(id, name)| json!({ "id": id, "name": name }));
    let odd = select(vec![json!(7), json!(null), json!({}), json!({ "id": 7 })]);
    prop::collection::vec(prop_oneof![9 => member, 1 => odd], 0..14)
}

/// Members as clients write them.
fn wanted() -> impl Strategy<Value = Value> {
    let plain = select(IDS).prop_map(|id| json!({ "value": id }));
    let issued = select(IDS).prop_map(|id| json!({ "value": format!("of-{id}") }));
    let full = select(IDS).prop_map(|id| json!({ "VALUE": id, "display": "Zoe", "$ref": "../x" }));
    let odd = select(vec![
        json!("a"),
        json!(7),
        json!(null),
        json!({}),
        json!([]),
        json!({ "x": 1 }),
        json!(""),
    ]);
    let one = prop_oneof![8 => plain, 6 => issued, 3 => full, 1 => odd];
    let list = prop::collection::vec(one, 0..12).prop_map(Value::Array);
    prop_oneof![12 => list, 1 => select(vec![json!(null), json!({ "value": "a" }), json!("a")])]
}

const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// How a body names the members, and whether it does so once.
const NAMES: &[&[&str]] = &[
    &["members"],
    &["members"],
    &["members"],
    &["MEMBERS"],
    &["members", "Members"],
    &["urn:ietf:params:scim:schemas:core:2.0:Group:members"],
    &["members", IN_AN_OBJECT],
    &[IN_AN_OBJECT],
    &[],
];

/// Members in an object of the schema's name.
const IN_AN_OBJECT: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// What a PATCH does to members, and beside that.
const OPERATIONS: &[&str] = &[
    r#"[{ "op": "replace", "path": "members", "value": WANTED }]"#,
    r#"[{ "op": "Replace", "path": "Members", "value": WANTED }]"#,
    r#"[{ "op": "replace", "value": { "members": WANTED, "displayName": "Larks" } }]"#,
    r#"[{ "op": "replace", "path": "members", "value": WANTED },
        { "op": "replace", "path": "displayName", "value": "Larks" }]"#,
    r#"[{ "op": "replace", "path": "members", "value": WANTED },
        { "op": "add", "path": "members", "value": MORE }]"#,
    r#"[{ "op": "replace", "path": "members", "value": WANTED },
        { "op": "replace", "path": "members", "value": MORE }]"#,
    r#"[{ "op": "add", "path": "members", "value": WANTED }]"#,
    r#"[{ "op": "replace", "path": "members[value eq \"a\"]", "value": { "value": "b" } }]"#,
    r#"[{ "op": "replace", "path": "members.display", "value": "x" }]"#,
    r#"[{ "op": "remove", "path": "members" }]"#,
];

/// A request with the members in pieces, and with trees of them.
fn both(
    mapping: &Arc<Mapping>,
    members: &[Value],
    dialect: Dialect,
    line: &str,
    body: &Value,
) -> [Seen; 2] {
    [Rosters::default(), Rosters::none()].map(|rosters| {
        let (tenant, application) = run(tenant(mapping, members));
        let tenant = Tenant { rosters, dialect, ..tenant };
        seen(run(ask(&tenant, line, Some(body))), &application)
    })
}

fn dialect() -> impl Strategy<Value = Dialect> {
    select(&[Dialect::Lenient, Dialect::Strict][..])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_group_read_by_itself_says_what_a_list_says_of_it(
        people in select(PEOPLE),
        (list, item) in (select(LISTS), select(ITEMS)),
        members in present(),
        path in select(PATHS),
    ) {
        let mapping = mapping(people, list, item, OTHERS[0], "soft");
        let (tenant, application) = run(tenant(&mapping, &members));
        let one = run(ask(&tenant, &format!("GET /Groups/9{path}"), None));
        let (status, _, one, calls) = seen(one, &application);
        let list = run(ask(&tenant, &format!("GET /Groups{path}"), None));
        let (_, _, list, others) = seen(list, &application);
        prop_assert_eq!((status, one.as_ref()), (200, list.as_ref().map(|list| &list["Resources"][0])));
        prop_assert_eq!(&calls[1..], &others[1..]);
    }

    #[test]
    fn members_are_replaced_in_one_way(
        people in select(PEOPLE),
        (list, item) in (select(LISTS), select(ITEMS)),
        (other, replace) in (select(OTHERS), select(&["soft", "strict"][..])),
        members in present(),
        (names, wanted) in (select(NAMES), wanted()),
        (path, dialect) in (select(PATHS), dialect()),
    ) {
        let mapping = mapping(people, list, item, other, replace);
        let mut body = json!({ "schemas": [GROUP], "displayName": "Owls" });
        for name in names {
            body[name] = match *name {
                IN_AN_OBJECT => json!({ "members": wanted }),
                _ => wanted.clone(),
            };
        }
        let [pieces, trees] = both(&mapping, &members, dialect, &format!("PUT /Groups/9{path}"), &body);
        prop_assert_eq!(pieces, trees);
    }

    #[test]
    fn members_are_patched_in_one_way(
        people in select(PEOPLE),
        (list, item, other) in (select(LISTS), select(ITEMS), select(OTHERS)),
        members in present(),
        (operations, wanted, more) in (select(OPERATIONS), wanted(), wanted()),
        (path, dialect) in (select(PATHS), dialect()),
    ) {
        let mapping = mapping(people, list, item, other, "soft");
        let operations = operations.replace("WANTED", &wanted.to_string());
        let operations: Value =
            serde_json::from_str(&operations.replace("MORE", &more.to_string())).unwrap();
        let schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
        let body = json!({ "schemas": [schema], "Operations": operations });
        let [pieces, trees] = both(&mapping, &members, dialect, &format!("PATCH /Groups/9{path}"), &body);
        prop_assert_eq!(pieces, trees);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn elements_found_in_a_text_are_those_of_its_tree(
        list in select(LISTS),
        pieces in prop::collection::vec(select(PIECES), 0..5),
        frame in select(&["{\"all\":[#]}", " { \"all\" : [ # ] , \"total\": 1 } ", "[#]",
            "{\"all\":[1],\"all\":[#]}", "{\"all\":#}", "{\"\\u0061ll\":[#]}", "{\"all\":[#]"][..]),
    ) {
        let mapping = mapping(PEOPLE[0], list, ITEMS[0], OTHERS[0], "soft");
        let members = &mapping.resource("Group").unwrap().collections[0];
        let CollectionSource::List(request) = &members.source else { panic!("a list") };
        let text = frame.replace('#', &pieces.join(","));
        let body = Bytes::from(text.clone()).into();
        let response = NativeResponse { status: 200, headers: Vec::new(), body };
        if let Some(found) = listing::elements(request, &response) {
            let found: Vec<Value> = found.into_iter().map(Listed::into_value).collect();
            prop_assert_eq!(Some(found), record::records(request, &response), "{}", text);
        } else {
            let is_plain = frame.starts_with("{\"all\":[#]}") && !list.contains('?');
            prop_assert!(!is_plain, "{}", text);
        }
    }
}

/// More than one piece can hold, of what is read and of what is sent; some come and some go.
#[test]
fn lists_of_many_pieces_are_one_list() {
    let member = |id: u32| json!({ "id": id.to_string(), "name": format!("Person {id}") });
    let present: Vec<Value> = (0..1700).map(member).collect();
    let wanted: Vec<Value> =
        (10..1710).rev().map(|id| json!({ "value": id.to_string() })).collect();
    for list in [LISTS[0], LISTS[2]] {
        let mapping = mapping(PEOPLE[0], list, ITEMS[1], OTHERS[0], "soft");
        let put = json!({ "schemas": [GROUP], "displayName": "Owls", "members": &wanted });
        let operation = json!({ "op": "replace", "path": "members", "value": &wanted });
        let patch = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation] });
        for (line, body) in [("PUT /Groups/9", &put), ("PATCH /Groups/9", &patch)] {
            let [pieces, trees] = both(&mapping, &present, Dialect::Strict, line, body);
            assert_eq!(pieces, trees, "{line} {list}");
            let shown = &pieces.2.unwrap()["members"];
            assert_eq!((pieces.0, shown.as_array().map(Vec::len)), (200, Some(1700)));
            assert_eq!(shown[1699]["display"], "Person 10");
            let writes = pieces.3.iter().filter(|call| call.starts_with("Post")).count();
            assert_eq!(writes, 20);
        }
    }
}

/// Without this the laws could hold because nothing is ever done piece by piece.
#[test]
fn members_that_nothing_else_looks_at_are_known() {
    let check = |item: &str, other: &str, expected: usize| {
        let mapping = mapping(PEOPLE[0], LISTS[0], item, other, "soft");
        let tenant = run(stage::bare(&mapping)).unwrap();
        let group = mapping.resource("Group").unwrap();
        assert_eq!(tenant.rosters(group).count(), expected, "{item} {other}");
    };
    for item in &ITEMS[..5] {
        check(item, OTHERS[0], 1);
    }
    check(ITEMS[5], OTHERS[0], 0);
    check(ITEMS[0], OTHERS[1], 0);
    check(ITEMS[0], OTHERS[2], 0);
}
