//! What must hold for any bytes at all, one function for each place where foreign bytes come in.
//!
//! The same functions serve two drivers: libFuzzer (`fuzz_targets/`) and the mutating loop of the
//! integration tests (`tests/it/fuzz.rs`), which needs no other toolchain. A law that does not hold
//! panics; bytes that are not of the right form at all are passed over.

use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use scimbridge::dialogue::stage;
use scimbridge::exchange::engine;
use scimbridge::exchange::request::{Caller, ScimRequest};
use scimbridge::exchange::response::ScimResponse;
use scimbridge::exchange::upstream::{Link, Upstream, UpstreamError};
use scimbridge::mapping::model::{Given, Mapping};
use scimbridge::native::message::{Method as NativeMethod, NativeRequest, NativeResponse, Payload};
use scimbridge::scim::builtin::user_type;
use scimbridge::scim::deviation::Deviations;
use scimbridge::scim::filter::ast::Filter;
use scimbridge::scim::filter::eval::CompiledFilter;
use scimbridge::scim::patch::request::PatchRequest;
use scimbridge::scim::schema::ResourceType;
use scimbridge::scim::validate::read_resource;
use scimbridge::scim::value::Dialect;
use serde_json::{Value, json};

/// Most native calls that one request may cause here; more would be a loop.
const MOST_CALLS: usize = 2_000;

/// A filter. What is read can be printed, and what is printed is read as the same; a filter by the
/// letter means the same to the lenient dialect, which notes nothing about it; but a number of
/// more digits than a number can hold is an identifier to that.
pub fn filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut noted = Deviations::default();
    let lenient = Filter::parse_noting(text, Dialect::Lenient, &mut noted);
    let is_long = text.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() >= 20);
    if let Ok(strict) = Filter::parse(text, Dialect::Strict)
        && !is_long
    {
        assert_eq!(
            lenient.as_ref(),
            Ok(&strict),
            "the dialects differ about a filter by the letter"
        );
        assert!(noted.is_empty(), "a filter by the letter deviates: {noted:?}");
    }
    let Ok(filter) = lenient else { return };
    let printed = filter.to_string();
    // Escapes are the longest that a character can become; brackets and blanks come on top.
    assert!(printed.len() <= 8 * text.len() + 64, "{} bytes out of {}", printed.len(), text.len());
    // What is longer than a filter may be cannot be read again, however it came about.
    if printed.len() <= text.len().max(1_000) {
        let again = Filter::parse(&printed, Dialect::Lenient);
        assert_eq!(again.as_ref(), Ok(&filter), "{printed:?} is another filter");
    }
    if let Ok(compiled) = CompiledFilter::new(&filter, user(), Dialect::Lenient) {
        let (one, two) = (compiled.matches(&ada()), compiled.matches(&ada()));
        assert_eq!(one, two, "the answer changes");
    }
}

/// The body of a PATCH. A request by the letter is the same list of operations to both dialects,
/// unless the lenient one has noted why not (a `value` in a removal, an empty manager); applying it leaves the resource given as it was, and gives the same each time.
pub fn patch(data: &[u8]) {
    let Ok(body) = serde_json::from_slice::<Value>(data) else { return };
    let mut noted = Deviations::default();
    let lenient = PatchRequest::parse(&body, user(), Dialect::Lenient, &mut noted);
    let strict = PatchRequest::parse(&body, user(), Dialect::Strict, &mut Deviations::default());
    if let Ok(strict) = &strict {
        let lenient = lenient.as_ref().expect("the lenient dialect takes what is by the letter");
        let is_other = !noted.is_empty();
        assert!(is_other || lenient.operations == strict.operations, "the dialects differ");
    }
    for request in [lenient, strict].into_iter().flatten() {
        let before = ada();
        let apply = || {
            let after = request.apply(&before, user(), &mut Deviations::default());
            after.map_err(|error| error.to_string())
        };
        let (one, two) = (apply(), apply());
        assert_eq!(one, two, "the result changes");
        assert_eq!(before, ada(), "the resource given has changed");
    }
}

