//! Requests: verbs, paths, bodies, answers and paging.
//!
//! What a create or update request carries is decided later, in `carrying.rs`, when every request
//! of the resource is known.

use crate::mapping::body_template::BodyTemplate;
use crate::mapping::compile::body::{encoding, envelope, explicit_body};
use crate::mapping::compile::context::Context;
use crate::mapping::compile::failure::rules;
use crate::mapping::compile::lookup::{lookup, lookups};
use crate::mapping::compile::variables::{
    COLLECTION, EMBED, FAILURE, LIST, REQUEST, UNTIL, Variables, WHOLE,
};
use crate::mapping::diagnostic::{Position, exclusive, leaves_base, missing_choice, wrong_value};
use crate::mapping::file::reader::{At, Entries, Text};
use crate::mapping::file::request::{Lookup, Pages, PagesEntry, Request, Total};
use crate::mapping::file::scalar::{LocText, PathText, Tpl};
use crate::mapping::model;
use crate::mapping::model::{
    Carries, Locator, Missing, PageStyle, ParameterPlace, RequestBody, SendMode,
};
use crate::mapping::yaml::{Node, NodeValue};
use crate::native::message::Method;
use crate::native::path::NativePath;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `list`.
    List,
    /// `get`.
    Get,
    /// `create`.
    Create,
    /// `update`.
    Update,
    /// `replace`.
    Replace,
    /// `delete`, `activate` and `deactivate`.
    Verb,
    /// `list` of a collection.
    CollectionList,
    /// `add` of a collection.
    Add,
    /// `change` of a collection.
    Change,
    /// `remove` of a collection.
    Remove,
    /// `set` of a collection.
    Set,
}

const LARGEST_PAGE: usize = 100_000;

impl Kind {
    fn variables(self) -> &'static Variables {
        match self {
            Self::List => &LIST,
            Self::Get
            | Self::Create
            | Self::Update
            | Self::Replace
            | Self::Verb
            | Self::CollectionList => &REQUEST,
            Self::Add | Self::Change | Self::Remove => &COLLECTION,
            Self::Set => &WHOLE,
        }
    }

    fn default_send(self, method: Method) -> SendMode {
        match (self, method) {
            (Self::Replace, _) | (Self::Update, Method::Put) => SendMode::Full,
            _ => SendMode::Changed,
        }
    }

    /// Whether the request carries rows.
    fn carries_rows(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Replace)
    }
}

/// Compiles a request. `key` is where the native key is, which a full body leaves out.
pub(crate) fn request(
    request: &Request,
    kind: Kind,
    key: Option<&NativePath>,
    context: &mut Context,
) -> Option<model::Request> {
    let (method, path) = verb(request, context)?;
    let send = request.send.unwrap_or_else(|| kind.default_send(method));
    let (with, variables) = lookups(&request.with, kind.variables(), context);
    let variables = &match send {
        SendMode::Each if kind.carries_rows() => variables.and("field").and("value"),
        SendMode::Changed | SendMode::Mapped | SendMode::Full | SendMode::Each => variables,
    };
    let path = context.url_path(path, variables);
    let query = context.templates(&request.query, variables);
    let headers = context.headers(&request.headers, variables);
    let body = body(request.body.as_ref(), kind, &request.set, variables, context);
    let set = set(&request.set, variables, context);
    let when = request.when.as_ref().map(|when| context.expression(when, variables));
    let subtree = optional_path(request.subtree.as_ref(), context);
    let drop = match &request.drop {
        None => key.into_iter().cloned().collect(),
        Some(paths) => paths.iter().filter_map(|path| context.path(path)).collect(),
    };
    let record = optional_path(request.record.as_ref(), context);
    let records = records(request.records.as_ref(), context);
    let id = request.id.as_ref().map(|id| context.locator(id));
    let accept = statuses(&request.accept, "accept", context);
    let failed = request.failed.as_ref().map(|failed| context.expression(failed, &FAILURE));
    let errors = rules(&request.errors, context);
    let wrap = request.wrap.as_ref().map(|wrap| envelope(wrap, context));
    let (encoding, format) = encoding(request, context)?;
    let idempotency =
        request.idempotency.as_ref().map(|name| idempotency(name, &request.headers, context));
    let pages = PagesEntry::of(request).map(|written| pages(written, variables, context));
    let embed = embedded(&request.embed, context);
    check_kind(request, kind, context);
    Some(model::Request {
        method,
        path: path?,
        query,
        headers,
        body: body?,
        encoding,
        wrap: inside(wrap)?,
        set,
        carries: Carries::default(),
        when: inside(when)?,
        send,
        format,
        subtree: subtree?,
        drop,
        record: record?,
        records: records?,
        missing: request.missing.unwrap_or(Missing::Error),
        hydrate: request.hydrate,
        embed: embed?,
        id: inside(id)?,
        returns: request.returns,
        with: with?,
        accept,
        failed: inside(failed)?,
        errors,
        pages: inside(pages)?,
        timeout: request.timeout,
        idempotency: inside(idempotency)?,
        line: request.at.line,
    })
}

