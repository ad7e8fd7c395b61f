//! Making a [`Plan`] out of a mapping, or finding out that there can be none.

use serde_json::Value;

use crate::convert::plan::{
    Blank, Group, ListReading, Members, Pick, Plan, PlannedItem, PlannedList, PlannedRow, Points,
    Reader, Section, Shape, Top, leading,
};
use crate::convert::references::may_leave;
use crate::convert::slots::Wants;
use crate::mapping::model::{
    Collection, CollectionSource, Deactivate, IdSourceRule, ItemRow, Mapping, Mode, Place,
    ResourceMapping, Row, Source,
};
use crate::native::path::{NativePath, Tail};
use crate::scim::schema::{Attribute, Returned};

impl Plan {
    /// The plan of a resource; `None` when it needs the general reading.
    pub fn new(mapping: &Mapping, resource: &ResourceMapping) -> Option<Self> {
        let is_plain = resource.visible.is_none()
            && resource.version.is_none()
            && !matches!(resource.deactivate, Deactivate::Delete)
            && resource.id.path.tail() == Tail::Nothing;
        if !is_plain {
            return None;
        }
        let mut wants = Wants::default();
        let id = wants.ask(&slot_of(&resource.id.path)?);
        let has_plain_id = resource.id.extract.is_none() && resource.id.via.is_empty();
        let kind = &resource.resource_type;
        let plan = Self {
            wants,
            id,
            has_plain_id,
            head: format!("{{\"schemas\":[{}", Value::from(kind.core.id.as_str())),
            meta: format!(",\"meta\":{{\"resourceType\":{}", Value::from(resource.name.as_str())),
            endpoint: kind.endpoint.clone(),
            rows: Vec::new(),
            lists: Vec::new(),
            groups: Vec::new(),
            sections: Vec::new(),
            ranked: Vec::new(),
            canonical: Vec::new(),
            references: Vec::new(),
            targets: Vec::new(),
        };
        let mut draft = Draft { mapping, resource, plan };
        for (index, row) in resource.rows.iter().enumerate().filter(|(_, row)| is_read(row)) {
            draft.row(index, row)?;
        }
        for (index, list) in resource.collections.iter().enumerate() {
            draft.list(index, list)?;
        }
        Some(draft.finish())
    }
}

fn is_read(row: &Row) -> bool {
    row.mode != Mode::Write
}

fn slot_of(path: &NativePath) -> Option<Vec<&str>> {
    let names = path.names();
    (!names.is_empty()).then_some(names)
}

/// A plan under way.
struct Draft<'m> {
    mapping: &'m Mapping,
    resource: &'m ResourceMapping,
    plan: Plan,
}

/// What becomes of an attribute in an answer.
enum Fate {
    /// Unless somebody excludes it.
    Shown,
    /// Only for who names it.
    Named,
    /// Never.
    Secret,
}

impl<'m> Draft<'m> {
    fn row(&mut self, index: usize, row: &'m Row) -> Option<()> {
        let place = &row.place;
        let is_known = place.attribute != "id" && place.attribute != "schemas";
        let is_simple = row.also.is_empty() && !row.memo && row.formulas.to_scim.is_none();
        if !is_known || !is_simple {
            return None;
        }
        let (attribute, fate) = self.attribute(place)?;
        if matches!(fate, Fate::Secret) {
            return Some(());
        }
        if place.attribute == "meta" {
            let is_about = matches!(place.sub.as_deref(), Some("created" | "lastModified"));
            (is_about && place.extension.is_none()).then_some(())?;
        }
        let beside = beside(row);
        let mut names = place.sub.iter().chain(beside.iter().map(|(name, _)| *name));
        names.all(|name| is_shown(attribute, name)).then_some(())?;
        self.reference(row.reference.as_ref(), row.by.as_ref())?;
        let reader = self.reader(row)?;
        if self.note_target(row.reference.as_ref()) {
            for source in row.sources() {
                let part = self.part(source)?;
                self.plan.references.push(part);
            }
        }
        let number = self.plan.rows.len();
        let points = match &row.reference {
            Some(target) if place.sub.as_deref() == Some("value") => {
                self.points(attribute, target, number)
            }
            Some(_) | None => None,
        };
        let group = self.group(place, matches!(fate, Fate::Shown));
        self.place_row(place, number, group, &beside, points)?;
        self.plan.rows.push(PlannedRow { row: index, group, reader });
        Some(())
    }