/// A mapping file. Every fault has a place in the file, and whether a file is good does not change.
pub fn mapping(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let told = match Mapping::load(text) {
        Ok((_, warnings)) => warnings,
        Err(faults) => {
            assert!(!faults.is_empty(), "refused without a fault");
            faults
        }
    };
    // One line more than there is: what is missing is missing at the end.
    let lines = text.split(['\n', '\r']).count() + 1;
    for fault in &told {
        assert!((1..=lines).contains(&fault.line), "{fault:?} is beyond {lines} lines");
        assert!(fault.column >= 1 && !fault.message.is_empty(), "{fault:?}");
    }
    let again = match Mapping::load(text) {
        Ok((_, warnings)) => warnings,
        Err(faults) => faults,
    };
    assert_eq!(told, again, "the findings change");
}

/// A whole request: `VERB /path?query` on the first line, the body on the others. There is an
/// answer, it has the form of one, and the application was not asked without end.
pub fn request(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (line, body) = text.split_once('\n').unwrap_or((text, ""));
    let Some(request) = scim_request(line, body.as_bytes()) else { return };
    let application = Arc::new(Application::of_people());
    let response = serve(&application, request);
    check(&response);
    assert_ne!(response.status, 500, "{response:?}");
    let calls = *application.calls.lock().expect("nobody panicked");
    assert!(calls <= MOST_CALLS, "{calls} native calls");
}

