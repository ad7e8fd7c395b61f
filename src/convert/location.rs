//! Where resources are found.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but the unreserved characters of RFC 3986.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The URL of a resource: the SCIM base, the endpoint with its leading slash, the id.
pub fn location(base: &str, endpoint: &str, id: &str) -> String {
    let mut text = String::with_capacity(base.len() + endpoint.len() + 1 + id.len());
    write(&mut text, base, endpoint, id);
    text
}

/// The same, written behind a text.
pub fn write(text: &mut String, base: &str, endpoint: &str, id: &str) {
    text.push_str(base);
    text.push_str(endpoint);
    text.push('/');
    text.extend(utf8_percent_encode(id, SEGMENT));
}
