//! Walks through lists of the application, a page a step, and what they are for: the record of a
//! key where there is no request for one, and the elements of a collection behind requests of its
//! own.

use std::sync::Arc;

use serde_json::Value;

use crate::convert::lookup::Picks;
use crate::convert::page::{self, At, Seen};
use crate::convert::parameters::Parameters;
use crate::convert::references::References;
use crate::convert::{key, listing, lookup, record, request};
use crate::exchange::error::{ExchangeError, Mismatch};
use crate::exchange::native::{About, Exchange, understood};
use crate::mapping::model::{
    Collection, CollectionSource, PageStyle, Pages, Request, ResourceMapping, Total,
};
use crate::mapping::scope::Scope;
use crate::native::listed::Listed;
use crate::native::message::NativeRequest;

/// Most pages of one list; a list that never ends is the application's fault.
const MAX_PAGES: usize = 10_000;

/// Page size where the mapping names no parameter for it.
const UNSIZED_PAGE: usize = 100;

impl Exchange<'_> {
    /// Without a request for one record: the list, and the one of this key.
    pub(in crate::exchange) async fn pick(
        &self,
        resource: &ResourceMapping,
        native_key: &str,
    ) -> Result<Value, ExchangeError> {
        let not_found = || ExchangeError::NotFound { resource: resource.name.clone() };
        let list = resource.list.as_ref().ok_or_else(not_found)?;
        let mut walk = Walk::new(list, Parameters::default(), list.pages.as_ref());
        while let Some(records) = walk.next(self, resource).await? {
            let is_it = |native: &Listed| {
                key::of_record(&resource.id, native).is_ok_and(|key| key == native_key)
            };
            if let Some(found) = records.into_iter().find(is_it) {
                let found = found.into_value();
                return self.with_parts(resource, list, native_key, found).await;
            }
            if walk.read > resource.scan_limit as u64 {
                return Err(ExchangeError::TooMany { limit: resource.scan_limit });
            }
        }
        Err(not_found())
    }

    /// The native elements of a collection behind a request of its own.
    pub async fn elements(
        &self,
        resource: &ResourceMapping,
        collection: &Collection,
        native_key: &str,
        native: &Value,
    ) -> Result<Vec<Value>, ExchangeError> {
        let Some(mut walk) = Walk::elements(resource, collection, native_key, native) else {
            return Ok(Vec::new());
        };
        let mut elements = Vec::new();
        while let Some(records) = walk.next(self, resource).await? {
            elements.extend(records.into_iter().map(Listed::into_value));
        }
        Ok(elements)
    }
}

/// What a list is one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// Records of the resource.
    Records,
    /// Elements of one of its collections.
    Elements,
}

/// A walk through a list, one page a step.
pub struct Walk<'m> {
    request: &'m Request,
    pages: Option<&'m Pages>,
    parameters: Parameters,
    /// Where the next page begins; `None` after the last one.
    pub at: Option<At>,
    /// Page size asked for.
    pub size: usize,
    /// Records read so far, counted from the beginning of the list.
    pub read: u64,
    /// The list's total, as far as the answers told it.
    pub total: Option<u64>,
    /// What its records are.
    pub of: Of,
    /// What a 404 means.
    pub about: About,
    /// Further variables of the request's templates.
    pub variables: Vec<(&'static str, Value)>,
    /// Path of the last request: links in its answer are relative to it.
    pub asked: String,
    /// Parameters that sort the list; they stand in for its own of the same names.
    pub order: Vec<(String, String)>,
    picks: Option<Picks>,
    steps: usize,
}

impl<'m> Walk<'m> {
    /// A walk from the beginning of a list, with further query parameters.
    pub fn new(request: &'m Request, parameters: Parameters, pages: Option<&'m Pages>) -> Self {
        Self {
            request,
            pages,
            parameters,
            at: Some(At::Start),
            size: pages.map_or(UNSIZED_PAGE, |pages| pages.max),
            read: 0,
            total: None,
            of: Of::Records,
            about: About::Endpoint,
            variables: Vec::new(),
            asked: String::new(),
            order: Vec::new(),
            picks: None,
            steps: 0,
        }
    }

    /// A walk through the native elements of a collection; `None` when they are in the record.
    pub fn elements(
        resource: &ResourceMapping,
        collection: &'m Collection,
        native_key: &str,
        native: &Value,
    ) -> Option<Self> {
        let CollectionSource::List(list) = &collection.source else { return None };
        let mut walk = Self::new(list, Parameters::default(), list.pages.as_ref());
        (walk.of, walk.about) = (Of::Elements, About::Resource);
        let id = key::typed(&resource.id, native_key);
        walk.variables = vec![("id", id), ("native", native.clone())];
        Some(walk)
    }

    /// A walk that goes on behind a link in the answer to the path `asked`.
    pub fn from_link(request: &'m Request, pages: &'m Pages, at: At, asked: String) -> Self {
        Self { at: Some(at), asked, ..Self::new(request, Parameters::default(), Some(pages)) }
    }

