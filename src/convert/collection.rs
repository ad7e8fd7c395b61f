//! Collections: elements as SCIM objects, and SCIM elements as native ones.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value};

use crate::convert::context::Context;
use crate::convert::elements::native_elements;
use crate::convert::error::ConvertError;
use crate::convert::formula::{self, Sight};
use crate::convert::{key, place, through};
use crate::mapping::model::{Collection, CollectionSource, EntryValues, ItemRow};
use crate::native::path::NativePath;

/// A native element as a SCIM element; `None` when nothing in it is assigned, or when it refers
/// to a resource that is not known.
pub fn get_element(
    context: &Context<'_>,
    collection: &Collection,
    native: &Value,
) -> Option<Value> {
    let mut element = Map::new();
    let mut is_assigned = false;
    for item in &collection.items {
        if let Some(constant) = &item.constant {
            element.insert(item.sub.clone(), constant.clone());
            continue;
        }
        let Some(value) = assigned(context, item, native) else { continue };
        match referred(context, item, value) {
            Some(value) => {
                element.insert(item.sub.clone(), value);
                is_assigned = true;
            }
            // An element that is a resource which is not known is none.
            None if item.sub == "value" => return None,
            None => {}
        }
    }
    is_assigned.then_some(Value::Object(element))
}

/// What an item without an expression makes of the native value in its place, which may be null.
/// The outer `None` means that the element is a resource which is not known, and so none.
pub fn get_item(context: &Context<'_>, item: &ItemRow, value: &Value) -> Option<Option<Value>> {
    let Some(value) = through::read(&item.via, &item.empty, value) else { return Some(None) };
    match referred(context, item, value) {
        None if item.sub == "value" => None,
        other => Some(other),
    }
}

/// What a row makes of an element, before a reference becomes an id.
fn assigned(context: &Context<'_>, item: &ItemRow, native: &Value) -> Option<Value> {
    match &item.formulas.to_scim {
        Some(formula) => formula::read(context, formula, &item.empty, native),
        None => {
            let value = item.path.read(native).unwrap_or(&Value::Null);
            through::read(&item.via, &item.empty, value)
        }
    }
}

fn referred(context: &Context<'_>, item: &ItemRow, value: Value) -> Option<Value> {
    let Some(target) = &item.reference else { return Some(value) };
    let references = context.references;
    references.id_of(context.mapping, target, item.by.as_ref(), &value).map(Value::from)
}

