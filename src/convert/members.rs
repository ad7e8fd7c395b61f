//! The calls that make a delta of a collection true.

use serde_json::Value;

use crate::convert::collection;
use crate::convert::context::Context;
use crate::convert::delta::{Delta, Whole};
use crate::convert::error::ConvertError;
use crate::convert::{key, place, request};
use crate::mapping::model::{Batch, Collection, Request};
use crate::mapping::scope::Scope;
use crate::native::message::{Method, NativeRequest};

/// A call of a collection.
#[derive(Debug)]
pub struct MemberCall<'m> {
    /// The mapping's request.
    pub request: &'m Request,
    /// How far it is.
    pub prepared: Prepared,
}

/// How far a call is.
#[derive(Debug)]
pub enum Prepared {
    /// It can be sent.
    Ready(NativeRequest),
    /// Look-ups have to be made first.
    Waiting(Box<Subject>),
}

/// What a call of a collection is about.
#[derive(Debug)]
pub struct Subject {
    /// The first element's member.
    pub member: Value,
    members: Value,
    item: Value,
    items: Value,
    /// What is sent when the mapping does not write a body out.
    body: Option<Value>,
}

impl Subject {
    fn of(elements: &[Element]) -> Self {
        let first = elements.first();
        Self {
            member: first.map_or(Value::Null, |first| first.member.clone()),
            members: elements.iter().map(|element| element.member.clone()).collect(),
            item: first.map_or(Value::Null, |first| first.item.clone()),
            items: elements.iter().map(|element| element.item.clone()).collect(),
            body: None,
        }
    }

    /// A scope that sees it.
    pub fn over<'a>(&'a self, scope: Scope<'a>) -> Scope<'a> {
        scope
            .with("member", &self.member)
            .with("members", &self.members)
            .with("item", &self.item)
            .with("items", &self.items)
    }

    /// The call; `None` when its condition does not hold. `scope` sees the subject and what
    /// look-ups picked.
    pub fn build(
        &self,
        request: &Request,
        scope: &Scope<'_>,
    ) -> Result<Option<NativeRequest>, ConvertError> {
        if !request::is_due(request, scope)? {
            return Ok(None);
        }
        request::build(request, scope, self.body.clone()).map(Some)
    }

    fn call<'m>(
        self,
        request: &'m Request,
        scope: &Scope<'_>,
    ) -> Result<Option<MemberCall<'m>>, ConvertError> {
        if !request.with.is_empty() {
            return Ok(Some(MemberCall { request, prepared: Prepared::Waiting(Box::new(self)) }));
        }
        let native = self.build(request, &self.over(scope.clone()))?;
        Ok(native.map(|native| MemberCall { request, prepared: Prepared::Ready(native) }))
    }
}

/// The calls that make a delta: one that replaces everything, or, in this order, add, change,
/// remove.
pub fn calls<'m>(
    context: &Context<'_>,
    collection: &'m Collection,
    delta: &Delta,
    scope: &Scope<'_>,
) -> Result<Vec<MemberCall<'m>>, ConvertError> {
    let mut calls = Vec::new();
    if delta.is_empty() {
        return Ok(calls);
    }
    if let (Some(set), Some(whole)) = (&collection.set, &delta.whole) {
        calls.extend(replacement(context, collection, set, whole, scope)?);
        return Ok(calls);
    }
    if let Some(add) = &collection.add {
        let elements =
            natives(context, collection, delta.add.iter().map(|element| (element, None)))?;
        batches(add, collection.batch.add, &elements, scope, &mut calls)?;
    }
    for (element, native) in &delta.change {
        change(context, collection, element, native, scope, &mut calls)?;
    }
    if let Some(remove) = &collection.remove {
        let gone = delta.remove.iter().map(|(element, native)| (element, Some(native)));
        let references = context.references.with_hidden();
        let context = Context { references: &references, ..*context };
        let elements = natives(&context, collection, gone)?;
        batches(remove, collection.batch.remove, &elements, scope, &mut calls)?;
    }
    Ok(calls)
}

/// The call that replaces a collection.
fn replacement<'m>(
    context: &Context<'_>,
    collection: &Collection,
    request: &'m Request,
    whole: &Whole,
    scope: &Scope<'_>,
) -> Result<Option<MemberCall<'m>>, ConvertError> {
    let wanted = whole.wanted.iter().map(|(element, native)| (element, Some(native)));
    let mut elements = natives(context, collection, wanted)?;
    elements.extend(whole.kept.iter().map(|native| Element::unnamed(collection, native)));
    let mut subject = Subject::of(&elements);
    subject.body = sends_rows(request).then(|| subject.items.clone());
    subject.call(request, scope)
}

/// Whether the elements are what a request sends.
fn sends_rows(request: &Request) -> bool {
    request::is_from_rows(request) && !request.method.is_safe() && request.method != Method::Delete
}

/// A native element and what identifies it in a call.
struct Element {
    member: Value,
    item: Value,
}

impl Element {
    /// A native element and the SCIM element that it is.
    fn new(
        context: &Context<'_>,
        collection: &Collection,
        element: &Value,
        native: &Value,
    ) -> Result<Self, ConvertError> {
        let member = match (&collection.reference, &collection.by) {
            (Some(target), Some(by)) => {
                let id = element.get("value").and_then(key::text);
                let named = |id: String| {
                    context.references.native_of(context.mapping, target, Some(by), &id)
                };
                let path = || format!("{}.value", place::name(&collection.place));
                let unknown = || ConvertError::UnknownReference { path: path() };
                id.and_then(named).ok_or_else(unknown)?
            }
            (None, _) | (_, None) => return Ok(Self::unnamed(collection, native)),
        };
        Ok(Self { member, item: native.clone() })
    }

    /// A native element whose member is what it says itself.
    fn unnamed(collection: &Collection, native: &Value) -> Self {
        let row = collection.items.iter().find(|item| item.sub == "value");
        let member = row.and_then(|row| row.path.read(native)).cloned().unwrap_or(Value::Null);
        Self { member, item: native.clone() }
    }
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
        let native = collection::put_element(context, collection, element, current)
            .and_then(|item| Element::new(context, collection, element, &item));
        match native {
            Ok(native) => natives.push(native),
            Err(ConvertError::UnknownReference { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(natives)
}

fn batches<'m>(
    request: &'m Request,
    batch: Batch,
    elements: &[Element],
    scope: &Scope<'_>,
    calls: &mut Vec<MemberCall<'m>>,
) -> Result<(), ConvertError> {
    let size = match batch {
        Batch::Of(size) => size.max(1),
        Batch::All => elements.len().max(1),
    };
    for batch in elements.chunks(size) {
        let mut subject = Subject::of(batch);
        let first = batch.first().filter(|_| sends_rows(request));
        subject.body = first.map(|first| first.item.clone());
        calls.extend(subject.call(request, scope)?);
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
    let Some(request) = &collection.change else {
        if let Some(remove) = &collection.remove {
            let gone = Element::new(context, collection, element, native)?;
            batches(remove, collection.batch.remove, &[gone], scope, calls)?;
        }
        if let Some(add) = &collection.add {
            let new = Element::new(context, collection, element, &after)?;
            batches(add, collection.batch.add, &[new], scope, calls)?;
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
    let mut subject = Subject::of(&[Element::new(context, collection, element, native)?]);
    subject.body = Some(body);
    calls.extend(subject.call(request, scope)?);
    Ok(())
}
