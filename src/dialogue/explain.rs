//! What becomes of the filters that identity providers are known to send: which native request
//! each leads to, or why it leads to none. It is the same plan that requests are answered by.

use serde_json::Value;

use crate::convert::context::Context;
use crate::convert::filter::{self, Calls};
use crate::convert::parameters::Parameters;
use crate::convert::{place, request};
use crate::dialogue::laws::Surroundings;
use crate::dialogue::samples;
use crate::exchange::index::{self, Indexed};
use crate::mapping::model::{CollectionSource, FilterRule, Place, Request, ResourceMapping};
use crate::native::message::NativeRequest;
use crate::scim::attr::AttrPath;
use crate::scim::filter::ast::{CompareOp, Filter};
use crate::scim::filter::eval::CompiledFilter;
use crate::scim::value::Dialect;

/// What becomes of one filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The resource type.
    pub resource: String,
    /// The filter, with a value of the examples where there is one.
    pub filter: String,
    /// How it is answered.
    pub answer: Answer,
    /// The native request, or why there is none.
    pub by: String,
}

/// How a filter is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The application filters its list.
    PushedDown,
    /// A request of its own names the matches.
    LookedUp,
    /// The list is read, and the bridge filters.
    Scanned,
    /// The resource of the id is read.
    ById,
    /// Nobody can match, and nothing is asked.
    Nothing,
    /// The client is told that it cannot be answered.
    Refused,
}

impl Answer {
    /// In a word or two.
    pub fn name(self) -> &'static str {
        match self {
            Self::PushedDown => "pushed down",
            Self::LookedUp => "looked up",
            Self::Scanned => "scanned",
            Self::ById => "by id",
            Self::Nothing => "nothing asked",
            Self::Refused => "refused",
        }
    }
}

/// Filters on users. The first is what everybody asks before creating somebody; those with two
/// terms are how Entra ID checks references.
const USER: [&str; 13] = [
    "userName eq {}",
    "userName sw {}",
    "externalId eq {}",
    "emails eq {}",
    "emails.value eq {}",
    "emails[type eq \"work\"].value eq {}",
    "id eq {}",
    "id eq {} and manager eq {}",
    "active eq {}",
    "displayName eq {}",
    "enterprise:employeeNumber eq {}",
    "groups.value eq {}",
    "meta.lastModified gt {}",
];

/// Filters on groups.
const GROUP: [&str; 6] = [
    "displayName eq {}",
    "externalId eq {}",
    "id eq {}",
    "members.value eq {}",
    "id eq {} and members eq {}",
    "meta.lastModified gt {}",
];

/// Explains the filters of one resource: those that are known to be sent, and those that the file
/// has entries for.
pub fn filters(around: &Surroundings<'_>, resource: &ResourceMapping) -> Vec<Line> {
    let references = samples::references(around.mapping);
    let context = Context {
        mapping: around.mapping,
        resource,
        ambient: around.ambient,
        config: around.config,
        references: &references,
    };
    let known: &[&str] = match resource.name.as_str() {
        "User" => &USER,
        "Group" => &GROUP,
        _ => &["id eq {}"],
    };
    let mut texts: Vec<String> = known.iter().map(|text| (*text).to_owned()).collect();
    for rule in &resource.filters {
        let text = format!("{} {{}}", key_of(rule));
        if !texts.iter().any(|known| known.eq_ignore_ascii_case(&text)) {
            texts.push(text);
        }
    }
    texts.iter().map(|text| explain(&context, text)).collect()
}

