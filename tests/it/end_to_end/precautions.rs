//! Guards, protected accounts and the audit trail, as operators and identity providers meet them:
//! the real binary in front of the legacy application.
#![cfg(test)]

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::end_to_end::binary::{Binary, Installation};
use crate::end_to_end::bridge::{
    LEGACY, NATIVE_KEY, application, call, check_error, filter, token,
};
use crate::http::{Answer, send};
use crate::postgres::Database;

/// The trail is written in batches; what is not there after this time is missing.
const SOON: Duration = Duration::from_secs(10);

/// What `guard release` promises.
const AT_ONCE: Duration = Duration::from_secs(2);

async fn ask(address: SocketAddr, method: &str, target: &str, body: Option<&Value>) -> Answer {
    call(address, &token("main"), method, &format!("/scim/v2{target}"), body).await
}

async fn make(address: SocketAddr, target: &str, body: &Value) -> String {
    let made = ask(address, "POST", target, Some(body)).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.json()["id"].as_str().unwrap().to_owned()
}

fn set(path: &str, value: &Value) -> Value {
    json!({ "Operations": [{ "op": "replace", "path": path, "value": value }] })
}

async fn text(installation: &Installation, arguments: &[&str]) -> (i32, String, String) {
    let output = installation.run(arguments).await;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

async fn has_figure(bridge: &Binary, line: &str) {
    let metrics = send(bridge.admin, "GET", "/metrics", &[], b"").await;
    let text = String::from_utf8(metrics.body).unwrap();
    assert!(text.lines().any(|one| one == line), "{line}\n{text}");
}

#[tokio::test]
async fn a_guard_holds_back_on_every_replica_until_it_is_released() {
    let Some(database) = Database::new().await else { return };
    let application = application().await;
    let origin = format!("http://{}", application.address());
    let replica = || {
        let replica = Installation::replica(&database.url, LEGACY, &origin);
        replica.configure(LEGACY, "[tenants.guard]\ndeactivations = \"3/1h\"\n");
        replica
    };
    let (one, other) = (replica(), replica());
    let (first, second) = tokio::join!(one.serve(), other.serve());
    let mut users = Vec::new();
    for number in 0..6 {
        let body = json!({ "userName": format!("user{number}"), "active": true });
        users.push(make(first.address, "/Users", &body).await);
    }
    let off = set("active", &json!(false));
    let switch_off = async |bridge: &Binary, user: usize| {
        ask(bridge.address, "PATCH", &format!("/Users/{}", users[user]), Some(&off)).await
    };
    // Two here and one there are as many as may be.
    for (bridge, user) in [(&first, 0), (&second, 1), (&first, 2)] {
        assert_eq!(switch_off(bridge, user).await.status, 200);
    }
    for (bridge, user) in [(&second, 3), (&first, 4), (&second, 5), (&first, 3)] {
        let held = switch_off(bridge, user).await;
        check_error(&held, 429, "one too many");
        assert_eq!(held.header("retry-after"), Some("900"));
        let detail = held.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("the limit of 3/1h deactivations is exceeded"), "{detail}");
        assert!(detail.contains("scimbridge guard release --tenant main"), "{detail}");
    }
    // Who is held back is as before, and everything else goes on; so does who is off already.
    let user = ask(second.address, "GET", &format!("/Users/{}", users[3]), None).await;
    assert_eq!(user.json()["active"], json!(true));
    assert_eq!(switch_off(&second, 0).await.status, 200);
    let title = set("title", &json!("Engineer"));
    let changed = ask(first.address, "PATCH", &format!("/Users/{}", users[3]), Some(&title)).await;
    assert_eq!(changed.status, 200);
    for (bridge, trips, refusals) in [(&first, 0, 2), (&second, 1, 2)] {
        let labels = r#"{tenant="main",kind="deactivations"}"#;
        has_figure(bridge, &format!("scimbridge_guard_trips_total{labels} {trips}")).await;
        has_figure(bridge, &format!("scimbridge_guard_refusals_total{labels} {refusals}")).await;
    }
    let (code, shown, _) = text(&other, &["guard", "status"]).await;
    let states: Vec<&str> = shown.lines().skip(1).collect();
    assert_eq!((code, states.len()), (0, 2), "{shown}");
    assert!(states[0].contains("deactivations  3/1h        tripped 20"), "{shown}");
    assert!(states[1].contains("deletions      none        off"), "{shown}");

    let began = Instant::now();
    let (code, shown, _) = text(&one, &["guard", "release", "--tenant", "main"]).await;
    assert_eq!((code, shown.trim()), (0, "released deactivations"));
    for (bridge, user) in [(&second, 3), (&first, 4)] {
        assert_eq!(switch_off(bridge, user).await.status, 200, "after the release");
    }
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    let (code, shown, _) = text(&other, &["guard", "status"]).await;
    assert!(code == 0 && shown.contains("watching") && !shown.contains("tripped"), "{shown}");

    let (code, _, told) = text(&one, &["guard", "release", "--tenant", "main"]).await;
    assert!(code == 2 && told.contains("no guard of this tenant has tripped"), "{told}");
    for command in ["release", "status"] {
        let (code, _, told) = text(&one, &["guard", command, "--tenant", "nobody"]).await;
        assert!(code == 2 && told.contains("no tenant \"nobody\""), "{command}: {told}");
    }
    let (code, shown, _) = text(&one, &["guard", "status", "--tenant", "main"]).await;
    assert_eq!((code, shown.lines().count()), (0, 3), "{shown}");
    let releases = events(&one, &["--operation", "release"], 1).await;
    assert_eq!(releases[0]["token"], "(command line)");
    let held = events(&one, &["--failed", "--operation", "patch"], 4).await;
    assert!(held.iter().all(|event| event["status"] == 429 && event["failure"] == "guard"));
    assert!(held.iter().all(|event| !native(event).contains("PATCH")), "{held:?}");
    application.stop().await;
}

