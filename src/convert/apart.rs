//! Collections that nothing else of a mapping looks at, so that they need not stand in a resource
//! with everything else.

use crate::convert::place;
use crate::mapping::expression::Expression;
use crate::mapping::model::{
    Activate, Collection, CollectionSource, Deactivate, Mode, Request, ResourceMapping, Row,
};
use crate::mapping::template::Template;
use crate::scim::schema::{Attribute, Mutability};

/// Whether an attribute is this collection's and nobody else's.
pub fn stands_alone(resource: &ResourceMapping, collection: &Collection) -> bool {
    let place = &collection.place;
    let is_it = |other: &_| place::is_of(other, None, &place.attribute);
    let lists = resource.collections.iter().filter(|other| is_it(&other.place));
    let mut rows = resource.rows.iter().flat_map(Row::places);
    place.extension.is_none() && lists.count() == 1 && !rows.any(is_it)
}

/// Whether a collection is of members behind requests of their own: each is what it refers to and
/// nothing else, comes and goes by a call of its own, and no rule beside these calls asks who is
/// there.
pub fn is_roster(resource: &ResourceMapping, collection: &Collection) -> bool {
    let attribute = &collection.place.attribute;
    let has_calls = collection.set.is_none() && collection.has_calls();
    let is_plain = collection.key == ["value"]
        && collection.items.iter().all(|item| item.pattern.is_none())
        && resource.resource_type.core.attribute(attribute).is_some_and(is_free);
    collection.reference.is_some()
        && matches!(collection.source, CollectionSource::List(_))
        && collection.mode != Mode::Read
        && has_calls
        && is_plain
        && stands_alone(resource, collection)
        && !resource.unique.iter().any(|path| path.urn.is_none() && path.attr == *attribute)
        && !is_seen(resource, attribute)
}

/// Whether the schema asks nothing of a list as a whole.
fn is_free(attribute: &Attribute) -> bool {
    attribute.multi_valued
        && !attribute.required
        && attribute.mutability == Mutability::ReadWrite
        && attribute.sub_attributes.iter().all(|sub| !sub.required && sub.name != "primary")
}

/// Whether an expression may look at an attribute of the resource as it is, or is to be.
fn is_seen(resource: &ResourceMapping, attribute: &str) -> bool {
    let switches = [
        match &resource.activate {
            Activate::Requests(requests) => requests.as_slice(),
            Activate::ViaUpdate | Activate::Create => &[],
        },
        match &resource.deactivate {
            Deactivate::Requests(requests) => requests.as_slice(),
            Deactivate::ViaUpdate | Deactivate::Delete => &[],
        },
    ];
    let calls = resource
        .collections
        .iter()
        .flat_map(|list| [&list.add, &list.change, &list.remove, &list.set].into_iter().flatten());
    let requests = resource.changing().chain(switches.into_iter().flatten()).chain(calls);
    let defaults = resource.rows.iter().filter_map(|row| row.default.as_ref());
    let formulas = resource.rows.iter().filter_map(|row| row.formulas.to_native.as_ref());
    let mut mentions = requests
        .flat_map(Request::mentions)
        .chain(defaults.flat_map(Template::mentions))
        .chain(formulas.flat_map(Expression::mentions).cloned());
    mentions.any(|mention| {
        let mut names = mention.split('.');
        match names.next() {
            Some("scim" | "old") => names.next().is_none_or(|name| name == attribute),
            Some("changed") => true,
            Some(_) | None => false,
        }
    })
}
