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
        /// Where everything begins, without trailing slash. No request, redirect or link to a next
        /// page leaves it.
        need base_url: Tpl,
        /// How to sign in.
        may auth: Auth = "none at all",
        /// Sent with every request.
        or headers: Entries<Tpl>,
        /// Sent with every request.
        or query: Entries<Tpl>,
        /// For a whole call, repetitions included.
        may timeout: Duration = "10s",
        /// For making a connection.
        may connect_timeout: Duration = "3s",
        /// Calls in flight at a time.
        may concurrency: At<u64> = "8",
        /// Most calls in a time, such as `10/s` or `700/m`. Calls wait for their turn.
        may rate: Rate = "no limit",
        /// What is repeated, and when.
        may retry: Retry,
        /// When an application that does not answer is left alone for a while.
        may breaker: Breaker,
        /// Certificates.
        may tls: Tls = "the system's roots",
        /// An outbound HTTP proxy.
        may proxy: Tpl,
        /// How bodies are written.
        may encode: Encoding = "json",
        /// A larger answer is a failure.
        may max_response: Size = "16MiB",
        /// For this long after a write, lists and look-ups may lack it: what was written is read by
        /// its id again and laid over them.
        may eventual: Duration = "0s",
    }
}

object! {
    /// How to sign in.
    Auth "auth" @at {
        /// A token for `Authorization: Bearer`.
        may bearer: Tpl,
        /// A user name and a password.
        may basic: Basic,
        /// A key in this header, with `value`.
        may header: Text,
        /// A key in this query parameter, with `value`.
        may query: Text,
        /// What is sent, with `header` or `query`.
        may value: Tpl,
        /// A token from an OAuth 2.0 server.
        may oauth2: OAuth2,
        /// A login call whose answer has a token.
        may session: Session,
    }
}

object! {
    /// A user name and a password.
    Basic "basic" {
        /// The user name.
        need username: Tpl,
        /// The password.
        may password: Tpl = "no password",
    }
}

object! {
    /// A login call.
    Session "session" @at {
        /// Path of the login call. Exactly one of the four verbs is given.
        may post: Tpl,
        /// The same, with GET.
        may get: Tpl,
        /// The same, with PUT.
        may put: Tpl,
        /// The same, with PATCH.
        may patch: Tpl,
        /// Its headers.
        or headers: Entries<Tpl>,
        /// Its body, a tree of templates.
        may body: Node,
        /// How the body is written.
        may encode: Encoding = "json",
        /// Where the token is in the answer.
        need token: LocText,
        /// Where its end is: RFC 3339, an epoch, or seconds from now.
        may expires: LocText,
        /// How long it lives when the answer does not say.
        may lifetime: Duration = "30m",
        /// Where the token goes.
        may send: SendToken = "`Authorization: Bearer {token}` as usual",
        /// Statuses after which the bridge logs in once more and repeats the call.
        may renew_on: Vec<At<u64>> = "[401]",
        /// A sign in an answer that the session has ended; sees `status`, `headers`, `body`,
        /// `message`.
        may renew_when: ExprText,
    }
}

object! {
    /// Where a session's token goes.
    SendToken "send" @at {
        /// In this header. Exactly one place is given.
        may header: Text,
        /// In this query parameter.
        may query: Text,
        /// In this cookie.
        may cookie: Text,
        /// As this member of every JSON body; dots lead into objects.
        may body: Text,
        /// What is sent; sees `token`.
        may value: Tpl = "{token}",
    }
}

object! {
    /// What is repeated, and when.
    Retry "retry" {
        /// Attempts, the first included.
        may attempts: At<u64> = "3",
        /// Statuses that are worth another attempt. A connection that could not be made always is.
        may on: Vec<At<u64>> = "[429, 502, 503, 504]",
        /// First and longest pause; it doubles, with full jitter.
        may backoff: Text = "250ms..10s",
        /// Where the answer says how long to wait: seconds, a date or an epoch.
        may after: LocText = "header:Retry-After",
        /// What a bare number there counts.
        may after_unit: TimeUnit = "s",
        /// `all`: POST and PATCH are repeated, too, although they may arrive twice.
        may methods: RetryMethods = "idempotent",
    }
}

