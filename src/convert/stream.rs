//! Records as SCIM resources, text to text, by a [`Plan`].
//!
//! The same resource as `to_scim.rs` makes, with the same version, members in the same order,
//! written behind one another instead of built; a property test holds the two together. Wherever
//! a function says `None`, the general reading is asked.

use std::borrow::Cow;

use serde_json::Value;

use crate::convert::cells::{Cell, Found, elements, part, row_cell, slot};
use crate::convert::context::Context;
use crate::convert::error::ConvertError;
use crate::convert::plan::{Group, Pick, Plan, PlannedList, Shape, Top, quoted};
use crate::convert::{key, location};
use crate::mapping::model::ResourceMapping;
use crate::native::scan::{Kind, Scanner};
use crate::scim::attr::AttrPath;
use crate::scim::canonical::hash_of;
use crate::scim::etag::EntityTag;
use crate::scim::projection::{Projection, Wanted};

/// Which attributes an answer has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    groups: Vec<bool>,
    has_meta: bool,
}

/// What every resource of an answer has in common.
pub struct Frame<'a> {
    plan: &'a Plan,
    context: Context<'a>,
    /// The SCIM base, as it stands in a JSON string.
    base: String,
    mask: &'a Mask,
    /// The resource type's name, quoted.
    name: String,
    /// The core schema's URN, quoted.
    schema: String,
}

impl Plan {
    /// Which attributes an answer has; `None` when sub-attributes are chosen.
    pub fn mask(&self, resource: &ResourceMapping, projection: &Projection) -> Option<Mask> {
        let Projection { attributes, excluded } = projection;
        if attributes.iter().chain(excluded).any(|path| path.sub.is_some()) {
            return None;
        }
        let is_whole = attributes.is_empty() && excluded.is_empty();
        let wants = |extension: Option<&str>, attribute: &str| {
            projection.wants(&resource.resource_type, extension, attribute) != Wanted::No
        };
        let group = |group: &Group| {
            if is_whole {
                return group.is_default;
            }
            let section = group.section.and_then(|section| self.sections.get(section));
            wants(section.map(|section| section.urn.as_str()), &group.attribute)
        };
        let has_meta = is_whole || wants(None, "meta");
        Some(Mask { groups: self.groups.iter().map(group).collect(), has_meta })
    }

    /// What a filter looks at that speaks of these paths; `None` when it takes a whole view to
    /// judge that.
    pub fn mask_of(&self, resource: &ResourceMapping, paths: &[AttrPath]) -> Option<Mask> {
        let mut mask = Mask { groups: vec![false; self.groups.len()], has_meta: false };
        for path in paths {
            let found = resource.resource_type.resolve(path)?;
            let is_ref = path.sub.as_deref().is_some_and(|sub| sub.eq_ignore_ascii_case("$ref"));
            let name = found.attribute.name.as_str();
            if is_ref || name == "meta" {
                return None;
            }
            if name == "id" && found.extension.is_none() {
                continue;
            }
            let urn = found.extension.map(|schema| schema.id.as_str());
            let is_it = |group: &Group| {
                let section = group.section.and_then(|section| self.sections.get(section));
                group.attribute == name && section.map(|it| it.urn.as_str()) == urn
            };
            *mask.groups.get_mut(self.groups.iter().position(is_it)?)? = true;
        }
        Some(mask)
    }

    /// What a record says of other resources, for whoever looks up what is known of them; `None`
    /// when that is nothing.
    pub fn references(&self, found: &Found<'_>) -> Option<Value> {
        let is_any = self.references.iter().any(|(_, at)| slot(found, *at).kind != Kind::Null);
        is_any.then(|| part(&self.references, found))?
    }

    /// Reads the record that comes next in a text.
    pub fn read<'t>(&self, scanner: &mut Scanner<'t>) -> Option<Found<'t>> {
        let mut found = vec![None; self.wants.len()];
        self.wants.find(scanner, &mut found)?;
        Some(found)
    }

    /// The key of a record.
    ///
    /// # Errors
    ///
    /// It has none.
    pub fn key(
        &self,
        resource: &ResourceMapping,
        found: &Found<'_>,
    ) -> Result<String, ConvertError> {
        let raw = slot(found, self.id);
        match (self.has_plain_id, raw.kind, raw.plain()) {
            (true, Kind::Whole, _) => Ok(raw.text.to_owned()),
            (true, Kind::Plain, Some(text)) if !text.is_empty() => Ok(text.to_owned()),
            _ => {
                let names: Vec<String> =
                    resource.id.path.names().into_iter().map(str::to_owned).collect();
                let record = part(&[(names, self.id)], found).ok_or(ConvertError::NoKey)?;
                key::of_record(&resource.id, &record)
            }
        }
    }
}

