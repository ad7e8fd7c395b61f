//! Rows of `attributes`: one SCIM value and where it is natively.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::mapping::compile::attribute::{Draft, is_complex};
use crate::mapping::compile::context::Context;
use crate::mapping::compile::place::{Declared, Found, Known};
use crate::mapping::compile::variables::DEFAULT;
use crate::mapping::diagnostic::{
    Diagnostic, Position, many_to_one, misfit, no_source, not_supported, not_writable,
    unknown_field, unknown_resource, wrong_type, wrong_value,
};
use crate::mapping::file::reader::{At, OneOrMany, Text};
use crate::mapping::file::resource::{Matching, Row};
use crate::mapping::file::scalar::PathText;
use crate::mapping::model;
use crate::mapping::model::{Mode, OnClear, Source};
use crate::mapping::transform;
use crate::mapping::transform::kind::{Transform, TransformFault};
use crate::native::path::NativePath;
use crate::scim::schema::{Attribute, AttributeType, Mutability};

/// How a row is called in the file, and where its faults are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    /// The key, as written.
    pub(crate) text: String,
    /// The place.
    pub(crate) at: Position,
}

/// All rows of a resource.
#[derive(Default)]
pub(crate) struct Attributes {
    /// Rows.
    pub(crate) rows: Vec<model::Row>,
    /// Their labels, index by index.
    pub(crate) row_labels: Vec<Label>,
    /// Collections.
    pub(crate) collections: Vec<model::Collection>,
    /// Their labels, index by index.
    pub(crate) collection_labels: Vec<Label>,
    /// Rows that the language knows and this version does not, with what they would write.
    pub(crate) unsupported: Vec<(Label, Option<NativePath>)>,
    /// The SCIM side.
    pub(crate) draft: Draft,
    /// Whether a row was left out because of a fault.
    pub(crate) broken: bool,
}