object! {
    /// When an application that does not answer is left alone for a while: requests are answered
    /// with 503 at once, until one call has found it back.
    Breaker "breaker" {
        /// Attempts in a row that had no answer. Half of at least twenty within 30 seconds without
        /// an answer, or with a status of `on`, do the same. 0 never leaves it alone.
        may failures: At<u64> = "10",
        /// First and longest pause; it doubles each time the application is still not back.
        may pause: Text = "2s..30s",
        /// Statuses that mean that the application is broken.
        may on: Vec<At<u64>> = "[500, 502, 503, 504], without those that `errors` has a rule for",
    }
}

object! {
    /// OAuth 2.0 sign-in.
    OAuth2 "oauth2" @at {
        /// What is given for a token.
        may grant: GrantWord = "client_credentials",
        /// The token endpoint; it may be on another host.
        need token_url: Tpl,
        /// The client's name.
        may client_id: Tpl,
        /// The client's secret.
        may client_secret: Tpl,
        /// Where the client's credentials go.
        may client_auth: ClientAuthWord = "body",
        /// Scopes, separated by blanks.
        may scope: Tpl,
        /// For whom the token is.
        may audience: Tpl,
        /// For the grant of this name.
        may refresh_token: Tpl,
        /// For the grant `password`.
        may username: Tpl,
        /// For the grant `password`.
        may password: Tpl,
        /// For the grant `jwt_bearer`, and for `private_key_jwt`.
        may assertion: Assertion,
        /// Further form fields.
        or params: Entries<Tpl>,
        /// The token is renewed this long before its end.
        may leeway: Duration = "60s",
    }
}

object! {
    /// A signed assertion.
    Assertion "assertion" {
        /// The private key, PEM.
        need key: Tpl,
        /// How it is signed.
        may alg: JwtAlgorithm = "RS256",
        /// Who says it.
        may iss: Tpl = "the client_id",
        /// Of whom it speaks.
        may sub: Tpl = "the same as iss",
        /// For whom it is.
        may aud: Tpl = "the token_url",
        /// How long it is good.
        may lifetime: Duration = "5m",
        /// Further claims.
        or claims: Entries<Tpl>,
        /// Further members of its header, such as `kid`.
        or headers: Entries<Tpl>,
    }
}

object! {
    /// Certificates.
    Tls "tls" @at {
        /// Further certificate authorities: PEM text, or a file.
        may ca: Tpl = "the system's roots",
        /// The client's certificate: PEM text, or a file. With `key`.
        may cert: Tpl,
        /// The client's private key: PEM text, or a file.
        may key: Tpl,
        /// False accepts every certificate, and is good for trials only.
        may verify: bool = "true",
        /// The name that the certificate must bear.
        may server_name: Tpl = "the host of base_url",
        /// The oldest version of TLS.
        may min: TlsVersion = "1.2",
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
        /// Where the message is; the first place that is there. It becomes SCIM's `detail`, on one
        /// line of at most 300 characters.
        may message: OneOrMany<PathText> = "the first of $.message, $.error and $.detail",
        /// True for a 2xx answer that is a failure in disguise; sees `status`, `headers`, `body`,
        /// `message`.
        may failed: ExprText,
        /// What failures mean. The first rule that fits wins, then the built-in table.
        or rules: Vec<ErrorRule>,
    }
}

object! {
    /// One rule.
    ErrorRule "error rule" {
        /// A status, or a class such as `5xx`.
        may status: StatusMatch = "any status",
        /// A pattern that the message must match, without regard to letter case.
        may text: Text = "any text",
        /// A condition; sees `status`, `headers`, `body`, `message`.
        may when: ExprText,
        /// What the failure means; `ok` is no failure at all.
        need scim: Outcome,
        /// The text that is shown.
        may detail: Tpl = "the message",
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
    }
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
