//! Collections: multi-valued attributes whose elements have rows of their own.

use crate::mapping::compile::attribute::is_complex;
use crate::mapping::compile::context::Context;
use crate::mapping::compile::item::{Items, items, refuse};
use crate::mapping::compile::label::Label;
use crate::mapping::compile::place::{Declared, Known};
use crate::mapping::compile::request::{Kind, request};
use crate::mapping::compile::row::{Attributes, by, effective_mode, reference};
use crate::mapping::diagnostic::{
    exclusive, misfit, missing_field, no_source, not_writable, unknown_attribute, wrong_value,
};
use crate::mapping::file::reader::At;
use crate::mapping::file::request::Request;
use crate::mapping::file::resource::{BatchEntry, Row};
use crate::mapping::model;
use crate::mapping::model::{Batch, Batches, Collection, CollectionSource, Fetch, ItemRow, Mode};
use crate::native::path::NativePath;
use crate::scim::schema::AttributeType;

/// Whether a row is a collection.
pub(crate) fn is_collection(row: &Row) -> bool {
    row.items.is_some()
        || row.list.is_some()
        || row.item.is_some()
        || row.add.is_some()
        || row.change.is_some()
        || row.remove.is_some()
        || row.set.is_some()
        || row.entries.is_some()
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
    let by = by(row, false, &label, context);
    let add = call(row.add.as_ref(), Kind::Add, context);
    let change = call(row.change.as_ref(), Kind::Change, context);
    let remove = call(row.remove.as_ref(), Kind::Remove, context);
    let set = call(row.set.as_ref(), Kind::Set, context);
    let Items { mut rows, attributes } = items?;
    let key = key(row, &label, &rows, known, context)?;
    let (source, reference, by) = (source?, reference?, by?);
    let (add, change, remove, set) = (add?, change?, remove?, set?);
    let is_called = add.is_some() || remove.is_some() || set.is_some();
    let named = Named { reference, by: by.clone(), is_called };
    let reference = refer(&label, named, &mut rows, context)?;
    let batch = batches(row.batch.as_ref(), add.as_ref(), remove.as_ref(), context);
    let remove_reads = remove.as_ref().is_some_and(|remove| reads_elements(remove, &rows));
    if let Some(target) = &reference {
        compiled.draft.reference(&found, target);
    }
    compiled.draft.collection(&found, row, mode, &attributes);
    compiled.collections.push(Collection {
        place: found.place,
        source,
        items: rows,
        key,
        reference,
        by,
        mode,
        add,
        change,
        remove,
        remove_reads,
        set,
        entries: row
            .entries
            .as_ref()
            .map(|entries| model::EntryValues { on: entries.on.clone(), off: entries.off.clone() }),
        batch,
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
        ("memo", row.memo),
        ("to_scim", row.to_scim.is_some()),
        ("to_native", row.to_native.is_some()),
        ("pattern", row.pattern.is_some()),
    ];
    refuse(&given, label, "on a collection", context)
}

/// What a collection says of the resources that its elements are.
struct Named {
    reference: Option<String>,
    by: Option<NativePath>,
    /// Whether elements have calls of their own, of whose members `by` speaks.
    is_called: bool,
}

/// The type of resource that `value` identifies: the collection says so, or the item itself.
#[expect(clippy::option_option, reason = "outside: a fault; inside: no reference")]
fn refer(
    label: &Label,
    named: Named,
    rows: &mut [ItemRow],
    context: &mut Context,
) -> Option<Option<String>> {
    let Named { reference, by, is_called } = named;
    let Some(value) = rows.iter_mut().find(|item| item.sub == "value") else {
        return Some(reference);
    };
    match (&reference, &value.reference) {
        (Some(own), Some(other)) if own != other => {
            let why = "has two kinds of elements: its ref and that of its value";
            return context.fault(misfit(label.at, &label.text, why));
        }
        (Some(_), Some(_)) | (None, None) => {}
        (None, Some(other)) => return Some(Some(other.clone())),
        (Some(own), None) => {
            value.reference = Some(own.clone());
            // Without calls there is nothing else that `by` could speak of.
            value.by = value.by.take().or_else(|| by.filter(|_| !is_called));
        }
    }
    Some(reference)
}

fn source(row: &Row, label: &Label, mode: Mode, context: &mut Context) -> Option<CollectionSource> {
    match (&row.items, &row.list) {
        (Some(_), Some(_)) => {
            let fault = exclusive(label.at, "a collection", "items, list", "items, list");
            context.fault(fault)
        }
        (None, None) => context.missing(no_source(label.at, &label.text)),
        (None, Some(_)) if row.entries.is_some() => {
            context.fault(missing_field(label.at, &label.text, "items"))
        }
        (None, Some(list)) => {
            let list = request(list, Kind::CollectionList, None, context)?;
            Some(CollectionSource::List(Box::new(list)))
        }
        (Some(items), None) => {
            let path = context.path(items)?;
            let by_calls = row.add.is_some() || row.remove.is_some() || row.set.is_some();
            let writes = mode != Mode::Read && !by_calls;
            let is_written = match &row.entries {
                None => path.array().is_some(),
                Some(_) => path.is_writable() && !path.selects_array_elements(),
            };
            if row.entries.is_some() && !is_written {
                let message = "with \"entries\" this is the place of one object";
                return context.fault(wrong_value(items.0.at, "items", message));
            }
            if writes && !is_written {
                return context.fault(not_writable(items.0.at, &items.0.value));
            }
            Some(CollectionSource::Items(path))
        }
    }
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

/// How many elements each call takes. A request whose texts are about one element takes one at a
/// time, whatever holds for the other: those behind the first would not be sent.
fn batches(
    written: Option<&At<BatchEntry>>,
    add: Option<&model::Request>,
    remove: Option<&model::Request>,
    context: &mut Context,
) -> Batches {
    let one = Batch::Of(1);
    let Some(At { value, at }) = written else { return Batches { add: one, remove: one } };
    let wanted = value.batches();
    let mut sizes = [("add", wanted.add, add), ("remove", wanted.remove, remove)];
    for (name, size, request) in &mut sizes {
        if *size == one || request.is_none_or(takes_several) {
            continue;
        }
        if let BatchEntry::Each(_) = value {
            let message = format!("\"{name}\" is about one element at a time");
            let fault = wrong_value(*at, "batch", &message);
            context
                .faults
                .push(fault.with_help("name members or items, and neither member nor item"));
        }
        *size = one;
    }
    let [(_, add, _), (_, remove, _)] = sizes;
    Batches { add, remove }
}

/// Whether a request speaks of all elements that it is made for.
fn takes_several(request: &model::Request) -> bool {
    let mentions = request.mentions();
    let names = |wanted: [&str; 2]| {
        let mut roots = mentions.iter().filter_map(|mention| mention.split('.').next());
        roots.any(|root| wanted.contains(&root))
    };
    names(["members", "items"]) && !names(["member", "item"])
}

/// Whether a request names more of an element than the member, which is all that a client tells.
fn reads_elements(request: &model::Request, items: &[ItemRow]) -> bool {
    let value = items.iter().find(|item| item.sub == "value").map(|item| item.path.to_string());
    request.mentions().iter().any(|mention| {
        let path =
            mention.strip_prefix("item").filter(|rest| rest.is_empty() || rest.starts_with('.'));
        path.is_some_and(|path| value.as_deref() != Some(&format!("${path}")))
    })
}