/// An entry's place and operator, as the file writes them.
pub(crate) fn key_of(rule: &FilterRule) -> String {
    let path = rule
        .path
        .to_string()
        .replace(&format!("{}:", crate::scim::urn::ENTERPRISE_USER), "enterprise:");
    let operator = rule.operator.keyword();
    if rule.selector.is_empty() {
        return format!("{path} {operator}");
    }
    let terms: Vec<String> =
        rule.selector.iter().map(|(name, value)| format!("{name} eq {value}")).collect();
    let (terms, sub) = (terms.join(" and "), rule.path.sub.as_deref());
    let attribute = sub.map_or(path.as_str(), |sub| path.trim_end_matches(&format!(".{sub}")));
    let sub = sub.map(|sub| format!(".{sub}")).unwrap_or_default();
    format!("{attribute}[{terms}]{sub} {operator}")
}

fn explain(context: &Context<'_>, text: &str) -> Line {
    let shown = filled(context, text);
    let sent = shown.replace("enterprise:", &format!("{}:", crate::scim::urn::ENTERPRISE_USER));
    let (answer, by) = match Filter::parse(&sent, Dialect::Lenient) {
        Ok(filter) => planned(context, &filter),
        Err(error) => (Answer::Refused, error.to_string()),
    };
    Line { resource: context.resource.name.clone(), filter: shown, answer, by }
}

/// The filter with values in its holes.
fn filled(context: &Context<'_>, text: &str) -> String {
    let terms = text.split(" and ").map(|term| {
        let path = term.split(' ').next().unwrap_or_default();
        term.replace("{}", &value_for(context, path).to_string())
    });
    terms.collect::<Vec<_>>().join(" and ")
}

/// A value for an attribute: one of the examples', else something of its type.
fn value_for(context: &Context<'_>, path: &str) -> Value {
    let resource = context.resource;
    let is_of = |attribute: &str| path == attribute || path.starts_with(&format!("{attribute}."));
    if is_of("id") {
        return ids(context, &resource.name);
    }
    let list = resource.collections.iter().find(|list| is_of(&list.place.attribute));
    if let Some(target) = list.and_then(|list| list.reference.as_ref()) {
        return ids(context, target);
    }
    // The prefix of an extension may be left out in a filter.
    let plain = path.rsplit_once(':').map_or(path, |(_, name)| name);
    let plain = plain.split('[').next().unwrap_or(plain);
    let is_meant = |place: &&Place| {
        let name = [Some(place.attribute.as_str()), place.sub.as_deref()];
        let name = name.into_iter().flatten().collect::<Vec<_>>().join(".");
        name == plain || place.attribute == plain || plain.starts_with(&format!("{name}."))
    };
    let row = resource.rows.iter().find(|row| row.places().any(|place| is_meant(&place)));
    if let Some(target) = row.and_then(|row| row.reference.as_ref()) {
        return ids(context, target);
    }
    let written = samples::resources(context.mapping, resource);
    let place = row.and_then(|row| row.places().find(is_meant));
    let found =
        place.and_then(|place| written.iter().find_map(|scim| place::read(place, true, scim)));
    match found {
        Some(value) if !value.is_object() && !value.is_array() => value.clone(),
        Some(_) | None if path == "active" => Value::Bool(true),
        Some(_) | None if path.starts_with("meta.") => Value::from("2024-05-01T08:00:00Z"),
        Some(_) | None if path.starts_with("emails") => Value::from("ada@example.org"),
        Some(_) | None => Value::from("ada"),
    }
}

fn ids(context: &Context<'_>, target: &str) -> Value {
    samples::ids(context.mapping, target).into_iter().next().unwrap_or_else(|| Value::from("7"))
}

fn planned(context: &Context<'_>, filter: &Filter) -> (Answer, String) {
    let resource = context.resource;
    if let Err(error) = CompiledFilter::new(filter, &resource.resource_type, Dialect::Lenient) {
        return (Answer::Refused, error.to_string());
    }
    let plan = match filter::plan(context, filter) {
        Ok(plan) => plan,
        Err(error) => return (Answer::Refused, error.to_string()),
    };
    let or_scan = if plan.may_miss { ", then a scan when nobody is found" } else { "" };
    match plan.calls {
        Calls::Nothing => (Answer::Nothing, "no such resource".to_owned()),
        Calls::ById(id) => (Answer::ById, by_id(context, &id)),
        Calls::LookUp(_, native) => (Answer::LookedUp, format!("{}{or_scan}", shown(&native))),
        Calls::List(_) if index::is_kept(resource, filter) => {
            (Answer::LookedUp, "the side-car's index, then each record by itself".to_owned())
        }
        Calls::List(parameters) => listed(context, filter, parameters, or_scan),
    }
}

