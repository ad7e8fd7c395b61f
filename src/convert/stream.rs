//! Records as SCIM resources, text to text, by a [`Plan`].
//!
//! The same resource as `to_scim.rs` makes, with the same version, members in the same order,
//! written behind one another instead of built; a property test holds the two together. Wherever
//! a function says `None`, the general reading is asked.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::Value;

use crate::convert::cells::{Cells, part, slot};
use crate::convert::context::Context;
use crate::convert::error::ConvertError;
use crate::convert::plan::{Group, Members, Plan, Points, Section, Shape, Top};
use crate::convert::slots::Found;
use crate::convert::text::{close, member, put, quote, sort};
use crate::convert::{key, location};
use crate::mapping::model::ResourceMapping;
use crate::native::scan::Scanner;
use crate::native::span::Kind;
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
    /// Its id, as JSON.
    id: Vec<u8>,
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
        self.read(id, found, |_| true)?;
        let version = self.version(id);
        self.pen(id).write(Some(&version), text);
        Some(EntityTag::of(&version))
    }

    /// The same for one of many, whose version is told by its `meta` or by nobody.
    pub fn write_listed(&mut self, id: &str, found: &Found<'a>, text: &mut Vec<u8>) -> Option<()> {
        self.read(id, found, |_| true)?;
        let version = self.mask.has_meta.then(|| self.version(id));
        self.pen(id).write(version.as_deref(), text);
        Some(())
    }

    /// The attributes of the mask alone, without `meta`.
    pub fn part(&mut self, id: &str, found: &Found<'a>) -> Option<Vec<u8>> {
        let mask = self.mask;
        self.read(id, found, |group| mask.has(group))?;
        let mut text = Vec::with_capacity(512);
        self.pen(id).write(None, &mut text);
        Some(text)
    }

    fn read(
        &mut self,
        id: &str,
        found: &Found<'a>,
        is_wanted: impl Fn(usize) -> bool,
    ) -> Option<()> {
        self.room.id.clear();
        quote(&mut self.room.id, id);
        self.cells.read(self.plan, &self.context, found, is_wanted)
    }

    /// The version of the resource that has been read.
    fn version(&mut self, id: &str) -> String {
        let mut canonical = std::mem::take(&mut self.room.canonical);
        let mut ranges = std::mem::take(&mut self.room.ranges);
        canonical.clear();
        self.pen(id).canonical(&mut canonical, &mut ranges);
        let version = hash_of(&canonical);
        (self.room.canonical, self.room.ranges) = (canonical, ranges);
        version
    }

    fn pen<'p>(&'p self, id: &'p str) -> Pen<'p> {
        let Self { plan, cells, mask, base, room, .. } = self;
        Pen { plan, cells, mask, base, id, quoted: &room.id }
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
    /// The id as JSON.
    quoted: &'p [u8],
}

impl Pen<'_> {
    fn section(&self, section: usize) -> Option<&Section> {
        let is_filled = !self.cells.within(section).is_empty();
        self.plan.sections.get(section).filter(|_| is_filled)
    }

    fn write(&self, version: Option<&str>, text: &mut Vec<u8>) {
        let plan = self.plan;
        put(text, &plan.head);
        for section in plan.ranked.iter().filter_map(|section| self.section(*section)) {
            put(text, section.name.trim_end_matches(':'));
        }
        put(text, "],\"id\":");
        text.extend_from_slice(self.quoted);
        let mut meta = None;
        for top in self.cells.order() {
            match top {
                Top::Id => {}
                Top::Section(section) => self.extension(*section, text),
                Top::Group(number) => match plan.groups.get(*number) {
                    Some(group) if group.attribute == "meta" => meta = Some(group),
                    group => self.shown(*number, group, text),
                },
            }
        }
        if let Some(version) = version.filter(|_| self.mask.has_meta) {
            self.meta(meta, version, text);
        }
        text.push(b'}');
    }

    fn shown(&self, number: usize, group: Option<&Group>, text: &mut Vec<u8>) {
        if let Some(group) = group.filter(|_| self.mask.has(number)) {
            self.group(group, text);
        }
    }

    fn extension(&self, section: usize, text: &mut Vec<u8>) {
        let before = text.len();
        put(text, self.plan.sections.get(section).map_or("", |section| &section.name));
        let begin = text.len();
        for number in self.cells.within(section) {
            self.shown(*number, self.plan.groups.get(*number), text);
        }
        if text.len() == begin {
            text.truncate(before);
        } else {
            close(text, begin, "{}");
        }
    }

    fn meta(&self, group: Option<&Group>, version: &str, text: &mut Vec<u8>) {
        put(text, &self.plan.meta);
        if let Some(Group { shape: Shape::Complex { members, .. }, .. }) = group {
            self.members(members, text);
        }
        // As an entity tag, of which nothing but its quotes takes an escape.
        put(text, ",\"version\":\"W/\\\"");
        put(text, version);
        put(text, "\\\"\",\"location\":\"");
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
                        text.push(b',');
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
                    text.push(b',');
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
                    text.extend_from_slice(self.quoted);
                }
                Top::Group(group) => self.canonical_group(*group, text, ranges),
                Top::Section(section) => {
                    let Some(section) = self.section(*section) else { continue };
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
                    text.push(b',');
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
                    text.push(b',');
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
