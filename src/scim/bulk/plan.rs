//! In which order the operations of a bulk request are carried out (RFC 7644 sections 3.7.1 and
//! 3.7.2).
//!
//! An operation waits for those that create what it refers to, wherever in the request they
//! stand, and otherwise keeps its place among those it has to do with. Where resources need each
//! other in a circle, one of them is created without the references that cannot be known yet and
//! gets them afterwards.

use std::collections::{BTreeMap, BTreeSet};

use crate::scim::bulk::conflict::Conflicts;
use crate::scim::bulk::reference;
use crate::scim::bulk::request::{Call, Operation, Verb};
use crate::scim::schema::ResourceType;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The operation it belongs to, counted from 0.
    pub operation: usize,
    /// How much of it is done.
    pub part: Part,
    /// The steps that must be over before it, counted from 0; all of them stand before it.
    pub after: BTreeSet<usize>,
}

/// How much of an operation a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// The creation, without what refers to these bulkIds.
    Without(BTreeSet<String>),
    /// What the creation has left out.
    Rest(BTreeSet<String>),
}

/// The steps of these operations; done one after the other they are what the client asks for.
pub fn plan(operations: &[Operation], types: &[&ResourceType]) -> Vec<Step> {
    let mut order = Order::new(operations);
    while let Some(node) = order.next() {
        order.place(node);
    }
    let mut conflicts = Conflicts::new(operations, types);
    for (position, step) in order.steps.iter_mut().enumerate() {
        if let Some(call) = call(operations, step.operation) {
            step.after.extend(conflicts.take_up(call, position));
        }
    }
    order.steps
}

fn call(operations: &[Operation], index: usize) -> Option<&Call> {
    operations.get(index)?.call.as_ref().ok()
}

/// An operation, or what its creation has left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Node {
    operation: usize,
    half: Half,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Half {
    First,
    Rest,
}

fn first(operation: usize) -> Node {
    Node { operation, half: Half::First }
}

/// The order as far as it is known. Nodes are placed when all they need is placed, those of
/// earlier operations first.
struct Order<'o> {
    operations: &'o [Operation],
    /// Operations by the bulkId under which they create.
    creators: BTreeMap<&'o str, usize>,
    /// What each node waits for.
    needs: BTreeMap<Node, BTreeSet<Node>>,
    needed_by: BTreeMap<Node, Vec<Node>>,
    /// Unplaced nodes, with the number of unplaced nodes that they need.
    open: BTreeMap<Node, usize>,
    ready: BTreeSet<Node>,
    /// References that creations leave out.
    left_out: BTreeMap<usize, BTreeSet<String>>,
    positions: BTreeMap<Node, usize>,
    steps: Vec<Step>,
}

impl<'o> Order<'o> {
    fn new(operations: &'o [Operation]) -> Self {
        let mut order = Self {
            operations,
            creators: creators(operations),
            needs: BTreeMap::new(),
            needed_by: BTreeMap::new(),
            open: BTreeMap::new(),
            ready: BTreeSet::new(),
            left_out: BTreeMap::new(),
            positions: BTreeMap::new(),
            steps: Vec::new(),
        };
        let mut last: BTreeMap<(String, &str), usize> = BTreeMap::new();
        for index in 0..operations.len() {
            let mut needs = BTreeSet::new();
            if let Some(call) = call(operations, index) {
                let references = call.references.iter();
                needs.extend(references.filter_map(|bulk_id| order.creator(bulk_id)).map(first));
                if let [endpoint, target, ..] = call.segments.as_slice() {
                    let resource = (endpoint.to_ascii_lowercase(), target.as_str());
                    needs.extend(last.insert(resource, index).map(first));
                }
            }
            order.add(first(index), needs);
        }
        order
    }

    fn creator(&self, bulk_id: &str) -> Option<usize> {
        self.creators.get(bulk_id).copied()
    }

    fn add(&mut self, node: Node, needs: BTreeSet<Node>) {
        let missing = needs.iter().filter(|need| !self.positions.contains_key(need));
        let missing: Vec<Node> = missing.copied().collect();
        for need in &missing {
            self.needed_by.entry(*need).or_default().push(node);
        }
        if missing.is_empty() {
            self.ready.insert(node);
        }
        self.open.insert(node, missing.len());
        self.needs.insert(node, needs);
    }

    /// The next node to place; `None` when all are placed.
    fn next(&mut self) -> Option<Node> {
        if let Some(node) = self.ready.pop_first() {
            return Some(node);
        }
        let node = self.in_a_circle()?;
        self.cut(node);
        Some(node)
    }

    /// The first creation of some circle. Every open node needs another open one, so the way from
    /// need to need comes back to where it has been. Only creations are needed by others than the
    /// later operations on the same resource, so circles consist of creations.
    fn in_a_circle(&self) -> Option<Node> {
        let mut at = *self.open.keys().next()?;
        let mut way: Vec<Node> = Vec::new();
        let mut seen = BTreeSet::new();
        while seen.insert(at) {
            way.push(at);
            let Some(need) = self.open_needs(at).next() else { return Some(at) };
            at = need;
        }
        way.into_iter().skip_while(|node| *node != at).min()
    }

