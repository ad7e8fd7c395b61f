//! Places in the application's documents: `JSONPath` (RFC 9535), read and written.
//!
//! Every path is parsed and checked once by jsonpath-rust. Its leading names, indexes and
//! `==` filters are compiled into steps of our own; a path that consists of nothing else is
//! *definite*, is walked without the library and can be written. Negative indexes, slices,
//! wildcards, descendants and all other filters can be read only. Creating members by a wildcard
//! or by an existence test is deliberately absent: there would be no telling where.

use std::fmt;

use jsonpath_rust::parser::errors::JsonPathError;
use jsonpath_rust::parser::model::{JpQuery, Segment, Selector};
use jsonpath_rust::parser::parse_json_path;
use jsonpath_rust::query::{QueryRef, js_path_process};
use serde_json::{Map, Value};

use crate::native::step::{
    Obstacle, Step, children, collect, element_of, exclude, first, holds, put, step, take,
};

/// A place, or several, in a JSON document.
#[derive(Debug, Clone)]
pub struct NativePath {
    text: String,
    /// What the path begins with, as far as we can walk and write it.
    steps: Vec<Step>,
    rest: Rest,
}

/// What follows the steps.
#[derive(Debug, Clone)]
enum Rest {
    /// Nothing: the path is definite.
    Nothing,
    /// One wildcard, and that is the end.
    Each,
    /// Anything else; the query is the whole path. With a filter that ends the path, the same
    /// filter on its own.
    Query { whole: Box<JpQuery>, last: Option<Box<JpQuery>> },
}

/// What follows the names that a path begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// Nothing.
    Nothing,
    /// One wildcard, and that is the end.
    Each,
    /// Indexes, `==` filters and further names.
    Steps,
    /// Anything else, which may look at all of the document.
    Search,
}

/// The text is not a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}, at character {character}")]
pub struct PathFault {
    /// What is wrong.
    pub message: String,
    /// Where, counted in characters from 1.
    pub character: usize,
}

/// A value could not be written at a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The path can select several values.
    #[error("{path} can select several values, so it cannot be written")]
    NotWritable {
        /// The path.
        path: String,
    },
    /// The document has a value of another kind on the way.
    #[error("{path} leads through a value that is not of the kind it expects")]
    Occupied {
        /// The path.
        path: String,
    },
    /// The index is larger than any array we would fill up.
    #[error("{path} has an index that is too large to be written")]
    TooLarge {
        /// The path.
        path: String,
    },
}

impl NativePath {
    /// Reads a path.
    pub fn parse(text: &str) -> Result<Self, PathFault> {
        let query = parse_json_path(text).map_err(|error| fault(text, &error))?;
        let steps: Vec<Step> = query.segments.iter().map_while(step).collect();
        let rest = match query.segments.get(steps.len()..) {
            None | Some([]) => Rest::Nothing,
            Some([Segment::Selector(Selector::Wildcard)]) => Rest::Each,
            Some([last @ Segment::Selector(Selector::Filter(_))]) => {
                let last = Some(Box::new(JpQuery::new(vec![last.clone()])));
                Rest::Query { whole: Box::new(query), last }
            }
            Some(_) => Rest::Query { whole: Box::new(query), last: None },
        };
        Ok(Self { text: text.to_owned(), steps, rest })
    }

    /// The place of a member of the document itself.
    pub fn member(name: &str) -> Option<Self> {
        let name = Value::from(name).to_string();
        Self::parse(&format!("$[{name}]")).ok()
    }

    /// `$`, the document itself.
    pub fn root() -> Self {
        Self { text: "$".to_owned(), steps: Vec::new(), rest: Rest::Nothing }
    }

