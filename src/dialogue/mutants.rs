//! Small faults that a mapping file could have, one at a time: a row left out, a path that leads
//! elsewhere, another verb, another word. Faults are made in the tree that YAML gives, so each is
//! a file that somebody could have written.
//!
//! What cannot change an exchange is left alone: names for people, configuration, how the
//! application is reached, limits, what is said of the schema only, and the examples and tests
//! themselves.

use crate::mapping::diagnostic::Position;
use crate::mapping::yaml::{Key, Node, NodeValue};

/// Most faults of one file.
const MOST_MUTANTS: usize = 10_000;

/// Longest value that is shown.
const LONGEST_SHOWN: usize = 60;

/// One fault: where, what, and how it is told.
#[derive(Debug)]
pub(crate) struct Mutant {
    /// From the root, the index of each member or item.
    way: Vec<usize>,
    change: Change,
    /// Where it is told.
    pub(crate) at: Position,
    /// What was changed to what: "`query: name` can become `nameX`".
    pub(crate) told: String,
}

#[derive(Debug)]
enum Change {
    /// The member or item goes.
    LeaveOut,
    /// Its key becomes another.
    Rename(String),
    /// Its value becomes another.
    Replace(NodeValue),
}

/// What the keys of a map are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// Fields of the file itself.
    File,
    /// Names of resources.
    Resources,
    /// Fields of a resource.
    Resource,
    /// SCIM places or sub-attributes, each with a row.
    Rows,
    /// Filters.
    Filters,
    /// Fields of any other object.
    Fields,
    /// Names and values that are the application's own.
    Names,
}

/// Fields that cannot change an exchange, or whose change only the schema shows.
const SILENT: [&str; 20] = [
    "case_exact",
    "concurrency",
    "connect_timeout",
    "doc",
    "docs",
    "endpoint",
    "eventual",
    "examples",
    "idempotency",
    "lossy",
    "max",
    "multi",
    "returned",
    "scan_limit",
    "schema",
    "timeout",
    "title",
    "type",
    "unique",
    "unmapped",
];

/// Fields whose members are names of the application's own.
const NAMED: [&str; 8] = ["body", "by", "emit", "entries", "headers", "map", "query", "set"];

/// Fields whose words have no neighbours that load: changing their letters only breaks the file.
const NAMES_OF_THE_FILE: [&str; 4] = ["key", "only", "ref", "via"];

/// Fields that hold an expression.
const EXPRESSIONS: [&str; 7] =
    ["accept_when", "failed", "to_native", "to_scim", "until", "when", "where"];

/// Words that a field can have.
const WORDS: [(&str, &[&str]); 11] = [
    ("mode", &["both", "read", "write", "create"]),
    ("on_clear", &["null", "omit", "empty", "remove", "reject", "default"]),
    ("send", &["changed", "mapped", "full", "each"]),
    ("returns", &["record", "id", "none"]),
    ("match", &["lenient", "strict"]),
    ("fetch", &["always", "request"]),
    ("case", &["exact", "insensitive", "sensitive"]),
    ("encode", &["json", "form", "merge-patch", "json-patch"]),
    ("replace", &["strict", "soft"]),
    ("as", &["native", "issued"]),
    (
        "scim",
        &["uniqueness", "invalidValue", "mutability", "notFound", "forbidden", "unavailable", "ok"],
    ),
];

/// Verbs, and what each is mistaken for.
const VERBS: [(&str, &str); 5] =
    [("post", "put"), ("put", "patch"), ("patch", "put"), ("get", "post"), ("delete", "post")];

/// All faults of a file, in its order.
pub(crate) fn of(root: &Node) -> Vec<Mutant> {
    let mut found = Collector::default();
    found.map(root, Keys::File);
    found.mutants
}

impl Mutant {
    /// The file with this fault.
    pub(crate) fn apply(&self, root: &Node) -> Node {
        let mut changed = root.clone();
        self.change_in(&mut changed, &self.way);
        changed
    }

    fn change_in(&self, node: &mut Node, way: &[usize]) -> Option<()> {
        let (index, rest) = way.split_first()?;
        if !rest.is_empty() {
            let inner = match &mut node.value {
                NodeValue::Map(members) => members.get_mut(*index).map(|(_, node)| node),
                NodeValue::Seq(items) => items.get_mut(*index),
                NodeValue::Null
                | NodeValue::Bool(_)
                | NodeValue::Number(_)
                | NodeValue::String(_) => None,
            };
            return self.change_in(inner?, rest);
        }
        match (&mut node.value, &self.change) {
            (NodeValue::Map(members), Change::LeaveOut) if *index < members.len() => {
                members.remove(*index);
            }
            (NodeValue::Seq(items), Change::LeaveOut) if *index < items.len() => {
                items.remove(*index);
            }
            (NodeValue::Map(members), Change::Rename(name)) => {
                members.get_mut(*index)?.0.name.clone_from(name);
            }
            (NodeValue::Map(members), Change::Replace(value)) => {
                members.get_mut(*index)?.1.value = value.clone();
            }
            (NodeValue::Seq(items), Change::Replace(value)) => {
                items.get_mut(*index)?.value = value.clone();
            }
            _ => {}
        }
        Some(())
    }
}

