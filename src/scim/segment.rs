//! One segment of a path, percent-decoded (RFC 3986 section 3.3).
//!
//! Paths reach the bridge in request targets and inside bulk requests (RFC 7644 section 3.7);
//! both are read here, so that what one refuses the other does not let through.

use percent_encoding::percent_decode_str;

/// The text of a segment; `None` for what no identifier can be and what would lead elsewhere if
/// it were put into a path of the application.
pub fn decode(raw: &str) -> Option<String> {
    let text = percent_decode_str(raw).decode_utf8().ok()?;
    is_possible(&text).then(|| text.into_owned())
}

/// Whether a decoded text can be a segment.
pub fn is_possible(text: &str) -> bool {
    // A per cent sign left after decoding would be decoded once more further on.
    let leads_astray = |c: char| c.is_control() || matches!(c, '/' | '\\' | '?' | '#' | '%');
    text != "." && text != ".." && !text.contains(leads_astray)
}

#[cfg(test)]
mod tests {
    use crate::scim::segment::decode;

    #[test]
    fn segments_are_decoded_once_and_lead_nowhere() {
        for (raw, text) in [
            ("Users", Some("Users")),
            ("a%20b%40c", Some("a b@c")),
            ("bulkId:qwerty", Some("bulkId:qwerty")),
            ("...", Some("...")),
            ("%2F", None),
            ("%252F", None),
            ("a?b", None),
            ("%2e%2E", None),
            ("%FF", None),
            ("%0A", None),
        ] {
            assert_eq!(decode(raw).as_deref(), text, "{raw}");
        }
    }
}
