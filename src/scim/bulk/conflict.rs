//! Which operations of a bulk request must not change places or overlap, although neither refers
//! to what the other creates (RFC 7644 section 3.7: the client's intent is preserved).
//!
//! Two operations have to do with each other when one mentions the resource that the other
//! changes, when both claim the same unique value, or when one may free a unique value that the
//! other takes: a DELETE before a POST of the same name. The bridge does not know which name a
//! resource has had, so every DELETE, PUT and renaming PATCH may free any name of its type.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::scim::bulk::reference;
use crate::scim::bulk::request::{Call, Operation, Verb};
use crate::scim::schema::{Attribute, ResourceType, Uniqueness};

/// The operations seen so far, by what they have to do with.
pub(crate) struct Conflicts<'o> {
    types: &'o [&'o ResourceType],
    /// What paths call their resources: ids and references to bulkIds.
    targets: BTreeSet<&'o str>,
    touched: BTreeMap<&'o str, Touched>,
    names: BTreeMap<&'o str, Names>,
    claims: BTreeMap<(&'o str, String), usize>,
}

/// Who has to do with a resource, by position.
#[derive(Default)]
struct Touched {
    changed_by: Vec<usize>,
    mentioned_by: Vec<usize>,
}

/// What an operation does to the unique values of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Takes,
    Frees,
    Both,
}

/// Neighbours with the same effect, who do not disturb each other, and those before them.
#[derive(Default)]
struct Names {
    effect: Option<Effect>,
    current: Vec<usize>,
    previous: Vec<usize>,
}

