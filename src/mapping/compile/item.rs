//! The rows of a collection's elements, relative to one element.

use crate::mapping::compile::context::Context;
use crate::mapping::compile::label::Label;
use crate::mapping::compile::place::{Found, Known};
use crate::mapping::compile::row::{by, declared, empty, pattern, reference, via};
use crate::mapping::compile::source::{formulas, source};
use crate::mapping::diagnostic::{misfit, missing_field, not_supported, unknown_attribute};
use crate::mapping::file::resource::{Row, RowEntry};
use crate::mapping::model::{ItemRow, Mode, Source};
use crate::native::path::NativePath;
use crate::scim::schema::Attribute;

/// The rows of `item`.
pub(crate) struct Items<'r> {
    /// Compiled.
    pub(crate) rows: Vec<ItemRow>,
    /// As written, with the sub-attributes that they map.
    pub(crate) attributes: Vec<(Attribute, &'r Row)>,
}

/// Compiles `item`.
pub(crate) fn items<'r>(
    row: &'r Row,
    label: &Label,
    found: &Found,
    mode: Mode,
    known: &Known,
    context: &mut Context,
) -> Option<Items<'r>> {
    let Some(entries) = &row.item else {
        return context.missing(missing_field(label.at, &label.text, "item"));
    };
    let mut rows = Vec::new();
    let mut attributes = Vec::new();
    for (key, RowEntry(item)) in &entries.0 {
        let label = Label { text: key.name.clone(), at: key.at };
        let sub = match found.attribute.sub_attribute(&key.name) {
            Some(sub) => sub.clone(),
            None if found.attribute.sub_attributes.is_empty() => {
                Attribute::new(&key.name, declared(item).kind)
            }
            None => {
                let names = sub_names(found);
                let name = format!("{}.{}", found.place.attribute, key.name);
                context.faults.push(unknown_attribute(key.at, &known.resource, &name, &names));
                continue;
            }
        };
        if let Some(item) = item_row(item, row, &label, &sub, mode, context) {
            rows.push(item);
        }
        attributes.push((sub, item.as_ref()));
    }
    (rows.len() == entries.0.len()).then_some(Items { rows, attributes })
}

fn item_row(
    item: &Row,
    whole: &Row,
    label: &Label,
    sub: &Attribute,
    mode: Mode,
    context: &mut Context,
) -> Option<ItemRow> {
    refuse_item_fields(item, label, context)?;
    let mode = if mode == Mode::Read || is_made(item) {
        Mode::Read
    } else {
        item.mode.unwrap_or(Mode::Both)
    };
    let transforms = via(item, label, mode, 1, context);
    let source = source(item, label, mode, context);
    let formulas = formulas(item, context);
    let reference = reference(item.r#ref.as_ref(), context);
    let is_named = sub.name == "value" && whole.r#ref.is_some();
    let by = by(item, is_named, label, context);
    let pattern = pattern(item, context);
    let (path, write, constant) = match source? {
        Source::Path { read, write } => (read, write, None),
        Source::Computed | Source::Sidecar => (NativePath::root(), None, None),
        Source::Constant(value) => (NativePath::root(), None, Some(value)),
        Source::Paths { .. } => {
            let why = "has several paths, and a row of an element has one";
            return context.fault(misfit(label.at, &label.text, why));
        }
    };
    Some(ItemRow {
        sub: sub.name.clone(),
        path,
        write,
        via: transforms?,
        formulas: formulas?,
        pattern: pattern?,
        constant,
        reference: reference?,
        by: by?,
        empty: empty(item),
        lossy: item.lossy,
        line: label.at.line,
        column: label.at.column,
    })
}

/// Whether the bridge makes the value, so that nobody can write it.
pub(crate) fn is_made(item: &Row) -> bool {
    item.value.is_some() || (item.to_scim.is_some() && item.to_native.is_none())
}

/// Fields that a row of an element cannot have yet.
fn refuse_item_fields(item: &Row, label: &Label, context: &mut Context) -> Option<()> {
    let given = [
        ("default", item.default.is_some()),
        ("on_clear", item.on_clear.is_some()),
        ("alias", item.alias),
        ("match", item.r#match.is_some()),
        ("emit", item.emit.is_some()),
        ("sidecar", item.sidecar),
        ("memo", item.memo),
        ("items", item.items.is_some() || item.list.is_some() || item.item.is_some()),
    ];
    refuse(&given, label, "on an item", context)
}

/// Refuses fields that mean nothing in this place.
pub(crate) fn refuse(
    given: &[(&str, bool)],
    label: &Label,
    whereabouts: &str,
    context: &mut Context,
) -> Option<()> {
    match given.iter().find(|(_, there)| *there) {
        None => Some(()),
        Some((field, _)) => {
            context.fault(not_supported(label.at, &format!("\"{field}\" {whereabouts}")))
        }
    }
}

fn sub_names(found: &Found) -> Vec<String> {
    let name = &found.place.attribute;
    found.attribute.sub_attributes.iter().map(|sub| format!("{name}.{}", sub.name)).collect()
}
