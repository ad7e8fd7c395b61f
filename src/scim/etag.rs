//! Entity tags (RFC 9110 section 8.8.3) as SCIM uses them for versions (RFC 7644 section 3.14).
//!
//! Comparison is the weak one of RFC 9110 section 8.8.3.2 everywhere. RFC 9110 section 13.1.1
//! wants the strong one for `If-Match`, under which a weak tag matches nothing; SCIM's own
//! examples send weak tags in `If-Match` and expect them to match.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What cannot stand between the quotes of a tag, and the sign that stands for it.
const FOREIGN: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// An entity tag. Two are equal when their opaque parts are, whatever their strength: that is the
/// weak comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityTag(String);

impl EntityTag {
    /// The tag of a version, as an application or the bridge itself names it. A version that is
    /// an entity tag already keeps its opaque part; what has no place in a tag is percent-encoded.
    pub fn of(version: &str) -> Self {
        match tag(version) {
            Some((tag, "")) => tag,
            _ => Self(Cow::from(utf8_percent_encode(version, FOREIGN)).into_owned()),
        }
    }

    /// The tag of a version that has a second part, with a dot between the two.
    #[must_use]
    pub fn and(mut self, part: &str) -> Self {
        self.0.push('.');
        self.0.push_str(&utf8_percent_encode(part, FOREIGN).to_string());
        self
    }
}

impl fmt::Display for EntityTag {
    /// As a weak tag: what the bridge tells is a translation, never the application's bytes.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "W/\"{}\"", self.0)
    }
}

/// Whether a text is one entity tag, weak or strong.
pub fn is_tag(text: &str) -> bool {
    matches!(tag(text), Some((_, "")))
}

/// The value of `If-Match` or `If-None-Match` (RFC 9110 sections 13.1.1 and 13.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagList {
    /// `*`: any version at all.
    Any,
    /// One of these. A malformed value is the list without tags, which matches nothing: who sent
    /// it wanted a condition, and must not be taken for somebody who wanted none.
    Of(Vec<EntityTag>),
}

impl TagList {
    /// Reads the header's value.
    pub fn parse(header: &str) -> Self {
        if header.trim() == "*" { Self::Any } else { Self::Of(tags(header).unwrap_or_default()) }
    }

    /// Whether a resource that exists is meant. `None` is a resource whose version nobody knows:
    /// only `*` means it.
    pub fn matches(&self, current: Option<&EntityTag>) -> bool {
        match self {
            Self::Any => true,
            Self::Of(tags) => current.is_some_and(|current| tags.contains(current)),
        }
    }
}

/// The tags of a list, whose empty elements do not count (RFC 9110 section 5.6.1.2).
fn tags(header: &str) -> Option<Vec<EntityTag>> {
    let mut found = Vec::new();
    let mut rest = header.trim();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(',') {
            rest = after.trim_start();
            continue;
        }
        let (tag, after) = tag(rest)?;
        found.push(tag);
        rest = after.trim_start();
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
    }
    Some(found)
}

/// The tag that a text begins with, and what follows.
fn tag(text: &str) -> Option<(EntityTag, &str)> {
    let quoted = text.strip_prefix("W/").unwrap_or(text).strip_prefix('"')?;
    let (opaque, rest) = quoted.split_once('"')?;
    let is_opaque = |c: char| c == '!' || ('#'..='~').contains(&c) || !c.is_ascii();
    opaque.chars().all(is_opaque).then(|| (EntityTag(opaque.to_owned()), rest))
}

#[cfg(test)]
mod tests {
    use crate::scim::etag::{EntityTag, TagList, is_tag};
    use proptest::prelude::*;

    #[track_caller]
    fn check(header: &str, current: &str, matches: bool) {
        let list = TagList::parse(header);
        assert_eq!(list.matches(Some(&EntityTag::of(current))), matches, "{header:?} {list:?}");
    }

    #[test]
    fn lists_are_read_and_compared_weakly() {
        check("*", "7", true);
        check(" * ", "7", true);
        check(r#"W/"7""#, "7", true);
        check(r#""7""#, "7", true);
        check(r#"W/"6""#, "7", false);
        check(r#"W/"6", W/"7""#, "7", true);
        check(r#"W/"6" ,"7""#, "7", true);
        check(r#", ,W/"7",,"#, "7", true);
        check(r#""a,b""#, "a,b", true);
        check(r#""""#, "", true);
        check("", "7", false);
    }

    #[test]
    fn a_malformed_list_matches_nothing() {
        for header in
            ["7", r"W/7", r#"w/"7""#, r#""7"#, r#"7""#, r#"W/"7" W/"7""#, r#""7" x"#, "\"7\"; *"]
        {
            check(header, "7", false);
        }
        check(r#"*, "7""#, "7", false);
        check(r#""6", 7, "7""#, "7", false);
    }

    #[test]
    fn an_unknown_version_is_meant_by_the_star_only() {
        assert!(TagList::parse("*").matches(None));
        assert!(!TagList::parse(r#"W/"7""#).matches(None));
    }

    #[test]
    fn versions_of_applications_become_tags() {
        for (version, tag) in [
            ("7", r#"W/"7""#),
            (r#""7""#, r#"W/"7""#),
            (r#"W/"7""#, r#"W/"7""#),
            ("2026-01-02 03:04:05Z", r#"W/"2026-01-02%2003:04:05Z""#),
            (r#"a"b"#, r#"W/"a%22b""#),
            ("50%", r#"W/"50%25""#),
            ("a\r\nb", r#"W/"a%0D%0Ab""#),
        ] {
            assert_eq!(EntityTag::of(version).to_string(), tag, "{version:?}");
        }
        assert!(is_tag(r#"W/"7""#) && is_tag(r#""7""#) && !is_tag("7") && !is_tag(r#""7", "8""#));
    }

    proptest! {
        #[test]
        fn a_tag_that_was_told_is_recognised_and_fits_into_a_header(version in any::<String>()) {
            let tag = EntityTag::of(&version);
            let told = tag.to_string();
            prop_assert!(TagList::parse(&told).matches(Some(&tag)));
            prop_assert!(told.chars().all(|c| !c.is_control()));
        }

        #[test]
        fn reading_a_list_never_fails(header in any::<String>()) {
            TagList::parse(&header);
        }
    }
}
