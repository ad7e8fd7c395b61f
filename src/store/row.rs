//! Rows as the database has them, and the nouns they stand for.

use jiff::Timestamp;
use serde_json::Value;

use crate::auth::token::{TokenHash, TokenRecord};
use crate::sidecar::entry::{Entry, EntryState, Retired};
use crate::sidecar::port::StoreError;
use crate::store::error::{Inconsistent, corrupt};

/// A row of `entries`, without its partition.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct EntryRow {
    pub(in crate::store) id: String,
    pub(in crate::store) native_key: String,
    pub(in crate::store) attributes: String,
    pub(in crate::store) state: String,
    pub(in crate::store) last_record: Option<String>,
}

impl EntryRow {
    pub(in crate::store) fn from_entry(entry: &Entry) -> Result<Self, StoreError> {
        let (state, last_record) = match &entry.state {
            EntryState::Live => ("live", None),
            EntryState::Off(record) => ("off", Some(record.to_string())),
            EntryState::Deleted => ("deleted", None),
        };
        Ok(Self {
            id: entry.id.clone(),
            native_key: entry.key.clone(),
            attributes: serde_json::to_string(&entry.attributes).map_err(corrupt)?,
            state: state.to_owned(),
            last_record,
        })
    }

    pub(in crate::store) fn into_entry(self) -> Result<Entry, StoreError> {
        let attributes = serde_json::from_str(&self.attributes).map_err(corrupt)?;
        let state = match (self.state.as_str(), self.last_record) {
            ("live", None) => EntryState::Live,
            ("off", Some(record)) => {
                EntryState::Off(serde_json::from_str::<Value>(&record).map_err(corrupt)?)
            }
            ("deleted", None) => EntryState::Deleted,
            _ => return Err(corrupt(Inconsistent::State)),
        };
        Ok(Entry { id: self.id, key: self.native_key, attributes, state })
    }
}

/// A way of having left, as `entries` says it.
pub(in crate::store) fn state_of(way: Retired) -> &'static str {
    match way {
        Retired::Off => "off",
        Retired::Deleted => "deleted",
    }
}

/// A row of `tokens`.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct TokenRow {
    id: String,
    tenant: String,
    label: String,
    hash: Vec<u8>,
    created: i64,
    expires: Option<i64>,
    revoked: Option<i64>,
}

impl TokenRow {
    pub(in crate::store) fn into_record(self) -> Result<TokenRecord, StoreError> {
        let instant = |microseconds| Timestamp::from_microsecond(microseconds).map_err(corrupt);
        Ok(TokenRecord {
            id: self.id,
            tenant: self.tenant,
            label: self.label,
            hash: TokenHash::from_bytes(&self.hash).ok_or_else(|| corrupt(Inconsistent::Hash))?,
            created: instant(self.created)?,
            expires: self.expires.map(instant).transpose()?,
            revoked: self.revoked.map(instant).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::sidecar::port::StoreError;
    use crate::store::row::EntryRow;

    fn check(state: &str, last_record: Option<&str>, attributes: &str, readable: bool) {
        let row = EntryRow {
            id: "1".to_owned(),
            native_key: "ada".to_owned(),
            attributes: attributes.to_owned(),
            state: state.to_owned(),
            last_record: last_record.map(str::to_owned),
        };
        let answer = row.into_entry();
        assert_eq!(answer.is_ok(), readable, "{state} {last_record:?} {attributes}");
        if let Err(error) = answer {
            assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}");
        }
    }

    #[test]
    fn rows_that_contradict_themselves_are_corrupt() {
        check("live", None, "{}", true);
        check("off", Some("null"), "{}", true);
        check("deleted", None, r#"{"title":"x"}"#, true);
        check("live", Some("{}"), "{}", false);
        check("off", None, "{}", false);
        check("off", Some("{"), "{}", false);
        check("asleep", None, "{}", false);
        check("live", None, "[]", false);
        check("live", None, "", false);
    }
}
