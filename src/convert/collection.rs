//! Collections: elements as SCIM objects, and SCIM elements as native ones.

use serde_json::{Map, Value};

use crate::convert::context::Context;
use crate::convert::error::ConvertError;
use crate::convert::{key, lens, place};
use crate::mapping::model::{Collection, CollectionSource, ItemRow};

/// A native element as a SCIM element; `None` when nothing in it is assigned, or when it refers
/// to a resource that is not known.
pub fn get_element(
    context: &Context<'_>,
    collection: &Collection,
    native: &Value,
) -> Option<Value> {
    let mut element = Map::new();
    for item in &collection.items {
        let value = item.path.read(native).unwrap_or(&Value::Null);
        let Some(mut value) = lens::read_through(&item.via, &item.empty, value) else { continue };
        if let (Some(target), "value") = (&collection.reference, item.sub.as_str()) {
            let key = key::text(&value)?;
            value = Value::from(context.references.id(context.mapping, target, &key)?);
        }
        element.insert(item.sub.clone(), value);
    }
    (!element.is_empty()).then_some(Value::Object(element))
}

/// The native elements in a record; empty for a collection behind a request of its own.
pub fn native_elements<'n>(collection: &Collection, native: &'n Value) -> Vec<&'n Value> {
    match &collection.source {
        CollectionSource::Items(path) => path.read_all(native),
        CollectionSource::List(_) => Vec::new(),
    }
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
        let wanted = element.get(&item.sub);
        let have = current.and_then(|current| item.path.read(current));
        let Some(wanted) = wanted.filter(|value| !value.is_null()) else {
            let was_set = have.is_some_and(|have| !item.empty.contains(have));
            if was_set {
                target.write(&mut native, Value::Null).map_err(|_| unwritable(item))?;
            }
            continue;
        };
        let value = native_item(context, collection, item, wanted, have)?;
        target.write(&mut native, value).map_err(|_| unwritable(item))?;
    }
    Ok(native)
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
    let mut wanted = wanted.clone();
    if let (Some(target), "value") = (&collection.reference, item.sub.as_str()) {
        let unknown = || ConvertError::UnknownReference { path: path() };
        let id = key::text(&wanted).ok_or_else(unknown)?;
        let key = context.references.key(context.mapping, target, &id).ok_or_else(unknown)?;
        let rule = &context.mapping.resource(target).ok_or_else(unknown)?.id;
        if !key::is_plausible(rule, &key) {
            return Err(unknown());
        }
        wanted = key::typed(rule, &key);
    }
    lens::write_through(&item.via, &wanted, current)
        .map_err(|source| ConvertError::Value { path: path(), source })
}

fn sub_path(collection: &Collection, item: &ItemRow) -> String {
    format!("{}.{}", place::name(&collection.place), item.sub)
}

/// Writes a whole list into a document, element by element: an element that was there keeps what
/// the mapping does not know of, and elements that the collection does not select stay.
pub fn put_list(
    context: &Context<'_>,
    collection: &Collection,
    document: &mut Value,
    wanted: &[Value],
) -> Result<(), ConvertError> {
    let CollectionSource::Items(path) = &collection.source else { return Ok(()) };
    let unwritable = || ConvertError::Unwritable { path: place::name(&collection.place) };
    let array = path.array().ok_or_else(unwritable)?;
    let selected = path.read_all(document);
    let all: &[Value] = array.read(document).and_then(Value::as_array).map_or(&[], Vec::as_slice);
    let is_foreign = |element: &&Value| !selected.iter().any(|own| std::ptr::eq(*own, *element));
    let foreign: Vec<Value> = all.iter().filter(is_foreign).cloned().collect();
    let mut known: Vec<(Vec<String>, &Value)> = Vec::new();
    for native in &selected {
        if let Some(element) = get_element(context, collection, native) {
            known.push((identity(collection, &element), native));
        }
    }
    let mut list = Vec::with_capacity(wanted.len() + foreign.len());
    for element in wanted {
        let name = identity(collection, element);
        let at = known.iter().position(|(have, _)| *have == name);
        let current = at.map(|index| known.swap_remove(index).1);
        match put_element(context, collection, element, current) {
            Ok(native) => list.push(native),
            // A member that the application does not know is left out: refusing it would lose
            // the other members of the same request.
            Err(ConvertError::UnknownReference { .. }) if collection.reference.is_some() => {}
            Err(error) => return Err(error),
        }
    }
    list.extend(foreign);
    array.write(document, Value::Array(list)).map_err(|_| unwritable())
}