impl<'a> Frame<'a> {
    /// What the resources of one answer have in common.
    pub fn new(plan: &'a Plan, context: Context<'a>, base: &str, mask: &'a Mask) -> Self {
        let resource = context.resource;
        let quoted_base = quoted(base);
        let base = quoted_base.get(1..quoted_base.len() - 1).unwrap_or_default().to_owned();
        let (name, schema) = (quoted(&resource.name), quoted(&resource.resource_type.core.id));
        Self { plan, context, base, mask, name, schema }
    }

    /// Writes the resource of a record behind a text. Its version comes back; the text is not to
    /// be used when that is `None`.
    pub fn write(&self, id: &str, found: &Found<'_>, text: &mut String) -> Option<EntityTag> {
        let view = View::new(self, id, found)?;
        let version = EntityTag::of(&hash_of(&view.canonical()));
        view.write(Some(&version), text);
        Some(version)
    }

    /// The attributes of the mask alone, without `meta`.
    pub fn part(&self, id: &str, found: &Found<'_>) -> Option<String> {
        let mut text = String::new();
        View::new(self, id, found)?.write(None, &mut text);
        Some(text)
    }
}

/// What was found, as JSON values.
struct View<'v> {
    frame: &'v Frame<'v>,
    /// Quoted.
    id: String,
    /// The id itself.
    plain_id: &'v str,
    rows: Vec<Cell<'v>>,
    lists: Vec<Vec<Cell<'v>>>,
    /// Whether an attribute has anything.
    filled: Vec<bool>,
}

impl<'v> View<'v> {
    fn new(frame: &'v Frame<'_>, id: &'v str, found: &Found<'v>) -> Option<Self> {
        let plan = frame.plan;
        let resource = frame.context.resource;
        let mut filled = vec![false; plan.groups.len()];
        let mut fill = |group: usize| {
            if let Some(place) = filled.get_mut(group) {
                *place = true;
            }
        };
        let mut rows = Vec::with_capacity(plan.rows.len());
        for row in &plan.rows {
            let cell = row_cell(&frame.context, row, found)?;
            if cell.is_some() {
                fill(row.group);
            }
            rows.push(cell);
        }
        let mut lists = Vec::with_capacity(plan.lists.len());
        for list in &plan.lists {
            let cells =
                elements(&frame.context, resource.collections.get(list.list)?, list, found)?;
            if !cells.is_empty() {
                fill(list.group);
            }
            lists.push(cells);
        }
        Some(Self { frame, id: quoted(id), plain_id: id, rows, lists, filled })
    }

    fn is_filled(&self, group: usize) -> bool {
        self.filled.get(group).copied().unwrap_or(false)
    }

    fn has_section(&self, section: usize) -> bool {
        let mut groups = self.frame.plan.groups.iter().zip(&self.filled);
        groups.any(|(group, is_filled)| *is_filled && group.section == Some(section))
    }

    /// The attributes that have anything, in the order in which the general reading meets them.
    fn order(&self) -> impl Iterator<Item = usize> {
        let plan = self.frame.plan;
        let rows = plan.rows.iter().zip(&self.rows).filter(|(_, cell)| cell.is_some());
        let lists = plan.lists.iter().zip(&self.lists).filter(|(_, cells)| !cells.is_empty());
        rows.map(|(row, _)| row.group).chain(lists.map(|(list, _)| list.group))
    }

    fn write(&self, version: Option<&EntityTag>, text: &mut String) {
        let frame = self.frame;
        let plan = frame.plan;
        text.push_str("{\"schemas\":[");
        text.push_str(&frame.schema);
        let mut sections: Vec<usize> =
            (0..plan.sections.len()).filter(|section| self.has_section(*section)).collect();
        sections.sort_by_key(|section| plan.sections.get(*section).map(|section| section.rank));
        for section in sections.iter().filter_map(|section| plan.sections.get(*section)) {
            text.push(',');
            text.push_str(&section.name);
        }
        text.push_str("],\"id\":");
        text.push_str(&self.id);
        let mut done = vec![false; plan.groups.len()];
        let mut meta = None;
        for number in self.order() {
            let Some(group) = plan.groups.get(number) else { continue };
            match group.section {
                None if group.attribute == "meta" => meta = Some(group),
                None => self.once(number, group, &mut done, 0, text),
                Some(section) => self.section(section, &mut done, text),
            }
        }
        if let Some(version) = version.filter(|_| frame.mask.has_meta) {
            self.meta(meta, version, text);
        }
        text.push('}');
    }

