//! What is to happen to a collection that is changed by calls of its own: fewest adds, changes,
//! removes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::convert::collection::{get_element, identity};
use crate::convert::context::Context;
use crate::mapping::model::Collection;
use crate::scim::filter::ast::{CompareOp, Filter};
use crate::scim::patch::operation::{Operation, OperationKind};

/// What is to happen to a collection.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Delta {
    /// SCIM elements to add.
    pub add: Vec<Value>,
    /// SCIM elements to change, each with the native element that is there.
    pub change: Vec<(Value, Value)>,
    /// SCIM elements to remove, each with the native element where it is known.
    pub remove: Vec<(Value, Value)>,
    /// All of the collection as it is to be, for a request that replaces it; `None` when nobody
    /// has read it.
    pub whole: Option<Whole>,
}

/// A collection as it is to be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Whole {
    /// SCIM elements, each with the native element that is there.
    pub wanted: Vec<(Value, Value)>,
    /// Native elements without a SCIM form.
    pub kept: Vec<Value>,
}

impl Delta {
    /// Whether nothing is to happen.
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.change.is_empty() && self.remove.is_empty()
    }
}

/// The delta that PATCH operations describe without anybody reading the collection; `None` when
/// they need its present elements. The last operation on an element wins.
pub fn from_operations(collection: &Collection, operations: &[&Operation]) -> Option<Delta> {
    // By identity: when it was last spoken of, whether it is added then, and the element.
    let mut last: BTreeMap<Vec<String>, (usize, bool, Value)> = BTreeMap::new();
    let mut sequence = 0;
    for operation in operations {
        if operation.target.sub.is_some() {
            return None;
        }
        let (adds, elements) = match (operation.kind, &operation.target.filter) {
            (OperationKind::Add, None) => {
                (true, operation.value.as_ref().and_then(Value::as_array)?.clone())
            }
            (OperationKind::Remove, Some(filter)) => {
                (false, vec![removed_element(collection, filter)?])
            }
            _ => return None,
        };
        for element in elements {
            sequence += 1;
            last.insert(identity(collection, &element), (sequence, adds, element));
        }
    }
    let mut ordered: Vec<(usize, bool, Value)> = last.into_values().collect();
    ordered.sort_by_key(|(sequence, ..)| *sequence);
    let mut delta = Delta::default();
    for (_, adds, element) in ordered {
        if adds {
            delta.add.push(element);
        } else {
            delta.remove.push((element, Value::Null));
        }
    }
    Some(delta)
}

/// The element that `[value eq "x"]` names, when that is all of its key.
fn removed_element(collection: &Collection, filter: &Filter) -> Option<Value> {
    let Filter::Compare(path, CompareOp::Eq, value) = filter else { return None };
    let [key] = collection.key.as_slice() else { return None };
    (path.attr.eq_ignore_ascii_case(key) && path.sub.is_none()).then(|| json!({ key: value }))
}

/// The difference between two states of a collection. `present` are the native elements; one may
/// be there twice, as when it slipped onto the next page while the list was read.
pub fn between(
    context: &Context<'_>,
    collection: &Collection,
    present: &[Value],
    wanted: &[Value],
) -> Delta {
    let mut have: Vec<(Vec<String>, Value, &Value)> = Vec::new();
    for native in present {
        if let Some(element) = get_element(context, collection, native) {
            have.push((identity(collection, &element), element, native));
        }
    }
    let mut index: BTreeMap<&[String], (&Value, &Value)> = BTreeMap::new();
    for (name, element, native) in &have {
        index.entry(name.as_slice()).or_insert((element, *native));
    }
    let mut delta = Delta::default();
    let mut settled = BTreeSet::new();
    for element in wanted {
        let name = identity(collection, element);
        if let Some((before, native)) = index.get(name.as_slice()) {
            if is_changed(collection, before, element) {
                delta.change.push((element.clone(), (*native).clone()));
            }
        } else if !settled.contains(&name) {
            delta.add.push(element.clone());
        }
        settled.insert(name);
    }
    for (name, element, native) in &have {
        if settled.contains(name) {
            continue;
        }
        delta.remove.push((element.clone(), (*native).clone()));
        // Nobody is a member twice, so one call removes them. Other elements that have their key
        // in common are two.
        if collection.reference.is_some() {
            settled.insert(name.clone());
        }
    }
    delta.whole = collection.set.as_ref().map(|_| {
        let native = |element: &Value| {
            let there = index.get(identity(collection, element).as_slice());
            there.map_or(Value::Null, |(_, native)| (*native).clone())
        };
        let is_kept = |native: &&Value| get_element(context, collection, native).is_none();
        Whole {
            wanted: wanted.iter().map(|element| (element.clone(), native(element))).collect(),
            kept: present.iter().filter(is_kept).cloned().collect(),
        }
    });
    delta
}

