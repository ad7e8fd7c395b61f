//! How the application is reached and signed in to, as understood.

use std::time::Duration;

use crate::mapping::answers::Locator;
use crate::mapping::body_template::BodyTemplate;
use crate::mapping::expression::Expression;
use crate::mapping::requests::Encoding;
use crate::mapping::template::Template;
use crate::native::message::Method;
use crate::native::path::NativePath;

/// Calls that may begin in any stretch of time of this length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many; at least 1.
    pub most: usize,
    /// The length.
    pub per: Duration,
}

/// What is repeated besides calls that never arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryMethods {
    /// Methods that may arrive twice, and calls with an idempotency key.
    Idempotent,
    /// Every method.
    All,
}

/// The unit of a number that says how long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

/// Certificates towards the application.
#[derive(Debug)]
pub struct Tls {
    /// Certificates trusted besides the system's: PEM, or the name of a file with it.
    pub ca: Option<Template>,
    /// The client's certificate chain and its key, each PEM or the name of a file with it.
    pub identity: Option<(Template, Template)>,
    /// Whether the application has to prove who it is.
    pub verify: bool,
    /// The name its certificate must have, instead of the host of `base_url`.
    pub server_name: Option<Template>,
    /// The oldest version of TLS.
    pub min: TlsVersion,
}

/// Versions of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// Sign-in by OAuth 2.0 (RFC 6749).
#[derive(Debug)]
pub struct OAuth2 {
    /// Where tokens are fetched: an absolute URL, of any origin.
    pub token_url: Template,
    /// What stands for the access token.
    pub grant: Grant,
    /// How the bridge shows the token endpoint who it is.
    pub client: ClientAuth,
    /// The bridge's name at the token endpoint.
    pub client_id: Option<Template>,
    /// Scopes, separated by blanks.
    pub scope: Option<Template>,
    /// Whom the token is for.
    pub audience: Option<Template>,
    /// Further form fields.
    pub params: Vec<(String, Template)>,
    /// There when the grant or the client's authentication needs one.
    pub assertion: Option<Assertion>,
    /// A token is renewed this long before its end.
    pub leeway: Duration,
}

/// What is given for an access token.
#[derive(Debug)]
pub enum Grant {
    /// Nothing but the client's own credentials (RFC 6749 section 4.4).
    ClientCredentials,
    /// A refresh token (section 6).
    RefreshToken(Template),
    /// A name and a password (section 4.3).
    Password {
        /// User name.
        username: Template,
        /// Password.
        password: Template,
    },
    /// A signed assertion (RFC 7523 section 2.1).
    JwtBearer,
}

/// How the client authenticates.
#[derive(Debug)]
pub enum ClientAuth {
    /// `client_id` and, if there is one, the secret in the form.
    Body(Option<Template>),
    /// `client_id` and secret in an `Authorization` header (RFC 6749 section 2.3.1).
    Basic(Option<Template>),
    /// A signed assertion (RFC 7523 section 2.2).
    PrivateKeyJwt,
}

/// A signed assertion (RFC 7523 section 3).
#[derive(Debug)]
pub struct Assertion {
    /// The private key as PEM, or the name of a file with it.
    pub key: Template,
    /// How it is signed.
    pub algorithm: JwtAlgorithm,
    /// Who says so; `client_id` when `None`.
    pub issuer: Option<Template>,
    /// Of whom; the issuer when `None`.
    pub subject: Option<Template>,
    /// To whom; the token endpoint when `None`.
    pub audience: Option<Template>,
    /// How long it is good.
    pub lifetime: Duration,
    /// Further claims.
    pub claims: Vec<(String, Template)>,
    /// Further header fields, such as `kid`.
    pub headers: Vec<(String, Template)>,
}

/// Signatures of assertions (RFC 7518 section 3.1, RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwtAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

