//! Header fields: from the mapping's texts to what may be sent.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Fields that frame a message (RFC 9112 section 6) or belong to one connection (RFC 9110 section
/// 7.6.1). They are the client's business: setting them by hand is how requests are smuggled.
const FRAMING: [&str; 8] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Room for what joins the mapping's fields until a request is on its way: media type, length,
/// credential, request id, place in the trace, host.
const LATER: usize = 7;

/// A field that may be sent. Its value is marked sensitive: it may come from a secret.
pub(crate) fn field(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    if FRAMING.contains(&name.as_str()) {
        return None;
    }
    Some((name, sensitive(value)?))
}

/// A field's value, marked sensitive; `None` with control characters in it.
pub(crate) fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The defaults, with fields of the same name replaced; names are compared without case. `None`
/// when a field may not be sent.
pub(crate) fn merge(defaults: &HeaderMap, fields: &[(String, String)]) -> Option<HeaderMap> {
    let mut merged = HeaderMap::with_capacity(defaults.len() + fields.len() + LATER);
    merged.extend(defaults.iter().map(|(name, value)| (name.clone(), value.clone())));
    let mut own = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        let (name, value) = field(name, value)?;
        own.append(name, value);
    }
    // Extending replaces what has the same name and keeps a field that is given twice.
    merged.extend(own);
    Some(merged)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use crate::upstream::header::{field, merge};

    #[test]
    fn fields() {
        assert!(field("X-Name", "Ada Ünal").is_some());
        for (name, value) in [
            ("X Name", "a"),
            ("", "a"),
            ("X-Name", "a\r\nX-Other: b"),
            ("X-Name", "a\0"),
            ("Content-Length", "3"),
            ("transfer-ENCODING", "chunked"),
        ] {
            assert!(field(name, value).is_none(), "{name}: {value}");
        }
        assert_eq!(format!("{:?}", field("X-Key", "s3cret").unwrap().1), "Sensitive");
    }

    #[test]
    fn own_fields_win() {
        let mut defaults = HeaderMap::new();
        defaults.extend([field("accept", "a").unwrap(), field("x-default", "d").unwrap()]);
        let own = [("ACCEPT", "b"), ("X-Two", "1"), ("x-two", "2")];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let merged = merge(&defaults, &own).unwrap();
        let all = |name: &str| merged.get_all(name).iter().cloned().collect::<Vec<_>>();
        assert_eq!(all("accept"), ["b"]);
        assert_eq!(all("x-default"), ["d"]);
        assert_eq!(all("x-two"), ["1", "2"]);
    }
}
