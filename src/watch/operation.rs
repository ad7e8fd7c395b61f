//! Names for what a request wants and for how it ended: short fixed lists, because they become
//! labels of metrics.

use http::Method;

/// What a SCIM request wants (RFC 7644 section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `/ServiceProviderConfig`, `/ResourceTypes`, `/Schemas`.
    Discovery,
    /// POST of a resource.
    Create,
    /// GET of one resource.
    Retrieve,
    /// GET of a list.
    List,
    /// POST to `.search`.
    Search,
    /// PUT.
    Replace,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
    /// POST to `/Bulk`.
    Bulk,
    /// None of these.
    Other,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Discovery,
        Self::Create,
        Self::Retrieve,
        Self::List,
        Self::Search,
        Self::Replace,
        Self::Patch,
        Self::Delete,
        Self::Bulk,
        Self::Other,
    ];

    /// Of the method and of the path segments below the SCIM base.
    pub fn of(method: &Method, segments: &[String]) -> Self {
        let first = segments.first().map(String::as_str).unwrap_or_default();
        let is_discovery =
            ["ServiceProviderConfig", "ServiceProviderConfigs", "ResourceTypes", "Schemas"]
                .iter()
                .any(|name| name.eq_ignore_ascii_case(first));
        let last = segments.last().map(String::as_str).unwrap_or_default();
        match *method {
            Method::GET | Method::HEAD if is_discovery => Self::Discovery,
            Method::GET | Method::HEAD if segments.len() < 2 => Self::List,
            Method::GET | Method::HEAD => Self::Retrieve,
            Method::POST if last.eq_ignore_ascii_case(".search") => Self::Search,
            Method::POST if first.eq_ignore_ascii_case("Bulk") => Self::Bulk,
            Method::POST => Self::Create,
            Method::PUT => Self::Replace,
            Method::PATCH => Self::Patch,
            Method::DELETE => Self::Delete,
            _ => Self::Other,
        }
    }

    /// Its place in [`Self::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// As a label.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Create => "create",
            Self::Retrieve => "retrieve",
            Self::List => "list",
            Self::Search => "search",
            Self::Replace => "replace",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::Bulk => "bulk",
            Self::Other => "other",
        }
    }
}

/// How a request or a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// 1xx, 2xx or 3xx.
    Success,
    /// 4xx but 429.
    ClientError,
    /// 429.
    Throttled,
    /// 5xx.
    ServerError,
    /// No answer: nothing could be sent.
    Unreachable,
    /// No answer: the connection broke.
    Interrupted,
    /// No answer in time, or nobody waited for it any more.
    TimedOut,
    /// An answer that cannot be used: too large, or leading elsewhere.
    Unusable,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Success,
        Self::ClientError,
        Self::Throttled,
        Self::ServerError,
        Self::Unreachable,
        Self::Interrupted,
        Self::TimedOut,
        Self::Unusable,
    ];

    /// Of a status.
    pub fn of_status(status: u16) -> Self {
        match status {
            429 => Self::Throttled,
            400..=499 => Self::ClientError,
            500.. => Self::ServerError,
            _ => Self::Success,
        }
    }

    /// Its place in [`Self::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// As a label.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::ClientError => "client_error",
            Self::Throttled => "throttled",
            Self::ServerError => "server_error",
            Self::Unreachable => "unreachable",
            Self::Interrupted => "interrupted",
            Self::TimedOut => "timed_out",
            Self::Unusable => "unusable",
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use crate::watch::operation::{Operation, Outcome};

    #[test]
    fn operations() {
        let check = |method: Method, path: &str, expected: &str| {
            let segments: Vec<String> =
                path.split('/').filter(|it| !it.is_empty()).map(str::to_owned).collect();
            assert_eq!(Operation::of(&method, &segments).keyword(), expected, "{method} {path}");
        };
        check(Method::GET, "", "list");
        check(Method::GET, "Users", "list");
        check(Method::GET, "Users/7", "retrieve");
        check(Method::GET, "schemas", "discovery");
        check(Method::GET, "Schemas/urn:x", "discovery");
        check(Method::POST, "Schemas", "create");
        check(Method::POST, ".search", "search");
        check(Method::POST, "Users/.search", "search");
        check(Method::POST, "Users", "create");
        check(Method::POST, "Bulk", "bulk");
        check(Method::PUT, "Users/7", "replace");
        check(Method::PATCH, "Users/7", "patch");
        check(Method::DELETE, "Users/7", "delete");
        check(Method::OPTIONS, "Users/7", "other");
    }

    #[test]
    fn places_in_the_lists() {
        for (index, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation.index(), index);
        }
        for (index, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome.index(), index);
        }
        assert_eq!(Outcome::of_status(204), Outcome::Success);
        assert_eq!(Outcome::of_status(304), Outcome::Success);
        assert_eq!(Outcome::of_status(409), Outcome::ClientError);
        assert_eq!(Outcome::of_status(429), Outcome::Throttled);
        assert_eq!(Outcome::of_status(502), Outcome::ServerError);
    }
}
