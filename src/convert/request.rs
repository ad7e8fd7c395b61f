//! A request of the mapping, filled in.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::convert::error::ConvertError;
use crate::convert::parameters;
use crate::mapping::model::{BodyFormat, Encoding, Request, RequestBody, SendMode};
use crate::mapping::scope::Scope;
use crate::mapping::template::{Template, TemplateError};
use crate::native::message::{Body, Method, NativeRequest, Urgency};

/// Builds a request. `rows` is what the rows make of the body; it is used when the mapping does
/// not write a body out.
pub fn build(
    request: &Request,
    scope: &Scope<'_>,
    rows: Option<Value>,
) -> Result<NativeRequest, ConvertError> {
    let body = body(request, scope, rows)?;
    filled(request, scope, body)
}

/// Builds a list request with members that are merged into its body; null is nothing.
pub fn build_list(
    request: &Request,
    scope: &Scope<'_>,
    addition: Value,
) -> Result<NativeRequest, ConvertError> {
    let mut body = body(request, scope, None)?;
    if !addition.is_null() {
        let body = body.get_or_insert_with(|| Value::Object(Map::new()));
        parameters::merge(body, addition);
    }
    filled(request, scope, body)
}

fn body(
    request: &Request,
    scope: &Scope<'_>,
    rows: Option<Value>,
) -> Result<Option<Value>, ConvertError> {
    Ok(match &request.body {
        RequestBody::None => None,
        RequestBody::Tree(tree) => Some(tree.evaluate(scope)?),
        RequestBody::Frame(tree) => {
            let record = with_constants(request, scope, rows)?;
            Some(tree.evaluate(&scope.clone().with("record", &record))?)
        }
        RequestBody::FromRows if rows.is_none() && request.set.is_empty() => None,
        RequestBody::FromRows => Some(envelope(request, with_constants(request, scope, rows)?)?),
    })
}

fn filled(
    request: &Request,
    scope: &Scope<'_>,
    body: Option<Value>,
) -> Result<NativeRequest, ConvertError> {
    let mut headers = headers(request, scope)?;
    let is_said = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if let (Some(kind), false) = (media_type(request.format), is_said || body.is_none()) {
        headers.push(("content-type".to_owned(), kind.to_owned()));
    }
    Ok(NativeRequest {
        method: request.method,
        path: request.path.url_path(scope)?,
        template: Some(Arc::clone(request.path.source())),
        query: pairs(&request.query, scope)?,
        headers,
        body: encoded(request.encoding, body),
        timeout: request.timeout,
        patience: None,
        urgency: Urgency::Usual,
        repeatable: request.idempotency.is_some(),
    })
}

/// Whether a request's condition holds.
pub fn is_due(request: &Request, scope: &Scope<'_>) -> Result<bool, ConvertError> {
    match &request.when {
        None => Ok(true),
        Some(when) => Ok(when.is_true(scope).map_err(TemplateError::from)?),
    }
}

/// Fills templates; a pair whose value is null is dropped.
pub fn pairs(
    templates: &[(String, Template)],
    scope: &Scope<'_>,
) -> Result<Vec<(String, String)>, ConvertError> {
    let mut filled = Vec::with_capacity(templates.len());
    for (name, template) in templates {
        if let Some(value) = template.text(scope)? {
            filled.push((name.clone(), value));
        }
    }
    Ok(filled)
}

/// The headers, with a key that no other call has. The call keeps it each time it is repeated.
fn headers(request: &Request, scope: &Scope<'_>) -> Result<Vec<(String, String)>, ConvertError> {
    let mut headers = pairs(&request.headers, scope)?;
    let key = |name: &String| (name.clone(), scope.ambient().ids.uuid());
    headers.extend(request.idempotency.as_ref().map(key));
    Ok(headers)
}

