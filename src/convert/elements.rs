//! The elements of a collection, as they are in a record.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::mapping::model::{Collection, CollectionSource};

/// The native elements in a record; empty for a collection behind a request of its own.
pub fn native_elements<'n>(collection: &Collection, native: &'n Value) -> Vec<Cow<'n, Value>> {
    match (&collection.source, &collection.entries) {
        (CollectionSource::Items(path), None) => {
            path.read_all(native).into_iter().map(Cow::Borrowed).collect()
        }
        (CollectionSource::Items(path), Some(values)) => {
            let members = path.read(native).and_then(Value::as_object).into_iter().flatten();
            let members = members.filter(|(_, value)| values.off.as_ref() != Some(*value));
            members.map(|(key, value)| Cow::Owned(json!({ "key": key, "value": value }))).collect()
        }
        (CollectionSource::List(_), _) => Vec::new(),
    }
}