#[derive(Default)]
struct Collector {
    way: Vec<usize>,
    mutants: Vec<Mutant>,
}

impl Collector {
    fn add(&mut self, at: Position, change: Change, told: String) {
        if self.mutants.len() < MOST_MUTANTS {
            self.mutants.push(Mutant { way: self.way.clone(), change, at, told });
        }
    }

    fn map(&mut self, node: &Node, keys: Keys) {
        let NodeValue::Map(members) = &node.value else { return };
        for (index, (key, value)) in members.iter().enumerate() {
            self.way.push(index);
            self.member(key, value, keys);
            self.way.pop();
        }
    }

    fn member(&mut self, key: &Key, value: &Node, keys: Keys) {
        let name = key.name.as_str();
        let pair = format!("`{name}: {}`", shown(value));
        match keys {
            Keys::File => match name {
                "resources" => self.map(value, Keys::Resources),
                "errors" => self.inside(name, value, Keys::Fields),
                _ => {}
            },
            Keys::Resources => self.map(value, Keys::Resource),
            Keys::Resource | Keys::Fields if is_silent(name, keys) => {}
            Keys::Resource | Keys::Fields | Keys::Rows | Keys::Filters => {
                self.add(key.at, Change::LeaveOut, format!("{pair} can be left out"));
                if keys == Keys::Fields && matches!(value.value, NodeValue::String(_)) {
                    self.verb(key, &pair);
                }
                self.inside(name, value, keys);
            }
            Keys::Names => {
                self.add(key.at, Change::LeaveOut, format!("{pair} can be left out"));
                let other = format!("{name}X");
                self.add(
                    key.at,
                    Change::Rename(other.clone()),
                    format!("the name in {pair} can become `{other}`"),
                );
                self.inside(name, value, keys);
            }
        }
    }

    fn verb(&mut self, key: &Key, pair: &str) {
        if let Some((_, other)) = VERBS.iter().find(|(verb, _)| *verb == key.name) {
            let told = format!("the verb in {pair} can become `{other}`");
            self.add(key.at, Change::Rename((*other).to_owned()), told);
        }
    }

    /// Changes of a value. `field` is the name that it stands under, `keys` what that name is.
    fn inside(&mut self, field: &str, value: &Node, keys: Keys) {
        let is_field = matches!(keys, Keys::Resource | Keys::Fields);
        match &value.value {
            NodeValue::Map(_) => {
                let inner = match (keys, field) {
                    (Keys::Names, _) => Keys::Names,
                    (Keys::Resource | Keys::Fields, "attributes" | "item" | "with" | "embed") => {
                        Keys::Rows
                    }
                    (Keys::Resource, "filters") => Keys::Filters,
                    (Keys::Resource | Keys::Fields, field) if NAMED.contains(&field) => Keys::Names,
                    _ => Keys::Fields,
                };
                self.map(value, inner);
            }
            NodeValue::Seq(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.way.push(index);
                    let told = format!("`{}` can be left out of \"{field}\"", shown(item));
                    self.add(item.at, Change::LeaveOut, told);
                    self.inside(field, item, keys);
                    self.way.pop();
                }
            }
            NodeValue::Bool(flag) => {
                self.replace(field, value, NodeValue::Bool(!flag));
            }
            NodeValue::Number(number) => {
                if let Some(number) = number.as_i64().and_then(|number| number.checked_add(1)) {
                    self.replace(field, value, NodeValue::Number(number.into()));
                }
            }
            NodeValue::String(_) if is_field && NAMES_OF_THE_FILE.contains(&field) => {}
            NodeValue::String(text) => {
                for other in texts(field, text, keys) {
                    self.replace(field, value, NodeValue::String(other));
                }
            }
            NodeValue::Null => {}
        }
    }

    fn replace(&mut self, field: &str, value: &Node, other: NodeValue) {
        let node = Node { value: other, at: value.at };
        let told = format!("`{field}: {}` can become `{}`", shown(value), shown(&node));
        self.add(value.at, Change::Replace(node.value), told);
    }
}

/// Whether a field changes no exchange. What is unique is a word of the schema in a row, and looked
/// up in a resource.
fn is_silent(name: &str, keys: Keys) -> bool {
    SILENT.contains(&name) && (name, keys) != ("unique", Keys::Resource)
}

