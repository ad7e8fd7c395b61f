//! Bodies: what the file writes out, and how they are encoded and wrapped.

use crate::mapping::compile::context::Context;
use crate::mapping::compile::variables::Variables;
use crate::mapping::diagnostic::wrong_value;
use crate::mapping::file::reader::{At, Text};
use crate::mapping::file::request::{Encode, Request};
use crate::mapping::file::scalar::PathText;
use crate::mapping::model::{BodyFormat, Encoding, RequestBody, SendMode};
use crate::mapping::yaml::{Node, NodeValue};
use crate::native::path::NativePath;

/// A body as the file writes it: a tree, or the word `none`.
pub(crate) fn explicit_body(
    node: &Node,
    variables: &Variables,
    context: &mut Context,
) -> Option<RequestBody> {
    match &node.value {
        NodeValue::String(word) if word == "none" => Some(RequestBody::None),
        _ => context.body(node, variables).map(RequestBody::Tree),
    }
}

/// How a body is written, and what of the record it is.
pub(crate) fn encoding(request: &Request, context: &mut Context) -> Option<(Encoding, BodyFormat)> {
    let format = match request.encode {
        None => return Some((context.encoding, BodyFormat::Record)),
        Some(Encode::Json) => return Some((Encoding::Json, BodyFormat::Record)),
        Some(Encode::Form) => return Some((Encoding::Form, BodyFormat::Record)),
        Some(Encode::MergePatch) => BodyFormat::MergePatch,
        Some(Encode::JsonPatch) => BodyFormat::JsonPatch,
    };
    if format == BodyFormat::JsonPatch
        && let Some((key, _)) = request.set.0.first()
    {
        let message = "a JSON Patch is a list and takes no further members";
        return context.fault(wrong_value(key.at, "set", message));
    }
    if request.send == Some(SendMode::Each) {
        let message = "each and a patch format exclude each other";
        return context.fault(wrong_value(request.at, "send", message));
    }
    Some((Encoding::Json, format))
}

/// An envelope: names joined by dots.
pub(crate) fn envelope(wrap: &Text, context: &mut Context) -> Option<NativePath> {
    let mut names = Vec::new();
    for name in wrap.value.split('.') {
        if name.is_empty() {
            let message = "expected a name, or names joined by dots";
            return context.fault(wrong_value(wrap.at, "wrap", message));
        }
        let name = name.replace('\\', "\\\\").replace('\'', "\\'");
        names.push(format!("['{name}']"));
    }
    let value = format!("${}", names.concat());
    context.path(&PathText(At { value, at: wrap.at }))
}
