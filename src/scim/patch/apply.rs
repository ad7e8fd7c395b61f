//! Carrying out a PATCH on a resource (RFC 7644 sections 3.5.2.1 to 3.5.2.3).
//!
//! Two deviations of the lenient dialect live here because they need the resource: `add` and
//! `replace` on `emails[type eq "work"].value` create the element when there is none, and
//! `replace` of a filtered element merges into it. Deliberately absent: names and forms of
//! values, which `request.rs` has made regular.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::scim::attr::AttrPath;
use crate::scim::deviation::{Deviation, Deviations};
use crate::scim::filter::ast::{CompareOp, Filter};
use crate::scim::filter::eval::CompiledFilter;
use crate::scim::patch::elements::{add_elements, fold, identifying, identity, settle_primary};
use crate::scim::patch::error::PatchError;
use crate::scim::patch::operation::{Operation, OperationKind};
use crate::scim::patch::request::PatchRequest;
use crate::scim::resource::{Resource, is_unassigned};
use crate::scim::schema::{Attribute, AttributeType, Mutability, Resolved, ResourceType};
use crate::scim::value::{Dialect, is_same, read_value};

impl PatchRequest {
    /// The resource after all operations. The one given stays as it is, so that a PATCH is done
    /// as a whole or not at all. What only the lenient dialect understands is noted.
    ///
    /// # Errors
    /// When an operation selects nothing, changes what is immutable, or takes away what is
    /// required.
    pub fn apply(
        &self,
        resource: &Resource,
        resource_type: &ResourceType,
        noted: &mut Deviations,
    ) -> Result<Resource, PatchError> {
        let mut result = resource.clone();
        let mut rest = self.operations.as_slice();
        while let Some((operation, tail)) = rest.split_first() {
            let step = Step::new(operation, resource_type, self.dialect())?;
            let section = result.section_mut(operation.target.extension.as_deref());
            let removals = removal_run(rest);
            let immutable = step.resolved.attribute.mutability == Mutability::Immutable;
            if removals.len() > 1 && !immutable {
                step.remove_values(section, &removals);
                rest = rest.get(removals.len()..).unwrap_or_default();
            } else {
                step.run(section, noted)?;
                rest = tail;
            }
        }
        finish(&mut result, resource_type);
        self.check_required(resource, &result, resource_type)?;
        Ok(result)
    }

    /// Only what the request itself took away is its fault. Asked at the end, because clients
    /// remove and add an attribute in one request.
    fn check_required(
        &self,
        before: &Resource,
        after: &Resource,
        resource_type: &ResourceType,
    ) -> Result<(), PatchError> {
        for Operation { target, .. } in &self.operations {
            let extension = target.extension.as_deref();
            let has = |resource: &Resource| resource.get(extension, &target.attribute).is_some();
            let required = || target.resolve(resource_type).is_some_and(|r| r.attribute.required);
            if has(before) && !has(after) && required() {
                return Err(PatchError::Required { path: target.label() });
            }
        }
        Ok(())
    }
}

/// The values of the operations at the front that remove single elements of one list by their
/// `value`: groups are emptied by thousands of such operations, and each would walk the list.
fn removal_run(operations: &[Operation]) -> Vec<&str> {
    let Some(first) = operations.first() else { return Vec::new() };
    let same_list = |operation: &&Operation| {
        operation.target.attribute == first.target.attribute
            && operation.target.extension == first.target.extension
    };
    operations.iter().take_while(same_list).map_while(removed_value).collect()
}

fn removed_value(operation: &Operation) -> Option<&str> {
    let target = &operation.target;
    if operation.kind == OperationKind::Remove
        && target.sub.is_none()
        && let Some(Filter::Compare(path, CompareOp::Eq, Value::String(value))) = &target.filter
        && path.attr.eq_ignore_ascii_case("value")
    {
        return Some(value);
    }
    None
}

/// One operation and what the resource type says of its target.
struct Step<'a> {
    operation: &'a Operation,
    resolved: Resolved<'a>,
    dialect: Dialect,
}

