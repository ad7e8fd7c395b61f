//! What is added to a list request: parameters of its query and members of its body.

use serde_json::{Map, Value};

use crate::convert::key;
use crate::mapping::model::ParameterPlace;

/// Additions to a list request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parameters {
    /// Query parameters.
    pub query: Vec<(String, String)>,
    /// What is merged into the body; null is nothing.
    pub body: Value,
}

impl Parameters {
    /// Whether nothing is added.
    pub fn is_empty(&self) -> bool {
        self.query.is_empty() && self.body.is_null()
    }

    /// Adds a parameter. In a body its name is a member, and dots lead into objects.
    pub fn put(&mut self, place: ParameterPlace, name: &str, value: Value) {
        match place {
            ParameterPlace::Query => {
                self.query.extend(key::text(&value).map(|text| (name.to_owned(), text)));
            }
            ParameterPlace::Body => merge(&mut self.body, member(name, value)),
        }
    }

    /// Adds what others add.
    pub fn join(&mut self, other: Self) {
        self.query.extend(other.query);
        if !other.body.is_null() {
            merge(&mut self.body, other.body);
        }
    }

    /// Whether a parameter of this name is there.
    pub fn has(&self, place: ParameterPlace, name: &str) -> bool {
        match place {
            ParameterPlace::Query => self.query.iter().any(|(have, _)| have == name),
            ParameterPlace::Body => clash(&self.body, &member(name, Value::Null)),
        }
    }
}

/// A value as a member of objects within each other.
fn member(name: &str, value: Value) -> Value {
    name.rsplit('.')
        .fold(value, |inner, name| Value::Object(Map::from_iter([(name.to_owned(), inner)])))
}

/// Merges one tree into another: objects member by member, arrays one behind the other; anything
/// else takes the place of what was there.
pub fn merge(into: &mut Value, addition: Value) {
    match (into, addition) {
        (Value::Object(members), Value::Object(more)) => {
            for (name, value) in more {
                match members.get_mut(&name) {
                    Some(have) => merge(have, value),
                    None => drop(members.insert(name, value)),
                }
            }
        }
        (Value::Array(elements), Value::Array(more)) => elements.extend(more),
        (into, addition) => *into = addition,
    }
}

/// Whether two trees say different things of one place, so that only one of them can be asked.
pub fn clash(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            one.iter().any(|(name, value)| other.get(name).is_some_and(|it| clash(value, it)))
        }
        (Value::Array(_), Value::Array(_)) | (Value::Null, _) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, prop_oneof, proptest};
    use serde_json::{Value, json};

    use crate::convert::parameters::{Parameters, clash, merge};
    use crate::mapping::model::ParameterPlace;

    fn merged(mut into: Value, addition: Value) -> Value {
        merge(&mut into, addition);
        into
    }

    #[test]
    fn trees_are_merged_member_by_member() {
        let base = json!({ "method": "list", "params": { "fields": ["id"], "limit": 1 } });
        let addition = json!({ "params": { "fields": ["mail"], "limit": 5, "name": "ada" } });
        let expected = json!({
            "method": "list",
            "params": { "fields": ["id", "mail"], "limit": 5, "name": "ada" },
        });
        assert_eq!(merged(base, addition), expected);
    }

    #[test]
    fn dots_lead_into_objects() {
        let mut parameters = Parameters::default();
        parameters.put(ParameterPlace::Body, "params.offset", json!(20));
        parameters.put(ParameterPlace::Body, "params.limit", json!(10));
        parameters.put(ParameterPlace::Query, "a.b", json!(7));
        assert_eq!(parameters.body, json!({ "params": { "offset": 20, "limit": 10 } }));
        assert_eq!(parameters.query, [("a.b".to_owned(), "7".to_owned())]);
        assert!(parameters.has(ParameterPlace::Body, "params.limit"));
        assert!(!parameters.has(ParameterPlace::Body, "params.name"));
    }

    #[test]
    fn one_place_says_one_thing() {
        let check = |one: Value, other: Value, expected: bool| {
            assert_eq!(clash(&one, &other), expected, "{one} {other}");
        };
        check(json!({ "a": { "b": 1 } }), json!({ "a": { "c": 1 } }), false);
        check(json!({ "a": { "b": 1 } }), json!({ "a": { "b": 2 } }), true);
        check(json!({ "a": { "b": 1 } }), json!({ "a": 2 }), true);
        check(json!({ "a": [1] }), json!({ "a": [2] }), false);
        check(json!(null), json!({ "a": 1 }), false);
    }

    fn tree() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(json!(1)), Just(json!("x")), Just(json!([1]))];
        leaf.prop_recursive(3, 12, 3, |inner| {
            proptest::collection::btree_map("[abc]", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect()))
        })
    }

    /// Whether everything that one tree says stands in the other.
    fn is_in(part: &Value, whole: &Value) -> bool {
        match (part, whole) {
            (Value::Object(part), Value::Object(whole)) => part
                .iter()
                .all(|(name, value)| whole.get(name).is_some_and(|whole| is_in(value, whole))),
            (Value::Array(part), Value::Array(whole)) => part.iter().all(|it| whole.contains(it)),
            (part, whole) => part == whole,
        }
    }

    proptest! {
        #[test]
        fn what_does_not_clash_stands_in_the_merged_tree(one in tree(), other in tree()) {
            let whole = merged(one.clone(), other.clone());
            assert!(is_in(&other, &whole));
            if !clash(&one, &other) {
                assert!(is_in(&one, &whole));
            }
        }
    }
}
