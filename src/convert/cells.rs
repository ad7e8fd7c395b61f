//! Values of a record as JSON, by a plan: copied where they can be, made by `lens.rs` and
//! `collection.rs` where they cannot.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::{Map, Value};

use crate::convert::context::Context;
use crate::convert::elements::native_elements;
use crate::convert::plan::{
    Blank, ListReading, Member, Plan, PlannedItem, PlannedList, PlannedRow, Reader, Top,
};
use crate::convert::slots::{Element, Found};
use crate::convert::{collection, lens};
use crate::mapping::model::Collection;
use crate::native::span::{Kind, Raw};

/// A value as JSON; `None` when it is unassigned.
pub(crate) type Cell<'t> = Option<Cow<'t, str>>;

/// The values of one record after the other: the room of each is that of the next.
#[derive(Debug, Default)]
pub(crate) struct Cells<'t> {
    /// Of the rows, and behind them those of all elements.
    all: Vec<Cell<'t>>,
    /// Where the elements of each list stand.
    lists: Vec<Range<usize>>,
    /// Whether an attribute has anything.
    filled: Vec<bool>,
    /// The attributes and the extensions that have anything, in the order in which the general
    /// reading meets them.
    order: Vec<Top>,
    /// The same for the attributes of each extension.
    within: Vec<Vec<usize>>,
}

impl<'t> Cells<'t> {
    /// Reads the attributes of a record that `is_wanted` names; `None` is for the general reading.
    pub(crate) fn read(
        &mut self,
        plan: &'t Plan,
        context: &Context<'_>,
        found: &Found<'t>,
        is_wanted: impl Fn(usize) -> bool,
    ) -> Option<()> {
        self.all.clear();
        self.lists.clear();
        self.filled.clear();
        self.filled.resize(plan.groups.len(), false);
        self.order.clear();
        self.within.iter_mut().for_each(Vec::clear);
        self.within.resize_with(plan.sections.len(), Vec::new);
        for row in &plan.rows {
            let cell = if is_wanted(row.group) { row_cell(context, row, found)? } else { None };
            if cell.is_some() {
                self.fill(plan, row.group);
            }
            self.all.push(cell);
        }
        for planned in &plan.lists {
            let begin = self.all.len();
            if is_wanted(planned.group) {
                let list = context.resource.collections.get(planned.list)?;
                elements(context, (list, planned), found, &mut self.all)?;
            }
            if self.all.len() > begin {
                self.fill(plan, planned.group);
            }
            self.lists.push(begin..self.all.len());
        }
        Some(())
    }

    /// Notes that an attribute has something.
    fn fill(&mut self, plan: &Plan, group: usize) {
        let Some(is_filled) = self.filled.get_mut(group).filter(|is_filled| !**is_filled) else {
            return;
        };
        *is_filled = true;
        let section = plan.groups.get(group).and_then(|group| group.section);
        match section.and_then(|section| Some((section, self.within.get_mut(section)?))) {
            None => self.order.push(Top::Group(group)),
            Some((section, within)) => {
                if within.is_empty() {
                    self.order.push(Top::Section(section));
                }
                within.push(group);
            }
        }
    }

    /// Whether an attribute has anything.
    pub(crate) fn is_filled(&self, group: usize) -> bool {
        self.filled.get(group).copied().unwrap_or(false)
    }

    /// The attributes and the extensions that have anything, in the order in which the general
    /// reading meets them.
    pub(crate) fn order(&self) -> &[Top] {
        &self.order
    }

    /// The attributes of an extension that have anything, in that order.
    pub(crate) fn within(&self, section: usize) -> &[usize] {
        self.within.get(section).map_or(&[], Vec::as_slice)
    }

    /// The value of a row.
    pub(crate) fn row(&self, row: usize) -> Option<&str> {
        self.all.get(row)?.as_deref()
    }

    /// The value of a member.
    pub(crate) fn member<'m>(&'m self, member: &'m Member) -> Option<&'m str> {
        let value = self.row(member.row)?;
        match &member.beside {
            None => Some(value),
            Some(beside) => {
                let is_first = beside.unless.iter().all(|row| self.row(*row).is_none());
                is_first.then_some(&beside.json)
            }
        }
    }

    /// The elements of a list, each with the cells of its items.
    pub(crate) fn elements(
        &self,
        list: usize,
        planned: &PlannedList,
    ) -> impl Iterator<Item = &[Cell<'t>]> {
        let cells = self.lists.get(list).and_then(|range| self.all.get(range.clone()));
        cells.unwrap_or_default().chunks(planned.subs.len().max(1))
    }
}

/// What stands in a slot; null where nothing does.
pub(crate) fn slot<'t>(found: &Found<'t>, slot: usize) -> Raw<'t> {
    found.get(slot).unwrap_or(Raw::NULL)
}

/// A record that has nothing but these members.
pub(crate) fn part(members: &[(Vec<String>, usize)], found: &Found<'_>) -> Option<Value> {
    let mut record = Value::Object(Map::new());
    for (names, at) in members {
        let Some(raw) = found.get(*at) else { continue };
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
            Some(Some(Cow::Owned(serde_json::to_string(&value).ok()?)))
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
fn row_cell<'v>(
    context: &Context<'_>,
    planned: &'v PlannedRow,
    found: &Found<'v>,
) -> Option<Cell<'v>> {
    let row = || context.resource.rows.get(planned.row);
    match &planned.reader {
        Reader::Constant(json) => Some(Some(Cow::Borrowed(json))),
        Reader::Copy { slot: at, blank } => copied(slot(found, *at), *blank),
        Reader::Through(at) => single(lens::read(context, row()?, &slot(found, *at).value()?)),
        Reader::Parts(members) => single(lens::get(context, row()?, &part(members, found)?)),
    }
}

/// The elements of a list, cell by cell behind others.
fn elements<'v>(
    context: &Context<'_>,
    (list, planned): (&Collection, &'v PlannedList),
    found: &Found<'v>,
    cells: &mut Vec<Cell<'v>>,
) -> Option<()> {
    match &planned.reading {
        ListReading::Streamed { slot: at, list: number, items } => {
            match slot(found, *at).kind {
                Kind::Array => {}
                // A wildcard finds the members of an object, too.
                Kind::Object => return None,
                _ => return Some(()),
            }
            for element in found.elements(*number) {
                element_cells(context, (list, items), element, cells)?;
            }
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
    Some(())
}

/// The cells of one element, behind those of others; none, when it is no element.
fn element_cells<'v>(
    context: &Context<'_>,
    (list, items): (&Collection, &'v [PlannedItem]),
    element: Element<'v, '_>,
    cells: &mut Vec<Cell<'v>>,
) -> Option<()> {
    let begin = cells.len();
    let mut is_assigned = false;
    let read = |slot: &Option<usize>| element.get(*slot).unwrap_or(Raw::NULL);
    for (item, planned) in list.items.iter().zip(items) {
        let cell = match planned {
            PlannedItem::Constant(json) => {
                cells.push(Some(Cow::Borrowed(json)));
                continue;
            }
            PlannedItem::Copy { slot, blank } => copied(read(slot), *blank)?,
            PlannedItem::Through(slot) => {
                match collection::get_item(context, item, &read(slot).value()?) {
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
