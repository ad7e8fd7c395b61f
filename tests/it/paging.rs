//! Pages put together are the list: whatever the application's way of paging, by index and by
//! cursor, with and without tombstones, filters and sorting.
#![cfg(test)]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use http::Method;
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::select;
use serde_json::{Map, Value, json};

use scimbridge::dialogue::stage;
use scimbridge::exchange::engine;
use scimbridge::exchange::request::{Caller, ScimRequest};
use scimbridge::exchange::response::Body;
use scimbridge::exchange::tenant::Tenant;
use scimbridge::exchange::upstream::{Link, Upstream, UpstreamError};
use scimbridge::mapping::model::{Given, Mapping};
use scimbridge::native::message::{NativeRequest, NativeResponse, Payload};
use scimbridge::scim::value::Dialect;

/// An application with one list of people and one of teams.
struct Application {
    style: Style,
    people: Vec<Value>,
    teams: Vec<Value>,
    calls: Mutex<Vec<NativeRequest>>,
}

/// How its lists are paged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Offset,
    OffsetWithTotal,
    Page,
    PageWithTotal,
    LinkHeader,
    LinkBody,
    Cursor,
    Marker,
    Unpaged,
}

impl Style {
    const ALL: [Self; 9] = [
        Self::Offset,
        Self::OffsetWithTotal,
        Self::Page,
        Self::PageWithTotal,
        Self::LinkHeader,
        Self::LinkBody,
        Self::Cursor,
        Self::Marker,
        Self::Unpaged,
    ];

    fn pages(self, max: usize) -> String {
        let style = match self {
            Self::Offset => "offset: offset",
            Self::OffsetWithTotal => "offset: offset, total: $.total",
            Self::Page => "page: page",
            Self::PageWithTotal => "page: page, total: $.total",
            Self::LinkHeader => "link: next",
            Self::LinkBody => "link: $.next",
            Self::Cursor => "cursor: after, next: $.after",
            Self::Marker => "cursor: marker, last: $.id",
            Self::Unpaged => return String::new(),
        };
        format!(", pages: {{ {style}, size: size, max: {max} }}")
    }
}

fn parameter(request: &NativeRequest, name: &str) -> Option<String> {
    request.query.iter().find(|(have, _)| have == name).map(|(_, value)| value.clone())
}

fn number(request: &NativeRequest, name: &str) -> Option<usize> {
    parameter(request, name).map(|text| text.parse().expect("a number"))
}

#[async_trait]
impl Upstream for Application {
    async fn call(&self, request: NativeRequest) -> Result<NativeResponse, UpstreamError> {
        let mut list = match request.path.as_str() {
            "/people" => self.people.clone(),
            "/teams" => self.teams.clone(),
            other => panic!("{other} is not asked for"),
        };
        if let Some(key) = parameter(&request, "sort").filter(|key| !key.is_empty()) {
            let (key, descending) = match key.strip_prefix('-') {
                Some(key) => (key.to_owned(), true),
                None => (key, false),
            };
            list.sort_by_key(|record| record[&key].as_str().unwrap_or_default().to_lowercase());
            if descending {
                list.reverse();
            }
        }
        let size = number(&request, "size").unwrap_or(usize::MAX);
        let begin = match self.style {
            Style::Offset | Style::OffsetWithTotal => number(&request, "offset").unwrap_or(0),
            Style::Page | Style::PageWithTotal => {
                (number(&request, "page").unwrap_or(1) - 1) * size
            }
            Style::LinkHeader | Style::LinkBody => number(&request, "from").unwrap_or(0),
            Style::Cursor => parameter(&request, "after").map_or(0, |after| {
                after.strip_prefix("c-").expect("a cursor of ours").parse().expect("a number")
            }),
            Style::Marker => parameter(&request, "marker").map_or(0, |marker| {
                list.iter().position(|record| record["id"] == json!(marker)).expect("a record") + 1
            }),
            Style::Unpaged => 0,
        };
        let end = begin.saturating_add(size).min(list.len());
        let begin = begin.min(end);
        let mut body = json!({ "items": list[begin..end], "total": list.len() });
        let mut headers = Vec::new();
        if end < list.len() {
            let sort = parameter(&request, "sort").unwrap_or_default();
            let link = format!("{}?from={end}&size={size}&sort={sort}", request.path);
            body["next"] = json!(link);
            body["after"] = json!(format!("c-{end}"));
            headers.push(("link".to_owned(), format!("<{link}>; rel=\"next\"")));
        }
        self.calls.lock().unwrap().push(request);
        Ok(NativeResponse { status: 200, headers, body: Payload::Json(body).into() })
    }

