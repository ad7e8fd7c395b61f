//! What was written a moment ago (`api.eventual`): until an application's lists and look-ups
//! follow its own writes, they are corrected by what is known here.
//!
//! The memory is bounded: the newest writes of a tenant, and of their records those that are not
//! large. What is forgotten too early is shown as the application lists it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::Value;

/// Most writes that are remembered.
const MOST: usize = 1000;

/// Largest record that is remembered with its write, in bytes of JSON.
const LARGEST: usize = 16 * 1024;

/// What became of a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// It was made or changed; the record as the write left it, where that is known.
    There(Option<Value>),
    /// It was deleted.
    Gone,
}

/// The newest writes of a tenant.
#[derive(Debug, Default)]
pub struct Recent(Mutex<VecDeque<Written>>);

#[derive(Debug)]
struct Written {
    resource: String,
    key: String,
    fate: Fate,
    until: Timestamp,
}

impl Recent {
    /// Remembers a write until then; an earlier one of the same record is forgotten.
    pub fn note(&self, resource: &str, key: &str, fate: Fate, now: Timestamp, until: Timestamp) {
        let fate = match fate {
            Fate::There(Some(native)) if native.to_string().len() > LARGEST => Fate::There(None),
            fate => fate,
        };
        let (resource, key) = (resource.to_owned(), key.to_owned());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|it| it.until > now && (it.resource != resource || it.key != key));
        if all.len() >= MOST {
            all.pop_front();
        }
        all.push_back(Written { resource, key, fate, until });
    }

    /// What has been written of a resource type, by native key.
    pub fn of(&self, resource: &str, now: Timestamp) -> BTreeMap<String, Fate> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = all.iter().filter(|it| it.resource == resource && it.until > now);
        own.map(|it| (it.key.clone(), it.fate.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use crate::exchange::recent::{Fate, MOST, Recent};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_write_is_remembered_for_a_while() {
        let recent = Recent::default();
        recent.note("User", "7", Fate::There(None), at(0), at(5));
        assert_eq!(recent.of("User", at(4)).get("7"), Some(&Fate::There(None)));
        assert!(recent.of("Group", at(4)).is_empty());
        assert!(recent.of("User", at(5)).is_empty());
    }

    #[test]
    fn the_last_write_counts() {
        let recent = Recent::default();
        recent.note("User", "7", Fate::There(Some(json!({ "id": 7 }))), at(0), at(5));
        recent.note("User", "7", Fate::Gone, at(1), at(6));
        assert_eq!(
            recent.of("User", at(2)).into_iter().collect::<Vec<_>>(),
            [("7".to_owned(), Fate::Gone)]
        );
    }

    #[test]
    fn the_memory_is_bounded() {
        let recent = Recent::default();
        for number in 0..=MOST {
            recent.note("User", &number.to_string(), Fate::Gone, at(0), at(5));
        }
        let known = recent.of("User", at(1));
        assert_eq!(known.len(), MOST);
        assert!(!known.contains_key("0"));
        let large = json!({ "text": "x".repeat(20_000) });
        recent.note("User", "large", Fate::There(Some(large)), at(0), at(5));
        assert_eq!(recent.of("User", at(1)).get("large"), Some(&Fate::There(None)));
    }
}
