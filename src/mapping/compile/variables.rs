//! Which variables a template or expression may use, and whether it may see secrets.

/// What is known in one place of a mapping file. `config` and `now` are known everywhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Variables {
    names: &'static [&'static str],
    secrets: Secrets,
}

/// Whether secrets may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Secrets {
    Allowed,
    Refused,
}

const fn without_secrets(names: &'static [&'static str]) -> Variables {
    Variables { names, secrets: Secrets::Refused }
}

const fn with_secrets(names: &'static [&'static str]) -> Variables {
    Variables { names, secrets: Secrets::Allowed }
}

/// `api.base_url` and `api.query`.
pub(crate) const API: Variables = without_secrets(&["request_id"]);
/// `api.auth`.
pub(crate) const SIGN_IN: Variables = with_secrets(&[]);
/// `api.tls` and `api.proxy`.
pub(crate) const CONNECTION: Variables = with_secrets(&[]);
/// `api.auth.session.send`.
pub(crate) const TOKEN: Variables = with_secrets(&["token"]);
/// `api.headers`.
pub(crate) const API_HEADERS: Variables = with_secrets(&["request_id"]);
/// Error rules and `failed`.
pub(crate) const FAILURE: Variables = without_secrets(&["body", "headers", "message", "status"]);
/// Requests about one resource.
pub(crate) const REQUEST: Variables =
    without_secrets(&["changed", "id", "native", "old", "request_id", "scim"]);
/// Requests about a resource's collection.
pub(crate) const COLLECTION: Variables = without_secrets(&[
    "changed",
    "id",
    "item",
    "member",
    "members",
    "native",
    "old",
    "request_id",
    "scim",
]);
/// `list`.
pub(crate) const LIST: Variables = without_secrets(&["filter", "request_id"]);
/// `pages.until`.
pub(crate) const UNTIL: Variables = without_secrets(&["body", "count", "page"]);
/// `filters`.
pub(crate) const FILTER: Variables = without_secrets(&["request_id", "scim_value", "value"]);
/// `sort.query`.
pub(crate) const SORT: Variables = without_secrets(&["descending", "request_id", "value"]);
/// `filter_language.and` and `or`.
pub(crate) const JUNCTION: Variables = without_secrets(&["a", "b"]);
/// `filter_language.not`.
pub(crate) const NEGATION: Variables = without_secrets(&["a"]);
/// `to_scim` of a row.
pub(crate) const TO_SCIM: Variables = without_secrets(&["native", "request_id"]);
/// `to_native` of a row.
pub(crate) const TO_NATIVE: Variables = without_secrets(&["native", "old", "request_id", "scim"]);
/// `default` of a row.
pub(crate) const DEFAULT: Variables = without_secrets(&["request_id", "scim"]);

impl Variables {
    /// Whether the name is known.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.names.contains(&name) || matches!(name, "config" | "now")
    }

    /// Whether `config` shows its secrets here.
    pub(crate) fn sees_secrets(&self) -> bool {
        self.secrets == Secrets::Allowed
    }

    /// Every name, in order.
    pub(crate) fn known(&self) -> Vec<&'static str> {
        let mut names: Vec<&str> = self.names.iter().copied().chain(["config", "now"]).collect();
        names.sort_unstable();
        names
    }
}
