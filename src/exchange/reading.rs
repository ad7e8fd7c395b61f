//! What a request says, read in the tenant's dialect.
//!
//! RFC 7643 sections 2 and 3, RFC 7644 sections 3.3, 3.4.2 and 3.5. Here, and nowhere else in the
//! engine, the dialect meets text of a client; what only the lenient one understands is noted, and
//! told once a request: as an event for logs and in the tenant's counters.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::convert::delta::Delta;
use crate::convert::error::ConvertError;
use crate::convert::place;
use crate::convert::references::{self, Reference, References, Wanted};
use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::mapping::model::ResourceMapping;
use crate::scim::bulk::request::BulkRequest;
use crate::scim::deviation::Deviation;
use crate::scim::filter::eval;
use crate::scim::patch::request::PatchRequest;
use crate::scim::query::Query;
use crate::scim::resource::Resource;
use crate::scim::schema::ResourceType;
use crate::scim::validate;
use crate::scim::value::Dialect;

impl Exchange<'_> {
    /// The query part of the URL.
    pub fn query(&self, raw: &str) -> Result<Query, ExchangeError> {
        Ok(self.noting(|noted| Query::parse(raw, self.tenant.dialect, noted))?)
    }

    /// The body of a search.
    pub fn search_request(&self, body: &Value) -> Result<Query, ExchangeError> {
        Ok(self.noting(|noted| Query::from_search_request(body, self.tenant.dialect, noted))?)
    }

    /// Notes the literals of a query's filter that are not of their attributes' types. The query
    /// itself is read before its resource type is looked at.
    pub fn note_literals(&self, resource: &ResourceMapping, query: &Query) {
        if let Some(filter) = &query.filter
            && self.tenant.dialect == Dialect::Lenient
        {
            self.noting(|noted| eval::note_literals(filter, &resource.resource_type, noted));
        }
    }

    /// The body of a POST or PUT, with everything that is required.
    pub fn resource(
        &self,
        body: &Value,
        resource_type: &ResourceType,
    ) -> Result<Resource, ExchangeError> {
        let read = self.read(body, resource_type)?;
        validate::require(&read, resource_type)?;
        Ok(read)
    }

    /// The same, where what is required may still come from elsewhere.
    pub fn read(
        &self,
        body: &Value,
        resource_type: &ResourceType,
    ) -> Result<Resource, ExchangeError> {
        let dialect = self.tenant.dialect;
        Ok(self.noting(|noted| validate::read_resource(body, resource_type, dialect, noted))?)
    }

    /// The body of a PATCH.
    pub fn patch_request(
        &self,
        body: &Value,
        resource_type: &ResourceType,
    ) -> Result<PatchRequest, ExchangeError> {
        let dialect = self.tenant.dialect;
        Ok(self.noting(|noted| PatchRequest::parse(body, resource_type, dialect, noted))?)
    }

    /// The body of a bulk request.
    pub fn bulk_request(&self, body: &Value) -> Result<BulkRequest, ExchangeError> {
        Ok(self.noting(|noted| BulkRequest::parse_noting(body, self.tenant.dialect, noted))?)
    }

    /// Whether a path segment names this endpoint. URLs compare by letter case; not all clients
    /// know.
    pub fn is_named(&self, endpoint: &str, segment: &str) -> bool {
        if endpoint == segment {
            return true;
        }
        self.is_nicknamed(endpoint, segment)
    }

    /// Whether a path segment is another name of an endpoint, which only the lenient dialect
    /// knows.
    pub fn is_nicknamed(&self, name: &str, segment: &str) -> bool {
        let is_it = self.tenant.dialect == Dialect::Lenient && name.eq_ignore_ascii_case(segment);
        if is_it {
            self.noting(|noted| noted.note(Deviation::EndpointSpelling));
        }
        is_it
    }

    /// Refuses references to resources that do not exist. The lenient dialect leaves them out:
    /// identity providers send references before, or without, their targets. `before` is what the
    /// resource refers to already.
    pub fn check_references(
        &self,
        resource: &ResourceMapping,
        before: &Resource,
        wanted: &Resource,
        references: &References,
    ) -> Result<(), ExchangeError> {
        let mapping = &self.tenant.mapping;
        let have: BTreeSet<Reference> = references::named(resource, before).into_iter().collect();
        for reference in references::named(resource, wanted) {
            let Reference { path, target, id } = &reference;
            if have.contains(&reference) || references.knows(mapping, target, id) {
                continue;
            }
            if self.tenant.dialect == Dialect::Strict {
                return Err(ConvertError::UnknownReference { path: path.clone() }.into());
            }
            self.noting(|noted| noted.note(Deviation::UnknownReference));
        }
        Ok(())
    }

    /// The same for elements that are added without anybody reading the resource.
    pub async fn check_added(
        &self,
        resource: &ResourceMapping,
        deltas: &BTreeMap<usize, Delta>,
    ) -> Result<(), ExchangeError> {
        if deltas.values().all(|delta| delta.add.is_empty()) {
            return Ok(());
        }
        let mut added = Resource::default();
        for (index, delta) in deltas {
            let Some(collection) = resource.collections.get(*index) else { continue };
            let elements = Value::Array(delta.add.clone());
            place::write(&collection.place, &mut added, elements, &Map::new());
        }
        let mut ids = Wanted::new();
        references::ids_in(&self.tenant.mapping, resource, &added, &mut ids);
        let references = self.resolve(Wanted::new(), ids).await?;
        self.check_references(resource, &Resource::default(), &added, &references)
    }

    /// Tells what was noted: once, when the request has been answered.
    pub fn report(&self) {
        let noted = self.deviations();
        if noted.is_empty() {
            return;
        }
        self.tenant.deviations.add(&noted);
        let (tenant, request_id) = (self.tenant.name.as_str(), self.ambient.request_id.as_str());
        let kinds: Vec<String> =
            noted.iter().map(|(kind, count)| format!("{}={count}", kind.keyword())).collect();
        let deviations = kinds.join(" ");
        tracing::debug!(tenant, request_id, deviations, "request leaves the letter of the RFC");
    }
}
