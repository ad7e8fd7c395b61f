//! Everybody who is to be a member of a group, and who of them is one already.
//!
//! When all members of a large group are replaced, few of them change: what is kept of the others
//! is what an answer tells of them. The difference is the one that `delta.rs` finds between two
//! trees, for members alone; a law holds the two together.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::convert::collection::get_element;
use crate::convert::context::Context;
use crate::convert::delta::Delta;
use crate::convert::roll::Roll;
use crate::mapping::model::Collection;

/// What makes a member the same as another.
const KEY: &str = "value";

/// Members as they are wanted, and what is known of them.
#[derive(Debug, Default)]
pub struct Roster {
    wanted: Roll,
    /// By what makes a member the same as another.
    known: BTreeMap<String, Known>,
    /// What an answer tells of members who were there.
    told: Roll,
    /// Members who are there and not wanted, each with the native element.
    leaving: Vec<(Value, Value)>,
    /// What makes those the same as others.
    strangers: BTreeSet<String>,
}

/// What is known of a member who is wanted.
#[derive(Debug)]
struct Known {
    /// The first place among the wanted.
    place: usize,
    /// What is told of one who is there.
    told: Option<usize>,
}

impl Roster {
    /// Adds members who are wanted.
    pub fn want(&mut self, elements: &[Value]) {
        for element in elements {
            let place = self.wanted.push(element);
            self.known.entry(identity(element)).or_insert(Known { place, told: None });
        }
    }

    /// Notes native elements that are there. One may be there twice, as when it slipped onto the
    /// next page while the list was read.
    pub fn meet(&mut self, context: &Context<'_>, collection: &Collection, present: Vec<Value>) {
        for native in present {
            let Some(element) = get_element(context, collection, &native) else { continue };
            let identity = identity(&element);
            match self.known.get_mut(&identity) {
                Some(known) => known.told = Some(self.told.push(&element)),
                None if self.strangers.insert(identity) => self.leaving.push((element, native)),
                None => {}
            }
        }
    }

    /// What is to happen.
    pub fn delta(&mut self) -> Delta {
        let new = self.known.values().filter(|known| known.told.is_none());
        let mut new: Vec<usize> = new.map(|known| known.place).collect();
        new.sort_unstable();
        Delta {
            add: new.into_iter().filter_map(|place| self.wanted.get(place)).collect(),
            remove: std::mem::take(&mut self.leaving),
            ..Delta::default()
        }
    }

    /// The members who are wanted.
    pub fn wanted(&self) -> &Roll {
        &self.wanted
    }

    /// What an answer tells of one who is wanted. What a member is called is the application's to
    /// say: of one that it has not told of, nothing is told but who it is.
    pub fn told(&self, element: &Value) -> Value {
        let known = self.known.get(&identity(element)).and_then(|known| known.told);
        known.and_then(|place| self.told.get(place)).unwrap_or_else(|| {
            let value = element.get(KEY).map(|value| (KEY.to_owned(), value.clone()));
            Value::Object(Map::from_iter(value))
        })
    }
}

fn identity(element: &Value) -> String {
    match element.get(KEY) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    }
}
