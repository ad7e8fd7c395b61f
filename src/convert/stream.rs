//! Records as SCIM resources, text to text, by a [`Plan`].
//!
//! The same resource as `to_scim.rs` makes, with the same version, members in the same order,
//! written behind one another instead of built; a property test holds the two together. Wherever
//! a function says `None`, the general reading is asked.

use std::borrow::Cow;
use std::ops::Range;

use serde::Serialize;
use serde_json::Value;

use crate::convert::cells::{Cells, part, slot};
use crate::convert::context::Context;
use crate::convert::error::ConvertError;
use crate::convert::plan::{Group, Members, Plan, Points, Section, Shape, Top};
use crate::convert::slots::Found;
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

/// What every resource of an answer has in common, and the room in which they are made, one
/// after the other.
pub struct Frame<'a> {
    plan: &'a Plan,
    context: Context<'a>,
    /// The SCIM base, as it stands in a JSON string.
    base: String,
    mask: &'a Mask,
    cells: Cells<'a>,
    room: Room,
}

/// Room for what is only needed while a resource is written.
#[derive(Debug, Default)]
struct Room {
    /// Attributes that have been written.
    done: Vec<bool>,
    canonical: Vec<u8>,
    /// Where elements stand in the canonical form.
    ranges: Vec<Range<usize>>,
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
    pub fn mask_of(&self, resource: &ResourceMapping, paths: &[&AttrPath]) -> Option<Mask> {
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

    /// The types of resources that records refer to, as far as they may have left.
    pub fn targets(&self) -> &[String] {
        &self.targets
    }

    /// What a record says of resources of those types, for whoever looks up what is known of
    /// them; `None` when that is nothing.
    pub fn references(&self, found: &Found<'_>) -> Option<Value> {
        let is_any = self.references.iter().any(|(_, at)| slot(found, *at).kind != Kind::Null);
        is_any.then(|| part(&self.references, found))?
    }

    /// Reads the record that comes next in a text.
    pub fn read<'t>(&self, scanner: &mut Scanner<'t>) -> Option<Found<'t>> {
        self.wants.read(scanner)
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
        let quoted = serde_json::to_string(base).unwrap_or_default();
        let base = quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned();
        Self { plan, context, base, mask, cells: Cells::default(), room: Room::default() }
    }

    /// Writes the resource of a record behind a text. Its version comes back; the text is not to
    /// be used when that is `None`.
    pub fn write(&mut self, id: &str, found: &Found<'a>, text: &mut Vec<u8>) -> Option<EntityTag> {
        let Self { plan, context, base, mask, cells, room } = self;
        cells.read(plan, context, found, |_| true)?;
        let pen = Pen { plan, cells, mask, base, id };
        room.canonical.clear();
        pen.canonical(&mut room.canonical, &mut room.ranges);
        let version = EntityTag::of(&hash_of(&room.canonical));
        pen.write(Some(&version), &mut room.done, text);
        Some(version)
    }

    /// The attributes of the mask alone, without `meta`.
    pub fn part(&mut self, id: &str, found: &Found<'a>) -> Option<Vec<u8>> {
        let Self { plan, context, base, mask, cells, room } = self;
        cells.read(plan, context, found, |group| mask.has(group))?;
        let mut text = Vec::with_capacity(512);
        Pen { plan, cells, mask, base, id }.write(None, &mut room.done, &mut text);
        Some(text)
    }
}

impl Mask {
    fn has(&self, group: usize) -> bool {
        self.groups.get(group).copied().unwrap_or(false)
    }
}

/// Writes one resource. Each member and each element is written with a comma before it; what
/// they are in is opened in the place of the first comma.
struct Pen<'p> {
    plan: &'p Plan,
    cells: &'p Cells<'p>,
    mask: &'p Mask,
    base: &'p str,
    id: &'p str,
}

