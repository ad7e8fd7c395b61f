//! Reading and writing a row's place in a resource.

use serde_json::{Map, Value};

use crate::mapping::model::Place;
use crate::scim::resource::{Resource, is_unassigned};

/// The value at a place; `None` when unassigned.
///
/// With `lenient`, a place `x[type eq "work"]` accepts, in this order, the element of that type,
/// the primary one without a type, the only one without a type: Entra ID sends the path form,
/// Okta the list form.
pub fn read<'r>(place: &Place, lenient: bool, resource: &'r Resource) -> Option<&'r Value> {
    let value = resource.get(place.extension.as_deref(), &place.attribute)?;
    let holder =
        if place.selector.is_empty() { value } else { select(place, lenient, value.as_array()?)? };
    let found = match &place.sub {
        Some(sub) => holder.get(sub)?,
        None => holder,
    };
    (!is_unassigned(found)).then_some(found)
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

/// Takes the value at a place away; an element or attribute that is left with nothing goes too.
pub fn clear(place: &Place, resource: &mut Resource) {
    let section = resource.section_mut(place.extension.as_deref());
    let Some(value) = section.get_mut(&place.attribute) else { return };
    match (&mut *value, &place.sub) {
        (Value::Array(elements), Some(sub)) => {
            for element in elements.iter_mut().filter(|element| is_selected(place, element)) {
                element.as_object_mut().map(|members| members.shift_remove(sub));
            }
        }
        (Value::Array(elements), None) if !place.selector.is_empty() => {
            elements.retain(|element| !is_selected(place, element));
        }
        (Value::Object(members), Some(sub)) => {
            members.shift_remove(sub);
        }
        (other, _) => *other = Value::Null,
    }
    if is_unassigned(value) {
        section.shift_remove(&place.attribute);
    }
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

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use crate::convert::place::{clear, name, read, write};
    use crate::mapping::model::Place;
    use crate::scim::resource::Resource;

    fn emails(kind: &str) -> Place {
        Place {
            extension: None,
            attribute: "emails".to_owned(),
            selector: vec![("type".to_owned(), json!(kind))],
            sub: Some("value".to_owned()),
            multi_valued: true,
        }
    }

    fn resource(emails: &Value) -> Resource {
        Resource(Map::from_iter([("emails".to_owned(), emails.clone())]))
    }

    fn check(emails_sent: &Value, lenient: Option<&str>, strict: Option<&str>) {
        let sent = resource(emails_sent);
        let work = emails("work");
        let found = |lenient| read(&work, lenient, &sent);
        assert_eq!(found(true).and_then(Value::as_str), lenient, "lenient {emails_sent}");
        assert_eq!(found(false).and_then(Value::as_str), strict, "strict {emails_sent}");
    }

    #[test]
    fn the_element_of_the_type_comes_first() {
        check(&json!([{ "value": "a", "type": "work" }]), Some("a"), Some("a"));
        check(&json!([{ "value": "a", "type": "Work" }]), Some("a"), Some("a"));
        let primary = json!({ "value": "p", "primary": true });
        check(&json!([primary, { "value": "a", "type": "work" }]), Some("a"), Some("a"));
        let two = json!([{ "value": "a", "type": "work" }, { "value": "b", "type": "work" }]);
        check(&two, Some("a"), Some("a"));
    }

    #[test]
    fn then_the_primary_one_without_a_type() {
        let primary = json!({ "value": "p", "primary": true });
        check(&json!([{ "value": "a" }, primary]), Some("p"), None);
        check(&json!([primary, { "value": "h", "type": "home" }]), Some("p"), None);
        let home = json!({ "value": "h", "type": "home", "primary": true });
        check(&json!([home, { "value": "a" }]), Some("a"), None);
    }

    #[test]
    fn then_the_only_one_without_a_type() {
        check(&json!([{ "value": "a" }]), Some("a"), None);
        check(&json!([{ "value": "a" }, { "value": "b" }]), None, None);
        check(&json!([{ "value": "h", "type": "home" }]), None, None);
        check(&json!([]), None, None);
    }

    #[test]
    fn an_element_of_the_type_without_a_value_is_not_replaced_by_another() {
        check(&json!([{ "type": "work" }, { "value": "a" }]), None, None);
        check(&json!([{ "type": "work", "value": "" }, { "value": "a" }]), Some(""), Some(""));
    }

    #[test]
    fn only_types_are_matched_leniently() {
        let primary =
            Place { selector: vec![("primary".to_owned(), json!(true))], ..emails("work") };
        assert_eq!(read(&primary, true, &resource(&json!([{ "value": "a" }]))), None);
        let both = Place {
            selector: vec![("type".to_owned(), json!("work")), ("primary".to_owned(), json!(true))],
            ..emails("work")
        };
        assert_eq!(read(&both, true, &resource(&json!([{ "value": "a" }]))), None);
    }

    #[test]
    fn what_is_written_is_read_and_cleared() {
        let mut scim = Resource::default();
        let emit = Map::from_iter([("primary".to_owned(), json!(true))]);
        write(&emails("work"), &mut scim, json!("a"), &emit);
        write(&emails("home"), &mut scim, json!("b"), &Map::new());
        let work = json!({ "value": "a", "type": "work", "primary": true });
        assert_eq!(scim.0["emails"], json!([work, { "value": "b", "type": "home" }]));
        assert_eq!(read(&emails("home"), false, &scim), Some(&json!("b")));
        clear(&emails("home"), &mut scim);
        assert_eq!(read(&emails("home"), false, &scim), None);
        assert_eq!(read(&emails("work"), false, &scim), Some(&json!("a")));
        assert_eq!(name(&emails("work")), r#"emails[type eq "work"].value"#);
    }
}
