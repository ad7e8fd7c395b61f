//! What can be pushed down: `filters`, `filter_defaults` and `filter_language` (E113, E308 to
//! E310, W306).
//!
//! Faults inside an entry are told at the entry's key.

use serde_json::Value;

use crate::mapping::compile::context::Context;
use crate::mapping::compile::label::Label;
use crate::mapping::compile::request::{embedded, has_body, link, records};
use crate::mapping::compile::subject::{Asked, Surroundings, subject};
use crate::mapping::compile::variables::{FILTER, JUNCTION, NEGATION};
use crate::mapping::diagnostic::{
    bad_filter_key, case_sensitive_lookup, exclusive, missing_choice, term_without_language,
    unescaped, unknown_field, wrong_value,
};
use crate::mapping::file::reader::At;
use crate::mapping::file::request;
use crate::mapping::file::resource::{Filter, FilterEntry, FilterQuery, Resource};
use crate::mapping::file::scalar::Tpl;
use crate::mapping::model;
use crate::mapping::model::{
    BodyFormat, Carries, FilterAction, FilterCase, FilterLanguage, FilterRule, Missing,
    ParameterPlace, Request, RequestBody, SendMode,
};
use crate::mapping::template::Template;
use crate::mapping::yaml::Node;
use crate::native::message::Method;
use crate::scim::attr::AttrPath;
use crate::scim::filter::ast::CompareOp;

/// Compiles every entry of `filters`.
pub(crate) fn filters(around: &Surroundings<'_>, context: &mut Context) -> Vec<FilterRule> {
    if let Some(defaults) = &around.written.filter_defaults {
        refuse_actions(defaults, context);
    }
    let Some(At { value: entries, .. }) = &around.written.filters else { return Vec::new() };
    let mut rules = Vec::new();
    for (key, FilterEntry(filter)) in &entries.0 {
        let label = Label { text: key.name.clone(), at: key.at };
        rules.extend(rule(&label, filter, around, context));
    }
    rules
}

/// Compiles `filter_language`.
pub(crate) fn language(written: &Resource, context: &mut Context) -> Option<FilterLanguage> {
    let language = written.filter_language.as_ref()?;
    let default = |text: &str| Tpl(At { value: Value::from(text), at: language.at });
    let and = default("({a} AND {b})");
    let or = default("({a} OR {b})");
    let and = context.template(language.and.as_ref().unwrap_or(&and), &JUNCTION);
    let or = context.template(language.or.as_ref().unwrap_or(&or), &JUNCTION);
    let not = language.not.as_ref().map(|not| context.template(not, &NEGATION));
    let place = match &language.r#in {
        None => ParameterPlace::Query,
        Some(place) if place.value == ParameterPlace::Body => {
            if !written.list.as_ref().is_some_and(has_body) {
                let message = "there is no list with a body of its own";
                return context.missing(wrong_value(place.at, "in", message));
            }
            ParameterPlace::Body
        }
        Some(place) => place.value,
    };
    Some(FilterLanguage {
        param: language.param.clone(),
        place,
        and: and?,
        or: or?,
        not: match not {
            None => None,
            Some(not) => Some(not?),
        },
    })
}

fn refuse_actions(defaults: &Filter, context: &mut Context) {
    let given = [
        ("query", defaults.query.is_some()),
        ("get", defaults.get.is_some()),
        ("post", defaults.post.is_some()),
        ("body", defaults.body.is_some()),
        ("encode", defaults.encode.is_some()),
        ("term", defaults.term.is_some()),
        ("any", defaults.any),
    ];
    let known = ["records", "record", "missing", "hydrate", "id", "exact", "case", "unsafe"];
    for (field, _) in given.iter().filter(|(_, there)| *there) {
        context.faults.push(unknown_field(defaults.at, field, "filter_defaults", &known));
    }
}