    /// Writes an attribute as a member of the object that begins there, the first time.
    fn once(
        &self,
        number: usize,
        group: &Group,
        done: &mut [bool],
        begin: usize,
        text: &mut String,
    ) {
        let Some(is_done) = done.get_mut(number) else { return };
        let is_shown = self.frame.mask.groups.get(number).copied().unwrap_or(false);
        if !*is_done && is_shown {
            text.push(if text.len() == begin { '{' } else { ',' });
            self.group(group, text);
        }
        *is_done = true;
    }

    fn section(&self, section: usize, done: &mut [bool], text: &mut String) {
        let plan = self.frame.plan;
        let before = text.len();
        let Some(name) = plan.sections.get(section).map(|section| &section.name) else { return };
        text.push(',');
        text.push_str(name);
        text.push(':');
        let begin = text.len();
        for number in self.order() {
            if let Some(group) = plan.groups.get(number).filter(|it| it.section == Some(section)) {
                self.once(number, group, done, begin, text);
            }
        }
        if text.len() == begin {
            text.truncate(before);
        } else {
            text.push('}');
        }
    }

    fn meta(&self, group: Option<&Group>, version: &EntityTag, text: &mut String) {
        text.push_str(",\"meta\":{\"resourceType\":");
        text.push_str(&self.frame.name);
        if let Some(Group { shape: Shape::Complex { rows, .. }, .. }) = group {
            for (name, value) in self.members(rows) {
                member(text, 0, name, value);
            }
        }
        member(text, 0, "\"version\"", &quoted(&version.to_string()));
        text.push_str(",\"location\":\"");
        let endpoint = &self.frame.context.resource.resource_type.endpoint;
        location::write(text, &self.frame.base, endpoint, self.plain_id);
        text.push_str("\"}");
    }

    fn group(&self, group: &Group, text: &mut String) {
        text.push_str(&group.name);
        text.push(':');
        match &group.shape {
            Shape::Nothing => text.push_str("null"),
            Shape::Single(row) => text.push_str(self.row(*row).unwrap_or("null")),
            Shape::Complex { rows, points } => {
                let members = self.members(rows);
                let own = members.iter().find(|(name, _)| *name == "\"value\"");
                let own = own.map(|(_, value)| *value);
                self.object(members.iter().copied(), own, points.as_ref(), text);
            }
            Shape::Elements(picks) => {
                let begin = text.len();
                for pick in self.picked(picks) {
                    text.push(if text.len() == begin { '[' } else { ',' });
                    self.object(self.members(&pick.rows).into_iter(), None, None, text);
                }
                text.push(']');
            }
            Shape::List { list, points } => {
                let Some(planned) = self.frame.plan.lists.get(*list) else { return };
                let at = planned.subs.iter().position(|name| name == "\"value\"");
                let begin = text.len();
                for element in self.elements(*list, planned) {
                    text.push(if text.len() == begin { '[' } else { ',' });
                    let own = at.and_then(|at| element.get(at)?.as_deref());
                    self.object(assigned(&planned.subs, element), own, points.as_ref(), text);
                }
                text.push(']');
            }
        }
    }

