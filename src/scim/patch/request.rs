//! Reading a PATCH body (RFC 7644 section 3.5.2) and making it regular.
//!
//! This file knows the dialects of identity providers, so that nothing else has to: what comes
//! out are operations on one attribute each, with canonical names and values. Deliberately
//! absent: everything that needs the resource; that is `apply.rs`.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::scim::attr::AttrPath;
use crate::scim::deviation::{Deviation, Deviations};
use crate::scim::filter::ast::{CompareOp, Filter};
use crate::scim::patch::error::PatchError;
use crate::scim::patch::operation::{Operation, OperationKind, Target};
use crate::scim::patch::path::{Located, PathError, Place, locate};
use crate::scim::resource::is_unassigned;
use crate::scim::schema::{Attribute, AttributeType, Mutability, Resolved, ResourceType, Schema};
use crate::scim::urn;
use crate::scim::value::{Dialect, read_value, without_read_only};

/// The most operations that one request may have. Clients send one operation for each member of
/// a group, so this is far above what a person would write.
pub const MAX_OPERATIONS: usize = 20_000;

/// A PATCH request in regular form.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchRequest {
    /// What to do, in order. Empty when the request names nothing that the type knows.
    pub operations: Vec<Operation>,
    dialect: Dialect,
}

impl PatchRequest {
    /// Reads a body for resources of this type, and notes what only the lenient dialect
    /// understands.
    ///
    /// # Errors
    /// When any of the operations cannot be carried out on any resource of the type. An unknown
    /// attribute is an error in the strict dialect only.
    pub fn parse(
        body: &Value,
        resource_type: &ResourceType,
        dialect: Dialect,
        noted: &mut Deviations,
    ) -> Result<Self, PatchError> {
        let request = Self { operations: Vec::new(), dialect };
        let mut reader = Reader { resource_type, number: 0, request, noted };
        let members = body.as_object().ok_or(PatchError::NotAPatch("it is not an object"))?;
        reader.check_schemas(member(members, "schemas"))?;
        for operation in reader.list(member(members, "Operations"))? {
            reader.number += 1;
            reader.operation(operation)?;
        }
        Ok(reader.request)
    }

    /// The dialect in which the request was read; it also governs how it is applied.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }
}

/// Whether an attribute was named by `path` or by a key of a path-less value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Path,
    Key,
}

struct Reader<'t, 'd> {
    resource_type: &'t ResourceType,
    /// The operation at hand, from 1.
    number: usize,
    request: PatchRequest,
    noted: &'d mut Deviations,
}

