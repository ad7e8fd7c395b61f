//! "How long from now" in the forms applications write it: seconds, an epoch, RFC 3339, or an
//! HTTP date (RFC 9110 section 5.6.7, without its obsolete forms).

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

use crate::mapping::access::TimeUnit;

/// A number from here on is an epoch in seconds: nobody is asked to wait for thirty years.
const EPOCH_SECONDS: f64 = 1e9;

/// A number from here on is an epoch in milliseconds.
const EPOCH_MILLISECONDS: f64 = 1e11;

/// The time until a moment, which may be a number of `unit`s; zero when it is past, `None` when it cannot be read.
pub fn until(text: &str, unit: TimeUnit, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let moment = match text.parse::<f64>() {
        Ok(number) if unit == TimeUnit::Milliseconds && number < EPOCH_MILLISECONDS => {
            return Duration::try_from_secs_f64(number / 1000.0).ok();
        }
        Ok(seconds) if seconds < EPOCH_SECONDS => return Duration::try_from_secs_f64(seconds).ok(),
        Ok(seconds) if seconds < EPOCH_MILLISECONDS => epoch(seconds)?,
        Ok(milliseconds) => epoch(milliseconds / 1000.0)?,
        Err(_) => text.parse().or_else(|_| http_date(text)).ok()?,
    };
    Some(Duration::try_from(moment.duration_since(now)).unwrap_or(Duration::ZERO))
}

fn epoch(seconds: f64) -> Option<Timestamp> {
    let since = Duration::try_from_secs_f64(seconds).ok()?;
    Timestamp::UNIX_EPOCH.checked_add(since).ok()
}

fn http_date(text: &str) -> Result<Timestamp, jiff::Error> {
    rfc2822::DateTimeParser::new().parse_timestamp(text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::convert::moment::until;
    use crate::mapping::access::TimeUnit;

    #[track_caller]
    fn check(text: &str, milliseconds: Option<u64>) {
        let now = "2026-11-21T18:38:06Z".parse().unwrap();
        assert_eq!(
            until(text, TimeUnit::Seconds, now),
            milliseconds.map(Duration::from_millis),
            "{text}"
        );
    }

    #[test]
    fn forms() {
        check("12", Some(12_000));
        check(" 0 ", Some(0));
        check("1.5", Some(1_500));
        check("1795286296", Some(10_000));
        check("1795286287", Some(1_000));
        check("1795286287500", Some(1_500));
        check("1795286280", Some(0));
        check("Sat, 21 Nov 2026 18:38:18 GMT", Some(12_000));
        check("Sat, 21 Nov 2026 18:38:00 GMT", Some(0));
        check("2026-11-21T18:39:06.000000Z", Some(60_000));
        check("2026-11-21T20:39:06+02:00", Some(60_000));
        for bad in ["", "soon", "-1", "NaN", "inf", "1e300", "2026-11-21"] {
            check(bad, None);
        }
        let now = "2026-11-21T18:38:06Z".parse().unwrap();
        for (text, milliseconds) in
            [("1500", 1500), ("3600000000", 3_600_000_000), ("1795286287500", 1500)]
        {
            let expected = Some(Duration::from_millis(milliseconds));
            assert_eq!(until(text, TimeUnit::Milliseconds, now), expected, "{text}");
        }
    }
}
