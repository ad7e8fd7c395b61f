//! Values of a record as JSON, by a plan: copied where they can be, made by `lens.rs` and
//! `collection.rs` where they cannot.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::convert::context::Context;
use crate::convert::elements::native_elements;
use crate::convert::plan::{Blank, ListReading, PlannedItem, PlannedList, PlannedRow, Reader};
use crate::convert::{collection, lens};
use crate::mapping::model::Collection;
use crate::native::scan::{Kind, Raw, Scanner};

/// The members of a record that a plan reads, where they stand in its text.
pub type Found<'t> = Vec<Option<Raw<'t>>>;

/// A value as JSON; `None` when it is unassigned.
pub(crate) type Cell<'t> = Option<Cow<'t, str>>;

/// What stands in a slot; null where nothing does.
pub(crate) fn slot<'t>(found: &Found<'t>, slot: usize) -> Raw<'t> {
    found.get(slot).copied().flatten().unwrap_or(Raw::NULL)
}

/// A record that has nothing but these members.
pub(crate) fn part(members: &[(Vec<String>, usize)], found: &Found<'_>) -> Option<Value> {
    let mut record = Value::Object(Map::new());
    for (names, at) in members {
        let Some(raw) = found.get(*at).copied().flatten() else { continue };
        let mut place = &mut record;
        for name in names {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            place = place.as_object_mut()?.entry(name.as_str()).or_insert(Value::Null);
        }
        *place = raw.value()?;
    }
    Some(record)
}

/// A value as JSON, where it is a single one; the outer `None` is for others.
fn single(value: Option<Value>) -> Option<Cell<'static>> {
    match value {
        None => Some(None),
        Some(Value::Bool(true)) => Some(Some(Cow::Borrowed("true"))),
        Some(Value::Bool(false)) => Some(Some(Cow::Borrowed("false"))),
        Some(value @ (Value::Number(_) | Value::String(_))) => {
            Some(Some(Cow::Owned(value.to_string())))
        }
        Some(Value::Null | Value::Array(_) | Value::Object(_)) => None,
    }
}

/// A value that is passed on as it is.
fn copied(raw: Raw<'_>, blank: Blank) -> Option<Cell<'_>> {
    match raw.kind {
        Kind::Null => Some(None),
        Kind::Plain if blank == Blank::Nothing && raw.text == "\"\"" => Some(None),
        Kind::Boolean | Kind::Whole | Kind::Plain => Some(Some(Cow::Borrowed(raw.text))),
        Kind::Number | Kind::Escaped | Kind::Array | Kind::Object => single(Some(raw.value()?)),
    }
}

/// The value of a row; the outer `None` is for the general reading.
pub(crate) fn row_cell<'v>(
    context: &Context<'_>,
    planned: &'v PlannedRow,
    found: &Found<'v>,
) -> Option<Cell<'v>> {
    let row = context.resource.rows.get(planned.row)?;
    match &planned.reader {
        Reader::Constant(json) => Some(Some(Cow::Borrowed(json))),
        Reader::Copy { slot: at, blank } => copied(slot(found, *at), *blank),
        Reader::Through(at) => single(lens::read(context, row, &slot(found, *at).value()?)),
        Reader::Parts(members) => single(lens::get(context, row, &part(members, found)?)),
    }
}

/// The elements of a list, cell by cell.
pub(crate) fn elements<'v>(
    context: &Context<'_>,
    list: &Collection,
    planned: &'v PlannedList,
    found: &Found<'v>,
) -> Option<Vec<Cell<'v>>> {
    let mut cells = Vec::new();
    match &planned.reading {
        ListReading::Streamed { slot: at, wants, items } => {
            let raw = slot(found, *at);
            match raw.kind {
                Kind::Array => {}
                // A wildcard finds the members of an object, too.
                Kind::Object => return None,
                _ => return Some(cells),
            }
            let mut members = vec![None; wants.len()];
            Scanner::new(raw.text).array(|scanner| {
                let element = scanner.value()?;
                members.fill(None);
                if element.kind == Kind::Object && !wants.is_empty() {
                    wants.find(&mut Scanner::new(element.text), &mut members)?;
                }
                element_cells(context, list, items, (element, &members), &mut cells)
            })?;
        }
        ListReading::Parts(members) => {
            let record = part(members, found)?;
            for native in native_elements(list, &record) {
                let Some(Value::Object(mut element)) =
                    collection::get_element(context, list, &native)
                else {
                    continue;
                };
                for item in &list.items {
                    cells.push(single(element.remove(&item.sub))?);
                }
            }
        }
    }
    Some(cells)
}

/// The cells of one element, behind those of others; none, when it is no element.
fn element_cells<'v>(
    context: &Context<'_>,
    list: &Collection,
    items: &'v [PlannedItem],
    (element, members): (Raw<'v>, &Found<'v>),
    cells: &mut Vec<Cell<'v>>,
) -> Option<()> {
    let begin = cells.len();
    let mut is_assigned = false;
    for (item, planned) in list.items.iter().zip(items) {
        let raw = |at: &Option<usize>| at.map_or(element, |at| slot(members, at));
        let cell = match planned {
            PlannedItem::Constant(json) => {
                cells.push(Some(Cow::Borrowed(json)));
                continue;
            }
            PlannedItem::Copy { slot, blank } => copied(raw(slot), *blank)?,
            PlannedItem::Through(slot) => {
                match collection::get_item(context, item, &raw(slot).value()?) {
                    Some(value) => single(value)?,
                    None => {
                        cells.truncate(begin);
                        return Some(());
                    }
                }
            }
        };
        is_assigned |= cell.is_some();
        cells.push(cell);
    }
    if !is_assigned {
        cells.truncate(begin);
    }
    Some(())
}
