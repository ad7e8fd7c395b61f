//! From a wanted resource to the native document as it should be, row by row.
//!
//! A row whose SCIM value is unchanged never touches the document, so unmapped members, other
//! array elements and fine distinctions survive (least change).

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::convert::context::Context;
use crate::convert::error::ConvertError;
use crate::convert::formula::Sight;
use crate::convert::{collection, difference, lens, places, through};
use crate::mapping::model::{
    BodyFormat, Carries, Collection, Mode, OnClear, Request, ResourceMapping, Row, SendMode,
};
use crate::native::path::NativePath;
use crate::scim::resource::{Resource, is_unassigned};

/// A resource before a change and as it is wanted.
#[derive(Clone, Copy)]
pub struct Difference<'a> {
    /// The native record before; null on create.
    pub native: &'a Value,
    /// Its SCIM view; empty on create.
    pub before: &'a Resource,
    /// The SCIM view as it is wanted.
    pub wanted: &'a Resource,
    /// What is being done.
    pub purpose: Purpose,
}

/// Whether there was a record before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// There was none.
    Create,
    /// There was one.
    Update,
}

impl Difference<'_> {
    /// Whether a row's SCIM value is to change, and with it what is there natively: "Ada" for
    /// "ada" is no news where the application keeps names in lower case.
    pub fn touches_row(&self, row: &Row) -> bool {
        let wanted = places::read(row, self.wanted);
        match row.mode {
            Mode::Read => false,
            Mode::Write => wanted.is_some(),
            Mode::Both | Mode::Create => {
                let before = places::read(row, self.before);
                wanted != before && !wanted.is_some_and(|wanted| self.is_there(row, &wanted))
            }
        }
    }

    /// Whether writing a value would write what is in the record already. References are not
    /// asked: another id is another resource.
    fn is_there(&self, row: &Row, wanted: &Value) -> bool {
        if !row.is_written() || row.reference.is_some() || row.formulas.to_native.is_some() {
            return false;
        }
        let current = lens::current(row, self.native);
        let native = through::write(&row.via, wanted, current.as_deref());
        native.is_ok_and(|native| lens::is_set(row, self.native, &native))
    }

    /// Whether a collection is to change.
    pub fn touches_collection(&self, collection: &Collection) -> bool {
        let extension = collection.place.extension.as_deref();
        let [before, wanted] = [self.before, self.wanted].map(|resource| {
            let list = resource.get(extension, &collection.place.attribute);
            list.filter(|list| !is_unassigned(list))
        });
        collection.mode != Mode::Read && before != wanted
    }
}

/// The document after the rows and collections that `carries` names have been put.
pub fn put(
    context: &Context<'_>,
    difference: &Difference<'_>,
    carries: &Carries,
) -> Result<Value, ConvertError> {
    let mut document = match difference.native {
        Value::Null => Value::Object(Map::new()),
        native => native.clone(),
    };
    let mut written: Vec<&NativePath> = Vec::new();
    for index in &carries.rows {
        let Some(row) = context.resource.rows.get(*index) else { continue };
        if !row.is_written() {
            continue;
        }
        // Several rows over one native value: the first that changed has been put, it wins.
        let is_taken = |target: &NativePath| written.iter().any(|other| other.overlaps(target));
        let taken = row.targets().iter().any(is_taken);
        if !difference.touches_row(row) || (row.alias && taken) {
            continue;
        }
        let wanted = match places::read(row, difference.wanted) {
            None => cleared(context, difference, row)?.map(Cow::Owned),
            wanted => wanted,
        };
        // An alias that is absent says nothing: clearing is for the row that owns the value.
        if wanted.is_none() && (difference.purpose == Purpose::Create || row.alias) {
            continue;
        }
        check_mode(difference, row)?;
        let sight = sight(difference, row);
        match lens::put_seeing(context, row, &mut document, wanted.as_deref(), sight.as_ref()) {
            // A manager whom the application does not know must not cost the rest of the
            // request: identity providers send references before, or without, their targets.
            Err(ConvertError::UnknownReference { .. }) => {}
            other => {
                other?;
                written.extend(row.targets());
            }
        }
    }
    for index in &carries.collections {
        let Some(collection) = context.resource.collections.get(*index) else { continue };
        if difference.touches_collection(collection) {
            let extension = collection.place.extension.as_deref();
            let wanted = difference.wanted.get(extension, &collection.place.attribute);
            let wanted = wanted.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            collection::put_list(context, collection, &mut document, wanted)?;
        }
    }
    Ok(document)
}

/// What stands for a value that is cleared: the default of a row that says so.
fn cleared(
    context: &Context<'_>,
    difference: &Difference<'_>,
    row: &Row,
) -> Result<Option<Value>, ConvertError> {
    let is_meant = row.on_clear == OnClear::Default && difference.purpose == Purpose::Update;
    let Some(default) = row.default.as_ref().filter(|_| is_meant && !row.alias) else {
        return Ok(None);
    };
    let scim = Value::Object(difference.wanted.0.clone());
    let value = default.evaluate(&context.scope().with("scim", &scim))?;
    Ok(places::fitting(row, value))
}

/// What an expression of the row sees.
fn sight(difference: &Difference<'_>, row: &Row) -> Option<Sight> {
    row.formulas.to_native.as_ref()?;
    let old = match difference.purpose {
        Purpose::Create => Value::Null,
        Purpose::Update => Value::Object(difference.before.0.clone()),
    };
    let scim = Value::Object(difference.wanted.0.clone());
    Some(Sight { scim, old, native: difference.native.clone() })
}