impl Pen<'_> {
    fn has_section(&self, section: &Section) -> bool {
        section.canonical.iter().any(|group| self.cells.is_filled(*group))
    }

    fn write(&self, version: Option<&EntityTag>, done: &mut Vec<bool>, text: &mut Vec<u8>) {
        let plan = self.plan;
        put(text, &plan.head);
        for section in plan.ranked.iter().filter_map(|section| plan.sections.get(*section)) {
            if self.has_section(section) {
                put(text, section.name.trim_end_matches(':'));
            }
        }
        put(text, "],\"id\":");
        quote(text, self.id);
        done.clear();
        done.resize(plan.groups.len(), false);
        let mut meta = None;
        for number in self.cells.order(plan) {
            if done.get(number).copied().unwrap_or(true) {
                continue;
            }
            let Some(group) = plan.groups.get(number) else { continue };
            match group.section.map(|section| (section, plan.sections.get(section))) {
                None if group.attribute == "meta" => meta = Some(group),
                None => self.once(number, group, done, text),
                Some((number, Some(section))) => self.section(number, section, done, text),
                Some((_, None)) => {}
            }
        }
        if let Some(version) = version.filter(|_| self.mask.has_meta) {
            self.meta(meta, version, text);
        }
        put(text, "}");
    }

    /// Writes an attribute, the first time.
    fn once(&self, number: usize, group: &Group, done: &mut [bool], text: &mut Vec<u8>) {
        let Some(is_done) = done.get_mut(number) else { return };
        if !*is_done && self.mask.has(number) {
            self.group(group, text);
        }
        *is_done = true;
    }

    fn section(&self, number: usize, section: &Section, done: &mut [bool], text: &mut Vec<u8>) {
        let before = text.len();
        put(text, &section.name);
        let begin = text.len();
        for attribute in self.cells.order(self.plan) {
            let group = self.plan.groups.get(attribute).filter(|it| it.section == Some(number));
            if let Some(group) = group {
                self.once(attribute, group, done, text);
            }
        }
        if text.len() == begin {
            text.truncate(before);
        } else {
            close(text, begin, "{}");
        }
    }

    fn meta(&self, group: Option<&Group>, version: &EntityTag, text: &mut Vec<u8>) {
        put(text, &self.plan.meta);
        if let Some(Group { shape: Shape::Complex { members, .. }, .. }) = group {
            self.members(members, text);
        }
        put(text, ",\"version\":");
        quote(text, &format_args!("{version}"));
        put(text, ",\"location\":\"");
        location::write(text, self.base, &self.plan.endpoint, self.id);
        put(text, "\"}");
    }

    fn group(&self, group: &Group, text: &mut Vec<u8>) {
        put(text, &group.name);
        let begin = text.len();
        match &group.shape {
            Shape::Nothing => put(text, "null"),
            Shape::Single(row) => put(text, self.cells.row(*row).unwrap_or("null")),
            Shape::Complex { members, points } => {
                self.members(members, text);
                if let Some(points) = points {
                    self.points(points, self.cells.row(points.from), text);
                }
                close(text, begin, "{}");
            }
            Shape::Elements { picks, order } => {
                for (row, pick) in order {
                    let Some(pick) = picks.get(*pick) else { continue };
                    if self.first(&pick.members) == Some(*row) {
                        put(text, ",");
                        let begin = text.len();
                        self.members(&pick.members, text);
                        close(text, begin, "{}");
                    }
                }
                close(text, begin, "[]");
            }
            Shape::List { list, points } => {
                let Some(planned) = self.plan.lists.get(*list) else { return };
                for element in self.cells.elements(*list, planned) {
                    put(text, ",");
                    let begin = text.len();
                    for (name, cell) in planned.subs.iter().zip(element) {
                        member(text, name, cell.as_deref());
                    }
                    if let Some(points) = points {
                        let own = element.get(points.from).and_then(Option::as_deref);
                        self.points(points, own, text);
                    }
                    close(text, begin, "{}");
                }
                close(text, begin, "[]");
            }
        }
    }

    fn members(&self, members: &Members, text: &mut Vec<u8>) {
        for it in &members.written {
            member(text, &it.name, self.cells.member(it));
        }
    }

    /// The first row that has a value.
    fn first(&self, members: &Members) -> Option<usize> {
        members.rows().find(|row| self.cells.row(*row).is_some())
    }

    /// Beside a value that leads somewhere stands where.
    fn points(&self, points: &Points, value: Option<&str>, text: &mut Vec<u8>) {
        let Some(value) = value.filter(|it| it.starts_with('"')) else { return };
        let id: Cow<'_, str> = match value.get(1..value.len() - 1) {
            Some(plain) if !plain.contains('\\') => Cow::Borrowed(plain),
            Some(_) | None => Cow::Owned(serde_json::from_str(value).unwrap_or_default()),
        };
        put(text, ",\"$ref\":\"");
        location::write(text, self.base, &points.endpoint, &id);
        put(text, "\"");
    }

    /// What the version stands for, in its canonical form.
    fn canonical(&self, text: &mut Vec<u8>, ranges: &mut Vec<Range<usize>>) {
        let plan = self.plan;
        for top in &plan.canonical {
            match top {
                Top::Id => {
                    put(text, ",\"id\":");
                    quote(text, self.id);
                }
                Top::Group(group) => self.canonical_group(*group, text, ranges),
                Top::Section(section) => {
                    let section = plan.sections.get(*section).filter(|it| self.has_section(it));
                    let Some(section) = section else { continue };
                    put(text, &section.name);
                    let begin = text.len();
                    for group in &section.canonical {
                        self.canonical_group(*group, text, ranges);
                    }
                    close(text, begin, "{}");
                }
            }
        }
        close(text, 0, "{}");
    }

    fn canonical_group(&self, number: usize, text: &mut Vec<u8>, ranges: &mut Vec<Range<usize>>) {
        let group = self.plan.groups.get(number).filter(|_| self.cells.is_filled(number));
        let Some(group) = group else { return };
        put(text, &group.name);
        let begin = text.len();
        match &group.shape {
            Shape::Nothing => {}
            Shape::Single(row) => put(text, self.cells.row(*row).unwrap_or("null")),
            Shape::Complex { members, .. } => self.canonical_members(members, text),
            Shape::Elements { picks, .. } => {
                ranges.clear();
                for pick in picks.iter().filter(|pick| self.first(&pick.members).is_some()) {
                    put(text, ",");
                    let element = text.len();
                    self.canonical_members(&pick.members, text);
                    ranges.push(element..text.len());
                }
                sort(text, begin, ranges);
                close(text, begin, "[]");
            }
            Shape::List { list, .. } => {
                let Some(planned) = self.plan.lists.get(*list) else { return };
                ranges.clear();
                for cells in self.cells.elements(*list, planned) {
                    put(text, ",");
                    let element = text.len();
                    for at in &planned.sorted {
                        let cell = cells.get(*at).and_then(Option::as_deref);
                        member(text, planned.subs.get(*at).map_or("", String::as_str), cell);
                    }
                    close(text, element, "{}");
                    ranges.push(element..text.len());
                }
                sort(text, begin, ranges);
                close(text, begin, "[]");
            }
        }
    }

    fn canonical_members(&self, members: &Members, text: &mut Vec<u8>) {
        let begin = text.len();
        for it in members.by_name() {
            member(text, &it.name, self.cells.member(it));
        }
        close(text, begin, "{}");
    }
}

