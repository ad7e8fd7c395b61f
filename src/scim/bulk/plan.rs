//! In which order the operations of a bulk request are carried out (RFC 7644 sections 3.7.1 and
//! 3.7.2).
//!
//! An operation comes after those that create what it refers to, wherever in the request they
//! stand, and otherwise keeps its place. Where resources need each other in a circle, one of them
//! is created without the references that cannot be known yet and gets them afterwards.

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
    for index in 0..operations.len() {
        order.visit(index);
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

/// The order as far as it is known. Operations are visited in the order of the request, each
/// after what it refers to; a reference to an operation that is being visited closes a circle.
struct Order<'o> {
    operations: &'o [Operation],
    /// Operations by the bulkId under which they create.
    creators: BTreeMap<&'o str, usize>,
    visited: BTreeSet<usize>,
    /// Where the operation itself stands among the steps.
    positions: BTreeMap<usize, usize>,
    /// Creations whose rest cannot be done yet, with what they have left out.
    waiting: Vec<(usize, BTreeSet<String>)>,
    /// The last step so far on each resource: endpoint, and id or reference.
    last: BTreeMap<(String, &'o str), usize>,
    steps: Vec<Step>,
}

impl<'o> Order<'o> {
    fn new(operations: &'o [Operation]) -> Self {
        Self {
            operations,
            creators: creators(operations),
            visited: BTreeSet::new(),
            positions: BTreeMap::new(),
            waiting: Vec::new(),
            last: BTreeMap::new(),
            steps: Vec::new(),
        }
    }

    /// Calls itself at most once for each operation, whose number is bounded.
    fn visit(&mut self, index: usize) {
        if !self.visited.insert(index) {
            return;
        }
        let operations = self.operations;
        let Some(call) = call(operations, index) else {
            return self.place(index, Part::Whole, BTreeSet::new());
        };
        for bulk_id in &call.references {
            if let Some(creator) = self.creators.get(bulk_id.as_str()) {
                self.visit(*creator);
            }
        }
        let is_late = |bulk_id: &&String| {
            let creator = self.creators.get(bulk_id.as_str());
            creator.is_some_and(|creator| !self.positions.contains_key(creator))
        };
        let late: BTreeSet<String> = call.references.iter().filter(is_late).cloned().collect();
        let mut after = self.created(&call.references);
        if let [endpoint, target, ..] = call.segments.as_slice() {
            let resource = (endpoint.to_ascii_lowercase(), target.as_str());
            after.extend(self.last.insert(resource, self.steps.len()));
            after.extend(self.completed(target));
        }
        if late.is_empty() {
            self.place(index, Part::Whole, after);
        } else {
            self.waiting.push((index, late.clone()));
            self.place(index, Part::Without(late), after);
        }
        self.complete();
    }

    /// Places what creations have left out, as far as it can be known by now.
    fn complete(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        for (index, late) in waiting {
            let mut after = self.created(&late);
            if after.len() < late.len() {
                self.waiting.push((index, late));
            } else {
                after.extend(self.positions.get(&index));
                self.place(index, Part::Rest(late), after);
            }
        }
    }

    /// The steps that create resources under these bulkIds.
    fn created(&self, bulk_ids: &BTreeSet<String>) -> BTreeSet<usize> {
        let creators = bulk_ids.iter().filter_map(|bulk_id| self.creators.get(bulk_id.as_str()));
        creators.filter_map(|creator| self.positions.get(creator).copied()).collect()
    }

    /// The step that completes the resource which a path refers to.
    fn completed(&self, target: &str) -> Option<usize> {
        let creator = self.creators.get(reference::of(target)?)?;
        self.steps.iter().rposition(|step| step.operation == *creator)
    }

    fn place(&mut self, operation: usize, part: Part, after: BTreeSet<usize>) {
        self.positions.entry(operation).or_insert(self.steps.len());
        self.steps.push(Step { operation, part, after });
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
    use crate::scim::bulk::plan::{Part, Step, creators, plan};
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
    fn circles_are_cut_where_they_close() {
        check(&[post("a", &["b"]), post("b", &["a"])], "1- 0 1+");
        check(&[post("a", &["a"])], "0- 0+");
        check(&[post("x", &["a"]), post("a", &["b"]), post("b", &["a"])], "2- 1 2+ 0");
        let three = [post("a", &["b", "d"]), post("b", &["c"]), post("c", &["a", "d"])];
        let four = [three.as_slice(), &[post("d", &[])]].concat();
        check(&four, "3 2- 1 0 2+");
        let left_out = BTreeSet::from(["a".to_owned()]);
        assert_eq!(steps(&parse(&four))[1].part, Part::Without(left_out));
    }

    #[test]
    fn a_resource_is_complete_before_it_is_changed() {
        let operations = [post("b", &["a"]), patch("bulkId:a", &[]), post("a", &["b"])];
        check(&operations, "2- 0 2+ 1");
        let steps = steps(&parse(&operations));
        assert!(steps[3].after.contains(&2));
    }

    #[test]
    fn what_cannot_be_carried_out_has_its_place_too() {
        check(&[delete("1"), json!({ "method": "GET" }), post("b", &["nobody"])], "0 1 2");
    }

    #[test]
    fn other_orders_go_by_the_place_where_an_operation_is_put() {
        // Either POST may want the name that the DELETE frees, and fails if it comes first.
        let operations = parse(&[post("a", &["b"]), delete("9"), post("b", &[])]);
        let steps = steps(&operations);
        let order: Vec<usize> = steps.iter().map(|step| step.operation).collect();
        assert_eq!(order, [2, 0, 1]);
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
                let is_begun = match &step.part {
                    Part::Whole | Part::Without(_) => begun.insert(step.operation),
                    Part::Rest(_) => begun.contains(&step.operation),
                };
                prop_assert!(is_begun);
                if !matches!(step.part, Part::Without(_)) {
                    prop_assert!(complete.insert(step.operation));
                }
                let Ok(call) = &operation.call else { continue };
                let needed = match &step.part {
                    Part::Whole => call.references.clone(),
                    Part::Without(left_out) => &call.references - left_out,
                    Part::Rest(left_out) => left_out.clone(),
                };
                // What is referred to is created and waited for, if anybody can create it.
                for bulk_id in &needed {
                    if !creators(&operations).contains_key(bulk_id.as_str()) {
                        continue;
                    }
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
