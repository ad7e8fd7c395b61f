//! The elements of a collection behind a request of its own, a piece at a time, whether the
//! application gives them in pages or all at once.

use std::vec::IntoIter;

use serde_json::Value;

use crate::convert::references::{References, Wanted, keys_in_elements};
use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::exchange::state::{self, Located};
use crate::exchange::walk::Walk;
use crate::mapping::model::{Collection, ResourceMapping};
use crate::native::listed::Listed;

/// Most elements that are trees at once.
pub const PIECE: usize = 500;

/// A walk through the elements of a collection.
pub struct Pieces<'a> {
    exchange: &'a Exchange<'a>,
    resource: &'a ResourceMapping,
    collection: &'a Collection,
    walk: Walk<'a>,
    page: IntoIter<Listed>,
}

impl<'a> Pieces<'a> {
    /// All elements; `None` when the resource has left the application, or when they are in the
    /// record.
    pub fn new(
        exchange: &'a Exchange<'a>,
        resource: &'a ResourceMapping,
        collection: &'a Collection,
        located: &Located,
        native: &Value,
    ) -> Option<Self> {
        let walk = Walk::elements(resource, collection, &located.key, native);
        let walk = walk.filter(|_| !state::is_off(located))?;
        Some(Self { exchange, resource, collection, walk, page: Vec::new().into_iter() })
    }

    /// The next native elements, with what is known of the resources that they refer to.
    pub async fn next(&mut self) -> Result<Option<(Vec<Value>, References)>, ExchangeError> {
        while self.page.len() == 0 {
            match self.walk.next(self.exchange, self.resource).await? {
                Some(page) => self.page = page.into_iter(),
                None => return Ok(None),
            }
        }
        let natives: Vec<Value> = self.page.by_ref().take(PIECE).map(Listed::into_value).collect();
        let mut keys = Wanted::new();
        keys_in_elements(&self.exchange.tenant.mapping, self.collection, &natives, &mut keys);
        let references = self.exchange.resolve(keys, Wanted::new()).await?;
        Ok(Some((natives, references)))
    }
}
