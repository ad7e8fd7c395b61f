//! The steps of a definite path, and walking a document by them.
//!
//! Reading goes back when a filter's element has nothing at the rest of the path, as RFC 9535
//! has it; writing takes the first element that passes. Reading paths is `path.rs`'s business.

use std::fmt;

use jsonpath_rust::parser::model::{
    Comparable, Comparison, Filter, FilterAtom, Literal, Segment, Selector, SingularQuery,
    SingularQuerySegment,
};
use serde_json::{Map, Value};

/// Largest index that writing fills an array up to.
const MAX_INDEX: usize = 10_000;

/// One step from a value to a part of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// A member of an object.
    Member(String),
    /// An element of an array, counted from 0.
    Index(usize),
    /// The elements for which every test holds.
    Filter(Vec<Test>),
}

/// `@.a.b == literal`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Test {
    members: Vec<String>,
    literal: Value,
}

/// One segment as a step, when it selects at most one member, or elements by `==`.
pub(crate) fn step(segment: &Segment) -> Option<Step> {
    match segment {
        Segment::Selector(Selector::Name(name)) => Some(Step::Member(name.clone())),
        Segment::Selector(Selector::Index(index)) => usize::try_from(*index).ok().map(Step::Index),
        Segment::Selector(Selector::Filter(filter)) => {
            let mut tests = Vec::new();
            gather(filter, &mut tests)?;
            Some(Step::Filter(tests))
        }
        Segment::Selector(Selector::Wildcard | Selector::Slice(..))
        | Segment::Descendant(_)
        | Segment::Selectors(_) => None,
    }
}

/// Adds the tests of a filter; `None` when it is more than `==` joined by `&&`.
fn gather(filter: &Filter, tests: &mut Vec<Test>) -> Option<()> {
    match filter {
        Filter::And(parts) => parts.iter().try_for_each(|part| gather(part, tests)),
        Filter::Or(parts) => match parts.as_slice() {
            [only] => gather(only, tests),
            _ => None,
        },
        Filter::Atom(FilterAtom::Filter { expr, not: false }) => gather(expr, tests),
        Filter::Atom(FilterAtom::Comparison(comparison)) => {
            tests.push(test(comparison)?);
            Some(())
        }
        Filter::Atom(FilterAtom::Filter { not: true, .. } | FilterAtom::Test { .. }) => None,
    }
}

fn test(comparison: &Comparison) -> Option<Test> {
    let (Comparison::Eq(
        Comparable::SingularQuery(SingularQuery::Current(segments)),
        Comparable::Literal(literal),
    )
    | Comparison::Eq(
        Comparable::Literal(literal),
        Comparable::SingularQuery(SingularQuery::Current(segments)),
    )) = comparison
    else {
        return None;
    };
    let members: Vec<String> = segments
        .iter()
        .map(|segment| match segment {
            SingularQuerySegment::Name(name) => Some(name.clone()),
            SingularQuerySegment::Index(_) => None,
        })
        .collect::<Option<_>>()?;
    let literal = match literal {
        Literal::Int(number) => Value::from(*number),
        Literal::Float(number) => Value::from(*number),
        Literal::String(text) => Value::from(text.as_str()),
        Literal::Bool(flag) => Value::from(*flag),
        Literal::Null => Value::Null,
    };
    (!members.is_empty()).then_some(Test { members, literal })
}

pub(crate) fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(elements) => Box::new(elements.iter()),
        Value::Object(members) => Box::new(members.values()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Box::new(std::iter::empty())
        }
    }
}

pub(crate) fn first<'a>(steps: &[Step], value: &'a Value) -> Option<&'a Value> {
    let Some((step, rest)) = steps.split_first() else {
        return Some(value);
    };
    match step {
        Step::Member(name) => first(rest, value.as_object()?.get(name)?),
        Step::Index(index) => first(rest, value.as_array()?.get(*index)?),
        Step::Filter(tests) => children(value)
            .filter(|element| holds(tests, element))
            .find_map(|element| first(rest, element)),
    }
}