    /// The attribute of a place, and whether it is returned.
    fn attribute(&self, place: &Place) -> Option<(&'m Attribute, Fate)> {
        let kind = &self.resource.resource_type;
        let schema = match &place.extension {
            None => &kind.core,
            Some(urn) => kind.extension(urn).filter(|schema| schema.id == *urn)?,
        };
        let attribute = schema.attribute(&place.attribute)?;
        (attribute.name == place.attribute).then_some(())?;
        let fate = match (attribute.returned, &place.extension) {
            (Returned::Always | Returned::Default, _) => Fate::Shown,
            (Returned::Request, None) => Fate::Named,
            (Returned::Never, None) => Fate::Secret,
            // `schemas` would say that there is something, but not what.
            (Returned::Request | Returned::Never, Some(_)) => return None,
        };
        Some((attribute, fate))
    }

    /// Notes a reference; `None` when something has to be looked up for it.
    fn reference(&self, target: Option<&String>, by: Option<&NativePath>) -> Option<()> {
        let Some(target) = target else { return Some(()) };
        let target = self.mapping.resource(target)?;
        (by.is_none() && target.id.source == IdSourceRule::Native).then_some(())
    }

    /// Notes a type of resources that may have left: whether that one has is to be looked up.
    fn note_target(&mut self, target: Option<&String>) -> bool {
        let target = target.and_then(|target| self.mapping.resource(target));
        let Some(target) = target.filter(|target| may_leave(target)) else { return false };
        if !self.plan.targets.contains(&target.name) {
            self.plan.targets.push(target.name.clone());
        }
        true
    }

    /// The `$ref` beside the reference of a row or an item.
    fn points(&self, attribute: &Attribute, target: &str, from: usize) -> Option<Points> {
        let endpoint = self.mapping.resource(target)?.resource_type.endpoint.clone();
        is_shown(attribute, "$ref").then_some(Points { endpoint, from })
    }

    fn reader(&mut self, row: &Row) -> Option<Reader> {
        match &row.source {
            Source::Constant(value) => {
                is_single(value).then(|| Reader::Constant(value.to_string()))
            }
            Source::Path { read, .. } if read.tail() == Tail::Nothing => {
                let slot = self.plan.wants.ask(&slot_of(read)?);
                let is_copied = row.via.is_empty() && row.reference.is_none();
                Some(match blank(&row.empty).filter(|_| is_copied) {
                    Some(blank) => Reader::Copy { slot, blank },
                    None => Reader::Through(slot),
                })
            }
            Source::Path { .. } | Source::Paths { .. } => {
                let parts: Option<Vec<_>> = row.sources().iter().map(|it| self.part(it)).collect();
                parts.map(Reader::Parts)
            }
            Source::Computed | Source::Sidecar => None,
        }
    }

    /// The member of a record that a path looks into.
    fn part(&mut self, path: &NativePath) -> Option<(Vec<String>, usize)> {
        (path.tail() != Tail::Search).then_some(())?;
        let names = slot_of(path)?;
        let slot = self.plan.wants.ask(&names);
        Some((names.into_iter().map(str::to_owned).collect(), slot))
    }

    /// The attribute's number; a new one where there is none yet.
    fn group(&mut self, place: &Place, is_default: bool) -> usize {
        let section = place.extension.as_ref().map(|urn| self.section(urn));
        let is_it = |group: &Group| group.section == section && group.attribute == place.attribute;
        self.plan.groups.iter().position(is_it).unwrap_or_else(|| {
            self.plan.groups.push(Group {
                name: leading(&place.attribute),
                attribute: place.attribute.clone(),
                section,
                shape: Shape::Nothing,
                is_default,
            });
            self.plan.groups.len() - 1
        })
    }

