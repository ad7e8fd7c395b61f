//! What of a tenant's attributes is indexed, and under which names.
//!
//! Attributes that only the side-car keeps are always in the index. Those of the application's
//! records are when the tenant's configuration says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::SignedDuration;

use crate::convert::place;
use crate::mapping::model::{Place, ResourceMapping, Source};
use crate::scim::attr::AttrPath;
use crate::scim::filter::ast::{CompareOp, Filter};
use crate::scim::filter::fold::fold;
use crate::scim::resource::Resource;
use crate::scim::schema::{Attribute, AttributeType};
use crate::sidecar::links::{Link, Shelf};

/// Longest value that is indexed, in bytes.
const LONGEST: usize = 512;

/// Which attributes of the application's records are indexed, and for how long an index is good.
#[derive(Debug, Default)]
pub struct Index {
    /// By resource type.
    pub attributes: BTreeMap<String, Vec<Indexed>>,
    /// How old an index may become.
    pub refresh: SignedDuration,
    /// What an index is made under: a digest of the mapping.
    pub fingerprint: String,
    /// What came of it.
    pub counters: IndexCounters,
}

/// What came of asking the index.
#[derive(Debug, Default)]
pub struct IndexCounters {
    hits: AtomicU64,
    misses: AtomicU64,
    stale: AtomicU64,
    doubted: Mutex<BTreeSet<String>>,
}

impl IndexCounters {
    /// Questions that links answered.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Questions that were answered by there being no link.
    pub fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }

    /// Links that led to a record without the value, or to none.
    pub fn stale(&self) -> u64 {
        self.stale.load(Ordering::Relaxed)
    }

    /// Whether only a sweep can tell what became of somebody of this type; nothing is doubted
    /// after this.
    pub fn take_doubt(&self, resource: &str) -> bool {
        self.doubts().remove(resource)
    }

    pub(crate) fn note_doubt(&self, resource: &str) {
        self.doubts().insert(resource.to_owned());
    }

    fn doubts(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.doubted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note_answer(&self, keys: usize) {
        let counter = if keys == 0 { &self.misses } else { &self.hits };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn note_stale(&self, links: usize) {
        self.stale.fetch_add(links as u64, Ordering::Relaxed);
    }
}

/// An indexed attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Indexed {
    /// Its path: the extension's URN or none, with a complex attribute's sub-attribute.
    path: AttrPath,
    /// Its name in the index.
    pub name: String,
}

impl Indexed {
    /// The attribute that a path names, if its values can be looked up: text.
    pub fn of(resource: &ResourceMapping, path: &AttrPath) -> Option<Self> {
        let found = resource.resource_type.resolve(path)?;
        let sub = found.sub.or_else(|| found.attribute.sub_attribute("value"));
        let leaf = sub.unwrap_or(found.attribute);
        let is_text = matches!(leaf.kind, AttributeType::String | AttributeType::Reference);
        let path = AttrPath {
            urn: found.extension.map(|schema| schema.id.clone()),
            attr: found.attribute.name.clone(),
            sub: sub.map(|sub| sub.name.clone()),
        };
        // Ids are keys, or issued for them.
        let is_id = path.urn.is_none() && path.attr == "id";
        let name = path.to_string().to_lowercase();
        (is_text && !is_id).then_some(Self { path, name })
    }

    /// Whether it is of the attribute of a place.
    pub fn is_in(&self, place: &Place) -> bool {
        place::is_of(place, self.path.urn.as_deref(), &self.path.attr)
    }

    /// The links of a resource's values, in the order of the values.
    fn links(&self, scim: &Resource, key: &str) -> Vec<Link> {
        let mut links: Vec<Link> = Vec::new();
        for value in values(scim, &self.path) {
            if let Some(value) = folded(value) {
                links.push(Link { attribute: self.name.clone(), value, key: key.to_owned() });
            }
        }
        links
    }
}

/// The links of a resource.
pub fn links(attributes: &[Indexed], scim: &Resource, key: &str) -> Vec<Link> {
    let links: BTreeSet<Link> =
        attributes.iter().flat_map(|attribute| attribute.links(scim, key)).collect();
    links.into_iter().collect()
}

