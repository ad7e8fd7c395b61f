//! What proves to the application who the bridge is, ready to be put into a request.

use http::{HeaderName, HeaderValue};
use secrecy::SecretString;

use crate::upstream::header;

/// Something to sign a request with. `Debug` shows no value: headers are marked sensitive.
#[derive(Debug, Clone)]
pub(crate) enum Credential {
    /// Nothing.
    None,
    /// A header field.
    Header(HeaderName, HeaderValue),
    /// A query parameter.
    Query(String, SecretString),
    /// A member of the body, below other members.
    Member(Vec<String>, SecretString),
    /// A cookie, as `name=value`.
    Cookie(HeaderValue),
}

impl Credential {
    /// A header field; `None` when it may not be sent.
    pub(crate) fn header(name: &str, value: &str) -> Option<Self> {
        header::field(name, value).map(|(name, value)| Self::Header(name, value))
    }

    /// A query parameter.
    pub(crate) fn query(name: &str, value: String) -> Self {
        Self::Query(name.to_owned(), value.into())
    }

    /// A cookie; `None` when name or value would end it early (RFC 6265 section 4.1.1).
    pub(crate) fn cookie(name: &str, value: &str) -> Option<Self> {
        let ends = |byte: u8| matches!(byte, b';' | b',' | b' ' | b'\t');
        let whole = !name.contains('=') && !name.bytes().chain(value.bytes()).any(ends);
        whole.then(|| header::sensitive(&format!("{name}={value}")))?.map(Self::Cookie)
    }
}

#[cfg(test)]
mod tests {
    use crate::upstream::sign_in::credential::Credential;

    #[test]
    fn values_stay_in_their_place() {
        assert!(Credential::header("X-Key", "a").is_some());
        assert!(Credential::header("X-Key", "a\nX-Other: b").is_none());
        assert!(Credential::cookie("sid", "a=b").is_some());
        for (name, value) in [("sid", "a; role=admin"), ("sid", "a\r\nX: y"), ("s=d", "a")] {
            assert!(Credential::cookie(name, value).is_none(), "{name}={value}");
        }
    }

    #[test]
    fn nothing_is_shown() {
        for credential in [
            Credential::header("X-Key", "s3cret"),
            Credential::cookie("sid", "s3cret"),
            Some(Credential::query("key", "s3cret".to_owned())),
        ] {
            let shown = format!("{:?}", credential.unwrap());
            assert!(!shown.contains("s3cret"), "{shown}");
        }
    }
}
