//! Records that are put together: stubs of lists that are read one by one (`hydrate`), and parts
//! that stand behind requests of their own (`embed`).

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use crate::convert::references::References;
use crate::convert::{key, record, visible};
use crate::exchange::error::{ExchangeError, Mismatch};
use crate::exchange::native::Exchange;
use crate::mapping::model::{Request, ResourceMapping};

/// Records that are read at once.
const AT_ONCE: usize = 4;

impl Exchange<'_> {
    /// The whole record of one that came out of a list or look-up; `None` when it has vanished
    /// since.
    pub async fn complete(
        &self,
        resource: &ResourceMapping,
        from: &Request,
        native_key: &str,
        native: Value,
    ) -> Result<Option<Value>, ExchangeError> {
        if from.hydrate {
            return self.reread(resource, native_key).await;
        }
        match self.embed(resource, from, native_key, native).await {
            // A part that must be there and is not: the record may have gone with it.
            Err(ExchangeError::NothingPicked { .. }) => {
                match self.reread(resource, native_key).await? {
                    None => Ok(None),
                    Some(_) => Err(Mismatch::of(from, "a part that `embed` needs")),
                }
            }
            other => other.map(Some),
        }
    }

    /// The whole records of those that came out of a list or look-up, a few at a time.
    pub async fn complete_all(
        &self,
        resource: &ResourceMapping,
        from: &Request,
        records: Vec<Value>,
    ) -> Result<Vec<Value>, ExchangeError> {
        if !from.hydrate && from.embed.is_empty() {
            return Ok(records);
        }
        let mut pending: Vec<BoxFuture<'_, _>> = Vec::with_capacity(records.len());
        for native in records {
            let key = record::listed_key(&resource.id, from, &native)?;
            let whole = async move { self.complete(resource, from, &key, native).await };
            pending.push(whole.boxed());
        }
        let whole: Vec<Option<Value>> =
            stream::iter(pending).buffered(AT_ONCE).try_collect().await?;
        Ok(whole.into_iter().flatten().collect())
    }

    /// The record of a key, seen by SCIM or not; `None` when there is none.
    pub async fn reread(
        &self,
        resource: &ResourceMapping,
        native_key: &str,
    ) -> Result<Option<Value>, ExchangeError> {
        match self.any_record(resource, native_key).await {
            Err(ExchangeError::NotFound { .. }) => Ok(None),
            other => Ok(Some(other?.native)),
        }
    }

    /// A record that was read by itself, with the parts that its request's look-ups bring.
    pub async fn with_parts(
        &self,
        resource: &ResourceMapping,
        from: &Request,
        native_key: &str,
        native: Value,
    ) -> Result<Value, ExchangeError> {
        if from.embed.is_empty() {
            return Ok(native);
        }
        // Boxed, because every reading of a record carries the room for it.
        match Box::pin(self.embed(resource, from, native_key, native)).await {
            Err(ExchangeError::NothingPicked { .. }) => {
                Err(Mismatch::of(from, "a part that `embed` needs"))
            }
            other => other,
        }
    }

    async fn embed(
        &self,
        resource: &ResourceMapping,
        from: &Request,
        native_key: &str,
        mut native: Value,
    ) -> Result<Value, ExchangeError> {
        let id = key::typed(&resource.id, native_key);
        let none = References::default();
        for (name, lookup) in &from.embed {
            let scope = self.context(resource, &none).scope();
            let part = {
                let scope = scope.with("id", &id).with("native", &native);
                self.look_up(name, lookup, &scope).await?
            };
            if let Some(members) = native.as_object_mut() {
                members.insert(name.clone(), part);
            }
        }
        Ok(native)
    }

    /// Whether a record exists for SCIM.
    pub fn is_visible(
        &self,
        resource: &ResourceMapping,
        native: &Value,
    ) -> Result<bool, ExchangeError> {
        let none = References::default();
        Ok(visible::is_visible(&self.context(resource, &none), native)?)
    }
}
