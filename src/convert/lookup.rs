//! Look-ups: the calls that are made before a request, and what they picked.

use std::sync::Arc;

use serde_json::Value;

use crate::convert::error::ConvertError;
use crate::convert::locate::locate;
use crate::convert::request;
use crate::mapping::model::{Lookup, Request};
use crate::mapping::scope::Scope;
use crate::native::message::{NativeRequest, NativeResponse, Urgency};

/// What look-ups picked, by the names that templates know it under.
#[derive(Debug, Clone, Default)]
pub struct Picks(Vec<(String, Value)>);

impl Picks {
    /// The same scope with what was picked.
    pub fn over<'a>(&'a self, scope: Scope<'a>) -> Scope<'a> {
        self.0.iter().fold(scope, |scope, (name, value)| scope.with(name, value))
    }

    /// Notes one more.
    pub fn put(&mut self, name: &str, value: Value) {
        self.0.push((name.to_owned(), value));
    }
}

/// The call of a look-up.
pub fn build(lookup: &Lookup, scope: &Scope<'_>) -> Result<NativeRequest, ConvertError> {
    let body = match &lookup.body {
        None => None,
        Some(tree) => Some(tree.evaluate(scope)?),
    };
    Ok(NativeRequest {
        method: lookup.method,
        path: lookup.path.url_path(scope)?,
        template: Some(Arc::clone(lookup.path.source())),
        query: request::pairs(&lookup.query, scope)?,
        headers: request::pairs(&lookup.headers, scope)?,
        body: request::encoded(lookup.encoding, body),
        timeout: None,
        patience: None,
        urgency: Urgency::Usual,
        repeatable: false,
    })
}

/// What a look-up picks out of its answer; null is nothing.
pub fn pick(lookup: &Lookup, response: &NativeResponse) -> Option<Value> {
    locate(&lookup.pick, response).filter(|value| !value.is_null())
}

/// Whether a request's condition can be asked before its look-ups are made.
pub fn is_asked_first(request: &Request) -> bool {
    let sees =
        |name: &str| request.when.as_ref().is_some_and(|when| when.variables().contains(name));
    !request.with.iter().any(|(name, _)| sees(name))
}
