//! Changes of a collection that are made by calls of their own: fewest adds, changes, removes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::convert::context::Context;
use crate::convert::error::ConvertError;
use crate::convert::{collection, place, request};
use crate::mapping::expression::Scope;
use crate::mapping::model::{Batch, Collection, Request, RequestBody};
use crate::native::message::NativeRequest;
use crate::scim::filter::ast::{CompareOp, Filter};
use crate::scim::patch::operation::{Operation, OperationKind};

/// What is to happen to a collection.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Delta {
    /// SCIM elements to add.
    pub add: Vec<Value>,
    /// SCIM elements to change, each with the native element that is there.
    pub change: Vec<(Value, Value)>,
    /// SCIM elements to remove, each with the native element where it is known.
    pub remove: Vec<(Value, Value)>,
}

impl Delta {
    /// Whether nothing is to happen.
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.change.is_empty() && self.remove.is_empty()
    }
}

/// A call, and what failure statuses of it mean done.
#[derive(Debug)]
pub struct MemberCall<'m> {
    /// The mapping's request.
    pub request: &'m Request,
    /// The call.
    pub native: NativeRequest,
}

/// The delta that PATCH operations describe without anybody reading the collection; `None` when
/// they need its present elements. The last operation on an element wins.
pub fn from_operations(collection: &Collection, operations: &[&Operation]) -> Option<Delta> {
    let mut last: BTreeMap<Vec<String>, (bool, Value)> = BTreeMap::new();
    let mut order: Vec<Vec<String>> = Vec::new();
    for operation in operations {
        if operation.target.sub.is_some() {
            return None;
        }
        let (adds, elements) = match (operation.kind, &operation.target.filter) {
            (OperationKind::Add, None) => {
                (true, operation.value.as_ref().and_then(Value::as_array)?.clone())
            }
            (OperationKind::Remove, Some(filter)) => {
                (false, vec![removed_element(collection, filter)?])
            }
            _ => return None,
        };
        for element in elements {
            let name = collection::identity(collection, &element);
            order.retain(|other| *other != name);
            order.push(name.clone());
            last.insert(name, (adds, element));
        }
    }
    let mut delta = Delta::default();
    for name in order {
        match last.remove(&name) {
            Some((true, element)) => delta.add.push(element),
            Some((false, element)) => delta.remove.push((element, Value::Null)),
            None => {}
        }
    }
    Some(delta)
}

/// The element that `[value eq "x"]` names, when that is all of its key.
fn removed_element(collection: &Collection, filter: &Filter) -> Option<Value> {
    let Filter::Compare(path, CompareOp::Eq, value) = filter else { return None };
    let [key] = collection.key.as_slice() else { return None };
    (path.attr.eq_ignore_ascii_case(key) && path.sub.is_none()).then(|| json!({ key: value }))
}

/// The difference between two states of a collection. `present` are the native elements.
pub fn between(
    context: &Context<'_>,
    collection: &Collection,
    present: &[Value],
    wanted: &[Value],
) -> Delta {
    let mut have: Vec<(Vec<String>, Value, &Value)> = Vec::new();
    for native in present {
        if let Some(element) = collection::get_element(context, collection, native) {
            have.push((collection::identity(collection, &element), element, native));
        }
    }
    let mut index: BTreeMap<&[String], usize> = BTreeMap::new();
    for (position, (name, ..)) in have.iter().enumerate() {
        index.entry(name.as_slice()).or_insert(position);
    }
    let mut delta = Delta::default();
    let mut kept = vec![false; have.len()];
    let mut seen = std::collections::BTreeSet::new();
    for element in wanted {
        let name = collection::identity(collection, element);
        match index.get(name.as_slice()).and_then(|at| Some((*at, have.get(*at)?))) {
            Some((at, (_, before, native))) => {
                if let Some(kept) = kept.get_mut(at) {
                    *kept = true;
                }
                if is_changed(collection, before, element) {
                    delta.change.push((element.clone(), (*native).clone()));
                }
            }
            None if seen.insert(name) => delta.add.push(element.clone()),
            None => {}
        }
    }
    for ((_, element, native), kept) in have.iter().zip(kept) {
        if !kept {
            delta.remove.push((element.clone(), (*native).clone()));
        }
    }
    delta
}

