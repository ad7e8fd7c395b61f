//! Collections: multi-valued attributes whose elements have rows of their own.

use crate::mapping::compile::attribute::is_complex;
use crate::mapping::compile::context::Context;
use crate::mapping::compile::place::{Declared, Found, Known};
use crate::mapping::compile::request::{Kind, request};
use crate::mapping::compile::row::{
    Attributes, Label, declared, effective_mode, empty, reference, via, writable,
};
use crate::mapping::diagnostic::{
    exclusive, misfit, missing_field, no_source, not_supported, not_writable, unknown_attribute,
};
use crate::mapping::file::request::Request;
use crate::mapping::file::resource::{Row, RowEntry};
use crate::mapping::model;
use crate::mapping::model::{Batch, Collection, CollectionSource, Fetch, ItemRow, Mode};
use crate::scim::schema::{Attribute, AttributeType};

/// Whether a row is a collection.
pub(crate) fn is_collection(row: &Row) -> bool {
    row.items.is_some()
        || row.list.is_some()
        || row.item.is_some()
        || row.add.is_some()
        || row.change.is_some()
        || row.remove.is_some()
}

/// Compiles a collection.
pub(crate) fn compile(
    label: Label,
    row: &Row,
    known: &Known,
    compiled: &mut Attributes,
    context: &mut Context,
) -> Option<()> {
    refuse_row_fields(row, &label, context)?;
    let whole = Declared { kind: AttributeType::Complex, multi: true };
    let found = known.find(&label.text, label.at, whole, context)?;
    let place = &found.place;
    if !place.multi_valued || !is_complex(&found.attribute) || place.sub.is_some() {
        let why = "is not a list of elements, so it has no items of its own";
        return context.fault(misfit(label.at, &label.text, why));
    }
    let mode = effective_mode(row, &found.attribute);
    let source = source(row, &label, mode, context);
    let items = items(row, &label, &found, mode, known, context);
    let reference = reference(row.r#ref.as_ref(), context);
    let add = call(row.add.as_ref(), Kind::Add, context);
    let change = call(row.change.as_ref(), Kind::Change, context);
    let remove = call(row.remove.as_ref(), Kind::Remove, context);
    let (items, attributes) = items?;
    let key = key(row, &label, &items, known, context)?;
    let (source, reference, add, change, remove) = (source?, reference?, add?, change?, remove?);
    if let Some(target) = &reference {
        compiled.draft.reference(&found, target);
    }
    compiled.draft.collection(&found, row, mode, &attributes);
    compiled.collections.push(Collection {
        place: found.place,
        source,
        items,
        key,
        reference,
        mode,
        add,
        change,
        remove,
        batch: row.batch.unwrap_or(Batch::Of(1)),
        fetch: row.fetch.unwrap_or(Fetch::Always),
        label: label.text.clone(),
        line: label.at.line,
        column: label.at.column,
    });
    compiled.collection_labels.push(label);
    Some(())
}

/// Fields that only a single value has.
fn refuse_row_fields(row: &Row, label: &Label, context: &mut Context) -> Option<()> {
    let given = [
        ("path", row.path.is_some()),
        ("write", row.write.is_some()),
        ("via", row.via.is_some()),
        ("default", row.default.is_some()),
        ("on_clear", row.on_clear.is_some()),
        ("empty", row.empty.is_some()),
        ("alias", row.alias),
        ("match", row.r#match.is_some()),
        ("emit", row.emit.is_some()),
        ("sidecar", row.sidecar),
        ("value", row.value.is_some()),
    ];
    refuse(&given, label, "on a collection", context)
}

/// Fields that an item cannot have yet.
fn refuse_item_fields(item: &Row, label: &Label, context: &mut Context) -> Option<()> {
    let given = [
        ("default", item.default.is_some()),
        ("on_clear", item.on_clear.is_some()),
        ("alias", item.alias),
        ("match", item.r#match.is_some()),
        ("emit", item.emit.is_some()),
        ("sidecar", item.sidecar),
        ("value", item.value.is_some()),
        ("ref", item.r#ref.is_some()),
        ("items", is_collection(item)),
    ];
    refuse(&given, label, "on an item", context)
}

fn refuse(
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

fn source(row: &Row, label: &Label, mode: Mode, context: &mut Context) -> Option<CollectionSource> {
    match (&row.items, &row.list) {
        (Some(_), Some(_)) => {
            let fault = exclusive(label.at, "a collection", "items, list", "items, list");
            context.fault(fault)
        }
        (None, None) => context.missing(no_source(label.at, &label.text)),
        (None, Some(list)) => {
            let list = request(list, Kind::CollectionList, None, context)?;
            Some(CollectionSource::List(Box::new(list)))
        }
        (Some(items), None) => {
            let path = context.path(items)?;
            let by_calls = row.add.is_some() || row.remove.is_some();
            let writes = mode != Mode::Read && !by_calls;
            if writes && path.array().is_none() {
                return context.fault(not_writable(items.0.at, &items.0.value));
            }
            Some(CollectionSource::Items(path))
        }
    }
}

type Items<'r> = (Vec<ItemRow>, Vec<(Attribute, &'r Row)>);

fn items<'r>(
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
    let mut items = Vec::new();
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
        if let Some(item) = item_row(item, &label, &sub, mode, context) {
            items.push(item);
        }
        attributes.push((sub, item.as_ref()));
    }
    (items.len() == entries.0.len()).then_some((items, attributes))
}

fn item_row(
    item: &Row,
    label: &Label,
    sub: &Attribute,
    mode: Mode,
    context: &mut Context,
) -> Option<ItemRow> {
    refuse_item_fields(item, label, context)?;
    let mode = if mode == Mode::Read { mode } else { item.mode.unwrap_or(Mode::Both) };
    let transforms = via(item, label, mode, context);
    let read = match item.path.as_ref().map(|path| path.0.as_slice()) {
        Some([only]) => only,
        Some([_, several, ..]) => {
            return context.fault(not_supported(several.0.at, "a list of paths in one row"));
        }
        Some([]) | None => return context.missing(no_source(label.at, &label.text)),
    };
    let path = context.path(read)?;
    let write = writable(item.write.as_ref().unwrap_or(read), mode, context)?;
    Some(ItemRow {
        sub: sub.name.clone(),
        path,
        write,
        via: transforms?,
        empty: empty(item),
        lossy: item.lossy,
        line: label.at.line,
        column: label.at.column,
    })
}

fn key(
    row: &Row,
    label: &Label,
    items: &[ItemRow],
    known: &Known,
    context: &mut Context,
) -> Option<Vec<String>> {
    let find = |name: &str| items.iter().find(|item| item.sub.eq_ignore_ascii_case(name));
    let mapped: Vec<String> = items.iter().map(|item| item.sub.clone()).collect();
    let Some(names) = &row.key else {
        return match find("value") {
            Some(item) => Some(vec![item.sub.clone()]),
            None => context.fault(
                misfit(label.at, &label.text, "has no item \"value\" to tell its elements apart")
                    .with_help("name other sub-attributes under \"key\""),
            ),
        };
    };
    let mut key = Vec::new();
    for name in names {
        match find(&name.value) {
            Some(item) => key.push(item.sub.clone()),
            None => {
                let fault = unknown_attribute(name.at, &known.resource, &name.value, &mapped);
                context.faults.push(fault);
            }
        }
    }
    (key.len() == names.len() && !key.is_empty()).then_some(key)
}

#[expect(clippy::option_option, reason = "outside: a fault; inside: no such call")]
fn call(
    written: Option<&Request>,
    kind: Kind,
    context: &mut Context,
) -> Option<Option<model::Request>> {
    match written {
        None => Some(None),
        Some(written) => request(written, kind, None, context).map(Some),
    }
}

fn sub_names(found: &Found) -> Vec<String> {
    let name = &found.place.attribute;
    found.attribute.sub_attributes.iter().map(|sub| format!("{name}.{}", sub.name)).collect()
}
