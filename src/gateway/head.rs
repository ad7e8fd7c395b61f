//! What the head of a request says, judged without input or output: sizes (RFC 6585, RFC 9110
//! section 15.5.15), authority, methods and media types (RFC 7644 section 3.1).
//!
//! Tokens are not looked at here.

use http::{HeaderMap, HeaderValue, Method, header};

use crate::gateway::limits::Limits;
use crate::gateway::refusal::Refusal;

/// Refuses a head that is larger than the limits.
pub(crate) fn check_size(
    target: &[u8],
    headers: &HeaderMap,
    limits: &Limits,
) -> Result<(), Refusal> {
    if target.len() > limits.target_bytes {
        return Err(Refusal::TargetTooLong);
    }
    let bytes: usize =
        headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if bytes > limits.header_bytes || headers.len() > limits.header_count {
        return Err(Refusal::HeadTooLarge);
    }
    Ok(())
}

/// The method as the engine sees it: `HEAD` asks what `GET` asks.
pub(crate) fn method(method: &Method) -> Result<Method, Refusal> {
    match *method {
        Method::HEAD => Ok(Method::GET),
        Method::GET | Method::POST | Method::PUT | Method::PATCH | Method::DELETE => {
            Ok(method.clone())
        }
        Method::OPTIONS | Method::TRACE | Method::CONNECT => Err(Refusal::MethodNotAllowed),
        _ => Err(Refusal::MethodUnknown),
    }
}

/// `host` or `host:port`, if it can stand in a URL as it is.
pub(crate) fn authority(text: &str) -> Result<&str, Refusal> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            (address.parse::<std::net::Ipv6Addr>().is_ok(), port.strip_prefix(':'))
        }
        None => {
            let (name, port) =
                text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
            // Names of containers have underscores, whatever RFC 1123 says.
            let plausible = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            (!name.is_empty() && name.chars().all(plausible), port)
        }
    };
    let ends_well = text.ends_with(']') || !text.starts_with('[') || port.is_some();
    let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok());
    if host && ends_well && port_fits { Ok(text) } else { Err(Refusal::BadHost) }
}

/// Refuses a body that is not JSON by its own account; a body without a type passes.
pub(crate) fn check_body_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let coding = headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes);
    if coding.is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
        return Err(Refusal::ContentCoding);
    }
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let essence = value.to_str().ok().map_or("?", essence);
    let json = ["", SCIM_JSON, PLAIN_JSON].iter().any(|known| essence.eq_ignore_ascii_case(known));
    if json { Ok(()) } else { Err(Refusal::MediaType) }
}

const SCIM_JSON: &str = "application/scim+json";
const PLAIN_JSON: &str = "application/json";

/// The media type of the answer: SCIM's own, unless only plain JSON is asked for.
pub(crate) fn answer_type(headers: &HeaderMap) -> &'static str {
    let asked = || {
        headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(essence)
    };
    let wants = |name: &str| asked().any(|kind| kind.eq_ignore_ascii_case(name));
    if wants(PLAIN_JSON) && !wants(SCIM_JSON) { PLAIN_JSON } else { SCIM_JSON }
}

/// The media type without its parameters.
fn essence(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

/// The client's own request id, if it is fit for a log.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("x-request-id")?.to_str().ok()?;
    let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    let sane = !text.is_empty() && text.len() <= 128 && text.chars().all(fit);
    sane.then(|| text.to_owned())
}

/// The first path segment as it may stand in a log: an endpoint's name, never an identifier.
pub(crate) fn resource_name(segments: &[String]) -> &str {
    let plain = |text: &&str| {
        text.len() <= 40 && text.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '.'))
    };
    segments.first().map(String::as_str).filter(plain).unwrap_or("-")
}

