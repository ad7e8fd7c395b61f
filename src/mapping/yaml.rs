//! YAML as nodes that know their place.
//!
//! The strict profile of the mapping language: only `true` and `false` are booleans, duplicate
//! keys are errors, tags, merge keys and several documents are refused, aliases are copied within
//! a budget. Numbers follow the core schema of YAML 1.2. Comments are dropped.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span};
use serde_json::{Map, Number, Value};

use crate::mapping::diagnostic::{
    Diagnostic, Diagnostics, Position, duplicate_key, misleading_scalar, not_yaml, unquoted_brace,
};

/// Longest text of a mapping file, in bytes.
const MAX_BYTES: usize = 1024 * 1024;
/// Most nodes of a file, the copies made by aliases included.
const MAX_NODES: usize = 100_000;
/// Deepest nesting.
const MAX_DEPTH: usize = 64;

/// A value of a mapping file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// The value.
    pub(crate) value: NodeValue,
    /// Where its faults are told: at the key it stands under, else at its own beginning.
    pub(crate) at: Position,
}

/// The kinds of values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum NodeValue {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// Any other text.
    String(String),
    /// A sequence.
    Seq(Vec<Node>),
    /// A mapping, in file order.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping; what is not text (`true:`, `404:`) has become its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// Its text.
    pub(crate) name: String,
    /// Where it begins.
    pub(crate) at: Position,
    /// Whether it stands in quotes, and so is text whatever it looks like.
    pub(crate) quoted: bool,
}

impl Key {
    /// The key as one of native values: text as it is, unless it looks like something else. What
    /// stands in quotes and looks like a number, `true`, `false`, `null` or JSON text is JSON text.
    pub(crate) fn as_native(&self) -> String {
        let is_text = matches!(plain(&self.name), NodeValue::String(_));
        if self.quoted && (!is_text || self.name.starts_with('"')) {
            return Value::from(self.name.as_str()).to_string();
        }
        self.name.clone()
    }
}

