//! Elements that are to be removed and have to be read for it: memberships with ids of their own.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use crate::convert::collection::{get_element, identity};
use crate::convert::delta::Delta;
use crate::convert::elements::native_elements;
use crate::convert::references::{Wanted, keys_in_elements};
use crate::convert::request;
use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::exchange::state::State;
use crate::mapping::model::{Collection, CollectionSource, ResourceMapping};

impl Exchange<'_> {
    /// Finds the native elements of what is to be removed, where `remove` names more of them than
    /// a client tells. What is not there need not be removed.
    pub async fn find_removed(
        &self,
        resource: &ResourceMapping,
        native_key: &str,
        before: &State,
        deltas: &mut BTreeMap<usize, Delta>,
    ) -> Result<(), ExchangeError> {
        for (index, delta) in deltas {
            let Some(collection) = resource.collections.get(*index) else { continue };
            let is_open = delta.remove.iter().any(|(_, native)| native.is_null());
            if !collection.remove_reads || !is_open {
                continue;
            }
            let elements = match before.external.get(index) {
                Some(elements) => elements.clone(),
                None => self.present(resource, native_key, &before.native, collection).await?,
            };
            let mut keys = Wanted::new();
            keys_in_elements(&self.tenant.mapping, collection, &elements, &mut keys);
            let references = self.resolve(keys, Wanted::new()).await?.with_hidden();
            let context = self.context(resource, &references);
            let mut known = BTreeMap::new();
            for native in elements {
                if let Some(element) = get_element(&context, collection, &native) {
                    known.entry(identity(collection, &element)).or_insert(native);
                }
            }
            delta.remove.retain_mut(|(element, native)| {
                if !native.is_null() {
                    return true;
                }
                let found = known.get(&identity(collection, element)).cloned();
                let is_there = found.is_some();
                *native = found.unwrap_or_default();
                is_there
            });
        }
        Ok(())
    }

    /// The elements that are there. `native` is null when nobody has read the record.
    pub(crate) async fn present(
        &self,
        resource: &ResourceMapping,
        native_key: &str,
        native: &Value,
        collection: &Collection,
    ) -> Result<Vec<Value>, ExchangeError> {
        let needs_record = match &collection.source {
            CollectionSource::Items(_) => true,
            CollectionSource::List(list) => request::sees_record(list),
        };
        let read = match native {
            Value::Null if needs_record => Some(self.record(resource, native_key).await?.native),
            _ => None,
        };
        let native = read.as_ref().unwrap_or(native);
        match &collection.source {
            CollectionSource::Items(_) => {
                let elements = native_elements(collection, native);
                Ok(elements.into_iter().map(Cow::into_owned).collect())
            }
            CollectionSource::List(_) => {
                self.elements(resource, collection, native_key, native).await
            }
        }
    }
}
