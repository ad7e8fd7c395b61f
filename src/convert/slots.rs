//! The members of a record that somebody asks for, found in its text in one go.
//!
//! [`Wants`] is made once out of the paths of a mapping; [`Wants::read`] goes through a record and
//! notes where each of them stands. What stands twice counts the last time, as for the parser.

use std::borrow::Cow;

use crate::native::scan::{Kind, Raw, Scanner, Span};

/// The members that are asked for, as a tree of names.
#[derive(Debug, Default)]
pub struct Wants {
    nodes: Vec<Node>,
    slots: usize,
}

/// Members of one object: a table with free places, as long as a power of two, in which each name
/// stands at its [`hash`] or at the next place that was free.
#[derive(Debug, Default)]
struct Node {
    table: Vec<Option<(String, Want)>>,
    count: usize,
}

/// What is asked of a value.
#[derive(Debug, Clone, Copy, Default)]
struct Want {
    /// Where it is noted.
    slot: Option<usize>,
    /// Its own members.
    node: Option<usize>,
}

/// What was found of a record.
#[derive(Debug, Clone)]
pub struct Found<'t> {
    text: &'t str,
    spans: Cow<'t, [Option<Span>]>,
}

impl<'t> Found<'t> {
    /// What was found in a record's text before.
    pub fn again(text: &'t str, spans: &'t [Option<Span>]) -> Self {
        Self { text, spans: Cow::Borrowed(spans) }
    }

    /// The record's text.
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// Where each value stands in it.
    pub fn into_spans(self) -> Vec<Option<Span>> {
        self.spans.into_owned()
    }

    /// The value of a slot.
    pub fn get(&self, slot: usize) -> Option<Raw<'t>> {
        self.spans.get(slot).copied().flatten().map(|span| span.of(self.text))
    }
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
            let Some(want) = self.nodes.get_mut(at).and_then(|node| node.ask(name)) else { break };
            if is_last {
                slot = *want.slot.get_or_insert(free);
                continue;
            }
            at = *want.node.get_or_insert(fresh);
            if at == fresh {
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

    /// Reads the object that comes next; `None` when it is none, or when the parser should be
    /// asked.
    pub fn read<'t>(&self, scanner: &mut Scanner<'t>) -> Option<Found<'t>> {
        let mut spans = vec![None; self.slots];
        let (text, span) = scanner.apart(|scanner| self.find(scanner, &mut spans))?;
        (span.kind() == Kind::Object).then_some(Found { text, spans: spans.into() })
    }

    /// Reads the value that comes next, and notes where its members stand in the scanner's text,
    /// if it is an object; `None` when the parser should be asked.
    pub fn find(&self, scanner: &mut Scanner<'_>, spans: &mut [Option<Span>]) -> Option<Span> {
        spans.fill(None);
        match self.nodes.first() {
            Some(node) if scanner.is_object() => self.members(node, scanner, spans),
            Some(_) | None => scanner.pass(),
        }
    }

    fn members(
        &self,
        node: &Node,
        scanner: &mut Scanner<'_>,
        spans: &mut [Option<Span>],
    ) -> Option<Span> {
        scanner.object(|scanner, name| {
            let want = node.want(name, scanner.text());
            let value = match want.node.and_then(|inner| self.nodes.get(inner)) {
                None => scanner.pass()?,
                Some(inner) => {
                    self.forget(inner, spans);
                    if scanner.is_object() {
                        self.members(inner, scanner, spans)?
                    } else {
                        scanner.pass()?
                    }
                }
            };
            if let Some(place) = want.slot.and_then(|slot| spans.get_mut(slot)) {
                *place = Some(value);
            }
            Some(())
        })
    }

    /// A second member of the same name takes the place of the first with all that was in it.
    fn forget(&self, node: &Node, spans: &mut [Option<Span>]) {
        for (_, want) in node.table.iter().flatten() {
            if let Some(place) = want.slot.and_then(|slot| spans.get_mut(slot)) {
                *place = None;
            }
            if let Some(inner) = want.node.and_then(|inner| self.nodes.get(inner)) {
                self.forget(inner, spans);
            }
        }
    }
}