    /// The first value at this place.
    pub fn read<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        match &self.rest {
            Rest::Nothing => first(&self.steps, document),
            Rest::Each => children(first(&self.steps, document)?).next(),
            Rest::Query { whole, .. } => select(whole, document).into_iter().next(),
        }
    }

    /// Every value at this place, in the document's order.
    pub fn read_all<'a>(&self, document: &'a Value) -> Vec<&'a Value> {
        let mut found = Vec::new();
        match &self.rest {
            Rest::Nothing => collect(&self.steps, document, &mut found),
            Rest::Each => {
                let mut parents = Vec::new();
                collect(&self.steps, document, &mut parents);
                found.extend(parents.into_iter().flat_map(children));
            }
            Rest::Query { whole, .. } => found = select(whole, document),
        }
        found
    }

    /// Whether the path consists of names, indexes and `==` filters only.
    pub fn is_writable(&self) -> bool {
        matches!(self.rest, Rest::Nothing)
    }

    /// Whether the path is `$`, the document itself.
    pub fn is_root(&self) -> bool {
        self.is_writable() && self.steps.is_empty()
    }

    /// Puts a value here. What is missing on the way is created, for a filter the element with
    /// the tested members. Null at an index or a filter removes the element, and null below an
    /// element that is not there changes nothing.
    pub fn write(&self, document: &mut Value, value: Value) -> Result<(), PathError> {
        if !self.is_writable() {
            return Err(PathError::NotWritable { path: self.text.clone() });
        }
        put(&self.steps, document, value).map_err(|obstacle| match obstacle {
            Obstacle::Occupied => PathError::Occupied { path: self.text.clone() },
            Obstacle::TooLarge => PathError::TooLarge { path: self.text.clone() },
        })
    }

    /// Takes the member or element at this place away; nothing happens when there is none, or
    /// when the path cannot be written. The document itself becomes null.
    pub fn remove(&self, document: &mut Value) {
        if self.is_writable() {
            take(&self.steps, document);
        }
    }

    /// The document's own member that the path goes through.
    pub fn first_member(&self) -> Option<&str> {
        match self.steps.first() {
            Some(Step::Member(name)) => Some(name),
            Some(Step::Index(_) | Step::Filter(_)) | None => None,
        }
    }

    /// The names that the path begins with, up to the first step that is none.
    pub fn names(&self) -> Vec<&str> {
        let mut names = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            match step {
                Step::Member(name) => names.push(name.as_str()),
                Step::Index(_) | Step::Filter(_) => break,
            }
        }
        names
    }

    /// What the path is besides the names it begins with.
    pub fn tail(&self) -> Tail {
        let has_more = self.names().len() < self.steps.len();
        match self.rest {
            Rest::Nothing if !has_more => Tail::Nothing,
            Rest::Nothing => Tail::Steps,
            Rest::Each if !has_more => Tail::Each,
            Rest::Each | Rest::Query { .. } => Tail::Search,
        }
    }

    /// How many steps it takes that are names, indexes or `==` filters.
    pub fn depth(&self) -> usize {
        self.steps.len()
    }

    /// Whether a value written at one of the two paths can be seen at the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.steps.iter().zip(&other.steps).all(|(mine, theirs)| match (mine, theirs) {
            (Step::Member(mine), Step::Member(theirs)) => mine == theirs,
            (Step::Index(mine), Step::Index(theirs)) => mine == theirs,
            (Step::Filter(mine), Step::Filter(theirs)) => !exclude(mine, theirs),
            (Step::Index(_), Step::Filter(_)) | (Step::Filter(_), Step::Index(_)) => true,
            (Step::Member(_), Step::Index(_) | Step::Filter(_))
            | (Step::Index(_) | Step::Filter(_), Step::Member(_)) => false,
        })
    }

    /// Whether the path ends in `[*]` or in a filter, so that it selects elements of an array.
    pub fn selects_array_elements(&self) -> bool {
        match &self.rest {
            Rest::Nothing => matches!(self.steps.last(), Some(Step::Filter(_))),
            Rest::Each => true,
            Rest::Query { last, .. } => last.is_some(),
        }
    }

    /// For a path that selects elements, the path of their array; see [`Self::selects`] for the
    /// filter.
    pub fn array(&self) -> Option<Self> {
        if !self.selects_array_elements() {
            return None;
        }
        let steps = match self.rest {
            Rest::Nothing => self.steps.split_last().map(|(_, front)| front.to_vec())?,
            Rest::Each | Rest::Query { .. } => self.steps.clone(),
        };
        let text = format!("${}", steps.iter().map(Step::to_string).collect::<String>());
        Some(Self { text, steps, rest: Rest::Nothing })
    }

    /// Whether this element of [`Self::array`] is one of those that the path selects.
    pub fn selects(&self, element: &Value) -> bool {
        match &self.rest {
            Rest::Nothing => match self.steps.last() {
                Some(Step::Filter(tests)) => holds(tests, element),
                Some(Step::Member(_) | Step::Index(_)) | None => false,
            },
            Rest::Each => true,
            Rest::Query { last: Some(filter), .. } => {
                let alone = Value::Array(vec![element.clone()]);
                !select(filter, &alone).is_empty()
            }
            Rest::Query { last: None, .. } => false,
        }
    }

    /// A fresh element for [`Self::array`]: an object with the members that a `==` filter tests.
    pub fn new_element(&self) -> Value {
        match (&self.rest, self.steps.last()) {
            (Rest::Nothing, Some(Step::Filter(tests))) => element_of(tests),
            (Rest::Nothing | Rest::Each | Rest::Query { .. }, _) => Value::Object(Map::new()),
        }
    }
}

