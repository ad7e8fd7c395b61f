//! `base_url` and everything below it: paths in, links out. Nothing may leave it (LANGUAGE E117).
//!
//! The `url` crate normalises as browsers do: it collapses `..` and `%2e%2e`, turns `\` into `/`
//! and drops tabs. So every URL is compared with the path it was built from, segment by segment.
//! Paths of nothing but what it leaves alone need no URL.

use bytes::Bytes;
use http::Uri;
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use percent_encoding::percent_decode_str;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::exchange::upstream::Link;

/// Where every request begins.
#[derive(Debug)]
pub(crate) struct Base {
    url: Url,
    /// The URL without trailing slash.
    text: String,
    /// The URL's path without trailing slash; empty for the root.
    prefix: String,
    scheme: Scheme,
    authority: Authority,
}

/// Where a link leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Below `base_url`.
    Below(Link),
    /// To the same origin, but not below `base_url`.
    Beside,
    /// To another origin, or to nothing that is a URL.
    Elsewhere,
}

impl Base {
    /// Reads an absolute `http` or `https` URL. The error completes the sentence "`base_url` …" and
    /// does not show the URL.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text).map_err(|_| "is not an absolute URL")?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("is neither http nor https");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not contain credentials");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("must not contain a query or a fragment");
        }
        let text = url.as_str().trim_end_matches('/').to_owned();
        let prefix = url.path().trim_end_matches('/').to_owned();
        let scheme = if url.scheme() == "http" { Scheme::HTTP } else { Scheme::HTTPS };
        let authority = url.authority().parse().map_err(|_| "has no usable host")?;
        Ok(Self { url, text, prefix, scheme, authority })
    }

    /// Its host, as URLs write it.
    pub(crate) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Whether what is sent there can be read on its way.
    pub(crate) fn is_plain(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// Where a request goes: a percent-encoded path below `base_url`, and parameters not yet
    /// encoded. The error says why it cannot.
    pub(crate) fn address<'p>(
        &self,
        path: &str,
        query: impl Iterator<Item = (&'p str, &'p str)>,
    ) -> Result<Uri, &'static str> {
        let mut text = if is_plain(path) {
            [&self.prefix, path].concat()
        } else {
            let url = self.locate(path).ok_or("its path does not stay below base_url")?;
            url.path().to_owned()
        };
        let mut query = query.peekable();
        if query.peek().is_some() {
            text.push('?');
            let begin = text.len();
            text = Serializer::for_suffix(text, begin).extend_pairs(query).finish();
        }
        let mut parts = Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        let unusable = "its path and query cannot be sent";
        parts.path_and_query =
            Some(PathAndQuery::from_maybe_shared(Bytes::from(text)).map_err(|_| unusable)?);
        Uri::from_parts(parts).map_err(|_| unusable)
    }

    /// The URL of a percent-encoded path below `base_url`; `None` when it would not stay the same
    /// path, or not below.
    pub(crate) fn locate(&self, path: &str) -> Option<Url> {
        if !path.is_empty() && !path.starts_with('/') {
            return None;
        }
        let url = Url::parse(&format!("{}{path}", self.text)).ok()?;
        // The root of an origin has a slash, written or not.
        let path = if path.is_empty() && self.prefix.is_empty() { "/" } else { path };
        let kept = same_segments(self.below(&url)?, path);
        (kept && url.query().is_none() && url.fragment().is_none()).then_some(url)
    }

    /// Where a link leads that was found in the answer to a request for `asked`.
    pub(crate) fn resolve(&self, asked: &str, link: &str) -> Target {
        let Some(target) = self.locate(asked).and_then(|asked| asked.join(link.trim()).ok()) else {
            return Target::Elsewhere;
        };
        if !self.is_origin_of(&target) {
            return Target::Elsewhere;
        }
        let Some(path) = self.below(&target) else {
            return Target::Beside;
        };
        let query = target.query_pairs().into_owned().collect();
        Target::Below(Link { path: path.to_owned(), query })
    }

    fn below<'u>(&self, url: &'u Url) -> Option<&'u str> {
        let rest = url.path().strip_prefix(self.prefix.as_str())?;
        (self.is_origin_of(url) && (rest.is_empty() || rest.starts_with('/'))).then_some(rest)
    }

    fn is_origin_of(&self, url: &Url) -> bool {
        url.origin() == self.url.origin() && url.username().is_empty() && url.password().is_none()
    }
}

/// Whether a path has only what every URL leaves as it is, and no segment that could be one of
/// dots.
fn is_plain(path: &str) -> bool {
    let mut before = None;
    path.starts_with('/')
        && path.bytes().all(|byte| {
            let begins_segment = before.replace(byte) == Some(b'/');
            match byte {
                b'.' | b'%' => !begins_segment,
                b'/' | b'-' | b'_' | b'~' | b':' | b'@' | b'!' | b'$' | b'&' | b'+' | b','
                | b';' | b'=' => true,
                _ => byte.is_ascii_alphanumeric(),
            }
        })
}

fn same_segments(left: &str, right: &str) -> bool {
    left == right || left.split('/').map(decoded).eq(right.split('/').map(decoded))
}