    fn follow(&self, _: &str, link: &str) -> Result<Link, UpstreamError> {
        let (path, query) = link.split_once('?').unwrap_or((link, ""));
        let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Ok(Link { path: path.to_owned(), query })
    }
}

/// A world to ask: the lists, how they are paged, and what a client asks for.
#[derive(Debug, Clone)]
struct World {
    style: Style,
    max: usize,
    /// For each person: a name, whether active, and whether SCIM clients have deleted it.
    people: Vec<(Option<u8>, bool, bool)>,
    teams: usize,
    count: usize,
    sort: &'static str,
}

fn worlds() -> impl Strategy<Value = World> {
    let person = (any::<Option<u8>>(), any::<bool>(), proptest::bool::weighted(0.2));
    let people = proptest::collection::vec(person, 0..25);
    (
        select(Style::ALL.to_vec()),
        1_usize..8,
        people,
        0_usize..8,
        1_usize..9,
        select(vec!["", "sort: { by: { title: title }, query: sort }"]),
    )
        .prop_map(|(style, max, people, teams, count, sort)| World {
            style,
            max,
            people,
            teams,
            count,
            sort,
        })
}

impl World {
    async fn tenant(&self) -> (Tenant, Arc<Application>) {
        let pages = self.style.pages(self.max);
        let mapping = format!(
            "bridge: 1\nname: paged\nconfig: {{ url: {{ type: url }} }}\n\
             api: {{ base_url: \"{{config.url}}\" }}\nresources:\n  \
             User:\n    id: $.id\n    attributes: {{ userName: $.login, title: $.title, active: $.on }}\n    \
             list: {{ get: /people, records: \"$.items[*]\"{pages} }}\n    \
             update: {{ patch: \"/people/{{id}}\" }}\n    delete: deactivate\n    {}\n  \
             Group:\n    id: $.id\n    attributes: {{ displayName: $.title }}\n    \
             list: {{ get: /teams, records: \"$.items[*]\"{pages} }}\n",
            self.sort
        );
        let (mapping, _) = Mapping::load(&mapping).unwrap_or_else(|faults| panic!("{faults:?}"));
        let person = |(index, (name, on, _)): (usize, &(Option<u8>, bool, bool))| {
            let title =
                name.map(|name| format!("{}{}", if name % 2 == 0 { 't' } else { 'T' }, name / 8));
            json!({ "id": format!("p{index}"), "login": format!("u{index}"), "title": title, "on": on })
        };
        let people = self.people.iter().enumerate().map(person).collect();
        let teams = (0..self.teams)
            .map(|index| json!({ "id": format!("t{index}"), "title": format!("T{}", index % 3) }));
        let application = Arc::new(Application {
            style: self.style,
            people,
            teams: teams.collect(),
            calls: Mutex::default(),
        });
        let mut deleted = Map::new();
        for (index, (_, _, is_deleted)) in self.people.iter().enumerate() {
            if *is_deleted {
                deleted.insert(format!("p{index}"), json!({ "deleted": true }));
            }
        }
        let given = Given { sidecar: json!({ "User": deleted }), ..Given::default() };
        let upstream = Arc::clone(&application) as Arc<dyn Upstream>;
        let tenant = stage::set(&Arc::new(mapping), &given, upstream).await.unwrap();
        (tenant, application)
    }

    /// The people whom SCIM clients see.
    fn seen(&self, is_wanted: impl Fn(&(Option<u8>, bool, bool)) -> bool) -> Vec<String> {
        let people = self.people.iter().enumerate();
        let seen = people.filter(|(_, person)| !person.2 && is_wanted(person));
        seen.map(|(index, _)| format!("p{index}")).collect()
    }
}

