//! One row, or one item of a collection, tried on values: written over nothing and over records,
//! and read again; read, and written back.
//!
//! A value that is refused breaks no law. What is written elsewhere than it is read is tried as if
//! it were the same place.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::convert::context::Context;
use crate::convert::formula::Sight;
use crate::convert::{collection, lens, places};
use crate::dialogue::equality::equal;
use crate::dialogue::samples::{self, Whole};
use crate::mapping::model::{Collection, CollectionSource, ItemRow, Mode, Place, Row};
use crate::mapping::transform::kind::Transform;
use crate::native::path::NativePath;
use crate::scim::attr::AttrPath;
use crate::scim::resource::{Resource, is_unassigned};
use crate::scim::schema::Attribute;

/// What came of the search for one row.
#[derive(Debug, Default)]
pub struct Verdict {
    /// A value that is not read back as it was written.
    pub put_get: Option<Counter>,
    /// A native value that is changed by writing back what was read.
    pub get_put: Option<Value>,
    /// A value of a record, and what would be written for it where there is none: the same in
    /// another type.
    pub retyped: Option<(Value, Value)>,
    /// A value that records have, when no value at all can be written where there is none.
    pub refused: Option<Value>,
}

/// A counter-example.
#[derive(Debug, Clone, PartialEq)]
pub struct Counter {
    /// What was wanted.
    pub wanted: Value,
    /// What was written.
    pub native: Value,
    /// What is read then.
    pub back: Value,
}

impl Counter {
    /// The three values as JSON.
    pub fn texts(&self) -> [String; 3] {
        [self.wanted.to_string(), self.native.to_string(), self.back.to_string()]
    }
}

/// What rows are tried on.
pub(crate) struct Trial<'a> {
    pub(crate) context: Context<'a>,
    /// Resources that the file writes out.
    pub(crate) written: Vec<Resource>,
    /// Records that it writes out.
    pub(crate) records: Vec<Value>,
}