/// Whether a writable sub-attribute differs. A member is its key: what else is sent with it
/// (`display`) is the application's to say.
fn is_changed(collection: &Collection, before: &Value, wanted: &Value) -> bool {
    collection.reference.is_none()
        && collection
            .items
            .iter()
            .filter(|item| item.write.is_some())
            .any(|item| before.get(&item.sub) != wanted.get(&item.sub))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use crate::convert::collection::put_list;
    use crate::convert::context::Context;
    use crate::convert::delta::{between, from_operations};
    use crate::convert::references::References;
    use crate::id::SystemIds;
    use crate::mapping::model::{Collection, Mapping};
    use crate::mapping::scope::Ambient;
    use crate::scim::attr::AttrPath;
    use crate::scim::filter::ast::{CompareOp, Filter};
    use crate::scim::patch::operation::{Operation, OperationKind, Target};

    const MAPPING: &str = r#"
bridge: 1
name: large
config: { url: { type: url, required: true } }
api: { base_url: "{config.url}" }
resources:
  User:
    id: $.id
    attributes: { userName: { path: $.login, required: true } }
    list: { get: /users }
    create: { post: /users }
  Group:
    id: $.id
    attributes:
      displayName: { path: $.name, required: true }
      members: { ref: User, items: "$.members[?@.id]", item: { value: $.id } }
    list: { get: /groups }
    create: { post: /groups }
    update: { patch: "/groups/{id}" }
"#;

    fn with_members(check: impl FnOnce(&Context<'_>, &Collection)) {
        let (mapping, _) = Mapping::load(MAPPING).unwrap();
        let resource = mapping.resource("Group").unwrap();
        let ambient = Ambient {
            ids: Arc::new(SystemIds),
            now: jiff::Timestamp::UNIX_EPOCH,
            request_id: "r".to_owned(),
        };
        let references = References::default();
        let config = Value::Null;
        let context = Context {
            mapping: &mapping,
            resource,
            ambient: &ambient,
            config: &config,
            references: &references,
        };
        check(&context, &resource.collections[0]);
    }

    fn target(filter: Option<Filter>) -> Target {
        Target { extension: None, attribute: "members".to_owned(), filter, sub: None }
    }

    fn add(id: &str) -> Operation {
        let value = Some(json!([{ "value": id }]));
        Operation { kind: OperationKind::Add, target: target(None), value }
    }

    fn remove(id: &str) -> Operation {
        let path = AttrPath { urn: None, attr: "value".to_owned(), sub: None };
        let filter = Filter::Compare(path, CompareOp::Eq, json!(id));
        Operation { kind: OperationKind::Remove, target: target(Some(filter)), value: None }
    }

    fn members(ids: impl Iterator<Item = usize>) -> Vec<Value> {
        ids.map(|id| json!({ "value": id.to_string() })).collect()
    }

    #[test]
    fn the_last_operation_on_a_member_counts_and_says_when() {
        with_members(|_, collection| {
            let operations = [add("a"), add("b"), remove("c"), remove("a"), add("c"), add("d")];
            let operations: Vec<&Operation> = operations.iter().collect();
            let delta = from_operations(collection, &operations).unwrap();
            assert_eq!(delta.add, ["b", "c", "d"].map(|id| json!({ "value": id })));
            assert_eq!(delta.remove, [(json!({ "value": "a" }), Value::Null)]);
        });
    }

    /// A cost that grows with the square would take minutes here.
    #[test]
    fn fifty_thousand_operations_are_one_delta() {
        with_members(|_, collection| {
            let owned: Vec<Operation> = (0..50_000).map(|id| add(&id.to_string())).collect();
            let operations: Vec<&Operation> = owned.iter().collect();
            let delta = from_operations(collection, &operations).unwrap();
            assert_eq!(delta.add, members(0..50_000));
        });
    }

    #[test]
    fn fifty_thousand_members_are_put_and_compared() {
        with_members(|context, collection| {
            let mut natives: Vec<Value> =
                (0..50_000).map(|id| json!({ "id": id.to_string(), "since": id })).collect();
            natives.push(json!({ "team": 1 }));
            let mut group = json!({ "id": "g", "members": &natives });
            let wanted = members((1..50_001).rev());
            put_list(context, collection, &mut group, &wanted).unwrap();
            let list = group["members"].as_array().unwrap();
            assert_eq!(list[0], json!({ "id": "1", "since": 1 }));
            assert_eq!(list[49_998], json!({ "id": "49999", "since": 49_999 }));
            assert_eq!(list[49_999..], [json!({ "id": "50000" }), json!({ "team": 1 })]);
            let delta = between(context, collection, &natives, &wanted);
            assert_eq!((delta.add.len(), delta.change.len(), delta.remove.len()), (1, 0, 1));
        });
    }

    #[test]
    fn a_member_who_is_there_twice_is_removed_once_or_not_at_all() {
        with_members(|context, collection| {
            let present = ["1", "2", "1"].map(|id| json!({ "id": id }));
            assert!(between(context, collection, &present, &members(1..3)).is_empty());
            let delta = between(context, collection, &present, &members(2..3));
            assert_eq!(delta.remove, [(json!({ "value": "1" }), json!({ "id": "1" }))]);
        });
    }
}
