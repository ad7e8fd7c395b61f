//! Dry runs: against recorded answers, against an application of which only reads are asked, and as
//! tests that pass where they are pasted.
#![cfg(test)]

use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use scimbridge::dialogue::rehearsal::{self, End, Rehearsal};
use scimbridge::dialogue::secrets::{Records, Secrets};
use scimbridge::dialogue::{draft, narrative, report};
use scimbridge::exchange::upstream::{Link, Upstream, UpstreamError};
use scimbridge::mapping::model::{Attempt, Mapping};
use scimbridge::native::message::{Method, NativeRequest, NativeResponse, Payload};
use serde_json::{Value, json};

/// A mapping file that is shipped.
struct Shipped {
    text: String,
    mapping: Arc<Mapping>,
}

fn shipped() -> Shipped {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings/legacy-app.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let (mapping, _) = Mapping::load(&text).unwrap();
    Shipped { text, mapping: Arc::new(mapping) }
}

impl Shipped {
    async fn play(&self, attempt: &str) -> (Attempt, Rehearsal) {
        let attempt = self.mapping.attempt(attempt).unwrap();
        let rehearsal = rehearsal::run(&self.mapping, &attempt, None).await.unwrap();
        (attempt, rehearsal)
    }

    fn secrets(&self, attempt: &Attempt) -> Secrets {
        Secrets::new(&self.mapping, attempt, ["s3cr3t-key".to_owned()], Records::Written)
    }

    async fn tell(&self, attempt: &str) -> String {
        let (attempt, rehearsal) = self.play(attempt).await;
        narrative::tell(&attempt, &rehearsal, &self.secrets(&attempt))
    }

    /// The run as a test, pasted into the file, which is then checked as a whole.
    async fn paste(&self, attempt: &str) -> String {
        let (attempt, rehearsal) = self.play(attempt).await;
        let secrets = self.secrets(&attempt);
        let entry = draft::entry(&self.mapping, &attempt, &rehearsal, &secrets).await.unwrap();
        let text = self.text.replacen("\ntests:\n", &format!("\ntests:\n{entry}"), 1);
        let (mapping, _) =
            Mapping::load(&text).unwrap_or_else(|faults| panic!("{faults:?}\n{entry}"));
        let report = Box::pin(report::run(&Arc::new(mapping))).await;
        assert_eq!((report.passed, report.tests), (report.tests, self.mapping.tests.len() + 1));
        entry
    }
}

const DEACTIVATE: &str = r#"
scim: PATCH /Users/7
body: { Operations: [ { op: replace, value: { active: "False", password: "correct horse" } } ] }
native:
  - { expect: GET /people/7, reply: 200, with: { id: 7, login: ada, disabled: false, note: "C:\\x" } }
  - { expect: PATCH /people/7, reply: 200, reply_headers: { ETag: '"3"' }, with: { id: 7, login: ada, disabled: true } }
"#;

#[tokio::test]
async fn the_story_has_calls_bodies_and_the_answer_but_no_secret() {
    let story = shipped().tell(DEACTIVATE).await;
    for part in [
        "PATCH /Users/7\n",
        "  1. GET /people/7\n    -> 200 {\"id\":7,",
        "  2. PATCH /people/7\n      {\"disabled\":true,\"secret\":\"***\"}\n    -> 200 {",
        "Side-car\n  nothing is written\n",
        "Answer 200\n",
        "\"active\": false",
    ] {
        assert!(story.contains(part), "{part:?} is not in\n{story}");
    }
    assert!(!story.contains("correct horse"), "{story}");
}

#[tokio::test]
async fn a_run_is_a_test_that_passes_where_it_is_pasted() {
    let shipped = shipped();
    let entry = shipped.paste(DEACTIVATE).await;
    assert!(entry.starts_with("  - name: \"PATCH /Users/7\"\n    scim: "), "{entry}");
    assert!(entry.contains("password: \"***\"") && !entry.contains("correct horse"), "{entry}");
    shipped
        .paste(
            r#"
name: "a line\nbreak, \"quotes\", {braces} and \u0085 \u2028"
scim: POST /Users
headers: { Content-Type: application/scim+json }
body: { userName: ada, name: { givenName: "null", familyName: "{x}" }, enterprise: { costCenter: "true" } }
native:
  - { expect: POST /people, reply: 201, with: { id: 8, login: ada, first_name: "null", last_name: "{x}" } }
"#,
        )
        .await;
    shipped
        .paste(
            r#"
scim: GET /Users?filter=userName eq "ada" and active eq true&attributes=userName
native:
  - { expect: GET /people, reply: 200, reply_headers: { X-Total-Count: "1" }, with: [ { id: 7, login: ada, disabled: false } ] }
"#,
        )
        .await;
    shipped.paste("{ scim: DELETE /Users/x }").await;
}

#[tokio::test]
async fn what_is_kept_is_told_and_may_be_given() {
    let story = shipped()
        .tell(
            "
scim: DELETE /Users/7
native:
  - { expect: GET /people/7, reply: 200, with: { id: 7, login: ada, disabled: false } }
  - { expect: PATCH /people/7, reply: 200, with: { id: 7, login: ada, disabled: true } }
",
        )
        .await;
    let kept = "Side-car\n  User 7: key 7, no attributes, deleted for SCIM clients\n";
    assert!(story.contains(kept) && story.contains("Answer 204\n"), "{story}");
    let story = shipped()
        .tell("{ scim: GET /Users/7, given: { sidecar: { User: { 7: { deleted: true } } } } }")
        .await;
    assert!(story.contains("Native calls\n  none\n") && story.contains("Answer 404\n"), "{story}");
}

