//! Finding a value in an answer of the application's.

use regex::Regex;
use serde_json::Value;

use crate::convert::key;
use crate::convert::slots::Wants;
use crate::mapping::model::Locator;
use crate::native::message::NativeResponse;
use crate::native::path::{NativePath, Tail};
use crate::native::scan::Scanner;

/// The value at a place in an answer.
pub fn locate(locator: &Locator, response: &NativeResponse) -> Option<Value> {
    match locator {
        Locator::Body(path) => match scanned(path, response) {
            Ok(found) => found,
            Err(NeedsTree) => read(locator, response.json()?),
        },
        Locator::Part(..) => read(locator, response.json()?),
        Locator::Header(name, None) => response.header(name).map(Value::from),
        Locator::Header(name, Some(pattern)) => part(pattern, &response.header_list(name)?),
    }
}

/// An answer that takes the general way: a tree.
struct NeedsTree;

/// The value at a place that names lead to, found in the answer's text: nobody needs a tree of a
/// list to know its total.
fn scanned(path: &NativePath, response: &NativeResponse) -> Result<Option<Value>, NeedsTree> {
    let names = path.names();
    if path.tail() != Tail::Nothing || names.is_empty() {
        return Err(NeedsTree);
    }
    let text = response.body.text().ok_or(NeedsTree)?;
    let mut wants = Wants::default();
    let slot = wants.ask(&names);
    let mut scanner = Scanner::new(&text);
    let found = wants.read(&mut scanner).filter(|_| scanner.is_at_end()).ok_or(NeedsTree)?;
    found.get(slot).map(|raw| raw.value().ok_or(NeedsTree)).transpose()
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::Value;

    use crate::convert::locate::{locate, read, scanned};
    use crate::mapping::model::Locator;
    use crate::native::message::NativeResponse;
    use crate::native::path::NativePath;

    fn check(path: &str, body: &'static str, is_scanned: bool) {
        let body = Bytes::from_static(body.as_bytes()).into();
        let response = NativeResponse { status: 200, headers: Vec::new(), body };
        let path = NativePath::parse(path).unwrap();
        assert_eq!(scanned(&path, &response).is_ok(), is_scanned, "{response:?}");
        let locator = Locator::Body(path);
        let found = locate(&locator, &response);
        let expected: Option<Value> = response.json().and_then(|body| read(&locator, body));
        assert_eq!(found, expected, "{response:?}");
    }

    #[test]
    fn a_text_and_its_tree_have_the_same_value_at_a_place() {
        check("$.total", r#"{"items":[{"total":9}],"total":3}"#, true);
        check("$.page.total", r#"{"page":{"a":[1],"total":"3"},"total":4}"#, true);
        check("$.total", r#"{"items":[]}"#, true);
        check("$.total", r#"{"total":null}"#, true);
        check("$.page.total", r#"{"page":7}"#, true);
        check("$.total", r#"{"total":1,"total":2}"#, true);
        check("$.total", r#"[{"total":1}]"#, false);
        check("$.total", r#"{"total":1"#, false);
        check("$[0].total", r#"[{"total":1}]"#, false);
    }
}
