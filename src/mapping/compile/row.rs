//! Rows of `attributes`: one SCIM value and where it is natively.

use std::sync::Arc;

use regex::Regex;
use serde_json::{Map, Value};

use crate::mapping::compile::attribute::Draft;
use crate::mapping::compile::context::Context;
use crate::mapping::compile::fit::fit;
use crate::mapping::compile::label::Label;
use crate::mapping::compile::place::{Declared, Found, Known};
use crate::mapping::compile::source::{formulas, source};
use crate::mapping::compile::together;
use crate::mapping::compile::variables::DEFAULT;
use crate::mapping::diagnostic::{
    Diagnostic, Position, many_to_one, misfit, missing_field, unknown_field, unknown_resource,
    wrong_type, wrong_value,
};
use crate::mapping::file::reader::{At, OneOrMany, Text};
use crate::mapping::file::resource::{Matching, Row};
use crate::mapping::file::step::Step;
use crate::mapping::model;
use crate::mapping::model::{Mode, OnClear};
use crate::mapping::transform;
use crate::mapping::transform::kind::{Transform, TransformFault};
use crate::native::path::NativePath;
use crate::scim::schema::{Attribute, AttributeType, Mutability};

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
    /// The SCIM side.
    pub(crate) draft: Draft,
    /// Whether a row was left out because of a fault.
    pub(crate) broken: bool,
}

/// Compiles a row that is no collection.
pub(crate) fn single(
    label: Label,
    row: &Row,
    known: &Known,
    compiled: &mut Attributes,
    context: &mut Context,
) -> Option<()> {
    let parts = together::parts(&label.text);
    let found: Vec<Option<Found>> =
        parts.iter().map(|part| known.find(part, label.at, declared(row), context)).collect();
    let found: Vec<Found> = found.into_iter().collect::<Option<_>>()?;
    let mode = mode_of(row, &found);
    let via = via(row, &label, mode, found.len(), context);
    let source = source(row, &label, mode, context);
    let formulas = formulas(row, context);
    let default = row.default.as_ref().map(|default| context.template(default, &DEFAULT));
    if row.on_clear == Some(OnClear::Default) && row.default.is_none() {
        context.faults.push(missing_field(label.at, &label.text, "default"));
    }
    let fits = fit(&found, row, mode, &label, context);
    let reference = reference(row.r#ref.as_ref(), context);
    let by = by(row, false, &label, context);
    let pattern = pattern(row, context);
    let emit = emit(row, &label, context)?;
    let (via, source, (), reference) = (via?, source?, fits?, reference?);
    let (formulas, by, pattern) = (formulas?, by?, pattern?);
    for found in &found {
        compiled.draft.row(found, row, mode, &emit);
        let target = reference.as_ref().filter(|_| found.place.sub.as_deref() == Some("value"));
        if let Some(target) = target {
            compiled.draft.reference(found, target);
        }
    }
    let mut places = found.into_iter().map(|found| found.place);
    let place = places.next()?;
    let also: Vec<model::Place> = places.collect();
    let lenient_match = row.r#match != Some(Matching::Strict)
        && std::iter::once(&place).chain(&also).all(|place| is_untyped_free(&compiled.rows, place));
    compiled.rows.push(model::Row {
        place,
        also,
        source,
        via,
        formulas,
        pattern,
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
        by,
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
    let is_type = |other: &model::Place| {
        matches!(other.selector.as_slice(), [(name, _)] if name == "type")
            && other.selector != place.selector
    };
    let is_same = |other: &model::Place| {
        other.extension == place.extension && other.attribute == place.attribute
    };
    let takes = |row: &model::Row| row.places().any(|other| is_same(other) && is_type(other));
    !rows.iter().any(|row| row.lenient_match && takes(row))
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
    let is_made = row.to_scim.is_some() && row.to_native.is_none();
    if leaf.mutability == Mutability::ReadOnly || row.value.is_some() || is_made {
        return Mode::Read;
    }
    row.mode.unwrap_or(match leaf.mutability {
        Mutability::WriteOnly => Mode::Write,
        Mutability::ReadOnly | Mutability::ReadWrite | Mutability::Immutable => Mode::Both,
    })
}

/// The mode of a row over several attributes: they are written together or not at all.
fn mode_of(row: &Row, found: &[Found]) -> Mode {
    let modes: Vec<Mode> = found.iter().map(|found| effective_mode(row, found.leaf())).collect();
    let first = modes.first().copied().unwrap_or(Mode::Both);
    if modes.contains(&Mode::Read) {
        return Mode::Read;
    }
    if modes.iter().all(|mode| *mode == first) { first } else { Mode::Both }
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

fn emit(row: &Row, label: &Label, context: &mut Context) -> Option<Map<String, Value>> {
    match &row.emit {
        None => Some(Map::new()),
        Some(Value::Object(members)) => Some(members.clone()),
        Some(other) => context.fault(wrong_type(label.at, "emit", "a map", &other.to_string())),
    }
}

/// The member by which a reference names its target (E101); `None` inside when it is the key.
#[expect(clippy::option_option, reason = "outside: a fault; inside: no such member")]
pub(crate) fn by(
    row: &Row,
    is_reference: bool,
    label: &Label,
    context: &mut Context,
) -> Option<Option<NativePath>> {
    let Some(by) = &row.by else { return Some(None) };
    if row.r#ref.is_none() && !is_reference {
        let why = "has \"by\" without \"ref\", so nobody knows whose member that is";
        return context.fault(misfit(label.at, &label.text, why));
    }
    context.path(by).map(Some)
}

/// What a text must match; `None` inside when anything goes.
#[expect(clippy::option_option, reason = "outside: a fault; inside: no pattern")]
pub(crate) fn pattern(row: &Row, context: &mut Context) -> Option<Option<Regex>> {
    match &row.pattern {
        None => Some(None),
        Some(pattern) => context.regex(pattern, "pattern").map(Some),
    }
}

/// The transforms of a row with this many SCIM places, from native to SCIM.
pub(crate) fn via(
    row: &Row,
    label: &Label,
    mode: Mode,
    places: usize,
    context: &mut Context,
) -> Option<Vec<Arc<dyn Transform>>> {
    let Some(OneOrMany(steps)) = &row.via else { return Some(Vec::new()) };
    let paths = row.path.as_ref().map_or(1, |path| path.0.len());
    let mut transforms = Vec::new();
    for At { value: Step(value), at } in steps {
        let step = At { value: Step(together::counted(value, places, paths)), at: *at };
        let Some(transform) = transform(&step, context) else { continue };
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

/// One step of `via`.
pub(crate) fn transform(step: &At<Step>, context: &mut Context) -> Option<Arc<dyn Transform>> {
    if step.value.0.to_string().contains("{config.") {
        let fault = wrong_value(step.at, "via", "nothing is filled in in the arguments of via");
        let help = "`to_scim` and `to_native` are expressions that see config";
        return context.fault(fault.with_help(help));
    }
    match transform::build_step(&step.value.0) {
        Ok(transform) => Some(transform),
        Err(fault) => context.fault(transform_fault(step.at, &fault)),
    }
}

fn transform_fault(at: Position, fault: &TransformFault) -> Diagnostic {
    match fault {
        TransformFault::Unknown { name, known } => unknown_field(at, name, "via", known),
        TransformFault::BadArgument { .. } => wrong_value(at, "via", &fault.to_string()),
    }
}
