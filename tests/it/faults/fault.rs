//! The faults of the matrix: what the application does instead of answering.
#![cfg(test)]

/// Which calls a fault hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All of them.
    Everything,
    /// Those that are no GET: what is read is right, and then nothing can be written.
    Writes,
}

impl Scope {
    pub(crate) const ALL: [Self; 2] = [Self::Everything, Self::Writes];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Refused,
    NoSuchHost,
    ResetBefore,
    ResetAfter,
    Stalled,
    SlowDrip,
    Failed500,
    Page502,
    Away503,
    Away503After7,
    Busy429,
    Busy429After7,
    Busy429AfterDate,
    Busy429AfterAges,
    Busy429AfterNonsense,
    CutJson,
    BrokenJson,
    OtherJson,
    LoginPage,
    Huge,
    RedirectedAway,
    SessionExpired,
    SessionLost,
}

/// In which everything the application should not tell stands.
const PAGE: &str = "<html><title>Traceback</title> psycopg2 at 10.1.2.3, password hunter2</html>";

/// What none of the answers and log lines may hold: words of the faults, of the record and of the
/// request, the address and the credential.
pub(crate) const SECRETS: [&str; 12] = [
    "Traceback",
    "psycopg2",
    "10.1.2.3",
    "hunter2",
    "elsewhere",
    "html",
    "127.0.0.1",
    "no-such-host",
    "native-key",
    "session-token",
    "/api",
    "lovelace",
];

/// What the stub does with a call.
pub(crate) enum Reply {
    /// Answers as if nothing were wrong.
    Fine,
    /// These bytes, and the connection stays open.
    Bytes(Vec<u8>),
    /// These bytes, then the end of the connection.
    Cut(Vec<u8>),
    /// The connection is reset.
    Reset,
    /// Nothing at all.
    Silence,
    /// A byte now and then.
    Drip(Vec<u8>),
}

impl Fault {
    pub(crate) const ALL: [Self; 23] = [
        Self::Refused,
        Self::NoSuchHost,
        Self::ResetBefore,
        Self::ResetAfter,
        Self::Stalled,
        Self::SlowDrip,
        Self::Failed500,
        Self::Page502,
        Self::Away503,
        Self::Away503After7,
        Self::Busy429,
        Self::Busy429After7,
        Self::Busy429AfterDate,
        Self::Busy429AfterAges,
        Self::Busy429AfterNonsense,
        Self::CutJson,
        Self::BrokenJson,
        Self::OtherJson,
        Self::LoginPage,
        Self::Huge,
        Self::RedirectedAway,
        Self::SessionExpired,
        Self::SessionLost,
    ];

    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Refused => "The connection is refused",
            Self::NoSuchHost => "The host name leads nowhere",
            Self::ResetBefore => "The connection is reset before the request is read",
            Self::ResetAfter => "The connection is reset after the request was read",
            Self::Stalled => "The application takes the request and is silent",
            Self::SlowDrip => "The answer comes byte by byte",
            Self::Failed500 => "500 with JSON",
            Self::Page502 => "502 with a proxy's page",
            Self::Away503 => "503",
            Self::Away503After7 => "503 with `Retry-After: 7`",
            Self::Busy429 => "429",
            Self::Busy429After7 => "429 with `Retry-After: 7`",
            Self::Busy429AfterDate => "429 with `Retry-After` as a date in 7 seconds",
            Self::Busy429AfterAges => "429 with `Retry-After: 999999999`",
            Self::Busy429AfterNonsense => "429 with `Retry-After: soon`",
            Self::CutJson => "200 whose JSON breaks off with the connection",
            Self::BrokenJson => "200 with JSON that is none",
            Self::OtherJson => "200 with JSON of another shape",
            Self::LoginPage => "200 with a log-in page",
            Self::Huge => "200 with 20 MB",
            Self::RedirectedAway => "302 to another origin",
            Self::SessionExpired => "401, and logging in again works",
            Self::SessionLost => "401, and logging in again fails",
        }
    }

    /// Time for a call: short where it is what ends the call.
    pub(crate) fn timeout(self) -> &'static str {
        match self {
            Self::Stalled | Self::SlowDrip => "2500ms",
            _ => "6s",
        }
    }

    /// What a call that is hit gets. `attempt` counts such calls from 0.
    pub(crate) fn reply(self, attempt: usize) -> Reply {
        match self {
            // Of most of these nobody is there to reply.
            Self::Refused | Self::NoSuchHost | Self::ResetBefore | Self::ResetAfter => Reply::Reset,
            Self::Stalled => Reply::Silence,
            Self::SlowDrip => Reply::Drip(answer(200, "", JSON, r#"{"id":"7"}"#)),
            Self::Failed500 => {
                Reply::Bytes(answer(500, "", JSON, r#"{"message":"psycopg2 hunter2"}"#))
            }
            Self::Page502 => Reply::Bytes(answer(502, "", HTML, PAGE)),
            Self::Away503 => Reply::Bytes(answer(503, "", JSON, r#"{"error":"at 10.1.2.3"}"#)),
            Self::Away503After7 => Reply::Bytes(answer(503, "Retry-After: 7\r\n", JSON, "{}")),
            Self::Busy429 => Reply::Bytes(answer(429, "", JSON, "{}")),
            Self::Busy429After7 => Reply::Bytes(answer(429, "Retry-After: 7\r\n", JSON, "{}")),
            Self::Busy429AfterDate => {
                let date = "Retry-After: Sat, 21 Nov 2026 18:38:13 GMT\r\n";
                Reply::Bytes(answer(429, date, JSON, "{}"))
            }
            Self::Busy429AfterAges => {
                Reply::Bytes(answer(429, "Retry-After: 999999999\r\n", JSON, "{}"))
            }
            Self::Busy429AfterNonsense => {
                Reply::Bytes(answer(429, "Retry-After: soon\r\n", JSON, "{}"))
            }
            Self::CutJson => {
                let mut whole = answer(200, "", JSON, r#"{"id":"7","login":"ada lovelace"}"#);
                whole.truncate(whole.len() - 5);
                Reply::Cut(whole)
            }
            Self::BrokenJson => {
                Reply::Bytes(answer(200, "", JSON, r#"{"id":"7","login":"lovelace"#))
            }
            Self::OtherJson => Reply::Bytes(answer(200, "", JSON, r#"{"status":"hunter2"}"#)),
            Self::LoginPage => Reply::Bytes(answer(200, "", HTML, PAGE)),
            Self::Huge => Reply::Bytes(answer(200, "", JSON, &" ".repeat(20_000_000))),
            Self::RedirectedAway => {
                let away = "Location: http://elsewhere.example/api/people\r\n";
                Reply::Bytes(answer(302, away, HTML, ""))
            }
            Self::SessionExpired if attempt > 0 => Reply::Fine,
            Self::SessionExpired | Self::SessionLost => {
                Reply::Bytes(answer(401, "", JSON, r#"{"error":"hunter2"}"#))
            }
        }
    }

    /// Whether the bridge signs in with a session.
    pub(crate) fn has_session(self) -> bool {
        matches!(self, Self::SessionExpired | Self::SessionLost)
    }
}

const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";

pub(crate) fn answer(status: u16, headers: &str, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n{headers}Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body.as_bytes()].concat()
}
