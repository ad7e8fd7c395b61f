//! Reads what a [`Locator`] points at in an answer, as text: tokens, times.

use regex::Regex;
use serde_json::Value;

use crate::mapping::model::Locator;
use crate::native::message::NativeResponse;

/// The text or number at a place; `None` when there is nothing, or something else.
pub(crate) fn text(locator: &Locator, answer: &NativeResponse) -> Option<String> {
    match locator {
        Locator::Body(path) => match path.read(answer.json()?)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        },
        Locator::Part(path, pattern) => part(path.read(answer.json()?)?.as_str()?, Some(pattern)),
        // A header may come several times (`Set-Cookie`); the first that matches counts.
        Locator::Header(name, pattern) => answer
            .headers
            .iter()
            .filter(|(have, _)| have == name)
            .find_map(|(_, value)| part(value, pattern.as_ref())),
    }
}

fn part(value: &str, pattern: Option<&Regex>) -> Option<String> {
    let Some(pattern) = pattern else {
        return Some(value.to_owned());
    };
    let captures = pattern.captures(value)?;
    let found = captures.get(1).or_else(|| captures.get(0))?;
    Some(found.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use regex::Regex;
    use serde_json::json;

    use crate::mapping::model::Locator;
    use crate::native::message::{NativeResponse, Payload};
    use crate::native::path::NativePath;
    use crate::upstream::locate::text;

    #[track_caller]
    fn check(locator: &Locator, expected: Option<&str>) {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let answer = NativeResponse {
            status: 200,
            headers: vec![
                header("set-cookie", "lang=de; Path=/"),
                header("set-cookie", "session=abc; HttpOnly"),
            ],
            body: Payload::Json(json!({ "token": "t", "ttl": 60, "none": null })).into(),
        };
        assert_eq!(text(locator, &answer).as_deref(), expected);
    }

    #[test]
    fn places() {
        let body = |path| Locator::Body(NativePath::parse(path).unwrap());
        check(&body("$.token"), Some("t"));
        check(&body("$.ttl"), Some("60"));
        check(&body("$.none"), None);
        check(&body("$.absent"), None);
        let header = |pattern: Option<&str>| {
            Locator::Header("set-cookie".to_owned(), pattern.map(|text| Regex::new(text).unwrap()))
        };
        check(&header(None), Some("lang=de; Path=/"));
        check(&header(Some("session=([^;]+)")), Some("abc"));
        check(&header(Some("session=[^;]+")), Some("session=abc"));
        check(&header(Some("other=")), None);
        check(&Locator::Header("location".to_owned(), None), None);
    }
}