impl<'a> Step<'a> {
    fn new(
        operation: &'a Operation,
        resource_type: &'a ResourceType,
        dialect: Dialect,
    ) -> Result<Self, PatchError> {
        let resolved = operation.target.resolve(resource_type);
        let resolved =
            resolved.ok_or_else(|| PatchError::NoTarget { path: operation.target.label() })?;
        Ok(Self { operation, resolved, dialect })
    }

    fn run(
        &self,
        section: &mut Map<String, Value>,
        noted: &mut Deviations,
    ) -> Result<(), PatchError> {
        let Resolved { attribute, sub, .. } = self.resolved;
        let name = attribute.name.as_str();
        let immutable = attribute.mutability == Mutability::Immutable;
        let before = section.get(name).filter(|value| immutable && !is_unassigned(value)).cloned();
        if attribute.multi_valued && (self.operation.target.filter.is_some() || sub.is_some()) {
            self.change_elements(section, noted)?;
        } else {
            match (sub, &self.operation.value) {
                (Some(sub), value) => self.change_sub(section, sub, value.as_ref())?,
                (None, Some(value)) => self.change_whole(section, value)?,
                (None, None) => drop(section.shift_remove(name)),
            }
        }
        let Some(before) = before else { return Ok(()) };
        match section.get(name) {
            // The value as it was, in another spelling: it stays as it was.
            Some(now) if is_same(attribute, &before, now) => {
                section.insert(name.to_owned(), before);
                Ok(())
            }
            Some(_) | None => Err(self.immutable()),
        }
    }

    fn change_whole(
        &self,
        section: &mut Map<String, Value>,
        value: &Value,
    ) -> Result<(), PatchError> {
        let attribute = self.resolved.attribute;
        match (section.get_mut(&attribute.name), value) {
            (Some(Value::Array(list)), Value::Array(elements))
                if self.operation.kind == OperationKind::Add =>
            {
                add_elements(attribute, list, elements);
            }
            (Some(Value::Object(members)), Value::Object(changes)) => {
                self.merge(members, changes)?;
            }
            (Some(_) | None, _) => {
                section.insert(attribute.name.clone(), value.clone());
            }
        }
        Ok(())
    }

