//! From the path of a request target to decoded segments and the SCIM base (RFC 7644 section 3.2).
//!
//! Below a tenant's base path `/scim/v2`, `/scim` and nothing at all are taken alike, because the
//! base URL is typed by people. Doubled and trailing slashes vanish. Splitting comes before
//! percent-decoding, so an encoded slash never makes a segment; a segment that decodes to something
//! no identifier can be stays in its place as [`Segment::Impossible`]. Which tenant is meant is
//! decided elsewhere.

use crate::scim::segment;

/// One non-empty segment of the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Percent-decoded text.
    Text(String),
    /// What would lead elsewhere if it were put into a path of the application.
    Impossible,
}

/// The segments of a raw path, in order.
pub(crate) fn split(path: &str) -> Vec<Segment> {
    path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect()
}

/// The segments before the first impossible one.
pub(crate) fn leading(segments: &[Segment]) -> Vec<String> {
    segments.iter().map_while(Segment::text).map(str::to_owned).collect()
}

/// What the client asked for below its SCIM base.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The base path and the variant of the SCIM prefix, each as the client wrote it, with a
    /// leading and without a trailing slash; or empty.
    pub(crate) base: String,
    /// The segments below; `None` when one of them is impossible.
    pub(crate) segments: Option<Vec<String>>,
}

/// Divides the segments into the base, of which `depth` segments are the tenant's, and the rest.
pub(crate) fn target(segments: &[Segment], depth: usize) -> Target {
    let (tenant, below) = segments.split_at_checked(depth).unwrap_or((segments, &[]));
    let mut texts = below.iter().map(Segment::text);
    let variant = match (texts.next().flatten(), texts.next().flatten()) {
        (Some(first), Some(second)) if is(first, "scim") && is(second, "v2") => 2,
        (Some(first), _) if is(first, "scim") => 1,
        _ => 0,
    };
    let (prefix, rest) = below.split_at_checked(variant).unwrap_or((&[], below));
    let mut base = String::new();
    for text in tenant.iter().chain(prefix).filter_map(Segment::text) {
        base.push('/');
        base.push_str(text);
    }
    let segments = rest.iter().map(|segment| segment.text().map(str::to_owned)).collect();
    Target { base, segments }
}

impl Segment {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Impossible => None,
        }
    }
}

fn is(segment: &str, name: &str) -> bool {
    segment.eq_ignore_ascii_case(name)
}

fn decode(raw: &str) -> Segment {
    segment::decode(raw).map_or(Segment::Impossible, Segment::Text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};

    use crate::gateway::path::{Segment, leading, split, target};

    fn check(path: &str, depth: usize, base: &str, segments: Option<&[&str]>) {
        let target = target(&split(path), depth);
        let expected: Option<Vec<String>> =
            segments.map(|segments| segments.iter().map(|&s| s.to_owned()).collect());
        assert_eq!((target.base.as_str(), target.segments), (base, expected), "{path}");
    }

    #[test]
    fn three_forms_of_the_base_are_alike() {
        check("/scim/v2/Users/1", 0, "/scim/v2", Some(&["Users", "1"]));
        check("/scim/Users/1", 0, "/scim", Some(&["Users", "1"]));
        check("/Users/1", 0, "", Some(&["Users", "1"]));
        check("/SCIM/V2/Users", 0, "/SCIM/V2", Some(&["Users"]));
        check("/scim/v2", 0, "/scim/v2", Some(&[]));
        check("/", 0, "", Some(&[]));
        check("", 0, "", Some(&[]));
        check("/scim/v1/Users", 0, "/scim", Some(&["v1", "Users"]));
        check("/v2/Users", 0, "", Some(&["v2", "Users"]));
    }

    #[test]
    fn a_tenants_base_path_comes_first() {
        check("/acme/scim/v2/Users", 1, "/acme/scim/v2", Some(&["Users"]));
        check("/acme/Users", 1, "/acme", Some(&["Users"]));
        check("/acme", 1, "/acme", Some(&[]));
        check("/a/b/scim/Groups", 2, "/a/b/scim", Some(&["Groups"]));
        check("/acme", 7, "/acme", Some(&[]));
    }

    #[test]
    fn superfluous_slashes_vanish() {
        check("//Users//1/", 0, "", Some(&["Users", "1"]));
        check("/scim//v2///Users/", 0, "/scim/v2", Some(&["Users"]));
    }

    #[test]
    fn segments_are_decoded_after_splitting() {
        check("/Users/a%20b%40c", 0, "", Some(&["Users", "a b@c"]));
        check("/Users/%C3%A9", 0, "", Some(&["Users", "é"]));
        check("/Users/a+b", 0, "", Some(&["Users", "a+b"]));
    }

    #[test]
    fn what_no_identifier_can_be_is_impossible() {
        for id in [
            "%2F", "a%2fb", "%5C", "a\\b", "%3F", "%23", "%25", "%252F", "%00", "%0A", "%7F", ".",
            "..", "%2E%2e", "%C2%85", "%FF", "%", "%zz",
        ] {
            check(&format!("/Users/{id}"), 0, "", None);
        }
        check("/Users/...", 0, "", Some(&["Users", "..."]));
        check("/scim/../Users", 0, "/scim", None);
    }

    #[test]
    fn routing_sees_what_stands_before_the_impossible() {
        assert_eq!(leading(&split("/acme/Users/%2F/x")), ["acme", "Users"]);
        assert_eq!(split("/a/.."), [Segment::Text("a".to_owned()), Segment::Impossible]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn no_segment_leads_elsewhere(path in any::<String>(), depth in 0..4_usize) {
            for segment in target(&split(&path), depth).segments.unwrap_or_default() {
                prop_assert!(!segment.contains(['/', '\\', '?', '#', '%', '\0']));
                prop_assert!(!segment.is_empty() && segment != "." && segment != "..");
            }
        }
    }
}
