//! Finding a value in an answer of the application's.

use regex::Regex;
use serde_json::Value;

use crate::convert::key;
use crate::mapping::model::Locator;
use crate::native::message::NativeResponse;

/// The value at a place in an answer.
pub fn locate(locator: &Locator, response: &NativeResponse) -> Option<Value> {
    match locator {
        Locator::Body(_) | Locator::Part(..) => read(locator, response.json()?),
        Locator::Header(name, None) => response.header(name).map(Value::from),
        Locator::Header(name, Some(pattern)) => part(pattern, &response.header_list(name)?),
    }
}

/// The value at a place in a document, which has no headers.
pub fn read(locator: &Locator, document: &Value) -> Option<Value> {
    match locator {
        Locator::Body(path) => path.read(document).cloned(),
        Locator::Part(path, pattern) => part(pattern, &path.read(document).and_then(key::text)?),
        Locator::Header(..) => None,
    }
}

/// What a pattern finds: its first group, or the whole match.
fn part(pattern: &Regex, text: &str) -> Option<Value> {
    let captures = pattern.captures(text)?;
    let part = captures.get(1).or_else(|| captures.get(0))?;
    Some(Value::from(part.as_str()))
}
