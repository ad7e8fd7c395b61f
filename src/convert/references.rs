//! Which SCIM id belongs to which native key, for the resources that values refer to.
//!
//! Where SCIM ids are native keys nothing has to be known. Where they are issued, the engine
//! looks all pairs up before a conversion begins, so that the conversion itself stays pure.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::convert::elements::native_elements;
use crate::convert::{key, place, places, through};
use crate::mapping::model::{
    Collection, Deactivate, Delete, IdSourceRule, ItemRow, Mapping, Mode, ResourceMapping,
};
use crate::native::path::NativePath;
use crate::scim::resource::Resource;
use crate::scim::segment;

/// Pairs of SCIM ids and native keys, by resource type, and of keys and other native names.
#[derive(Debug, Clone, Default)]
pub struct References {
    ids: BTreeMap<(String, String), String>,
    keys: BTreeMap<(String, String), String>,
    hidden: BTreeSet<(String, String)>,
    /// Those of `deactivate: delete`; hidden only where the application is told of references.
    left: BTreeSet<(String, String)>,
    /// Resource type, path and name, and the key of the record that has this name there.
    named: BTreeMap<(String, String, String), String>,
    /// Resource type, path and key, and what the record of this key has there.
    names: BTreeMap<(String, String, String), Value>,
}

impl References {
    /// Adds a pair.
    pub fn insert(&mut self, resource: &str, id: &str, key: &str) {
        self.ids.insert((resource.to_owned(), key.to_owned()), id.to_owned());
        self.keys.insert((resource.to_owned(), id.to_owned()), key.to_owned());
    }

    /// Adds what the record of a key has in a place by which others refer to it.
    pub fn insert_name(&mut self, resource: &str, by: &NativePath, key: &str, name: &Value) {
        let place = |last: &str| (resource.to_owned(), by.to_string(), last.to_owned());
        if let Some(text) = key::text(name) {
            self.named.insert(place(&text), key.to_owned());
        }
        self.names.insert(place(key), name.clone());
    }

    /// The SCIM id of the resource that a native value refers to: by its key, or by the member of
    /// its record that `by` names.
    pub fn id_of(
        &self,
        mapping: &Mapping,
        resource: &str,
        by: Option<&NativePath>,
        value: &Value,
    ) -> Option<String> {
        let text = key::text(value)?;
        match by {
            None => self.id(mapping, resource, &text),
            Some(by) => {
                let key = self.named.get(&(resource.to_owned(), by.to_string(), text))?;
                self.id(mapping, resource, key)
            }
        }
    }

    /// The native value that refers to the resource of a SCIM id.
    pub fn native_of(
        &self,
        mapping: &Mapping,
        resource: &str,
        by: Option<&NativePath>,
        id: &str,
    ) -> Option<Value> {
        let key = self.key(mapping, resource, id)?;
        let rule = &mapping.resource(resource)?.id;
        if !key::is_plausible(rule, &key) {
            return None;
        }
        match by {
            None => Some(key::typed(rule, &key)),
            Some(by) => self.names.get(&(resource.to_owned(), by.to_string(), key)).cloned(),
        }
    }

    /// Notes that SCIM clients have deleted a resource that lives on natively.
    pub fn hide(&mut self, resource: &str, id: &str) {
        self.hidden.insert((resource.to_owned(), id.to_owned()));
    }

    /// Notes that a resource was switched off by deletion.
    pub fn note_left(&mut self, resource: &str, id: &str) {
        self.left.insert((resource.to_owned(), id.to_owned()));
    }

    /// The same, where resources that have left do not exist: an application that has deleted
    /// somebody cannot be told of them.
    #[must_use]
    pub fn without_left(mut self) -> Self {
        self.hidden.append(&mut self.left);
        self
    }

    /// The SCIM id of a native key; `None` when it is issued and not known, for a resource
    /// that SCIM clients have deleted, and where the id could not stand in a URL.
    pub fn id(&self, mapping: &Mapping, resource: &str, key: &str) -> Option<String> {
        let id = if is_issued(mapping, resource) {
            self.ids.get(&(resource.to_owned(), key.to_owned())).cloned()?
        } else {
            key.to_owned()
        };
        // Nobody could ask for what such a reference leads to.
        (!self.is_hidden(resource, &id) && segment::is_possible(&id)).then_some(id)
    }

    fn is_hidden(&self, resource: &str, id: &str) -> bool {
        // Mostly nobody is.
        !self.hidden.is_empty() && self.hidden.contains(&(resource.to_owned(), id.to_owned()))
    }

    /// The same without regard to deletion: whoever is gone may still have to be taken out of
    /// somewhere.
    #[must_use]
    pub fn with_hidden(&self) -> Self {
        Self { hidden: BTreeSet::new(), ..self.clone() }
    }