    fn section(&mut self, urn: &str) -> usize {
        let known = self.plan.sections.iter().position(|section| section.urn == urn);
        known.unwrap_or_else(|| {
            let extensions = &self.resource.resource_type.extensions;
            let rank = extensions.iter().position(|it| it.schema.id == urn).unwrap_or_default();
            let (name, urn) = (leading(urn), urn.to_owned());
            self.plan.sections.push(Section { name, urn, rank, canonical: Vec::new() });
            self.plan.sections.len() - 1
        })
    }

    /// Puts a row into its attribute; `None` when that is not of one shape, or when another row
    /// writes the same.
    fn place_row(
        &mut self,
        place: &Place,
        number: usize,
        group: usize,
        beside: &[(&String, &Value)],
        points: Option<Points>,
    ) -> Option<()> {
        let shape = &mut self.plan.groups.get_mut(group)?.shape;
        let Some(sub) = &place.sub else {
            let is_it = matches!(shape, Shape::Nothing) && place.selector.is_empty();
            *shape = Shape::Single(number);
            return is_it.then_some(());
        };
        if matches!(shape, Shape::Nothing) {
            *shape = if place.selector.is_empty() {
                Shape::Complex { members: Members::default(), points: None }
            } else {
                Shape::Elements { picks: Vec::new(), order: Vec::new() }
            };
        }
        match (shape, place.selector.is_empty()) {
            (Shape::Complex { members, points: known }, true) => {
                *known = known.take().or(points);
                members.add(number, sub, beside)
            }
            (Shape::Elements { picks, order }, false) if points.is_none() => {
                let at = picks.iter().position(|pick| pick.selector == place.selector);
                let at = at.unwrap_or(picks.len());
                if at == picks.len() {
                    let is_apart = |it: &Pick| excludes(&it.selector, &place.selector);
                    picks.iter().all(is_apart).then_some(())?;
                    let selector = place.selector.clone();
                    picks.push(Pick { selector, members: Members::default() });
                }
                order.push((number, at));
                picks.get_mut(at)?.members.add(number, sub, beside)
            }
            _ => None,
        }
    }

    fn list(&mut self, index: usize, list: &'m Collection) -> Option<()> {
        let CollectionSource::Items(path) = &list.source else { return Some(()) };
        let place = &list.place;
        let (attribute, fate) = self.attribute(place)?;
        if matches!(fate, Fate::Secret) {
            return Some(());
        }
        list.items.iter().all(|item| is_shown(attribute, &item.sub)).then_some(())?;
        let value = list.items.iter().position(|item| item.sub == "value");
        let points = list.reference.as_ref().zip(value);
        let points = points.and_then(|(target, item)| self.points(attribute, target, item));
        for item in &list.items {
            self.reference(item.reference.as_ref(), item.by.as_ref())?;
        }
        let subs: Vec<String> = list.items.iter().map(|item| leading(&item.sub)).collect();
        let mut sorted: Vec<usize> = (0..subs.len()).collect();
        sorted.sort_by_key(|place| subs.get(*place));
        let is_twice =
            |pair: &[usize]| matches!(pair, [one, other] if subs.get(*one) == subs.get(*other));
        if sorted.windows(2).any(is_twice) {
            return None;
        }
        let reading = match self.streamed(list, path) {
            Some(streamed) => streamed,
            None => ListReading::Parts(vec![self.part(path).or_else(|| self.each(path))?]),
        };
        let mut is_noted = false;
        for item in &list.items {
            is_noted |= self.note_target(item.reference.as_ref());
        }
        if is_noted {
            let part = self.part(path).or_else(|| self.each(path))?;
            self.plan.references.push(part);
        }
        let number = self.plan.lists.len();
        let group = self.group(place, matches!(fate, Fate::Shown));
        let shape = &mut self.plan.groups.get_mut(group)?.shape;
        matches!(shape, Shape::Nothing).then_some(())?;
        *shape = Shape::List { list: number, points };
        self.plan.lists.push(PlannedList { list: index, group, subs, sorted, reading });
        Some(())
    }