pub(crate) fn collect<'a>(steps: &[Step], value: &'a Value, found: &mut Vec<&'a Value>) {
    let Some((step, rest)) = steps.split_first() else {
        found.push(value);
        return;
    };
    match step {
        Step::Member(name) => {
            if let Some(member) = value.as_object().and_then(|members| members.get(name)) {
                collect(rest, member, found);
            }
        }
        Step::Index(index) => {
            if let Some(element) = value.as_array().and_then(|elements| elements.get(*index)) {
                collect(rest, element, found);
            }
        }
        Step::Filter(tests) => children(value)
            .filter(|element| holds(tests, element))
            .for_each(|element| collect(rest, element, found)),
    }
}

pub(crate) fn holds(tests: &[Test], element: &Value) -> bool {
    tests.iter().all(|test| {
        let mut value = Some(element);
        for member in &test.members {
            value = value.and_then(Value::as_object).and_then(|members| members.get(member));
        }
        value.is_some_and(|value| same(value, &test.literal))
    })
}

/// Equality of RFC 9535 section 2.3.5.2.2: numbers by value.
fn same(left: &Value, right: &Value) -> bool {
    left == right
        || matches!((left, right), (Value::Number(left), Value::Number(right))
            if left.as_f64() == right.as_f64())
}

/// Whether no element can pass both filters.
pub(crate) fn exclude(mine: &[Test], theirs: &[Test]) -> bool {
    mine.iter().any(|mine| {
        theirs
            .iter()
            .any(|theirs| mine.members == theirs.members && !same(&mine.literal, &theirs.literal))
    })
}

/// Why nothing was written.
pub(crate) enum Obstacle {
    /// A value of another kind stands in the way.
    Occupied,
    /// The index is too large.
    TooLarge,
}

pub(crate) fn put(steps: &[Step], place: &mut Value, value: Value) -> Result<(), Obstacle> {
    let Some((step, rest)) = steps.split_first() else {
        *place = value;
        return Ok(());
    };
    match step {
        Step::Member(name) => {
            let member = members_of(place)?.entry(name.as_str()).or_insert(Value::Null);
            put(rest, member, value)
        }
        Step::Index(index) => put_at(*index, rest, elements_of(place)?, value),
        Step::Filter(tests) => put_where(tests, rest, elements_of(place)?, value),
    }
}

fn put_at(
    index: usize,
    rest: &[Step],
    elements: &mut Vec<Value>,
    value: Value,
) -> Result<(), Obstacle> {
    if let Some(element) = elements.get_mut(index) {
        if rest.is_empty() && value.is_null() {
            elements.remove(index);
            return Ok(());
        }
        return put(rest, element, value);
    }
    if value.is_null() {
        return Ok(());
    }
    if index > MAX_INDEX {
        return Err(Obstacle::TooLarge);
    }
    let mut element = Value::Null;
    put(rest, &mut element, value)?;
    elements.resize(index, Value::Null);
    elements.push(element);
    Ok(())
}

fn put_where(
    tests: &[Test],
    rest: &[Step],
    elements: &mut Vec<Value>,
    value: Value,
) -> Result<(), Obstacle> {
    let found = elements.iter().position(|element| holds(tests, element));
    if value.is_null() && (found.is_none() || rest.is_empty()) {
        if let Some(index) = found {
            elements.remove(index);
        }
        return Ok(());
    }
    let value = if rest.is_empty() { with_tested(tests, value)? } else { value };
    if let Some(index) = found
        && let Some(element) = elements.get_mut(index)
    {
        let clears = value.is_null();
        put(rest, element, value)?;
        if clears && is_bare(tests, element) {
            elements.remove(index);
        }
        return Ok(());
    }
    let mut element = element_of(tests);
    put(rest, &mut element, value)?;
    elements.push(element);
    Ok(())
}

/// The element with the members by which it is found again.
fn with_tested(tests: &[Test], mut element: Value) -> Result<Value, Obstacle> {
    for test in tests {
        let mut place = &mut element;
        for member in &test.members {
            place = members_of(place)?.entry(member.as_str()).or_insert(Value::Null);
        }
        if !same(place, &test.literal) {
            place.clone_from(&test.literal);
        }
    }
    Ok(element)
}

