//! All members of a large group replaced: they are read out of a PUT's body, compared with those
//! who are there and told in the answer piece by piece. As trees, each of these would take ten
//! times its room.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::convert::delta::Delta;
use crate::convert::place;
use crate::convert::references::{Wanted, ids_in};
use crate::convert::roster::Roster;
use crate::exchange::error::ExchangeError;
use crate::exchange::native::Exchange;
use crate::exchange::pieces::{PIECE, Pieces};
use crate::exchange::shown;
use crate::exchange::state::Located;
use crate::exchange::told::Told;
use crate::mapping::model::{Collection, ResourceMapping};
use crate::native::scan::Scanner;
use crate::scim::attr::AttrPath;
use crate::scim::resource::Resource;

/// Who is to be a member, by the index of the collection.
pub type Enrolled = BTreeMap<usize, Roster>;

/// Reads the body of a PUT: a resource, and apart from it the members that it names.
pub fn read(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    body: &[u8],
) -> Result<(Resource, Enrolled), ExchangeError> {
    let resource_type = &resource.resource_type;
    let whole = || {
        let body = serde_json::from_slice(body).map_err(ExchangeError::Syntax)?;
        Ok((exchange.resource(&body, resource_type)?, Enrolled::new()))
    };
    let lists: Vec<(usize, &Collection)> = exchange.tenant.rosters(resource).collect();
    let text = std::str::from_utf8(body).ok().filter(|_| !lists.is_empty());
    let Some((rest, members)) = text.and_then(|text| cut(text, &lists)) else { return whole() };
    let rest = serde_json::from_str(&rest).map_err(ExchangeError::Syntax)?;
    // Of several faults, the whole body's first is told. And members may be named once more, within
    // an object of the schema's name.
    let is_named =
        |sent: &Resource| lists.iter().any(|(_, list)| sent.0.contains_key(&list.place.attribute));
    let noted = exchange.deviations();
    let sent = exchange.resource(&rest, resource_type).ok().filter(|sent| !is_named(sent));
    let Some(sent) = sent else {
        exchange.noting(|noting| *noting = noted);
        return whole();
    };
    let mut rosters = Enrolled::new();
    for ((index, collection), elements) in lists.into_iter().zip(members) {
        let mut roster = Roster::default();
        for piece in elements.chunks(PIECE) {
            let elements = piece.iter().map(|element| serde_json::from_str(element));
            let elements: Result<Vec<Value>, _> = elements.collect();
            let elements = elements.map_err(ExchangeError::Syntax)?;
            let part = json!({
                "schemas": [resource_type.core.id],
                (collection.place.attribute.as_str()): elements,
            });
            roster.want(elements_of(collection, &exchange.read(&part, resource_type)?));
        }
        // A list of nobody says no more than no list.
        if !roster.wanted().is_empty() {
            rosters.insert(index, roster);
        }
    }
    Ok((sent, rosters))
}

/// Puts members back into the resource that they were read apart from.
pub fn put_back(resource: &ResourceMapping, rosters: Enrolled, sent: &mut Resource) {
    for (index, roster) in rosters {
        if let Some(collection) = resource.collections.get(index) {
            let elements = roster.wanted().iter().collect();
            place::write(&collection.place, sent, Value::Array(elements), &Map::new());
        }
    }
}

/// What must happen to the members, who are read for it.
pub async fn differences(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    located: &Located,
    native: &Value,
    rosters: &mut Enrolled,
) -> Result<BTreeMap<usize, Delta>, ExchangeError> {
    let mut deltas = BTreeMap::new();
    for (index, roster) in rosters {
        let Some(collection) = resource.collections.get(*index) else { continue };
        let pieces = Pieces::new(exchange, resource, collection, located, native);
        let Some(mut pieces) = pieces else { continue };
        while let Some((natives, references)) = pieces.next().await? {
            roster.meet(&exchange.context(resource, &references), collection, natives);
        }
        let delta = roster.delta();
        if !delta.is_empty() {
            deltas.insert(*index, delta);
        }
    }
    exchange.check_added(resource, &deltas).await?;
    Ok(deltas)
}

/// The attributes that a body names by its members.
pub fn named(resource: &ResourceMapping, enrolled: &Enrolled) -> Vec<AttrPath> {
    let lists = enrolled.keys().filter_map(|index| resource.collections.get(*index));
    let attributes = lists.map(|list| list.place.attribute.clone());
    attributes.map(|attr| AttrPath { urn: None, attr, sub: None }).collect()
}

/// Tells members as they are to be, but for references to nobody.
pub async fn tell(
    exchange: &Exchange<'_>,
    resource: &ResourceMapping,
    enrolled: &Enrolled,
    told: &mut Told<'_>,
) -> Result<(), ExchangeError> {
    let mapping = &exchange.tenant.mapping;
    for (index, roster) in enrolled {
        let Some(collection) = resource.collections.get(*index) else { continue };
        told.open(collection);
        let mut wanted = roster.wanted().iter().peekable();
        while wanted.peek().is_some() {
            let mut part = with(collection, wanted.by_ref().take(PIECE).collect());
            let mut ids = Wanted::new();
            ids_in(mapping, resource, &part, &mut ids);
            let references = exchange.resolve(Wanted::new(), ids).await?;
            let elements = elements_of(collection, &part).iter();
            let known = elements.filter(|it| shown::is_known(mapping, collection, &references, it));
            part = with(collection, known.map(|element| roster.told(element)).collect());
            told.add(collection, part);
        }
        told.close();
    }
    Ok(())
}

/// A resource that has nothing but these elements.
fn with(collection: &Collection, elements: Vec<Value>) -> Resource {
    let mut resource = Resource::default();
    place::write(&collection.place, &mut resource, Value::Array(elements), &Map::new());
    resource
}

fn elements_of<'r>(collection: &Collection, resource: &'r Resource) -> &'r [Value] {
    let list = resource.0.get(&collection.place.attribute).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

/// An object without the arrays of these collections, and the elements of each array; `None`
/// where a collection may be spoken of in another way.
fn cut<'t>(text: &'t str, lists: &[(usize, &Collection)]) -> Option<(String, Vec<Vec<&'t str>>)> {
    let mut found: Vec<Option<Vec<&str>>> = vec![None; lists.len()];
    let mut rest = String::from("{");
    let mut scanner = Scanner::new(text);
    scanner.object(|scanner, name| {
        let name = name.of(scanner.text());
        let plain = name.plain()?.to_ascii_lowercase();
        let attribute = |list: &Collection| list.place.attribute.to_ascii_lowercase();
        let spoken = lists.iter().position(|(_, list)| plain.ends_with(&attribute(list)));
        let Some(spoken) = spoken else {
            let comma = if rest.len() > 1 { "," } else { "" };
            rest.extend([comma, name.text, ":", scanner.value()?.text]);
            return Some(());
        };
        let list = found.get_mut(spoken).filter(|list| list.is_none())?;
        let mut elements = Vec::new();
        scanner.array(|scanner| {
            elements.push(scanner.value()?.text);
            Some(())
        })?;
        *list = Some(elements);
        let (_, collection) = lists.get(spoken)?;
        (plain == attribute(collection)).then_some(())
    })?;
    rest.push('}');
    let found = found.into_iter().map(Option::unwrap_or_default).collect();
    scanner.is_at_end().then_some((rest, found))
}
