//! Answers that hold members of large groups.
//!
//! As trees, a hundred thousand members take ten times the room of the answer in which they are
//! told. So the elements of a collection behind a request of its own become text page by page,
//! behind the text of everything else; a law holds this together with what lists of groups say.

use serde_json::Value;

use crate::convert::{apart, to_scim};
use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::exchange::pieces::Pieces;
use crate::exchange::represent;
use crate::exchange::response::{Body, ScimResponse};
use crate::exchange::state::Located;
use crate::exchange::version::Record;
use crate::mapping::model::{Collection, ResourceMapping};
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
    let (apart, within) = parted(resource, external);
    let state = exchange.state(resource, located, record, &within).await?;
    let response = represent::answer(exchange, resource, 200, state.view, projection, &[]);
    let mut told = Told::new(exchange, resource, response, projection, &[]);
    told.read(&apart, located, &state.native).await?;
    Ok(told.finish())
}

/// Those of the collections that can be told behind everything else, and the others.
pub fn parted(resource: &ResourceMapping, external: Vec<usize>) -> (Vec<usize>, Vec<usize>) {
    external.into_iter().partition(|index| {
        resource.collections.get(*index).is_some_and(|it| apart::stands_alone(resource, it))
    })
}

/// An answer on its way: what it ends with is still written.
pub struct Told<'a> {
    exchange: &'a Exchange<'a>,
    resource: &'a ResourceMapping,
    projection: &'a Projection,
    named: &'a [AttrPath],
    response: ScimResponse,
    /// The resource without its last bracket, once there is something to be told.
    text: Vec<u8>,
    /// Where the list that is open begins, and where its elements do.
    list: (usize, usize),
}

impl<'a> Told<'a> {
    /// An answer that holds everything else. `named` are attributes that a write request named.
    pub fn new(
        exchange: &'a Exchange<'a>,
        resource: &'a ResourceMapping,
        response: ScimResponse,
        projection: &'a Projection,
        named: &'a [AttrPath],
    ) -> Self {
        Self { exchange, resource, projection, named, response, text: Vec::new(), list: (0, 0) }
    }

    /// Tells collections that are read for it.
    pub async fn read(
        &mut self,
        collections: &[usize],
        located: &Located,
        native: &Value,
    ) -> Result<(), ExchangeError> {
        let (exchange, resource) = (self.exchange, self.resource);
        for collection in collections.iter().filter_map(|index| resource.collections.get(*index)) {
            let pieces = Pieces::new(exchange, resource, collection, located, native);
            let Some(mut pieces) = pieces else { continue };
            self.open(collection);
            while let Some((natives, references)) = pieces.next().await? {
                let context = exchange.context(resource, &references);
                let mut part = Resource::default();
                to_scim::set_collection(&context, collection, &natives, &mut part);
                self.add(collection, part);
            }
            self.close();
        }
        Ok(())
    }

    /// Opens the list of a collection.
    pub fn open(&mut self, collection: &Collection) {
        if let Some(body) = self.response.body.take() {
            self.text = body.to_string().into_bytes();
            self.text.pop();
        }
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
        if self.text.is_empty() {
            return self.response;
        }
        self.text.push(b'}');
        ScimResponse { body: Some(Body::written(self.text)), ..self.response }
    }
}
