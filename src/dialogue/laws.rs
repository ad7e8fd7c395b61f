//! The laws of rows, on values: what is written reads as what was wanted (`PutGet`, over nothing
//! and over each example's record), and what was read and is written back changes nothing
//! (`GetPut`). A search, not a proof: it tells a true counter-example or none.
//!
//! A value that a row refuses breaks no law. Rows whose `write` is another place than their
//! `path` are tried as if it were the same.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::convert::context::Context;
use crate::convert::{collection, lens, places};
use crate::dialogue::samples::{self, Whole};
use crate::mapping::diagnostic::{Diagnostic, Position, put_get, written_back};
use crate::mapping::expression::Ambient;
use crate::mapping::model::{
    Collection, CollectionSource, ItemRow, Mapping, Mode, ResourceMapping, Row,
};
use crate::native::path::NativePath;
use crate::scim::attr::AttrPath;
use crate::scim::resource::{Resource, is_unassigned};
use crate::scim::schema::{Attribute, AttributeType};
use crate::scim::value::{is_same, parse_instant};

/// Most example records that each row is tried on.
const MOST_RECORDS: usize = 20;

/// What the laws are tried in.
pub struct Surroundings<'a> {
    /// The mapping.
    pub mapping: &'a Mapping,
    /// Behind expressions.
    pub ambient: &'a Ambient,
    /// Configuration.
    pub config: &'a Value,
}

/// What came of the search in one resource.
#[derive(Debug, Default)]
pub struct Found {
    /// For each row, by index.
    pub rows: Vec<Verdict>,
    /// For each item of each collection, by index.
    pub items: Vec<Vec<Verdict>>,
}

/// What came of the search for one row.
#[derive(Debug, Default)]
pub struct Verdict {
    /// A value that is not read back as it was written.
    pub put_get: Option<Counter>,
    /// A native value that is changed by writing back what was read.
    pub get_put: Option<Value>,
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

/// Searches the rows of one resource.
pub fn search(around: &Surroundings<'_>, resource: &ResourceMapping) -> Found {
    let references = samples::references(around.mapping);
    let context = Context {
        mapping: around.mapping,
        resource,
        ambient: around.ambient,
        config: around.config,
        references: &references,
    };
    let written = samples::resources(around.mapping, resource);
    let records: Vec<Value> =
        resource.examples.iter().take(MOST_RECORDS).map(|example| example.native.clone()).collect();
    let trial = Trial { context, written, records };
    Found {
        rows: resource.rows.iter().map(|row| trial.row(row)).collect(),
        items: resource
            .collections
            .iter()
            .map(|list| list.items.iter().map(|item| trial.item(list, item)).collect())
            .collect(),
    }
}

/// The counter-examples that the file does not accept, as diagnostics.
pub fn faults(resource: &ResourceMapping, found: &Found) -> Vec<Diagnostic> {
    let rows = resource.rows.iter().zip(&found.rows).filter(|(row, _)| !row.lossy);
    let mut faults = Vec::new();
    for (row, verdict) in rows {
        let at = Position { line: row.line, column: row.column };
        if let Some(counter) = verdict.put_get.as_ref().filter(|_| !row.memo) {
            faults.push(put_get(
                at,
                &row.label,
                &counter.texts(),
                "add memo: true to remember what was sent, or lossy: true to accept it",
            ));
        }
        if let Some(native) = &verdict.get_put {
            faults.push(written_back(at, &row.label, &native.to_string()));
        }
    }
    for (list, verdicts) in resource.collections.iter().zip(&found.items) {
        for (item, verdict) in list.items.iter().zip(verdicts).filter(|(item, _)| !item.lossy) {
            let at = Position { line: item.line, column: item.column };
            let label = format!("{}.{}", list.label, item.sub);
            if let Some(counter) = &verdict.put_get {
                faults.push(put_get(at, &label, &counter.texts(), "lossy: true accepts it"));
            }
            if let Some(native) = &verdict.get_put {
                faults.push(written_back(at, &label, &native.to_string()));
            }
        }
    }
    faults
}

impl Counter {
    /// The three values as JSON.
    pub fn texts(&self) -> [String; 3] {
        [self.wanted.to_string(), self.native.to_string(), self.back.to_string()]
    }
}

struct Trial<'a> {
    context: Context<'a>,
    written: Vec<Resource>,
    records: Vec<Value>,
}