    fn change_sub(
        &self,
        section: &mut Map<String, Value>,
        sub: &Attribute,
        value: Option<&Value>,
    ) -> Result<(), PatchError> {
        let name = &self.resolved.attribute.name;
        let slot = section.entry(name.clone()).or_insert(Value::Null);
        let mut members = match slot.take() {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        if sub.name == "value" {
            self.forget_derived(&mut members, value);
        }
        self.set(&mut members, sub, value)?;
        *slot = Value::Object(members);
        if is_unassigned(slot) {
            section.shift_remove(name);
        }
        Ok(())
    }

    fn change_elements(
        &self,
        section: &mut Map<String, Value>,
        noted: &mut Deviations,
    ) -> Result<(), PatchError> {
        let name = &self.resolved.attribute.name;
        let slot = section.entry(name.clone()).or_insert(Value::Null);
        let mut list = match slot.take() {
            Value::Array(list) => list,
            Value::Null => Vec::new(),
            single => vec![single],
        };
        let hits = self.hits(&list)?;
        match &self.operation.value {
            None => self.remove_hits(&mut list, &hits)?,
            Some(value) if hits.is_empty() => list.push(self.create(value, noted)?),
            Some(value) => self.write_hits(&mut list, &hits, value, noted)?,
        }
        if self.operation.value.is_some() {
            let touched = if hits.is_empty() { vec![list.len() - 1] } else { hits };
            settle_primary(&mut list, &touched);
        }
        *slot = Value::Array(list);
        if is_unassigned(slot) {
            section.shift_remove(name);
        }
        Ok(())
    }

    /// The elements, counted from 0, for which the target's filter holds.
    fn hits(&self, list: &[Value]) -> Result<Vec<usize>, PatchError> {
        let Some(filter) = &self.operation.target.filter else {
            return Ok((0..list.len()).collect());
        };
        let compiled = CompiledFilter::for_elements(filter, self.resolved.attribute, self.dialect)
            .map_err(|source| PatchError::InvalidFilter { path: self.label(), source })?;
        let matching =
            list.iter().enumerate().filter(|(_, element)| compiled.matches_element(element));
        Ok(matching.map(|(at, _)| at).collect())
    }

    fn remove_hits(&self, list: &mut Vec<Value>, hits: &[usize]) -> Result<(), PatchError> {
        if let Some(sub) = self.resolved.sub {
            for at in hits {
                if let Some(Value::Object(members)) = list.get_mut(*at) {
                    self.set(members, sub, None)?;
                }
            }
            list.retain(|element| !is_unassigned(element));
            return Ok(());
        }
        let mut at = 0;
        list.retain(|_| {
            at += 1;
            hits.binary_search(&(at - 1)).is_err()
        });
        Ok(())
    }

    fn write_hits(
        &self,
        list: &mut [Value],
        hits: &[usize],
        value: &Value,
        noted: &mut Deviations,
    ) -> Result<(), PatchError> {
        for at in hits {
            let Some(element) = list.get_mut(*at) else { continue };
            match (element, self.resolved.sub, value) {
                (Value::Object(members), Some(sub), _) => self.set(members, sub, Some(value))?,
                (Value::Object(members), None, Value::Object(changes)) => {
                    // What the new element does not say is gone, but for what may not go.
                    let goes = |name: &str| !changes.contains_key(name) && !self.keeps(name);
                    if !self.merges() {
                        members.retain(|name, _| !goes(name));
                    } else if self.operation.kind == OperationKind::Replace
                        && members.keys().any(|name| goes(name))
                    {
                        noted.note(Deviation::MergedElement);
                    }
                    self.merge(members, changes)?;
                }
                (element, None, _) => *element = value.clone(),
                (_, Some(_), _) => {}
            }
        }
        Ok(())
    }

    /// RFC 7644 section 3.5.2.3 replaces the elements that a filter selects. Clients that send
    /// a part of one mean that part, and would lose the `type` by which they found it.
    fn merges(&self) -> bool {
        self.operation.kind == OperationKind::Add || self.dialect == Dialect::Lenient
    }

    fn keeps(&self, name: &str) -> bool {
        let sub = self.resolved.attribute.sub_attribute(name);
        sub.is_some_and(|sub| sub.mutability == Mutability::Immutable)
    }

    /// The element that the filter describes, with the value in it. The RFC knows only
    /// `noTarget`; Entra ID writes `emails[type eq "work"].value` whether there is one or not.
    fn create(&self, value: &Value, noted: &mut Deviations) -> Result<Value, PatchError> {
        let no_target = || PatchError::NoTarget { path: self.label() };
        let creates = self.resolved.sub.is_some() || self.operation.kind == OperationKind::Add;
        if self.dialect == Dialect::Strict || !creates {
            return Err(no_target());
        }
        let attribute = self.resolved.attribute;
        let mut terms = Vec::new();
        let filter = self.operation.target.filter.as_ref();
        if attribute.kind != AttributeType::Complex
            || filter.is_some_and(|filter| !equalities(filter, &mut terms))
        {
            return Err(no_target());
        }
        let mut members = Map::new();
        for (path, literal) in terms {
            let sub = attribute.sub_attribute(&path.attr).ok_or_else(no_target)?;
            members.insert(sub.name.clone(), read_value(sub, literal, self.dialect, noted)?);
        }
        match (self.resolved.sub, value) {
            (Some(sub), _) => drop(members.insert(sub.name.clone(), value.clone())),
            (None, Value::Object(changes)) => members.extend(changes.clone()),
            (None, _) => return Err(no_target()),
        }
        members.retain(|_, value| !is_unassigned(value));
        noted.note(Deviation::CreatedElement);
        Ok(Value::Object(members))
    }

    fn merge(
        &self,
        members: &mut Map<String, Value>,
        changes: &Map<String, Value>,
    ) -> Result<(), PatchError> {
        if let Some(value) = changes.get("value") {
            self.forget_derived(members, Some(value));
        }
        for (name, value) in changes {
            if let Some(sub) = self.resolved.attribute.sub_attribute(name) {
                self.set(members, sub, Some(value))?;
            }
        }
        Ok(())
    }

    /// What describes the old `value` is wrong for a new one: a manager's `$ref` and, being the
    /// service provider's, `displayName`.
    fn forget_derived(&self, members: &mut Map<String, Value>, value: Option<&Value>) {
        if members.get("value") == value {
            return;
        }
        members.retain(|name, _| {
            let sub = self.resolved.attribute.sub_attribute(name);
            let read_only = sub.is_some_and(|sub| sub.mutability == Mutability::ReadOnly);
            !read_only && (name != "$ref" || self.keeps(name))
        });
    }

    /// Writes or removes a sub-attribute of one value.
    fn set(
        &self,
        members: &mut Map<String, Value>,
        sub: &Attribute,
        value: Option<&Value>,
    ) -> Result<(), PatchError> {
        let before = members.get(&sub.name).filter(|value| !is_unassigned(value));
        if let (Mutability::Immutable, Some(before)) = (sub.mutability, before) {
            return match value {
                Some(value) if is_same(sub, before, value) => Ok(()),
                Some(_) | None => Err(self.immutable()),
            };
        }
        match value {
            Some(value) => drop(members.insert(sub.name.clone(), value.clone())),
            None if sub.required && before.is_some() => {
                return Err(PatchError::Required { path: self.label() });
            }
            None => drop(members.shift_remove(&sub.name)),
        }
        Ok(())
    }

    fn remove_values(&self, section: &mut Map<String, Value>, values: &[&str]) {
        let attribute = self.resolved.attribute;
        let leaf = identifying(attribute);
        let removed: BTreeSet<String> = values.iter().map(|value| fold(leaf, value)).collect();
        let Some(Value::Array(list)) = section.get_mut(&attribute.name) else { return };
        list.retain(|element| {
            identity(attribute, element).is_none_or(|identity| !removed.contains(&identity))
        });
        if list.is_empty() {
            section.shift_remove(&attribute.name);
        }
    }

    fn immutable(&self) -> PatchError {
        PatchError::Immutable { path: self.label() }
    }

    fn label(&self) -> String {
        self.operation.target.label()
    }
}

/// Collects the terms of a filter that is one equality or several joined by `and`.
fn equalities<'f>(filter: &'f Filter, terms: &mut Vec<(&'f AttrPath, &'f Value)>) -> bool {
    match filter {
        Filter::Compare(path, CompareOp::Eq, value) => {
            terms.push((path, value));
            true
        }
        Filter::And(inner) => inner.iter().all(|term| equalities(term, terms)),
        Filter::Compare(..)
        | Filter::Present(_)
        | Filter::Or(_)
        | Filter::Not(_)
        | Filter::ValuePath(..) => false,
    }
}

