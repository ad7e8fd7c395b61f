//! Bodies: what is sent as bytes, and what came back as a payload, never more of it than allowed.

use reqwest::Response;
use url::form_urlencoded::Serializer;

use crate::exchange::upstream::UpstreamError;
use crate::native::message::{Body, Payload};
use crate::upstream::failure::Failure;

/// The media type and the bytes of a body; `None` sends none.
pub(crate) fn encode(body: &Body) -> Option<(&'static str, Vec<u8>)> {
    match body {
        Body::None => None,
        Body::Json(value) => Some(("application/json", value.to_string().into_bytes())),
        Body::Form(pairs) => {
            let text = Serializer::new(String::new()).extend_pairs(pairs).finish();
            Some(("application/x-www-form-urlencoded", text.into_bytes()))
        }
    }
}

/// Reads an answer's body to its end, or to `limit` bytes.
pub(crate) async fn read(mut response: Response, limit: u64) -> Result<Payload, Failure> {
    let mut bytes = Vec::new();
    let mut left = limit;
    while let Some(chunk) = response.chunk().await.map_err(cut_off)? {
        // The length as announced is not looked at: the answer to HEAD announces what GET has.
        left = u64::try_from(chunk.len())
            .ok()
            .and_then(|length| left.checked_sub(length))
            .ok_or(Failure::Hopeless(UpstreamError::TooLarge))?;
        bytes.extend_from_slice(&chunk);
    }
    Ok(decode(&bytes))
}

fn cut_off(error: reqwest::Error) -> Failure {
    Failure::CutOff(UpstreamError::Interrupted(Some(error.without_url().into())))
}

fn decode(bytes: &[u8]) -> Payload {
    if bytes.trim_ascii().is_empty() {
        return Payload::Empty;
    }
    // Broken JSON stays text whatever the media type says: the engine judges it.
    match serde_json::from_slice(bytes) {
        Ok(value) => Payload::Json(value),
        Err(_) => Payload::Text(String::from_utf8_lossy(bytes).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::native::message::{Body, Payload};
    use crate::upstream::body::{decode, encode};

    #[test]
    fn payloads() {
        assert_eq!(decode(b""), Payload::Empty);
        assert_eq!(decode(b" \r\n"), Payload::Empty);
        assert_eq!(decode(b"[1]"), Payload::Json(json!([1])));
        assert_eq!(decode(b"null"), Payload::Json(json!(null)));
        assert_eq!(decode(b"{\"a\":"), Payload::Text("{\"a\":".to_owned()));
        assert_eq!(decode(b"\xff"), Payload::Text("\u{fffd}".to_owned()));
        assert!(matches!(decode("[".repeat(200_000).as_bytes()), Payload::Text(_)));
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
