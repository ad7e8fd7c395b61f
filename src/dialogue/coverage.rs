//! What a file does not speak of: native members of its examples that no row reads (W314), and
//! operations that no test shows (I503). Both are hints at what was forgotten, so each resource
//! is told once, with all that is missing.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::convert::place;
use crate::dialogue::explain;
use crate::mapping::diagnostic::{Diagnostic, Position, unmapped_members, untested};
use crate::mapping::model::{
    Activate, Call, CollectionSource, Deactivate, Delete, FilterRule, Locator, Mapping, Mode,
    Request, ResourceMapping, Test, VersionRule,
};
use crate::native::path::NativePath;
use crate::scim::attr::AttrPath;
use crate::scim::filter::ast::Filter;
use crate::scim::value::Dialect;

/// Most places that one diagnostic names.
const MOST_NAMED: usize = 12;

/// Everything that a file leaves out.
pub fn gaps(mapping: &Mapping) -> Vec<Diagnostic> {
    let of = |resource| unread(resource).into_iter().chain(unplayed(mapping, resource));
    mapping.resources.iter().flat_map(of).collect()
}

/// Native members that occur in examples and that nothing names (W314).
fn unread(resource: &ResourceMapping) -> Option<Diagnostic> {
    let mut named: Vec<&NativePath> = vec![&resource.id.path];
    named.extend(&resource.unmapped);
    if let Some(VersionRule { from: Locator::Body(path), .. }) = &resource.version {
        named.push(path);
    }
    for row in &resource.rows {
        named.extend(row.sources());
        named.extend(row.targets());
    }
    let lists = resource.collections.iter().filter_map(|list| match &list.source {
        CollectionSource::Items(path) => Some(path),
        CollectionSource::List(_) => None,
    });
    named.extend(lists);
    let mentioned = mentioned(resource);
    named.extend(&mentioned);
    let mut missing: Vec<String> = Vec::new();
    let mut at = None;
    for example in &resource.examples {
        let before = missing.len();
        walk("$", &example.native, &named, &mut missing);
        if missing.len() > before && at.is_none() {
            at = Some(Position { line: example.line, column: example.column });
        }
    }
    at.map(|at| unmapped_members(at, &resource.name, &shortened(missing)))
}

/// Native members that requests mention, as in `{native.team.id}`.
fn mentioned(resource: &ResourceMapping) -> Vec<NativePath> {
    let steps = |requests: &'_ [Request]| -> Vec<String> {
        requests.iter().flat_map(Request::mentions).collect()
    };
    let formulas = resource.rows.iter().map(|row| &row.formulas);
    let formulas = formulas.flat_map(|own| own.to_scim.iter().chain(&own.to_native));
    let mut names: Vec<String> = formulas.flat_map(|own| own.mentions().clone()).collect();
    names.extend(steps(&resource.create));
    names.extend(resource.changing().flat_map(Request::mentions));
    if let Delete::Requests(requests) = &resource.delete {
        names.extend(steps(requests));
    }
    if let Activate::Requests(requests) = &resource.activate {
        names.extend(steps(requests));
    }
    if let Deactivate::Requests(requests) = &resource.deactivate {
        names.extend(steps(requests));
    }
    for list in &resource.collections {
        let calls = [&list.add, &list.change, &list.remove, &list.set];
        names.extend(calls.into_iter().flatten().flat_map(Request::mentions));
    }
    let paths = names.iter().filter_map(|name| name.strip_prefix("native."));
    paths.filter_map(|path| NativePath::parse(&format!("$.{path}")).ok()).collect()
}

/// Adds the members of an object that nothing names, and those inside of members that are named in
/// part.
fn walk(prefix: &str, value: &Value, named: &[&NativePath], missing: &mut Vec<String>) {
    let Some(members) = value.as_object() else { return };
    for (name, value) in members {
        let text = format!("{prefix}{}", member(name));
        let Ok(path) = NativePath::parse(&text) else { continue };
        let touching: Vec<&&NativePath> =
            named.iter().filter(|named| named.overlaps(&path)).collect();
        if touching.is_empty() {
            if !missing.contains(&text) {
                missing.push(text);
            }
            continue;
        }
        // A path that goes deeper names only what it leads to.
        let is_whole = touching.iter().any(|named| named.depth() <= path.depth());
        if !is_whole {
            walk(&text, value, named, missing);
        }
    }
}

fn member(name: &str) -> String {
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty();
    if is_plain { format!(".{name}") } else { format!("['{}']", name.replace('\'', "\\'")) }
}

fn shortened(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(MOST_NAMED);
    names.truncate(MOST_NAMED);
    let text = names.join(", ");
    if more == 0 { text } else { format!("{text} and {more} more") }
}

