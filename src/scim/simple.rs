//! Values of simple types in the forms that JSON has for them (RFC 7643 section 2.3), and in those
//! that the lenient dialect understands.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Number, Value};

use crate::scim::deviation::Deviation;
use crate::scim::schema::AttributeType;

/// The instant that an xsd:dateTime names (RFC 7643 section 2.3.5); one without an offset is
/// taken as UTC.
pub fn parse_instant(text: &str) -> Option<Timestamp> {
    let (date, clock) = text.split_once(['T', 't'])?;
    // The parser below takes more than xsd:dateTime: week dates, missing seconds, zone names.
    let plain = |c: char| c.is_ascii_digit() || "-+:.Zz".contains(c);
    if date.len() != 10 || clock.len() < 8 || !clock.chars().all(plain) {
        return None;
    }
    if clock.chars().filter(|c| *c == ':').count() < 2 {
        return None;
    }
    let text = shorten_fraction(text);
    text.parse().ok().or_else(|| {
        let local: DateTime = text.parse().ok()?;
        Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}

/// xsd:dateTime sets no limit to the digits of a fraction; nine are as far as we can count.
fn shorten_fraction(text: &str) -> Cow<'_, str> {
    let Some((whole, rest)) = text.split_once('.') else { return Cow::Borrowed(text) };
    let offset = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = rest.strip_suffix(offset).unwrap_or(rest);
    match digits.get(..9) {
        Some(kept) => Cow::Owned(format!("{whole}.{kept}{offset}")),
        None => Cow::Borrowed(text),
    }
}

/// How a value that was read differs from the form that its type has in JSON.
pub(super) fn form_deviation(
    kind: AttributeType,
    value: &Value,
    read: &Value,
) -> Option<Deviation> {
    let found = match kind {
        AttributeType::Boolean => Deviation::StringBoolean,
        AttributeType::Integer | AttributeType::Decimal => Deviation::StringNumber,
        AttributeType::String => Deviation::ScalarAsText,
        AttributeType::Binary => Deviation::SpacedBinary,
        AttributeType::Reference | AttributeType::DateTime | AttributeType::Complex => return None,
    };
    (value != read).then_some(found)
}

pub(super) fn text(value: &Value, lenient: bool) -> Option<Value> {
    match value {
        Value::String(_) => Some(value.clone()),
        Value::Number(number) if lenient => Some(number.to_string().into()),
        Value::Bool(truth) if lenient => Some(truth.to_string().into()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}

pub(super) fn boolean(value: &Value, lenient: bool) -> Option<Value> {
    if value.is_boolean() {
        return Some(value.clone());
    }
    let text = value.as_str().filter(|_| lenient)?;
    parse_boolean(text).map(Value::Bool)
}

/// `true` and `false` in any letter case: Entra ID sends `"True"`.
pub(crate) fn parse_boolean(text: &str) -> Option<bool> {
    let spelled = |word: &str| text.eq_ignore_ascii_case(word);
    if spelled("true") { Some(true) } else { spelled("false").then_some(false) }
}

pub(super) fn integer(value: &Value, lenient: bool) -> Option<Value> {
    if value.is_i64() || value.is_u64() {
        return Some(value.clone());
    }
    let text = value.as_str().filter(|_| lenient)?;
    text.trim().parse::<i64>().ok().map(Value::from)
}

pub(super) fn decimal(value: &Value, lenient: bool) -> Option<Value> {
    if value.is_number() {
        return Some(value.clone());
    }
    let text = value.as_str().filter(|_| lenient)?;
    text.trim().parse::<Number>().ok().map(Value::Number)
}

pub(super) fn instant(value: &Value) -> Option<Value> {
    value.as_str().and_then(parse_instant).map(|_| value.clone())
}

/// RFC 4648 names both alphabets; certificates come with and without padding, and, to the lenient
/// dialect, with line ends.
pub(super) fn binary(value: &Value, lenient: bool) -> Option<Value> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let written = value.as_str()?;
    let text: String = written.split_ascii_whitespace().collect();
    if !lenient && text != written {
        return None;
    }
    let fits = [STANDARD, URL_SAFE]
        .iter()
        .any(|alphabet| GeneralPurpose::new(alphabet, config).decode(&text).is_ok());
    fits.then(|| Value::String(text))
}
