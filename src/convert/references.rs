//! Which SCIM id belongs to which native key, for the resources that values refer to.
//!
//! Where SCIM ids are native keys nothing has to be known. Where they are issued, the engine
//! looks all pairs up before a conversion begins, so that the conversion itself stays pure.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::convert::elements::native_elements;
use crate::convert::{key, place, through};
use crate::mapping::model::{IdSourceRule, Mapping, ResourceMapping, Source};
use crate::native::path::NativePath;
use crate::scim::resource::Resource;
use crate::scim::segment;

/// Pairs of SCIM ids and native keys, by resource type.
#[derive(Debug, Clone, Default)]
pub struct References {
    ids: BTreeMap<(String, String), String>,
    keys: BTreeMap<(String, String), String>,
    hidden: BTreeSet<(String, String)>,
}

impl References {
    /// Adds a pair.
    pub fn insert(&mut self, resource: &str, id: &str, key: &str) {
        self.ids.insert((resource.to_owned(), key.to_owned()), id.to_owned());
        self.keys.insert((resource.to_owned(), id.to_owned()), key.to_owned());
    }

    /// Notes that SCIM clients have deleted a resource that lives on natively.
    pub fn hide(&mut self, resource: &str, id: &str) {
        self.hidden.insert((resource.to_owned(), id.to_owned()));
    }

    /// The SCIM id of a native key; `None` when it is issued and not known, and for a resource
    /// that SCIM clients have deleted.
    pub fn id(&self, mapping: &Mapping, resource: &str, key: &str) -> Option<String> {
        let id = if is_issued(mapping, resource) {
            self.ids.get(&(resource.to_owned(), key.to_owned())).cloned()?
        } else {
            key.to_owned()
        };
        let hidden = self.hidden.contains(&(resource.to_owned(), id.clone()));
        (!hidden).then_some(id)
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
        if self.hidden.contains(&(resource.to_owned(), id.to_owned())) {
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
            && let Some(id) = place::read(&row.place, false, scim).as_ref().and_then(key::text)
        {
            found.push(Reference { path: place::name(&row.place), target: target.clone(), id });
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

/// A key or id to look up: resource type, and the key or id.
pub type Wanted = BTreeSet<(String, String)>;

/// The native keys in a record that stand for issued ids.
pub fn keys_in(mapping: &Mapping, resource: &ResourceMapping, native: &Value, found: &mut Wanted) {
    for row in &resource.rows {
        if let (Some(target), Source::Path { read, .. }) = (&row.reference, &row.source)
            && is_issued(mapping, target)
            && let Some(key) = through::read(&row.via, &row.empty, found_at(read, native))
                .as_ref()
                .and_then(key::text)
        {
            found.insert((target.clone(), key));
        }
    }
    for collection in &resource.collections {
        let elements = native_elements(collection, native);
        keys_in_elements(mapping, collection, elements.iter().map(Cow::as_ref), found);
    }
}

fn found_at<'n>(path: &NativePath, native: &'n Value) -> &'n Value {
    path.read(native).unwrap_or(&Value::Null)
}

/// The native keys in elements of a collection that stand for issued ids.
pub fn keys_in_elements<'v>(
    mapping: &Mapping,
    collection: &crate::mapping::model::Collection,
    elements: impl IntoIterator<Item = &'v Value>,
    found: &mut Wanted,
) {
    let Some(target) = &collection.reference else { return };
    let Some(item) = collection.items.iter().find(|item| item.sub == "value") else { return };
    if !is_issued(mapping, target) {
        return;
    }
    for element in elements {
        let value = through::read(&item.via, &item.empty, found_at(&item.path, element));
        if let Some(key) = value.as_ref().and_then(key::text) {
            found.insert((target.clone(), key));
        }
    }
}

/// The SCIM ids in a resource that stand for issued ids of others.
pub fn ids_in(mapping: &Mapping, resource: &ResourceMapping, scim: &Resource, found: &mut Wanted) {
    for row in &resource.rows {
        if let Some(target) = &row.reference
            && is_issued(mapping, target)
            && let Some(id) = place::read(&row.place, false, scim)
            && let Some(id) = id.as_str()
        {
            found.insert((target.clone(), id.to_owned()));
        }
    }
    for collection in &resource.collections {
        let Some(target) = &collection.reference else { continue };
        if !is_issued(mapping, target) {
            continue;
        }
        let extension = collection.place.extension.as_deref();
        let elements = scim.get(extension, &collection.place.attribute).and_then(Value::as_array);
        for element in elements.into_iter().flatten() {
            if let Some(id) = element.get("value").and_then(Value::as_str) {
                found.insert((target.clone(), id.to_owned()));
            }
        }
    }
}