fn decoded(segment: &str) -> Vec<u8> {
    percent_decode_str(segment).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::exchange::upstream::Link;
    use crate::upstream::link::{Base, Target};

    fn base(text: &str) -> Base {
        Base::parse(text).unwrap()
    }

    #[track_caller]
    fn located(base_url: &str, path: &str, expected: &str) {
        assert_eq!(base(base_url).locate(path).unwrap().as_str(), expected);
        assert_eq!(base(base_url).address(path, [].into_iter()).unwrap(), expected);
    }

    /// Where a request would go if every address were made by the `url` crate.
    fn by_url(base: &Base, path: &str, query: &[(String, String)]) -> Option<String> {
        let mut url = base.locate(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Some(url.into())
    }

    #[track_caller]
    fn follows(asked: &str, link: &str, path: &str, query: &[(&str, &str)]) {
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let expected = Target::Below(Link { path: path.to_owned(), query: query.collect() });
        assert_eq!(base("https://app.example/api/v1").resolve(asked, link), expected);
    }

    #[test]
    fn bases() {
        for bad in [
            "app.example/api",
            "ftp://app.example",
            "https://u@app.example",
            "https://:p@app.example",
            "https://app.example/?a=b",
            "https://app.example/#x",
            "",
        ] {
            assert!(Base::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_stay_as_they_are() {
        located("http://h", "/users/1", "http://h/users/1");
        located("http://h", "", "http://h/");
        located("http://h/api/", "/users", "http://h/api/users");
        located("http://h/api", "", "http://h/api");
        located("http://h/api", "//evil.example/x", "http://h/api//evil.example/x");
        located("http://h/api", "/a%2Fb%20c/%252e%252e", "http://h/api/a%2Fb%20c/%252e%252e");
        located("http://h/api", "/ü", "http://h/api/%C3%BC");
    }

    #[test]
    fn paths_cannot_escape() {
        for path in [
            "users",
            ".evil.example/",
            "@evil.example/",
            ":8080/",
            "/../admin",
            "/users/..",
            "/users/%2e%2E/admin",
            "/users/.%2e/admin",
            "/./users",
            "/users/%2e",
            "/users\\..\\admin",
            "/us\ters",
            "/users?a=b",
            "/users#x",
        ] {
            assert!(base("http://h/api").locate(path).is_none(), "{path}");
            assert!(base("http://h/api").address(path, [].into_iter()).is_err(), "{path}");
        }
    }

    #[test]
    fn links_below() {
        follows("/users", "https://app.example/api/v1/users?p=2", "/users", &[("p", "2")]);
        follows("/users", "https://app.example:443/api/v1/users", "/users", &[]);
        follows("/users", "/api/v1/users?q=a+b%26c", "/users", &[("q", "a b&c")]);
        follows("/users", "?after=x%3D", "/users", &[("after", "x=")]);
        follows("/users/7", "8#top", "/users/8", &[]);
        follows("/users", "//app.example/api/v1/x%2Fy", "/x%2Fy", &[]);
        follows("", "v1?p=2", "", &[("p", "2")]);
    }

    #[test]
    fn links_away() {
        let base = base("https://app.example/api/v1");
        for link in ["/login", "../../x", "/api/v10/users", "/api/v1/%2e%2e/x"] {
            assert_eq!(base.resolve("/users", link), Target::Beside, "{link}");
        }
        for link in [
            "http://app.example/api/v1/users",
            "https://app.example:8443/api/v1/users",
            "https://app.example.evil.example/api/v1/users",
            "https://u:p@app.example/api/v1/users",
            "//evil.example/api/v1",
            "\\\\evil.example\\api\\v1",
            "javascript:alert(1)",
            "https://[",
        ] {
            assert_eq!(base.resolve("/users", link), Target::Elsewhere, "{link}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_located_is_below(path in "(/|%2e|%2E|\\.|\\\\|a|%5c|\\?|#|@|:|\t| ){0,12}") {
            let base = base("http://h/api");
            if let Some(url) = base.locate(&path) {
                prop_assert!(url.as_str().starts_with("http://h/api"));
                prop_assert_eq!(base.below(&url).unwrap().split('/').count(), path.split('/').count());
                prop_assert!(matches!(base.resolve(&path, ""), Target::Below(_)));
            }
        }

        #[test]
        fn addresses_are_urls(
            base in "https?://(h|H\\.Example|\\[::1\\]|10\\.0\\.0\\.1)(:80|:443|:8080)?(/|/api|/a%20b/ü/)?",
            path in "(/|[a-zA-Z0-9]|%2[0-9a-fA-F]|%2e|\\.|[ -~]|ü){0,12}",
            query in prop::collection::vec(("\\PC{0,6}", "\\PC{0,6}"), 0..3),
        ) {
            let base = Base::parse(&base).unwrap();
            for path in [format!("/{path}"), path] {
                let pairs = query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                let address = base.address(&path, pairs).ok().map(|address| address.to_string());
                prop_assert_eq!(address, by_url(&base, &path, &query));
            }
        }
    }
}
