//! Reading and writing a row's place in a resource.

use serde_json::{Map, Value};

use crate::mapping::model::Place;
use crate::scim::resource::{Resource, is_unassigned};

/// The value at a place; `None` when unassigned.
///
/// With `lenient`, a place `x[type eq "work"]` accepts, in this order, the element of that type,
/// the primary one without a type, the only one without a type: Entra ID sends the path form,
/// Okta the list form.
pub fn read(place: &Place, lenient: bool, resource: &Resource) -> Option<Value> {
    let value = resource.get(place.extension.as_deref(), &place.attribute)?;
    let holder =
        if place.selector.is_empty() { value } else { select(place, lenient, value.as_array()?)? };
    let found = match &place.sub {
        Some(sub) => holder.get(sub)?,
        None => holder,
    };
    (!is_unassigned(found)).then(|| found.clone())
}

fn select<'v>(place: &Place, lenient: bool, elements: &'v [Value]) -> Option<&'v Value> {
    let exact = elements.iter().find(|element| is_selected(place, element));
    if exact.is_some() || !lenient {
        return exact;
    }
    let [(name, _)] = place.selector.as_slice() else { return None };
    if name != "type" {
        return None;
    }
    let mut untyped = elements.iter().filter(|element| element.get("type").is_none());
    let is_primary = |element: &&Value| element.get("primary") == Some(&Value::Bool(true));
    if let Some(primary) = untyped.clone().find(is_primary) {
        return Some(primary);
    }
    let first = untyped.next()?;
    untyped.next().is_none().then_some(first)
}

/// Whether an element is the one the place selects.
fn is_selected(place: &Place, element: &Value) -> bool {
    place.selector.iter().all(|(name, wanted)| {
        element.get(name).is_some_and(|have| match (have, wanted) {
            (Value::String(have), Value::String(wanted)) => have.eq_ignore_ascii_case(wanted),
            (have, wanted) => have == wanted,
        })
    })
}

/// Puts a value at a place, making what is missing; an element made for a selector gets `emit`.
pub fn write(place: &Place, resource: &mut Resource, value: Value, emit: &Map<String, Value>) {
    let section = resource.section_mut(place.extension.as_deref());
    if place.selector.is_empty() {
        let Some(sub) = &place.sub else {
            section.insert(place.attribute.clone(), value);
            return;
        };
        let holder = section.entry(place.attribute.as_str()).or_insert_with(empty_object);
        set(holder, sub, value, emit);
        return;
    }
    let list = section.entry(place.attribute.as_str()).or_insert_with(|| Value::Array(Vec::new()));
    let Some(elements) = list.as_array_mut() else { return };
    if !elements.iter().any(|element| is_selected(place, element)) {
        elements.push(empty_object());
    }
    let chosen = elements.iter().position(|element| is_selected(place, element));
    let chosen = chosen.or_else(|| elements.len().checked_sub(1));
    let Some(element) = chosen.and_then(|index| elements.get_mut(index)) else { return };
    match &place.sub {
        Some(sub) => set(element, sub, value, &Map::new()),
        None => *element = value,
    }
    let Some(members) = element.as_object_mut() else { return };
    for (name, wanted) in place.selector.iter().map(|(name, wanted)| (name, wanted)).chain(emit) {
        members.entry(name.as_str()).or_insert_with(|| wanted.clone());
    }
}

fn set(holder: &mut Value, sub: &str, value: Value, emit: &Map<String, Value>) {
    let Some(members) = holder.as_object_mut() else { return };
    members.insert(sub.to_owned(), value);
    for (name, constant) in emit {
        members.entry(name.as_str()).or_insert_with(|| constant.clone());
    }
}

fn empty_object() -> Value {
    Value::Object(Map::new())
}

/// Whether a row's place is, or lies in, this attribute.
pub fn is_of(place: &Place, extension: Option<&str>, attribute: &str) -> bool {
    place.extension.as_deref() == extension && place.attribute == attribute
}

/// The place as a SCIM path, for messages.
pub fn name(place: &Place) -> String {
    let mut text = String::new();
    if let Some(urn) = &place.extension {
        text.push_str(urn);
        text.push(':');
    }
    text.push_str(&place.attribute);
    let terms: Vec<String> =
        place.selector.iter().map(|(name, value)| format!("{name} eq {value}")).collect();
    if !terms.is_empty() {
        text.extend(["[", &terms.join(" and "), "]"]);
    }
    if let Some(sub) = &place.sub {
        text.push('.');
        text.push_str(sub);
    }
    text
}
