//! The application: answers that were made when it started, with as little work as possible. Its
//! CPU is not counted.

use std::borrow::Cow;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

use crate::Outcome;
use crate::operations::PEOPLE;

/// Something that answers requests as they stand on the wire.
pub(crate) trait Application: Send + Sync + 'static {
    /// The whole answer to a whole request.
    fn answer(&self, request: &[u8]) -> Cow<'_, [u8]>;
}

/// Serves prepared answers for ever.
pub(crate) fn serve(port: u16) -> Outcome<()> {
    serve_all(port, Answers::new())
}

/// Serves for ever.
pub(crate) fn serve_all(port: u16, application: impl Application) -> Outcome<()> {
    let answers = Arc::new(application);
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let answers = Arc::clone(&answers);
            // A connection that breaks off is the client's business.
            tokio::spawn(async move { drop(connection(stream, &*answers).await) });
        }
    })
}

async fn connection(mut stream: TcpStream, answers: &impl Application) -> Outcome<()> {
    let mut bytes = Vec::with_capacity(8192);
    loop {
        let Some(head) = find(&bytes, b"\r\n\r\n").map(|at| at + 4) else {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
            continue;
        };
        let length = content_length(bytes.get(..head).unwrap_or_default());
        while bytes.len() < head + length {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        }
        stream.write_all(&answers.answer(&bytes)).await?;
        bytes.drain(..head + length);
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// The first line of a request.
fn line(request: &[u8]) -> &[u8] {
    request.split(|byte| *byte == b'\r').next().unwrap_or_default()
}

fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let value = head.split_once("content-length:").and_then(|(_, rest)| rest.lines().next());
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

/// Everything it can say: of each person, and of all.
struct Answers {
    people: Vec<Person>,
    list: Vec<u8>,
    done: Vec<u8>,
    unknown: Vec<u8>,
}

struct Person {
    shown: Vec<u8>,
    changed: Vec<u8>,
    created: Vec<u8>,
    found: Vec<u8>,
}

impl Person {
    fn new(number: u32) -> Self {
        let shown = person(number, false);
        Self {
            shown: answer("200 OK", &shown),
            changed: answer("200 OK", &person(number, true)),
            created: answer("201 Created", &shown),
            found: answer("200 OK\r\nX-Total-Count: 1", &format!("[{shown}]")),
        }
    }
}

impl Answers {
    fn new() -> Self {
        let page: Vec<String> = (1..=100).map(|number| person(number, false)).collect();
        Self {
            people: (1..=PEOPLE).map(Person::new).collect(),
            list: answer("200 OK\r\nX-Total-Count: 100", &format!("[{}]", page.join(","))),
            done: b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
            unknown: answer("404 Not Found", r#"{"error":"no such thing"}"#),
        }
    }

    fn to(&self, request: &[u8]) -> &[u8] {
        let line = line(request);
        let about = |text: &[u8], before: &[u8]| {
            let at = find(text, before)? + before.len();
            let digits = text.get(at..)?.iter().take(6).take_while(|byte| byte.is_ascii_digit());
            let number = digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
            self.people.get(number.checked_sub(1)?)
        };
        let of = |before: &[u8]| about(line, before);
        let said = if line.starts_with(b"GET /api/people?") {
            of(b"login=ada").map(|person| &person.found).or(Some(&self.list))
        } else if line.starts_with(b"GET ") {
            of(b"/api/people/").map(|person| &person.shown)
        } else if line.starts_with(b"PATCH ") {
            of(b"/api/people/").map(|person| &person.changed)
        } else if line.starts_with(b"POST /api/people") {
            about(request, b"\"login\":\"ada").map(|person| &person.created)
        } else {
            line.starts_with(b"PUT /api/teams/").then_some(&self.done)
        };
        said.unwrap_or(&self.unknown)
    }
}

impl Application for Answers {
    fn answer(&self, request: &[u8]) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.to(request))
    }
}

pub(crate) fn answer(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

/// A record of about 1 KB with about thirty members.
pub(crate) fn person(number: u32, disabled: bool) -> String {
    format!(
        r#"{{"id":{number},"login":"ada{number}","mails":[{{"address":"ada{number}@example.org","label":null,"kind":"work","main":true}},{{"address":"ada@home.example","label":"at home","kind":"home","main":false}}],"first_name":"Ada","last_name":"Lovelace","middle_name":"King","prefix":"Lady","suffix":null,"full_name":"Ada Lovelace","formal_name":"Lady Ada King Lovelace","nickname":"Addie","job_title":"Analyst","person_type":"Employee","language":"en","locale":"en-GB","time_zone":"Europe/London","web_page":"https://example.org/ada","disabled":{disabled},"external_ref":"hr-{number}","employee_no":"1815","cost_center":"4711","organization":"Engines","division":"Analytical","department":"Notes","manager_id":5,"phones":[{{"number":"+44 20 5550 0100","label":null,"kind":"work","main":true}}],"postal":[{{"kind":"work","street":"1 Mill Lane","city":"London","region":null,"zip":"W1","country":"GB","formatted":"1 Mill Lane, London W1","main":true}}],"ims":[],"photos":[],"roles":[],"entitlements":[],"certificates":[],"created_at":1700000000,"updated_at":1700000060,"teams":[{{"id":9,"name":"Owls"}}]}}"#
    )
}