    /// How the elements of a list are read where they stand; `None` when that is not possible.
    fn streamed(&mut self, list: &Collection, path: &NativePath) -> Option<ListReading> {
        let is_simple = list.entries.is_none() && path.tail() == Tail::Each;
        let names = slot_of(path).filter(|_| is_simple)?;
        let (slot, number, wants) = self.plan.wants.ask_each(&names)?;
        let items = list.items.iter().map(|item| planned(wants, item)).collect::<Option<_>>()?;
        Some(ListReading::Streamed { slot, list: number, items })
    }

    /// The member that a path with a wildcard at its end looks into.
    fn each(&mut self, path: &NativePath) -> Option<(Vec<String>, usize)> {
        self.part(&path.array().filter(|_| path.tail() == Tail::Each)?)
    }

    fn finish(mut self) -> Plan {
        let groups = &self.plan.groups;
        let name = |group: &usize| groups.get(*group).map(|group| group.name.clone());
        for (number, section) in self.plan.sections.iter_mut().enumerate() {
            let own = groups.iter().enumerate().filter(|(_, it)| it.section == Some(number));
            section.canonical = own.map(|(group, _)| group).collect();
            section.canonical.sort_by_key(name);
        }
        let sections = &self.plan.sections;
        self.plan.ranked = (0..sections.len()).collect();
        self.plan.ranked.sort_by_key(|section| sections.get(*section).map(|it| it.rank));
        let core = groups.iter().enumerate().filter(|(_, group)| group.section.is_none());
        let mut tops: Vec<(String, Top)> =
            core.map(|(number, group)| (group.name.clone(), Top::Group(number))).collect();
        let sections = self.plan.sections.iter().enumerate();
        tops.extend(sections.map(|(number, it)| (it.name.clone(), Top::Section(number))));
        tops.push((leading("id"), Top::Id));
        tops.sort_by(|one, other| one.0.cmp(&other.0));
        self.plan.canonical = tops.into_iter().map(|(_, top)| top).collect();
        self.plan
    }
}

/// What stands beside a row's value: what picks its element, then constants.
fn beside(row: &Row) -> Vec<(&String, &Value)> {
    let place = &row.place;
    // An attribute that is a value has no room beside it.
    let emit = row.emit.iter().filter(|_| place.sub.is_some());
    place.selector.iter().map(|(name, value)| (name, value)).chain(emit).collect()
}

/// Whether a sub-attribute is there whenever its attribute is.
fn is_shown(attribute: &Attribute, sub: &str) -> bool {
    attribute.sub_attribute(sub).is_some_and(|found| {
        found.name == sub && matches!(found.returned, Returned::Always | Returned::Default)
    })
}

fn is_single(value: &Value) -> bool {
    !value.is_array() && !value.is_object() && !value.is_null()
}

/// What an empty text is where nothing but null and empty texts mean that nothing is there.
fn blank(empty: &[Value]) -> Option<Blank> {
    let is_text = |value: &Value| value.as_str() == Some("");
    let is_simple = empty.iter().all(|value| value.is_null() || is_text(value));
    let blank = if empty.iter().any(is_text) { Blank::Nothing } else { Blank::Value };
    is_simple.then_some(blank)
}

/// Whether no element can be picked by both.
fn excludes(one: &[(String, Value)], other: &[(String, Value)]) -> bool {
    one.iter().any(|(name, value)| {
        other.iter().any(|(same, differing)| {
            name == same
                && match (value, differing) {
                    (Value::String(one), Value::String(other)) => !one.eq_ignore_ascii_case(other),
                    (one, other) => one != other,
                }
        })
    })
}

fn planned(wants: &mut Wants, item: &ItemRow) -> Option<PlannedItem> {
    if let Some(constant) = &item.constant {
        return is_single(constant).then(|| PlannedItem::Constant(constant.to_string()));
    }
    let is_plain = item.formulas.to_scim.is_none() && item.path.tail() == Tail::Nothing;
    is_plain.then_some(())?;
    let slot = slot_of(&item.path).map(|names| wants.ask(&names));
    let is_copied = item.via.is_empty() && item.reference.is_none();
    Some(match blank(&item.empty).filter(|_| is_copied) {
        Some(blank) => PlannedItem::Copy { slot, blank },
        None => PlannedItem::Through(slot),
    })
}