impl Trial<'_> {
    fn row(&self, row: &Row) -> Verdict {
        let leaves: Option<Vec<&Attribute>> = row.places().map(|place| self.leaf(place)).collect();
        let Some(leaves) = leaves.filter(|_| is_read_back(row)) else {
            return Verdict::default();
        };
        let wanted = self.values_of(row, &leaves);
        let empty = Value::Object(Map::new());
        let documents = || std::iter::once(&empty).chain(&self.records);
        let put_get = wanted.iter().find_map(|wanted| {
            documents().find_map(|document| self.put_get(row, &leaves, document, wanted))
        });
        let natives = samples::natives_of_transforms(&row.via);
        let get_put = natives
            .into_iter()
            .take(samples::MOST_VALUES)
            .find(|native| documents().any(|document| self.is_changed(row, document, native)));
        Verdict { put_get, get_put }
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
        let (native, after) = self.written(row, document, wanted)?;
        let back = lens::get(context, row, &after).unwrap_or(Value::Null);
        let is_same = match leaves {
            [leaf] => equal(leaf, wanted, &back),
            leaves => leaves.iter().enumerate().all(|(index, leaf)| {
                let (wanted, back) = (wanted.get(index), back.get(index));
                equal(leaf, wanted.unwrap_or(&Value::Null), back.unwrap_or(&Value::Null))
            }),
        };
        (!is_same).then(|| Counter { wanted: wanted.clone(), native, back })
    }

    /// A value in the application's terms, and a document with it where the row reads.
    fn written(&self, row: &Row, document: &Value, wanted: &Value) -> Option<(Value, Value)> {
        let mut after = document.clone();
        if row.formulas.to_native.is_some() {
            lens::put(&self.context, row, &mut after, Some(wanted)).ok()?;
            let native = lens::written(row, &after).map(Cow::into_owned).unwrap_or_default();
            return Some((native, after));
        }
        let current = lens::current(row, document);
        let native = lens::native_value(&self.context, row, wanted, current.as_deref()).ok()?;
        lens::set_at(row.sources(), &mut after, native.clone())?;
        Some((native, after))
    }

    /// Whether writing back what is read of a native value changes it.
    fn is_changed(&self, row: &Row, document: &Value, native: &Value) -> bool {
        let mut before = document.clone();
        if lens::set_at(row.sources(), &mut before, native.clone()).is_none() {
            return false;
        }
        let Some(value) = lens::get(&self.context, row, &before) else { return false };
        let current = lens::current(row, &before);
        lens::native_value(&self.context, row, &value, current.as_deref())
            .is_ok_and(|written| Some(&written) != current.as_deref())
    }

    fn values_of(&self, row: &Row, leaves: &[&Attribute]) -> Vec<Value> {
        let own = self.written.iter().filter_map(|resource| places::read_strictly(row, resource));
        let [leaf] = leaves else {
            return distinct(own.chain(samples::of_transforms(&row.via)));
        };
        let whole = if row.place.selector.is_empty() && row.place.sub.is_none() {
            Whole::Array
        } else {
            Whole::Element
        };
        let mut values =
            distinct(own.chain(self.tried(leaf, whole, row.reference.as_ref(), &row.via)));
        // What the row calls "not assigned" is no value.
        values.retain(|value| !row.empty.contains(value));
        values
    }

    fn tried(
        &self,
        leaf: &Attribute,
        whole: Whole,
        reference: Option<&String>,
        via: &[std::sync::Arc<dyn crate::mapping::transform::kind::Transform>],
    ) -> Vec<Value> {
        match reference {
            Some(target) => samples::ids(self.context.mapping, target),
            None => {
                let mut values = samples::of_transforms(via);
                values.extend(samples::typical(leaf, whole));
                values
            }
        }
    }

    fn item(&self, list: &Collection, item: &ItemRow) -> Verdict {
        let is_same_place =
            item.write.as_ref().is_some_and(|write| write.to_string() == item.path.to_string());
        let path = AttrPath { sub: Some(item.sub.clone()), ..path_of(&list.place) };
        let leaf = self.context.resource.resource_type.resolve(&path).and_then(|found| found.sub);
        let Some(leaf) = leaf.filter(|_| is_same_place && list.mode != Mode::Read) else {
            return Verdict::default();
        };
        let is_reference = item.sub == "value";
        let reference = list.reference.as_ref().filter(|_| is_reference);
        let own = self.written.iter().flat_map(|resource| elements(list, resource, &item.sub));
        let mut wanted = distinct(own.chain(self.tried(leaf, Whole::Array, reference, &item.via)));
        wanted.retain(|value| !item.empty.contains(value));
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
        let get_put = samples::natives_of_transforms(&item.via).into_iter().find(|native| {
            let mut element = Value::Null;
            item.path.write(&mut element, native.clone()).is_ok()
                && collection::get_element(&self.context, list, &element).is_some_and(|scim| {
                    collection::put_element(&self.context, list, &scim, Some(&element))
                        .is_ok_and(|written| written != element)
                })
        });
        Verdict { put_get, get_put }
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
        (!equal(leaf, wanted, &back)).then(|| Counter { wanted: wanted.clone(), native, back })
    }

    fn leaf(&self, place: &crate::mapping::model::Place) -> Option<&Attribute> {
        let found = self.context.resource.resource_type.resolve(&path_of(place))?;
        Some(found.sub.unwrap_or(found.attribute))
    }
}

