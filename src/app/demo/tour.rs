//! What an identity provider does with a SCIM endpoint, from testing the connection to deleting,
//! and what each request becomes in the application's own API.

use serde_json::{Value, json};

use crate::app::demo::stack::Demo;
use crate::dialogue::recorder::{Recorded, line};
use crate::exchange::upstream::{Upstream as _, UpstreamError};
use crate::native::message::{Body, Method, NativeRequest, Urgency};

/// One request of the tour, with everything it caused.
#[derive(Debug)]
pub struct Report {
    /// What the identity provider wants.
    pub title: &'static str,
    /// The SCIM request as one line.
    pub request: String,
    /// The native calls.
    pub native: Vec<Recorded>,
    /// The SCIM answer's status.
    pub status: u16,
    /// What the answer says, in short.
    pub answer: String,
}

/// The tour ended early.
#[derive(Debug, thiserror::Error)]
pub enum TourError {
    /// The bridge gave no answer.
    #[error("{title}: no answer")]
    NoAnswer {
        /// The step.
        title: &'static str,
        /// Why.
        #[source]
        source: UpstreamError,
    },
    /// The answer is not what an identity provider expects.
    #[error("{title}: expected {expected}, got status {status}: {body}")]
    Unexpected {
        /// The step.
        title: &'static str,
        /// What was expected.
        expected: String,
        /// The status.
        status: u16,
        /// The body.
        body: String,
    },
}

/// A step: what is sent and what must come back.
struct Step {
    title: &'static str,
    method: Method,
    path: String,
    query: Vec<(String, String)>,
    body: Option<Value>,
    status: u16,
    /// Members of the answer (as JSON pointers) and their values.
    expect: Vec<(&'static str, Value)>,
}

impl Step {
    fn new(title: &'static str, method: Method, path: impl Into<String>, status: u16) -> Self {
        let path = path.into();
        Self { title, method, path, query: Vec::new(), body: None, status, expect: Vec::new() }
    }

    fn filter(mut self, filter: &str) -> Self {
        self.query.push(("filter".to_owned(), filter.to_owned()));
        self
    }

    fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    fn expect(mut self, pointer: &'static str, value: impl Into<Value>) -> Self {
        self.expect.push((pointer, value.into()));
        self
    }
}

fn patch(operations: &Value) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": operations,
    })
}

fn person(name: &str, given: &str, family: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": name,
        "externalId": format!("hr-{given}"),
        "name": { "givenName": given, "familyName": family },
        "displayName": format!("{given} {family}"),
        "emails": [{ "value": name, "type": "work", "primary": true }],
        "active": true,
    })
}

/// Plays the tour; `report` sees every step as it has happened.
pub async fn play(demo: &Demo, report: &mut (dyn FnMut(&Report) + Send)) -> Result<(), TourError> {
    let ada = people(demo, report).await?;
    let group = teams(demo, report, &ada).await?;
    leaving(demo, report, &ada, &group).await
}

async fn people(demo: &Demo, report: &mut (dyn FnMut(&Report) + Send)) -> Result<Value, TourError> {
    let nobody = r#"userName eq "f6a5b0c4-no-such-user""#;
    let test = Step::new("Test the connection", Method::Get, "/Users", 200);
    run(demo, report, test.filter(nobody).expect("/totalResults", 0)).await?;

    let create = Step::new("Create a user", Method::Post, "/Users", 201);
    let create = create.body(person("ada@example.com", "Ada", "Lovelace"));
    let ada = run(demo, report, create.expect("/active", true)).await?;
    let id = id_of(&ada);

    let again = Step::new("Create it again: the name is taken", Method::Post, "/Users", 409);
    let again = again.body(person("Ada@Example.com", "Ada", "Lovelace"));
    run(demo, report, again.expect("/scimType", "uniqueness")).await?;

    let find = Step::new("Match by userName", Method::Get, "/Users", 200);
    let find = find.filter(r#"userName eq "ADA@example.com""#).expect("/totalResults", 1);
    run(demo, report, find.expect("/Resources/0/id", id.clone())).await?;

    let narrow = Step::new("A filter the application cannot answer", Method::Get, "/Users", 200);
    let narrow = narrow.filter(r#"userName eq "ada@example.com" and name.familyName sw "Love""#);
    run(demo, report, narrow.expect("/totalResults", 1)).await?;

    let update = Step::new("Update, as Entra ID writes it", Method::Patch, path("Users", &id), 200);
    let update = update.body(patch(&json!([
        { "op": "Replace", "path": "displayName", "value": "Ada King" },
        { "op": "Add", "path": "title", "value": "Analyst" },
        { "op": "Add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
          "value": "Engines" },
    ])));
    run(demo, report, update.expect("/displayName", "Ada King")).await?;
    Ok(id)
}

async fn teams(
    demo: &Demo,
    report: &mut (dyn FnMut(&Report) + Send),
    ada: &Value,
) -> Result<Value, TourError> {
    let create = Step::new("Create a second user", Method::Post, "/Users", 201);
    let create = create.body(person("grace@example.com", "Grace", "Hopper"));
    let grace = id_of(&run(demo, report, create).await?);

    let create = Step::new("Create a group with a member", Method::Post, "/Groups", 201);
    let create = create.body(json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "displayName": "Engineers",
        "members": [{ "value": ada }],
    }));
    let group = id_of(&run(demo, report, create.expect("/members/0/value", ada.clone())).await?);

    let add = Step::new("Add a member", Method::Patch, path("Groups", &group), 204);
    let add = add.body(patch(&json!([
        { "op": "add", "path": "members", "value": [{ "value": grace }] }
    ])));
    run(demo, report, add).await?;

    let remove = Step::new("Remove a member", Method::Patch, path("Groups", &group), 204);
    let remove = remove.body(patch(&json!([
        { "op": "remove", "path": format!("members[value eq {grace}]") }
    ])));
    run(demo, report, remove).await?;

    let read = Step::new("Read the group", Method::Get, path("Groups", &group), 200);
    let read = read.expect("/displayName", "Engineers").expect("/members/0/value", ada.clone());
    run(demo, report, read).await?;

    let delete = Step::new("Delete the second user", Method::Delete, path("Users", &grace), 204);
    run(demo, report, delete).await?;
    Ok(group)
}

