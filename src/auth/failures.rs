//! How often an address has failed to authenticate.
//!
//! Each address may fail so many times at once and so many times a minute; beyond that it is told
//! to wait. Only failures are counted and only failures are refused, so whoever has a good token
//! is let in from any address. The table has a fixed size: a new address takes the place of the
//! one in its row that has failed longest ago. Which row an address falls into is a secret of the
//! process, so nobody can aim.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::auth::authenticate::AuthError;
use crate::auth::jwt_error::JwtError;

const ROWS: usize = 1024;
const PLACES: usize = 8;

/// Milliseconds of a minute: what one failure costs is a share of it.
const MINUTE: i64 = 60_000;

/// The failures of all addresses.
#[derive(Debug)]
pub struct Failures {
    rows: Vec<Mutex<[Place; PLACES]>>,
    hasher: RandomState,
    counts: [AtomicU64; AuthError::ALL.len()],
    limited: AtomicU64,
    elsewhere: AtomicU64,
}

/// The failures of one address, as a bucket that empties over time.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// IPv6 addresses count by their /64: every machine has as many as it wants of one.
    address: Option<u128>,
    /// When the bucket will be empty, milliseconds since 1970.
    empty: i64,
}

impl Default for Failures {
    fn default() -> Self {
        let rows = (0..ROWS).map(|_| Mutex::default()).collect();
        let (counts, limited, elsewhere) = Default::default();
        Self { rows, hasher: RandomState::new(), counts, limited, elsewhere }
    }
}

impl Failures {
    /// Notes a failure.
    ///
    /// # Errors
    /// The address has used up its failures: whole seconds until it may fail again.
    pub fn note(
        &self,
        error: AuthError,
        client: Option<IpAddr>,
        per_minute: u32,
        now: Timestamp,
    ) -> Result<(), u64> {
        let counted = AuthError::ALL.iter().zip(&self.counts);
        let counted = counted.into_iter().find(|(kind, _)| kind.keyword() == error.keyword());
        if let Some((_, count)) = counted {
            count.fetch_add(1, Ordering::Relaxed);
        }
        // Nobody has guessed where the keys are missing.
        let is_guess = !matches!(error, AuthError::Issued(JwtError::NoKeys(_)));
        let Some(client) = client.filter(|_| is_guess) else { return Ok(()) };
        let done = self.fill(prefix(client), per_minute, now.as_millisecond());
        if done.is_err() {
            self.limited.fetch_add(1, Ordering::Relaxed);
        }
        done
    }

    /// Notes a call from an address that may not call.
    pub fn note_elsewhere(&self) {
        self.elsewhere.fetch_add(1, Ordering::Relaxed);
    }

    /// How many calls were refused, by reason. `limited` ones have another reason as well.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let kinds = AuthError::ALL.iter().map(|kind| kind.keyword());
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let mut counts: Vec<_> = kinds.zip(counts).collect();
        counts.push(("limited", self.limited.load(Ordering::Relaxed)));
        counts.push(("address", self.elsewhere.load(Ordering::Relaxed)));
        counts
    }

    fn fill(&self, address: u128, per_minute: u32, now: i64) -> Result<(), u64> {
        let cost = MINUTE / i64::from(per_minute.max(1));
        let row = usize::try_from(self.hasher.hash_one(address)).unwrap_or(0) % ROWS;
        let Some(row) = self.rows.get(row) else { return Ok(()) };
        let mut row = row.lock().unwrap_or_else(PoisonError::into_inner);
        // The address's own place, or else the one that is empty soonest.
        let place =
            row.iter_mut().min_by_key(|place| (place.address != Some(address), place.empty));
        let Some(place) = place else { return Ok(()) };
        if place.address != Some(address) {
            *place = Place { address: Some(address), empty: now };
        }
        // A clock that was set back must not lock anybody out.
        let level = (place.empty - now).clamp(0, MINUTE);
        place.empty = now + level;
        let over = level + cost - MINUTE;
        if over > 0 {
            return Err(u64::try_from(over).unwrap_or(0).div_ceil(1000));
        }
        place.empty = now + level + cost;
        Ok(())
    }
}

fn prefix(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => u128::from(address.to_ipv6_mapped()),
        IpAddr::V6(address) => u128::from(address) & !u128::from(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};

    use jiff::Timestamp;

    use crate::auth::authenticate::AuthError;
    use crate::auth::failures::{Failures, PLACES, ROWS};

    #[expect(clippy::unwrap_in_result, reason = "both are made here")]
    fn fail(failures: &Failures, address: &str, second: i64) -> Result<(), u64> {
        let now = Timestamp::from_second(1_000_000 + second).unwrap();
        failures.note(AuthError::Unknown, Some(address.parse().unwrap()), 30, now)
    }

    #[test]
    fn thirty_failures_are_free_and_then_one_every_two_seconds() {
        let failures = Failures::default();
        for _ in 0..30 {
            assert_eq!(fail(&failures, "192.0.2.1", 0), Ok(()));
        }
        assert_eq!(fail(&failures, "192.0.2.1", 0), Err(2));
        assert_eq!(fail(&failures, "192.0.2.1", 1), Err(1));
        assert_eq!(fail(&failures, "192.0.2.1", 2), Ok(()));
        assert_eq!(fail(&failures, "192.0.2.1", 2), Err(2));
        assert_eq!(fail(&failures, "192.0.2.2", 2), Ok(()));
        let counts = failures.counts();
        assert!(
            counts.contains(&("unknown", 35)) && counts.contains(&("limited", 3)),
            "{counts:?}"
        );
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let failures = Failures::default();
        for _ in 0..30 {
            assert_eq!(fail(&failures, "192.0.2.1", 900_000), Ok(()));
        }
        assert_eq!(fail(&failures, "192.0.2.1", 0), Err(2));
        assert_eq!(fail(&failures, "192.0.2.1", 60), Ok(()));
    }

    #[test]
    fn ipv6_counts_by_its_64_bits_of_network() {
        let failures = Failures::default();
        for host in 0..30 {
            assert_eq!(fail(&failures, &format!("2001:db8::{host:x}:1"), 0), Ok(()));
        }
        assert_eq!(fail(&failures, "2001:db8::ffff", 0), Err(2));
        assert_eq!(fail(&failures, "2001:db8:0:1::1", 0), Ok(()));
        assert_eq!(fail(&failures, "::ffff:192.0.2.1", 0), Ok(()));
    }

    #[test]
    fn any_number_of_addresses_takes_the_same_room() {
        let failures = Failures::default();
        for address in 0..4 * ROWS * PLACES {
            let address = IpAddr::V6(Ipv6Addr::from((address as u128) << 64));
            let now = Timestamp::from_second(1_000_000).unwrap();
            failures.note(AuthError::Missing, Some(address), 30, now).unwrap();
        }
        assert_eq!(failures.rows.len(), ROWS);
        assert!(failures.counts().contains(&("missing", 4 * (ROWS * PLACES) as u64)));
    }
}
