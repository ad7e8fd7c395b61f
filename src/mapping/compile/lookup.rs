//! Requests that are made for one value of their answer.

use crate::mapping::compile::body::explicit_body;
use crate::mapping::compile::context::Context;
use crate::mapping::compile::variables::Variables;
use crate::mapping::diagnostic::{exclusive, missing_choice, wrong_value};
use crate::mapping::expression::Expression;
use crate::mapping::file::reader::Entries;
use crate::mapping::file::request::Lookup;
use crate::mapping::file::scalar::Tpl;
use crate::mapping::model;
use crate::mapping::model::{Locator, RequestBody};
use crate::mapping::yaml::Key;
use crate::native::message::Method;
use crate::native::path::NativePath;

/// Look-ups by the names under which templates see what they picked.
type Named = Vec<(String, model::Lookup)>;

/// Compiles the look-ups of a request. Each sees what those before it have picked; the variables
/// that come back see all of them.
pub(crate) fn lookups(
    Entries(entries): &Entries<Lookup>,
    variables: &Variables,
    context: &mut Context,
) -> (Option<Named>, Variables) {
    let mut variables = variables.clone();
    let mut compiled = Vec::with_capacity(entries.len());
    for (key, written) in entries {
        let lookup = lookup(written, &variables, context);
        let name = name(key, &variables, context);
        compiled.extend(name.zip(lookup));
        variables = variables.and(&key.name);
    }
    let is_whole = compiled.len() == entries.len();
    (is_whole.then_some(compiled), variables)
}

/// A name that expressions can use and that means nothing else.
fn name(key: &Key, variables: &Variables, context: &mut Context) -> Option<String> {
    if variables.knows(&key.name) {
        let message = "this variable is there already; give the look-up another name";
        return context.fault(wrong_value(key.at, &key.name, message));
    }
    let is_plain = |expression: &Expression| {
        let mut variables = expression.variables().iter();
        variables.next() == Some(&key.name) && variables.next().is_none()
    };
    let is_word = key.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_word || !Expression::compile(&key.name).as_ref().is_ok_and(is_plain) {
        let message = "expected a word of letters, digits and _, to be used as a variable";
        return context.fault(wrong_value(key.at, &key.name, message));
    }
    Some(key.name.clone())
}

/// Compiles a look-up.
pub(crate) fn lookup(
    written: &Lookup,
    variables: &Variables,
    context: &mut Context,
) -> Option<model::Lookup> {
    let (method, path) = verb(written, context)?;
    let path = context.url_path(path, variables);
    let query = context.templates(&written.query, variables);
    let headers = context.headers(&written.headers, variables);
    let body = match &written.body {
        None => None,
        Some(body) => Some(explicit_body(body, variables, context)?),
    };
    let pick = match &written.pick {
        Some(pick) => context.locator(pick),
        None => NativePath::parse("$").ok().map(Locator::Body),
    };
    Some(model::Lookup {
        method,
        path: path?,
        query,
        headers,
        body: match body {
            Some(RequestBody::Tree(tree) | RequestBody::Frame(tree)) => Some(tree),
            Some(RequestBody::FromRows | RequestBody::None) | None => None,
        },
        encoding: written.encode.unwrap_or(context.encoding),
        pick: pick?,
        required: written.required.unwrap_or(true),
    })
}

fn verb<'l>(lookup: &'l Lookup, context: &mut Context) -> Option<(Method, &'l Tpl)> {
    let verbs = [
        ("get", Method::Get, &lookup.get),
        ("post", Method::Post, &lookup.post),
        ("put", Method::Put, &lookup.put),
        ("head", Method::Head, &lookup.head),
    ];
    let given: Vec<_> = verbs
        .iter()
        .filter_map(|(name, method, path)| Some((*name, *method, path.as_ref()?)))
        .collect();
    let all = "get, post, put, head";
    match given.as_slice() {
        [(_, method, path)] => Some((*method, *path)),
        [] => context.missing(missing_choice(lookup.at, "a look-up", all)),
        several => {
            let names: Vec<&str> = several.iter().map(|(name, ..)| *name).collect();
            context.fault(exclusive(lookup.at, "a look-up", all, &names.join(", ")))
        }
    }
}
