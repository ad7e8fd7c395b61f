//! The members of a record that somebody asks for, found in its text in one go.
//!
//! [`Wants`] is made once out of the paths of a mapping; [`Wants::read`] goes through a record and
//! notes where each of them stands. What stands twice counts the last time, as for the parser.

use std::borrow::Cow;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use crate::native::listed::Places;
use crate::native::scan::{Scanner, Spelling};
use crate::native::span::{Raw, Span};

/// The members that are asked for, as a tree of names.
#[derive(Debug, Default)]
pub struct Wants {
    nodes: Vec<Node>,
    slots: usize,
    /// What is asked of the elements of lists.
    lists: Vec<Self>,
}

/// Members of one object: a table with free places, as long as a power of two, in which each name
/// stands at its [`hash`] or at the next place that was free.
#[derive(Debug, Default)]
struct Node {
    table: Vec<Option<Member>>,
    count: usize,
    /// Which comes first.
    first: Guess,
}

/// A member of that name.
#[derive(Debug)]
struct Member {
    name: String,
    spelling: Spelling,
    want: Want,
    /// Which comes next.
    next: Guess,
}

/// Where in its table the member stands that came next in the last record. Most records have their
/// members in the same order, so that names are compared and not looked up. All readers share the
/// guess; a wrong one costs them no more than a comparison.
#[derive(Debug, Default)]
struct Guess(AtomicUsize);

/// What is asked of a value.
#[derive(Debug, Clone, Copy, Default)]
struct Want {
    /// Where it is noted.
    slot: Option<usize>,
    /// Its own members.
    node: Option<usize>,
    /// Its elements: a list.
    list: Option<usize>,
}

/// What was found of a record.
#[derive(Debug, Clone)]
pub struct Found<'t> {
    text: &'t str,
    places: Cow<'t, Places>,
}

impl<'t> Found<'t> {
    /// What was found in a record's text before.
    pub fn again(text: &'t str, places: &'t Places) -> Self {
        Self { text, places: Cow::Borrowed(places) }
    }

    /// The record's text.
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// Where the values stand in it.
    pub fn into_places(self) -> Places {
        self.places.into_owned()
    }

    /// The value of a slot.
    pub fn get(&self, slot: usize) -> Option<Raw<'t>> {
        self.places.spans.get(slot).copied().flatten().map(|span| span.of(self.text))
    }

    /// The elements of a list, as many as its array has.
    pub fn elements(&self, list: usize) -> impl Iterator<Item = Element<'t, '_>> {
        let (range, width) = self.places.lists.get(list).cloned().unwrap_or_default();
        let spans = self.places.spans.get(range).unwrap_or_default();
        spans.chunks(width.max(1)).map(|spans| Element { text: self.text, spans })
    }
}

/// What was found of an element.
#[derive(Debug, Clone, Copy)]
pub struct Element<'t, 'f> {
    text: &'t str,
    /// Of itself, then of its slots.
    spans: &'f [Option<Span>],
}

impl<'t> Element<'t, '_> {
    /// The value of a slot; the element itself without one.
    pub fn get(&self, slot: Option<usize>) -> Option<Raw<'t>> {
        let place = slot.map_or(0, |slot| slot + 1);
        self.spans.get(place).copied().flatten().map(|span| span.of(self.text))
    }
}

impl Wants {
    /// Asks for the value at a path of names; gives the slot in which it will be.
    pub fn ask(&mut self, path: &[&str]) -> usize {
        self.want(path).0
    }

    /// Asks for the elements of the array at a path of names, too; gives the slot of the array,
    /// the number of the list, and what is asked of its elements.
    pub fn ask_each(&mut self, path: &[&str]) -> Option<(usize, usize, &mut Self)> {
        let fresh = self.lists.len();
        let (slot, want) = self.want(path);
        let list = want.map_or(fresh, |want| *want.list.get_or_insert(fresh));
        self.lists.resize_with(fresh.max(list + 1), Self::default);
        Some((slot, list, self.lists.get_mut(list)?))
    }

    fn want(&mut self, path: &[&str]) -> (usize, Option<&mut Want>) {
        if self.nodes.is_empty() {
            self.nodes.push(Node::default());
        }
        let free = self.slots;
        let Some((last, before)) = path.split_last() else { return (free, None) };
        let mut at = 0;
        for name in before {
            let fresh = self.nodes.len();
            let Some(want) = self.nodes.get_mut(at).and_then(|node| node.ask(name)) else {
                return (free, None);
            };
            at = *want.node.get_or_insert(fresh);
            if at == fresh {
                self.nodes.push(Node::default());
            }
        }
        let mut want = self.nodes.get_mut(at).and_then(|node| node.ask(last));
        let slot = want.as_mut().map_or(free, |want| *want.slot.get_or_insert(free));
        self.slots = self.slots.max(slot + 1);
        (slot, want)
    }