    /// The native key of a SCIM id; `None` when no such resource is known, when SCIM clients have
    /// deleted it, or when no request could name it.
    pub fn key(&self, mapping: &Mapping, resource: &str, id: &str) -> Option<String> {
        if self.is_hidden(resource, id) {
            return None;
        }
        if !is_issued(mapping, resource) {
            // What cannot be the id in a SCIM path must not get into the application's either.
            return segment::decode(id).filter(|decoded| decoded == id);
        }
        self.keys.get(&(resource.to_owned(), id.to_owned())).cloned()
    }

    /// Whether a SCIM id can be that of a resource, as far as the bridge knows without asking.
    pub fn knows(&self, mapping: &Mapping, resource: &str, id: &str) -> bool {
        let Some(target) = mapping.resource(resource) else { return false };
        self.key(mapping, resource, id).is_some_and(|key| key::is_plausible(&target.id, &key))
    }
}

/// A reference in a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// The attribute that holds it.
    pub path: String,
    /// The resource type it leads to.
    pub target: String,
    /// The SCIM id.
    pub id: String,
}

/// The references that a resource holds, issued ids or not.
pub fn named(resource: &ResourceMapping, scim: &Resource) -> Vec<Reference> {
    let mut found = Vec::new();
    for row in &resource.rows {
        if let Some(target) = &row.reference
            && let Some(id) = places::read_strictly(row, scim).as_deref().and_then(key::text)
        {
            found.push(Reference { path: places::name(row), target: target.clone(), id });
        }
    }
    for collection in &resource.collections {
        let Some(target) = &collection.reference else { continue };
        let extension = collection.place.extension.as_deref();
        let elements = scim.get(extension, &collection.place.attribute).and_then(Value::as_array);
        for element in elements.into_iter().flatten() {
            if let Some(id) = element.get("value").and_then(key::text) {
                let path = format!("{}.value", place::name(&collection.place));
                found.push(Reference { path, target: target.clone(), id });
            }
        }
    }
    found
}

/// Whether the ids of this resource type are kept in the side-car.
pub fn is_issued(mapping: &Mapping, resource: &str) -> bool {
    mapping.resource(resource).is_some_and(|target| target.id.source == IdSourceRule::Issued)
}

/// Whether resources of this type may exist for the bridge or the application alone.
pub fn may_leave(resource: &ResourceMapping) -> bool {
    matches!(resource.delete, Delete::Deactivate)
        || matches!(resource.deactivate, Deactivate::Delete)
}

/// Keys or ids to look up.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Of resources whose ids are issued: resource type, and the key or id.
    pub issued: BTreeSet<(String, String)>,
    /// Of resources whose keys are their ids, and of which some may have left: resource type, and
    /// the key.
    pub plain: BTreeSet<(String, String)>,
    /// Of references that are no keys.
    pub names: BTreeSet<Name>,
}

impl Wanted {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds keys or ids as they are.
    pub fn extend(&mut self, issued: impl IntoIterator<Item = (String, String)>) {
        self.issued.extend(issued);
    }

    fn add(&mut self, mapping: &Mapping, target: &str, by: Option<&NativePath>, value: String) {
        if let Some(by) = by {
            self.names.insert(Name { resource: target.to_owned(), by: by.to_string(), value });
        } else if is_issued(mapping, target) {
            self.issued.insert((target.to_owned(), value));
        } else if mapping.resource(target).is_some_and(may_leave) {
            self.plain.insert((target.to_owned(), value));
        }
    }
}

/// A reference that is no key: it leads to the record that has this value in this place. When a
/// reference is to be written, the value is the SCIM id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// The resource type.
    pub resource: String,
    /// The place in its records.
    pub by: String,
    /// The value, or the id.
    pub value: String,
}

/// The native values in a record for which something has to be looked up before they are ids.
pub fn keys_in(mapping: &Mapping, resource: &ResourceMapping, native: &Value, found: &mut Wanted) {
    for row in &resource.rows {
        if let (Some(target), [read]) = (&row.reference, row.sources())
            && let Some(value) = through::read(&row.via, &row.empty, found_at(read, native))
            && let Some(value) = key::text(&value)
        {
            found.add(mapping, target, row.by.as_ref(), value);
        }
    }
    let telling = resource.collections.iter().filter(|collection| needs_keys(mapping, collection));
    for collection in telling {
        let elements = native_elements(collection, native);
        keys_in_elements(mapping, collection, elements.iter().map(Cow::as_ref), found);
    }
}

