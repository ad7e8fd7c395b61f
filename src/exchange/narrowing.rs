//! How far the application narrows a list by a filter, and how much of it is left to be read.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::convert::filter::{self, Calls};
use crate::convert::parameters::Parameters;
use crate::convert::references::{Wanted, ids_in, names_in};
use crate::convert::{place, places};
use crate::exchange::error::ExchangeError;
use crate::exchange::links::Scope;
use crate::exchange::native::Exchange;
use crate::mapping::model::{Place, ResourceMapping, Row};
use crate::scim::filter::ast::Filter;
use crate::scim::resource::Resource;

/// How the list answers a filter.
pub struct Narrowing {
    /// What is added to the list request.
    pub parameters: Parameters,
    /// An empty answer may be wrong: scan then.
    pub may_miss: bool,
    /// What the bridge filters by.
    pub residual: Option<Filter>,
    /// Collections by which the application itself chooses.
    pub answered: BTreeSet<usize>,
}

/// How the list answers a filter; `None` when the list is not what is asked.
pub async fn narrowing(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    filter: Option<&Filter>,
) -> Result<Option<Narrowing>, ExchangeError> {
    let Some(filter) = filter else {
        let answered = BTreeSet::new();
        let parameters = Parameters::default();
        return Ok(Some(Narrowing { parameters, may_miss: false, residual: None, answered }));
    };
    let mut ids = Wanted::new();
    reference_ids(exchange, resource, filter, &mut ids);
    let references = exchange.resolve(Wanted::new(), ids).await?;
    let plan = filter::plan(&exchange.context(resource, &references), filter)?;
    let residual = if plan.answered.is_empty() { Some(filter.clone()) } else { plan.residual };
    if let Calls::List(parameters) = &plan.calls {
        let scope = Breadth::of(parameters).index();
        if exchange.is_indexed(resource, filter, scope).await? {
            return Ok(None);
        }
    }
    Ok(match plan.calls {
        Calls::List(parameters) => Some(Narrowing {
            parameters,
            may_miss: plan.may_miss,
            residual,
            answered: plan.answered,
        }),
        Calls::Nothing | Calls::ById(_) | Calls::LookUp(..) => None,
    })
}

/// The ids that a filter compares references with.
pub(in crate::exchange) fn reference_ids(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    filter: &Filter,
    ids: &mut Wanted,
) {
    match filter {
        Filter::Compare(path, _, Value::String(id)) => {
            // A resource with nothing but this value under this name finds out whose id it is.
            let Some(found) = resource.resource_type.resolve(path) else { return };
            let mut probe = Resource::default();
            let extension = found.extension.map(|schema| schema.id.as_str());
            let name = found.attribute.name.as_str();
            let is_meant = |place: &Place| place::is_of(place, extension, name);
            let is_single = |row: &&Row| !row.is_several() && is_meant(&row.place);
            for row in resource.rows.iter().filter(is_single) {
                places::write(row, &mut probe, Value::from(id.as_str()));
            }
            for list in resource.collections.iter().filter(|list| is_meant(&list.place)) {
                let element = serde_json::json!([{ "value": id }]);
                place::write(&list.place, &mut probe, element, &serde_json::Map::new());
            }
            let nothing = Resource::default();
            ids_in(&exchange.tenant.mapping, resource, &probe, ids);
            names_in(&exchange.tenant.mapping, resource, &nothing, &probe, ids);
        }
        Filter::Compare(..) | Filter::Present(_) => {}
        Filter::And(terms) | Filter::Or(terms) => {
            for term in terms {
                reference_ids(exchange, resource, term, ids);
            }
        }
        Filter::Not(inner) => reference_ids(exchange, resource, inner, ids),
        Filter::ValuePath(path, inner) => {
            for flat in inner.of_attribute(path) {
                reference_ids(exchange, resource, &flat, ids);
            }
        }
    }
}

/// How much of the list a filter leaves to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breadth {
    /// What the application has chosen.
    Narrowed,
    /// All of it.
    Whole,
}

/// Records that a narrowed list may have although scanning is forbidden.
const NARROWED_LIMIT: usize = 2000;

impl Breadth {
    /// How much a list with these parameters is.
    pub fn of(parameters: &Parameters) -> Self {
        if parameters.is_empty() { Self::Whole } else { Self::Narrowed }
    }

    /// What the index is asked for instead.
    pub(in crate::exchange) fn index(self) -> Scope {
        match self {
            Self::Narrowed => Scope::Kept,
            Self::Whole => Scope::All,
        }
    }

    /// Most records that may be read.
    pub fn limit(self, resource: &ResourceMapping) -> usize {
        match (resource.scan_limit, self) {
            (0, Self::Narrowed) => NARROWED_LIMIT,
            (limit, Self::Narrowed | Self::Whole) => limit,
        }
    }

    /// Refuses to read more than may be read.
    pub fn check(self, resource: &ResourceMapping, read: u64) -> Result<(), ExchangeError> {
        let limit = self.limit(resource);
        if limit == 0 || read > limit as u64 {
            return Err(ExchangeError::TooMany { limit });
        }
        Ok(())
    }
}
