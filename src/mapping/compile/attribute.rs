//! The SCIM side of a resource: only mapped attributes, with the characteristics their rows give
//! them (RFC 7643 section 7). Nothing is claimed that the mapping cannot do.

use serde_json::{Map, Value};

use crate::mapping::compile::place::{Found, Known};
use crate::mapping::file::resource::Row;
use crate::mapping::model::Mode;
use crate::scim::builtin;
use crate::scim::schema::{
    Attribute, AttributeType, Extension, Mutability, ResourceType, Returned, Schema,
};
use crate::scim::urn;

/// Sub-attributes of `meta` that the bridge itself knows.
const META: [&str; 3] = ["resourceType", "location", "version"];

/// The attributes mapped so far.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    sections: Vec<Section>,
}

#[derive(Debug)]
struct Section {
    extension: Option<String>,
    attributes: Vec<Drafted>,
}

#[derive(Debug)]
struct Drafted {
    attribute: Attribute,
    /// Modes of the rows it came from.
    modes: Vec<Mode>,
    /// Types its selectors pick, while every row has one.
    types: Option<Vec<String>>,
}

impl Draft {
    /// Adds the attribute of a row.
    pub(crate) fn row(&mut self, found: &Found, row: &Row, mode: Mode, emit: &Map<String, Value>) {
        let drafted = self.drafted(found);
        drafted.modes.push(mode);
        let Some(sub) = &found.sub else {
            // The whole attribute: every sub-attribute it has.
            drafted.attribute = found.attribute.clone();
            drafted.types = None;
            characterise(&mut drafted.attribute, row, mode);
            return;
        };
        let picked = found.place.selector.iter().find(|(name, _)| name == "type");
        match (picked.and_then(|(_, value)| value.as_str()), &mut drafted.types) {
            (Some(kind), Some(types)) => types.push(kind.to_owned()),
            _ => drafted.types = None,
        }
        characterise(drafted.sub(sub), row, mode);
        drafted.attribute.required |= row.required;
        let added = found.place.selector.iter().map(|(name, _)| name).chain(emit.keys());
        for name in added {
            if let Some(known) = found.attribute.sub_attribute(name) {
                drafted.sub(known);
            }
        }
    }

    /// Adds the attribute of a collection and its items.
    pub(crate) fn collection(
        &mut self,
        found: &Found,
        row: &Row,
        mode: Mode,
        items: &[(Attribute, &Row)],
    ) {
        let drafted = self.drafted(found);
        drafted.modes.push(mode);
        drafted.types = None;
        characterise(&mut drafted.attribute, row, mode);
        for (sub, item) in items {
            // Of a reference only the id is the client's to say; names are the other resource's.
            let is_own = row.r#ref.is_none() || sub.name == "value";
            let is_made =
                item.value.is_some() || (item.to_scim.is_some() && item.to_native.is_none());
            let is_own = is_own && !is_made;
            let own = item.mode.unwrap_or(if is_own { Mode::Both } else { Mode::Read });
            characterise(drafted.sub(sub), item, own);
        }
    }

    /// Adds `$ref` to an attribute whose `value` is the id of another resource: the bridge knows
    /// where that resource is.
    pub(crate) fn reference(&mut self, found: &Found, target: &str) {
        let Some(base) = found.attribute.sub_attribute("$ref") else { return };
        let sub = self.drafted(found).sub(base);
        sub.reference_types = vec![target.to_owned()];
    }

    /// Adds `active` when requests switch a record on and off and no row maps it.
    pub(crate) fn active(&mut self, known: &Known) {
        let Some(attribute) = known.core.attribute("active") else { return };
        let section = self.section(None);
        let there = section.attributes.iter().any(|drafted| drafted.attribute.name == "active");
        if !there {
            let attribute = attribute.clone();
            section.attributes.push(Drafted { attribute, modes: vec![Mode::Both], types: None });
        }
    }

    /// Makes every attribute read-only or immutable that no request could change.
    pub(crate) fn restrict(&mut self, restriction: Mutability, keep: &dyn Fn(&str) -> bool) {
        let drafted = self.sections.iter_mut().flat_map(|section| &mut section.attributes);
        for drafted in drafted.filter(|drafted| !keep(&drafted.attribute.name)) {
            restrict(&mut drafted.attribute, restriction);
        }
    }

    /// The finished resource type.
    pub(crate) fn finish(
        mut self,
        known: &Known,
        endpoint: String,
        description: Option<String>,
    ) -> ResourceType {
        self.sections.iter_mut().flat_map(|section| &mut section.attributes).for_each(settle);
        let mapped = self.take(None);
        let mut attributes = common(&mapped);
        attributes.extend(mapped.into_iter().filter(|attribute| !is_common(&attribute.name)));
        let extensions = std::mem::take(&mut self.sections)
            .into_iter()
            .filter_map(|section| Some(extension(section.extension?, section.attributes)))
            .collect();
        ResourceType {
            name: known.resource.clone(),
            description: description.unwrap_or_else(|| known.core.description.clone()),
            endpoint,
            core: Schema { attributes, ..known.core.clone() },
            extensions,
        }
    }

    fn take(&mut self, extension: Option<&str>) -> Vec<Attribute> {
        let section = self.section(extension);
        std::mem::take(&mut section.attributes)
            .into_iter()
            .map(|drafted| drafted.attribute)
            .collect()
    }