async fn get(tenant: &Tenant, path: &str, query: &str) -> (u16, Value) {
    let request = ScimRequest {
        method: Method::GET,
        segments: path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect(),
        query: query.to_owned(),
        body: bytes::Bytes::new(),
        content_type: None,
        if_match: None,
        if_none_match: None,
        base: "https://scim.test".to_owned(),
        request_id: "test".to_owned(),
        caller: Caller::own("test"),
    };
    let response = engine::answer(tenant, request).await;
    (response.status, response.body.map(Body::into_value).unwrap_or_default())
}

fn ids(page: &Value) -> Vec<String> {
    let resources = page["Resources"].as_array().expect("resources");
    resources.iter().map(|it| it["id"].as_str().expect("an id").to_owned()).collect()
}

/// The number in an id of ours: 7 in `p7`.
fn place(id: &str) -> usize {
    id.trim_start_matches(char::is_alphabetic).parse().expect("a number")
}

/// All pages by index; each must tell the same total.
async fn by_index(tenant: &Tenant, path: &str, query: &str, count: usize) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let window = format!("{query}&startIndex={}&count={count}", all.len() + 1);
        let (status, page) = get(tenant, path, &window).await;
        assert_eq!(status, 200, "{page}");
        let found = ids(&page);
        assert!(found.len() <= count);
        let is_end = found.is_empty();
        all.extend(found);
        let total = page["totalResults"].as_u64().expect("a total");
        if is_end {
            assert_eq!(total, all.len() as u64);
            return all;
        }
        assert!(total >= all.len() as u64);
    }
}

/// All pages by cursor; totals that are told must be right.
async fn by_cursor(tenant: &Tenant, path: &str, query: &str, count: usize) -> Vec<String> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    let mut totals = Vec::new();
    for _ in 0..200 {
        let (status, page) =
            get(tenant, path, &format!("{query}&cursor={cursor}&count={count}")).await;
        assert_eq!(status, 200, "{page}");
        let found = ids(&page);
        assert!(found.len() <= count);
        all.extend(found);
        totals.extend(page["totalResults"].as_u64());
        match page["nextCursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => {
                assert!(totals.iter().all(|total| *total == all.len() as u64), "{totals:?}");
                return all;
            }
        }
    }
    panic!("the cursors never end");
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn pages_put_together_are_the_list(world in worlds()) {
        run(async {
            let (tenant, _) = world.tenant().await;
            let all = world.seen(|_| true);
            prop_assert_eq!(&by_index(&tenant, "/Users", "", world.count).await, &all);
            prop_assert_eq!(&by_cursor(&tenant, "/Users", "", world.count).await, &all);
            let active = world.seen(|(_, on, _)| *on);
            let filter = "filter=active+eq+true";
            prop_assert_eq!(&by_index(&tenant, "/Users", filter, world.count).await, &active);
            prop_assert_eq!(&by_cursor(&tenant, "/Users", filter, world.count).await, &active);
            Ok(())
        })?;
    }

    #[test]
    fn sorted_pages_put_together_are_the_sorted_list(world in worlds()) {
        run(async {
            let (tenant, _) = world.tenant().await;
            for order in ["ascending", "descending"] {
                let query = format!("sortBy=title&sortOrder={order}");
                let whole = by_index(&tenant, "/Users", &query, 100).await;
                let mut sorted = whole.clone();
                sorted.sort();
                let mut all = world.seen(|_| true);
                all.sort();
                prop_assert_eq!(sorted, all);
                let title = |id: &String| {
                    let index = place(id);
                    world.people[index].0.map(|name| format!("t{}", name / 8))
                };
                if world.sort.is_empty() {
                    let known: Vec<String> = whole.iter().filter_map(title).collect();
                    let missing = whole.len() - known.len();
                    let end: &[String] = if order == "ascending" { &whole[known.len()..] } else { &whole[..missing] };
                    prop_assert!(end.iter().all(|id| title(id).is_none()));
                    let is_sorted = known.windows(2).all(|pair| if order == "ascending" { pair[0] <= pair[1] } else { pair[0] >= pair[1] });
                    prop_assert!(is_sorted, "{:?}", known);
                }
                prop_assert_eq!(&by_index(&tenant, "/Users", &query, world.count).await, &whole);
                prop_assert_eq!(&by_cursor(&tenant, "/Users", &query, world.count).await, &whole);
            }
            Ok(())
        })?;
    }

    #[test]
    fn pages_of_all_types_put_together_are_all_lists(world in worlds()) {
        run(async {
            let (tenant, _) = world.tenant().await;
            let mut all = world.seen(|_| true);
            all.extend((0..world.teams).map(|index| format!("t{index}")));
            prop_assert_eq!(&by_index(&tenant, "/", "", world.count).await, &all);
            prop_assert_eq!(&by_cursor(&tenant, "/", "", world.count).await, &all);
            let query = "sortBy=title";
            let whole = by_index(&tenant, "/", query, 100).await;
            prop_assert_eq!(whole.len(), all.len());
            prop_assert_eq!(&by_cursor(&tenant, "/", query, world.count).await, &whole);
            prop_assert_eq!(&by_index(&tenant, "/", query, world.count).await, &whole);
            Ok(())
        })?;
    }
}