#[tokio::test]
async fn a_filter_is_told_in_its_two_parts() {
    let answer = "native: [ { expect: GET /people, reply: 200, with: [] } ]";
    let tell = async |filter: &str| {
        shipped().tell(&format!("scim: 'GET /Users?filter={filter}'\n{answer}\n")).await
    };
    let story = tell(r#"userName eq "ada" and title co "x""#).await;
    assert!(story.contains("the application is asked for its list with login=ada\n"), "{story}");
    let here = r#"the bridge filters by   userName eq "ada" and title co "x""#;
    assert!(story.contains(here), "{story}");
    let story = tell(r#"title co "x""#).await;
    assert!(story.contains("asked for its whole list, at most 2000 records\n"), "{story}");
    let story = tell(r#"enterprise:employeeNumber eq "9""#).await;
    assert!(story.contains("employee_no=9; if that finds nobody, for its whole list"), "{story}");
    let story = tell(r#"id eq "7""#).await;
    assert!(story.contains("the application is asked for the resource of id 7\n"), "{story}");
}

#[tokio::test]
async fn a_run_without_an_answer_is_no_test() {
    let shipped = shipped();
    let (attempt, rehearsal) = shipped.play("{ scim: GET /Users/7 }").await;
    assert_eq!(rehearsal.end, End::Unanswered);
    let secrets = shipped.secrets(&attempt);
    assert!(draft::entry(&shipped.mapping, &attempt, &rehearsal, &secrets).await.is_err());
    let other = "{ scim: GET /Users/7, native: [ { expect: GET /people/8, reply: 200 } ] }";
    let (_, rehearsal) = shipped.play(other).await;
    let wanted = "expected call GET /people/8, got GET /people/7".to_owned();
    assert_eq!(rehearsal.end, End::Differs(vec![wanted]));
}

/// Person 7, and everything that was sent.
#[derive(Default)]
struct Application(Mutex<Vec<Method>>);

#[async_trait]
impl Upstream for Application {
    async fn call(&self, request: NativeRequest) -> Result<NativeResponse, UpstreamError> {
        self.0.lock().unwrap().push(request.method);
        let body =
            json!({ "id": 7, "login": "ada", "disabled": false, "password_digest": "$2b$9" });
        let headers = vec![("date".to_owned(), "today".to_owned())];
        Ok(NativeResponse { status: 200, headers, body: Payload::Json(body).into() })
    }

    fn follow(&self, asked: &str, _: &str) -> Result<Link, UpstreamError> {
        Ok(Link { path: asked.to_owned(), query: Vec::new() })
    }
}

async fn live(attempt: &str) -> (Vec<Method>, Rehearsal, String, Option<String>) {
    let Shipped { mapping, .. } = shipped();
    let attempt = mapping.attempt(attempt).unwrap();
    let application = Arc::new(Application::default());
    let upstream = Arc::clone(&application) as Arc<dyn Upstream>;
    let rehearsal = rehearsal::run(&mapping, &attempt, Some(upstream)).await.unwrap();
    let secrets = Secrets::new(&mapping, &attempt, [], Records::Real);
    let story = narrative::tell(&attempt, &rehearsal, &secrets);
    let entry = draft::entry(&mapping, &attempt, &rehearsal, &secrets).await.ok();
    let sent = application.0.lock().unwrap().clone();
    (sent, rehearsal, story, entry)
}

#[tokio::test]
async fn a_live_run_reads_and_never_writes() {
    let change = "
scim: PATCH /Users/7
body: { Operations: [ { op: replace, path: title, value: Analyst } ] }
";
    let (sent, rehearsal, story, entry) = live(change).await;
    assert_eq!((sent, rehearsal.end), (vec![Method::Get], End::HeldBack));
    let held = "  2. PATCH /people/7\n      {\"job_title\":\"Analyst\"}\n    -> not sent";
    assert!(story.contains(held), "{story}");
    assert!(!story.contains("Answer") && !story.contains("$2b$9"), "{story}");
    assert_eq!(entry, None);

    let answered = format!(
        "{change}native: [ {{ expect: PATCH /people/7, reply: 200, with: {{ id: 7, login: ada, job_title: Analyst }} }} ]"
    );
    let (sent, rehearsal, _, entry) = live(&answered).await;
    assert_eq!((sent, rehearsal.end), (vec![Method::Get], End::Whole));
    let entry = entry.unwrap();
    assert!(entry.contains("title: \"Analyst\"") && !entry.contains("today"), "{entry}");
    for write in ["POST /Users\nbody: { userName: ada }", "DELETE /Users/7"] {
        let (sent, rehearsal, ..) = live(&format!("scim: {write}")).await;
        assert!(sent.iter().all(|method| method.is_safe()), "{sent:?}");
        assert_eq!(rehearsal.end, End::HeldBack);
    }
}

#[tokio::test]
async fn a_live_read_needs_nothing_written_down() {
    let (_, rehearsal, _, entry) = live("scim: GET /Users/7").await;
    assert_eq!(rehearsal.end, End::Whole);
    let response: Value = rehearsal.response.body.unwrap().into_value();
    assert_eq!(response["userName"], "ada");
    assert!(entry.unwrap().contains("password_digest: \"***\""));
}
