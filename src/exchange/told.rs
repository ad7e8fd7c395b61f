//! Answers that hold members of large groups.
//!
//! As trees, a hundred thousand members take ten times the room of the answer in which they are
//! told. So the elements of a collection behind a request of its own become text page by page,
//! behind the text of everything else; a law holds this together with what lists of groups say.

use serde_json::Value;

use crate::convert::references::{References, Wanted, keys_in_elements};
use crate::convert::{apart, to_scim};
use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::exchange::represent;
use crate::exchange::response::{Body, ScimResponse};
use crate::exchange::state::{self, Located};
use crate::exchange::version::Record;
use crate::exchange::walk::Walk;
use crate::mapping::model::{Collection, ResourceMapping};
use crate::native::listed::Listed;
use crate::scim::attr::AttrPath;
use crate::scim::projection::Projection;
use crate::scim::resource::Resource;

/// The answer that holds a resource with these of its collections, read for it.
pub async fn answer(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    located: &Located,
    record: Record,
    external: Vec<usize>,
    projection: &Projection,
) -> Result<ScimResponse, ExchangeError> {
    let (apart, within): (Vec<usize>, Vec<usize>) =
        external.into_iter().partition(|index| is_apart(resource, *index));
    let state = exchange.state(resource, located, record, &within).await?;
    let response = represent::answer(exchange, resource, 200, state.view, projection, &[]);
    if apart.is_empty() {
        return Ok(response);
    }
    let mut told = Told::new(exchange, resource, response, projection, &[]);
    for collection in apart.into_iter().filter_map(|index| resource.collections.get(index)) {
        told.read(collection, located, &state.native).await?;
    }
    Ok(told.finish())
}

/// The next native elements of a walk, with what is known of the resources that they refer to.
pub async fn page(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    collection: &Collection,
    walk: &mut Walk<'_>,
) -> Result<Option<(Vec<Value>, References)>, ExchangeError> {
    let Some(page) = walk.next(exchange, resource).await? else { return Ok(None) };
    let natives: Vec<Value> = page.into_iter().map(Listed::into_value).collect();
    let mut keys = Wanted::new();
    keys_in_elements(&exchange.tenant.mapping, collection, &natives, &mut keys);
    Ok(Some((natives, exchange.resolve(keys, Wanted::new()).await?)))
}

fn is_apart(resource: &ResourceMapping, index: usize) -> bool {
    resource.collections.get(index).is_some_and(|list| apart::stands_alone(resource, list))
}

/// An answer on its way: the lists that it ends with are still written.
pub struct Told<'a> {
    exchange: &'a Exchange<'a>,
    resource: &'a ResourceMapping,
    projection: &'a Projection,
    named: &'a [AttrPath],
    response: ScimResponse,
    text: Vec<u8>,
    /// Where the list that is open begins, and where its elements do.
    list: (usize, usize),
}

impl<'a> Told<'a> {
    /// An answer that holds everything else. `named` are attributes that a write request named.
    pub fn new(
        exchange: &'a Exchange<'a>,
        resource: &'a ResourceMapping,
        mut response: ScimResponse,
        projection: &'a Projection,
        named: &'a [AttrPath],
    ) -> Self {
        let body = response.body.take();
        let mut text = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        // The bracket that closes the resource.
        text.pop();
        Self { exchange, resource, projection, named, response, text, list: (0, 0) }
    }

    /// Writes a list that is read for it.
    pub async fn read(
        &mut self,
        collection: &Collection,
        located: &Located,
        native: &Value,
    ) -> Result<(), ExchangeError> {
        let walk = Walk::elements(self.resource, collection, &located.key, native);
        let Some(mut walk) = walk.filter(|_| !state::is_off(located)) else { return Ok(()) };
        self.open(collection);
        while let Some((natives, references)) =
            page(self.exchange, self.resource, collection, &mut walk).await?
        {
            let context = self.exchange.context(self.resource, &references);
            let mut part = Resource::default();
            to_scim::set_collection(&context, collection, &natives, &mut part);
            self.add(collection, part);
        }
        self.close();
        Ok(())
    }

    /// Opens the list of a collection.
    pub fn open(&mut self, collection: &Collection) {
        let begin = self.text.len();
        let name = Value::from(collection.place.attribute.as_str());
        self.text.extend(format!(",{name}:[").into_bytes());
        self.list = (begin, self.text.len());
    }

    /// Writes elements, as a resource has them that has nothing else.
    pub fn add(&mut self, collection: &Collection, mut part: Resource) {
        represent::refer(self.exchange, self.resource, &mut part);
        let part = self.projection.apply(part, &self.resource.resource_type, self.named);
        let elements = part.0.get(&collection.place.attribute).and_then(Value::as_array);
        for element in elements.into_iter().flatten() {
            if self.text.len() > self.list.1 {
                self.text.push(b',');
            }
            // There is nothing that could fail.
            serde_json::to_writer(&mut self.text, element).unwrap_or_default();
        }
    }

    /// Closes the list; one without elements is not there.
    pub fn close(&mut self) {
        let (begin, first) = self.list;
        if self.text.len() > first {
            self.text.push(b']');
        } else {
            self.text.truncate(begin);
        }
    }

    /// The answer.
    pub fn finish(mut self) -> ScimResponse {
        self.text.push(b'}');
        ScimResponse { body: Some(Body::written(self.text)), ..self.response }
    }
}