    /// Reads the object that comes next; `None` when it is none, or when the parser should be
    /// asked.
    pub fn read<'t>(&self, scanner: &mut Scanner<'t>) -> Option<Found<'t>> {
        let mut places = Places {
            spans: Vec::with_capacity(self.slots + self.lists.len() * 8),
            lists: vec![(0..0, 0); self.lists.len()],
        };
        places.spans.resize(self.slots, None);
        let node = self.nodes.first()?;
        let (text, _) = scanner.apart(|scanner| self.members(node, scanner, &mut places, 0))?;
        Some(Found { text, places: Cow::Owned(places) })
    }

    /// Reads an object; its slots begin at `first`.
    fn members(
        &self,
        node: &Node,
        scanner: &mut Scanner<'_>,
        places: &mut Places,
        first: usize,
    ) -> Option<Span> {
        let mut guess = &node.first;
        scanner.members(|scanner| {
            let want = node.next(scanner, &mut guess)?;
            let inner = want.node.and_then(|inner| self.nodes.get(inner));
            if let Some(inner) = inner {
                self.forget(inner, places, first);
            }
            let value = match (inner, want.list) {
                (Some(inner), _) if scanner.is_object() => {
                    self.members(inner, scanner, places, first)?
                }
                (_, Some(list)) if scanner.is_array() => self.elements(list, scanner, places)?,
                _ => scanner.pass()?,
            };
            if let Some(slot) = want.slot {
                *places.spans.get_mut(first + slot)? = Some(value);
            }
            Some(())
        })
    }

    /// Reads the elements of a list.
    fn elements(
        &self,
        list: usize,
        scanner: &mut Scanner<'_>,
        places: &mut Places,
    ) -> Option<Span> {
        let wants = self.lists.get(list)?;
        let width = wants.slots + 1;
        let begin = places.spans.len();
        let array = scanner.array(|scanner| {
            let first = places.spans.len();
            places.spans.resize(first + width, None);
            let element = match wants.nodes.first() {
                Some(node) if scanner.is_object() => {
                    wants.members(node, scanner, places, first + 1)?
                }
                Some(_) | None => scanner.pass()?,
            };
            *places.spans.get_mut(first)? = Some(element);
            Some(())
        })?;
        *places.lists.get_mut(list)? = (begin..places.spans.len(), width);
        Some(array)
    }

    /// A second member of the same name takes the place of the first with all that was in it.
    fn forget(&self, node: &Node, places: &mut Places, first: usize) {
        for Member { want, .. } in node.table.iter().flatten() {
            if let Some(place) = want.slot.and_then(|slot| places.spans.get_mut(first + slot)) {
                *place = None;
            }
            if let Some(inner) = want.node.and_then(|inner| self.nodes.get(inner)) {
                self.forget(inner, places, first);
            }
        }
    }
}

impl Node {
    /// Reads the name of the member that comes next: what is asked of it.
    #[inline]
    fn next<'n>(&'n self, scanner: &mut Scanner<'_>, guess: &mut &'n Guess) -> Option<&'n Want> {
        let Guess(place) = guess;
        let guessed = self.table.get(place.load(Relaxed)).and_then(Option::as_ref);
        if let Some(member) = guessed.filter(|it| scanner.is_named(&it.spelling)) {
            *guess = &member.next;
            return Some(&member.want);
        }
        self.look_up(scanner, guess)
    }

    /// The same where the guess is wrong.
    #[inline(never)]
    fn look_up<'n>(&'n self, scanner: &mut Scanner<'_>, guess: &mut &'n Guess) -> Option<&'n Want> {
        let name = scanner.name()?;
        let at = match name.plain(scanner.text()) {
            Some(plain) => self.place(plain),
            None => self.place(name.of(scanner.text()).value()?.as_str()?.as_bytes()),
        };
        let Some(Some(member)) = self.table.get(at) else { return Some(&Want::NOTHING) };
        guess.0.store(at, Relaxed);
        *guess = &member.next;
        Some(&member.want)
    }

    /// Where a name stands in the table, or would.
    fn place(&self, name: &[u8]) -> usize {
        let last = self.table.len().wrapping_sub(1);
        let mut at = hash(name) & last;
        while let Some(Some(other)) = self.table.get(at)
            && other.name.as_bytes() != name
        {
            at = (at + 1) & last;
        }
        at
    }

    fn ask(&mut self, name: &str) -> Option<&mut Want> {
        // Three places of four stay free, so that most names are found where they are looked for.
        if self.count * 4 >= self.table.len() {
            let members = std::mem::take(&mut self.table);
            self.table.resize_with((self.count + 1).next_power_of_two() * 4, || None);
            for member in members.into_iter().flatten() {
                let at = self.place(member.name.as_bytes());
                *self.table.get_mut(at)? = Some(member);
            }
        }
        let at = self.place(name.as_bytes());
        let place = self.table.get_mut(at)?;
        self.count += usize::from(place.is_none());
        Some(&mut place.get_or_insert_with(|| Member::of(name)).want)
    }
}