/// Drops what is unassigned and makes `schemas` say which extensions have values.
fn finish(resource: &mut Resource, resource_type: &ResourceType) {
    for extension in &resource_type.extensions {
        if let Some(Value::Object(section)) = resource.0.get_mut(&extension.schema.id) {
            section.retain(|_, value| !is_unassigned(value));
        }
    }
    resource.0.retain(|_, value| !is_unassigned(value));
    let used = |urn: &str| resource.0.contains_key(urn);
    let mut schemas: Vec<Value> = match resource.0.get("schemas") {
        Some(Value::Array(listed)) => listed.clone(),
        Some(_) | None => Vec::new(),
    };
    schemas.retain(|listed| {
        let extension = listed.as_str().and_then(|urn| resource_type.extension(urn));
        extension.is_none_or(|schema| used(&schema.id))
    });
    for (extension, schema) in resource_type.schemas() {
        let is_listed = |listed: &Value| {
            listed.as_str().is_some_and(|urn| urn.eq_ignore_ascii_case(&schema.id))
        };
        if (extension.is_none() || used(&schema.id)) && !schemas.iter().any(is_listed) {
            schemas.push(schema.id.clone().into());
        }
    }
    match resource.0.get_mut("schemas") {
        Some(slot) => *slot = Value::Array(schemas),
        None => drop(resource.0.shift_insert(0, "schemas".to_owned(), Value::Array(schemas))),
    }
}