impl Trial<'_> {
    pub(crate) fn row(&self, row: &Row) -> Verdict {
        let is_read_back = matches!(row.mode, Mode::Both | Mode::Create)
            && row.is_written()
            && row.sources().iter().all(NativePath::is_writable);
        let leaves: Option<Vec<&Attribute>> = row.places().map(|place| self.leaf(place)).collect();
        let Some(leaves) = leaves.filter(|_| is_read_back) else { return Verdict::default() };
        let wanted = self.values_of(row, &leaves);
        let empty = [Value::Object(Map::new())];
        // An expression may see what the row itself does not write, so nothing is no record to it.
        let is_formula = row.formulas.to_scim.is_some() || row.formulas.to_native.is_some();
        let none: &[Value] = if is_formula && !self.records.is_empty() { &[] } else { &empty };
        let documents = || none.iter().chain(&self.records);
        let put_get = wanted.iter().find_map(|wanted| {
            documents().find_map(|document| self.put_get(row, &leaves, document, wanted))
        });
        let natives = samples::natives_of_transforms(&row.via).into_iter();
        let get_put = natives.take(samples::MOST_VALUES).find(|native| {
            !is_formula && documents().any(|document| self.is_changed(row, document, native))
        });
        let retyped = self.records.iter().find_map(|record| self.retyped(row, record));
        let refused = self.refused(row, &wanted);
        Verdict { put_get, get_put, retyped, refused }
    }

    /// A value that a record has, if writing refuses whatever is tried.
    fn refused(&self, row: &Row, tried: &[Value]) -> Option<Value> {
        if row.via.is_empty() || row.reference.is_some() || row.formulas.to_native.is_some() {
            return None;
        }
        let mut read =
            self.records.iter().filter_map(|record| lens::get(&self.context, row, record));
        let found = read.next()?;
        let is_refused =
            |value: &Value| lens::native_value(&self.context, row, value, None).is_err();
        let are_all = is_refused(&found) && read.all(|value| is_refused(&value));
        (are_all && tried.iter().all(is_refused)).then_some(found)
    }

    /// A record's text for which a number would be written if nothing were there, or a number for
    /// which it would be text: then a new record gets what the application does not use.
    fn retyped(&self, row: &Row, record: &Value) -> Option<(Value, Value)> {
        if row.via.is_empty() || row.reference.is_some() || row.formulas.to_native.is_some() {
            return None;
        }
        let have = lens::current(row, record)?.into_owned();
        let scim = lens::get(&self.context, row, record)?;
        let written = lens::native_value(&self.context, row, &scim, None).ok()?;
        let spelled =
            |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let is_alike = have.is_string() != written.is_string()
            && !written.is_null()
            && spelled(&have) == spelled(&written);
        is_alike.then_some((have, written))
    }

    /// What is wrong with writing a value into a document and reading it back.
    fn put_get(
        &self,
        row: &Row,
        leaves: &[&Attribute],
        document: &Value,
        wanted: &Value,
    ) -> Option<Counter> {
        let context = &self.context;
        if lens::get(context, row, document).as_ref() == Some(wanted) {
            return None;
        }
        let mut after = document.clone();
        let native = if is_written_where_read(row) {
            let sight = self.sight(row, document, wanted);
            lens::put_seeing(context, row, &mut after, Some(wanted), Some(&sight)).ok()?;
            native_at(row.targets(), &after)
        } else {
            let current = lens::current(row, document);
            let native = lens::native_value(context, row, wanted, current.as_deref()).ok()?;
            place_at(row.sources(), &mut after, &native)?;
            native
        };
        let back = lens::get(context, row, &after).unwrap_or(Value::Null);
        let is_equal = match (leaves, wanted, &back) {
            ([only], wanted, back) => equal(only, wanted, back) || is_same(&row.via, wanted, back),
            (_, Value::Array(wanted), Value::Array(back)) => leaves
                .iter()
                .enumerate()
                .all(|(at, leaf)| equal(leaf, entry(wanted, at), entry(back, at))),
            _ => false,
        };
        (!is_equal).then(|| Counter { wanted: wanted.clone(), native, back })
    }

    /// What an expression sees: the record's own view with the wanted value in it.
    fn sight(&self, row: &Row, document: &Value, wanted: &Value) -> Sight {
        let mut old = Resource::default();
        for other in &self.context.resource.rows {
            if let Some(value) = lens::get(&self.context, other, document) {
                places::write(other, &mut old, value);
            }
        }
        let mut scim = old.clone();
        places::write(row, &mut scim, wanted.clone());
        Sight { scim: Value::Object(scim.0), old: Value::Object(old.0), native: document.clone() }
    }

    /// Whether writing back what is read of a native value changes it.
    fn is_changed(&self, row: &Row, document: &Value, native: &Value) -> bool {
        let mut before = document.clone();
        if place_at(row.sources(), &mut before, native).is_none() {
            return false;
        }
        let Some(value) = lens::get(&self.context, row, &before) else { return false };
        let current = lens::current(row, &before);
        lens::native_value(&self.context, row, &value, current.as_deref())
            .is_ok_and(|written| Some(&written) != current.as_deref())
    }

    fn values_of(&self, row: &Row, leaves: &[&Attribute]) -> Vec<Value> {
        let own = self.written.iter().filter_map(|scim| places::read_strictly(row, scim));
        let own = own.map(Cow::into_owned);
        let tried = match (leaves, &row.reference) {
            (_, Some(target)) => samples::ids(self.context.mapping, target),
            ([leaf], None) => {
                let is_whole = row.place.selector.is_empty() && row.place.sub.is_none();
                let whole = if is_whole { Whole::Array } else { Whole::Element };
                tried(leaf, whole, &row.via)
            }
            (several, None) => {
                let mut values = samples::of_transforms(&row.via);
                values.extend(samples::together(several));
                values
            }
        };
        let mut values = distinct(own.chain(tried));
        // What the row calls "not assigned" is no value, and what its pattern refuses none of its.
        values.retain(|value| {
            let fits =
                |text: &str| row.pattern.as_ref().is_none_or(|pattern| pattern.is_match(text));
            !row.empty.contains(value) && texts_of(value).all(fits)
        });
        values
    }

    pub(crate) fn item(&self, list: &Collection, item: &ItemRow) -> Verdict {
        let is_same_place =
            item.write.as_ref().is_some_and(|write| write.to_string() == item.path.to_string());
        let is_formula = item.formulas.to_scim.is_some() || item.formulas.to_native.is_some();
        let path = AttrPath { sub: Some(item.sub.clone()), ..path_of(&list.place) };
        let leaf = self.context.resource.resource_type.resolve(&path).and_then(|found| found.sub);
        let is_tried = is_same_place && !is_formula && list.mode != Mode::Read;
        let Some(leaf) = leaf.filter(|_| is_tried) else { return Verdict::default() };
        let own = self.written.iter().flat_map(|scim| elements(list, scim, &item.sub));
        let tried = match &item.reference {
            Some(target) => samples::ids(self.context.mapping, target),
            None => tried(leaf, Whole::Array, &item.via),
        };
        let mut wanted = distinct(own.chain(tried));
        wanted.retain(|value| {
            let fits =
                |text: &str| item.pattern.as_ref().is_none_or(|pattern| pattern.is_match(text));
            !item.empty.contains(value) && texts_of(value).all(fits)
        });
        let natives: Vec<&Value> = match &list.source {
            CollectionSource::Items(path) => {
                self.records.iter().flat_map(|record| path.read_all(record)).collect()
            }
            CollectionSource::List(_) => Vec::new(),
        };
        let currents = || std::iter::once(None).chain(natives.iter().copied().map(Some));
        let put_get = wanted.iter().find_map(|wanted| {
            currents().find_map(|current| self.put_get_item(list, item, leaf, current, wanted))
        });
        let natives = samples::natives_of_transforms(&item.via);
        let get_put = natives.into_iter().find(|native| self.is_item_changed(list, item, native));
        Verdict { put_get, get_put, ..Verdict::default() }
    }

    fn put_get_item(
        &self,
        list: &Collection,
        item: &ItemRow,
        leaf: &Attribute,
        current: Option<&Value>,
        wanted: &Value,
    ) -> Option<Counter> {
        let context = &self.context;
        let have = current.and_then(|current| item.path.read(current));
        let native = collection::native_item(context, list, item, wanted, have).ok()?;
        let mut element = current.cloned().unwrap_or(Value::Null);
        item.path.write(&mut element, native.clone()).ok()?;
        let back = collection::get_element(context, list, &element)
            .and_then(|scim| scim.get(&item.sub).cloned())
            .unwrap_or(Value::Null);
        let is_equal = equal(leaf, wanted, &back) || is_same(&item.via, wanted, &back);
        (!is_equal).then(|| Counter { wanted: wanted.clone(), native, back })
    }

    fn is_item_changed(&self, list: &Collection, item: &ItemRow, native: &Value) -> bool {
        let mut element = Value::Null;
        if item.path.write(&mut element, native.clone()).is_err() {
            return false;
        }
        let Some(scim) = collection::get_element(&self.context, list, &element) else {
            return false;
        };
        collection::put_element(&self.context, list, &scim, Some(&element))
            .is_ok_and(|written| written != element)
    }

    fn leaf(&self, place: &Place) -> Option<&Attribute> {
        let found = self.context.resource.resource_type.resolve(&path_of(place))?;
        Some(found.sub.unwrap_or(found.attribute))
    }
}