impl fmt::Display for NativePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl PartialEq for NativePath {
    fn eq(&self, other: &Self) -> bool {
        match (&self.rest, &other.rest) {
            (Rest::Nothing, Rest::Nothing) | (Rest::Each, Rest::Each) => self.steps == other.steps,
            (Rest::Query { whole: mine, .. }, Rest::Query { whole: theirs, .. }) => mine == theirs,
            (Rest::Nothing | Rest::Each | Rest::Query { .. }, _) => false,
        }
    }
}

fn fault(text: &str, error: &JsonPathError) -> PathFault {
    // The parser's position stands only in its printed form, as `--> line:column`.
    let printed = error.to_string();
    let column = printed
        .split_once("--> ")
        .and_then(|(_, rest)| rest.split_once(':'))
        .map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect::<String>())
        .and_then(|digits| digits.parse::<usize>().ok());
    let length = text.chars().count().max(1);
    PathFault {
        message: "not a path this language can read".to_owned(),
        character: column.unwrap_or(length).clamp(1, length),
    }
}

fn select<'a>(query: &JpQuery, document: &'a Value) -> Vec<&'a Value> {
    // An error means a result that is no part of the document, which a checked query has not.
    let hits = js_path_process(query, document).unwrap_or_default();
    hits.into_iter().map(QueryRef::val).collect()
}

#[cfg(test)]
mod tests {
    use jsonpath_rust::query::QueryRef;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use crate::native::path::NativePath;

    fn path(text: &str) -> NativePath {
        NativePath::parse(text).unwrap()
    }

    fn check_read(text: &str, expected: &[Value]) {
        let document = json!({
            "name": "Ada", "a b": 1, "items": [{ "id": 1, "x": null }, { "id": 2, "v": 5 }],
            "contacts": [{ "label": "w", "telephone": "1" }, { "site": "y" }, { "telephone": "2" }],
            "custom": [{ "id": "c", "k": true }, { "id": "c", "k": true, "value": 7 }]
        });
        let path = path(text);
        let found: Vec<Value> = path.read_all(&document).into_iter().cloned().collect();
        assert_eq!(found, expected, "{text}");
        assert_eq!(path.read(&document), expected.first(), "{text}");
    }

    #[test]
    fn reads_the_first_and_all() {
        check_read("$.name", &[json!("Ada")]);
        check_read("$['a b']", &[json!(1)]);
        check_read("$.missing.deeper", &[]);
        check_read("$.name.deeper", &[]);
        check_read("$.items[1].v", &[json!(5)]);
        check_read("$.items[-1].id", &[json!(2)]);
        check_read("$.items[*].id", &[json!(1), json!(2)]);
        check_read("$.items[0][*]", &[json!(1), json!(null)]);
        check_read("$.items[?@.id==2].v", &[json!(5)]);
        check_read("$.items[?@.x==null].id", &[json!(1)]);
        check_read("$.contacts[?@.telephone].telephone", &[json!("1"), json!("2")]);
        check_read("$.contacts[?@.telephone == '2']", &[json!({ "telephone": "2" })]);
        check_read("$.custom[?@.id=='c' && @.k==true].value", &[json!(7)]);
        check_read("$.custom[?'c'==@.id].value", &[json!(7)]);
        check_read("$..value", &[json!(7)]);
    }

    #[test]
    fn only_definite_paths_are_writable() {
        for text in ["$", "$.a.b", "$.a[0]", "$.f[?@.id=='x' && (@.k==true)].v", "$['x y']"] {
            assert!(path(text).is_writable(), "{text}");
        }
        for text in ["$.a[*]", "$..a", "$.a[-1]", "$.a[0,1]", "$.a[0:2]", "$.a[?@.b]"] {
            assert!(!path(text).is_writable(), "{text}");
        }
        for text in ["$.a[?@.b!=1]", "$.a[?@.b==1 || @.c==2]", "$.a[?!(@.b==1)]", "$.a[?@==1]"] {
            assert!(!path(text).is_writable(), "{text}");
        }
    }

