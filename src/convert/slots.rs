//! The members of a record that somebody asks for, found in its text in one go.
//!
//! [`Wants`] is made once out of the paths of a mapping; [`Wants::find`] goes through a record and
//! notes where each of them stands. What stands twice counts the last time, as for the parser.

use std::borrow::Cow;

use crate::native::scan::{Kind, Raw, Scanner};

/// The members that are asked for, as a tree of names.
#[derive(Debug, Default)]
pub struct Wants {
    nodes: Vec<Node>,
    slots: usize,
}

/// Members of one object.
#[derive(Debug, Default)]
struct Node {
    /// Each name with what is asked of its value.
    names: Vec<(String, Want)>,
    /// Buckets of `names` by [`hash`]; as many as a power of two, or none.
    buckets: Vec<Vec<usize>>,
}

/// What is asked of a value.
#[derive(Debug, Clone, Copy, Default)]
struct Want {
    /// Where it is noted.
    slot: Option<usize>,
    /// Its own members.
    node: Option<usize>,
}

impl Wants {
    /// Asks for the value at a path of names; gives the slot in which it will be.
    pub fn ask(&mut self, path: &[&str]) -> usize {
        if self.nodes.is_empty() {
            self.nodes.push(Node::default());
        }
        let mut at = 0;
        let mut names = path.iter().peekable();
        let mut slot = self.slots;
        while let Some(name) = names.next() {
            let is_last = names.peek().is_none();
            let fresh = self.nodes.len();
            let free = self.slots;
            let Some(node) = self.nodes.get_mut(at) else { break };
            let known = node.names.iter().position(|(have, _)| have == name);
            let place = known.unwrap_or(node.names.len());
            if known.is_none() {
                node.names.push(((*name).to_owned(), Want::default()));
            }
            let Some((_, want)) = node.names.get_mut(place) else { break };
            if is_last {
                slot = *want.slot.get_or_insert(free);
            } else {
                at = *want.node.get_or_insert(fresh);
            }
            node.index();
            if !is_last && at == fresh {
                self.nodes.push(Node::default());
            }
        }
        self.slots = self.slots.max(slot + 1);
        slot
    }

    /// How many slots there are.
    pub fn len(&self) -> usize {
        self.slots
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.slots == 0
    }

    /// Reads the object that comes next and notes its values; `None` when it is none, or when the
    /// parser should be asked.
    pub fn find<'t>(&self, scanner: &mut Scanner<'t>, found: &mut [Option<Raw<'t>>]) -> Option<()> {
        found.fill(None);
        self.read(0, scanner, found)
    }

    fn read<'t>(
        &self,
        node: usize,
        scanner: &mut Scanner<'t>,
        found: &mut [Option<Raw<'t>>],
    ) -> Option<()> {
        scanner.object(|scanner, name| {
            let want = self.nodes.get(node).and_then(|node| node.want(name)).unwrap_or_default();
            let Some(inner) = want.node else {
                let value = scanner.value()?;
                if let Some(place) = want.slot.and_then(|slot| found.get_mut(slot)) {
                    *place = Some(value);
                }
                return Some(());
            };
            self.forget(inner, found);
            if want.slot.is_none() && scanner.is_object() {
                return self.read(inner, scanner, found);
            }
            let value = scanner.value()?;
            if let Some(place) = want.slot.and_then(|slot| found.get_mut(slot)) {
                *place = Some(value);
            }
            if value.kind == Kind::Object {
                return self.read(inner, &mut Scanner::new(value.text), found);
            }
            Some(())
        })
    }