pub(crate) fn element_of(tests: &[Test]) -> Value {
    with_tested(tests, Value::Object(Map::new())).unwrap_or_else(|_| Value::Object(Map::new()))
}

/// Whether an element holds nothing but the members by which it is found: it was there for the
/// sake of a value that has been taken away.
fn is_bare(tests: &[Test], element: &Value) -> bool {
    let is_tested_null = tests.iter().any(|test| test.literal.is_null());
    let mut left = element.clone();
    if !is_tested_null {
        drop_nothing(&mut left);
    }
    left == element_of(tests)
}

/// Takes away members that are null, and objects that have no others.
fn drop_nothing(value: &mut Value) {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, member| {
            drop_nothing(member);
            !member.is_null() && !member.as_object().is_some_and(Map::is_empty)
        });
    }
}

/// The members of an object; null becomes one.
fn members_of(place: &mut Value) -> Result<&mut Map<String, Value>, Obstacle> {
    if place.is_null() {
        *place = Value::Object(Map::new());
    }
    place.as_object_mut().ok_or(Obstacle::Occupied)
}

/// The elements of an array; null becomes one.
fn elements_of(place: &mut Value) -> Result<&mut Vec<Value>, Obstacle> {
    if place.is_null() {
        *place = Value::Array(Vec::new());
    }
    place.as_array_mut().ok_or(Obstacle::Occupied)
}

pub(crate) fn take(steps: &[Step], place: &mut Value) {
    match steps {
        [] => *place = Value::Null,
        [Step::Member(name)] => {
            if let Some(members) = place.as_object_mut() {
                members.shift_remove(name);
            }
        }
        [Step::Index(index)] => {
            if let Some(elements) = place.as_array_mut()
                && *index < elements.len()
            {
                elements.remove(*index);
            }
        }
        [Step::Filter(tests)] => {
            if let Some(elements) = place.as_array_mut()
                && let Some(index) = elements.iter().position(|element| holds(tests, element))
            {
                elements.remove(index);
            }
        }
        [Step::Filter(tests), rest @ ..] => {
            if let Some(elements) = place.as_array_mut()
                && let Some(index) = elements.iter().position(|element| holds(tests, element))
                && let Some(element) = elements.get_mut(index)
            {
                take(rest, element);
                if is_bare(tests, element) {
                    elements.remove(index);
                }
            }
        }
        [step, rest @ ..] => {
            if let Some(next) = step_into(step, place) {
                take(rest, next);
            }
        }
    }
}

fn step_into<'a>(step: &Step, place: &'a mut Value) -> Option<&'a mut Value> {
    match step {
        Step::Member(name) => place.as_object_mut()?.get_mut(name),
        Step::Index(index) => place.as_array_mut()?.get_mut(*index),
        Step::Filter(tests) => {
            place.as_array_mut()?.iter_mut().find(|element| holds(tests, element))
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(name) if is_plain(name) => write!(formatter, ".{name}"),
            Self::Member(name) => write!(formatter, "[{}]", Value::from(name.as_str())),
            Self::Index(index) => write!(formatter, "[{index}]"),
            Self::Filter(tests) => {
                let tests: Vec<String> = tests.iter().map(Test::to_string).collect();
                write!(formatter, "[?{}]", tests.join(" && "))
            }
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("@")?;
        for member in &self.members {
            write!(formatter, "[{}]", Value::from(member.as_str()))?;
        }
        write!(formatter, "=={}", self.literal)
    }
}

