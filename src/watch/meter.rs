//! Counters that many threads add to without waiting for each other. They are read when somebody
//! looks, so a reading may be a few additions old, and they never go back while the process lives.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// Only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many until now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Rises and falls.
#[derive(Debug, Default)]
pub struct Level(AtomicI64);

impl Level {
    /// One more.
    pub fn rise(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One less.
    pub fn fall(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many now.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How often a value fell between which bounds.
#[derive(Debug)]
pub struct Histogram {
    scale: &'static Scale,
    /// One for each bound, and one for what is beyond the last.
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// The upper bounds of a histogram, inclusive and rising, in the unit that is counted in.
#[derive(Debug)]
pub struct Scale {
    bounds: &'static [u64],
    /// How many of the counted unit make one of the shown unit.
    divisor: f64,
}

/// Times, counted in microseconds and shown in seconds: from what the bridge needs by itself to
/// what identity providers wait for at most.
pub static SECONDS: Scale = Scale {
    bounds: &[
        1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
        2_500_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000,
    ],
    divisor: 1_000_000.0,
};

/// Calls of one request.
pub static CALLS: Scale =
    Scale { bounds: &[0, 1, 2, 3, 5, 10, 25, 50, 100, 250, 1_000], divisor: 1.0 };

/// What a histogram shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Of all values.
    pub sum: f64,
    /// How many values.
    pub count: u64,
    /// Upper bound and how many values fell below it but not below the one before; the last bound
    /// is infinite.
    pub buckets: Vec<(f64, u64)>,
}

impl Histogram {
    /// An empty one.
    pub fn new(scale: &'static Scale) -> Self {
        let buckets = (0..=scale.bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { scale, buckets, sum: AtomicU64::new(0) }
    }

    /// Counts a time; for [`SECONDS`].
    pub fn observe(&self, time: Duration) {
        self.add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// Counts a value in the unit of the scale.
    pub fn add(&self, value: u64) {
        let place = self.scale.bounds.partition_point(|bound| *bound < value);
        if let Some(bucket) = self.buckets.get(place) {
            bucket.fetch_add(1, Ordering::Relaxed);
            self.sum.fetch_add(value, Ordering::Relaxed);
        }
    }

    /// What has been counted until now.
    pub fn read(&self) -> Reading {
        let bounds = self.scale.bounds.iter().map(|bound| self.shown(*bound));
        let counts = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        let buckets: Vec<_> = bounds.chain([f64::INFINITY]).zip(counts).collect();
        Reading {
            sum: self.shown(self.sum.load(Ordering::Relaxed)),
            count: buckets.iter().map(|(_, count)| count).sum(),
            buckets,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "2^53 microseconds are 285 years")]
    fn shown(&self, value: u64) -> f64 {
        value as f64 / self.scale.divisor
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::watch::meter::{CALLS, Counter, Histogram, Level, SECONDS};

    #[test]
    fn bounds_belong_to_their_bucket() {
        let calls = Histogram::new(&CALLS);
        for value in [0, 1, 1, 4, 5, 6, 1_000, 1_001] {
            calls.add(value);
        }
        let reading = calls.read();
        assert_eq!((reading.count, reading.sum), (8, 2_018.0));
        let filled: Vec<_> = reading.buckets.into_iter().filter(|(_, count)| *count > 0).collect();
        let expected = [(0.0, 1), (1.0, 2), (5.0, 2), (10.0, 1), (1_000.0, 1), (f64::INFINITY, 1)];
        assert_eq!(filled, expected);
    }

    #[test]
    fn times_are_shown_in_seconds() {
        let times = Histogram::new(&SECONDS);
        times.observe(Duration::from_millis(5));
        times.observe(Duration::from_micros(5_001));
        let reading = times.read();
        assert_eq!(reading.buckets.iter().filter(|(_, count)| *count == 1).count(), 2);
        assert!((reading.sum - 0.010_001).abs() < 1e-9, "{reading:?}");
    }

    #[test]
    fn counters_and_levels() {
        let (counter, level) = (Counter::default(), Level::default());
        counter.add_one();
        counter.add_one();
        level.rise();
        level.rise();
        level.fall();
        assert_eq!((counter.get(), level.get()), (2, 1));
    }
}
