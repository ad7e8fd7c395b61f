//! Lists of values: which elements are the same, and which one is primary (RFC 7643 section 2.4,
//! RFC 7644 section 3.5.2). Deliberately absent: filters, which select elements.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::scim::filter::fold;
use crate::scim::schema::{Attribute, AttributeType, Mutability};

/// From this many new elements on, a list's elements are looked up in an index.
const INDEX_FROM: usize = 8;

/// Adds elements to a list; one that is there already is completed, not repeated.
pub fn add_elements(attribute: &Attribute, list: &mut Vec<Value>, elements: &[Value]) {
    let mut index = (elements.len() >= INDEX_FROM).then(|| Index::new(attribute, list));
    let mut touched = Vec::with_capacity(elements.len());
    for element in elements {
        let found = match &index {
            Some(index) => index.find(attribute, list, element),
            None => list.iter().position(|known| is_same(attribute, known, element)),
        };
        if let Some(at) = found {
            if let Some(known) = list.get_mut(at) {
                complete(attribute, known, element);
            }
            touched.push(at);
        } else {
            if let Some(index) = &mut index {
                index.insert(attribute, element, list.len());
            }
            touched.push(list.len());
            list.push(element.clone());
        }
    }
    settle_primary(list, &touched);
}

/// Positions of a list's elements, from 0, by what identifies them.
struct Index(BTreeMap<Option<String>, Vec<usize>>);

impl Index {
    fn new(attribute: &Attribute, list: &[Value]) -> Self {
        let mut index = Self(BTreeMap::new());
        for (at, element) in list.iter().enumerate() {
            index.insert(attribute, element, at);
        }
        index
    }

    fn insert(&mut self, attribute: &Attribute, element: &Value, at: usize) {
        self.0.entry(identity(attribute, element)).or_default().push(at);
    }

    fn find(&self, attribute: &Attribute, list: &[Value], element: &Value) -> Option<usize> {
        let candidates = self.0.get(&identity(attribute, element))?;
        let same =
            |at: &&usize| list.get(**at).is_some_and(|known| is_same(attribute, known, element));
        candidates.iter().find(same).copied()
    }
}

/// Whether two elements are the same value: `value` decides, unless both have a `type` and the
/// types differ (RFC 7643 section 2.4). Without `value` all must be equal.
fn is_same(attribute: &Attribute, known: &Value, element: &Value) -> bool {
    match (identity(attribute, known), identity(attribute, element)) {
        (Some(left), Some(right)) if left == right => {
            let kind = attribute.sub_attribute("type");
            let kinds =
                kind.and_then(|kind| Some((kind, known.get("type")?, element.get("type")?)));
            kinds.is_none_or(|(kind, left, right)| text(kind, left) == text(kind, right))
        }
        (None, None) => known == element,
        (Some(_) | None, _) => false,
    }
}

fn complete(attribute: &Attribute, known: &mut Value, element: &Value) {
    let (Some(members), Some(changes)) = (known.as_object_mut(), element.as_object()) else {
        return;
    };
    for (name, value) in changes {
        let immutable = attribute
            .sub_attribute(name)
            .is_some_and(|sub| sub.mutability == Mutability::Immutable);
        if !(immutable && members.contains_key(name)) {
            members.insert(name.clone(), value.clone());
        }
    }
}

/// The text that identifies an element; `None` for an element without `value`.
pub fn identity(attribute: &Attribute, element: &Value) -> Option<String> {
    let value =
        if attribute.kind == AttributeType::Complex { element.get("value")? } else { element };
    Some(text(identifying(attribute), value))
}

/// What identifies an element: its `value`, or the element itself when it is simple.
pub fn identifying(attribute: &Attribute) -> &Attribute {
    attribute.sub_attribute("value").unwrap_or(attribute)
}

fn text(attribute: &Attribute, value: &Value) -> String {
    match value {
        Value::String(text) => fold(attribute, text),
        other => other.to_string(),
    }
}

/// Text as it compares for this attribute.
pub fn fold(attribute: &Attribute, text: &str) -> String {
    if attribute.case_exact { text.to_owned() } else { fold::fold(text).into_owned() }
}

/// When one of the touched elements became primary, no other is (RFC 7644 section 3.5.2).
pub fn settle_primary(list: &mut [Value], touched: &[usize]) {
    let is_primary = |element: &Value| element.get("primary") == Some(&Value::Bool(true));
    let Some(chosen) = touched.iter().find(|at| list.get(**at).is_some_and(is_primary)) else {
        return;
    };
    for (at, element) in list.iter_mut().enumerate() {
        if at != *chosen
            && is_primary(element)
            && let Some(members) = element.as_object_mut()
        {
            members.insert("primary".to_owned(), Value::Bool(false));
        }
    }
}