/// People who have been switched off by deletion live in the side-car alone.
async fn with_switched_off(world: &World, off: usize, sort: &str) -> Tenant {
    let pages = world.style.pages(world.max);
    let mapping = format!(
        "bridge: 1\nname: off\nconfig: {{ url: {{ type: url }} }}\n\
         api: {{ base_url: \"{{config.url}}\" }}\nresources:\n  User:\n    id: $.id\n    \
         attributes: {{ userName: {{ path: $.login, required: true }}, title: $.title }}\n    \
         list: {{ get: /people, records: \"$.items[*]\"{pages} }}\n    create: {{ post: /people }}\n    \
         delete: {{ delete: \"/people/{{id}}\" }}\n    deactivate: delete\n    activate: create\n    {sort}\n"
    );
    let (mapping, _) = Mapping::load(&mapping).unwrap_or_else(|faults| panic!("{faults:?}"));
    let people = (0..world.people.len()).map(
        |index| json!({ "id": format!("p{index}"), "login": "u", "title": format!("{}", index % 4) }),
    );
    let application = Application {
        style: world.style,
        people: people.collect(),
        teams: Vec::new(),
        calls: Mutex::default(),
    };
    let entry = |index: usize| {
        let id = format!("x{index}");
        let last = json!({ "id": id, "login": "u", "title": format!("{}", index % 4) });
        (id.clone(), json!({ "key": id, "off": last }))
    };
    let entries: Map<String, Value> = (0..off).map(entry).collect();
    let given = Given { sidecar: json!({ "User": entries }), ..Given::default() };
    stage::set(&Arc::new(mapping), &given, Arc::new(application)).await.unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn those_switched_off_by_deletion_follow_the_list(world in worlds(), off in 0_usize..6) {
        run(async {
            let tenant = with_switched_off(&world, off, world.sort).await;
            let mut all: Vec<String> =
                (0..world.people.len()).map(|index| format!("p{index}")).collect();
            all.extend((0..off).map(|index| format!("x{index}")));
            for (filter, wanted) in [
                ("", all.clone()),
                ("filter=active+eq+true", all[..world.people.len()].to_vec()),
                ("filter=active+eq+false", all[world.people.len()..].to_vec()),
            ] {
                let count = world.count;
                prop_assert_eq!(&by_index(&tenant, "/Users", filter, count).await, &wanted);
                prop_assert_eq!(&by_cursor(&tenant, "/Users", filter, count).await, &wanted);
            }
            // Their place in the order is not at the end: the bridge sorts.
            let sorted = by_index(&tenant, "/Users", "sortBy=title", world.count).await;
            if off > 0 {
                let title = |id: &String| place(id) % 4;
                prop_assert!(sorted.windows(2).all(|pair| title(&pair[0]) <= title(&pair[1])));
            }
            prop_assert_eq!(&by_cursor(&tenant, "/Users", "sortBy=title", 3).await, &sorted);
            Ok(())
        })?;
    }
}

fn twenty() -> World {
    let people = (0..20).map(|index| (Some(index), index % 2 == 0, false)).collect();
    World { style: Style::OffsetWithTotal, max: 5, people, teams: 2, count: 3, sort: "" }
}

