//! How to reach and sign in to the application, and how its failures are read.

use std::time::Duration;

use serde_json::Value;

use crate::mapping::diagnostic::Diagnostics;
use crate::mapping::file::reader::{At, Entries, OneOrMany, Read, Text, mismatch};
use crate::mapping::file::scalar::{ExprText, LocText, PathText, Rate, Size, Tpl};
use crate::mapping::file::table::{field_type, object, shape, words};
use crate::mapping::model::{Encoding, Outcome, StatusMatch};
use crate::mapping::yaml::{Node, NodeValue};

object! {
    /// How to reach and sign in to the application.
    Api "api" {
        need base_url: Tpl,
        may auth: Auth,
        or headers: Entries<Tpl>,
        or query: Entries<Tpl>,
        may timeout: Duration,
        may connect_timeout: Duration,
        may concurrency: At<u64>,
        may retry: Retry,
        may encode: Encoding,
        may max_response: Size,
        may eventual: Duration,
    }
    later { rate: Rate, tls: Tls, proxy: Tpl, }
}

object! {
    /// How to sign in.
    Auth "auth" @at {
        may bearer: Tpl,
        may basic: Basic,
        may header: Text,
        may query: Text,
        may value: Tpl,
        may session: Session,
    }
    later { oauth2: OAuth2, }
}

object! {
    /// A user name and a password.
    Basic "basic" {
        need username: Tpl,
        may password: Tpl,
    }
}

object! {
    /// A login call.
    Session "session" @at {
        may post: Tpl,
        may get: Tpl,
        may put: Tpl,
        may patch: Tpl,
        or headers: Entries<Tpl>,
        may body: Node,
        may encode: Encoding,
        need token: LocText,
        may expires: LocText,
        may lifetime: Duration,
        may send: SendToken,
        may renew_on: Vec<At<u64>>,
    }
}

object! {
    /// Where a session's token goes.
    SendToken "send" @at {
        may header: Text,
        may query: Text,
        may cookie: Text,
        may value: Tpl,
    }
}

object! {
    /// What is repeated, and when.
    Retry "retry" {
        may attempts: At<u64>,
        may on: Vec<At<u64>>,
        may backoff: Text,
        may after: LocText,
    }
    later { methods: String, }
}

shape! {
    /// OAuth 2 sign-in.
    OAuth2 "oauth2" {
        may grant: String,
        need token_url: Tpl,
        may client_id: Tpl,
        may client_secret: Tpl,
        may client_auth: String,
        may scope: Tpl,
        may audience: Tpl,
        may refresh_token: Tpl,
        may username: Tpl,
        may password: Tpl,
        may assertion: Assertion,
        or params: Entries<Tpl>,
        may leeway: Duration,
    }
    /// A signed assertion.
    Assertion "assertion" {
        need key: Tpl,
        may alg: String,
        may iss: Tpl,
        may sub: Tpl,
        may aud: Tpl,
        may lifetime: Duration,
        or claims: Entries<Tpl>,
    }
    /// Certificates.
    Tls "tls" {
        may ca: Tpl,
        may cert: Tpl,
        may key: Tpl,
        may verify: bool,
        may server_name: Tpl,
        may min: Value,
    }
}

object! {
    /// How failures are read.
    Errors "errors" {
        may message: OneOrMany<PathText>,
        may failed: ExprText,
        or rules: Vec<ErrorRule>,
    }
}

object! {
    /// One rule.
    ErrorRule "error rule" {
        may status: StatusMatch,
        may text: Text,
        may when: ExprText,
        need scim: Outcome,
        may detail: Tpl,
    }
}

words! {
    Encoding {
        "json" => Encoding::Json,
        "form" => Encoding::Form,
    }, later ["merge-patch", "json-patch"]
    Outcome {
        "uniqueness" => Outcome::Uniqueness,
        "invalidValue" => Outcome::InvalidValue,
        "mutability" => Outcome::Mutability,
        "notFound" => Outcome::NotFound,
        "preconditionFailed" => Outcome::PreconditionFailed,
        "forbidden" => Outcome::Forbidden,
        "tooMany" => Outcome::TooMany,
        "unavailable" => Outcome::Unavailable,
        "ok" => Outcome::Ok,
    }
}

impl Read for StatusMatch {
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
        let found = match &node.value {
            NodeValue::Number(number) => exact(number.as_u64()),
            NodeValue::String(text) => match text.strip_suffix("xx") {
                Some(class) => class.parse().ok().filter(|c| (1..=5).contains(c)).map(Self::Class),
                None => exact(text.parse().ok()),
            },
            NodeValue::Null | NodeValue::Bool(_) | NodeValue::Seq(_) | NodeValue::Map(_) => None,
        };
        match found {
            Some(status) => Some(status),
            None => mismatch(node, name, "a status such as 422 or 5xx", faults),
        }
    }
}

fn exact(number: Option<u64>) -> Option<StatusMatch> {
    let status = u16::try_from(number?).ok()?;
    (100..600).contains(&status).then_some(StatusMatch::Exactly(status))
}