/// The calls of an event, in words.
fn native(event: &Value) -> String {
    event["native"].to_string()
}

/// So many events of a search; more or fewer are a failure.
async fn events(installation: &Installation, filters: &[&str], count: usize) -> Vec<Value> {
    let arguments = [&["audit", "search", "--format", "jsonl"], filters].concat();
    let began = Instant::now();
    loop {
        let (code, shown, told) = text(installation, &arguments).await;
        assert_eq!(code, 0, "{told}");
        let found: Vec<Value> =
            shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        if found.len() == count {
            return found;
        }
        assert!(found.len() < count && began.elapsed() < SOON, "{filters:?}: {found:#?}");
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn protected_accounts_and_groups_are_out_of_reach() {
    let application = application().await;
    let native = application.address();
    let keyed = [("X-Api-Key", NATIVE_KEY), ("Content-Type", "application/json")];
    let person = json!({ "login": "root", "full_name": "Root" }).to_string();
    let made = send(native, "POST", "/api/people", &keyed, person.as_bytes()).await;
    let root = made.json()["id"].to_string();
    let team = json!({ "name": "Administrators" }).to_string();
    let made = send(native, "POST", "/api/teams", &keyed, team.as_bytes()).await;
    let admins = made.json()["id"].to_string();
    let target = format!("/api/teams/{admins}/members/{root}");
    assert_eq!(send(native, "PUT", &target, &keyed[..1], b"").await.status, 204);

    let installation = Installation::new(&format!("http://{native}"));
    installation.configure(
        LEGACY,
        "[tenants.protected]\nusers = ['userName eq \"root\"']\n\
         groups = ['displayName eq \"Administrators\"']\n",
    );
    let bridge = installation.serve().await;
    let address = bridge.address;
    let ada = make(address, "/Users", &json!({ "userName": "ada" })).await;
    let staff = make(address, "/Groups", &json!({ "displayName": "Staff" })).await;
    let (root, admins) = (format!("/Users/{root}"), format!("/Groups/{admins}"));
    let staff = format!("/Groups/{staff}");
    let add = |id: &str| {
        let value = json!([{ "value": id.trim_start_matches("/Users/") }]);
        json!({ "Operations": [{ "op": "add", "path": "members", "value": value }] })
    };
    let put = json!({ "userName": "root", "displayName": "Somebody" });
    let remove = json!({ "Operations": [{ "op": "remove", "path": "members" }] });
    let refused = [
        ("PATCH", &root, Some(set("active", &json!(false)))),
        ("PATCH", &root, Some(set("userName", &json!("toor")))),
        ("PUT", &root, Some(put)),
        ("DELETE", &root, None),
        ("PATCH", &staff, Some(add(&root))),
        ("PATCH", &admins, Some(add(&ada))),
        ("PATCH", &admins, Some(remove)),
        ("PATCH", &admins, Some(set("displayName", &json!("Others")))),
        ("DELETE", &admins, None),
    ];
    for (method, target, body) in &refused {
        let answer = ask(address, method, target, body.as_ref()).await;
        check_error(&answer, 403, &format!("{method} {target}"));
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("is protected by the bridge's configuration"), "{detail}");
    }
    // They can be read, and others can be changed.
    let seen = ask(address, "GET", &root, None).await.json();
    assert_eq!((&seen["userName"], &seen["active"]), (&json!("root"), &json!(true)));
    let seen = ask(address, "GET", &admins, None).await.json();
    assert_eq!(seen["members"].as_array().map(Vec::len), Some(1), "{seen}");
    let added = ask(address, "PATCH", &staff, Some(&add(&ada))).await;
    assert!(matches!(added.status, 200 | 204), "{added:?}");
    let seen = ask(address, "GET", &staff, None).await.json();
    assert_eq!(seen["members"].as_array().map(Vec::len), Some(1), "{seen}");

    let told = events(&installation, &["--failed"], refused.len()).await;
    assert!(told.iter().all(|it| it["status"] == 403 && it["failure"] == "protected"), "{told:?}");
    let writes = ["PATCH", "PUT", "DELETE", "POST"];
    assert!(told.iter().all(|it| !writes.iter().any(|write| self::native(it).contains(write))));
    application.stop().await;
}

#[tokio::test]
async fn the_audit_trail_is_read_from_the_command_line() {
    let application = application().await;
    let installation = Installation::new(&format!("http://{}", application.address()));
    installation.configure(LEGACY, "");
    let bridge = installation.serve().await;
    let address = bridge.address;
    let issue = ["token", "issue", "--tenant", "main", "--label", "reader", "--scopes", "read"];
    let (code, reader, told) = text(&installation, &issue).await;
    assert_eq!(code, 0, "{told}");
    let secret = json!({ "userName": "ada.secret", "password": "hidden-Pa55", "title": "Boss" });
    let ada = format!("/Users/{}", make(address, "/Users", &secret).await);
    let again = set("password", &json!("hidden-Pa55-2"));
    assert_eq!(ask(address, "PATCH", &ada, Some(&again)).await.status, 200);
    let by_name = format!("/Users?{}", filter("userName eq \"ada.secret\""));
    assert_eq!(ask(address, "GET", &by_name, None).await.status, 200);
    assert_eq!(ask(address, "GET", "/Users/999", None).await.status, 404);

    // A token that may only read is known within a second, and what it may not do is told.
    let title = set("title", &json!("Nobody"));
    let target = format!("/scim/v2{ada}");
    let began = Instant::now();
    let refused = loop {
        let answer = call(address, reader.trim(), "PATCH", &target, Some(&title)).await;
        if answer.status != 401 {
            break answer;
        }
        assert!(began.elapsed() < SOON, "{answer:?}");
        sleep(Duration::from_millis(50)).await;
    };
    check_error(&refused, 403, "a token that reads");
    assert_eq!(ask(address, "DELETE", &ada, None).await.status, 204);

    let of_reader = events(&installation, &["--token", "reader"], 1).await;
    assert_eq!(of_reader[0]["operation"], "patch");
    assert_eq!((&of_reader[0]["status"], &of_reader[0]["token"]), (&json!(403), &json!("reader")));
    let of_ada = format!("User/{}", ada.trim_start_matches("/Users/"));
    let patched = events(&installation, &["--resource", &of_ada, "--operation", "patch"], 2).await;
    let changed = |event: &Value| event["changed"].to_string();
    assert!(patched.iter().any(|event| changed(event).contains("password")), "{patched:?}");
    let created = events(&installation, &["--operation", "create", "--since", "1h"], 1).await;
    assert_eq!(created[0]["status"], 201);
    assert!(native(&created[0]).contains("\"status\":201"), "{created:?}");
    let id = created[0]["request_id"].as_str().unwrap();
    assert_eq!(events(&installation, &["--request-id", id], 1).await, created);
    events(&installation, &["--failed", "--operation", "get"], 1).await;
    events(&installation, &["--tenant", "main", "--operation", "delete"], 1).await;
    events(&installation, &["--tenant", "nobody"], 0).await;
    events(&installation, &["--until", "2000-01-01"], 0).await;
    events(&installation, &["--interrupted"], 0).await;

    // A table for people, JSON lines for machines; the same events in both, the oldest first.
    let (code, table, _) = text(&installation, &["audit", "search"]).await;
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(code, 0);
    assert!(rows[0].starts_with("time                  tenant        token"), "{table}");
    assert!(rows.iter().any(|row| row.contains("create") && row.contains("201")), "{table}");
    assert!(rows.iter().any(|row| row.contains("reader") && row.contains("403")), "{table}");
    let (code, exported, _) = text(&installation, &["audit", "export"]).await;
    let lines: Vec<Value> =
        exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((code, lines.len()), (0, rows.len() - 1), "{exported}");
    assert!(lines.is_sorted_by_key(|line| line["number"].as_i64().unwrap()));
    let (code, one, told) = text(&installation, &["audit", "search", "--limit", "1"]).await;
    assert_eq!((code, one.lines().count()), (0, 2), "{one}");
    assert!(told.contains("only the last 1 are shown"), "{told}");
    for hidden in ["hidden-Pa55", "ada.secret", "Boss", "Nobody", reader.trim()] {
        assert!(!table.contains(hidden) && !exported.contains(hidden), "{hidden}: {exported}");
    }

    for (wrong, told) in [
        (["--operation", "nonsense"], "\"nonsense\" is no operation; there are create"),
        (["--since", "yesterday"], "\"yesterday\" is no time"),
        (["--format", "xml"], "xml"),
        (["--config", "missing.toml"], "missing.toml"),
    ] {
        for command in ["search", "export", "tail"] {
            let arguments = [&["audit", command], &wrong[..]].concat();
            let (code, shown, error) = text(&installation, &arguments).await;
            assert_eq!((code, shown.as_str()), (2, ""), "{arguments:?}");
            assert!(error.contains(told), "{arguments:?}: {error}");
        }
    }
    tail(&installation, address).await;
    application.stop().await;
}

/// The last events, then each that comes, until it is interrupted.
async fn tail(installation: &Installation, address: SocketAddr) {
    let arguments = ["audit", "tail", "--lines", "1", "--format", "jsonl"];
    let mut command = installation.command(&arguments);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let last = next();
    let mut number = last["number"].as_i64();
    // The second can only be seen by somebody who waits, and who then also hears of Ctrl-C.
    for name in ["grace", "linus"] {
        let made = make(address, "/Users", &json!({ "userName": name })).await;
        let event = next();
        assert!(event["number"].as_i64() > number, "{event}");
        assert_eq!((&event["operation"], &event["resource_id"]), (&json!("create"), &json!(made)));
        number = event["number"].as_i64();
    }
    let kill = format!("kill -INT {}", child.id());
    assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_deletion_unlinks_what_it_deletes() {
    let application = application().await;
    let installation = Installation::new(&format!("http://{}", application.address()));
    let index = "[tenants.index]\nusers = [\"title\"]\ngroups = [\"displayName\"]\n";
    installation.configure(LEGACY, index);
    let bridge = installation.serve().await;
    let mut groups = Vec::new();
    for number in 0..3 {
        let body = json!({ "userName": format!("user{number}"), "title": format!("T{number}") });
        make(bridge.address, "/Users", &body).await;
        let body = json!({ "displayName": format!("crew{number}") });
        groups.push(make(bridge.address, "/Groups", &body).await);
    }
    let (code, shown, told) = text(&installation, &["index", "build", "--tenant", "main"]).await;
    assert!(code == 0 && shown.contains("User: 3 records"), "{shown}{told}");
    assert!(shown.contains("Group: 3 records"), "{shown}");
    let links = async |kind: &str| {
        let (_, shown, _) = text(&installation, &["index", "status"]).await;
        let row = shown.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
        let row = row.into_iter().find(|row| row.get(1) == Some(&kind)).unwrap();
        row[3].parse::<u32>().unwrap()
    };
    assert_eq!((links("User").await, links("Group").await), (3, 3));
    let deleted = ask(bridge.address, "DELETE", &format!("/Groups/{}", groups[1]), None).await;
    assert_eq!(deleted.status, 204, "{deleted:?}");
    assert_eq!((links("User").await, links("Group").await), (3, 2));

    // What came of looking people up is told.
    for (title, total) in [("T1", 1), ("T9", 0)] {
        let target = format!("/Users?{}", filter(&format!("title eq \"{title}\"")));
        let found = ask(bridge.address, "GET", &target, None).await;
        assert_eq!(found.json()["totalResults"], json!(total), "{title}");
    }
    for (result, count) in [("hit", 1), ("miss", 1), ("stale", 0)] {
        let labels = format!("{{tenant=\"main\",result=\"{result}\"}}");
        has_figure(&bridge, &format!("scimbridge_index_lookups_total{labels} {count}")).await;
    }
    let stranger = send(bridge.address, "GET", "/scim/v2/Users", &[], b"").await;
    assert_eq!(stranger.status, 401);
    has_figure(&bridge, r#"scimbridge_callers_refused_total{reason="missing"} 1"#).await;
    has_figure(&bridge, r#"scimbridge_callers_refused_total{reason="limited"} 0"#).await;
    application.stop().await;
}