/// What the application answers: the status in the first two bytes, the body in the rest. Whatever
/// it is, every operation has an answer in the form of one, and nothing of an answer that nobody
/// understood reaches the client.
pub fn answer(data: &[u8]) {
    let Some(([high, low], body)) = data.split_first_chunk() else { return };
    let status = 200 + (u16::from(*high) << 8 | u16::from(*low)) % 400;
    let patch = br#"{"Operations":[{"op":"replace","path":"title","value":"Chief"}]}"#;
    let requests: [(&str, &[u8]); 5] = [
        ("GET /Users", b""),
        ("GET /Users/7", b""),
        ("GET /Users?filter=title+sw+%22C%22&sortBy=userName", b""),
        ("POST /Users", br#"{"userName":"ada"}"#),
        ("PATCH /Users/7", patch),
    ];
    for (line, sent) in requests {
        let application = Arc::new(Application::answering(status, body));
        let request = scim_request(line, sent).expect("it is written right here");
        let response = serve(&application, request);
        check(&response);
        let calls = *application.calls.lock().expect("nobody panicked");
        assert!(calls <= MOST_CALLS, "{line}: {calls} native calls");
        if response.status >= 500 && body.len() > 40 {
            let shown = response.body.as_deref().map(Value::to_string).unwrap_or_default();
            let text = String::from_utf8_lossy(body);
            assert!(!shown.contains(&*text), "{line}: the application's answer leaks");
        }
    }
}

fn check(response: &ScimResponse) {
    let status = response.status;
    assert!((200..600).contains(&status), "{response:?}");
    if status < 400 {
        return;
    }
    let body = response.body.as_ref().expect("an error has a body");
    let schemas = json!(["urn:ietf:params:scim:api:messages:2.0:Error"]);
    assert_eq!(body["schemas"], schemas, "{response:?}");
    assert_eq!(body["status"], json!(status.to_string()), "{response:?}");
    assert!(body["detail"].is_string(), "{response:?}");
}

fn scim_request(line: &str, body: &[u8]) -> Option<ScimRequest> {
    let (method, target) = line.split_once(' ')?;
    let method = match method {
        "GET" => Method::GET,
        "POST" => Method::POST,
        "PUT" => Method::PUT,
        "PATCH" => Method::PATCH,
        "DELETE" => Method::DELETE,
        _ => return None,
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let segments = path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned);
    Some(ScimRequest {
        method,
        segments: segments.collect(),
        query: query.to_owned(),
        body: Bytes::copy_from_slice(body),
        content_type: None,
        if_match: None,
        if_none_match: None,
        base: "https://scim.test/scim/v2".to_owned(),
        request_id: "fuzz".to_owned(),
        caller: Caller::own("test"),
    })
}

fn serve(application: &Arc<Application>, request: ScimRequest) -> ScimResponse {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime of one thread needs nothing");
    let upstream = Arc::clone(application) as Arc<dyn Upstream>;
    runtime.block_on(async move {
        let tenant = stage::set(people(), &Given::default(), upstream).await;
        let tenant = tenant.expect("a side-car in memory does not fail");
        Box::pin(engine::answer(&tenant, request)).await
    })
}

/// An application that answers the same whatever it is asked, or as people of its own.
struct Application {
    answer: Option<NativeResponse>,
    calls: Mutex<usize>,
}

impl Application {
    fn of_people() -> Self {
        Self { answer: None, calls: Mutex::default() }
    }

    fn answering(status: u16, body: &[u8]) -> Self {
        let body = match serde_json::from_slice(body) {
            Ok(value) => Payload::Json(value),
            Err(_) if body.is_empty() => Payload::Empty,
            Err(_) => Payload::Text(String::from_utf8_lossy(body).into_owned()),
        };
        Self {
            answer: Some(NativeResponse { status, headers: Vec::new(), body: body.into() }),
            ..Self::of_people()
        }
    }
}

#[async_trait]
impl Upstream for Application {
    async fn call(&self, request: NativeRequest) -> Result<NativeResponse, UpstreamError> {
        *self.calls.lock().expect("nobody panicked") += 1;
        if let Some(answer) = &self.answer {
            return Ok(answer.clone());
        }
        let one = json!({ "id": "7", "login": "ada", "title": "Chief", "disabled": false,
            "name": { "first": "Ada" }, "mails": [{ "address": "a@x", "kind": "work" }] });
        let (status, body) = match (request.method, request.path.as_str()) {
            (NativeMethod::Get, "/people") => (200, json!([one])),
            (NativeMethod::Post, "/people") => (201, one),
            (_, "/people/7") => (200, one),
            _ => (404, json!({ "error": "not here" })),
        };
        Ok(NativeResponse { status, headers: Vec::new(), body: Payload::Json(body).into() })
    }

    fn follow(&self, _asked: &str, _link: &str) -> Result<Link, UpstreamError> {
        Err(UpstreamError::OffOrigin)
    }
}

const PEOPLE: &str = r#"
bridge: 1
name: people
api: { base_url: "http://application.test" }
errors:
  message: $.error
  rules: [ { status: 422, text: taken, scim: uniqueness } ]
resources:
  User:
    id: $.id
    attributes:
      userName: { path: $.login, required: true, unique: server }
      title: $.title
      active: { path: $.disabled, via: not }
      name.givenName: $.name.first
      emails: { items: "$.mails[*]", item: { value: $.address, type: $.kind } }
      enterprise:department: $.dept
    list: { get: /people }
    get: { get: "/people/{id}" }
    create: { post: /people }
    update: { patch: "/people/{id}" }
    delete: deactivate
    filters:
      userName eq: login
"#;

fn people() -> &'static Arc<Mapping> {
    static MAPPING: OnceLock<Arc<Mapping>> = OnceLock::new();
    MAPPING.get_or_init(|| match Mapping::load(PEOPLE) {
        Ok((mapping, _)) => Arc::new(mapping),
        Err(faults) => panic!("{faults:?}"),
    })
}

fn user() -> &'static ResourceType {
    static USER: OnceLock<ResourceType> = OnceLock::new();
    USER.get_or_init(user_type)
}

fn ada() -> scimbridge::scim::resource::Resource {
    let body = json!({
        "userName": "ada", "title": "Chief", "active": true, "name": { "givenName": "Ada" },
        "emails": [{ "value": "a@x", "type": "work", "primary": true }, { "value": "b@x" }],
        "meta": { "created": "2026-01-01T00:00:00Z" },
    });
    let read = read_resource(&body, user(), Dialect::Lenient, &mut Deviations::default());
    read.expect("it is a user")
}