fn is_plain(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::native::path::NativePath;

    #[expect(clippy::needless_pass_by_value, reason = "keeps the cases short")]
    fn check(path: &str, before: Value, value: Value, after: Value) {
        let path = NativePath::parse(path).unwrap();
        let mut document = before;
        path.write(&mut document, value).unwrap();
        assert_eq!(document, after, "{path}");
    }

    #[test]
    fn writing_creates_what_is_missing() {
        check("$", json!({ "a": 1 }), json!(2), json!(2));
        check("$.a", json!({}), json!(1), json!({ "a": 1 }));
        check("$.a.b", json!({ "a": { "c": 2 } }), json!(1), json!({ "a": { "c": 2, "b": 1 } }));
        check("$.a.b", json!({ "a": null }), json!(1), json!({ "a": { "b": 1 } }));
        check("$.a[1]", json!({}), json!(1), json!({ "a": [null, 1] }));
        check(
            "$.a[0].b",
            json!({ "a": [{ "c": 1 }] }),
            json!(2),
            json!({ "a": [{ "c": 1, "b": 2 }] }),
        );
        check(
            "$.f[?@.id=='x' && @.k==true].v",
            json!({ "f": [{ "id": "x" }] }),
            json!(1),
            json!({ "f": [{ "id": "x" }, { "id": "x", "k": true, "v": 1 }] }),
        );
        check(
            "$.f[?@.o.id==3].v",
            json!({ "f": [{ "o": { "id": 3.0 }, "v": 0 }] }),
            json!(1),
            json!({ "f": [{ "o": { "id": 3.0 }, "v": 1 }] }),
        );
    }

    #[test]
    fn null_removes_elements_and_stays_in_members() {
        check("$.a", json!({ "a": 1 }), json!(null), json!({ "a": null }));
        check("$.a[0]", json!({ "a": [1, 2] }), json!(null), json!({ "a": [2] }));
        check("$.a[7]", json!({ "a": [1, 2] }), json!(null), json!({ "a": [1, 2] }));
        check(
            "$.f[?@.id=='x']",
            json!({ "f": [{ "id": "x" }, 1] }),
            json!(null),
            json!({ "f": [1] }),
        );
        check("$.f[?@.id=='x'].v", json!({ "f": [] }), json!(null), json!({ "f": [] }));
        check(
            "$.f[?@.id=='x'].v",
            json!({ "f": [{ "id": "y" }, { "id": "x", "v": 1 }] }),
            json!(null),
            json!({ "f": [{ "id": "y" }] }),
        );
        // What else the element holds is not ours to take away.
        check(
            "$.f[?@.id=='x'].v",
            json!({ "f": [{ "id": "x", "v": 1, "w": 2 }] }),
            json!(null),
            json!({ "f": [{ "id": "x", "v": null, "w": 2 }] }),
        );
    }

    #[test]
    fn an_element_is_written_with_the_members_that_find_it_again() {
        check(
            "$.f[?@.id=='x']",
            json!({ "f": [] }),
            json!({ "v": 1 }),
            json!({ "f": [{ "v": 1, "id": "x" }] }),
        );
    }

    #[test]
    fn values_in_the_way_are_kept() {
        for (path, document) in [
            ("$.a.b", json!({ "a": "text" })),
            ("$.a[0]", json!({ "a": {} })),
            ("$.a[?@.b==1].c", json!({ "a": 7 })),
            ("$.a[10001]", json!({ "a": [] })),
            ("$.a[*]", json!({ "a": [1] })),
        ] {
            let mut after = document.clone();
            assert!(
                NativePath::parse(path).unwrap().write(&mut after, json!(1)).is_err(),
                "{path}"
            );
            assert_eq!(after, document, "{path}");
        }
    }

    #[test]
    fn removing_takes_only_what_is_there() {
        for (path, before, after) in [
            ("$.a", json!({ "a": 1, "b": 2 }), json!({ "b": 2 })),
            ("$.a.b", json!({ "a": { "b": 1 } }), json!({ "a": {} })),
            ("$.a[1]", json!({ "a": [1, 2] }), json!({ "a": [1] })),
            (
                "$.a[?@.k==1]",
                json!({ "a": [{ "k": 2 }, { "k": 1 }] }),
                json!({ "a": [{ "k": 2 }] }),
            ),
            ("$.a[?@.k==1].v", json!({ "a": [{ "k": 1, "v": 1 }] }), json!({ "a": [] })),
            ("$.x.y", json!({ "a": 1 }), json!({ "a": 1 })),
            ("$.a[*]", json!({ "a": [1] }), json!({ "a": [1] })),
        ] {
            let mut document = before;
            NativePath::parse(path).unwrap().remove(&mut document);
            assert_eq!(document, after, "{path}");
        }
    }
}