/// The media type of a format that has one of its own.
fn media_type(format: BodyFormat) -> Option<&'static str> {
    match format {
        BodyFormat::Record => None,
        BodyFormat::MergePatch => Some("application/merge-patch+json"),
        BodyFormat::JsonPatch => Some("application/json-patch+json"),
    }
}

/// The rows' body with the mapping's constants.
fn with_constants(
    request: &Request,
    scope: &Scope<'_>,
    rows: Option<Value>,
) -> Result<Value, ConvertError> {
    let mut body = rows.unwrap_or_else(|| Value::Object(Map::new()));
    if let Some(members) = body.as_object_mut() {
        for (name, constant) in &request.set {
            members.insert(name.clone(), constant.evaluate(scope)?);
        }
    }
    Ok(body)
}

/// A body in its envelope.
fn envelope(request: &Request, body: Value) -> Result<Value, ConvertError> {
    let Some(path) = &request.wrap else { return Ok(body) };
    let mut envelope = Value::Object(Map::new());
    let unwritable = |_| ConvertError::Unwritable { path: path.to_string() };
    path.write(&mut envelope, body).map_err(unwritable)?;
    Ok(envelope)
}

/// A body as it is sent.
pub fn encoded(encoding: Encoding, body: Option<Value>) -> Body {
    match (encoding, body) {
        (_, None) => Body::None,
        (Encoding::Json, Some(body)) => Body::Json(body),
        (Encoding::Form, Some(body)) => {
            let mut fields = Vec::new();
            form_fields(None, &body, &mut fields);
            Body::Form(fields)
        }
    }
}

/// Members become fields, members of members `outer[inner]`, array elements a field each,
/// an empty array an empty field.
fn form_fields(name: Option<&str>, value: &Value, fields: &mut Vec<(String, String)>) {
    let field = name.unwrap_or_default();
    match value {
        Value::Object(members) => {
            for (inner, value) in members {
                let name = name.map_or_else(|| inner.clone(), |outer| format!("{outer}[{inner}]"));
                form_fields(Some(&name), value, fields);
            }
        }
        // A field that is not sent would leave the old elements in place.
        Value::Array(elements) if elements.is_empty() => {
            fields.push((field.to_owned(), String::new()));
        }
        Value::Array(elements) => {
            for element in elements {
                form_fields(name, element, fields);
            }
        }
        Value::Null => fields.push((field.to_owned(), String::new())),
        Value::String(text) => fields.push((field.to_owned(), text.clone())),
        Value::Bool(_) | Value::Number(_) => fields.push((field.to_owned(), value.to_string())),
    }
}

/// A GET of the mapping's that is not one of its requests (a look-up of a total).
pub fn get(path: String, query: Vec<(String, String)>) -> NativeRequest {
    NativeRequest {
        method: Method::Get,
        path,
        template: None,
        query,
        headers: Vec::new(),
        body: Body::None,
        timeout: None,
        patience: None,
        urgency: Urgency::Usual,
        repeatable: false,
    }
}

/// Whether the rows that a request carries make something of its body.
pub fn is_from_rows(request: &Request) -> bool {
    match request.body {
        RequestBody::FromRows | RequestBody::Frame(_) => true,
        RequestBody::None | RequestBody::Tree(_) => false,
    }
}

/// Whether filling the request needs the current native record.
pub fn needs_record(request: &Request) -> bool {
    let is_full = request.send == SendMode::Full && request.format == BodyFormat::Record;
    is_full && is_from_rows(request) || sees_record(request)
}

/// Whether its templates or look-ups show the current native record.
pub fn sees_record(request: &Request) -> bool {
    sees(request, &["native"])
}

/// Whether its templates or look-ups show anything of the resource but its id.
pub fn sees_resource(request: &Request) -> bool {
    sees(request, &["native", "old", "scim", "changed"])
}

fn sees(request: &Request, variables: &[&str]) -> bool {
    let mentions = request.mentions();
    let mut roots = mentions.iter().filter_map(|mention| mention.split('.').next());
    roots.any(|root| variables.contains(&root))
}
