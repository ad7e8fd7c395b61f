//! The API as a client sees it, over TCP, with a client that knows just enough of HTTP/1.1.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use legacy_app::{Options, Running, start};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const KEY: &str = "letmein";

struct Answer {
    status: u16,
    head: String,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .into_iter()
            .find(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// What the refusal says about each field, as `field code`.
    fn faults(&self) -> Vec<String> {
        assert_eq!(self.status, 422, "{}", self.body);
        let faults = self.body["errors"].as_array().unwrap().iter();
        let word = |fault: &Value, name: &str| fault[name].as_str().unwrap().to_owned();
        faults.map(|fault| format!("{} {}", word(fault, "field"), word(fault, "code"))).collect()
    }

    fn ids(&self) -> Vec<i64> {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body.as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect()
    }
}

async fn application() -> Running {
    serve("sqlite::memory:").await
}

async fn serve(database: &str) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = Options { database: database.to_owned(), api_key: KEY.to_owned() };
    start(listener, options).await.unwrap()
}

async fn send(app: &Running, request: &str, body: &[u8], key: &str) -> Answer {
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    let head = format!(
        "{request} HTTP/1.1\r\nhost: people.example\r\nx-api-key: {key}\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n",
        body.len(),
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server may refuse a large body before it has all of it, and then closes.
    drop(stream.write_all(body).await);
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let answer = Answer {
        status,
        head: head.to_owned(),
        body: serde_json::from_str(body).unwrap_or(Value::Null),
    };
    if !body.is_empty() {
        assert_eq!(answer.header("content-type"), Some("application/json"), "{head}");
    }
    answer
}

async fn call(app: &Running, request: &str, body: Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    send(app, request, body.as_bytes(), KEY).await
}

async fn ask(app: &Running, request: &str) -> Answer {
    call(app, request, Value::Null).await
}

async fn person(app: &Running, login: &str) -> i64 {
    let answer = call(app, "POST /api/people", json!({ "login": login })).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.body["id"].as_i64().unwrap()
}

#[tokio::test]
async fn a_wrong_or_missing_key_opens_nothing() {
    let app = application().await;
    for request in ["GET /api/people", "GET /api/people/1", "DELETE /api/people/1", "GET /other"] {
        for key in ["", "letmei", "letmein2", "LETMEIN"] {
            let answer = send(&app, request, b"", key).await;
            assert_eq!((answer.status, &answer.body["error"]), (401, &json!("bad api key")));
        }
    }
    assert_eq!(ask(&app, "GET /api/people").await.status, 200);
    assert_eq!(ask(&app, "GET /other").await.body, json!({ "error": "no such page" }));
}

#[tokio::test]
async fn a_person_comes_back_as_sent_but_for_the_secret() {
    let app = application().await;
    let boss = person(&app, "boss").await;
    let sent = json!({
        "login": "Ada", "full_name": "Ada Lovelace", "secret": "s3cret-value", "manager_id": boss,
        "mails": [{ "address": "ada@example.org", "kind": "work", "main": true, "colour": "red" }],
        "postal": [{ "kind": "home", "city": "London" }], "id": 77, "teams": [{ "id": 1 }],
    });
    let created = call(&app, "POST /api/people", sent).await;
    assert_eq!(created.status, 201);
    assert_eq!(created.header("location"), Some("http://people.example/api/people/2"));
    let ada = &created.body;
    assert_eq!(
        (&ada["id"], &ada["login"], &ada["manager_id"]),
        (&json!(2), &json!("Ada"), &json!(1))
    );
    let mail = json!({ "address": "ada@example.org", "label": null, "kind": "work", "main": true });
    assert_eq!(ada["mails"], json!([mail]));
    assert_eq!(
        (&ada["teams"], &ada["phones"], &ada["disabled"]),
        (&json!([]), &json!([]), &json!(false))
    );
    assert_eq!((&ada["postal"][0]["zip"], &ada["nickname"]), (&Value::Null, &Value::Null));
    assert!(ada["created_at"].as_i64().unwrap() > 1_700_000_000);

    let changes =
        json!({ "secret": "an0ther-value", "full_name": null, "disabled": true, "phones": null });
    let changed = call(&app, "PATCH /api/people/2", changes).await;
    let read = ask(&app, "GET /api/people/2").await;
    assert_eq!((changed.status, &changed.body), (200, &read.body));
    assert_eq!((&read.body["full_name"], &read.body["disabled"]), (&Value::Null, &json!(true)));
    assert_eq!((&read.body["mails"], &read.body["login"]), (&json!([mail]), &json!("Ada")));
    for answer in [created, changed, read, ask(&app, "GET /api/people").await] {
        let text = answer.body.to_string();
        assert!(!text.contains("secret") && !text.contains("-value"), "{text}");
    }
}

#[tokio::test]
async fn pages_are_cut_silently_and_linked() {
    let app = application().await;
    for number in 1..=120 {
        person(&app, &format!("p{number}")).await;
    }
    let first = ask(&app, "GET /api/people?per_page=500&login=").await;
    assert_eq!(first.ids(), Vec::<i64>::new());
    let first = ask(&app, "GET /api/people?per_page=500&sort=a%20b&page=1").await;
    assert_eq!((first.ids().len(), first.header("x-total-count")), (100, Some("120")));
    let next = "<http://people.example/api/people?page=2&per_page=100&sort=a%20b>";
    let links = format!("{next}; rel=\"next\", {next}; rel=\"last\"");
    assert_eq!(first.header("link"), Some(links.as_str()));

    let middle = ask(&app, "GET /api/people?page=2").await;
    assert_eq!((middle.ids().first(), middle.ids().last()), (Some(&51), Some(&100)));
    let at = |page: u8| format!("<http://people.example/api/people?page={page}&per_page=50>");
    let links = [(3, "next"), (3, "last"), (1, "first"), (1, "prev")];
    let links = links.map(|(page, name)| format!("{}; rel=\"{name}\"", at(page))).join(", ");
    assert_eq!(middle.header("link"), Some(links.as_str()));

    let beyond = ask(&app, "GET /api/people?page=9223372036854775807&per_page=100").await;
    assert_eq!((beyond.ids(), beyond.header("x-total-count")), (vec![], Some("120")));
    let nonsense = ask(&app, "GET /api/people?page=-1&per_page=many").await;
    assert_eq!((nonsense.ids().len(), nonsense.ids()[0]), (50, 1));
}

#[tokio::test]
async fn search_is_exact_and_ignores_what_it_does_not_know() {
    let app = application().await;
    let people = [
        json!({ "login": "Ada", "employee_no": "E7", "external_ref": "x-Ä",
                "mails": [{ "address": "ada@example.org" }, { "address": "Ada.L@HOME.example" }] }),
        json!({ "login": "bob", "employee_no": "e7", "disabled": true }),
        json!({ "login": "Çelik", "mails": [{ "address": "ada@example.org", "kind": "other" }] }),
    ];
    for body in people {
        assert_eq!(call(&app, "POST /api/people", body).await.status, 201);
    }
    let cases: &[(&str, &[i64])] = &[
        ("", &[1, 2, 3]),
        ("login=aDA", &[1]),
        ("login=ad", &[]),
        ("login=%C3%A7elik", &[3]),
        ("mail=ADA%40example.org", &[1, 3]),
        ("mail=ada.l@home.example", &[1]),
        ("employee_no=E7", &[1]),
        ("external_ref=x-%C3%84", &[1]),
        ("external_ref=X-%C3%84", &[]),
        ("disabled=true", &[2]),
        ("disabled=false&mail=ada@example.org&login=ada", &[1]),
        ("disabled=true&login=ada", &[]),
        ("disabled=perhaps", &[1, 2, 3]),
        ("full_name=nobody&login=bob", &[2]),
        ("login=x'%20OR%20'1'='1", &[]),
    ];
    for (search, expected) in cases {
        assert_eq!(
            ask(&app, &format!("GET /api/people?{search}")).await.ids(),
            *expected,
            "{search}"
        );
    }
    call(&app, "PATCH /api/people/1", json!({ "mails": [{ "address": "new@example.org" }] })).await;
    assert_eq!(ask(&app, "GET /api/people?mail=ada@example.org").await.ids(), [3]);
    assert_eq!(ask(&app, "GET /api/people?mail=new@example.org").await.ids(), [1]);
}

#[tokio::test]
async fn refusals_name_every_field() {
    let app = application().await;
    person(&app, "ada").await;
    let wrong = json!({
        "login": "ADA", "disabled": "yes", "job_title": 7, "manager_id": 99, "secret": true,
        "phones": [{ "number": "1" }, { "number": 2 }], "roles": {}, "unknown": [],
    });
    let refused = call(&app, "POST /api/people", wrong).await;
    let expected = [
        "job_title invalid",
        "disabled invalid",
        "phones.number invalid",
        "roles invalid",
        "secret invalid",
        "login taken",
        "manager_id unknown",
    ];
    assert_eq!(refused.faults(), expected);
    let message = |number: usize| &refused.body["errors"][number]["message"];
    assert_eq!(message(1), "disabled must be a boolean");
    assert_eq!(message(5), "login has already been taken");

    assert_eq!(call(&app, "POST /api/people", json!({})).await.faults(), ["login blank"]);
    let cleared = call(&app, "PATCH /api/people/1", json!({ "login": null })).await;
    assert_eq!(cleared.faults(), ["login blank"]);
    assert_eq!(call(&app, "PATCH /api/people/1", json!({ "login": "Ada" })).await.status, 200);
    assert_eq!(ask(&app, "GET /api/people").await.ids(), [1]);

    for body in [&b"{\"login\": "[..], b"[]", b"", b"{\"login\": \"\xff\"}"] {
        let answer = send(&app, "POST /api/people", body, KEY).await;
        assert_eq!((answer.status, &answer.body["error"]), (400, &json!("malformed body")));
    }
    let large = format!("{{\"login\": \"{}\"}}", "a".repeat(1024 * 1024));
    assert_eq!(send(&app, "POST /api/people", large.as_bytes(), KEY).await.status, 413);
}

#[tokio::test]
async fn people_cannot_be_deleted() {
    let app = application().await;
    let id = person(&app, "ada").await;
    for verb in ["DELETE", "PUT"] {
        let answer = ask(&app, &format!("{verb} /api/people/{id}")).await;
        assert_eq!((answer.status, &answer.body["error"]), (405, &json!("method not allowed")));
        assert_eq!(answer.header("allow"), Some("GET,HEAD,PATCH"));
    }
    assert_eq!(ask(&app, "GET /api/people/1").await.body["login"], "ada");
    for request in ["GET /api/people/2", "GET /api/people/x", "GET /api/people/2/teams"] {
        let answer = ask(&app, request).await;
        assert_eq!((answer.status, &answer.body["error"]), (404, &json!("no such person")));
    }
}

#[tokio::test]
async fn teams_and_their_members() {
    let app = application().await;
    let (ada, bob) = (person(&app, "ada").await, person(&app, "bob").await);
    let body = json!({ "name": "Owls", "external_ref": "g-1", "description": "night shift" });
    let created = call(&app, "POST /api/teams", body).await;
    assert_eq!((created.status, &created.body["member_count"]), (201, &json!(0)));
    assert_eq!(created.header("location"), Some("http://people.example/api/teams/1"));
    assert_eq!(
        call(&app, "POST /api/teams", json!({ "name": "OWLS" })).await.faults(),
        ["name taken"]
    );
    assert_eq!(
        call(&app, "POST /api/teams", json!({ "name": " " })).await.faults(),
        ["name blank"]
    );

    for (request, status) in [
        ("PUT /api/teams/1/members/2", 204),
        ("PUT /api/teams/1/members/1", 204),
        ("PUT /api/teams/1/members/1", 204),
        ("PUT /api/teams/9/members/1", 404),
        ("DELETE /api/teams/1/members/7", 404),
    ] {
        assert_eq!(ask(&app, request).await.status, status, "{request}");
    }
    for stranger in ["9", "ada"] {
        let answer = ask(&app, &format!("PUT /api/teams/1/members/{stranger}")).await;
        assert_eq!(answer.faults(), ["person unknown"]);
    }
    let members = ask(&app, "GET /api/teams/1/members?per_page=1").await;
    assert_eq!(members.body, json!([{ "id": ada, "login": "ada", "full_name": null }]));
    assert_eq!(members.header("x-total-count"), Some("2"));
    assert!(
        members
            .header("link")
            .unwrap()
            .contains("/teams/1/members?page=2&per_page=1>; rel=\"next\"")
    );
    assert_eq!(ask(&app, "GET /api/teams/1").await.body["member_count"], 2);
    assert_eq!(
        ask(&app, "GET /api/people/2").await.body["teams"],
        json!([{ "id": 1, "name": "Owls" }])
    );

    let gone = ask(&app, &format!("DELETE /api/teams/1/members/{bob}")).await;
    let again = ask(&app, &format!("DELETE /api/teams/1/members/{bob}")).await;
    assert_eq!(
        (gone.status, again.status, &again.body["error"]),
        (204, 404, &json!("not a member"))
    );
    assert_eq!(ask(&app, "GET /api/people/2/teams").await.ids(), Vec::<i64>::new());

    let changed =
        call(&app, "PATCH /api/teams/1", json!({ "name": "owls", "description": null })).await;
    assert_eq!(
        (&changed.body["name"], &changed.body["external_ref"]),
        (&json!("owls"), &json!("g-1"))
    );
    for (search, expected) in
        [("name=OWLS", &[1][..]), ("external_ref=g-2", &[]), ("colour=x", &[1])]
    {
        assert_eq!(
            ask(&app, &format!("GET /api/teams?{search}")).await.ids(),
            expected,
            "{search}"
        );
    }
    let teams = ask(&app, "GET /api/people/1/teams").await;
    assert_eq!(teams.body, json!([changed.body]));
    assert_eq!(ask(&app, "DELETE /api/teams/1").await.status, 204);
    assert_eq!(ask(&app, "DELETE /api/teams/1").await.body, json!({ "error": "no such team" }));
    assert_eq!(ask(&app, "GET /api/people/1").await.body["teams"], json!([]));
}

#[tokio::test]
async fn a_file_keeps_the_people() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("people.db");
    let app = serve(file.to_str().unwrap()).await;
    // Four writers at once want one login: they are served one after the other, and one wins.
    let twin = || call(&app, "POST /api/people", json!({ "login": "ada" }));
    let (one, two, three, four) = tokio::join!(twin(), twin(), twin(), twin());
    let mut statuses = [one, two, three, four].map(|answer| answer.status);
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 422, 422, 422]);
    call(&app, "POST /api/teams", json!({ "name": "Owls" })).await;
    assert_eq!(ask(&app, "PUT /api/teams/1/members/1").await.status, 204);
    let idle = TcpStream::connect(app.address()).await.unwrap();
    app.stop().await;
    drop(idle);
    let app = serve(file.to_str().unwrap()).await;
    let team = json!({ "id": 1, "name": "Owls" });
    assert_eq!(ask(&app, "GET /api/people").await.body[0]["teams"], json!([team]));
    app.stop().await;
}
