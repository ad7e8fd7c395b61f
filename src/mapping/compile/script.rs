//! Examples and exchanges in writing. In SCIM bodies, paths and queries the prefix of an extension
//! stands for its URN; here it becomes the URN.

use serde_json::{Map, Value};

use crate::mapping::compile::context::Context;
use crate::mapping::compile::request::statuses;
use crate::mapping::diagnostic::wrong_value;
use crate::mapping::file::reader::{At, Entries, Text};
use crate::mapping::file::script;
use crate::mapping::model::{Attempt, Call, Example, Given, Test};
use crate::native::message::Method;

/// Compiles the examples of a resource.
pub(crate) fn examples(written: &[script::Example], context: &Context) -> Vec<Example> {
    let compile = |(index, example): (usize, &script::Example)| Example {
        name: example.name.clone().unwrap_or_else(|| format!("example {}", index + 1)),
        native: example.native.clone(),
        scim: expand_body(example.scim.clone(), context),
        sidecar: expand_body(example.sidecar.clone().unwrap_or_else(object), context),
        line: example.at.line,
        column: example.at.column,
    };
    written.iter().enumerate().map(compile).collect()
}

/// Compiles `tests`.
pub(crate) fn tests(written: &[script::Test], context: &mut Context) -> Vec<Test> {
    written.iter().filter_map(|written| test(written, context)).collect()
}

fn object() -> Value {
    Value::Object(Map::new())
}

fn test(written: &script::Test, context: &mut Context) -> Option<Test> {
    Some(Test {
        name: written.name.clone(),
        given: written.given.as_ref().map(given).unwrap_or_default(),
        scim: asked(&written.scim, context)?,
        headers: pairs(&written.headers),
        body: written.body.clone().map(|body| expand_body(body, context)),
        native: calls(&written.native, context)?,
        status: status(&written.status, context)?,
        response: written.response.clone().map(|response| expand_body(response, context)),
        absent: written.absent.iter().map(|path| expand_text(path, context)).collect(),
        line: written.at.line,
        column: written.at.column,
    })
}

/// Compiles a request that is tried out.
pub(crate) fn attempt(written: &script::Attempt, context: &mut Context) -> Option<Attempt> {
    Some(Attempt {
        name: written.name.clone(),
        given: written.given.as_ref().map(given).unwrap_or_default(),
        scim: asked(&written.scim, context)?,
        headers: pairs(&written.headers),
        body: written.body.clone().map(|body| expand_body(body, context)),
        native: calls(&written.native, context)?,
    })
}

/// The request line of a SCIM request.
fn asked(scim: &Text, context: &mut Context) -> Option<String> {
    let (method, target) = verb(scim, "scim", context)?;
    Some(format!("{} {}", method.name(), expand_text(target, context)))
}

/// Compiles expected calls: all of them, or none.
pub(crate) fn calls(written: &[script::Call], context: &mut Context) -> Option<Vec<Call>> {
    let calls: Vec<Call> = written.iter().filter_map(|written| call(written, context)).collect();
    (calls.len() == written.len()).then_some(calls)
}

/// Compiles what is there before.
pub(crate) fn given(written: &script::Given) -> Given {
    Given {
        config: map(&written.config),
        sidecar: written.sidecar.clone().unwrap_or_else(object),
        uuid: written.uuid.clone(),
        now: written.now.clone(),
        random: written.random.clone(),
    }
}

fn call(written: &script::Call, context: &mut Context) -> Option<Call> {
    let (method, path) = verb(&written.expect, "expect", context)?;
    Some(Call {
        method,
        path: path.to_owned(),
        query: written.query.as_ref().map(map),
        headers: pairs(&written.headers),
        body: written.body.clone(),
        reply: status(&written.reply, context)?,
        reply_headers: pairs(&written.reply_headers),
        with: written.with.clone(),
        line: written.at.line,
    })
}

fn status(written: &At<u64>, context: &mut Context) -> Option<u16> {
    statuses(std::slice::from_ref(written), "status", context).pop()
}

fn verb<'t>(text: &'t Text, field: &str, context: &mut Context) -> Option<(Method, &'t str)> {
    let methods =
        [Method::Get, Method::Head, Method::Post, Method::Put, Method::Patch, Method::Delete];
    let found = text.value.split_once(' ').and_then(|(verb, target)| {
        let method = methods.into_iter().find(|method| method.name() == verb)?;
        target.starts_with('/').then_some((method, target))
    });
    match found {
        Some(found) => Some(found),
        None => context.fault(wrong_value(text.at, field, "expected VERB /path")),
    }
}

fn map(Entries(entries): &Entries<Value>) -> Map<String, Value> {
    entries.iter().map(|(key, value)| (key.name.clone(), value.clone())).collect()
}

fn pairs(Entries(entries): &Entries<String>) -> Vec<(String, String)> {
    entries.iter().map(|(key, value)| (key.name.clone(), value.clone())).collect()
}

/// A resource, a list of resources, or a message about them.
fn expand_body(body: Value, context: &Context) -> Value {
    let Value::Object(members) = body else { return body };
    let expand = |(name, value): (String, Value)| {
        let value = match name.as_str() {
            "Resources" => each(value, |resource| expand_body(resource, context)),
            "Operations" => each(value, |operation| expand_operation(operation, context)),
            "filter" | "sortBy" => expand_if_text(value, context),
            "attributes" | "excludedAttributes" => {
                each(value, |name| expand_if_text(name, context))
            }
            _ => value,
        };
        (expand_name(&name, context), value)
    };
    Value::Object(members.into_iter().map(expand).collect())
}

/// An operation of a PATCH (RFC 7644 section 3.5.2) or of a bulk request (section 3.7).
fn expand_operation(operation: Value, context: &Context) -> Value {
    let Value::Object(members) = operation else { return operation };
    let has_path = members.contains_key("path");
    let expand = |(name, value): (String, Value)| {
        let value = match name.as_str() {
            "path" => expand_if_text(value, context),
            "value" if !has_path => expand_body(value, context),
            "data" | "response" => expand_body(value, context),
            _ => value,
        };
        (name, value)
    };
    Value::Object(members.into_iter().map(expand).collect())
}

fn each(value: Value, expand: impl Fn(Value) -> Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(expand).collect()),
        other => other,
    }
}

fn expand_if_text(value: Value, context: &Context) -> Value {
    match value {
        Value::String(text) => Value::String(expand_text(&text, context)),
        other => other,
    }
}

fn expand_name(name: &str, context: &Context) -> String {
    match context.namespaces.get(name) {
        Some(urn) => urn.clone(),
        None => expand_text(name, context),
    }
}

/// Replaces `prefix:` by `URN:` wherever a name begins, but not inside quotes.
fn expand_text(text: &str, context: &Context) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    let mut quoted = false;
    let mut name_begins = true;
    while let Some(character) = rest.chars().next() {
        let prefix = context.namespaces.iter().find_map(|(prefix, urn)| {
            let after = rest.strip_prefix(prefix.as_str())?;
            after.starts_with(':').then_some((after, urn))
        });
        if let Some((after, urn)) = prefix
            && name_begins
            && !quoted
        {
            expanded.push_str(urn);
            rest = after;
            name_begins = false;
            continue;
        }
        quoted ^= character == '"';
        name_begins = !character.is_alphanumeric() && !matches!(character, ':' | '.' | '-' | '_');
        expanded.push(character);
        rest = rest.get(character.len_utf8()..).unwrap_or_default();
    }
    expanded
}
