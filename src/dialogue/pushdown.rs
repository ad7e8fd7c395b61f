//! How a filter is answered, in words: what the application is asked, and what the bridge filters
//! itself.

use std::sync::Arc;

use serde_json::Value;

use crate::convert::context::Context;
use crate::convert::filter::{self, Calls};
use crate::convert::references::Wanted;
use crate::dialogue::script::ScriptedUpstream;
use crate::dialogue::{recorder, stage};
use crate::exchange::index;
use crate::exchange::native::Exchange;
use crate::exchange::request::ScimRequest;
use crate::mapping::model::{Given, Mapping, ResourceMapping};
use crate::scim::filter::ast::Filter;
use crate::scim::filter::typed::{Typed, typed};

/// How a filter is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The filter.
    pub filter: String,
    /// What the application is asked.
    pub asked: String,
    /// What the bridge filters by; `None` when the application's answer is taken as it is.
    pub here: Option<String>,
}

/// How the filter of a request is answered; `None` when it has none, or none that can be read.
pub async fn of_request(
    mapping: &Arc<Mapping>,
    given: &Given,
    request: &ScimRequest,
) -> Option<Answered> {
    let silent = Arc::new(ScriptedUpstream::new(Vec::new()));
    let tenant = stage::set(mapping, given, silent).await.ok()?;
    let exchange = Exchange::new(&tenant, request.request_id.clone(), request.base.clone());
    let first = request.segments.first()?;
    let resource = mapping.resources.iter().find(|resource| {
        exchange.is_named(resource.resource_type.endpoint.trim_start_matches('/'), first)
    })?;
    let is_search = request.segments.get(1).is_some_and(|segment| segment == ".search");
    let query = if is_search {
        exchange.search_request(&serde_json::from_slice(&request.body).ok()?)
    } else {
        exchange.query(&request.query)
    };
    let filter = query.ok()?.filter?;
    Some(of_filter(&exchange, resource, &filter).await)
}

async fn of_filter(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    filter: &Filter,
) -> Answered {
    let written = filter.to_string();
    let left = match typed(filter, &resource.name, exchange.tenant.dialect) {
        Ok(Typed::Some(filter)) => filter,
        Ok(Typed::Nothing) => {
            let asked = "nothing: no resource of this type can match".to_owned();
            return Answered { filter: written, asked, here: None };
        }
        Ok(Typed::All) => {
            let asked = "for its whole list: every resource of this type matches".to_owned();
            return Answered { filter: written, asked, here: None };
        }
        Err(error) => {
            let asked = format!("nothing: {error}");
            return Answered { filter: written, asked, here: None };
        }
    };
    // A text may be the id of a resource whose key was issued one.
    let mut ids = Wanted::new();
    texts(&left, &mut |text| {
        let resources = &exchange.tenant.mapping.resources;
        ids.issued
            .extend(resources.iter().map(|resource| (resource.name.clone(), text.to_owned())));
    });
    let references = exchange.resolve(Wanted::new(), ids).await.unwrap_or_default();
    let context = exchange.context(resource, &references);
    let (asked, here) = told(&context, resource, &left);
    Answered { filter: written, asked, here }
}

fn told(
    context: &Context<'_>,
    resource: &ResourceMapping,
    filter: &Filter,
) -> (String, Option<String>) {
    let plan = match filter::plan(context, filter) {
        Ok(plan) => plan,
        Err(error) => return (format!("nothing: {error}"), None),
    };
    let mut asked = match &plan.calls {
        Calls::Nothing => "nothing: it speaks of a resource that does not exist".to_owned(),
        Calls::ById(id) => format!("for the resource of id {id}"),
        Calls::LookUp(_, request) => recorder::target(request),
        Calls::List(_) if index::is_kept(resource, filter) => {
            "for each record that the side-car's index names".to_owned()
        }
        Calls::List(parameters) if parameters.is_empty() => scan(resource),
        Calls::List(parameters) => {
            let pairs = parameters.query.iter().map(|(name, value)| format!("{name}={value}"));
            let body = Some(&parameters.body).filter(|body| !body.is_null());
            let said: Vec<String> = pairs.chain(body.map(ToString::to_string)).collect();
            format!("for its list with {}", said.join("&"))
        }
    };
    if plan.may_miss {
        asked.push_str("; if that finds nobody, ");
        asked.push_str(&scan(resource));
    }
    let here = plan.residual.as_ref().map(Filter::to_string);
    (asked, here)
}

fn scan(resource: &ResourceMapping) -> String {
    match (resource.scan_limit, &resource.list) {
        (_, None) => "nothing: it has no list to read".to_owned(),
        (0, Some(_)) => "nothing: scan_limit forbids reading the list".to_owned(),
        (limit, Some(_)) => format!("for its whole list, at most {limit} records"),
    }
}

/// Every text that a filter compares with.
fn texts(filter: &Filter, found: &mut impl FnMut(&str)) {
    match filter {
        Filter::Compare(_, _, Value::String(text)) => found(text),
        Filter::Compare(..) | Filter::Present(_) => {}
        Filter::And(terms) | Filter::Or(terms) => {
            for term in terms {
                texts(term, found);
            }
        }
        Filter::Not(inner) | Filter::ValuePath(_, inner) => texts(inner, found),
    }
}