impl Node {
    /// The value without its places.
    pub(crate) fn to_json(&self) -> Value {
        match &self.value {
            NodeValue::Null => Value::Null,
            NodeValue::Bool(value) => Value::Bool(*value),
            NodeValue::Number(value) => Value::Number(value.clone()),
            NodeValue::String(value) => Value::String(value.clone()),
            NodeValue::Seq(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            NodeValue::Map(members) => {
                let member = |(key, node): &(Key, Self)| (key.name.clone(), node.to_json());
                Value::Object(members.iter().map(member).collect::<Map<_, _>>())
            }
        }
    }

    fn size(&self) -> usize {
        1 + match &self.value {
            NodeValue::Seq(items) => items.iter().map(Self::size).sum(),
            NodeValue::Map(members) => members.iter().map(|(_, node)| node.size()).sum(),
            NodeValue::Null | NodeValue::Bool(_) | NodeValue::Number(_) | NodeValue::String(_) => 0,
        }
    }

    fn depth(&self) -> usize {
        1 + match &self.value {
            NodeValue::Seq(items) => items.iter().map(Self::depth).max().unwrap_or(0),
            NodeValue::Map(members) => {
                members.iter().map(|(_, node)| node.depth()).max().unwrap_or(0)
            }
            NodeValue::Null | NodeValue::Bool(_) | NodeValue::Number(_) | NodeValue::String(_) => 0,
        }
    }
}

/// Reads the one document of a file. `None` means that it is no YAML at all; the reason and every
/// duplicate key are among the diagnostics.
pub(crate) fn read(text: &str, faults: &mut Diagnostics) -> Option<Node> {
    if text.len() > MAX_BYTES {
        let message = format!("a mapping file has at most {MAX_BYTES} bytes");
        faults.push(not_yaml(Position { line: 1, column: 1 }, &message));
        return None;
    }
    let mut builder = Builder {
        text,
        parser: Parser::new_from_str(text),
        anchors: BTreeMap::new(),
        nodes: 0,
        faults,
    };
    match builder.document() {
        Ok(node) => Some(node),
        Err(fault) => {
            faults.push(fault);
            None
        }
    }
}

type Events<'t> = Parser<'t, granit_parser::StrInput<'t>>;

struct Builder<'t, 'f> {
    text: &'t str,
    parser: Events<'t>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    faults: &'f mut Diagnostics,
}

impl<'t> Builder<'t, '_> {
    fn document(&mut self) -> Result<Node, Diagnostic> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(..) => {}
                Event::StreamEnd => {
                    return Err(not_yaml(position(span.start), "the file is empty"));
                }
                node => {
                    let node = self.node(node, span, 0)?;
                    self.end()?;
                    return Ok(node);
                }
            }
        }
    }

    fn end(&mut self) -> Result<(), Diagnostic> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(()),
                Event::DocumentStart(..) => {
                    return Err(not_yaml(position(span.start), "a file holds one document"));
                }
                _ => {}
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Diagnostic> {
        match self.parser.next() {
            Some(Ok(found)) => Ok(found),
            Some(Err(error)) => Err(self.syntax(&error)),
            None => Err(not_yaml(Position { line: 1, column: 1 }, "the file ends too early")),
        }
    }

    fn syntax(&self, error: &ScanError) -> Diagnostic {
        let at = position(*error.marker());
        let fault = not_yaml(at, &error.info());
        // The daily trap: flow syntax begins where a template or an index was meant.
        let line = self.text.lines().nth(at.line.saturating_sub(1)).unwrap_or_default();
        if line.contains(['{', '[']) {
            return fault.with_help("inside { } or [ ], quote a value that contains , [ ] { or }");
        }
        fault
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, Diagnostic> {
        let at = position(span.start);
        if depth >= MAX_DEPTH {
            return Err(not_yaml(at, &format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.spend(1, at)?;
        match event {
            Event::Alias(id) => self.alias(id, at, depth),
            Event::Scalar(text, style, anchor, tag) => {
                refuse_tag(tag.as_ref(), at)?;
                let value = self.scalar(&text, style, at);
                Ok(self.keep(anchor, Node { value, at }))
            }
            Event::SequenceStart(_, anchor, tag) => {
                refuse_tag(tag.as_ref(), at)?;
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => {
                            let node = self.node(event, span, depth + 1)?;
                            self.note_unquoted(&node, position(span.start));
                            items.push(node);
                        }
                    }
                }
                Ok(self.keep(anchor, Node { value: NodeValue::Seq(items), at }))
            }
            Event::MappingStart(_, anchor, tag) => {
                refuse_tag(tag.as_ref(), at)?;
                let members = self.members(depth)?;
                Ok(self.keep(anchor, Node { value: NodeValue::Map(members), at }))
            }
            _ => Err(not_yaml(at, "unexpected content")),
        }
    }

    fn members(&mut self, depth: usize) -> Result<Vec<(Key, Node)>, Diagnostic> {
        let mut members = Vec::new();
        let mut names = BTreeSet::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(members);
            }
            let key = key(&event, span)?;
            let (event, span) = self.next()?;
            let mut node = self.node(event, span, depth + 1)?;
            node.at = key.at;
            self.note_unquoted(&node, position(span.start));
            if names.insert(key.name.clone()) {
                members.push((key, node));
            } else {
                self.faults.push(duplicate_key(key.at, &key.name));
            }
        }
    }

    /// Notes a template that was meant as text: `{id}`, which YAML reads as `{"id": null}`.
    /// Whoever means the null writes a colon.
    fn note_unquoted(&mut self, node: &Node, start: Position) {
        let NodeValue::Map(members) = &node.value else { return };
        if members.is_empty() || members.iter().any(|(_, node)| node.value != NodeValue::Null) {
            return;
        }
        let line = self.text.lines().nth(start.line.saturating_sub(1)).unwrap_or_default();
        let rest: String = line.chars().skip(start.column.saturating_sub(1)).collect();
        if let Some((inside, _)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'))
            && !inside.contains(':')
        {
            self.faults.push(unquoted_brace(node.at, &format!("{{{}}}", inside.trim())));
        }
    }

    fn alias(&mut self, id: usize, at: Position, depth: usize) -> Result<Node, Diagnostic> {
        let Some(node) = self.anchors.get(&id) else {
            return Err(not_yaml(at, "an alias stands inside what it stands for"));
        };
        let node = Node { at, ..node.clone() };
        if depth + node.depth() > MAX_DEPTH {
            return Err(not_yaml(at, &format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.spend(node.size(), at)?;
        Ok(node)
    }

    fn spend(&mut self, nodes: usize, at: Position) -> Result<(), Diagnostic> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err(not_yaml(at, &format!("more than {MAX_NODES} values, aliases included")));
        }
        Ok(())
    }

    fn keep(&mut self, anchor: usize, node: Node) -> Node {
        // The parser counts anchors from 1; 0 means that there is none.
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        node
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, at: Position) -> NodeValue {
        if style != ScalarStyle::Plain {
            return NodeValue::String(text.to_owned());
        }
        let value = plain(text);
        if let Some(read_as) = misleading(text, &value) {
            self.faults.push(misleading_scalar(at, text, &read_as));
        }
        value
    }
}

fn key(event: &Event<'_>, span: Span) -> Result<Key, Diagnostic> {
    let at = position(span.start);
    let Event::Scalar(text, style, _, tag) = event else {
        return Err(not_yaml(at, "a key is a single word or text"));
    };
    refuse_tag(tag.as_ref(), at)?;
    if *style == ScalarStyle::Plain && text == "<<" {
        return Err(not_yaml(at, "merge keys (<<) are not part of this language"));
    }
    Ok(Key { name: text.clone().into_owned(), at, quoted: *style != ScalarStyle::Plain })
}

fn refuse_tag(tag: Option<&Cow<'_, granit_parser::Tag>>, at: Position) -> Result<(), Diagnostic> {
    match tag {
        None => Ok(()),
        Some(_) => Err(not_yaml(at, "tags (!) are not part of this language")
            .with_help("quote a value that begins with \"!\"")),
    }
}

fn position(marker: Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

fn plain(text: &str) -> NodeValue {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return NodeValue::Null,
        "true" => return NodeValue::Bool(true),
        "false" => return NodeValue::Bool(false),
        _ => {}
    }
    number(text).map_or_else(|| NodeValue::String(text.to_owned()), NodeValue::Number)
}

/// A number of the core schema. `.inf` and `.nan` stay text, for JSON has no such numbers.
fn number(text: &str) -> Option<Number> {
    let based = text.strip_prefix("0x").map(|digits| (digits, 16));
    let based = based.or_else(|| text.strip_prefix("0o").map(|digits| (digits, 8)));
    if let Some((digits, base)) = based {
        let fits = digits.chars().all(|digit| digit.is_digit(base));
        return fits.then(|| u64::from_str_radix(digits, base).ok()).flatten().map(Number::from);
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.is_empty() && digits.chars().all(|digit| digit.is_ascii_digit()) {
        let whole = if negative {
            text.parse::<i64>().ok().map(Number::from)
        } else {
            digits.parse::<u64>().ok().map(Number::from)
        };
        return whole.or_else(|| text.parse().ok().and_then(Number::from_f64));
    }
    is_float(digits).then(|| text.parse().ok()).flatten().and_then(Number::from_f64)
}

/// `(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let all_digits = |text: &str| text.chars().all(|digit| digit.is_ascii_digit());
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    exponent_fits
        && all_digits(whole)
        && all_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
}

/// What a plain scalar reads as, when that surprises: `0777` is decimal, `1_000` is text, `12e4`
/// is a number although it may be part of a hexadecimal key.
fn misleading(text: &str, value: &NodeValue) -> Option<String> {
    match value {
        NodeValue::Number(number) => {
            let octal = text.len() > 1
                && text.starts_with('0')
                && text.chars().all(|digit| digit.is_ascii_digit());
            let exponent = !text.starts_with("0x") && text.contains(['e', 'E']);
            (octal || exponent).then(|| format!("the number {number}"))
        }
        NodeValue::String(text) => {
            let grouped = text.contains('_')
                && text.starts_with(|first: char| first.is_ascii_digit())
                && text.chars().all(|digit| digit.is_ascii_digit() || digit == '_');
            grouped.then(|| "text".to_owned())
        }
        NodeValue::Null | NodeValue::Bool(_) | NodeValue::Seq(_) | NodeValue::Map(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::mapping::diagnostic::Diagnostics;
    use crate::mapping::yaml::{NodeValue, read};

    fn faults(text: &str) -> Vec<String> {
        let mut faults = Diagnostics::default();
        read(text, &mut faults);
        faults
            .into_sorted()
            .iter()
            .map(|fault| format!("{}:{} {}", fault.line, fault.column, fault.code))
            .collect()
    }

    fn value(text: &str) -> Value {
        let mut faults = Diagnostics::default();
        read(text, &mut faults).expect("it is YAML").to_json()
    }

    #[test]
    fn scalars_follow_the_strict_profile() {
        for (text, expected) in [
            ("[true, false, yes, no, on, True]", json!([true, false, "yes", "no", "on", "True"])),
            ("[null, ~, Null]", json!([null, null, null])),
            ("[1, -2, +3, 0x1F, 0o17]", json!([1, -2, 3, 31, 15])),
            ("[1.5, .5, 1., .inf, 1.2.3]", json!([1.5, 0.5, 1.0, ".inf", "1.2.3"])),
            ("[6f1c, 77aa, 9fe1d3, '12']", json!(["6f1c", "77aa", "9fe1d3", "12"])),
            ("{ true: a, 404: b }", json!({ "true": "a", "404": "b" })),
            ("a: { b: }", json!({ "a": { "b": null } })),
            ("a: |\n  x\n  y\n", json!({ "a": "x\ny\n" })),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn a_null_that_is_meant_is_no_template() {
        for text in ["a: { id: }", "a: { id: null }", "a: {}", "a:\n  id:\n  b:", "a: '{id}'"] {
            assert_eq!(faults(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn what_the_profile_refuses_has_a_place() {
        for (text, expected) in [
            ("a: [1, 2\nb: 3", "E001"),
            ("a: 1\na: 2", "2:1 E003"),
            ("a: !x 1", "E001"),
            ("a: &x { b: 1 }\nc: { <<: *x }", "2:6 E001"),
            ("a: &x [*x]", "1:8 E001"),
            ("a: 1\n---\nb: 2", "2:1 E001"),
            ("", "E001"),
            ("get: {id}", "1:1 E001"),
            ("a: { b: { c } }", "1:6 E001"),
            ("a: [ {x} ]", "1:6 E001"),
            ("é: {config.url}", "1:1 E001"),
            ("a: [0777, 1_000, 12e4]", "1:5 W002 1:11 W002 1:18 W002"),
        ] {
            let found = faults(text).join(" ");
            assert!(found.ends_with(expected), "{text}: {found}");
        }
    }

    #[test]
    fn aliases_are_copies_with_a_budget() {
        assert_eq!(value("a: &x { b: 1 }\nc: *x"), json!({ "a": { "b": 1 }, "c": { "b": 1 } }));
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..8 {
            let before = level - 1;
            let copies = vec![format!("*a{before}"); 10].join(", ");
            let line = format!("a{level}: &a{level} [{copies}]\n");
            bomb.push_str(&line);
        }
        assert_eq!(faults(&bomb).len(), 1);
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert_eq!(faults(&deep), ["1:65 E001"]);
    }

    #[test]
    fn a_value_tells_its_faults_at_its_key() {
        let mut faults = Diagnostics::default();
        let root = read("a:\n  - x\n  - b: y\n", &mut faults).expect("it is YAML");
        let NodeValue::Map(members) = root.value else { panic!("a mapping") };
        let NodeValue::Seq(items) = &members[0].1.value else { panic!("a sequence") };
        assert_eq!((members[0].1.at.line, members[0].1.at.column), (1, 1));
        assert_eq!((items[0].at.line, items[0].at.column), (2, 5));
        assert_eq!((items[1].at.line, items[1].at.column), (3, 5));
    }
}
