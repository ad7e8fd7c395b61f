//! Where resources are found.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but the unreserved characters of RFC 3986.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The URL of a resource: the SCIM base, the endpoint with its leading slash, the id.
pub fn location(base: &str, endpoint: &str, id: &str) -> String {
    format!("{base}{endpoint}/{}", utf8_percent_encode(id, SEGMENT))
}

/// The same, written behind a text.
pub fn write(text: &mut Vec<u8>, base: &str, endpoint: &str, id: &str) {
    for part in [base, endpoint, "/"].into_iter().chain(utf8_percent_encode(id, SEGMENT)) {
        text.extend_from_slice(part.as_bytes());
    }
}