    fn open_needs(&self, node: Node) -> impl Iterator<Item = Node> {
        let needs = self.needs.get(&node).into_iter().flatten();
        needs.copied().filter(|need| self.open.contains_key(need))
    }

    /// Lets a creation begin without what it refers to and cannot know yet.
    fn cut(&mut self, node: Node) {
        let late: BTreeSet<Node> = self.open_needs(node).collect();
        let index = node.operation;
        let references = call(self.operations, index).into_iter().flat_map(|it| &it.references);
        let is_late = |bulk_id: &&String| {
            self.creator(bulk_id).is_some_and(|creator| late.contains(&first(creator)))
        };
        let left_out = references.filter(is_late).cloned().collect();
        self.left_out.insert(index, left_out);
        if let Some(needs) = self.needs.get_mut(&node) {
            needs.retain(|need| !late.contains(need));
        }
        let rest = Node { operation: index, half: Half::Rest };
        let needs = late.into_iter().chain([node]).collect();
        self.add(rest, needs);
        self.hold_back(index, rest);
    }

    /// Lets operations on a resource wait until its creation is complete.
    fn hold_back(&mut self, creator: usize, rest: Node) {
        for (index, operation) in self.operations.iter().enumerate() {
            let target = operation.call.as_ref().ok().and_then(|call| call.segments.get(1));
            let bulk_id = target.and_then(|target| reference::of(target));
            if bulk_id.and_then(|bulk_id| self.creator(bulk_id)) == Some(creator)
                && let Some(missing) = self.open.get_mut(&first(index))
            {
                *missing += 1;
                self.needs.entry(first(index)).or_default().insert(rest);
                self.needed_by.entry(rest).or_default().push(first(index));
            }
        }
    }

    fn place(&mut self, node: Node) {
        let after = self.needs.get(&node).into_iter().flatten();
        let after = after.filter_map(|need| self.positions.get(need).copied()).collect();
        let left_out = self.left_out.get(&node.operation).cloned();
        let part = match (node.half, left_out) {
            (Half::First, None) => Part::Whole,
            (Half::First, Some(bulk_ids)) => Part::Without(bulk_ids),
            (Half::Rest, bulk_ids) => Part::Rest(bulk_ids.unwrap_or_default()),
        };
        self.positions.insert(node, self.steps.len());
        self.steps.push(Step { operation: node.operation, part, after });
        self.open.remove(&node);
        for waiting in self.needed_by.remove(&node).unwrap_or_default() {
            if let Some(missing) = self.open.get_mut(&waiting) {
                *missing = missing.saturating_sub(1);
                if *missing == 0 {
                    self.ready.insert(waiting);
                }
            }
        }
    }
}