impl<'t> Reader<'t, '_> {
    fn check_schemas(&mut self, schemas: Option<&Value>) -> Result<(), PatchError> {
        let is_patch = |value: &Value| {
            value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(urn::PATCH_OP))
        };
        match schemas {
            Some(Value::Array(list)) if list.iter().any(is_patch) => Ok(()),
            // What says that it is something else is not a PATCH, whatever it looks like.
            Some(Value::Array(list)) if !list.is_empty() => {
                Err(PatchError::NotAPatch("`schemas` does not contain the PatchOp URN"))
            }
            _ if self.lenient() => {
                self.note(Deviation::MissingSchemas);
                Ok(())
            }
            _ => Err(PatchError::NotAPatch("`schemas` is missing")),
        }
    }

    fn list<'v>(&mut self, operations: Option<&'v Value>) -> Result<&'v [Value], PatchError> {
        let list = match operations {
            Some(Value::Array(list)) => list.as_slice(),
            Some(single @ Value::Object(_)) if self.lenient() => {
                self.note(Deviation::SingleOperation);
                std::slice::from_ref(single)
            }
            _ => return Err(PatchError::NotAPatch("`Operations` is not an array")),
        };
        if list.is_empty() {
            return Err(PatchError::NotAPatch("`Operations` is empty"));
        }
        if list.len() > MAX_OPERATIONS {
            return Err(PatchError::TooManyOperations { most: MAX_OPERATIONS });
        }
        Ok(list)
    }

    fn operation(&mut self, operation: &Value) -> Result<(), PatchError> {
        let members =
            operation.as_object().ok_or(PatchError::NotAPatch("an operation is not an object"))?;
        let kind = self.kind(member(members, "op"))?;
        let value = member(members, "value");
        match (self.path(member(members, "path"))?, kind) {
            (Some(path), _) => self.with_path(kind, path, value),
            (None, OperationKind::Remove) => Err(PatchError::MissingPath { number: self.number }),
            (None, OperationKind::Add | OperationKind::Replace) => {
                let value = value.ok_or(PatchError::MissingValue { number: self.number })?;
                self.attributes(kind, None, value)
            }
        }
    }

    fn kind(&mut self, op: Option<&Value>) -> Result<OperationKind, PatchError> {
        let unknown = PatchError::UnknownOperation { number: self.number };
        let Some(text) = op.and_then(Value::as_str) else { return Err(unknown) };
        let lower = text.to_ascii_lowercase();
        // Entra ID writes `Add`; RFC 7644 section 3.5.2 has it in lower case.
        if lower != text {
            if !self.lenient() {
                return Err(unknown);
            }
            self.note(Deviation::CapitalisedOperation);
        }
        match lower.as_str() {
            "add" => Ok(OperationKind::Add),
            "remove" => Ok(OperationKind::Remove),
            "replace" => Ok(OperationKind::Replace),
            _ => Err(unknown),
        }
    }

    fn path<'v>(&mut self, path: Option<&'v Value>) -> Result<Option<&'v str>, PatchError> {
        match path {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() && self.lenient() => {
                self.note(Deviation::EmptyPath);
                Ok(None)
            }
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.invalid_path(PathError(None))),
        }
    }

    fn with_path(
        &mut self,
        kind: OperationKind,
        path: &str,
        value: Option<&Value>,
    ) -> Result<(), PatchError> {
        if path.eq_ignore_ascii_case("schemas") {
            return self.read_only(Origin::Path, "schemas");
        }
        let place = locate(path, self.resource_type, self.request.dialect, self.noted);
        match (place.map_err(|error| self.invalid_path(error))?, kind) {
            (Place::Attribute(located), _) => self.targeted(kind, located, value, Origin::Path),
            (Place::Section(Some(schema)), OperationKind::Remove) => self.remove_section(schema),
            (Place::Section(None), OperationKind::Remove) => {
                Err(self.invalid_path(PathError(None)))
            }
            (Place::Section(schema), OperationKind::Add | OperationKind::Replace) => {
                let value = value.ok_or(PatchError::MissingValue { number: self.number })?;
                self.section(kind, schema, value)
            }
            (Place::Unknown, _) => self.unknown(),
        }
    }

    fn section(
        &mut self,
        kind: OperationKind,
        schema: Option<&'t Schema>,
        value: &Value,
    ) -> Result<(), PatchError> {
        match schema {
            Some(schema) if value.is_null() && kind == OperationKind::Replace => {
                self.remove_section(schema)
            }
            Some(_) if value.is_null() => Ok(()),
            Some(_) | None => {
                self.attributes(kind, Some(schema.unwrap_or(&self.resource_type.core)), value)
            }
        }
    }

    /// Splits a value without path into one operation for each attribute. Names are those of
    /// `section`, or of the whole resource type.
    fn attributes(
        &mut self,
        kind: OperationKind,
        section: Option<&'t Schema>,
        value: &Value,
    ) -> Result<(), PatchError> {
        let attributes =
            value.as_object().ok_or(PatchError::NotAnObject { number: self.number })?;
        for (key, value) in attributes {
            self.keyed(kind, section, key, value)?;
        }
        Ok(())
    }

    fn keyed(
        &mut self,
        kind: OperationKind,
        section: Option<&'t Schema>,
        key: &str,
        value: &Value,
    ) -> Result<(), PatchError> {
        // Clients that send a resource back as a value send this along.
        if section.is_none() && key.eq_ignore_ascii_case("schemas") {
            return Ok(());
        }
        let path = match section {
            Some(schema) => Cow::Owned(format!("{}:{key}", schema.id)),
            None => Cow::Borrowed(key),
        };
        match locate(&path, self.resource_type, self.request.dialect, self.noted) {
            Ok(Place::Attribute(located)) => {
                if key.contains([':', '.', '[']) {
                    if !self.lenient() {
                        return self.unknown();
                    }
                    self.note(Deviation::PathAsKey);
                }
                self.targeted(kind, located, Some(value), Origin::Key)
            }
            Ok(Place::Section(schema)) if section.is_none() => self.section(kind, schema, value),
            Ok(Place::Section(_) | Place::Unknown) => self.unknown(),
            // A key that is no name at all is one more name that nobody knows; but who writes
            // a filter means something by it.
            Err(_) if self.lenient() && !key.contains('[') => self.unknown(),
            Err(error) => Err(self.invalid_path(error)),
        }
    }

    fn targeted(
        &mut self,
        kind: OperationKind,
        located: Located<'t>,
        value: Option<&Value>,
        origin: Origin,
    ) -> Result<(), PatchError> {
        let Located { resolved, filter, deviation } = located;
        if let Some(deviation) = deviation {
            self.note(deviation);
        }
        if is_read_only(resolved) {
            return self.read_only(origin, &Target::new(resolved, filter).label());
        }
        if kind == OperationKind::Remove {
            return self.remove(resolved, filter, value);
        }
        let value = value.ok_or(PatchError::MissingValue { number: self.number })?;
        let whole = filter.is_none() && resolved.sub.is_none();
        let complex = resolved.attribute.kind == AttributeType::Complex;
        if whole && complex && !resolved.attribute.multi_valued {
            self.write_complex(kind, resolved, value)
        } else {
            self.write(kind, resolved, filter, value)
        }
    }

    fn remove(
        &mut self,
        resolved: Resolved<'t>,
        filter: Option<Filter>,
        value: Option<&Value>,
    ) -> Result<(), PatchError> {
        let whole = filter.is_none() && resolved.sub.is_none() && resolved.attribute.multi_valued;
        if let Some(value) = value.filter(|value| whole && !value.is_null())
            && self.lenient()
        {
            return self.remove_elements(resolved, value);
        }
        self.push(OperationKind::Remove, Target::new(resolved, filter), None);
        Ok(())
    }

    /// Entra ID and others name in `value` the elements to be removed. The RFC gives `value` no
    /// meaning there and would remove all of them, which empties a group.
    fn remove_elements(&mut self, resolved: Resolved<'t>, value: &Value) -> Result<(), PatchError> {
        self.note(Deviation::RemoveWithValue);
        let attribute = resolved.attribute;
        // Salesforce repeats the attribute's name inside: `{"members": […]}`.
        let inner = value.as_object().and_then(|members| member(members, &attribute.name));
        let value = inner.unwrap_or(value);
        let read = read_value(attribute, value, self.request.dialect, self.noted)?;
        for element in read.as_array().into_iter().flatten() {
            if let Some(filter) = element_filter(element) {
                self.push(OperationKind::Remove, Target::new(resolved, Some(filter)), None);
            }
        }
        Ok(())
    }

    fn write(
        &mut self,
        kind: OperationKind,
        resolved: Resolved<'t>,
        filter: Option<Filter>,
        value: &Value,
    ) -> Result<(), PatchError> {
        let leaf = match (&filter, resolved.sub) {
            (Some(_), None) => {
                Cow::Owned(Attribute { multi_valued: false, ..resolved.attribute.clone() })
            }
            (_, sub) => Cow::Borrowed(sub.unwrap_or(resolved.attribute)),
        };
        let read = self.read(&leaf, value)?;
        if !read.is_null() {
            self.push(kind, Target::new(resolved, filter), Some(read));
            return Ok(());
        }
        let structured = leaf.multi_valued || leaf.kind == AttributeType::Complex;
        let clears = is_unassigned(value) || value == "";
        // `[{"value": null}]` or an element of nothing but unknown names is not a wish to
        // empty a list; and there is nothing to add in an empty one.
        if structured && (!clears || kind == OperationKind::Add) {
            return Ok(());
        }
        self.push(OperationKind::Remove, Target::new(resolved, filter), None);
        Ok(())
    }

    /// Writes a single-valued complex attribute: what is not named stays, and null takes away.
    fn write_complex(
        &mut self,
        kind: OperationKind,
        resolved: Resolved<'t>,
        value: &Value,
    ) -> Result<(), PatchError> {
        let read = self.read(resolved.attribute, value)?;
        if value.is_null() || self.clears_reference(resolved.attribute, value) {
            self.push(OperationKind::Remove, Target::new(resolved, None), None);
            return Ok(());
        }
        for (name, inner) in value.as_object().into_iter().flatten() {
            if let Some(sub) = resolved.attribute.sub_attribute(name)
                && inner.is_null()
                && sub.mutability != Mutability::ReadOnly
            {
                let resolved = Resolved { sub: Some(sub), ..resolved };
                self.push(OperationKind::Remove, Target::new(resolved, None), None);
            }
        }
        if !read.is_null() {
            self.push(kind, Target::new(resolved, None), Some(read));
        }
        Ok(())
    }

    /// Whether a reference such as `manager` is emptied: `{"value": ""}` of Entra ID, or null.
    fn clears_reference(&self, attribute: &Attribute, value: &Value) -> bool {
        let value = match value.as_array().map(Vec::as_slice) {
            Some([element]) => element,
            Some(_) | None => value,
        };
        let inner = match value {
            Value::Object(members) => member(members, "value"),
            _ => Some(value),
        };
        let Some(inner) = inner else { return false };
        attribute.sub_attribute("value").is_some()
            && (inner.is_null() || (self.lenient() && inner == ""))
    }

    fn read(&mut self, leaf: &Attribute, value: &Value) -> Result<Value, PatchError> {
        let read = read_value(leaf, value, self.request.dialect, self.noted)?;
        Ok(without_read_only(leaf, read))
    }

    fn remove_section(&mut self, schema: &'t Schema) -> Result<(), PatchError> {
        for attribute in &schema.attributes {
            let resolved = Resolved { extension: Some(schema), attribute, sub: None };
            if !is_read_only(resolved) {
                self.remove(resolved, None, None)?;
            }
        }
        Ok(())
    }

    fn read_only(&mut self, origin: Origin, path: &str) -> Result<(), PatchError> {
        if origin == Origin::Key && self.lenient() {
            self.note(Deviation::ReadOnlyAttribute);
            return Ok(());
        }
        Err(PatchError::ReadOnly { path: path.to_owned() })
    }

    fn unknown(&mut self) -> Result<(), PatchError> {
        if !self.lenient() {
            return Err(PatchError::UnknownAttribute { number: self.number });
        }
        self.note(Deviation::UnknownAttribute);
        Ok(())
    }

    /// Appends an operation; consecutive additions to one list become one, because clients send
    /// thousands of them.
    fn push(&mut self, kind: OperationKind, target: Target, value: Option<Value>) {
        let value = match (value, self.request.operations.last_mut()) {
            (Some(Value::Array(elements)), Some(last))
                if kind == OperationKind::Add
                    && last.kind == kind
                    && last.target == target
                    && !elements.iter().any(is_primary) =>
            {
                match &mut last.value {
                    Some(Value::Array(list)) => return list.extend(elements),
                    Some(_) | None => Some(Value::Array(elements)),
                }
            }
            (value, _) => value,
        };
        self.request.operations.push(Operation { kind, target, value });
    }

    fn note(&mut self, deviation: Deviation) {
        self.noted.note(deviation);
    }

    fn lenient(&self) -> bool {
        self.request.dialect == Dialect::Lenient
    }

    fn invalid_path(&self, error: PathError) -> PatchError {
        PatchError::InvalidPath { number: self.number, source: error.0 }
    }
}