fn values<'r>(scim: &'r Resource, path: &AttrPath) -> impl Iterator<Item = &'r str> {
    let value = scim.get(path.urn.as_deref(), &path.attr);
    let elements = match value {
        Some(serde_json::Value::Array(elements)) => elements.as_slice(),
        Some(single) => std::slice::from_ref(single),
        None => &[],
    };
    let sub = path.sub.clone();
    elements.iter().filter_map(move |element| match &sub {
        Some(sub) => element.get(sub)?.as_str(),
        None => element.as_str(),
    })
}

/// A value as the index has it: as filters compare it, capital and small letters being the same
/// even where the schema tells them apart, because what is found is judged once more. `None` for
/// what the index does not take.
pub fn folded(value: &str) -> Option<String> {
    let folded = fold(value);
    let fits = !folded.is_empty() && folded.len() <= LONGEST && !folded.contains('\0');
    fits.then(|| folded.into_owned())
}

/// The attributes of a type that only the side-car has values of.
pub fn kept(resource: &ResourceMapping) -> Vec<Indexed> {
    let is_kept = |source: &Source| matches!(source, Source::Sidecar);
    let mut found = BTreeSet::new();
    for row in resource.rows.iter().filter(|row| is_kept(&row.source)) {
        for place in row.places() {
            found.extend(named(resource, place));
        }
    }
    // What the application has values of as well is not complete here.
    for row in resource.rows.iter().filter(|row| !is_kept(&row.source)) {
        for place in row.places() {
            for other in named(resource, place) {
                found.remove(&other);
            }
        }
    }
    for list in &resource.collections {
        for other in named(resource, &list.place) {
            found.remove(&other);
        }
    }
    found.into_iter().collect()
}

/// The attributes that a place may have values of.
fn named(resource: &ResourceMapping, place: &Place) -> Vec<Indexed> {
    let path = |sub: Option<&str>| AttrPath {
        urn: place.extension.clone(),
        attr: place.attribute.clone(),
        sub: sub.map(str::to_owned),
    };
    if let Some(sub) = &place.sub {
        return Indexed::of(resource, &path(Some(sub))).into_iter().collect();
    }
    let whole = path(None);
    let Some(found) = resource.resource_type.resolve(&whole) else { return Vec::new() };
    let subs: Vec<&Attribute> = found.attribute.sub_attributes.iter().collect();
    if subs.is_empty() {
        return Indexed::of(resource, &whole).into_iter().collect();
    }
    subs.iter().filter_map(|sub| Indexed::of(resource, &path(Some(&sub.name)))).collect()
}

/// A question that the index can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// Where the answer is.
    pub shelf: Shelf,
    /// The attribute's name in the index.
    pub attribute: String,
    /// The folded value.
    pub value: String,
}

/// Whether the links of what the side-car keeps answer a filter.
pub fn is_kept(resource: &ResourceMapping, filter: &Filter) -> bool {
    let kept = kept(resource);
    resource.get.is_some() && terms(resource, &[(Shelf::Kept, &kept)], filter).is_some()
}

/// What has to be asked so that no match of a filter is missed: the matches of one of the terms
/// at least. `None` when the index does not answer it.
pub fn terms(
    resource: &ResourceMapping,
    shelves: &[(Shelf, &[Indexed])],
    filter: &Filter,
) -> Option<Vec<Term>> {
    match filter {
        Filter::Compare(path, CompareOp::Eq, literal) => {
            let attribute = Indexed::of(resource, path)?;
            let (shelf, _) = shelves.iter().find(|(_, known)| known.contains(&attribute))?;
            let value = match literal {
                // An unquoted number may stand for text.
                serde_json::Value::Number(number) => number.to_string(),
                serde_json::Value::Bool(truth) => truth.to_string(),
                other => other.as_str()?.to_owned(),
            };
            let term = Term { shelf: *shelf, attribute: attribute.name, value: folded(&value)? };
            Some(vec![term])
        }
        Filter::And(all) => {
            let found = all.iter().filter_map(|one| terms(resource, shelves, one));
            found.min_by_key(Vec::len)
        }
        Filter::Or(all) => {
            let mut found = Vec::new();
            for one in all {
                found.extend(terms(resource, shelves, one)?);
            }
            Some(found)
        }
        Filter::ValuePath(path, inner) => {
            inner.of_attribute(path).find_map(|flat| terms(resource, shelves, &flat))
        }
        Filter::Compare(..) | Filter::Present(_) | Filter::Not(_) => None,
    }
}