impl Want {
    const NOTHING: Self = Self { slot: None, node: None, list: None };
}

impl Member {
    fn of(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            spelling: Spelling::of(name),
            want: Want::default(),
            next: Guess::default(),
        }
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
    use crate::native::span::Kind;

    fn check(paths: &[&[&str]], text: &str, expected: Option<&[Option<&str>]>) {
        let mut wants = Wants::default();
        for (number, path) in paths.iter().enumerate() {
            assert_eq!(wants.ask(path), number);
        }
        let found = wants.read(&mut Scanner::new(text));
        let texts: Option<Vec<Option<&str>>> = found
            .map(|found| (0..wants.slots).map(|slot| found.get(slot).map(|it| it.text)).collect());
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
        assert_eq!(wants.slots, 2);
    }

    #[test]
    fn elements_are_found_with_their_members() {
        let mut wants = Wants::default();
        let (slot, list, each) = wants.ask_each(&["a", "b"]).unwrap();
        assert_eq!((each.ask(&["c"]), each.ask(&["d", "e"])), (0, 1));
        assert_eq!(wants.ask_each(&["a", "b"]).unwrap().1, list);
        let check = |text: &str, expected: &[[Option<&str>; 3]]| {
            let found = wants.read(&mut Scanner::new(text)).unwrap();
            let is_array = found.get(slot).is_some_and(|raw| raw.kind == Kind::Array);
            let elements = found.elements(list).filter(|_| is_array);
            let texts: Vec<[Option<&str>; 3]> = elements
                .map(|it| [None, Some(0), Some(1)].map(|slot| it.get(slot).map(|raw| raw.text)))
                .collect();
            assert_eq!(texts, expected, "{text}");
        };
        check(r#"{"a":{"b":[]}}"#, &[]);
        check(r#"{"a":{"b":{"c":1}}}"#, &[]);
        let whole = r#"{"c":1,"d":{"e":[2]},"f":3}"#;
        let text = format!(r#"{{"a":{{"b":[ {whole} ,7,{{}}]}},"z":[1]}}"#);
        let bare = [Some("7"), None, None];
        check(&text, &[[Some(whole), Some("1"), Some("[2]")], bare, [Some("{}"), None, None]]);
        check(r#"{"a":{"b":[{"c":1}],"b":[7]}}"#, &[bare]);
        check(r#"{"a":{"b":[7],"b":null}}"#, &[]);
        check(r#"{"a":{"b":[7]},"a":{}}"#, &[]);
        check(r#"{"a":{"b":[{"c":1}]},"a":{"b":[7]}}"#, &[bare]);
        assert!(wants.read(&mut Scanner::new(r#"{"a":{"b":[7,]}}"#)).is_none());
    }

    #[test]
    fn what_came_before_does_not_matter() {
        let mut wants = Wants::default();
        let paths: &[&[&str]] =
            &[&["a"], &["a name of more bytes than are compared at once"], &["é\"\\"], &["b", "c"]];
        for path in paths {
            wants.ask(path);
        }
        let long = r#""a name of more bytes than are compared at once":2"#;
        let same = r#""a name of more bytes than are compared in one go":7"#;
        let odd = r#""é\"\\":3"#;
        let inner = r#""b":{"x":9,"c":4}"#;
        let parts = ["\"a\":1", long, odd, inner, same, "\"aa\":5", "\"\\u0061\":6"];
        for first in 0..parts.len() {
            for step in 1..parts.len() {
                let order = (0..parts.len()).map(|number| (first + number * step) % parts.len());
                let members: Vec<&str> = order.map(|number| parts[number]).collect();
                for comma in [",", " , "] {
                    let text = format!("{{{}}}{:20}", members.join(comma), "");
                    let found = wants.read(&mut Scanner::new(&text)).unwrap();
                    let texts: Vec<_> =
                        (0..4).map(|slot| found.get(slot).map(|it| it.text)).collect();
                    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
                    let expected = paths.iter().map(|path| {
                        let value = path.iter().try_fold(&value, |value, name| value.get(name));
                        value.map(ToString::to_string)
                    });
                    let texts: Vec<_> = texts.into_iter().map(|it| it.map(str::to_owned)).collect();
                    assert_eq!(texts, expected.collect::<Vec<_>>(), "{text}");
                }
            }
        }
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