fn is_read_only(resolved: Resolved<'_>) -> bool {
    let read_only = |attribute: &Attribute| attribute.mutability == Mutability::ReadOnly;
    read_only(resolved.attribute) || resolved.sub.is_some_and(read_only)
}

fn is_primary(element: &Value) -> bool {
    element.get("primary") == Some(&Value::Bool(true))
}

/// The filter that selects an element: by its `value`, or by all that is said of it.
fn element_filter(element: &Value) -> Option<Filter> {
    let equals = |name: &str, value: &Value| {
        let path = AttrPath { urn: None, attr: name.to_owned(), sub: None };
        Filter::Compare(path, CompareOp::Eq, value.clone())
    };
    let Some(members) = element.as_object() else { return Some(equals("value", element)) };
    if let Some(value) = members.get("value") {
        return Some(equals("value", value));
    }
    let described = members.iter().filter(|(name, _)| name.as_str() != "primary");
    let mut terms: Vec<Filter> = described.map(|(name, value)| equals(name, value)).collect();
    if terms.len() > 1 { Some(Filter::And(terms)) } else { terms.pop() }
}

/// A member of a message, whose names ignore case (RFC 7643 section 2.1).
fn member<'v>(members: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    members.get(name).or_else(|| {
        let mut others = members.iter();
        others.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
    })
}
