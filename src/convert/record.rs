//! Finding records, keys and other values in the application's answers.

use serde_json::Value;

use crate::convert::key;
use crate::mapping::model::{Locator, Request, ResourceMapping, Returns};
use crate::native::message::NativeResponse;

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
        (None, Some(member)) => body.get(member)?,
        (None, None) => body,
    };
    let is_record = resource.id.path.read(found).and_then(key::text).is_some();
    (found.is_object() && is_record).then(|| found.clone())
}

/// The records in a list answer; `None` when the answer is not the list that the mapping
/// describes. A missing member is an empty list: many APIs leave it out.
pub fn records(request: &Request, body: &Value) -> Option<Vec<Value>> {
    if request.records.to_string() == "$[*]" && !body.is_array() {
        return None;
    }
    if !body.is_array() && !body.is_object() {
        return None;
    }
    Some(request.records.read_all(body).into_iter().cloned().collect())
}

/// The key of a new record when the answer names it elsewhere than in the record.
pub fn new_key(request: &Request, response: &NativeResponse) -> Option<String> {
    locate(request.id.as_ref()?, response).as_ref().and_then(key::text)
}

/// The value at a place in an answer.
pub fn locate(locator: &Locator, response: &NativeResponse) -> Option<Value> {
    match locator {
        Locator::Body(path) => path.read(response.json()?).cloned(),
        Locator::Header(name, None) => response.header(name).map(Value::from),
        Locator::Header(name, Some(pattern)) => {
            let captures = pattern.captures(response.header(name)?)?;
            let part = captures.get(1).or_else(|| captures.get(0))?;
            Some(Value::from(part.as_str()))
        }
    }
}