/// An attribute that is written on create only cannot change afterwards.
fn check_mode(difference: &Difference<'_>, row: &Row) -> Result<(), ConvertError> {
    if row.mode == Mode::Create && difference.purpose == Purpose::Update {
        return Err(ConvertError::Immutable { path: places::name(row) });
    }
    Ok(())
}

/// What of the document a request sends; `None` when nothing of it changes.
pub fn body(
    resource: &ResourceMapping,
    request: &Request,
    before: &Value,
    after: &Value,
) -> Option<Value> {
    let before = if before.is_null() { before } else { part(request, before) };
    let after = part(request, after);
    if before == after {
        return None;
    }
    let nothing = Value::Object(Map::new());
    let known = if before.is_null() { &nothing } else { before };
    match request.format {
        BodyFormat::Record => {}
        BodyFormat::MergePatch => return Some(difference::merge_patch(known, after)),
        BodyFormat::JsonPatch => return Some(Value::Array(difference::json_patch(known, after))),
    }
    let Value::Object(members) = after else { return Some(after.clone()) };
    let pair = |(name, value): (&String, &Value)| (name.clone(), value.clone());
    let sent: Map<String, Value> = match request.send {
        SendMode::Changed | SendMode::Each => {
            let changed = members.iter().filter(|(name, value)| before.get(name) != Some(value));
            let mut sent: Map<String, Value> = changed.map(pair).collect();
            // What is not there any more can only be said as null.
            let names = before.as_object().into_iter().flat_map(Map::keys);
            let gone = names.filter(|name| !members.contains_key(*name));
            sent.extend(gone.map(|name| (name.clone(), Value::Null)));
            sent
        }
        SendMode::Mapped => {
            let mapped = mapped_members(resource, request, members);
            members.iter().filter(|(name, _)| mapped.contains(*name)).map(pair).collect()
        }
        SendMode::Full => {
            let mut full = after.clone();
            request.drop.iter().for_each(|path| path.remove(&mut full));
            return Some(full);
        }
    };
    Some(Value::Object(sent))
}

/// The part of a document that a request sends; null when there is none.
fn part<'d>(request: &Request, document: &'d Value) -> &'d Value {
    match &request.subtree {
        Some(path) => path.read(document).unwrap_or(&Value::Null),
        None => document,
    }
}

/// The members of the part that is sent which the carried rows and collections write.
fn mapped_members(
    resource: &ResourceMapping,
    request: &Request,
    members: &Map<String, Value>,
) -> BTreeSet<String> {
    let carries = &request.carries;
    let rows = carries.rows.iter().filter_map(|index| resource.rows.get(*index));
    let rows = rows.flat_map(|row| row.targets().iter().cloned());
    let lists = carries.collections.iter().filter_map(|index| resource.collections.get(*index));
    let lists = lists.filter_map(Collection::holder);
    let mut names = BTreeSet::new();
    for path in rows.chain(lists) {
        // Written into nothing, a path shows which members are its own.
        let mut probe = Value::Null;
        let is_written = path.write(&mut probe, Value::Bool(true)).is_ok();
        match part(request, &probe) {
            Value::Object(own) if is_written => names.extend(own.keys().cloned()),
            // It writes the whole part, or what the part lies in.
            _ if request.subtree.as_ref().is_none_or(|subtree| path.overlaps(subtree)) => {
                names.extend(members.keys().cloned());
            }
            _ => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::convert::document::{Difference, Purpose};
    use crate::mapping::model::Mapping;
    use crate::scim::resource::Resource;

    const MAPPING: &str = r#"
bridge: 1
name: cases
config: { url: { type: url, required: true } }
api: { base_url: "{config.url}" }
resources:
  User:
    id: $.id
    attributes:
      userName: { path: $.login, via: lower, required: true, mode: create }
      nickName: $.nick
      title: { path: $.job, write: $.position }
    list: { get: /users }
    create: { post: /users }
    update: { patch: "/users/{id}" }
"#;

    fn check(attribute: &str, before: &str, wanted: Option<&str>, expected: bool) {
        let (mapping, _) = Mapping::load(MAPPING).unwrap();
        let resource = mapping.resource("User").unwrap();
        let row = resource.rows.iter().find(|row| row.place.attribute == attribute).unwrap();
        let native = json!({ "id": "7", "login": "ada", "nick": "Addy", "job": "Boss" });
        let scim = |value: Option<&str>| {
            Resource([(attribute.to_owned(), json!(value))].into_iter().collect())
        };
        let (old, new) = (scim(Some(before)), scim(wanted));
        let purpose = Purpose::Update;
        let difference = Difference { native: &native, before: &old, wanted: &new, purpose };
        assert_eq!(difference.touches_row(row), expected, "{attribute} {before} {wanted:?}");
    }

    #[test]
    fn what_is_written_alike_is_no_change() {
        check("userName", "ada", Some("Ada"), false);
        check("userName", "ada", Some("adam"), true);
        check("userName", "ada", None, true);
    }

    #[test]
    fn letters_of_another_case_are_a_change_where_the_application_keeps_them() {
        check("nickName", "Addy", Some("Addy"), false);
        check("nickName", "Addy", Some("addy"), true);
    }

    #[test]
    fn what_is_written_elsewhere_than_read_is_always_written() {
        check("title", "Boss", Some("Chief"), true);
    }
}
