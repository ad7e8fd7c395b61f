//! One event.

use std::borrow::Cow;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// An operation, who asked for it, what was sent to the application for it and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When it began; kept to the microsecond.
    pub at: Timestamp,
    /// The tenant's name.
    pub tenant: String,
    /// The label of the caller's token; empty where nobody was known.
    pub token: String,
    /// Identifies the request in logs, here and at the application.
    pub request_id: String,
    /// What was asked for.
    pub operation: Operation,
    /// The resource type; empty where there is none.
    pub resource: String,
    /// The SCIM id; empty where there is none, or none is known.
    pub resource_id: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Everything that nobody searches by.
    pub details: Details,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// POST of a resource.
    Create,
    /// PUT.
    Replace,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
    /// GET of a resource.
    Get,
    /// GET of a list.
    Query,
    /// POST of a search.
    Search,
    /// POST of several operations, each of which has an event of its own.
    Bulk,
    /// GET of what the service can do.
    Discover,
    /// Calls without a good token, counted.
    Refuse,
    /// A guard was released at the command line.
    Release,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 11] = [
        Self::Create,
        Self::Replace,
        Self::Patch,
        Self::Delete,
        Self::Get,
        Self::Query,
        Self::Search,
        Self::Bulk,
        Self::Discover,
        Self::Refuse,
        Self::Release,
    ];

    /// Its name in stores and in output.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::Get => "get",
            Self::Query => "query",
            Self::Search => "search",
            Self::Bulk => "bulk",
            Self::Discover => "discover",
            Self::Refuse => "refuse",
            Self::Release => "release",
        }
    }

    /// The operation of this name.
    pub fn named(keyword: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.keyword() == keyword)
    }

    /// Whether it may change a resource, so that its event may not be lost.
    pub fn is_write(self) -> bool {
        match self {
            Self::Create | Self::Replace | Self::Patch | Self::Delete | Self::Release => true,
            Self::Get | Self::Query | Self::Search | Self::Bulk | Self::Discover | Self::Refuse => {
                false
            }
        }
    }
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered with this status.
    Answered(u16),
    /// The bridge ended before it did. Whether the application took the writes is not known.
    Interrupted,
}

/// What an event holds beside the columns of a store. Short names, because there are many.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    /// The id of the caller's token, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// The caller's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// How long it took.
    pub ms: u64,
    /// `scimType` of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scim_type: Option<Cow<'static, str>>,
    /// What kind of failure it was. Never the answer's text, which may name a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Cow<'static, str>>,
    /// Calls to the application, in the order in which they ended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub native: Vec<NativeCall>,
    /// How many more there were.
    #[serde(skip_serializing_if = "is_zero")]
    pub omitted: u64,
    /// Attributes that the request changes, as SCIM paths, with their values where the operator
    /// wants them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<Changed>,
    /// How many such events this one stands for; nothing for one.
    #[serde(skip_serializing_if = "is_zero")]
    pub count: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A call to the application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeCall {
    /// The method's name.
    pub method: Cow<'static, str>,
    /// The path; of the query the names alone.
    pub path: String,
    /// The answer's status; none when there was no answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u16>,
    /// How long it took.
    pub ms: u64,
}

/// An attribute that a request changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// Its SCIM path.
    pub path: String,
    /// What was there; for elements of a collection, those that go.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<Value>,
    /// What is to be there; for elements of a collection, those that come.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub after: Option<Value>,
}

impl Event {
    /// The event as one JSON object, for exports. `number` is its place in the store.
    pub fn to_json(&self, number: i64) -> Value {
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| drop(object.insert(name.to_owned(), value));
        put("number", number.into());
        put("at", self.at.to_string().into());
        put("tenant", self.tenant.as_str().into());
        put("token", self.token.as_str().into());
        put("request_id", self.request_id.as_str().into());
        put("operation", self.operation.keyword().into());
        for (name, text) in [("resource", &self.resource), ("resource_id", &self.resource_id)] {
            if !text.is_empty() {
                put(name, text.as_str().into());
            }
        }
        match self.outcome {
            Outcome::Answered(status) => put("status", status.into()),
            Outcome::Interrupted => put("interrupted", true.into()),
        }
        if let Value::Object(details) = json!(self.details) {
            object.extend(details);
        }
        Value::Object(object)
    }
}
