//! Protected accounts in applications that cannot be asked who is one.
#![cfg(test)]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use scimbridge::exchange::precautions::Protected;
use scimbridge::exchange::tenant::Tenant;
use scimbridge::exchange::upstream::{Link, Upstream, UpstreamError};
use scimbridge::native::message::{Method, NativeRequest, NativeResponse, Payload};
use scimbridge::scim::value::Dialect;
use serde_json::{Value, json};

use crate::simulated::{Application, ask, tenant};

const MAPPING: &str = r#"
bridge: 1
name: unlisted
config: { url: { type: url } }
api: { base_url: "{config.url}" }
resources:
  User:
    id: $.id
    attributes:
      userName: { path: $.login, required: true }
    get: { get: "/people/{id}" }
    update: { patch: "/people/{id}" }
  Group:
    id: $.id
    attributes:
      displayName: $.name
      members:
        ref: User
        items: "$.members[*]"
        item: { value: $ }
        add: { put: "/groups/{id}/members/{member}" }
        remove: { delete: "/groups/{id}/members/{member}" }
    get: { get: "/groups/{id}" }
    delete: { delete: "/groups/{id}" }
"#;

/// Everybody is there, `admin` is protected, and what is sent beside reads is kept.
struct Unlisted {
    members: Vec<String>,
    written: Mutex<Vec<String>>,
}

#[async_trait]
impl Upstream for Unlisted {
    async fn call(&self, request: NativeRequest) -> Result<NativeResponse, UpstreamError> {
        let path = request.path.as_str();
        let (status, body) = match (request.method, path.strip_prefix("/people/")) {
            (Method::Get, Some(id)) => (200, json!({ "id": id, "login": id })),
            (Method::Get, None) => {
                (200, json!({ "id": "1", "name": "Owls", "members": self.members }))
            }
            _ => {
                self.written.lock().unwrap().push(path.to_owned());
                (200, Value::Null)
            }
        };
        Ok(NativeResponse { status, headers: Vec::new(), body: Payload::Json(body).into() })
    }

    fn follow(&self, _asked: &str, _link: &str) -> Result<Link, UpstreamError> {
        Err(UpstreamError::OffOrigin)
    }
}

async fn unlisted(members: Vec<String>) -> (Tenant, Arc<Unlisted>) {
    let application = Arc::new(Unlisted { members, written: Mutex::default() });
    let mut tenant = tenant(MAPPING, &Application::with(Vec::new()), Dialect::Lenient).await;
    tenant.upstream = Arc::clone(&application) as _;
    let written = [("users".to_owned(), vec![r#"userName eq "admin""#.to_owned()])];
    let written = written.into_iter().collect();
    let protected = Protected::new(&tenant.mapping, Dialect::Lenient, &written);
    tenant.precautions.protected = protected.unwrap();
    (tenant, application)
}

fn people(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("p{number}")).collect()
}

#[tokio::test]
async fn a_group_with_somebody_protected_is_not_deleted() {
    for (members, status) in [
        (people(3), 204),
        ([people(99), vec!["admin".to_owned()]].concat(), 403),
        // More than are read one by one: nobody knows, so nothing is done.
        (people(101), 400),
    ] {
        let (tenant, application) = unlisted(members.clone()).await;
        let answer = ask(&tenant, "DELETE /Groups/1", None).await;
        assert_eq!(answer.status, status, "{} members: {answer:?}", members.len());
        let written = application.written.lock().unwrap().clone();
        assert_eq!(written.is_empty(), status != 204, "{written:?}");
    }
}
