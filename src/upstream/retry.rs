//! How long to wait before the next attempt: exponential backoff with full jitter, or what the
//! application asks for.

use std::time::Duration;

use jiff::Timestamp;

use crate::convert::moment;
use crate::id::IdSource;
use crate::mapping::model::Retry;
use crate::native::message::NativeResponse;
use crate::upstream::locate;

/// The pause that an answer asks for.
pub(crate) fn asked_for(
    retry: &Retry,
    answer: &NativeResponse,
    now: Timestamp,
) -> Option<Duration> {
    moment::until(&locate::text(&retry.after, answer)?, retry.after_unit, now)
}

/// The pause after `attempt` (from 1): anything up to the first pause doubled each time, and
/// never more than the longest.
pub(crate) fn backoff(retry: &Retry, attempt: u32, ids: &dyn IdSource) -> Duration {
    let (first, longest) = retry.backoff;
    let doubled = 2_u32.checked_pow(attempt.saturating_sub(1)).and_then(|n| first.checked_mul(n));
    doubled.unwrap_or(longest).min(longest).mul_f64(fraction(ids))
}

/// A number from 0 to 1, about equally likely.
fn fraction(ids: &dyn IdSource) -> f64 {
    let hash = |sum: u32, byte: u8| sum.wrapping_mul(31).wrapping_add(u32::from(byte));
    f64::from(ids.random(8).bytes().fold(0, hash) % 1001) / 1000.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::id::{IdSource, SystemIds};
    use crate::mapping::access::{RetryMethods, TimeUnit};
    use crate::mapping::model::{Locator, Retry};
    use crate::upstream::retry::{backoff, fraction};

    #[test]
    fn pauses_grow_and_stay_within() {
        let retry = Retry {
            attempts: 3,
            on: vec![],
            backoff: (Duration::from_millis(100), Duration::from_secs(1)),
            after: Locator::Header("retry-after".to_owned(), None),
            after_unit: TimeUnit::Seconds,
            methods: RetryMethods::Idempotent,
        };
        for (attempt, most) in [(1, 100), (2, 200), (3, 400), (4, 800), (5, 1000), (90, 1000)] {
            for _ in 0..50 {
                assert!(backoff(&retry, attempt, &SystemIds) <= Duration::from_millis(most));
            }
        }
    }

    #[test]
    fn jitter_is_spread() {
        let drawn: Vec<f64> = (0..2000).map(|_| fraction(&SystemIds)).collect();
        for tenth in 0..10 {
            let low = f64::from(tenth) / 10.0;
            let hits = drawn.iter().filter(|n| **n >= low && **n < low + 0.1).count();
            assert!((100..=300).contains(&hits), "{hits} of 2000 from {low}");
        }
    }

    struct Empty;

    impl IdSource for Empty {
        fn uuid(&self) -> String {
            String::new()
        }

        fn random(&self, _length: usize) -> String {
            String::new()
        }
    }

    #[test]
    fn a_scripted_source_is_enough() {
        assert!(fraction(&Empty).abs() < f64::EPSILON);
    }
}
