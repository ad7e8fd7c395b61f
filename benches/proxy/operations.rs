//! What is measured: SCIM operations, and the native calls that each of them makes.

/// As many people and groups as requests are about. Requests about one alone would wait for each
/// other where they write, and be answered together where they read.
pub(crate) const PEOPLE: u32 = 1000;

/// One HTTP request, with `{n}` in the place of a number from 1 to [`PEOPLE`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) target: &'static str,
    pub(crate) body: &'static str,
}

impl Call {
    /// Target and body of the request about this one.
    pub(crate) fn about(self, number: u32) -> (String, String) {
        let number = number.to_string();
        (self.target.replace("{n}", &number), self.body.replace("{n}", &number))
    }
}

/// A SCIM operation beside the native calls that it stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) scim: Call,
    /// What the bridge asks the application for; proxies that do not look get these requests.
    pub(crate) native: &'static [Call],
}

const READ: Call = get("/api/people/{n}");

pub(crate) const ALL: &[Operation] = &[
    Operation { name: "get", scim: get("/scim/v2/Users/{n}"), native: &[READ] },
    Operation {
        name: "filter",
        scim: get("/scim/v2/Users?filter=userName%20eq%20%22ada{n}%22"),
        native: &[get("/api/people?login=ada{n}&per_page=100")],
    },
    Operation {
        name: "post",
        scim: Call { method: "POST", target: "/scim/v2/Users", body: NEW },
        native: &[Call { method: "POST", target: "/api/people", body: NATIVE_NEW }],
    },
    Operation {
        name: "patch-active",
        scim: Call { method: "PATCH", target: "/scim/v2/Users/{n}", body: DEACTIVATE },
        native: &[
            READ,
            Call { method: "PATCH", target: "/api/people/{n}", body: r#"{"disabled":true}"# },
        ],
    },
    Operation {
        name: "add-member",
        scim: Call { method: "PATCH", target: "/scim/v2/Groups/{n}", body: ADD },
        native: &[Call { method: "PUT", target: "/api/teams/{n}/members/7", body: "" }],
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

const NEW: &str = r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"externalId":"hr-{n}","userName":"ada{n}@example.org","active":true,"displayName":"Ada Lovelace","name":{"formatted":"Lady Ada Lovelace","givenName":"Ada","familyName":"Lovelace"},"title":"Analyst","preferredLanguage":"en-GB","emails":[{"primary":true,"type":"work","value":"ada{n}@example.org"}],"phoneNumbers":[{"type":"work","value":"+44 20 5550 0100"}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Notes","employeeNumber":"1815"}}"#;

const NATIVE_NEW: &str = r#"{"login":"ada{n}@example.org","external_ref":"hr-{n}","disabled":false,"full_name":"Ada Lovelace","formal_name":"Lady Ada Lovelace","first_name":"Ada","last_name":"Lovelace","job_title":"Analyst","language":"en-GB","employee_no":"1815","department":"Notes","mails":[{"address":"ada{n}@example.org","kind":"work","main":true}],"phones":[{"number":"+44 20 5550 0100","kind":"work"}]}"#;

const DEACTIVATE: &str = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Replace","path":"active","value":"False"}]}"#;

const ADD: &str = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Add","path":"members","value":[{"value":"7"}]}]}"#;
