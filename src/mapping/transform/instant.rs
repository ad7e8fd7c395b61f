//! How applications write instants, for the transforms that read them.

use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, civil};
use serde_json::Value;

/// A way of writing instants.
#[derive(Debug, Clone)]
pub(crate) enum Format {
    /// RFC 3339; read with any offset, with a blank for the `T`, and without an offset in the
    /// zone.
    Rfc3339(TimeZone),
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
    /// A strftime pattern; without an offset in the zone.
    Pattern(String, TimeZone),
}

impl Format {
    /// From its name or pattern, and the name of a zone.
    pub(crate) fn build(format: &Value, zone: &Value) -> Result<Self, String> {
        let has_zone = !zone.is_null();
        let zone = read_zone(zone)?;
        match format {
            Value::Null => Ok(Self::Rfc3339(zone)),
            Value::String(name) if name == "epoch_s" || name == "epoch_ms" => {
                if has_zone {
                    return Err("a zone has no meaning with an epoch".to_owned());
                }
                Ok(if name == "epoch_s" { Self::Seconds } else { Self::Milliseconds })
            }
            Value::String(pattern) => {
                let format = Self::Pattern(pattern.clone(), zone);
                // The first instant of a day survives every pattern that names the day.
                let sample = format.write(Timestamp::UNIX_EPOCH);
                if !pattern.contains('%') || format.read(&sample).is_none() {
                    return Err(format!(
                        "{pattern:?} is neither epoch_s, epoch_ms nor a strftime pattern of a date"
                    ));
                }
                Ok(format)
            }
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Err("it takes epoch_s, epoch_ms or a strftime pattern".to_owned())
            }
        }
    }

    /// Whether instants are numbers.
    pub(crate) fn is_epoch(&self) -> bool {
        match self {
            Self::Seconds | Self::Milliseconds => true,
            Self::Rfc3339(_) | Self::Pattern(..) => false,
        }
    }

    /// The instant of a native value.
    pub(crate) fn read(&self, native: &Value) -> Option<Timestamp> {
        match self {
            Self::Rfc3339(zone) => {
                let text = native.as_str()?;
                text.parse().ok().or_else(|| in_zone(text.parse().ok()?, zone))
            }
            Self::Seconds => epoch(native, 1_000),
            Self::Milliseconds => epoch(native, 1),
            Self::Pattern(pattern, zone) => {
                let parts = BrokenDownTime::parse(pattern, native.as_str()?).ok()?;
                match parts.offset() {
                    Some(_) => parts.to_timestamp().ok(),
                    None => in_zone(parts.to_datetime().ok()?, zone),
                }
            }
        }
    }

    /// The native value of an instant; what the format cannot express is cut off.
    pub(crate) fn write(&self, instant: Timestamp) -> Value {
        match self {
            Self::Rfc3339(_) => Value::from(instant.to_string()),
            Self::Seconds => Value::from(milliseconds(instant).div_euclid(1_000)),
            Self::Milliseconds => Value::from(milliseconds(instant)),
            Self::Pattern(pattern, zone) => {
                let zoned = instant.to_zoned(zone.clone());
                // `build` has tried the pattern.
                strtime::format(pattern, &zoned).map_or(Value::Null, Value::from)
            }
        }
    }
}

fn read_zone(zone: &Value) -> Result<TimeZone, String> {
    match zone {
        Value::Null => Ok(TimeZone::UTC),
        Value::String(name) => {
            let offset = strtime::parse("%:z", name).ok().and_then(|parts| parts.offset());
            match offset {
                Some(offset) => Ok(TimeZone::fixed(offset)),
                None if name == "UTC" => Ok(TimeZone::fixed(Offset::UTC)),
                None => TimeZone::get(name).map_err(|_| format!("there is no zone {name:?}")),
            }
        }
        other => Err(format!("there is no zone {other}")),
    }
}

fn in_zone(time: civil::DateTime, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_timestamp(time).ok()
}

/// A number, or a text that is one.
fn epoch(native: &Value, unit_in_milliseconds: i64) -> Option<Timestamp> {
    let whole = match native {
        Value::String(text) => text.parse().ok(),
        other => other.as_i64(),
    };
    if let Some(whole) = whole {
        return Timestamp::from_millisecond(whole.checked_mul(unit_in_milliseconds)?).ok();
    }
    let fraction = match native {
        Value::String(text) => text.parse().ok()?,
        other => other.as_f64()?,
    };
    let seconds = jiff::SignedDuration::try_from_secs_f64(match unit_in_milliseconds {
        1 => fraction / 1_000.0,
        _ => fraction,
    });
    Timestamp::from_duration(seconds.ok()?).ok()
}

/// Whole milliseconds since 1970, towards the past.
fn milliseconds(instant: Timestamp) -> i64 {
    let nanoseconds = instant.as_nanosecond().div_euclid(1_000_000);
    i64::try_from(nanoseconds).unwrap_or_else(|_| instant.as_millisecond())
}