    /// The next page's records; `None` after the last page.
    pub async fn next(
        &mut self,
        exchange: &Exchange<'_>,
        resource: &ResourceMapping,
    ) -> Result<Option<Vec<Listed>>, ExchangeError> {
        let Some(at) = self.at.take() else { return Ok(None) };
        self.steps += 1;
        if self.steps > MAX_PAGES {
            return Err(ExchangeError::TooMany { limit: MAX_PAGES });
        }
        if self.picks.is_none() {
            let none = References::default();
            let scope = self.scope(exchange.context(resource, &none).scope());
            self.picks = Some(exchange.picks(self.request, &scope).await?);
        }
        let native = self.build(exchange, resource, &at)?;
        self.asked.clone_from(&native.path);
        let response = exchange.ask_for_text(self.request, native, self.about).await?;
        let plan = exchange.tenant.plan(resource);
        let scanned = match (self.of, plan) {
            (Of::Elements, _) => listing::elements(self.request, &response),
            (Of::Records, Some(it)) => listing::records(it, resource, self.request, &response),
            (Of::Records, None) => None,
        };
        let records = match scanned {
            Some(records) => records,
            None => {
                understood(self.request, &response)?;
                let records = record::records(self.request, &response);
                let records = records.ok_or_else(|| Mismatch::records(self.request))?;
                records.into_iter().map(Listed::from).collect()
            }
        };
        self.read += records.len() as u64;
        if let Some(pages) = self.pages {
            self.total = page::total(pages, &response).or(self.total);
            let mut seen = Seen {
                response: &response,
                records: &records,
                read: self.read,
                size: self.size,
                total: self.total,
            };
            let mut next = page::next(pages, &at, &seen, &exchange.ambient);
            if next.is_none() && page::may_be_cut(pages, &seen) && self.parameters.is_empty() {
                self.total = looked_up_total(exchange, resource, pages).await?;
                seen.total = self.total;
                next = page::next(pages, &at, &seen, &exchange.ambient);
            }
            // The same page again would be for ever.
            self.at = next.filter(|next| *next != at);
        }
        Ok(Some(records))
    }

    fn scope<'a>(&'a self, scope: Scope<'a>) -> Scope<'a> {
        self.variables.iter().fold(scope, |scope, (name, value)| scope.with(name, value))
    }

    fn build(
        &self,
        exchange: &Exchange<'_>,
        resource: &ResourceMapping,
        at: &At,
    ) -> Result<NativeRequest, ExchangeError> {
        let none = References::default();
        let mut scope = self.scope(exchange.context(resource, &none).scope());
        if let Some(picks) = &self.picks {
            scope = picks.over(scope);
        }
        if let At::Link(link) = at {
            let link = exchange.tenant.upstream.follow(&self.asked, link)?;
            let headers = request::pairs(&self.request.headers, &scope)?;
            let template = Some(Arc::clone(self.request.path.source()));
            let next = request::get(link.path, link.query);
            return Ok(NativeRequest { template, headers, ..next });
        }
        let mut parameters = self
            .pages
            .map_or_else(Parameters::default, |pages| page::parameters(pages, at, self.size));
        parameters.join(self.parameters.clone());
        let mut native = request::build_list(self.request, &scope, parameters.body)?;
        // What a term or a page asks for stands in for what the list asks for otherwise.
        native.query.retain(|(name, _)| !parameters.query.iter().any(|(have, _)| have == name));
        native.query.extend(parameters.query);
        native.query.retain(|(name, _)| !self.order.iter().any(|(have, _)| have == name));
        native.query.extend(self.order.iter().cloned());
        Ok(native)
    }
}

/// The total of a list that has a request of its own for it.
pub async fn looked_up_total(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    pages: &Pages,
) -> Result<Option<u64>, ExchangeError> {
    let Some(Total::Lookup(lookup)) = &pages.total else { return Ok(None) };
    let none = References::default();
    let scope = exchange.context(resource, &none).scope();
    let native = lookup::build(lookup, &scope)?;
    let response = exchange.call(native, &[], About::Endpoint).await?;
    let total = lookup::pick(lookup, &response);
    let total = total.as_ref().and_then(page::as_count);
    total.map(Some).ok_or_else(|| Mismatch::between("the look-up of the total", "a number"))
}

/// Whether a list can be entered in its middle.
pub fn can_seek(pages: &Pages) -> bool {
    let can = match pages.style {
        PageStyle::Offset(..) => true,
        // Which record a page begins with is known only when the bridge says how long pages are.
        PageStyle::Page(..) => pages.size.is_some(),
        PageStyle::LinkHeader(_)
        | PageStyle::LinkBody(_)
        | PageStyle::LinkPlace(_)
        | PageStyle::Cursor(..)
        | PageStyle::Marker(..) => false,
    };
    can && pages.until.is_none()
}