async fn first_cursor(tenant: &Tenant, query: &str) -> String {
    let (_, page) = get(tenant, "/Users", &format!("{query}&cursor=&count=3")).await;
    page["nextCursor"].as_str().expect("a next page").to_owned()
}

async fn refused(tenant: &Tenant, path: &str, query: &str) -> String {
    let (status, body) = get(tenant, path, query).await;
    assert_eq!(status, 400, "{body}");
    body["scimType"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_query_only() {
    let (mut tenant, _) = twenty().tenant().await;
    let cursor = first_cursor(&tenant, "filter=active+eq+true").await;
    let unreserved = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    assert!(cursor.chars().all(unreserved) && cursor.len() < 500, "{cursor}");
    for (path, query) in [
        ("/Users", format!("cursor={cursor}")),
        ("/Users", format!("filter=active+eq+false&cursor={cursor}")),
        ("/Users", format!("filter=active+eq+true&sortBy=title&cursor={cursor}")),
        ("/Groups", format!("filter=active+eq+true&cursor={cursor}")),
        ("/", format!("filter=active+eq+true&cursor={cursor}")),
        ("/Users", format!("filter=active+eq+true&cursor=x{cursor}")),
        ("/Users", "cursor=nonsense".to_owned()),
        ("/Users", format!("cursor={}", "x".repeat(5000))),
    ] {
        assert_eq!(refused(&tenant, path, &query).await, "invalidCursor", "{path} {query}");
    }
    // The attributes and the number of results may change on the way.
    let query = format!("filter=active+eq+true&cursor={cursor}&attributes=title&count=1");
    assert_eq!(ids(&get(&tenant, "/Users", &query).await.1), ["p6"]);
    tenant.name.push('2');
    let query = format!("filter=active+eq+true&cursor={cursor}");
    assert_eq!(refused(&tenant, "/Users", &query).await, "invalidCursor");
}

#[tokio::test]
async fn a_cursor_expires_and_wants_results() {
    use scimbridge::clock::FixedClock;
    let (mut tenant, _) = twenty().tenant().await;
    let cursor = first_cursor(&tenant, "").await;
    tenant.clock = Arc::new(FixedClock("1970-01-01T01:00:00Z".parse().unwrap()));
    assert_eq!(get(&tenant, "/Users", &format!("cursor={cursor}")).await.0, 200);
    tenant.clock = Arc::new(FixedClock("1970-01-01T01:00:01Z".parse().unwrap()));
    let expired = refused(&tenant, "/Users", &format!("cursor={cursor}")).await;
    assert_eq!(expired, "expiredCursor");
    for count in ["0", "-1", "ten"] {
        let query = format!("cursor=&count={count}");
        assert_eq!(refused(&tenant, "/Users", &query).await, "invalidCount", "{count}");
    }
}

#[tokio::test]
async fn a_page_by_cursor_costs_one_native_page_where_the_sizes_agree() {
    let (tenant, application) = twenty().tenant().await;
    by_cursor(&tenant, "/Users", "", 5).await;
    assert_eq!(application.calls.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn a_filter_beyond_the_scan_limit_can_be_followed_by_cursor() {
    let mut world = twenty();
    world.sort = "scan_limit: 6";
    let (tenant, _) = world.tenant().await;
    let query = "filter=title+eq+%22T1%22";
    assert_eq!(refused(&tenant, "/Users", query).await, "tooMany");
    let found = by_cursor(&tenant, "/Users", query, 100).await;
    assert_eq!(found, ["p8", "p9", "p10", "p11", "p12", "p13", "p14", "p15"]);
}

#[tokio::test]
async fn what_cannot_be_sorted_by_is_refused_by_the_strict_dialect_only() {
    let (mut tenant, _) = twenty().tenant().await;
    for path in ["/Users", "/"] {
        assert_eq!(get(&tenant, path, "sortBy=nothing").await.0, 200);
    }
    tenant.dialect = Dialect::Strict;
    for path in ["/Users", "/"] {
        assert_eq!(refused(&tenant, path, "sortBy=nothing").await, "invalidValue");
    }
    // Teams have no title, but people have.
    assert_eq!(get(&tenant, "/", "sortBy=title").await.0, 200);
    assert_eq!(refused(&tenant, "/Groups", "sortBy=title").await, "invalidValue");
}
