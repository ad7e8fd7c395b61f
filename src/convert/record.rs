//! Finding records, keys and other values in the application's answers.

use serde_json::Value;

use crate::convert::error::ConvertError;
use crate::convert::locate::{self, locate};
use crate::convert::{key, page};
use crate::mapping::model::{IdRule, Missing, Request, ResourceMapping, Returns};
use crate::native::message::{NativeResponse, Payload};
use crate::native::path::NativePath;

/// The record in an answer to a request about one resource; `None` when the answer holds none.
pub fn record(
    resource: &ResourceMapping,
    request: &Request,
    response: &NativeResponse,
) -> Option<Value> {
    if matches!(request.returns, Some(Returns::Id | Returns::None)) {
        return None;
    }
    let body = response.json()?;
    let found = match (&request.record, &request.wrap) {
        (Some(path), _) => path.read(body)?,
        (None, Some(envelope)) => envelope.read(body)?,
        (None, None) => body,
    };
    let is_record = key::of_record(&resource.id, found).is_ok();
    (found.is_object() && is_record).then(|| found.clone())
}

/// Whether a request's answer is the record and nothing else.
pub fn is_whole(request: &Request) -> bool {
    let is_apart = request.record.is_some() || request.wrap.is_some();
    !is_apart && request.returns.is_none() && request.embed.is_empty()
}

/// Whether an answer says that there is no such record: null, or an empty list, where the record
/// would be. An answer without that place is something else, and says nothing about anybody.
pub fn is_nobody(request: &Request, body: &Value) -> bool {
    match (&request.record, &request.wrap) {
        (Some(path), _) => match path.read(body) {
            Some(found) => found.is_null(),
            None => {
                let holder = holder(path);
                let elements = holder.as_ref().and_then(|holder| holder.read(body)?.as_array());
                elements.is_some_and(Vec::is_empty)
            }
        },
        (None, Some(envelope)) => envelope.read(body).is_some_and(Value::is_null),
        (None, None) => false,
    }
}

/// The array that a path like `$.items[0]` picks from.
fn holder(path: &NativePath) -> Option<NativePath> {
    let text = path.to_string();
    let (holder, _) = text.rsplit_once('[')?;
    NativePath::parse(holder).ok()
}

/// The record of a look-up that answers with one; empty when there is nobody, `None` when the
/// answer is not what the mapping describes.
pub fn looked_up(request: &Request, path: &NativePath, body: &Value) -> Option<Vec<Value>> {
    if is_nobody(request, body) {
        return Some(Vec::new());
    }
    match path.read(body) {
        Some(found) => Some(vec![found.clone()]),
        None => (request.missing == Missing::Empty).then(Vec::new),
    }
}

/// The records in a list answer; `None` when the answer is not the list that the mapping
/// describes. A member that is not there is an empty list only in an empty object, or beside a
/// total of 0: some APIs leave it out then. In any other answer an empty list would tell an
/// identity provider that everybody has gone, unless the mapping says that it means just that.
pub fn records(request: &Request, response: &NativeResponse) -> Option<Vec<Value>> {
    let may_lack = request.missing == Missing::Empty;
    let Some(body) = response.json() else {
        return (may_lack && response.body == Payload::Empty).then(Vec::new);
    };
    let is_empty = || {
        let total = request.pages.as_ref().and_then(|pages| page::total(pages, response));
        let is_said = || total == Some(0) || may_lack;
        body.as_object().is_some_and(|members| members.is_empty() || is_said())
    };
    let is_list = match request.records.array() {
        None if request.records.is_writable() => {
            return one_or_many(request.records.read(body), is_empty);
        }
        None => body.is_array() || body.is_object(),
        Some(array) if array.is_root() => body.is_array(),
        Some(array) => match array.read(body) {
            Some(found) if !found.is_null() => found.is_array() || found.is_object(),
            Some(_) => true,
            None => is_empty(),
        },
    };
    is_list.then(|| request.records.read_all(body).into_iter().cloned().collect())
}

/// The records at a place that names no elements: those of an array, or the one that some APIs
/// give instead of an array of one.
fn one_or_many(found: Option<&Value>, is_empty: impl FnOnce() -> bool) -> Option<Vec<Value>> {
    match found {
        Some(Value::Array(records)) => Some(records.clone()),
        Some(Value::Null) => Some(Vec::new()),
        Some(record @ Value::Object(members)) if !members.is_empty() => Some(vec![record.clone()]),
        Some(Value::Object(_)) | None => is_empty().then(Vec::new),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_)) => None,
    }
}

/// The key of a record in a list. A stub may be the key itself, or have it elsewhere than a whole
/// record.
pub fn listed_key(rule: &IdRule, from: &Request, listed: &Value) -> Result<String, ConvertError> {
    if !from.hydrate {
        return key::of_record(rule, listed);
    }
    let found = match &from.id {
        Some(place) => locate::read(place, listed).as_ref().and_then(key::text),
        None => match listed {
            Value::Object(_) => key::of_record(rule, listed).ok(),
            scalar => key::text(scalar),
        },
    };
    found.ok_or(ConvertError::NoKey)
}

/// The key of a new record when the answer names it elsewhere than in the record.
pub fn new_key(request: &Request, response: &NativeResponse) -> Option<String> {
    locate(request.id.as_ref()?, response).as_ref().and_then(key::text)
}