/// How to reach and sign in to the application.
#[derive(Debug)]
pub struct Api {
    /// Where everything begins, without trailing slash.
    pub base_url: Template,
    /// How to sign in.
    pub sign_in: SignIn,
    /// Headers of every request.
    pub headers: Vec<(String, Template)>,
    /// Query parameters of every request.
    pub query: Vec<(String, Template)>,
    /// Time for a whole call.
    pub timeout: Duration,
    /// Time to connect.
    pub connect_timeout: Duration,
    /// Most calls in flight.
    pub concurrency: usize,
    /// Most calls that begin in a stretch of time.
    pub rate: Option<Rate>,
    /// What is repeated, and when.
    pub retry: Retry,
    /// When the application is left alone.
    pub breaker: Breaker,
    /// Certificates; `None`: those of the system.
    pub tls: Option<Tls>,
    /// The proxy that every call goes through.
    pub proxy: Option<Template>,
    /// Largest answer, in bytes.
    pub max_response: u64,
    /// How long lists and look-ups may lack what was written.
    pub eventual: Duration,
}

/// Sign-in styles.
#[derive(Debug)]
pub enum SignIn {
    /// None.
    None,
    /// `Authorization: Bearer …`.
    Bearer(Template),
    /// `Authorization: Basic …`.
    Basic {
        /// User name.
        username: Template,
        /// Password.
        password: Template,
    },
    /// A key in a header.
    Header {
        /// Header name.
        name: String,
        /// Header value.
        value: Template,
    },
    /// A key in a query parameter.
    Query {
        /// Parameter name.
        name: String,
        /// Parameter value.
        value: Template,
    },
    /// A token of an OAuth 2.0 token endpoint.
    OAuth2(Box<OAuth2>),
    /// A login call whose answer has a token.
    Session(Box<Session>),
}

/// A login call.
#[derive(Debug)]
pub struct Session {
    /// Its method.
    pub method: Method,
    /// Its path below `base_url`.
    pub path: Template,
    /// Its headers.
    pub headers: Vec<(String, Template)>,
    /// Its body.
    pub body: Option<BodyTemplate>,
    /// How the body is encoded.
    pub encoding: Encoding,
    /// Where the token is in the answer.
    pub token: Locator,
    /// Where its end is: seconds from now, an epoch or an RFC 3339 instant.
    pub expires: Option<Locator>,
    /// How long it lives when the answer does not say.
    pub lifetime: Duration,
    /// Where the token goes; the template sees `token`.
    pub send: TokenPlace,
    /// Statuses after which the bridge signs in again, once, and repeats the call.
    pub renew_on: Vec<u16>,
    /// True on an answer after which it does the same; sees what error rules see.
    pub renew_when: Option<Expression>,
    /// Where `message` is, for `renew_when`.
    pub messages: Vec<NativePath>,
}

/// Where a session's token is sent.
#[derive(Debug)]
pub enum TokenPlace {
    /// In a header.
    Header(String, Template),
    /// In a query parameter.
    Query(String, Template),
    /// In a cookie.
    Cookie(String, Template),
    /// In the body, as a member of members.
    Body(Vec<String>, Template),
}

/// When the application is left alone for a while.
#[derive(Debug, Clone)]
pub struct Breaker {
    /// Attempts in a row without an answer after which that is so; 0: never.
    pub failures: u32,
    /// First and longest pause.
    pub pause: (Duration, Duration),
    /// Statuses that mean that it is broken.
    pub on: Vec<u16>,
}

impl Breaker {
    /// One that never leaves anybody alone.
    pub fn never() -> Self {
        Self { failures: 0, pause: (Duration::ZERO, Duration::ZERO), on: Vec::new() }
    }
}

/// What is repeated, and when.
#[derive(Debug, Clone)]
pub struct Retry {
    /// Attempts in all, the first included.
    pub attempts: u32,
    /// Statuses that are worth repeating; connection failures always are.
    pub on: Vec<u16>,
    /// First and longest pause.
    pub backoff: (Duration, Duration),
    /// Where the answer says how long to wait.
    pub after: Locator,
    /// What a number there counts.
    pub after_unit: TimeUnit,
    /// Methods that may arrive twice.
    pub methods: RetryMethods,
}