/// The path below the base with `{id}` in the place of whatever names somebody.
pub(crate) fn route(segments: &[String]) -> String {
    let name = resource_name(segments);
    match segments {
        [] => "/".to_owned(),
        [_] => format!("/{name}"),
        [.., last] if last == ".search" => format!("/{name}/.search"),
        _ => format!("/{name}/{{id}}"),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, Method};

    use crate::gateway::head::{
        answer_type, authority, check_body_type, check_size, method, request_id, resource_name,
    };
    use crate::gateway::limits::Limits;
    use crate::gateway::refusal::Refusal;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    #[test]
    fn sizes_are_bounded() {
        let limits = Limits { header_count: 3, ..Limits::default() };
        let large = "x".repeat(limits.header_bytes);
        let check = |target: &str, pairs: &[(&'static str, &str)]| {
            check_size(target.as_bytes(), &headers(pairs), &limits)
        };
        assert_eq!(check("/Users", &[("a", "1")]), Ok(()));
        assert_eq!(check(&"/".repeat(limits.target_bytes), &[]), Ok(()));
        assert_eq!(check(&"/".repeat(limits.target_bytes + 1), &[]), Err(Refusal::TargetTooLong));
        assert_eq!(check("/", &[("a", &large)]), Err(Refusal::HeadTooLarge));
        assert_eq!(check("/", &[("a", "1"); 4]), Err(Refusal::HeadTooLarge));
    }

    #[test]
    fn methods_of_scim_pass() {
        assert_eq!(method(&Method::HEAD), Ok(Method::GET));
        assert_eq!(method(&Method::PATCH), Ok(Method::PATCH));
        assert_eq!(method(&Method::OPTIONS), Err(Refusal::MethodNotAllowed));
        assert_eq!(method(&Method::from_bytes(b"BREW").unwrap()), Err(Refusal::MethodUnknown));
    }

    #[test]
    fn only_plain_authorities_pass() {
        for good in ["a", "scim.example.com", "localhost:8080", "a_b:1", "10.0.0.1:80", "[::1]:8"] {
            assert_eq!(authority(good), Ok(good), "{good}");
        }
        for bad in
            ["", "a/b", "a b", "a:", "a:x", "a:99999", "u@h", "a\"", "[::1", "[x]", "[::1]x", "é"]
        {
            assert_eq!(authority(bad), Err(Refusal::BadHost), "{bad}");
        }
    }

    #[test]
    fn a_body_is_json_or_does_not_say() {
        let check = |kind: &str| check_body_type(&headers(&[("content-type", kind)]));
        for good in [
            "application/scim+json",
            "application/json; charset=utf-8",
            "Application/JSON;x",
            "",
            "; a=b",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["text/plain", "application/jsonx", "application/xml; a=application/json"] {
            assert_eq!(check(bad), Err(Refusal::MediaType), "{bad}");
        }
        assert_eq!(check_body_type(&HeaderMap::new()), Ok(()));
        let gzip = headers(&[("content-encoding", "gzip")]);
        assert_eq!(check_body_type(&gzip), Err(Refusal::ContentCoding));
    }

    #[test]
    fn plain_json_is_answered_only_when_asked_for_alone() {
        let check = |accept: &str| answer_type(&headers(&[("accept", accept)]));
        assert_eq!(check("application/json"), "application/json");
        assert_eq!(check("application/json;q=0.9, */*"), "application/json");
        assert_eq!(check("application/json, application/scim+json"), "application/scim+json");
        assert_eq!(check("*/*"), "application/scim+json");
        assert_eq!(answer_type(&HeaderMap::new()), "application/scim+json");
    }

    #[test]
    fn a_request_id_is_taken_when_it_is_fit_for_a_log() {
        let check = |id: &str| request_id(&headers(&[("x-request-id", id)]));
        assert_eq!(check("0b6c-1"), Some("0b6c-1".to_owned()));
        assert_eq!(check("a b"), None);
        assert_eq!(check(&"a".repeat(129)), None);
        assert_eq!(request_id(&HeaderMap::new()), None);
    }

    #[test]
    fn no_identifier_becomes_a_resource_name() {
        assert_eq!(resource_name(&["Users".to_owned(), "7".to_owned()]), "Users");
        assert_eq!(resource_name(&[".search".to_owned()]), ".search");
        assert_eq!(resource_name(&["ada@example.com".to_owned()]), "-");
        assert_eq!(resource_name(&[]), "-");
    }
}
