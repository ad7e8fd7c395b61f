//! Finding a value in an answer of the application's.

use serde_json::Value;

use crate::mapping::model::Locator;
use crate::native::message::NativeResponse;

/// The value at a place in an answer.
pub fn locate(locator: &Locator, response: &NativeResponse) -> Option<Value> {
    match locator {
        Locator::Body(path) => path.read(response.json()?).cloned(),
        Locator::Header(name, None) => response.header(name).map(Value::from),
        Locator::Header(name, Some(pattern)) => {
            let lines = response.header_list(name)?;
            let captures = pattern.captures(&lines)?;
            let part = captures.get(1).or_else(|| captures.get(0))?;
            Some(Value::from(part.as_str()))
        }
    }
}