fn put(text: &mut Vec<u8>, piece: &str) {
    text.extend_from_slice(piece.as_bytes());
}

/// Writes a text as a JSON string.
fn quote(text: &mut Vec<u8>, it: &(impl Serialize + ?Sized)) {
    // There is nothing that could fail.
    serde_json::to_writer(text, it).unwrap_or_default();
}

/// Writes a member, if it has a value.
fn member(text: &mut Vec<u8>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        put(text, name);
        put(text, value);
    }
}

/// Makes what stands from `begin` on a whole between two brackets.
fn close(text: &mut Vec<u8>, begin: usize, brackets: &str) {
    let [open, close] = brackets.as_bytes() else { return };
    match text.get_mut(begin) {
        Some(comma) => *comma = *open,
        None => text.push(*open),
    }
    text.push(*close);
}

/// Sorts elements by their texts. They stand behind `begin`, each with a comma before it.
fn sort(text: &mut Vec<u8>, begin: usize, ranges: &mut [Range<usize>]) {
    let of = |range: &Range<usize>| text.get(range.clone());
    if ranges.is_sorted_by_key(of) {
        return;
    }
    ranges.sort_by_key(of);
    let behind = text.len();
    for range in ranges.iter().cloned() {
        text.push(b',');
        text.extend_from_within(range);
    }
    text.drain(begin..behind);
}
