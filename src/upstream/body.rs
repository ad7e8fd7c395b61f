//! Bodies that are sent.

use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use crate::native::message::Body;

/// The media type and the bytes of a body; `None` sends none.
pub(crate) fn encode(body: &Body) -> Option<(&'static str, Vec<u8>)> {
    match body {
        Body::None => None,
        Body::Json(value) => {
            let text = serde_json::to_vec(value).unwrap_or_else(|_| value.to_string().into_bytes());
            Some(("application/json", text))
        }
        Body::Form(pairs) => {
            let text = Serializer::new(String::new()).extend_pairs(pairs).finish();
            Some(("application/x-www-form-urlencoded", text.into_bytes()))
        }
    }
}

/// The body with one more member, below members that are made where they are missing; a form
/// gets a field. `None` when there is no place for it. Where no body is sent, none is made.
pub(crate) fn with_member(body: &Body, members: &[String], value: &str) -> Option<Body> {
    match body {
        Body::None => Some(Body::None),
        Body::Json(json) => {
            let mut json = json.clone();
            let mut place = &mut json;
            for name in members {
                place = place.as_object_mut()?.entry(name).or_insert_with(|| json!({}));
            }
            *place = Value::from(value);
            Some(Body::Json(json))
        }
        Body::Form(fields) => {
            let (first, inner) = members.split_first()?;
            let name = inner.iter().fold(first.clone(), |name, inner| format!("{name}[{inner}]"));
            let others = fields.iter().filter(|(other, _)| *other != name).cloned();
            Some(Body::Form(others.chain([(name.clone(), value.to_owned())]).collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::native::message::Body;
    use crate::upstream::body::{encode, with_member};

    #[test]
    fn one_more_member() {
        let at = |path: &str| path.split('.').map(str::to_owned).collect::<Vec<_>>();
        let json = |body: Value, path: &str, expected: Option<Value>| {
            let with = with_member(&Body::Json(body), &at(path), "t");
            assert_eq!(with, expected.map(Body::Json));
        };
        json(json!({ "id": 1 }), "auth", Some(json!({ "id": 1, "auth": "t" })));
        json(json!({ "auth": 1 }), "auth", Some(json!({ "auth": "t" })));
        json(json!({ "a": { "b": 1 } }), "a.c", Some(json!({ "a": { "b": 1, "c": "t" } })));
        json(json!({}), "a.b", Some(json!({ "a": { "b": "t" } })));
        json(json!({ "a": [] }), "a.b", None);
        json(json!([]), "auth", None);
        let form = Body::Form(vec![("a[b]".to_owned(), "x".to_owned())]);
        let with = Body::Form(vec![("a[b]".to_owned(), "t".to_owned())]);
        assert_eq!(with_member(&form, &at("a.b"), "t"), Some(with));
        assert_eq!(with_member(&Body::None, &at("a"), "t"), Some(Body::None));
    }

    #[test]
    fn forms_are_encoded() {
        let pairs = vec![("a b".to_owned(), "ü&=+".to_owned()), ("c".to_owned(), String::new())];
        let (kind, bytes) = encode(&Body::Form(pairs)).unwrap();
        assert_eq!(kind, "application/x-www-form-urlencoded");
        assert_eq!(bytes, b"a+b=%C3%BC%26%3D%2B&c=");
        assert!(encode(&Body::None).is_none());
    }
}