/// Operations that no test shows (I503).
fn unplayed(mapping: &Mapping, resource: &ResourceMapping) -> Option<Diagnostic> {
    let played: Vec<Played<'_>> =
        mapping.tests.iter().filter_map(|test| Played::of(test, resource)).collect();
    let mut missing: Vec<String> = Vec::new();
    let mut need = |there: bool, shown: bool, name: &str| {
        if there && !shown {
            missing.push(name.to_owned());
        }
    };
    let verb = |verb: &str| played.iter().any(|test| test.verb == verb);
    let list =
        played.iter().any(|test| test.verb == "GET" && test.is_endpoint && test.filter.is_none());
    let one = played.iter().any(|test| test.verb == "GET" && !test.is_endpoint);
    need(!resource.create.is_empty(), verb("POST"), "create");
    need(resource.get.is_some() || resource.list.is_some(), one, "get");
    need(resource.list.is_some(), list, "list");
    need(resource.changing().next().is_some(), verb("PATCH") || verb("PUT"), "update");
    need(!matches!(resource.delete, Delete::NotAllowed), verb("DELETE"), "delete");
    let switches = can_switch(resource);
    need(switches, played.iter().any(|test| test.sets_active(true)), "activate");
    need(switches, played.iter().any(|test| test.sets_active(false)), "deactivate");
    for list in &resource.collections {
        for (what, request) in [
            ("add", &list.add),
            ("change", &list.change),
            ("remove", &list.remove),
            ("set", &list.set),
        ] {
            let shown = request.as_ref().is_some_and(|request| is_called(mapping, request));
            need(request.is_some(), shown, &format!("{what} of {}", list.label));
        }
    }
    for rule in &resource.filters {
        let shown = played.iter().any(|test| test.asks(resource, rule));
        need(true, shown, &format!("filter {}", explain::key_of(rule)));
    }
    let at = Position { line: resource.line, column: resource.column };
    (!missing.is_empty()).then(|| untested(at, &resource.name, &shortened(missing)))
}

/// Whether switching on and off is something that the application does.
fn can_switch(resource: &ResourceMapping) -> bool {
    let by_verb = !matches!(resource.activate, Activate::ViaUpdate)
        || !matches!(resource.deactivate, Deactivate::ViaUpdate);
    let by_row = resource.rows.iter().any(|row| {
        place::is_of(&row.place, None, "active") && matches!(row.mode, Mode::Both | Mode::Write)
    });
    by_verb || by_row && resource.changing().next().is_some()
}

/// Whether a test expects this request: same method, and a path that its template can make.
fn is_called(mapping: &Mapping, request: &Request) -> bool {
    let fits = |call: &Call| {
        let path = call.path.split('?').next().unwrap_or_default();
        call.method == request.method && request.path.can_be(path)
    };
    mapping.tests.iter().any(|test| test.native.iter().any(fits))
}

/// A test of one resource type.
struct Played<'t> {
    verb: &'t str,
    /// Whether it asks the endpoint itself, not one resource.
    is_endpoint: bool,
    filter: Option<Filter>,
    body: Option<&'t Value>,
}

impl<'t> Played<'t> {
    fn of(test: &'t Test, resource: &ResourceMapping) -> Option<Self> {
        let (verb, target) = test.scim.split_once(' ')?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let rest = path.strip_prefix(resource.resource_type.endpoint.as_str())?;
        let is_search = rest == "/.search";
        let written = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("filter="))
            .or_else(|| test.body.as_ref()?.get("filter")?.as_str().filter(|_| is_search));
        let filter = written.and_then(|text| Filter::parse(text, Dialect::Lenient).ok());
        let is_endpoint = rest.is_empty() || rest == "/" || is_search;
        let verb = if is_search { "GET" } else { verb };
        let body = test.body.as_ref();
        (rest.is_empty() || rest.starts_with('/')).then_some(Self {
            verb,
            is_endpoint,
            filter,
            body,
        })
    }

    /// Whether its body says that somebody is to be active, or not.
    fn sets_active(&self, wanted: bool) -> bool {
        matches!(self.verb, "POST" | "PUT" | "PATCH")
            && self.body.is_some_and(|body| says_active(body, wanted))
    }

    fn asks(&self, resource: &ResourceMapping, rule: &FilterRule) -> bool {
        self.filter.as_ref().is_some_and(|filter| compares(resource, filter, rule))
    }
}

fn says_active(value: &Value, wanted: bool) -> bool {
    let is_wanted = |value: &Value| match value {
        Value::Bool(value) => *value == wanted,
        Value::String(text) => text.eq_ignore_ascii_case(if wanted { "true" } else { "false" }),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
    };
    match value {
        Value::Object(members) => {
            let is_path = members
                .get("path")
                .and_then(Value::as_str)
                .is_some_and(|path| path.eq_ignore_ascii_case("active"));
            is_path && members.get("value").is_some_and(is_wanted)
                || members.iter().any(|(name, value)| {
                    name.eq_ignore_ascii_case("active") && is_wanted(value)
                        || says_active(value, wanted)
                })
        }
        Value::Array(elements) => elements.iter().any(|element| says_active(element, wanted)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Whether a filter has the comparison that an entry speaks of.
fn compares(resource: &ResourceMapping, filter: &Filter, rule: &FilterRule) -> bool {
    match filter {
        Filter::Compare(path, operator, _) => {
            *operator == rule.operator && is_same(resource, path, &rule.path)
        }
        Filter::And(terms) | Filter::Or(terms) => {
            terms.iter().any(|term| compares(resource, term, rule))
        }
        Filter::Not(inner) => compares(resource, inner, rule),
        Filter::ValuePath(path, inner) => {
            inner.of_attribute(path).any(|term| compares(resource, &term, rule))
        }
        Filter::Present(_) => false,
    }
}

/// Whether two paths name one attribute; a complex attribute alone means its `value`.
fn is_same(resource: &ResourceMapping, left: &AttrPath, right: &AttrPath) -> bool {
    let resource_type = &resource.resource_type;
    let (Some(left), Some(right)) = (resource_type.resolve(left), resource_type.resolve(right))
    else {
        return false;
    };
    let subs: BTreeSet<&str> = [left, right]
        .iter()
        .map(|found| found.sub.map_or("value", |sub| sub.name.as_str()))
        .collect();
    std::ptr::eq(left.attribute, right.attribute) && subs.len() == 1
}