fn tried(leaf: &Attribute, whole: Whole, via: &[Arc<dyn Transform>]) -> Vec<Value> {
    let mut values = samples::of_transforms(via);
    values.extend(samples::typical(leaf, whole));
    values
}

/// Whether two values are spellings of one to the transform that stands next to SCIM. What letter
/// case and instants are worth is for the attribute to say, not for a transform.
fn is_same(via: &[Arc<dyn Transform>], wanted: &Value, back: &Value) -> bool {
    let is_asked =
        |transform: &&Arc<dyn Transform>| !matches!(transform.name(), "lower" | "datetime");
    via.last().filter(is_asked).is_some_and(|transform| transform.is_same(wanted, back))
}

fn is_written_where_read(row: &Row) -> bool {
    // What an expression reads can be anywhere in the record.
    row.formulas.to_scim.is_some()
        || row.sources().len() == row.targets().len()
            && row
                .sources()
                .iter()
                .zip(row.targets())
                .all(|(source, target)| source.to_string() == target.to_string())
}

/// What stands at the paths: at one of them the value, at several an array.
fn native_at(paths: &[NativePath], document: &Value) -> Value {
    let read = |path: &NativePath| path.read(document).cloned().unwrap_or(Value::Null);
    match paths {
        [only] => read(only),
        several => several.iter().map(read).collect(),
    }
}

fn place_at(paths: &[NativePath], document: &mut Value, native: &Value) -> Option<()> {
    match (paths, native) {
        ([only], native) => only.write(document, native.clone()).ok(),
        (several, Value::Array(values)) if several.len() == values.len() => several
            .iter()
            .zip(values)
            .try_for_each(|(path, value)| path.write(document, value.clone()).ok()),
        _ => None,
    }
}

fn entry(values: &[Value], at: usize) -> &Value {
    values.get(at).unwrap_or(&Value::Null)
}

fn path_of(place: &Place) -> AttrPath {
    let (attr, sub) = (place.attribute.clone(), place.sub.clone());
    AttrPath { urn: place.extension.clone(), attr, sub }
}

/// The values of a sub-attribute in a resource's elements.
fn elements(list: &Collection, resource: &Resource, sub: &str) -> Vec<Value> {
    let extension = list.place.extension.as_deref();
    let elements = resource.get(extension, &list.place.attribute).and_then(Value::as_array);
    elements.into_iter().flatten().filter_map(|element| element.get(sub).cloned()).collect()
}

/// The texts in a value.
fn texts_of(value: &Value) -> Box<dyn Iterator<Item = &str> + '_> {
    match value {
        Value::String(text) => Box::new(std::iter::once(text.as_str())),
        Value::Array(values) => Box::new(values.iter().flat_map(texts_of)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            Box::new(std::iter::empty())
        }
    }
}

/// The first of equal values, as many as are tried at most.
fn distinct(values: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut kept: Vec<Value> = Vec::new();
    for value in values.filter(|value| !is_unassigned(value)) {
        if kept.len() >= samples::MOST_VALUES {
            break;
        }
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    kept
}
