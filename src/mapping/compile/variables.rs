//! Which variables a template or expression may use, and whether it may see secrets.

/// What is known in one place of a mapping file. `config` and `now` are known everywhere.
#[derive(Debug, Clone)]
pub(crate) struct Variables {
    names: &'static [&'static str],
    secrets: Secrets,
    /// Names that the file gives.
    given: Vec<String>,
}

/// Whether secrets may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Secrets {
    Allowed,
    Refused,
}

const fn without_secrets(names: &'static [&'static str]) -> Variables {
    Variables { names, secrets: Secrets::Refused, given: Vec::new() }
}

const fn with_secrets(names: &'static [&'static str]) -> Variables {
    Variables { names, secrets: Secrets::Allowed, given: Vec::new() }
}

/// `api.base_url` and `api.query`.
pub(crate) static API: Variables = without_secrets(&["request_id"]);
/// `api.auth`.
pub(crate) static SIGN_IN: Variables = with_secrets(&[]);
/// `api.tls` and `api.proxy`.
pub(crate) static CONNECTION: Variables = with_secrets(&[]);
/// `api.auth.session.send`.
pub(crate) static TOKEN: Variables = with_secrets(&["token"]);
/// `api.headers`.
pub(crate) static API_HEADERS: Variables = with_secrets(&["request_id"]);
/// Error rules and `failed`.
pub(crate) static FAILURE: Variables = without_secrets(&["body", "headers", "message", "status"]);
/// Requests about one resource.
pub(crate) static REQUEST: Variables =
    without_secrets(&["changed", "id", "native", "old", "request_id", "scim"]);
/// Requests about a resource's collection.
pub(crate) static COLLECTION: Variables = without_secrets(&[
    "changed",
    "id",
    "item",
    "items",
    "member",
    "members",
    "native",
    "old",
    "request_id",
    "scim",
]);
/// Requests that replace a resource's collection.
pub(crate) static WHOLE: Variables =
    without_secrets(&["changed", "id", "items", "members", "native", "old", "request_id", "scim"]);
/// `embed`.
pub(crate) static EMBED: Variables = without_secrets(&["id", "native", "request_id"]);
/// `where`.
pub(crate) static RECORD: Variables = without_secrets(&["native"]);
/// `list`.
pub(crate) static LIST: Variables = without_secrets(&["filter", "request_id"]);
/// `pages.until`.
pub(crate) static UNTIL: Variables = without_secrets(&["body", "count", "page"]);
/// `filters`.
pub(crate) static FILTER: Variables = without_secrets(&["request_id", "scim_value", "value"]);
/// `sort.query`.
pub(crate) static SORT: Variables = without_secrets(&["descending", "request_id", "value"]);
/// `filter_language.and` and `or`.
pub(crate) static JUNCTION: Variables = without_secrets(&["a", "b"]);
/// `filter_language.not`.
pub(crate) static NEGATION: Variables = without_secrets(&["a"]);
/// `to_scim` of a row.
pub(crate) static TO_SCIM: Variables = without_secrets(&["native", "request_id"]);
/// `to_native` of a row.
pub(crate) static TO_NATIVE: Variables = without_secrets(&["native", "old", "request_id", "scim"]);
/// `default` of a row.
pub(crate) static DEFAULT: Variables = without_secrets(&["request_id", "scim"]);

impl Variables {
    /// Whether the name is known.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.names.contains(&name)
            || matches!(name, "config" | "now")
            || self.given.iter().any(|given| given == name)
    }

    /// The same with one more name.
    #[must_use]
    pub(crate) fn and(&self, name: &str) -> Self {
        let mut more = self.clone();
        more.given.push(name.to_owned());
        more
    }

    /// Whether `config` shows its secrets here.
    pub(crate) fn sees_secrets(&self) -> bool {
        self.secrets == Secrets::Allowed
    }

    /// Every name, in order.
    pub(crate) fn known(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.names.iter().copied().chain(["config", "now"]).collect();
        names.extend(self.given.iter().map(String::as_str));
        names.sort_unstable();
        names
    }
}
