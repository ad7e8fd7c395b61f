//! Lists: paging parameters, search parameters, and the headers that lead to the other pages.

use std::convert::Infallible;

use axum::Json;
use axum::extract::{FromRequestParts, Query};
use axum::http::header::{HOST, LINK};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

const DEFAULT_PER_PAGE: i64 = 50;

/// More is not refused, it is silently cut, so a client has to look at what it got.
const MAX_PER_PAGE: i64 = 100;

const TOTAL_HEADER: &str = "x-total-count";

/// What a client asked of a list.
pub(crate) struct Listing {
    /// Counts from 1.
    page: i64,
    per_page: i64,
    parameters: Vec<(String, String)>,
    /// The list's own URL without paging, ending in `?`.
    url: String,
    /// The other parameters as the client wrote them, each with a leading `&`.
    search: String,
}

impl<S: Sync> FromRequestParts<S> for Listing {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let parameters = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map(|Query(parameters)| parameters)
            .unwrap_or_default();
        let mut listing = Self {
            page: 1,
            per_page: DEFAULT_PER_PAGE,
            parameters,
            url: format!("{}{}?", origin(&parts.headers), parts.uri.path()),
            search: String::new(),
        };
        listing.page = listing.positive("page").unwrap_or(1);
        let per_page = listing.positive("per_page").unwrap_or(DEFAULT_PER_PAGE);
        listing.per_page = per_page.min(MAX_PER_PAGE);
        for written in parts.uri.query().unwrap_or_default().split('&') {
            let name = written.split_once('=').map_or(written, |(name, _)| name);
            if !matches!(name, "" | "page" | "per_page") {
                listing.search.push('&');
                listing.search.push_str(written);
            }
        }
        Ok(listing)
    }
}

impl Listing {
    /// The value of a search parameter; the last one counts.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let named = self.parameters.iter().rfind(|(given, _)| given == name);
        named.map(|(_, value)| value.as_str())
    }

    /// How many records belong on the page.
    pub(crate) fn limit(&self) -> i64 {
        self.per_page
    }

    /// How many records come before the page.
    pub(crate) fn offset(&self) -> i64 {
        (self.page - 1).saturating_mul(self.per_page)
    }

    /// The page as an answer; `total` counts the records on all pages.
    pub(crate) fn answer(&self, records: Vec<Value>, total: i64) -> Response {
        let mut response = Json(Value::Array(records)).into_response();
        let headers = response.headers_mut();
        headers.insert(TOTAL_HEADER, HeaderValue::from(total));
        // A Host header that cannot stand in a header of ours leaves the client without links.
        if let Some(links) = self.links(total)
            && let Ok(links) = HeaderValue::try_from(links)
        {
            headers.insert(LINK, links);
        }
        response
    }

    fn links(&self, total: i64) -> Option<String> {
        let last = ((total + self.per_page - 1) / self.per_page).max(1);
        let mut links = Vec::new();
        if self.page < last {
            links.push(self.link(self.page + 1, "next"));
            links.push(self.link(last, "last"));
        }
        if self.page > 1 {
            links.push(self.link(1, "first"));
            links.push(self.link((self.page - 1).min(last), "prev"));
        }
        (!links.is_empty()).then(|| links.join(", "))
    }

    fn link(&self, page: i64, relation: &str) -> String {
        let Self { url, per_page, search, .. } = self;
        format!("<{url}page={page}&per_page={per_page}{search}>; rel=\"{relation}\"")
    }

    fn positive(&self, name: &str) -> Option<i64> {
        self.parameter(name)?.parse().ok().filter(|number| *number > 0)
    }
}

/// The address by which the client knows the application, without a path.
pub(crate) fn origin(headers: &HeaderMap) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    format!("http://{host}")
}
