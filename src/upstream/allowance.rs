//! What an application says of its own budget: `RateLimit` in the form of the IETF's draft and in
//! the older ones, and the `X-RateLimit-…` headers that most applications have.

use std::time::Duration;

use jiff::Timestamp;

use crate::convert::moment;
use crate::mapping::access::TimeUnit;
use crate::native::message::NativeResponse;

/// Calls that are left, and when there are more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    /// Calls that are left.
    pub(crate) left: u64,
    /// From now until there are more.
    pub(crate) reset: Duration,
}

/// Pairs of headers that mean the same.
const PAIRS: [(&str, &str); 3] = [
    ("ratelimit-remaining", "ratelimit-reset"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("x-rate-limit-remaining", "x-rate-limit-reset"),
];

/// What an answer says; `None` when it says nothing that can be read.
pub(crate) fn told(answer: &NativeResponse, now: Timestamp) -> Option<Told> {
    if let Some(header) = answer.header_list("ratelimit") {
        return combined(&header, now);
    }
    PAIRS.iter().find_map(|(left, reset)| {
        let left = number(answer.header(left)?)?;
        let reset = answer.header(reset)?;
        Some(Told { left, reset: moment::until(reset, TimeUnit::Seconds, now)? })
    })
}

/// `"default";r=50;t=30`, one policy after the other, or `limit=100, remaining=50, reset=30`. Of
/// several policies the scarcest counts.
fn combined(header: &str, now: Timestamp) -> Option<Told> {
    let mut scarcest: Option<Told> = None;
    let (mut left, mut reset) = (None, None);
    for parameter in header.split([',', ';']) {
        let Some((name, value)) = parameter.split_once('=') else {
            // The name of another policy.
            (left, reset) = (None, None);
            continue;
        };
        match name.trim() {
            "r" | "remaining" => left = number(value),
            "t" | "reset" => reset = moment::until(value, TimeUnit::Seconds, now),
            _ => {}
        }
        if let (Some(left), Some(reset)) = (left, reset)
            && scarcest.is_none_or(|told| left < told.left)
        {
            scarcest = Some(Told { left, reset });
        }
    }
    scarcest
}

/// A number, and not what some write behind it.
fn number(text: &str) -> Option<u64> {
    text.split([',', ';']).next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::native::message::{NativeResponse, Payload};
    use crate::upstream::allowance::{Told, told};

    #[track_caller]
    fn check(headers: &[(&str, &str)], expected: Option<(u64, u64)>) {
        let owned = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let answer =
            NativeResponse { status: 200, headers: owned.collect(), body: Payload::Empty.into() };
        let now = "2026-11-21T18:38:06Z".parse().unwrap();
        let expected =
            expected.map(|(left, seconds)| Told { left, reset: Duration::from_secs(seconds) });
        assert_eq!(told(&answer, now), expected, "{headers:?}");
    }

    #[test]
    fn forms() {
        check(&[("x-ratelimit-remaining", "7"), ("x-ratelimit-reset", "30")], Some((7, 30)));
        check(
            &[("x-rate-limit-remaining", "0"), ("x-rate-limit-reset", "1795286296")],
            Some((0, 10)),
        );
        check(&[("ratelimit-remaining", "3, 100;w=60"), ("ratelimit-reset", "5")], Some((3, 5)));
        check(&[("ratelimit", "limit=100, remaining=50, reset=9")], Some((50, 9)));
        check(&[("ratelimit", r#""default";r=50;t=30"#)], Some((50, 30)));
        check(&[("ratelimit", r#""hour";r=50;t=30, "day";r=2;t=900"#)], Some((2, 900)));
        check(&[("ratelimit", r#""hour";t=30, "day";r=2"#)], None);
        check(&[("ratelimit", "full")], None);
        check(&[("x-ratelimit-remaining", "7")], None);
        check(&[("x-ratelimit-remaining", "few"), ("x-ratelimit-reset", "30")], None);
        check(&[("x-ratelimit-remaining", "-1"), ("x-ratelimit-reset", "30")], None);
        check(&[], None);
    }
}