    /// A second member of the same name takes the place of the first with all that was in it.
    fn forget(&self, node: usize, found: &mut [Option<Raw<'_>>]) {
        let names = self.nodes.get(node).map_or(&[][..], |node| &node.names);
        for (_, want) in names {
            if let Some(place) = want.slot.and_then(|slot| found.get_mut(slot)) {
                *place = None;
            }
            if let Some(inner) = want.node {
                self.forget(inner, found);
            }
        }
    }
}

impl Node {
    fn want(&self, name: Raw<'_>) -> Option<Want> {
        let name = match name.plain() {
            Some(plain) => Cow::Borrowed(plain),
            None => Cow::Owned(name.value()?.as_str()?.to_owned()),
        };
        let bucket = self.buckets.get(hash(&name) & self.buckets.len().checked_sub(1)?)?;
        let own = bucket.iter().filter_map(|place| self.names.get(*place));
        own.into_iter().find(|(have, _)| *have == name).map(|(_, want)| *want)
    }

    fn index(&mut self) {
        let count = (self.names.len() * 2).next_power_of_two();
        self.buckets = vec![Vec::new(); count];
        for (place, (name, _)) in self.names.iter().enumerate() {
            if let Some(bucket) = self.buckets.get_mut(hash(name) & (count - 1)) {
                bucket.push(place);
            }
        }
    }
}

/// Tells the names of one object apart well enough: by its length and some of its bytes.
fn hash(name: &str) -> usize {
    let bytes = name.as_bytes();
    let byte = |at: usize| bytes.get(at).map_or(0, |byte| usize::from(*byte));
    let last = byte(bytes.len().wrapping_sub(1));
    let middle = byte(bytes.len() / 2);
    bytes.len().wrapping_mul(31) ^ byte(0).wrapping_mul(7) ^ last.wrapping_mul(13) ^ middle
}

#[cfg(test)]
mod tests {
    use crate::convert::slots::Wants;
    use crate::native::scan::{Raw, Scanner};

    fn check(paths: &[&[&str]], text: &str, expected: Option<&[Option<&str>]>) {
        let mut wants = Wants::default();
        for (number, path) in paths.iter().enumerate() {
            assert_eq!(wants.ask(path), number);
        }
        let mut found = vec![Some(Raw::NULL); wants.len()];
        let is_read = wants.find(&mut Scanner::new(text), &mut found).is_some();
        let texts: Vec<Option<&str>> = found.iter().map(|it| it.map(|raw| raw.text)).collect();
        assert_eq!(is_read.then_some(texts.as_slice()), expected, "{text}");
    }

    #[test]
    fn members_are_found_by_their_names() {
        let paths: &[&[&str]] = &[&["a"], &["b", "c"], &["b", "d", "e"], &["b"]];
        check(paths, r#"{"x":[{"a":1}],"a":"1"}"#, Some(&[Some("\"1\""), None, None, None]));
        let whole = r#"{"c":1, "d":{"e":null},"y":2}"#;
        let text = format!(r#"{{"b":{whole}}}"#);
        check(paths, &text, Some(&[None, Some("1"), Some("null"), Some(whole)]));
        check(&[&["b", "c"]], r#"{"b":[{"c":1}]}"#, Some(&[None]));
        check(&[&["b", "c"]], r#"{"\u0062":{"c":1}}"#, Some(&[Some("1")]));
        check(paths, "[]", None);
        check(paths, r#"{"a":1,}"#, None);
    }

    #[test]
    fn of_two_members_of_one_name_the_last_counts() {
        check(&[&["a"]], r#"{"a":1,"a":2}"#, Some(&[Some("2")]));
        check(
            &[&["a", "b"], &["a", "c"]],
            r#"{"a":{"b":1,"c":1},"a":{"c":2}}"#,
            Some(&[None, Some("2")]),
        );
        check(&[&["a", "b"]], r#"{"a":{"b":1},"a":null}"#, Some(&[None]));
    }

    #[test]
    fn a_path_that_is_asked_for_twice_has_one_slot() {
        let mut wants = Wants::default();
        assert_eq!((wants.ask(&["a"]), wants.ask(&["b"]), wants.ask(&["a"])), (0, 1, 0));
        assert_eq!(wants.len(), 2);
    }
}