/// Whether what a row writes is what it reads, as far as that can be seen.
fn is_read_back(row: &Row) -> bool {
    if !matches!(row.mode, Mode::Both | Mode::Create) || !row.is_written() {
        return false;
    }
    match &row.formulas.to_scim {
        None => row.sources().iter().all(NativePath::is_writable),
        Some(formula) => row.targets().iter().all(|target| {
            let member = target.first_member().map(|member| format!("native.{member}"));
            let mentions = formula.mentions();
            mentions.contains("native") || member.is_some_and(|member| mentions.contains(&member))
        }),
    }
}

fn path_of(place: &crate::mapping::model::Place) -> AttrPath {
    let (attr, sub) = (place.attribute.clone(), place.sub.clone());
    AttrPath { urn: place.extension.clone(), attr, sub }
}

/// The values of a sub-attribute in a resource's elements.
fn elements(list: &Collection, resource: &Resource, sub: &str) -> Vec<Value> {
    let extension = list.place.extension.as_deref();
    let elements = resource.get(extension, &list.place.attribute).and_then(Value::as_array);
    elements.into_iter().flatten().filter_map(|element| element.get(sub).cloned()).collect()
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

/// Whether two values of an attribute are the same to SCIM: texts without letter case unless the
/// attribute has one, instants whatever their offset, numbers whatever their form, what is
/// unassigned however it is written.
fn equal(attribute: &Attribute, left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|(left, right)| equal(attribute, left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let names = left.keys().chain(right.keys());
            names.into_iter().all(|name| {
                let null = Value::Null;
                let (left, right) = (left.get(name), right.get(name));
                let (left, right) = (left.unwrap_or(&null), right.unwrap_or(&null));
                match attribute.sub_attribute(name) {
                    Some(sub) => equal(sub, left, right),
                    None => left == right,
                }
            })
        }
        (Value::String(left), Value::String(right))
            if attribute.kind == AttributeType::DateTime =>
        {
            left == right
                || parse_instant(left).is_some_and(|left| parse_instant(right) == Some(left))
        }
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (left, right) => {
            is_same(attribute, left, right) || is_unassigned(left) && is_unassigned(right)
        }
    }
}