    fn drafted(&mut self, found: &Found) -> &mut Drafted {
        let section = self.section(found.place.extension.as_deref());
        let name = &found.attribute.name;
        let there = section.attributes.iter().position(|drafted| drafted.attribute.name == *name);
        let index = there.unwrap_or_else(|| {
            let attribute = Attribute { sub_attributes: Vec::new(), ..found.attribute.clone() };
            let drafted = Drafted { attribute, modes: Vec::new(), types: Some(Vec::new()) };
            section.attributes.push(drafted);
            section.attributes.len() - 1
        });
        #[expect(clippy::expect_used, reason = "the index was found or made above")]
        section.attributes.get_mut(index).expect("the lines above found or pushed it")
    }

    fn section(&mut self, extension: Option<&str>) -> &mut Section {
        let there =
            self.sections.iter().position(|section| section.extension.as_deref() == extension);
        let index = there.unwrap_or_else(|| {
            let extension = extension.map(str::to_owned);
            self.sections.push(Section { extension, attributes: Vec::new() });
            self.sections.len() - 1
        });
        #[expect(clippy::expect_used, reason = "the index was found or made above")]
        self.sections.get_mut(index).expect("the lines above found or pushed it")
    }
}

impl Drafted {
    fn sub(&mut self, base: &Attribute) -> &mut Attribute {
        let subs = &mut self.attribute.sub_attributes;
        let there = subs.iter().position(|sub| sub.name == base.name);
        let index = there.unwrap_or_else(|| {
            subs.push(base.clone());
            subs.len() - 1
        });
        #[expect(clippy::expect_used, reason = "the index was found or made above")]
        subs.get_mut(index).expect("the lines above found or pushed it")
    }
}

/// Applies what a row says to the attribute it maps.
fn characterise(attribute: &mut Attribute, row: &Row, mode: Mode) {
    attribute.required |= row.required;
    match mode {
        Mode::Both => {}
        Mode::Read => restrict(attribute, Mutability::ReadOnly),
        Mode::Write => {
            attribute.mutability = Mutability::WriteOnly;
            attribute.returned = Returned::Never;
        }
        Mode::Create => restrict(attribute, Mutability::Immutable),
    }
    if let Some(returned) = row.returned {
        attribute.returned = returned;
    }
    if let Some(unique) = row.unique {
        attribute.uniqueness = unique;
    }
    if let Some(case_exact) = row.case_exact {
        attribute.case_exact = case_exact;
    }
    if let Some(doc) = &row.doc {
        attribute.description.clone_from(doc);
    }
}

/// Narrows who may write an attribute and its sub-attributes; never widens.
fn restrict(attribute: &mut Attribute, restriction: Mutability) {
    let narrower = match attribute.mutability {
        Mutability::ReadWrite | Mutability::Immutable => true,
        Mutability::WriteOnly => restriction == Mutability::ReadOnly,
        Mutability::ReadOnly => false,
    };
    if narrower {
        attribute.mutability = restriction;
    }
    attribute.sub_attributes.iter_mut().for_each(|sub| restrict(sub, restriction));
}

/// A complex attribute is what all of its rows are.
fn settle(drafted: &mut Drafted) {
    let every = |mode: Mode| drafted.modes.iter().all(|have| *have == mode);
    if every(Mode::Read) {
        restrict(&mut drafted.attribute, Mutability::ReadOnly);
    } else if every(Mode::Create) {
        restrict(&mut drafted.attribute, Mutability::Immutable);
    } else if every(Mode::Write) {
        drafted.attribute.mutability = Mutability::WriteOnly;
        drafted.attribute.returned = Returned::Never;
    }
    let types = drafted.types.take().filter(|types| !types.is_empty());
    let kind = drafted.attribute.sub_attributes.iter_mut().find(|sub| sub.name == "type");
    if let (Some(types), Some(kind)) = (types, kind) {
        kind.canonical_values = types;
    }
}

fn is_common(name: &str) -> bool {
    matches!(name, "id" | "externalId" | "meta")
}

/// `id` and `meta`, which the bridge always knows, and `externalId` when a row maps it.
fn common(mapped: &[Attribute]) -> Vec<Attribute> {
    let mapped = |name: &str| mapped.iter().find(|attribute| attribute.name == name);
    let mut common = builtin::common_attributes();
    common.retain(|attribute| attribute.name != "externalId" || mapped("externalId").is_some());
    for attribute in &mut common {
        match attribute.name.as_str() {
            "externalId" => {
                if let Some(mapped) = mapped("externalId") {
                    attribute.clone_from(mapped);
                }
            }
            "meta" => {
                let rows = mapped("meta").map(|meta| meta.sub_attributes.as_slice());
                let rows = rows.unwrap_or_default();
                attribute.sub_attributes.retain(|sub| {
                    META.contains(&sub.name.as_str())
                        || rows.iter().any(|mapped| mapped.name == sub.name)
                });
            }
            _ => {}
        }
    }
    common
}

fn extension(id: String, attributes: Vec<Drafted>) -> Extension {
    let attributes = attributes.into_iter().map(|drafted| drafted.attribute).collect();
    let schema = if id.eq_ignore_ascii_case(urn::ENTERPRISE_USER) {
        Schema { attributes, ..builtin::enterprise_user() }
    } else {
        let name = id.rsplit(':').nth(2).unwrap_or("Extension").to_owned();
        Schema { description: name.clone(), name, id, attributes }
    };
    Extension { schema, required: false }
}

/// Whether the attribute consists of sub-attributes.
pub(crate) fn is_complex(attribute: &Attribute) -> bool {
    attribute.kind == AttributeType::Complex
}