impl Node {
    /// What is asked of the member of a name in a text.
    fn want(&self, name: Span, text: &str) -> Want {
        let found = match name.plain(text) {
            Some(plain) => self.table.get(self.place(plain)),
            None => {
                let name = name.of(text).value();
                let name = name.as_ref().and_then(|name| name.as_str());
                name.and_then(|name| self.table.get(self.place(name.as_bytes())))
            }
        };
        found.and_then(Option::as_ref).map(|(_, want)| *want).unwrap_or_default()
    }

    /// Where a name stands in the table, or would.
    fn place(&self, name: &[u8]) -> usize {
        let last = self.table.len().wrapping_sub(1);
        let mut at = hash(name) & last;
        while let Some(Some((other, _))) = self.table.get(at)
            && other.as_bytes() != name
        {
            at = (at + 1) & last;
        }
        at
    }

    fn ask(&mut self, name: &str) -> Option<&mut Want> {
        // Three places of four stay free, so that most names are found where they are looked for.
        if self.count * 4 >= self.table.len() {
            let names = std::mem::take(&mut self.table);
            self.table.resize((self.count + 1).next_power_of_two() * 4, None);
            for entry in names.into_iter().flatten() {
                let at = self.place(entry.0.as_bytes());
                *self.table.get_mut(at)? = Some(entry);
            }
        }
        let at = self.place(name.as_bytes());
        let place = self.table.get_mut(at)?;
        self.count += usize::from(place.is_none());
        Some(&mut place.get_or_insert_with(|| (name.to_owned(), Want::default())).1)
    }
}

/// Tells the names of one object apart well enough: by its length and some of its bytes.
fn hash(name: &[u8]) -> usize {
    let byte = |at: usize| name.get(at).map_or(0, |byte| usize::from(*byte));
    let last = byte(name.len().wrapping_sub(1));
    let middle = byte(name.len() / 2);
    name.len().wrapping_mul(31) ^ byte(0).wrapping_mul(7) ^ last.wrapping_mul(13) ^ middle
}

#[cfg(test)]
mod tests {
    use crate::convert::slots::Wants;
    use crate::native::scan::Scanner;

    fn check(paths: &[&[&str]], text: &str, expected: Option<&[Option<&str>]>) {
        let mut wants = Wants::default();
        for (number, path) in paths.iter().enumerate() {
            assert_eq!(wants.ask(path), number);
        }
        let found = wants.read(&mut Scanner::new(text));
        let texts: Option<Vec<Option<&str>>> = found
            .map(|found| (0..wants.len()).map(|slot| found.get(slot).map(|it| it.text)).collect());
        assert_eq!(texts.as_deref(), expected, "{text}");
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
        check(paths, " {\"a\" : 1 } ", Some(&[Some("1"), None, None, None]));
        check(&[&["b"], &["b", "c"]], r#"{"b":{"c":1},"b":2}"#, Some(&[Some("2"), None]));
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

    #[test]
    fn many_names_are_told_apart() {
        let names: Vec<String> = (0..500).map(|number| format!("n{number:03}x")).collect();
        let paths: Vec<[&str; 1]> = names.iter().map(|name| [name.as_str()]).collect();
        let paths: Vec<&[&str]> = paths.iter().map(<[&str; 1]>::as_slice).collect();
        let members: Vec<String> =
            names.iter().map(|name| format!("\"{name}\":\"{name}\"")).collect();
        let values: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let expected: Vec<Option<&str>> = values.iter().map(|it| Some(it.as_str())).collect();
        check(&paths, &format!("{{{},\"n\":1}}", members.join(",")), Some(&expected));
    }
}