async fn leaving(
    demo: &Demo,
    report: &mut (dyn FnMut(&Report) + Send),
    ada: &Value,
    group: &Value,
) -> Result<(), TourError> {
    let off =
        Step::new("Deactivate, as Entra ID writes it", Method::Patch, path("Users", ada), 200);
    let off = off.body(patch(&json!([{ "op": "Replace", "path": "active", "value": "False" }])));
    run(demo, report, off.expect("/active", false)).await?;

    let on = Step::new("Reactivate, as Okta writes it", Method::Patch, path("Users", ada), 200);
    let on = on.body(patch(&json!([{ "op": "replace", "value": { "active": true } }])));
    run(demo, report, on.expect("/active", true)).await?;

    run(demo, report, Step::new("Delete the group", Method::Delete, path("Groups", group), 204))
        .await?;
    let delete = "Delete the user: the application can only disable people";
    run(demo, report, Step::new(delete, Method::Delete, path("Users", ada), 204)).await?;
    run(demo, report, Step::new("The user is gone", Method::Get, path("Users", ada), 404)).await?;
    Ok(())
}

fn path(endpoint: &str, id: &Value) -> String {
    format!("/{endpoint}/{}", id.as_str().unwrap_or_default())
}

fn id_of(resource: &Value) -> Value {
    resource.get("id").cloned().unwrap_or(Value::Null)
}

async fn run(
    demo: &Demo,
    report: &mut (dyn FnMut(&Report) + Send),
    step: Step,
) -> Result<Value, TourError> {
    let title = step.title;
    let request = NativeRequest {
        patience: None,
        urgency: Urgency::Usual,
        method: step.method,
        path: step.path,
        template: None,
        query: step.query,
        headers: Vec::new(),
        body: step.body.map_or(Body::None, Body::Json),
        timeout: None,
        repeatable: false,
    };
    demo.recorder.take();
    let text = line(&request);
    let response = demo.client.call(request).await;
    let response = response.map_err(|source| TourError::NoAnswer { title, source })?;
    let body = response.json().cloned().unwrap_or(Value::Null);
    let native = demo.recorder.take();
    let answer = summary(&body);
    report(&Report { title, request: text, native, status: response.status, answer });
    let differs = step.expect.iter().find(|(at, wanted)| body.pointer(at) != Some(wanted));
    if response.status == step.status && differs.is_none() {
        return Ok(body);
    }
    let expected = match differs {
        Some((at, wanted)) => format!("status {} with {at} = {wanted}", step.status),
        None => format!("status {}", step.status),
    };
    Err(TourError::Unexpected { title, expected, status: response.status, body: body.to_string() })
}

/// The members of an answer that tell the story.
fn summary(body: &Value) -> String {
    let shown = [
        "id",
        "userName",
        "displayName",
        "active",
        "members",
        "totalResults",
        "scimType",
        "detail",
    ];
    let parts: Vec<String> =
        shown.iter().filter_map(|name| Some(format!("{name}={}", body.get(name)?))).collect();
    parts.join(" ")
}