    /// An object; beside a `value` that leads somewhere stands where.
    fn object<'o>(
        &self,
        members: impl Iterator<Item = (&'o str, &'o str)>,
        value: Option<&str>,
        points: Option<&String>,
        text: &mut String,
    ) {
        let begin = text.len();
        for (name, value) in members {
            member(text, begin, name, value);
        }
        if let (Some(endpoint), Some(value)) = (points, value.filter(|it| it.starts_with('"'))) {
            let id: Cow<'_, str> = match value.get(1..value.len() - 1) {
                Some(plain) if !plain.contains('\\') => Cow::Borrowed(plain),
                Some(_) | None => Cow::Owned(serde_json::from_str(value).unwrap_or_default()),
            };
            text.push_str(",\"$ref\":\"");
            location::write(text, &self.frame.base, endpoint, &id);
            text.push('"');
        }
        text.push('}');
    }

    fn row(&self, row: usize) -> Option<&str> {
        self.rows.get(row)?.as_deref()
    }

    /// The members that rows make, each in its place, with the constants beside them.
    fn members(&self, rows: &[usize]) -> Vec<(&str, &str)> {
        let mut members: Vec<(&str, &str)> = Vec::with_capacity(rows.len() + 2);
        for row in rows {
            let (Some(planned), Some(value)) = (self.frame.plan.rows.get(*row), self.row(*row))
            else {
                continue;
            };
            if let Some(sub) = &planned.sub {
                members.push((sub, value));
            }
            for (name, value) in &planned.beside {
                if !members.iter().any(|(have, _)| have == name) {
                    members.push((name, value));
                }
            }
        }
        members
    }

    /// The elements that have anything, in the order in which they come into being.
    fn picked<'p>(&self, picks: &'p [Pick]) -> Vec<&'p Pick> {
        let first = |pick: &Pick| pick.rows.iter().find(|row| self.row(**row).is_some()).copied();
        let mut picked: Vec<(usize, &Pick)> =
            picks.iter().filter_map(|pick| Some((first(pick)?, pick))).collect();
        picked.sort_by_key(|(row, _)| *row);
        picked.into_iter().map(|(_, pick)| pick).collect()
    }

    fn elements(&self, list: usize, planned: &PlannedList) -> std::slice::Chunks<'_, Cell<'v>> {
        let cells = self.lists.get(list).map_or(&[][..], Vec::as_slice);
        cells.chunks(planned.subs.len().max(1))
    }

    /// What the version stands for, in its canonical form.
    fn canonical(&self) -> String {
        let plan = self.frame.plan;
        let mut text = String::with_capacity(1024);
        for top in &plan.canonical {
            match top {
                Top::Id => member(&mut text, 0, "\"id\"", &self.id),
                Top::Group(group) => self.canonical_group(*group, 0, &mut text),
                Top::Section(section) if self.has_section(*section) => {
                    let Some(section) = plan.sections.get(*section) else { continue };
                    member(&mut text, 0, &section.name, "");
                    let begin = text.len();
                    for group in &section.canonical {
                        self.canonical_group(*group, begin, &mut text);
                    }
                    text.push('}');
                }
                Top::Section(_) => {}
            }
        }
        text.push('}');
        text
    }

    fn canonical_group(&self, number: usize, begin: usize, text: &mut String) {
        let plan = self.frame.plan;
        let Some(group) = plan.groups.get(number).filter(|_| self.is_filled(number)) else {
            return;
        };
        member(text, begin, &group.name, "");
        match &group.shape {
            Shape::Nothing => {}
            Shape::Single(row) => text.push_str(self.row(*row).unwrap_or("null")),
            Shape::Complex { rows, .. } => canonical_object(self.members(rows), text),
            Shape::Elements(picks) => {
                let picked = self.picked(picks).into_iter();
                canonical_array(picked, text, |pick, text| {
                    canonical_object(self.members(&pick.rows), text);
                });
            }
            Shape::List { list, .. } => {
                let Some(planned) = plan.lists.get(*list) else { return };
                canonical_array(self.elements(*list, planned), text, |element, text| {
                    let begin = text.len();
                    for at in &planned.sorted {
                        let cell = element.get(*at).and_then(Option::as_deref);
                        if let (Some(name), Some(value)) = (planned.subs.get(*at), cell) {
                            member(text, begin, name, value);
                        }
                    }
                    text.push('}');
                });
            }
        }
    }
}

fn assigned<'c>(
    subs: &'c [String],
    element: &'c [Cell<'_>],
) -> impl Iterator<Item = (&'c str, &'c str)> {
    let members = subs.iter().zip(element);
    members.filter_map(|(name, cell)| Some((name.as_str(), cell.as_deref()?)))
}

/// Writes a member of the object that begins at `begin`, and opens the object with the first.
fn member(text: &mut String, begin: usize, name: &str, value: &str) {
    text.push(if text.len() == begin { '{' } else { ',' });
    text.push_str(name);
    text.push(':');
    text.push_str(value);
}

fn canonical_object(mut members: Vec<(&str, &str)>, text: &mut String) {
    members.sort_unstable_by_key(|(name, _)| *name);
    let begin = text.len();
    for (name, value) in members {
        member(text, begin, name, value);
    }
    text.push('}');
}

/// The canonical forms of elements, in their order.
fn canonical_array<T>(
    elements: impl Iterator<Item = T>,
    text: &mut String,
    write: impl Fn(T, &mut String),
) {
    let mut scratch = String::new();
    let mut ranges = Vec::new();
    for element in elements {
        let begin = scratch.len();
        write(element, &mut scratch);
        ranges.push(begin..scratch.len());
    }
    ranges.sort_by(|one, other| scratch.get(one.clone()).cmp(&scratch.get(other.clone())));
    let begin = text.len();
    for range in ranges {
        text.push(if text.len() == begin { '[' } else { ',' });
        text.push_str(scratch.get(range).unwrap_or_default());
    }
    text.push(']');
}