fn creators(operations: &[Operation]) -> BTreeMap<&str, usize> {
    let creates = |(index, operation): (usize, &'_ Operation)| {
        let is_sound = operation.call.as_ref().is_ok_and(|call| call.verb == Verb::Post);
        is_sound.then_some(index)
    };
    let indices = operations.iter().enumerate().filter_map(creates);
    let pair = |index: usize| Some((operations.get(index)?.bulk_id.as_deref()?, index));
    indices.filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::{
        ProptestConfig, Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest,
    };
    use serde_json::{Value, json};

    use crate::scim::builtin::{group_type, user_type};
    use crate::scim::bulk::plan::{Part, Step, plan};
    use crate::scim::bulk::request::{BulkRequest, Operation};
    use crate::scim::value::Dialect;

    fn parse(operations: &[Value]) -> Vec<Operation> {
        let body = json!({ "Operations": operations });
        BulkRequest::parse(&body, Dialect::Lenient).unwrap().operations
    }

    fn steps(operations: &[Operation]) -> Vec<Step> {
        let (user, group) = (user_type(), group_type());
        plan(operations, &[&user, &group])
    }

    fn post(bulk_id: &str, members: &[&str]) -> Value {
        let members: Value =
            members.iter().map(|id| json!({ "value": format!("bulkId:{id}") })).collect();
        let data = json!({ "displayName": bulk_id, "members": members });
        json!({ "method": "POST", "path": "/Groups", "bulkId": bulk_id, "data": data })
    }

    fn patch(id: &str, members: &[&str]) -> Value {
        let members: Value =
            members.iter().map(|id| json!({ "value": format!("bulkId:{id}") })).collect();
        let data = json!({ "Operations": [{ "op": "add", "path": "members", "value": members }] });
        json!({ "method": "PATCH", "path": format!("/Groups/{id}"), "data": data })
    }

    fn delete(id: &str) -> Value {
        json!({ "method": "DELETE", "path": format!("/Groups/{id}") })
    }

    /// Steps as `operation`, `operation-` (without what it cannot know) and `operation+` (that).
    fn check(operations: &[Value], expected: &str) {
        let steps = steps(&parse(operations));
        let text = |step: &Step| match step.part {
            Part::Whole => step.operation.to_string(),
            Part::Without(_) => format!("{}-", step.operation),
            Part::Rest(_) => format!("{}+", step.operation),
        };
        assert_eq!(steps.iter().map(text).collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn what_is_referred_to_comes_first() {
        check(&[post("a", &[]), post("b", &["a"])], "0 1");
        check(&[post("b", &["a"]), post("a", &[])], "1 0");
        check(&[post("c", &["b"]), post("b", &["a"]), post("a", &[]), delete("9")], "2 1 0 3");
        check(&[patch("bulkId:a", &[]), delete("bulkId:a"), post("a", &[])], "2 0 1");
    }

    #[test]
    fn circles_are_cut_at_their_first_creation() {
        check(&[post("a", &["b"]), post("b", &["a"])], "0- 1 0+");
        check(&[post("a", &["a"])], "0- 0+");
        check(&[post("x", &["a"]), post("a", &["b"]), post("b", &["a"])], "1- 0 2 1+");
        let three = [post("a", &["b", "d"]), post("b", &["c"]), post("c", &["a"]), post("d", &[])];
        check(&three, "3 0- 2 1 0+");
        let operations = parse(&three);
        let left_out = BTreeSet::from(["b".to_owned()]);
        assert_eq!(steps(&operations)[1].part, Part::Without(left_out));
    }

    #[test]
    fn a_resource_is_complete_before_it_is_changed() {
        let operations = [post("a", &["b"]), patch("bulkId:a", &[]), post("b", &["a"])];
        check(&operations, "0- 2 0+ 1");
    }

    #[test]
    fn what_cannot_be_carried_out_has_its_place_too() {
        check(&[delete("1"), json!({ "method": "GET" }), post("b", &["nobody"])], "0 1 2");
    }

    #[test]
    fn a_reference_out_of_order_stands_above_other_orders() {
        // The DELETE may free a name that either POST takes, and stands between them.
        let operations = parse(&[post("a", &["b"]), delete("9"), post("b", &[])]);
        let steps = steps(&operations);
        let order: Vec<usize> = steps.iter().map(|step| step.operation).collect();
        assert_eq!(order, [1, 2, 0]);
        assert_eq!(steps[2].after, BTreeSet::from([0, 1]));
    }

    fn any_operation() -> impl Strategy<Value = Value> {
        let names = || proptest::collection::vec(0..6_usize, 0..4);
        let name = |index: &usize| ["a", "b", "c", "d", "e", "f"][*index];
        prop_oneof![
            (0..6_usize, names()).prop_map(move |(bulk_id, members)| {
                post(name(&bulk_id), &members.iter().map(name).collect::<Vec<_>>())
            }),
            (0..6_usize, names()).prop_map(move |(id, members)| {
                let id = format!("bulkId:{}", name(&id));
                patch(&id, &members.iter().map(name).collect::<Vec<_>>())
            }),
            (0..4_usize).prop_map(|id| delete(&id.to_string())),
            (0..4_usize).prop_map(|id| patch(&id.to_string(), &[])),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn every_operation_is_done_once_and_never_too_early(
            written in proptest::collection::vec(any_operation(), 1..14),
        ) {
            let operations = parse(&written);
            let steps = steps(&operations);
            let mut created: BTreeMap<&str, usize> = BTreeMap::new();
            let mut begun = BTreeSet::new();
            let mut complete = BTreeSet::new();
            for (position, step) in steps.iter().enumerate() {
                prop_assert!(step.after.iter().all(|earlier| *earlier < position));
                let operation = &operations[step.operation];
                let none = BTreeSet::new();
                let (is_begun, missing) = match &step.part {
                    Part::Whole => (begun.insert(step.operation), &none),
                    Part::Without(left_out) => (begun.insert(step.operation), left_out),
                    Part::Rest(_) => (begun.contains(&step.operation), &none),
                };
                prop_assert!(is_begun);
                if !matches!(step.part, Part::Without(_)) {
                    prop_assert!(complete.insert(step.operation));
                }
                let Ok(call) = &operation.call else { continue };
                // What is referred to is created, and waited for.
                for bulk_id in call.references.difference(missing) {
                    let creator = created.get(bulk_id.as_str()).copied();
                    prop_assert!(creator.is_some_and(|creator| step.after.contains(&creator)));
                }
                if let (false, Some(bulk_id)) = (call.segments.len() > 1, &operation.bulk_id) {
                    created.entry(bulk_id).or_insert(position);
                }
            }
            prop_assert_eq!(complete.len(), operations.len());
            // One resource's operations keep their order.
            let target = |step: &Step| {
                operations[step.operation].call.as_ref().ok()?.segments.get(1).cloned()
            };
            let mut last: BTreeMap<String, usize> = BTreeMap::new();
            for step in &steps {
                if let Some(earlier) = target(step).and_then(|it| last.insert(it, step.operation)) {
                    prop_assert!(earlier < step.operation);
                }
            }
        }
    }
}