/// Compiles a row that holds one value.
pub(crate) fn single(
    label: Label,
    row: &Row,
    known: &Known,
    compiled: &mut Attributes,
    context: &mut Context,
) -> Option<()> {
    let found = known.find(&label.text, label.at, declared(row), context)?;
    let mode = effective_mode(row, found.leaf());
    let via = via(row, &label, mode, context);
    let source = source(row, &label, mode, context);
    let default = row.default.as_ref().map(|default| context.template(default, &DEFAULT));
    let fits = fit(&found, row, &label, context);
    let reference = reference(row.r#ref.as_ref(), context);
    let emit = emit(row, &label, context)?;
    let (via, source, (), reference) = (via?, source?, fits?, reference?);
    compiled.draft.row(&found, row, mode, &emit);
    if let Some(target) = reference.as_ref().filter(|_| found.place.sub.as_deref() == Some("value"))
    {
        compiled.draft.reference(&found, target);
    }
    let lenient_match =
        row.r#match != Some(Matching::Strict) && is_untyped_free(&compiled.rows, &found.place);
    compiled.rows.push(model::Row {
        place: found.place,
        source,
        via,
        mode,
        required: row.required,
        default: match default {
            None => None,
            Some(default) => Some(default?),
        },
        on_clear: row.on_clear.unwrap_or(OnClear::Null),
        empty: empty(row),
        alias: row.alias,
        lenient_match,
        emit,
        reference,
        memo: row.memo,
        lossy: row.lossy,
        label: label.text.clone(),
        line: label.at.line,
        column: label.at.column,
    });
    compiled.row_labels.push(label);
    Some(())
}

/// Whether no earlier row takes the attribute's element without a type for another type: written
/// to both places, one number would become two.
fn is_untyped_free(rows: &[model::Row], place: &model::Place) -> bool {
    let is_type = |row: &model::Row| {
        matches!(row.place.selector.as_slice(), [(name, _)] if name == "type")
            && row.place.selector != place.selector
    };
    let is_same = |row: &model::Row| {
        row.place.extension == place.extension && row.place.attribute == place.attribute
    };
    !rows.iter().any(|row| row.lenient_match && is_same(row) && is_type(row))
}

/// The type that a row declares for an attribute of its own.
pub(crate) fn declared(row: &Row) -> Declared {
    Declared {
        kind: row.r#type.as_ref().map_or(AttributeType::String, |kind| kind.value),
        multi: row.multi.as_ref().is_some_and(|multi| multi.value),
    }
}

/// The row's mode. What SCIM itself says is read-only is never written, and a constant has
/// nowhere to be written to.
pub(crate) fn effective_mode(row: &Row, leaf: &Attribute) -> Mode {
    if leaf.mutability == Mutability::ReadOnly || row.value.is_some() {
        return Mode::Read;
    }
    row.mode.unwrap_or(match leaf.mutability {
        Mutability::WriteOnly => Mode::Write,
        Mutability::ReadOnly | Mutability::ReadWrite | Mutability::Immutable => Mode::Both,
    })
}

/// Native values that mean unassigned.
pub(crate) fn empty(row: &Row) -> Vec<Value> {
    row.empty.clone().unwrap_or_else(|| vec![Value::Null, Value::from("")])
}

/// The resource type that `ref` names (E305); `None` inside when there is no `ref`.
#[expect(clippy::option_option, reason = "outside: a fault; inside: no reference")]
pub(crate) fn reference(named: Option<&Text>, context: &mut Context) -> Option<Option<String>> {
    let Some(named) = named else { return Some(None) };
    if context.resources.contains(&named.value) {
        return Some(Some(named.value.clone()));
    }
    let known: Vec<&str> = context.resources.iter().map(String::as_str).collect();
    let fault = unknown_resource(named.at, &named.value, &known);
    context.missing(fault)
}

fn source(row: &Row, label: &Label, mode: Mode, context: &mut Context) -> Option<Source> {
    let given =
        [("path", row.path.is_some()), ("sidecar", row.sidecar), ("value", row.value.is_some())];
    let given: Vec<&str> =
        given.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
    if given.len() > 1 {
        let message = format!("has both {}", given.join(" and "));
        return context.fault(misfit(label.at, &label.text, &message));
    }
    if row.sidecar {
        return Some(Source::Sidecar);
    }
    if let Some(value) = &row.value {
        return Some(Source::Constant(value.value.clone()));
    }
    let read = match (row.path.as_ref().map(|path| path.0.as_slice()), &row.write) {
        (Some([only]), _) => only,
        (Some([]), _) => return None,
        (Some([several, ..]), _) => {
            return context.fault(not_supported(several.0.at, "a list of paths in one row"));
        }
        // What is only ever written has nothing to read.
        (None, Some(write)) if mode == Mode::Write => write,
        (None, _) => return context.missing(no_source(label.at, &label.text)),
    };
    let write = row.write.as_ref().unwrap_or(read);
    let read = context.path(read)?;
    let write = writable(write, mode, context)?;
    Some(Source::Path { read, write })
}

/// Where a value is written (E102); `None` inside when it never is.
#[expect(clippy::option_option, reason = "outside: a fault; inside: never written")]
pub(crate) fn writable(
    text: &PathText,
    mode: Mode,
    context: &mut Context,
) -> Option<Option<NativePath>> {
    let path = context.path(text)?;
    if mode == Mode::Read {
        return Some(None);
    }
    if !path.is_writable() {
        return context.fault(not_writable(text.0.at, &text.0.value));
    }
    Some(Some(path))
}

fn emit(row: &Row, label: &Label, context: &mut Context) -> Option<Map<String, Value>> {
    match &row.emit {
        None => Some(Map::new()),
        Some(Value::Object(members)) => Some(members.clone()),
        Some(other) => context.fault(wrong_type(label.at, "emit", "a map", &other.to_string())),
    }
}

/// The transforms of a row, from native to SCIM.
pub(crate) fn via(
    row: &Row,
    label: &Label,
    mode: Mode,
    context: &mut Context,
) -> Option<Vec<Arc<dyn Transform>>> {
    let Some(OneOrMany(steps)) = &row.via else { return Some(Vec::new()) };
    let mut transforms = Vec::new();
    for At { value, at } in steps {
        let transform = match transform::build_step(value) {
            Ok(transform) => transform,
            Err(fault) => {
                context.faults.push(transform_fault(*at, &fault));
                continue;
            }
        };
        if mode != Mode::Read
            && !row.lossy
            && let Some(value) = transform.ambiguous()
        {
            context.faults.push(many_to_one(label.at, &label.text, &value.to_string()));
        }
        transforms.push(transform);
    }
    (transforms.len() == steps.len()).then_some(transforms)
}

/// Whether the row fits the attribute's type (E204).
fn fit(found: &Found, row: &Row, label: &Label, context: &mut Context) -> Option<()> {
    let place = &found.place;
    let stored = row.sidecar || row.value.is_some();
    let why = if place.extension.is_none() && matches!(place.attribute.as_str(), "id" | "schemas") {
        "is given by the bridge itself"
    } else if !place.selector.is_empty() && !place.multi_valued {
        "has one value, so there is nothing to select"
    } else if !place.selector.is_empty() && place.sub.is_none() {
        "selects an element and names none of its sub-attributes, such as .value"
    } else if is_complex(&found.attribute) && place.sub.is_none() && !stored && !reads_json(row) {
        if place.multi_valued {
            "has elements: map one as [type eq \"work\"].value, or all of them with items"
        } else {
            "has sub-attributes: give each a row of its own"
        }
    } else if place.multi_valued && place.sub.is_some() && place.selector.is_empty() {
        "has several elements: say which, as in [type eq \"work\"].value, or use items"
    } else if declares_other(row, found.leaf()) {
        "has another type in its schema"
    } else if !yields(row, found.leaf()) {
        "gets a value of another type from the last transform of its via"
    } else {
        return Some(());
    };
    context.fault(misfit(label.at, &label.text, why))
}

fn reads_json(row: &Row) -> bool {
    last_transform(row) == Some("json")
}

fn declares_other(row: &Row, leaf: &Attribute) -> bool {
    row.r#type.as_ref().is_some_and(|kind| kind.value != leaf.kind)
        || row.multi.as_ref().is_some_and(|multi| multi.value != leaf.multi_valued)
}

fn last_transform(row: &Row) -> Option<&str> {
    let OneOrMany(steps) = row.via.as_ref()?;
    match &steps.last()?.value {
        Value::String(name) => Some(name),
        Value::Object(members) => members.keys().next().map(String::as_str),
        _ => None,
    }
}

fn yields(row: &Row, leaf: &Attribute) -> bool {
    let text = [
        AttributeType::String,
        AttributeType::DateTime,
        AttributeType::Reference,
        AttributeType::Binary,
    ];
    match last_transform(row) {
        Some("not" | "timestamp_flag") => leaf.kind == AttributeType::Boolean,
        Some("lower" | "string" | "strip_prefix" | "strip_suffix" | "datetime") => {
            text.contains(&leaf.kind)
        }
        Some("integer" | "number") => {
            matches!(leaf.kind, AttributeType::Integer | AttributeType::Decimal)
        }
        Some("list") => leaf.multi_valued,
        Some(_) | None => true,
    }
}

fn transform_fault(at: Position, fault: &TransformFault) -> Diagnostic {
    match fault {
        TransformFault::Unknown { name, known } => unknown_field(at, name, "via", known),
        TransformFault::NotYet { name } => not_supported(at, &format!("the transform \"{name}\"")),
        TransformFault::BadArgument { .. } => wrong_value(at, "via", &fault.to_string()),
    }
}
