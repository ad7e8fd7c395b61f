//! Names of attributes as they are written: `[URN ":"] attribute ["." sub-attribute]`
//! (RFC 7644 section 3.10). Names keep the letters of their input and compare without case.
//! Value paths (`emails[…]`) are not names: filters and PATCH read those.

use std::fmt;
use std::str::FromStr;

/// A reference to an attribute or sub-attribute, not yet looked up in a schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttrPath {
    /// The schema URN in front, `None` when the name stands alone.
    pub urn: Option<String>,
    /// The attribute's name.
    pub attr: String,
    /// The sub-attribute's name.
    pub sub: Option<String>,
}

/// The text is not an attribute name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an attribute name")]
pub struct AttrPathError;

impl FromStr for AttrPath {
    type Err = AttrPathError;

    fn from_str(text: &str) -> Result<Self, AttrPathError> {
        // URNs hold dots and digits of their own (`…:2.0:User:name.familyName`), so the last
        // colon goes first and only what follows is split at a dot.
        let (urn, name) = match text.rsplit_once(':') {
            Some((urn, name)) => (Some(urn), name),
            None => (None, text),
        };
        let (attr, sub) = match name.split_once('.') {
            Some((attr, sub)) => (attr, Some(sub)),
            None => (name, None),
        };
        let names_fit = is_name(attr) && sub.is_none_or(is_name);
        if !names_fit || urn.is_some_and(|urn| !is_uri(urn)) {
            return Err(AttrPathError);
        }
        Ok(Self { urn: urn.map(str::to_owned), attr: attr.to_owned(), sub: sub.map(str::to_owned) })
    }
}

impl fmt::Display for AttrPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(urn) = &self.urn {
            write!(formatter, "{urn}:")?;
        }
        formatter.write_str(&self.attr)?;
        if let Some(sub) = &self.sub {
            write!(formatter, ".{sub}")?;
        }
        Ok(())
    }
}

/// `ATTRNAME`: a letter, then letters, digits, `-` and `_`.
fn is_name(text: &str) -> bool {
    // `$ref` is no ATTRNAME, and yet a sub-attribute of RFC 7643.
    if text.eq_ignore_ascii_case("$ref") {
        return true;
    }
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// A scheme, a colon and at least one more character, all of them legal in a URI.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    is_name(scheme)
        && !rest.is_empty()
        && rest.chars().all(|c| c.is_ascii_alphanumeric() || "-._~:/?#@!$&'*+,;=%".contains(c))
}

#[cfg(test)]
mod tests {
    use crate::scim::attr::{AttrPath, AttrPathError};

    #[test]
    fn names_are_split_and_printed_back() {
        for (text, urn, attr, sub) in [
            ("userName", None, "userName", None),
            ("name.familyName", None, "name", Some("familyName")),
            ("manager.$ref", None, "manager", Some("$ref")),
            ("urn:a:2.0:User:userName", Some("urn:a:2.0:User"), "userName", None),
            ("urn:a:2.0:User:name.givenName", Some("urn:a:2.0:User"), "name", Some("givenName")),
        ] {
            let path: AttrPath = text.parse().unwrap();
            let parts = (path.urn.as_deref(), path.attr.as_str(), path.sub.as_deref());
            assert_eq!(parts, (urn, attr, sub));
            assert_eq!(path.to_string(), text);
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", ".a", "a.", "a.b.c", "1a", "_a", "a b", "a[b", "x:a", ":a", "urn:x:", "é"]
        {
            assert_eq!(text.parse::<AttrPath>(), Err(AttrPathError), "{text}");
        }
    }
}