/// Refuses what only lists, or single records, can have.
fn check_kind(request: &Request, kind: Kind, context: &mut Context) {
    if let Some(Pages { r#in: Some(place), .. }) = PagesEntry::of(request)
        && place.value == ParameterPlace::Body
        && !has_body(request)
    {
        let message = "this list has no body of its own for its parameters";
        context.faults.push(wrong_value(place.at, "in", message));
    }
    if request.hydrate && kind != Kind::List {
        let message = "only a resource's \"list\" and its look-ups can be completed";
        context.faults.push(wrong_value(request.at, "hydrate", message));
    }
    if !request.embed.0.is_empty() && !matches!(kind, Kind::List | Kind::Get) {
        let message = "only the records of \"get\" and \"list\" are put together";
        context.faults.push(wrong_value(request.at, "embed", message));
    }
}

/// Look-ups whose picks become members of a record.
pub(crate) fn embedded(
    Entries(entries): &Entries<Lookup>,
    context: &mut Context,
) -> Option<Vec<(String, model::Lookup)>> {
    let compiled: Vec<_> = entries
        .iter()
        .filter_map(|(key, written)| Some((key.name.clone(), lookup(written, &EMBED, context)?)))
        .collect();
    (compiled.len() == entries.len()).then_some(compiled)
}

/// Whether the request is one with a body that parameters can be put into.
pub(crate) fn has_body(request: &Request) -> bool {
    let is_none = |node: &Node| matches!(&node.value, NodeValue::String(word) if word == "none");
    let is_tree = request.body.as_ref().is_none_or(|node| !is_none(node));
    is_tree && (request.post.is_some() || request.put.is_some() || request.patch.is_some())
}

/// Turns a fault in an optional field into a fault of the whole.
#[expect(clippy::option_option, reason = "outside: a fault; inside: not given")]
fn inside<T>(field: Option<Option<T>>) -> Option<Option<T>> {
    match field {
        None => Some(None),
        Some(value) => value.map(Some),
    }
}

#[expect(clippy::option_option, reason = "outside: a fault; inside: not given")]
fn optional_path(path: Option<&PathText>, context: &mut Context) -> Option<Option<NativePath>> {
    inside(path.map(|path| context.path(path)))
}

/// Where the records of a list answer are; `$[*]` unless the file says.
pub(crate) fn records(path: Option<&PathText>, context: &mut Context) -> Option<NativePath> {
    match path {
        Some(path) => context.path(path),
        None => NativePath::parse("$[*]").ok(),
    }
}

fn verb<'r>(request: &'r Request, context: &mut Context) -> Option<(Method, &'r Tpl)> {
    let verbs = [
        ("get", Method::Get, &request.get),
        ("post", Method::Post, &request.post),
        ("put", Method::Put, &request.put),
        ("patch", Method::Patch, &request.patch),
        ("delete", Method::Delete, &request.delete),
        ("head", Method::Head, &request.head),
    ];
    let given: Vec<_> = verbs
        .iter()
        .filter_map(|(name, method, path)| Some((*name, *method, path.as_ref()?)))
        .collect();
    if let [(_, method, path)] = given.as_slice() {
        return Some((*method, *path));
    }
    let found: Vec<&str> = given.iter().map(|(name, ..)| *name).collect();
    let all = "get, post, put, patch, delete, head";
    let fault = exclusive(request.at, "a request", all, &found.join(", "));
    if found.is_empty() { context.missing(fault) } else { context.fault(fault) }
}

fn body(
    written: Option<&Node>,
    kind: Kind,
    set: &Entries<Node>,
    variables: &Variables,
    context: &mut Context,
) -> Option<RequestBody> {
    match written {
        Some(node) if kind.carries_rows() => {
            let body = explicit_body(node, &variables.and("record"), context)?;
            Some(match body {
                RequestBody::Tree(tree) if tree.variables().contains("record") => {
                    RequestBody::Frame(tree)
                }
                other => other,
            })
        }
        Some(node) => explicit_body(node, variables, context),
        // A verb carries no rows; without constants of its own nothing is left to send.
        None if kind == Kind::Verb && set.0.is_empty() => Some(RequestBody::None),
        None => Some(RequestBody::FromRows),
    }
}

/// The header that an idempotency key goes into.
fn idempotency(
    name: &Text,
    Entries(headers): &Entries<Tpl>,
    context: &mut Context,
) -> Option<String> {
    let header = context.header_name(&name.value, name.at)?;
    if header == "host" {
        return context.fault(leaves_base(name.at, "a Host header"));
    }
    if headers.iter().any(|(key, _)| key.name.eq_ignore_ascii_case(&header)) {
        let message = "\"headers\" sets this header already";
        return context.fault(wrong_value(name.at, "idempotency", message));
    }
    Some(name.value.clone())
}

fn set(
    Entries(entries): &Entries<Node>,
    variables: &Variables,
    context: &mut Context,
) -> Vec<(String, BodyTemplate)> {
    entries
        .iter()
        .filter_map(|(key, node)| Some((key.name.clone(), context.body(node, variables)?)))
        .collect()
}

/// HTTP statuses.
pub(crate) fn statuses(written: &[At<u64>], field: &str, context: &mut Context) -> Vec<u16> {
    let mut statuses = Vec::new();
    for status in written {
        match u16::try_from(status.value) {
            Ok(known @ 100..=599) => statuses.push(known),
            Ok(_) | Err(_) => {
                let message = format!("{} is not an HTTP status", status.value);
                context.faults.push(wrong_value(status.at, field, &message));
            }
        }
    }
    statuses
}

/// A number that fits what it counts; at least 1.
pub(crate) fn count(
    written: &At<u64>,
    field: &str,
    most: usize,
    context: &mut Context,
) -> Option<usize> {
    match usize::try_from(written.value) {
        Ok(count) if (1..=most).contains(&count) => Some(count),
        Ok(_) | Err(_) => {
            let message = format!("expected a number from 1 to {most}");
            context.fault(wrong_value(written.at, field, &message))
        }
    }
}

fn pages(written: &Pages, variables: &Variables, context: &mut Context) -> Option<model::Pages> {
    let style = page_style(written, context)?;
    let max = match &written.max {
        None => 100,
        Some(max) => count(max, "max", LARGEST_PAGE, context)?,
    };
    let total = match &written.total {
        None => None,
        Some(total) => Some(self::total(total, variables, context)?),
    };
    let until = written.until.as_ref().map(|until| context.expression(until, &UNTIL));
    let place = written.r#in.as_ref().map_or(ParameterPlace::Query, |place| place.value);
    let (size, until) = (written.size.clone(), inside(until)?);
    Some(model::Pages { style, place, size, max, total, until })
}

fn page_style(written: &Pages, context: &mut Context) -> Option<PageStyle> {
    let styles = "link, cursor, page, offset";
    let given = [
        ("link", &written.link),
        ("cursor", &written.cursor),
        ("page", &written.page),
        ("offset", &written.offset),
    ];
    let given: Vec<_> =
        given.iter().filter_map(|(name, text)| Some((*name, text.as_ref()?))).collect();
    match given.as_slice() {
        [] => context.missing(missing_choice(written.at, "pages", styles)),
        [("link", relation)] => link(&relation.value, relation.at, context),
        [("cursor", parameter)] => cursor(&parameter.value, written, context),
        [("page", parameter)] => {
            Some(PageStyle::Page(parameter.value.clone(), written.first.unwrap_or(1)))
        }
        [(_, parameter)] => {
            Some(PageStyle::Offset(parameter.value.clone(), written.first.unwrap_or(0)))
        }
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| *name).collect();
            context.fault(exclusive(written.at, "pages", styles, &names.join(", ")))
        }
    }
}

