//! What is measured: SCIM operations, and the native calls that each of them makes.

/// One HTTP request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) target: &'static str,
    pub(crate) body: &'static str,
}

/// A SCIM operation beside the native calls that it stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) scim: Call,
    /// What the bridge asks the application for; proxies that do not look get these requests.
    pub(crate) native: &'static [Call],
}

const READ: Call = get("/api/people/7");

pub(crate) const ALL: &[Operation] = &[
    Operation { name: "get", scim: get("/scim/v2/Users/7"), native: &[READ] },
    Operation {
        name: "filter",
        scim: get("/scim/v2/Users?filter=userName%20eq%20%22ada%22"),
        native: &[get("/api/people?login=ada&per_page=100")],
    },
    Operation {
        name: "post",
        scim: Call { method: "POST", target: "/scim/v2/Users", body: NEW },
        native: &[Call { method: "POST", target: "/api/people", body: NATIVE_NEW }],
    },
    Operation {
        name: "patch-active",
        scim: Call { method: "PATCH", target: "/scim/v2/Users/7", body: DEACTIVATE },
        native: &[
            READ,
            Call { method: "PATCH", target: "/api/people/7", body: r#"{"disabled":true}"# },
        ],
    },
    Operation {
        name: "add-member",
        scim: Call { method: "PATCH", target: "/scim/v2/Groups/9", body: ADD },
        native: &[Call { method: "PUT", target: "/api/teams/9/members/7", body: "" }],
    },
    Operation {
        name: "list",
        scim: get("/scim/v2/Users?startIndex=1&count=100"),
        native: &[get("/api/people?per_page=100")],
    },
];

const fn get(target: &'static str) -> Call {
    Call { method: "GET", target, body: "" }
}

const NEW: &str = r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"externalId":"hr-7","userName":"ada@example.org","active":true,"displayName":"Ada Lovelace","name":{"formatted":"Lady Ada Lovelace","givenName":"Ada","familyName":"Lovelace"},"title":"Analyst","preferredLanguage":"en-GB","emails":[{"primary":true,"type":"work","value":"ada@example.org"}],"phoneNumbers":[{"type":"work","value":"+44 20 5550 0100"}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Notes","employeeNumber":"1815"}}"#;

const NATIVE_NEW: &str = r#"{"login":"ada@example.org","external_ref":"hr-7","disabled":false,"full_name":"Ada Lovelace","formal_name":"Lady Ada Lovelace","first_name":"Ada","last_name":"Lovelace","job_title":"Analyst","language":"en-GB","employee_no":"1815","department":"Notes","mails":[{"address":"ada@example.org","kind":"work","main":true}],"phones":[{"number":"+44 20 5550 0100","kind":"work"}]}"#;

const DEACTIVATE: &str = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Replace","path":"active","value":"False"}]}"#;

const ADD: &str = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Add","path":"members","value":[{"value":"7"}]}]}"#;
