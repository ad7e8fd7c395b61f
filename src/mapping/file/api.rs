//! How to reach and sign in to the application, and how its failures are read.

use std::time::Duration;

use crate::mapping::access::{JwtAlgorithm, Rate, RetryMethods, TimeUnit, TlsVersion};
use crate::mapping::diagnostic::Diagnostics;
use crate::mapping::file::reader::{At, Entries, OneOrMany, Read, Text, mismatch};
use crate::mapping::file::scalar::{ExprText, LocText, PathText, Size, Tpl};
use crate::mapping::file::shape::Shape;
use crate::mapping::file::table::{object, words};
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
        may rate: Rate,
        may retry: Retry,
        may tls: Tls,
        may proxy: Tpl,
        may encode: Encoding,
        may max_response: Size,
    }
    later { eventual: Duration, }
}

object! {
    /// How to sign in.
    Auth "auth" @at {
        may bearer: Tpl,
        may basic: Basic,
        may header: Text,
        may query: Text,
        may value: Tpl,
        may oauth2: OAuth2,
        may session: Session,
    }
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
        may renew_when: ExprText,
    }
}

object! {
    /// Where a session's token goes.
    SendToken "send" @at {
        may header: Text,
        may query: Text,
        may cookie: Text,
        may body: Text,
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
        may after_unit: TimeUnit,
        may methods: RetryMethods,
    }
}

object! {
    /// OAuth 2.0 sign-in.
    OAuth2 "oauth2" @at {
        may grant: GrantWord,
        need token_url: Tpl,
        may client_id: Tpl,
        may client_secret: Tpl,
        may client_auth: ClientAuthWord,
        may scope: Tpl,
        may audience: Tpl,
        may refresh_token: Tpl,
        may username: Tpl,
        may password: Tpl,
        may assertion: Assertion,
        or params: Entries<Tpl>,
        may leeway: Duration,
    }
}

object! {
    /// A signed assertion.
    Assertion "assertion" {
        need key: Tpl,
        may alg: JwtAlgorithm,
        may iss: Tpl,
        may sub: Tpl,
        may aud: Tpl,
        may lifetime: Duration,
        or claims: Entries<Tpl>,
        or headers: Entries<Tpl>,
    }
}

object! {
    /// Certificates.
    Tls "tls" @at {
        may ca: Tpl,
        may cert: Tpl,
        may key: Tpl,
        may verify: bool,
        may server_name: Tpl,
        may min: TlsVersion,
    }
}

/// What is given for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrantWord {
    /// The client's credentials.
    ClientCredentials,
    /// A refresh token.
    RefreshToken,
    /// Name and password.
    Password,
    /// A signed assertion.
    JwtBearer,
}

/// Where the client's credentials go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientAuthWord {
    /// Into the form.
    Body,
    /// Into a header.
    Basic,
    /// Nowhere: the client signs an assertion.
    PrivateKeyJwt,
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
    GrantWord {
        "client_credentials" => GrantWord::ClientCredentials,
        "refresh_token" => GrantWord::RefreshToken,
        "password" => GrantWord::Password,
        "jwt_bearer" => GrantWord::JwtBearer,
    }
    ClientAuthWord {
        "body" => ClientAuthWord::Body,
        "basic" => ClientAuthWord::Basic,
        "private_key_jwt" => ClientAuthWord::PrivateKeyJwt,
    }
    JwtAlgorithm {
        "RS256" => JwtAlgorithm::Rs256,
        "RS384" => JwtAlgorithm::Rs384,
        "RS512" => JwtAlgorithm::Rs512,
        "PS256" => JwtAlgorithm::Ps256,
        "PS384" => JwtAlgorithm::Ps384,
        "PS512" => JwtAlgorithm::Ps512,
        "ES256" => JwtAlgorithm::Es256,
        "ES384" => JwtAlgorithm::Es384,
        "EdDSA" => JwtAlgorithm::EdDsa,
    }
    RetryMethods {
        "idempotent" => RetryMethods::Idempotent,
        "all" => RetryMethods::All,
    }
    TimeUnit {
        "s" => TimeUnit::Seconds,
        "ms" => TimeUnit::Milliseconds,
    }
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

    fn shape() -> Shape {
        Shape::scalar("status", &["string", "integer"], Some("^[1-5](xx|[0-9][0-9])$"))
    }
}

impl Read for TlsVersion {
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
        // Unquoted it is a number.
        let text = match &node.value {
            NodeValue::Number(number) => number.to_string(),
            NodeValue::String(text) => text.clone(),
            NodeValue::Null | NodeValue::Bool(_) | NodeValue::Seq(_) | NodeValue::Map(_) => {
                String::new()
            }
        };
        match text.as_str() {
            "1.2" => Some(Self::V1_2),
            "1.3" => Some(Self::V1_3),
            _ => mismatch(node, name, "'1.2'|'1.3'", faults),
        }
    }

    fn shape() -> Shape {
        Shape::scalar("TLS version", &["string", "number"], Some("^1[.][23]$"))
    }
}

/// Most calls in one `rate`; the times of all of them are remembered.
const MOST_RATED: usize = 100_000;

impl Read for Rate {
    fn read(node: &Node, name: &str, faults: &mut Diagnostics) -> Option<Self> {
        let found = match &node.value {
            NodeValue::String(text) => rate(text),
            _ => None,
        };
        match found {
            Some(rate) => Some(rate),
            None => mismatch(node, name, "rate such as 10/s", faults),
        }
    }

    fn shape() -> Shape {
        Shape::text("rate", "^[1-9][0-9]*/[smh]$")
    }
}

/// `10/s`, `700/m`, `5000/h`.
fn rate(text: &str) -> Option<Rate> {
    let (count, unit) = text.split_once('/')?;
    let most = count.parse().ok().filter(|most| (1..=MOST_RATED).contains(most))?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    Some(Rate { most, per: Duration::from_secs(seconds) })
}

fn exact(number: Option<u64>) -> Option<StatusMatch> {
    let status = u16::try_from(number?).ok()?;
    (100..600).contains(&status).then_some(StatusMatch::Exactly(status))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::mapping::access::Rate;
    use crate::mapping::file::api::rate;

    #[test]
    fn rates_have_a_count_and_a_unit() {
        let rated = |most, seconds| Some(Rate { most, per: Duration::from_secs(seconds) });
        for (text, expected) in [
            ("10/s", rated(10, 1)),
            ("700/m", rated(700, 60)),
            ("100000/h", rated(100_000, 3600)),
            ("100001/h", None),
            ("0/s", None),
            ("10", None),
            ("10/d", None),
            ("-1/s", None),
        ] {
            assert_eq!(rate(text), expected, "{text}");
        }
    }
}