/// Texts that could stand instead.
fn texts(field: &str, text: &str, keys: Keys) -> Vec<String> {
    if keys == Keys::Fields || keys == Keys::Resource {
        if let Some((_, words)) =
            WORDS.iter().find(|(name, words)| *name == field && words.contains(&text))
        {
            return words
                .iter()
                .filter(|word| **word != text)
                .map(|word| (*word).to_owned())
                .collect();
        }
        if EXPRESSIONS.contains(&field) {
            return vec![format!("not ({text})")];
        }
        // Words instead of requests have no neighbours.
        if keys == Keys::Resource && matches!(field, "delete" | "activate" | "deactivate") {
            return Vec::new();
        }
    }
    if let Some(path) = text.strip_prefix('$') {
        return vec![other_path(path)];
    }
    if let Some(name) = text.strip_prefix("header:") {
        return vec![format!("header:X-{name}")];
    }
    if text.starts_with('/') {
        return vec![other_url(text)];
    }
    vec![format!("{text}X")]
}

/// Another place beside this one; the text lacks its `$`.
fn other_path(path: &str) -> String {
    match path.split_once('[') {
        Some(("", rest)) => format!("$.X[{rest}"),
        Some((front, rest)) => format!("${front}X[{rest}"),
        None if path.is_empty() => "$.X".to_owned(),
        None => format!("${path}X"),
    }
}

/// The path with another last word outside of its holes.
fn other_url(path: &str) -> String {
    let mut depth = 0_usize;
    let mut end = 0;
    for (at, character) in path.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            c if depth == 0 && c.is_alphanumeric() => end = at + c.len_utf8(),
            _ => {}
        }
    }
    let (front, rest) = path.split_at_checked(end).unwrap_or((path, ""));
    format!("{front}X{rest}")
}

/// A value on one line, shortened.
fn shown(node: &Node) -> String {
    let text = match &node.value {
        NodeValue::String(text) => text.clone(),
        NodeValue::Null
        | NodeValue::Bool(_)
        | NodeValue::Number(_)
        | NodeValue::Seq(_)
        | NodeValue::Map(_) => node.to_json().to_string(),
    };
    let line = text.replace('\n', " ");
    if line.chars().count() <= LONGEST_SHOWN {
        return line;
    }
    line.chars().take(LONGEST_SHOWN).chain("…".chars()).collect()
}

#[cfg(test)]
mod tests {
    use crate::dialogue::mutants::{of, other_path, other_url};
    use crate::mapping::diagnostic::Diagnostics;
    use crate::mapping::yaml;

    #[test]
    fn other_places_are_near() {
        for (path, expected) in [
            ("", "$.X"),
            (".login", "$.loginX"),
            ("[*]", "$.X[*]"),
            (".mails[0].address", "$.mailsX[0].address"),
            (".phones[?@.kind=='work'].value", "$.phonesX[?@.kind=='work'].value"),
        ] {
            assert_eq!(other_path(path), expected);
        }
        for (path, expected) in [
            ("/people", "/peopleX"),
            ("/people/{id}", "/peopleX/{id}"),
            ("/people/{id}/enable", "/people/{id}/enableX"),
            ("/{id}", "X/{id}"),
        ] {
            assert_eq!(other_url(path), expected);
        }
    }

    /// Each fault changes the file, and in one place only.
    #[test]
    fn every_fault_makes_another_file() {
        let text = "
resources:
  User:
    id: $.id
    doc: for people
    attributes: { active: { path: $.off, via: not, default: true } }
    list: { get: /people, query: { all: 1 }, body: none, when: 'true' }
    delete: deactivate
    filters: { userName eq: login }
errors: { rules: [ { status: 404, scim: notFound } ] }
api: { base_url: x }
";
        let root = yaml::read(text, &mut Diagnostics::default()).expect("it is YAML");
        let mutants = of(&root);
        let told: Vec<&str> = mutants.iter().map(|mutant| mutant.told.as_str()).collect();
        for mutant in &mutants {
            assert_ne!(mutant.apply(&root).to_json(), root.to_json(), "{}", mutant.told);
        }
        for expected in [
            "`path: $.off` can become `$.offX`",
            "`via: not` can be left out",
            "`default: true` can become `false`",
            "the verb in `get: /people` can become `post`",
            "the name in `all: 1` can become `allX`",
            "`all: 1` can become `2`",
            "`when: true` can become `not (true)`",
            "`userName eq: login` can become `loginX`",
            "`status: 404` can become `405`",
            "`scim: notFound` can become `uniqueness`",
        ] {
            assert!(told.contains(&expected), "{expected}: {told:#?}");
        }
        for silent in ["for people", "base_url", "deactivateX", "notX"] {
            assert!(!told.iter().any(|told| told.contains(silent)), "{silent}: {told:#?}");
        }
    }
}