impl<'o> Conflicts<'o> {
    /// Nothing seen yet of these operations on resources of these types.
    pub(crate) fn new(operations: &'o [Operation], types: &'o [&'o ResourceType]) -> Self {
        let calls = operations.iter().filter_map(|operation| operation.call.as_ref().ok());
        let targets = calls.filter_map(target).collect();
        let (touched, names, claims) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { types, targets, touched, names, claims }
    }

    /// Takes up the next operation; gives the positions of the earlier ones it must wait for.
    pub(crate) fn take_up(&mut self, call: &'o Call, position: usize) -> BTreeSet<usize> {
        let mut earlier = self.resources(call, position);
        let endpoint = call.segments.first().map(String::as_str).unwrap_or_default();
        let is_it =
            |it: &&ResourceType| it.endpoint.trim_start_matches('/').eq_ignore_ascii_case(endpoint);
        if let Some(resource_type) = self.types.iter().copied().find(is_it) {
            let unique = unique(resource_type);
            if let Some(effect) = effect(call, &unique) {
                let names = self.names.entry(&resource_type.endpoint).or_default();
                earlier.extend(names.join(effect, position));
            }
            for claim in claims(call, &unique) {
                earlier.extend(self.claims.insert((&resource_type.endpoint, claim), position));
            }
        }
        earlier.remove(&position);
        earlier
    }

    fn resources(&mut self, call: &'o Call, position: usize) -> BTreeSet<usize> {
        let mut earlier = BTreeSet::new();
        for text in reference::texts(&call.data) {
            if let Some(target) = self.targets.get(text.as_str()) {
                let touched = self.touched.entry(target).or_default();
                earlier.extend(&touched.changed_by);
                touched.mentioned_by.push(position);
            }
        }
        if let Some(target) = target(call) {
            let touched = self.touched.entry(target).or_default();
            earlier.extend(&touched.mentioned_by);
            touched.changed_by.push(position);
        }
        earlier
    }
}

impl Names {
    fn join(&mut self, effect: Effect, position: usize) -> Vec<usize> {
        if self.effect != Some(effect) || effect == Effect::Both {
            self.effect = Some(effect);
            self.previous = std::mem::take(&mut self.current);
        }
        self.current.push(position);
        self.previous.clone()
    }
}

fn target(call: &Call) -> Option<&str> {
    call.segments.get(1).map(String::as_str)
}

fn effect(call: &Call, unique: &[&str]) -> Option<Effect> {
    match call.verb {
        Verb::Post => Some(Effect::Takes),
        Verb::Delete => Some(Effect::Frees),
        Verb::Put => Some(Effect::Both),
        Verb::Patch => renames(&call.data, unique).then_some(Effect::Both),
    }
}

/// Whether a PATCH names a unique attribute, as a member or in a path.
fn renames(data: &Value, unique: &[&str]) -> bool {
    let names = |text: &str| {
        let text = text.to_ascii_lowercase();
        unique.iter().any(|name| text.contains(&name.to_ascii_lowercase()))
    };
    match data {
        Value::Array(elements) => elements.iter().any(|element| renames(element, unique)),
        Value::Object(members) => members.iter().any(|(name, value)| {
            let is_path = name.eq_ignore_ascii_case("path");
            names(name) || renames(value, unique) || (is_path && value.as_str().is_some_and(names))
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The unique values of a whole resource; letter case makes no second one.
fn claims(call: &Call, unique: &[&str]) -> Vec<String> {
    let Value::Object(members) = &call.data else { return Vec::new() };
    if call.verb == Verb::Patch {
        return Vec::new();
    }
    let is_unique = |name: &str| unique.iter().any(|unique| unique.eq_ignore_ascii_case(name));
    let values = members.iter().filter(|(name, _)| is_unique(name));
    values.filter_map(|(_, value)| Some(value.as_str()?.to_lowercase())).collect()
}

/// The attributes whose values no two resources share. `displayName` counts as one, because
/// applications name their groups by it although the schema does not say so.
fn unique(resource_type: &ResourceType) -> Vec<&str> {
    let attributes = resource_type.schemas().flat_map(|(_, schema)| &schema.attributes);
    let is_unique = |attribute: &&Attribute| {
        let own = std::iter::once(*attribute).chain(&attribute.sub_attributes);
        attribute.name == "displayName"
            || own.into_iter().any(|attribute| attribute.uniqueness != Uniqueness::None)
    };
    let unique = attributes.filter(is_unique).map(|attribute| attribute.name.as_str());
    unique.filter(|name| *name != "id").collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::scim::builtin::{group_type, user_type};
    use crate::scim::bulk::conflict::Conflicts;
    use crate::scim::bulk::request::BulkRequest;
    use crate::scim::value::Dialect;

    /// For which earlier ones the last of these operations waits.
    fn check(operations: &Value, expected: &[usize]) {
        let body = json!({ "Operations": operations });
        let operations = BulkRequest::parse(&body, Dialect::Lenient).unwrap().operations;
        let (user, group) = (user_type(), group_type());
        let types = [&user, &group];
        let mut conflicts = Conflicts::new(&operations, &types);
        let calls = operations.iter().map(|operation| operation.call.as_ref().unwrap());
        let waits = calls.enumerate().map(|(at, call)| conflicts.take_up(call, at)).last();
        let waits: Vec<usize> = waits.unwrap_or_default().into_iter().collect();
        assert_eq!(waits, expected, "{body}");
    }

    fn operation(method: &str, path: &str, data: &Value) -> Value {
        let bulk_id = data.to_string();
        json!({ "method": method, "path": path, "bulkId": bulk_id, "data": data })
    }

    #[test]
    fn strangers_do_not_wait() {
        let user = |name: &str| operation("POST", "/Users", &json!({ "userName": name }));
        check(&json!([user("a"), user("b")]), &[]);
        let delete = |id: &str| operation("DELETE", &format!("/Users/{id}"), &json!({}));
        check(&json!([delete("1"), delete("2")]), &[]);
        let patch = |id: &str| {
            let change = json!({ "op": "replace", "path": "active", "value": false });
            operation("PATCH", &format!("/Users/{id}"), &json!({ "Operations": [change] }))
        };
        check(&json!([user("a"), delete("1"), patch("2"), patch("3")]), &[]);
        let group = operation("POST", "/Groups", &json!({ "displayName": "a" }));
        check(&json!([delete("1"), user("b"), group]), &[]);
    }

    #[test]
    fn who_mentions_a_resource_keeps_its_place() {
        let delete = operation("DELETE", "/Users/7", &json!({}));
        let add = json!({ "op": "add", "path": "members", "value": [{ "value": "7" }] });
        let add = operation("PATCH", "/Groups/1", &json!({ "Operations": [add] }));
        check(&json!([add, delete]), &[0]);
        check(&json!([delete, add]), &[0]);
        let remove = json!({ "op": "remove", "path": r#"members[value eq "7"]"# });
        let remove = operation("PATCH", "/Groups/2", &json!({ "Operations": [remove] }));
        check(&json!([add, remove, delete]), &[0, 1]);
    }

    #[test]
    fn a_name_is_freed_before_it_is_taken() {
        let delete = |id: &str| operation("DELETE", &format!("/Users/{id}"), &json!({}));
        let user = |name: &str| operation("POST", "/Users", &json!({ "userName": name }));
        check(&json!([delete("1"), delete("2"), user("a"), user("b")]), &[0, 1]);
        check(&json!([user("a"), delete("1")]), &[0]);
        check(&json!([user("a"), delete("1"), user("b")]), &[1]);
        let put = |id: &str| operation("PUT", &format!("/Users/{id}"), &json!({ "userName": id }));
        check(&json!([put("1"), put("2")]), &[0]);
        let rename = json!({ "op": "Replace", "value": { "UserName": "c" } });
        let rename = operation("PATCH", "/Users/9", &json!({ "Operations": [rename] }));
        check(&json!([user("a"), user("b"), rename]), &[0, 1]);
    }

    #[test]
    fn the_first_of_two_gets_the_name() {
        let user = |name: &str| operation("POST", "/Users", &json!({ "userName": name }));
        check(&json!([user("Ada"), user("b"), user("ada")]), &[0]);
    }
}