/// Whether a writable sub-attribute differs. A member is its key: what else is sent with it
/// (`display`) is the application's to say.
fn is_changed(collection: &Collection, before: &Value, wanted: &Value) -> bool {
    collection.reference.is_none()
        && collection
            .items
            .iter()
            .filter(|item| item.write.is_some())
            .any(|item| before.get(&item.sub) != wanted.get(&item.sub))
}

/// The calls that make a delta, in the order add, change, remove.
pub fn calls<'m>(
    context: &Context<'_>,
    collection: &'m Collection,
    delta: &Delta,
    scope: &Scope<'_>,
) -> Result<Vec<MemberCall<'m>>, ConvertError> {
    let mut calls = Vec::new();
    if let Some(add) = &collection.add {
        let elements =
            natives(context, collection, delta.add.iter().map(|element| (element, None)))?;
        batches(add, collection, &elements, scope, &mut calls)?;
    }
    for (element, native) in &delta.change {
        change(context, collection, element, native, scope, &mut calls)?;
    }
    if let Some(remove) = &collection.remove {
        let gone = delta.remove.iter().map(|(element, native)| (element, Some(native)));
        let elements = natives(context, collection, gone)?;
        batches(remove, collection, &elements, scope, &mut calls)?;
    }
    Ok(calls)
}

/// A native element and what identifies it in a call.
struct Element {
    member: Value,
    item: Value,
}

/// Elements in the application's terms. A reference to a resource that is not known is left out:
/// nobody can be a member who does not exist.
fn natives<'e>(
    context: &Context<'_>,
    collection: &Collection,
    elements: impl Iterator<Item = (&'e Value, Option<&'e Value>)>,
) -> Result<Vec<Element>, ConvertError> {
    let mut natives = Vec::new();
    for (element, current) in elements {
        let current = current.filter(|native| !native.is_null());
        let item = match collection::put_element(context, collection, element, current) {
            Ok(item) => item,
            Err(ConvertError::UnknownReference { .. }) => continue,
            Err(error) => return Err(error),
        };
        let row = collection.items.iter().find(|item| item.sub == "value");
        let member = row.and_then(|row| row.path.read(&item)).cloned().unwrap_or(Value::Null);
        natives.push(Element { member, item });
    }
    Ok(natives)
}

fn batches<'m>(
    request: &'m Request,
    collection: &Collection,
    elements: &[Element],
    scope: &Scope<'_>,
    calls: &mut Vec<MemberCall<'m>>,
) -> Result<(), ConvertError> {
    let size = match collection.batch {
        Batch::Of(size) => size.max(1),
        Batch::All => elements.len().max(1),
    };
    for batch in elements.chunks(size) {
        let members = Value::Array(batch.iter().map(|element| element.member.clone()).collect());
        let Some(first) = batch.first() else { continue };
        let scope = scope
            .clone()
            .with("member", &first.member)
            .with("members", &members)
            .with("item", &first.item);
        let rows = matches!(request.body, RequestBody::FromRows) && !request.method.is_safe();
        let has_body = rows && request.method != crate::native::message::Method::Delete;
        let native = request::build(request, &scope, has_body.then(|| first.item.clone()))?;
        calls.push(MemberCall { request, native });
    }
    Ok(())
}

/// One element changes: by its own call, or by going and coming back.
fn change<'m>(
    context: &Context<'_>,
    collection: &'m Collection,
    element: &Value,
    native: &Value,
    scope: &Scope<'_>,
    calls: &mut Vec<MemberCall<'m>>,
) -> Result<(), ConvertError> {
    let after = collection::put_element(context, collection, element, Some(native))?;
    let member = element.get("value").cloned().unwrap_or(Value::Null);
    let Some(request) = &collection.change else {
        let element = |item: &Value| vec![Element { member: member.clone(), item: item.clone() }];
        if let Some(remove) = &collection.remove {
            batches(remove, collection, &element(native), scope, calls)?;
        }
        if let Some(add) = &collection.add {
            batches(add, collection, &element(&after), scope, calls)?;
        }
        return Ok(());
    };
    // The members that the rows speak of; the rest of the element is the application's.
    let mut body = Value::Null;
    for item in &collection.items {
        if let (Some(target), Some(value)) = (&item.write, item.path.read(&after)) {
            let path = place::name(&collection.place);
            let unwritable = |_| ConvertError::Unwritable { path };
            target.write(&mut body, value.clone()).map_err(unwritable)?;
        }
    }
    let scope = scope.clone().with("member", &member).with("item", native);
    calls.push(MemberCall { request, native: request::build(request, &scope, Some(body))? });
    Ok(())
}