fn by_id(context: &Context<'_>, id: &str) -> String {
    let resource = context.resource;
    let Some(get) = &resource.get else { return "the list, and pick".to_owned() };
    let key = context.references.key(context.mapping, &resource.name, id).unwrap_or_default();
    let key = crate::convert::key::typed(&resource.id, &key);
    let scope = context.scope().with("id", &key);
    built(get, &scope)
}

/// What helps where a match reads the list.
const INDEX: &str = "; with [tenants.index] one call";

/// Whether a filter is how identity providers find the one they mean, and could be indexed.
fn is_match(resource: &ResourceMapping, filter: &Filter) -> bool {
    let Filter::Compare(path, CompareOp::Eq, _) = filter else { return false };
    let is_name = ["userName", "displayName", "externalId"].contains(&path.attr.as_str());
    is_name && resource.get.is_some() && Indexed::of(resource, path).is_some()
}

/// What a scan costs beside the list, and whether it can find anybody at all.
fn one_by_one(context: &Context<'_>, filter: &Filter) -> String {
    let resource = context.resource;
    let mut text = String::new();
    for path in filter.terms().iter().filter_map(path_of) {
        if resource.resource_type.resolve(path).is_none() {
            text.push_str("; no row maps it, so nobody matches");
        }
        let list = resource.collections.iter().find(|list| {
            list.place.attribute.eq_ignore_ascii_case(&path.attr)
                && matches!(list.source, CollectionSource::List(_))
        });
        if let Some(list) = list {
            text.extend(["; the ", &list.label, " of each by a request of its own"]);
        }
    }
    text
}

fn path_of(term: &Filter) -> Option<&AttrPath> {
    match term {
        Filter::Compare(path, ..) | Filter::Present(path) | Filter::ValuePath(path, _) => {
            Some(path)
        }
        Filter::And(_) | Filter::Or(_) | Filter::Not(_) => None,
    }
}

fn listed(
    context: &Context<'_>,
    filter: &Filter,
    parameters: Parameters,
    or_scan: &str,
) -> (Answer, String) {
    let resource = context.resource;
    let Some(list) = &resource.list else {
        return (Answer::Refused, "there is no list to look through".to_owned());
    };
    if parameters.is_empty() {
        return match resource.scan_limit {
            0 => (Answer::Refused, "scan_limit: 0 forbids to look through the list".to_owned()),
            limit => {
                let call = built(list, &context.scope());
                let each = one_by_one(context, filter);
                let hint = if is_match(resource, filter) { INDEX } else { "" };
                (Answer::Scanned, format!("{call}, at most {limit} records{each}{hint}"))
            }
        };
    }
    match request::build_list(list, &context.scope(), parameters.body) {
        Ok(mut native) => {
            native.query.extend(parameters.query);
            (Answer::PushedDown, format!("{}{or_scan}", shown(&native)))
        }
        Err(error) => (Answer::Refused, error.to_string()),
    }
}

fn built(request: &Request, scope: &crate::mapping::scope::Scope<'_>) -> String {
    match request::build(request, scope, None) {
        Ok(native) => shown(&native),
        Err(_) => request.method.name().to_owned(),
    }
}

/// A request on one line, as people write it.
fn shown(native: &NativeRequest) -> String {
    let query: Vec<String> =
        native.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let path = crate::dialogue::script::decoded(&native.path);
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{} {path}{mark}{}", native.method.name(), query.join("&"))
}