/// What makes an element the same as another: its key sub-attributes, strings without case.
pub fn identity(collection: &Collection, element: &Value) -> Vec<String> {
    let part = |name: &String| match element.get(name) {
        Some(Value::String(text)) if collection.reference.is_some() => text.clone(),
        Some(Value::String(text)) => text.to_lowercase(),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    collection.key.iter().map(part).collect()
}

/// A SCIM element as a native one. `current` is the native element it replaces.
pub fn put_element(
    context: &Context<'_>,
    collection: &Collection,
    element: &Value,
    current: Option<&Value>,
) -> Result<Value, ConvertError> {
    let unwritable = |item: &ItemRow| ConvertError::Unwritable { path: sub_path(collection, item) };
    let mut native = current.cloned().unwrap_or(Value::Null);
    for item in &collection.items {
        let Some(target) = &item.write else { continue };
        let shown = current.and_then(|current| assigned(context, item, current));
        let Some(wanted) = element.get(&item.sub).filter(|value| !value.is_null()) else {
            // What has no SCIM form was never shown, so nobody has taken it away.
            if shown.is_some() {
                target.write(&mut native, Value::Null).map_err(|_| unwritable(item))?;
            }
            continue;
        };
        // What refers to the same resource as before stays as it is.
        let is_kept = item.reference.is_some()
            && shown.and_then(|value| referred(context, item, value)).as_ref() == Some(wanted);
        if is_kept {
            continue;
        }
        let value = match &item.formulas.to_native {
            Some(formula) => {
                let sight = sight(context, collection, element, current);
                formula::write(context, formula, &sight, || sub_path(collection, item))?
            }
            None => {
                let have = current.and_then(|current| item.path.read(current));
                native_item(context, collection, item, wanted, have)?
            }
        };
        target.write(&mut native, value).map_err(|_| unwritable(item))?;
    }
    Ok(native)
}

/// What an expression of an element's row sees.
fn sight(
    context: &Context<'_>,
    collection: &Collection,
    element: &Value,
    current: Option<&Value>,
) -> Sight {
    let old = current.and_then(|current| get_element(context, collection, current));
    Sight {
        scim: element.clone(),
        old: old.unwrap_or_default(),
        native: current.cloned().unwrap_or_default(),
    }
}

/// The native form of one sub-attribute of an element.
pub fn native_item(
    context: &Context<'_>,
    collection: &Collection,
    item: &ItemRow,
    wanted: &Value,
    current: Option<&Value>,
) -> Result<Value, ConvertError> {
    let path = || sub_path(collection, item);
    if let Some(formula) = &item.formulas.to_native {
        let scim = Value::Object(Map::from_iter([(item.sub.clone(), wanted.clone())]));
        let sight = Sight { scim, old: Value::Null, native: Value::Null };
        return formula::write(context, formula, &sight, path);
    }
    if let Some(target) = &item.reference {
        let unknown = || ConvertError::UnknownReference { path: path() };
        let id = key::text(wanted).ok_or_else(unknown)?;
        let by = item.by.as_ref();
        let native = context.references.native_of(context.mapping, target, by, &id);
        let native = native.ok_or_else(unknown)?;
        return through::write_key(&item.via, &native, current)
            .map_err(|source| ConvertError::Value { path: path(), source });
    }
    through::write(&item.via, wanted, current)
        .map_err(|source| ConvertError::Value { path: path(), source })
}

fn sub_path(collection: &Collection, item: &ItemRow) -> String {
    format!("{}.{}", place::name(&collection.place), item.sub)
}

/// Writes a whole list into a document, element by element: an element that was there keeps its
/// position and what the mapping does not know of; elements that the collection does not select,
/// and those without a SCIM form, stay as they are. SCIM lists have no order (RFC 7643 section
/// 2.4), so the application's is kept, and new elements follow the collection's last one.
pub fn put_list(
    context: &Context<'_>,
    collection: &Collection,
    document: &mut Value,
    wanted: &[Value],
) -> Result<(), ConvertError> {
    let CollectionSource::Items(path) = &collection.source else { return Ok(()) };
    if let Some(values) = &collection.entries {
        return put_entries(context, collection, values, document, wanted);
    }
    let unwritable = || ConvertError::Unwritable { path: place::name(&collection.place) };
    let array = path.array().ok_or_else(unwritable)?;
    let mut to_come: BTreeMap<Vec<String>, VecDeque<usize>> = BTreeMap::new();
    for (index, element) in wanted.iter().enumerate() {
        to_come.entry(identity(collection, element)).or_default().push_back(index);
    }
    let mut is_there = BTreeSet::new();
    let mut list = Vec::new();
    let mut behind_last = None;
    for native in candidates(path, &array, document) {
        let element = native.own.then(|| get_element(context, collection, native.value)).flatten();
        let Some(element) = element else {
            list.push(native.value.clone());
            continue;
        };
        let name = identity(collection, &element);
        let index = to_come.get_mut(&name).and_then(VecDeque::pop_front);
        if let Some((index, element)) = index.and_then(|at| Some((at, wanted.get(at)?))) {
            is_there.insert(index);
            list.push(replaced(context, collection, element, native.value)?);
        }
        behind_last = Some(list.len());
    }
    let mut new = Vec::new();
    for (_, element) in wanted.iter().enumerate().filter(|(index, _)| !is_there.contains(index)) {
        match put_element(context, collection, element, None) {
            Ok(native) => new.push(selected(path, native)),
            // A member that the application does not know is left out: refusing it would lose
            // the other members of the same request.
            Err(ConvertError::UnknownReference { .. }) if collection.reference.is_some() => {}
            Err(error) => return Err(error),
        }
    }
    let at = behind_last.unwrap_or(list.len());
    list.splice(at..at, new);
    array.write(document, Value::Array(list)).map_err(|_| unwritable())
}

/// The same for an object whose members are the elements.
fn put_entries(
    context: &Context<'_>,
    collection: &Collection,
    values: &EntryValues,
    document: &mut Value,
    wanted: &[Value],
) -> Result<(), ConvertError> {
    let unwritable = || ConvertError::Unwritable { path: place::name(&collection.place) };
    let holder = collection.holder().ok_or_else(unwritable)?;
    let mut members = holder.read(document).and_then(Value::as_object).cloned().unwrap_or_default();
    let mut to_come: BTreeMap<Vec<String>, &Value> =
        wanted.iter().map(|element| (identity(collection, element), element)).collect();
    let mut gone = BTreeSet::new();
    for native in native_elements(collection, document) {
        let Some(element) = get_element(context, collection, &native) else { continue };
        let Some(name) = native.get("key").and_then(Value::as_str) else { continue };
        match (to_come.remove(&identity(collection, &element)), &values.off) {
            (Some(wanted), _) => {
                let entry = replaced(context, collection, wanted, &native)?;
                members.insert(name.to_owned(), entry.get("value").cloned().unwrap_or_default());
            }
            (None, Some(off)) => drop(members.insert(name.to_owned(), off.clone())),
            (None, None) => drop(gone.insert(name.to_owned())),
        }
    }
    members.retain(|name, _| !gone.contains(name));
    for element in wanted {
        if to_come.remove(&identity(collection, element)).is_none() {
            continue;
        }
        let entry = match put_element(context, collection, element, None) {
            Err(ConvertError::UnknownReference { .. }) if collection.reference.is_some() => {
                continue;
            }
            other => other?,
        };
        let name = entry.get("key").and_then(key::text).ok_or_else(unwritable)?;
        let value = entry.get("value").filter(|value| !value.is_null());
        members.insert(name, value.unwrap_or(&values.on).clone());
    }
    holder.write(document, Value::Object(members)).map_err(|_| unwritable())
}

/// A new element with the members by which the collection selects its own: without them it would
/// be out of sight.
fn selected(path: &NativePath, mut native: Value) -> Value {
    if let (Some(members), Value::Object(tested)) = (native.as_object_mut(), path.new_element()) {
        for (name, value) in tested {
            members.entry(name).or_insert(value);
        }
    }
    native
}

/// The native element that a wanted one replaces, as it is to be. One whose reference cannot be
/// written is there already: it stays.
fn replaced(
    context: &Context<'_>,
    collection: &Collection,
    element: &Value,
    native: &Value,
) -> Result<Value, ConvertError> {
    match put_element(context, collection, element, Some(native)) {
        Err(ConvertError::UnknownReference { .. }) => Ok(native.clone()),
        other => other,
    }
}

/// An element of the array that a collection's elements are in.
struct Candidate<'n> {
    value: &'n Value,
    /// Whether the collection selects it.
    own: bool,
}

/// The array's elements in order. What is not an array has only what the collection selects.
fn candidates<'n>(
    path: &NativePath,
    array: &NativePath,
    document: &'n Value,
) -> Vec<Candidate<'n>> {
    let selected = path.read_all(document);
    let Some(all) = array.read(document).and_then(Value::as_array) else {
        return selected.into_iter().map(|value| Candidate { value, own: true }).collect();
    };
    // By address: equal elements may stand inside and outside of what a filter selects.
    let own: BTreeSet<usize> =
        selected.into_iter().map(|value| std::ptr::from_ref(value).addr()).collect();
    let is_own = |value: &Value| own.contains(&std::ptr::from_ref(value).addr());
    all.iter().map(|value| Candidate { value, own: is_own(value) }).collect()
}