    #[test]
    fn faults_say_where() {
        for (text, character) in
            [("$.given_name[", 13), ("", 1), ("name", 1), ("$.a[?@.b=1]", 9), ("$.a.", 4)]
        {
            let fault = NativePath::parse(text).unwrap_err();
            assert_eq!(fault.character, character, "{text}: {fault}");
        }
    }

    #[test]
    fn arrays_and_their_elements() {
        let all = path("$.members[*]");
        assert_eq!(all.array().unwrap().to_string(), "$.members");
        assert!(all.selects(&json!(1)));
        let phones = path("$['my contacts'][?@.telephone]");
        assert_eq!(phones.array().unwrap().to_string(), "$[\"my contacts\"]");
        assert!(phones.array().unwrap().is_writable());
        assert!(phones.selects(&json!({ "telephone": "1" })));
        assert!(!phones.selects(&json!({ "site": "x" })));
        let typed = path("$.mails[?@.type=='work']");
        assert_eq!(typed.array(), Some(path("$.mails")));
        assert!(!typed.selects(&json!({ "type": "home" })));
        assert_eq!(typed.new_element(), json!({ "type": "work" }));
        assert_eq!(path("$[*]").array(), Some(path("$")));
        assert_eq!(path("$.a.b").array(), None);
        assert_eq!(path("$.a[*].b").array(), None);
    }

    #[test]
    fn overlap_is_prefix_or_possible_identity() {
        for (left, right, expected) in [
            ("$.a", "$.a", true),
            ("$.a", "$.a.b", true),
            ("$", "$.b", true),
            ("$.a", "$.b", false),
            ("$.a.b", "$.a.c", false),
            ("$.a[0]", "$.a[1]", false),
            ("$.a[0].v", "$.a[?@.k==1].v", true),
            ("$.a[?@.k==1].v", "$.a[?@.k==2].v", false),
            ("$.a[?@.k==1].v", "$.a[?@.j==2].v", true),
            ("$.a[?@.k==1].v", "$.a[?@.k==1].w", false),
            ("$.a[*]", "$.a", true),
        ] {
            assert_eq!(path(left).overlaps(&path(right)), expected, "{left} {right}");
            assert_eq!(path(right).overlaps(&path(left)), expected, "{right} {left}");
        }
        assert_eq!(path("$.a.b").first_member(), Some("a"));
        assert_eq!(path("$[0]").first_member(), None);
        assert!(path("$").is_root());
    }

    fn any_path() -> impl Strategy<Value = String> {
        let step = prop_oneof![
            Just(".a".to_owned()),
            Just(".b".to_owned()),
            Just("[0]".to_owned()),
            Just("[1]".to_owned()),
            Just("[?@.k==1]".to_owned()),
            Just("[?@.m.k=='x' && @.k==2]".to_owned()),
        ];
        prop::collection::vec(step, 0..5).prop_map(|steps| format!("${}", steps.concat()))
    }

    fn any_document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(json!(null)), Just(json!(1)), Just(json!("x"))];
        leaf.prop_recursive(4, 40, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
                prop::collection::btree_map("[abk]", inner, 0..3)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(text in any_path(), before in any_document()) {
            let path = path(&text);
            let mut after = before;
            let value = json!({ "a": 1, "b": { "a": "x" } });
            if path.write(&mut after, value).is_ok() {
                let read = path.read(&after).cloned();
                prop_assert!(read.is_some(), "{} {}", text, after);
                let mut again = after.clone();
                path.write(&mut again, read.unwrap()).unwrap();
                prop_assert_eq!(again, after, "writing back what was read changes nothing");
            }
        }

        #[test]
        fn our_walk_agrees_with_the_library(text in any_path(), document in any_document()) {
            let query = jsonpath_rust::parser::parse_json_path(&text).unwrap();
            let hits = jsonpath_rust::query::js_path_process(&query, &document).unwrap();
            let hits: Vec<&Value> = hits.into_iter().map(QueryRef::val).collect();
            prop_assert_eq!(path(&text).read_all(&document), hits);
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            if let Ok(path) = NativePath::parse(&text) {
                prop_assert_eq!(path.to_string(), text);
            }
        }
    }
}
