//! The operations of the matrix: what the identity provider sends.
#![cfg(test)]

use http::Method;
use serde_json::{Value, json};

use crate::faults::fault::Scope;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Get,
    Query,
    List,
    Create,
    Replace,
    Patch,
    PatchMember,
    Deactivate,
    Delete,
    Bulk,
}

impl Operation {
    pub(crate) const ALL: [Self; 10] = [
        Self::Get,
        Self::Query,
        Self::List,
        Self::Create,
        Self::Replace,
        Self::Patch,
        Self::PatchMember,
        Self::Deactivate,
        Self::Delete,
        Self::Bulk,
    ];

    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "GET by id",
            Self::Query => "GET with a filter",
            Self::List => "GET of a list",
            Self::Create => "POST",
            Self::Replace => "PUT",
            Self::Patch => "PATCH of an attribute",
            Self::PatchMember => "PATCH of a member",
            Self::Deactivate => "PATCH of `active`",
            Self::Delete => "DELETE",
            Self::Bulk => "POST in a bulk request",
        }
    }

    /// The native method of the first call that a fault of this scope hits.
    pub(crate) fn hit(self, scope: Scope) -> &'static str {
        match (self, scope) {
            (Self::Get | Self::Query | Self::List, _)
            | (Self::Replace | Self::Patch | Self::Deactivate, Scope::Everything) => "GET",
            (Self::Create | Self::PatchMember | Self::Bulk, _) => "POST",
            (Self::Delete, _) => "DELETE",
            (Self::Replace | Self::Patch | Self::Deactivate, Scope::Writes) => "PATCH",
        }
    }

    /// Reads are no concern of a fault that hits writes.
    pub(crate) fn is_hit_by(self, scope: Scope) -> bool {
        scope == Scope::Everything || self.hit(scope) != "GET"
    }

    /// The answer when nothing is wrong.
    pub(crate) fn success(self) -> u16 {
        match self {
            Self::Create | Self::Bulk => 201,
            Self::Get
            | Self::Query
            | Self::List
            | Self::Replace
            | Self::Patch
            | Self::Deactivate => 200,
            Self::PatchMember | Self::Delete => 204,
        }
    }

    /// Method, segments and query.
    pub(crate) fn target(self) -> (Method, &'static [&'static str], &'static str) {
        match self {
            Self::Get => (Method::GET, &["Users", "7"], ""),
            Self::Query => (Method::GET, &["Users"], "filter=userName%20eq%20%22ada%22"),
            Self::List => (Method::GET, &["Users"], ""),
            Self::Create => (Method::POST, &["Users"], ""),
            Self::Replace => (Method::PUT, &["Users", "7"], ""),
            Self::Patch | Self::Deactivate => (Method::PATCH, &["Users", "7"], ""),
            Self::PatchMember => (Method::PATCH, &["Groups", "9"], ""),
            Self::Delete => (Method::DELETE, &["Users", "7"], ""),
            Self::Bulk => (Method::POST, &["Bulk"], ""),
        }
    }

    pub(crate) fn body(self) -> Option<Value> {
        let patch = |op: &str, path: &str, value: Value| json!({ "Operations": [{ "op": op, "path": path, "value": value }] });
        let user = json!({ "userName": "ada", "title": "Countess" });
        match self {
            Self::Get | Self::Query | Self::List | Self::Delete => None,
            Self::Create | Self::Replace => Some(user),
            Self::Patch => Some(patch("replace", "title", json!("Countess"))),
            Self::PatchMember => Some(patch("add", "members", json!([{ "value": "7" }]))),
            Self::Deactivate => Some(patch("replace", "active", json!(false))),
            Self::Bulk => {
                let create =
                    json!({ "method": "POST", "path": "/Users", "bulkId": "a", "data": user });
                Some(json!({
                    "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
                    "Operations": [create],
                }))
            }
        }
    }
}