/// Whether something has to be known of the resources that a collection's elements refer to.
fn needs_keys(mapping: &Mapping, collection: &Collection) -> bool {
    let is_looked_up =
        |target: &ResourceMapping| target.id.source == IdSourceRule::Issued || may_leave(target);
    references(collection).any(|(item, target)| {
        item.by.is_some() || mapping.resource(target).is_some_and(is_looked_up)
    })
}

fn found_at<'n>(path: &NativePath, native: &'n Value) -> &'n Value {
    path.read(native).unwrap_or(&Value::Null)
}

/// The same in elements of a collection.
pub fn keys_in_elements<'v>(
    mapping: &Mapping,
    collection: &Collection,
    elements: impl IntoIterator<Item = &'v Value>,
    found: &mut Wanted,
) {
    if !needs_keys(mapping, collection) {
        return;
    }
    for element in elements {
        for (item, target) in references(collection) {
            let value = through::read(&item.via, &item.empty, found_at(&item.path, element));
            if let Some(value) = value.as_ref().and_then(key::text) {
                found.add(mapping, target, item.by.as_ref(), value);
            }
        }
    }
}

/// The rows of a collection's elements that refer to resources.
fn references(collection: &Collection) -> impl Iterator<Item = (&ItemRow, &String)> {
    collection.items.iter().filter_map(|item| Some((item, item.reference.as_ref()?)))
}

/// The SCIM ids in a resource that stand for issued ids of others.
pub fn ids_in(mapping: &Mapping, resource: &ResourceMapping, scim: &Resource, found: &mut Wanted) {
    for row in &resource.rows {
        if let Some(target) = &row.reference
            && let Some(id) = places::read_strictly(row, scim)
            && let Some(id) = id.as_str()
        {
            found.add(mapping, target, None, id.to_owned());
        }
    }
    for collection in &resource.collections {
        for element in elements(collection, scim) {
            for (item, target) in references(collection) {
                if let Some(id) = element.get(&item.sub).and_then(Value::as_str) {
                    found.add(mapping, target, None, id.to_owned());
                }
            }
        }
    }
}

/// The SCIM ids that are new in a resource and are written as something else than a key.
pub fn names_in(
    mapping: &Mapping,
    resource: &ResourceMapping,
    before: &Resource,
    wanted: &Resource,
    found: &mut Wanted,
) {
    for row in resource.rows.iter().filter(|row| row.mode != Mode::Read && row.by.is_some()) {
        let id = places::read(row, wanted);
        if let (Some(target), Some(id)) = (&row.reference, id.as_deref().and_then(key::text))
            && places::read(row, before) != places::read(row, wanted)
        {
            found.add(mapping, target, row.by.as_ref(), id);
        }
    }
    for collection in resource.collections.iter().filter(|list| list.mode != Mode::Read) {
        let have = elements(collection, before);
        let new = elements(collection, wanted).iter().filter(|element| !have.contains(element));
        for (item, target) in references(collection).filter(|(item, _)| item.by.is_some()) {
            for id in new.clone().filter_map(|element| key::text(element.get(&item.sub)?)) {
                found.add(mapping, target, item.by.as_ref(), id);
            }
        }
    }
}

/// The SCIM ids of elements that calls of their own name by something else than a key.
pub fn names_in_calls<'e>(
    mapping: &Mapping,
    collection: &Collection,
    elements: impl IntoIterator<Item = &'e Value>,
    found: &mut Wanted,
) {
    let target = collection.reference.as_ref();
    for element in elements {
        for (item, target) in references(collection).filter(|(item, _)| item.by.is_some()) {
            if let Some(id) = element.get(&item.sub).and_then(key::text) {
                found.add(mapping, target, item.by.as_ref(), id);
            }
        }
        if let (Some(target), Some(by)) = (target, &collection.by)
            && let Some(id) = element.get("value").and_then(key::text)
        {
            found.add(mapping, target, Some(by), id);
        }
    }
}

/// Where the records of a name's resource type have it.
pub fn path_of<'m>(mapping: &'m Mapping, name: &Name) -> Option<&'m NativePath> {
    let rows =
        |resource: &'m ResourceMapping| resource.rows.iter().filter_map(|row| row.by.as_ref());
    let lists = |resource: &'m ResourceMapping| {
        resource.collections.iter().flat_map(|list| {
            list.by.iter().chain(list.items.iter().filter_map(|item| item.by.as_ref()))
        })
    };
    let mut paths = mapping.resources.iter().flat_map(|it| rows(it).chain(lists(it)));
    paths.find(|path| path.to_string() == name.by)
}

fn elements<'r>(collection: &Collection, scim: &'r Resource) -> &'r [Value] {
    let extension = collection.place.extension.as_deref();
    let list = scim.get(extension, &collection.place.attribute);
    list.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