fn rule(
    label: &Label,
    filter: &Filter,
    around: &Surroundings<'_>,
    context: &mut Context,
) -> Option<FilterRule> {
    let (name, operator) = match label.text.rsplit_once(' ') {
        Some((name, operator)) => (name.trim(), self::operator(operator)),
        None => (label.text.as_str(), None),
    };
    let Some(operator) = operator else {
        return context.fault(bad_filter_key(label.at, &label.text));
    };
    let subject = subject(name, filter.any, label, around, context);
    let action = action(label, filter, around, context);
    let defaults = around.written.filter_defaults.as_ref();
    let unsafe_values = filter.r#unsafe.as_ref();
    let unsafe_values = unsafe_values.or_else(|| defaults.and_then(|d| d.r#unsafe.as_ref()));
    let unsafe_values = match unsafe_values {
        None => None,
        Some(text) if text.value == "none" => None,
        Some(text) => Some(context.regex(text, "unsafe")?),
    };
    let Asked { path, selector, subject, reach } = subject?;
    let case = filter.case.or_else(|| defaults.and_then(|defaults| defaults.case));
    let case = case_of(&path, case, label, around, context);
    let exact = filter.exact.or_else(|| defaults.and_then(|defaults| defaults.exact));
    Some(FilterRule {
        path,
        operator,
        selector,
        subject,
        reach,
        action: action?,
        exact: exact.unwrap_or(true),
        case,
        unsafe_values,
    })
}

fn case_of(
    path: &AttrPath,
    written: Option<FilterCase>,
    label: &Label,
    around: &Surroundings<'_>,
    context: &mut Context,
) -> FilterCase {
    let resolved = around.resource_type.resolve(path);
    let exact = resolved.is_some_and(|resolved| resolved.leaf().case_exact);
    match written {
        None if exact => FilterCase::Exact,
        None => FilterCase::Insensitive,
        Some(FilterCase::Sensitive) if !exact => {
            context.faults.push(case_sensitive_lookup(label.at, &label.text));
            FilterCase::Sensitive
        }
        Some(case) => case,
    }
}

fn operator(text: &str) -> Option<CompareOp> {
    match text.to_ascii_lowercase().as_str() {
        "eq" => Some(CompareOp::Eq),
        "ne" => Some(CompareOp::Ne),
        "co" => Some(CompareOp::Co),
        "sw" => Some(CompareOp::Sw),
        "ew" => Some(CompareOp::Ew),
        "gt" => Some(CompareOp::Gt),
        "ge" => Some(CompareOp::Ge),
        "lt" => Some(CompareOp::Lt),
        "le" => Some(CompareOp::Le),
        _ => None,
    }
}

fn action(
    label: &Label,
    filter: &Filter,
    around: &Surroundings<'_>,
    context: &mut Context,
) -> Option<FilterAction> {
    // Beside a request of its own, these are parts of it.
    let is_alone = filter.get.is_none() && filter.post.is_none();
    let given = [
        ("query", filter.query.is_some() && is_alone),
        ("get", filter.get.is_some()),
        ("post", filter.post.is_some()),
        ("body", filter.body.is_some() && is_alone),
        ("term", filter.term.is_some()),
    ];
    let given: Vec<&str> =
        given.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
    let all = "query, get, post, body, term";
    if given.is_empty() {
        return context.missing(missing_choice(label.at, &label.text, all));
    }
    if given.len() > 1 {
        return context.fault(exclusive(label.at, "a filter", all, &given.join(", ")));
    }
    if let Some(query) = filter.query.as_ref().filter(|_| is_alone) {
        return self::query(label, query, context).map(FilterAction::Query);
    }
    if let Some(term) = &filter.term {
        return self::term(label, term, around, context);
    }
    let (method, path) = match (&filter.get, &filter.post, &filter.body) {
        (Some(path), ..) => (Method::Get, path),
        (None, Some(path), _) => (Method::Post, path),
        (None, None, Some(body)) => return self::body(label, body, around, context),
        (None, None, None) => return None,
    };
    let request = look_up(label, method, path, filter, around, context)?;
    Some(FilterAction::LookUp(Box::new(request)))
}

/// Parameters of the list request, or of a look-up.
fn query(
    label: &Label,
    query: &FilterQuery,
    context: &mut Context,
) -> Option<Vec<(String, Template)>> {
    let parameters = match query {
        FilterQuery::Name(name) => {
            let value = Template::compile("{value}").ok()?;
            return Some(vec![(name.value.clone(), value)]);
        }
        FilterQuery::Parameters(parameters) => parameters,
    };
    let mut compiled = Vec::new();
    for (key, Tpl(At { value, .. })) in &parameters.0 {
        let template = context.template_at(value, label.at, &FILTER)?;
        if !template.is_single_hole() && is_query_text(&template.literal_text()) {
            require_escapes(label, &template, context)?;
        }
        compiled.push((key.name.clone(), template));
    }
    Some(compiled)
}

/// Members that are merged into the body of the list request.
fn body(
    label: &Label,
    body: &Node,
    around: &Surroundings<'_>,
    context: &mut Context,
) -> Option<FilterAction> {
    if !around.written.list.as_ref().is_some_and(has_body) {
        let message = "there is no list with a body that this could be a part of";
        return context.missing(wrong_value(label.at, &label.text, message));
    }
    let tree = context.body_at(body, Some(label.at), &FILTER)?;
    for template in tree.templates() {
        if !template.is_single_hole() && is_query_text(&template.literal_text()) {
            require_escapes(label, template, context)?;
        }
    }
    Some(FilterAction::Body(tree))
}

fn term(
    label: &Label,
    Tpl(At { value, .. }): &Tpl,
    around: &Surroundings<'_>,
    context: &mut Context,
) -> Option<FilterAction> {
    if around.written.filter_language.is_none() {
        return context.fault(term_without_language(label.at));
    }
    let template = context.template_at(value, label.at, &FILTER)?;
    require_escapes(label, &template, context)?;
    Some(FilterAction::Term(template))
}

/// Whether text around a value is a query language, whose quotes and words the value could leave.
/// An operator in front, as in `>{value}`, is none.
fn is_query_text(literal: &str) -> bool {
    literal.chars().any(|c| !"<>=!~*^%+-. ".contains(c))
}

fn require_escapes(label: &Label, template: &Template, context: &mut Context) -> Option<()> {
    let open = template.expressions().find(|expression| {
        let names = expression.variables();
        let has_value = names.contains("value") || names.contains("scim_value");
        has_value && !expression.is_escaped()
    });
    match open {
        None => Some(()),
        Some(open) => {
            let hole = format!("{{{}}}", open.source());
            context.fault(unescaped(label.at, &hole))
        }
    }
}

fn look_up(
    label: &Label,
    method: Method,
    path: &Tpl,
    filter: &Filter,
    around: &Surroundings<'_>,
    context: &mut Context,
) -> Option<Request> {
    let path = context.url_path_at(path, label.at, &FILTER);
    let query = match &filter.query {
        None => Some(Vec::new()),
        Some(query) => self::query(label, query, context),
    };
    let body = match &filter.body {
        None => Some(RequestBody::None),
        Some(node) if node.to_json() == "none" => Some(RequestBody::None),
        Some(node) => context.body_at(node, Some(label.at), &FILTER).map(RequestBody::Tree),
    };
    let defaults = around.written.filter_defaults.as_ref();
    let own = filter.records.as_ref().or(filter.record.as_ref());
    let own = own.or_else(|| defaults.and_then(|d| d.records.as_ref().or(d.record.as_ref())));
    let list = around.written.list.as_ref();
    let records = records(own.or_else(|| list.and_then(|list| list.records.as_ref())), context);
    let pages = match own {
        Some(_) => None,
        None => list.and_then(|list| links(list, context)),
    };
    let record = match &filter.record {
        None => None,
        Some(record) => Some(context.path(record)?),
    };
    let missing = filter.missing.or_else(|| defaults.and_then(|defaults| defaults.missing));
    let hydrate = filter.hydrate.or_else(|| defaults.and_then(|defaults| defaults.hydrate));
    let id = filter.id.as_ref().or_else(|| defaults.and_then(|defaults| defaults.id.as_ref()));
    let id = match id {
        None => None,
        Some(id) => Some(context.locator(id)?),
    };
    Some(Request {
        idempotency: None,
        method,
        path: path?,
        query: query?,
        headers: Vec::new(),
        body: body?,
        encoding: filter.encode.unwrap_or(context.encoding),
        wrap: None,
        set: Vec::new(),
        carries: Carries::default(),
        when: None,
        send: SendMode::Changed,
        format: BodyFormat::Record,
        subtree: None,
        drop: Vec::new(),
        record,
        records: records?,
        missing: missing.or_else(|| list?.missing).unwrap_or(Missing::Error),
        hydrate: hydrate.unwrap_or(false),
        embed: match list {
            Some(list) => embedded(&list.embed, context)?,
            None => Vec::new(),
        },
        id,
        returns: None,
        with: Vec::new(),
        accept: Vec::new(),
        failed: None,
        errors: Vec::new(),
        pages,
        timeout: None,
        line: label.at.line,
    })
}

/// A look-up that answers like the list also goes on like the list, where that takes no parameter
/// of ours: links can be followed wherever they appear.
fn links(list: &request::Request, context: &mut Context) -> Option<model::Pages> {
    let text = request::PagesEntry::of(list)?.link.as_ref()?;
    let style = link(&text.value, text.at, context)?;
    let place = ParameterPlace::Query;
    Some(model::Pages { style, place, size: None, max: 100, total: None, until: None })
}