/// A `Link` header's relation, or the place of a URL in the answer.
pub(crate) fn link(text: &str, at: Position, context: &mut Context) -> Option<PageStyle> {
    if text.starts_with('$') || text.starts_with("header:") {
        let place = LocText(At { value: text.to_owned(), at });
        return context.locator(&place).map(|place| match place {
            Locator::Body(path) => PageStyle::LinkBody(path),
            Locator::Part(..) | Locator::Header(..) => PageStyle::LinkPlace(place),
        });
    }
    Some(PageStyle::LinkHeader(text.to_owned()))
}

fn cursor(parameter: &str, written: &Pages, context: &mut Context) -> Option<PageStyle> {
    let parameter = parameter.to_owned();
    match (&written.next, &written.last) {
        (Some(next), None) => context.locator(next).map(|next| PageStyle::Cursor(parameter, next)),
        (None, Some(last)) => context.path(last).map(|last| PageStyle::Marker(parameter, last)),
        (None, None) => context.missing(missing_choice(written.at, "pages", "next, last")),
        (Some(_), Some(_)) => {
            context.fault(exclusive(written.at, "a cursor", "next, last", "next, last"))
        }
    }
}

fn total(written: &Total, variables: &Variables, context: &mut Context) -> Option<model::Total> {
    match written {
        Total::Here(place) => context.locator(place).map(model::Total::Here),
        Total::Lookup(written) => {
            let lookup = lookup(written, variables, context)?;
            Some(model::Total::Lookup(Box::new(lookup)))
        }
    }
}
